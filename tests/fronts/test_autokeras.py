"""The pipeline of AutoKeras: ids as its own `transform_x` makes them, from the object or from its file."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki
from kerasintrospect.fronts.base import find_front

pytest.importorskip("autokeras", reason="AutoKeras is not installed: pip install autokeras tensorboard")

KNOWN = ["the film , the actor", "The film!", "naïve ＦＩＬＭ 😀", "a\tb\nc", "\ud800 alone"]


def pipeline(texts: list[str], length: int = 100, words: int = 500) -> Any:
    """Fitted on texts by AutoKeras itself."""
    preprocessors, module = (importlib.import_module(f"autokeras.{name}") for name in ("preprocessors", "pipeline"))
    made = module.Pipeline([[preprocessors.CastToString(), preprocessors.TextTokenizer(length, max_vocab=words)]], [[]])
    made.fit((np.array(texts), np.zeros(len(texts))))
    return made


def saved(made: Any, file: Path) -> Path:
    made.save(file)
    return file


def front(given: Any, **options: Any) -> Any:
    keras = importlib.import_module("keras")
    adapter = ki.wrap(zoo.graph(keras, zoo.layers(keras, mask_zero=True), 100))._runner.adapter
    return find_front(given, None, adapter, options.get("max_length"))


def strange(seed: int = 0) -> list[str]:
    """Texts of known and unknown words with all that Python takes for white space, and some that are too long."""
    draw = np.random.default_rng(seed)
    words = [*" ".join(KNOWN).split(), "unknown", "\0", "end\0", "\u200b", "e\u0301"]
    gaps = [" ", "  ", "\t", "\n", "\u00a0", "\u2003", "\x1c", "\x85", "\u3000"]
    found = ["", " ", "\0", "the film\0\0"]
    for count in draw.integers(1, 130, 60):
        found.append("".join(draw.choice(words) + draw.choice(gaps) for _ in range(count)))
    return found


def test_ids_are_those_of_autokeras_and_tokens_stand_in_the_text():
    made = pipeline(KNOWN, words=8)
    texts, encoded = strange(), front(made).encode(strange())
    assert np.array_equal(encoded.inputs, made.transform_x(np.array(texts))) and encoded.inputs.any(axis=1).sum() > 50
    for text, row, ids, mask in zip(texts, encoded.rows(), encoded.inputs, encoded.mask, strict=True):
        assert [text[a:b] for a, b in row.spans] == list(row.tokens)
        assert mask[: len(row.tokens)].all() and len(row.tokens) == mask.sum()
        assert row.unknown == tuple((ids[mask] == 0).tolist()) and row.truncated == (len(text.rstrip("\0").split()) > 100)


def test_the_file_is_as_good_as_the_object(tmp_path):
    made = pipeline(KNOWN)
    fronts = [front(made), front(saved(made, tmp_path / "best_pipeline")), front(str(tmp_path / "best_pipeline"))]
    assert len({one.identity() for one in fronts}) == 1 and fronts[0].max_length == 100
    others = [front(pipeline(KNOWN[:3])), front(pipeline(KNOWN, length=50))]
    assert len({one.identity() for one in (*others, fronts[0])}) == 3
    assert np.array_equal(fronts[1].encode(KNOWN).inputs, made.transform_x(np.array(KNOWN)))


def test_what_is_no_pipeline_of_texts_says_what_is(tmp_path):
    preprocessors, module = (importlib.import_module(f"autokeras.{name}") for name in ("preprocessors", "pipeline"))
    (tmp_path / "list").write_text("[1]")
    (tmp_path / "pickle").write_bytes(b"\x80\x04K\x01.")
    for wrong, kind in (("list", "TypeError"), ("pickle", "UnicodeDecodeError"), ("none", "FileNotF"), (".", "IsADir")):
        with pytest.raises(ki.InputError, match=f"path .* the best_pipeline file of AutoKeras; any other .*Received: .*{kind}"):
            front(tmp_path / wrong)
    with pytest.raises(ki.InputTypeError, match=r"clf.tuner.get_best_pipeline\(\).*Received: TextTokenizer"):
        front(preprocessors.TextTokenizer())
    with pytest.raises(ki.InputTypeError, match=r"a single text can be used. Received: inputs \[\[\], \['CastToString'\]\]"):
        front(module.Pipeline([[], [preprocessors.CastToString()]], [[]]))
    with pytest.raises(ki.InputError, match="leave max_length out. Received: max_length=7"):
        front(pipeline(KNOWN), max_length=7)
