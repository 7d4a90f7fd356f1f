"""A model examined: what its words tell at each site, and whether training put it there."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from test_effects import transformer

import kerasintrospect as ki

NOUNS, VERBS = set(tiny.WORDS[1]), {"hate", "love", "is"}
KIND = {word: "noun" if word in NOUNS else "verb" if word in VERBS else "other" for word in tiny.MEANING}


def tagged() -> Any:
    draws, vocabulary = np.random.default_rng(0), list(tiny.MEANING)
    words = [[vocabulary[i] for i in draws.integers(len(vocabulary), size=draws.integers(2, 9))] for _ in range(120)]
    return ki.tagged(words, [[KIND[word] for word in row] for row in words])


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_words_are_known_before_training_and_the_probe_says_so(family: str, tmp_path: Path) -> None:
    model = transformer(importlib.import_module(family))
    lens, weights = ki.wrap(model, class_names=tiny.NAMES), [w.copy() for w in model.get_weights()]
    found = lens.probe(tagged(), sites=["embedding", "norm"], sizes=[1, 4], path=tmp_path)
    facts = found["embedding"].facts
    assert facts["score"] == 1.0  # a table of words knows every word, be it trained or not, whatever its labels are
    assert min(facts["untrained"], facts["control"]) > facts["majority"] + 0.2
    assert not found["embedding"].trusted
    again = lens.probe(tagged(), sites=["embedding", "norm"], sizes=[1, 4], path=tmp_path)  # of what is there
    assert again["norm"].facts == found["norm"].facts
    store, other = ki.load_store(tmp_path / "trained"), ki.load_store(tmp_path / "untrained")
    assert len(store) == len(other) == sum(map(len, tagged().labels))
    assert (store.read("norm") != other.read("norm")).any()
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_texts_have_labels_too() -> None:
    import keras

    lens = ki.wrap(tiny.model(keras), class_names=tiny.NAMES)
    texts, labels = tiny.train()
    found = lens.probe(texts, labels, untrained=False, sizes=[1, 2], dtype="float32")
    assert sum(map(len, found["embedding"].rows.values())) == len(texts)  # a row per text: what has a label
    assert found.best in found
    assert found["embedding"].score > found["embedding"].facts["majority"] + 0.3
    assert found["embedding"].facts["untrained"] is None


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        (None, {}, r"such as ki.tagged\(words, labels\).* Received: labels=None"),
        ([1] * 24, {}, "labels of at least two classes. Received: 24 times 1"),
        ([0, 1] * 12, {"method": "lineer"}, "no ranking method 'lineer'"),
        ([0, 1] * 12, {"tolerance": 2}, "Received: tolerance=2"),
        ([0, 1] * 12, {"depth": 2}, "'linear' has other options: .*'depth'"),
        ([0, 1] * 12, {"seed": -1}, "Received: seed=-1"),
        ([0, 1] * 12, {"y": [1]}, "the labels `labels`. Received: y="),
        ([0.5, 1.25] * 12, {"method": "iou"}, "'iou' ranks for classes, and the labels are values"),
        ([True, 1] * 12, {}, r"all of a kind. Received: y\[1\]=1"),
    ],
)
def test_what_cannot_be_probed_is_said_before_the_model_runs(labels, options, said, tmp_path) -> None:
    import keras

    lens, path = ki.wrap(tiny.model(keras), class_names=tiny.NAMES), tmp_path / "kept"
    with pytest.raises((ki.InputError, ki.InputTypeError, ki.UnsupportedError), match=said):
        lens.probe(tiny.train()[0][:24], labels, path=path, **options)
    assert not path.exists()


def test_rows_that_are_left_out_are_said() -> None:
    """Of what a tokenizer drops no row is left: a whole class is gone, and nobody would miss it."""
    import keras

    lens = ki.wrap(tiny.model(keras), class_names=tiny.NAMES)
    rows = [[name, ":", other, "--"] for name in list(tiny.MEANING)[:8] for other in list(tiny.MEANING)[8:13]] * 2
    found = lens.probe(ki.tagged(rows, [["N", "P", "V", "P"]] * 80), sites=["embedding"], untrained=False, sizes=[1])
    assert sum(map(len, found["embedding"].rows.values())) == 160
    for notes in (found.notes, found["embedding"].notes):
        text = " ".join(notes)
        assert "160 words have no row" in text and "Classes of which no row is left: 'P'." in text
        assert "40 of 80 texts are equal to another" in text
    with pytest.raises(ki.InputError, match="Received: 80 texts, of which 2 differ"):
        lens.probe(ki.tagged(rows[:2] * 40, [["N", "P", "V", "P"]] * 80), sites=["embedding"], untrained=False)


def test_a_black_box_has_no_layers() -> None:
    lens = ki.wrap(lambda texts: np.full((len(texts), 2), 0.5))
    with pytest.raises(ki.UnsupportedError):
        lens.probe(["a text"] * 20, [0, 1] * 10, unit="example")
