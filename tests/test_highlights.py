"""Texts coloured by a unit: the values are those of the activations, at the user's own words, and nothing becomes markup."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

import kerasintrospect as ki

TEXTS = ["I love the CAKE!", "so sad, my queue", "", "comet comet"]


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def lens(request: pytest.FixtureRequest) -> Any:
    return ki.wrap(tiny.model(importlib.import_module(request.param)), class_names=tiny.NAMES)


@pytest.mark.filterwarnings("ignore:.*no token")
def test_each_word_has_the_value_of_its_meaning(lens: Any) -> None:
    found = lens.neuron_texts(TEXTS, "embedding", 2)
    frame = found.to_frame()
    assert found.by == "word" and len(found) == 4
    for row in frame.itertuples():
        assert row.text == TEXTS[row.example] and row.text[row.start : row.end] == row.word
        if row.word.lower() in tiny.MEANING:
            assert row.value == pytest.approx(tiny.MEANING[row.word.lower()][2], abs=1e-6)
    assert set(frame.word.str.lower()) >= {"love", "the", "sad", "comet"}
    assert found.middle == pytest.approx(np.median(frame.value))
    assert found.scale == pytest.approx(np.abs(frame.value - found.middle).max())


def test_a_whole_text_has_a_value_where_there_are_no_tokens(lens: Any) -> None:
    texts = ["love", "hate the bus", "so my door"]
    found = lens.neuron_texts(texts, "classes", 1)
    assert found.by == "example" and found.to_frame().columns.tolist() == ["example", "text", "value"]
    np.testing.assert_allclose(found.to_frame()["value"], lens.predict(texts).scores[:, 1], atol=1e-6)
    pooled = lens.neuron_texts(texts, "embedding", 1, by="example").to_frame()["value"]
    np.testing.assert_allclose(pooled, lens.activations(texts, "embedding", pool="mean")["embedding"][:, 1], atol=1e-6)


def test_a_reference_gives_the_colours(lens: Any) -> None:
    alone, beside = (lens.neuron_texts(["love"], "embedding", 2, reference=given) for given in (None, tiny.train()[0]))
    assert alone.scale == 0 and "<mark class=\"p4\"" not in alone._repr_html_().split("</p>", 2)[2]
    values = [tiny.MEANING[word][2] for text in tiny.train()[0] for word in text.split()]
    assert beside.middle == pytest.approx(np.median(values), abs=1e-6)
    assert '<mark class="p4" title="' in beside._repr_html_() and ">love</mark>" in beside._repr_html_()


def test_it_shows_the_texts_and_only_as_text(lens: Any, tmp_path: Path) -> None:
    found = lens.neuron_texts(["I <b>love</b> it", "<script>alert(1)</script> love \u202e cake"], "embedding", 2)
    for page in (found._repr_html_(), found.save(tmp_path / "t.html").read_text()):
        shown = re.sub("</?mark[^>]*>", "", page)
        assert "<script" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
        assert "<b>love" not in page and "I &lt;b&gt;love&lt;/b&gt; it" in shown
        assert "\u202e" not in page
    assert json.loads(found.save(tmp_path / "t.json").read_text()) == json.loads(json.dumps(found.to_dict()))
    with pytest.raises(ki.InputError, match="saved as .html or .json"):
        found.save(tmp_path / "t.txt")


def test_the_report_shows_the_same_values(lens: Any) -> None:
    report = lens.neuron_report(*tiny.train(), units=[2], top=1)
    one = report.facts["units"][0]
    own = lens.neuron_texts([row["text"] for row in one["coloured"]], "embedding", 2, reference=tiny.train()[0])
    assert [row["words"] for row in own.rows] == [row["words"] for row in one["coloured"]]
    assert (own.middle, own.scale) == (pytest.approx(one["middle"]), pytest.approx(one["scale"]))


def test_tokens_stand_for_words_where_nobody_knows_their_place() -> None:
    keras = importlib.import_module("keras")
    model = keras.Sequential([keras.Input((6,)), keras.layers.Embedding(30, 3, mask_zero=True, name="e"),
                              keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(2, activation="softmax")])  # fmt: skip

    def codes(texts: list[str]) -> np.ndarray:
        return np.array([[ord(letter) - 96 for letter in text.ljust(6, "`")] for text in texts])

    weights = model.get_layer("e").get_weights()[0][:, 1]
    named = ki.wrap(model, preprocess=codes, tokenizer=lambda text: [f"#{ord(letter)}" for letter in text])
    found = named.neuron_texts(["abc", "cba"], "e", 1)
    assert found.by == "token" and (found.to_frame()["start"] == -1).all()
    np.testing.assert_allclose(found.to_frame()["value"], weights[[1, 2, 3, 3, 2, 1]], atol=1e-6)
    assert "#99 #98 #97" in re.sub("</?mark[^>]*>", "", found._repr_html_())
    report = named.neuron_report(["abc", "cba", "bab", "ccc"], units=1)
    assert report.facts["unit"] == "token" and "its value per token" in report._page()
    unnamed = ki.wrap(model, preprocess=codes).neuron_texts(["abc", "cba"], "e", 1)
    assert unnamed.by == "token"
    np.testing.assert_allclose(unnamed.to_frame()["value"], found.to_frame()["value"], atol=1e-6)


def test_what_cannot_be_coloured_is_said(lens: Any) -> None:
    for unit in (4, -1, "3", 2.0, [1, 2], True, None):
        with pytest.raises(ki.InputError, match="the number of one unit of 'embedding', from 0 to 3. Received: unit="):
            lens.neuron_texts(["love"], "embedding", unit)
    with pytest.raises(ki.InputError, match="`by` has to be None or one of"):
        lens.neuron_texts(["love"], "embedding", 1, by="letter")
    with pytest.raises(ki.InputError, match="at least one text"):
        lens.neuron_texts([], "embedding", 1)
    with pytest.raises(ki.InputTypeError, match="list of texts"):
        lens.neuron_texts("love", "embedding", 1)
    with pytest.raises(ki.InputError, match="one vector per token"):
        lens.neuron_texts(["love"], "classes", 1, by="word")
    with pytest.raises(ki.SiteError):
        lens.neuron_texts(["love"], "nowhere", 1)
    with pytest.raises(ki.UnsupportedError):
        ki.wrap(lambda texts: np.full((len(texts), 2), 0.5)).neuron_texts(["love"], ":out", 0)
