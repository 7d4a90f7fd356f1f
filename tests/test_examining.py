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
    found = lens.probe(texts, labels, unit="example", untrained=False, sizes=[1, 2])
    assert found.best in found
    assert found["embedding"].score > found["embedding"].facts["majority"] + 0.3
    assert found["embedding"].facts["untrained"] is None


def test_a_black_box_has_no_layers() -> None:
    lens = ki.wrap(lambda texts: np.full((len(texts), 2), 0.5))
    with pytest.raises(ki.UnsupportedError):
        lens.probe(["a text"] * 20, [0, 1] * 10, unit="example")
