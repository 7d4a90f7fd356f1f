"""chars2vec 0.1.7: vectors of words by their letters. One-hot letters, padded in front; two LSTMs; published as weights alone.

The weights were trained by Keras 2.2, whose gates are hard sigmoids unless something else is said.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki

from .published import hard_sigmoid, literals, near, nearest, slopes

LENGTH = 16  # of all words: the model reads padding, so that a vector hangs on it
WORDS = ["language", "natural", "library", "embedding", "introspection", "don't"]
TYPOS = ["langauge", "naturla", "librry", "embeding", "introspecton", "dont"]


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def made(package: Any, request: pytest.FixtureRequest) -> SimpleNamespace:
    """The model built as its author builds it, with his weights."""
    folder = package("chars2vec") / "chars2vec-0.1.7" / "chars2vec" / "trained_models" / "eng_50"
    keras = importlib.import_module(request.param)
    gate = "hard_sigmoid" if request.param == "tf_keras" else lambda x: keras.ops.clip(0.2 * x + 0.5, 0, 1)
    _, *pairs = literals(folder / "model.pkl")
    alphabet = dict(zip(pairs[::2], pairs[1::2], strict=True))
    inputs = keras.Input((None, len(alphabet)))
    first, second = (keras.layers.LSTM(50, recurrent_activation=gate, return_sequences=more) for more in (True, False))
    model = keras.Model(inputs, second(first(inputs)))
    model.load_weights(folder / "weights.h5")

    def spelled(words: list[str]) -> np.ndarray:
        rows = np.zeros((len(words), LENGTH, len(alphabet)), "float32")
        for row, word in zip(rows, words, strict=True):
            for t, letter in enumerate(word.lower(), LENGTH - len(word)):
                row[t, alphabet[letter]] = 1
        return rows

    def vectors(x: np.ndarray) -> np.ndarray:
        return zoo.lstm(second, sequences=False, gate=hard_sigmoid)(zoo.lstm(first, gate=hard_sigmoid)(x))

    lens = ki.wrap(model, tokenizer=list, preprocess=spelled)
    return SimpleNamespace(model=model, lens=lens, spelled=spelled, vectors=vectors, first=first, second=second, folder=folder)


def test_weights_alone_are_no_model(made):
    with pytest.raises(ki.ModelFileError, match=r"holds weights without a model: build the model .* load_weights\(path\)"):
        ki.load_model(Path(made.folder) / "weights.h5")


def test_vectors_are_those_of_the_model(made):
    found = made.lens.predict(WORDS)
    assert found.kind == "raw" and near(found.scores, made.model.predict(made.spelled(WORDS), verbose=0), 1e-5)
    assert near(found.scores, made.vectors(made.spelled(WORDS)))
    alone = np.concatenate([made.lens.predict([word]).scores for word in WORDS])
    assert near(alone, found.scores, 1e-5)


def test_sites_and_what_is_there(made):
    site = made.first.name
    expected = zoo.lstm(made.first, gate=hard_sigmoid)(made.spelled(WORDS))
    graph = type(made.model)(made.model.inputs, made.first.output)
    assert near(graph.predict(made.spelled(WORDS), verbose=0), expected)
    assert near(made.lens.truncate(site).predict(made.spelled(WORDS), verbose=0), expected)
    acts = made.lens.activations(WORDS, site)
    assert near(acts[site][acts.mask], expected[acts.mask]) and acts.tokens[2] == tuple("library")


def test_typing_errors_are_near_their_words(made):
    found = made.lens.neighbors(WORDS, site=made.second.name).query(TYPOS, k=1)
    vectors, queries = made.vectors(made.spelled(WORDS)), made.vectors(made.spelled(TYPOS))
    assert found.indices[:, 0].tolist() == nearest(vectors, queries).tolist() == list(range(len(WORDS)))


def test_letters_that_make_two_words_alike(made):
    import tensorflow as tf

    other = made.vectors(made.spelled(["natural"]))[0]
    alike = lambda outputs: tf.linalg.matvec(outputs, other.astype("float32"))  # noqa: E731
    found = made.lens.attribute(WORDS, "input_x_gradient", target=alike)
    for word, item in zip(WORDS, found, strict=True):
        expected = slopes(lambda x: made.vectors(x) @ other, made.spelled([word])[0].astype(float))
        assert item.tokens == tuple(word) and near(item.scores, expected[-len(word) :])
        assert np.isclose(item.words()[0].score, expected.sum(), rtol=1e-3, atol=1e-5) and item.words()[0].text == word
    ends = (made.vectors(made.spelled(WORDS)) - made.vectors(0 * made.spelled(WORDS))) @ other
    complete = made.lens.attribute(WORDS, target=alike)
    assert near(complete.scores.sum(1) - complete.deltas, ends) and near(complete.scores.sum(1), ends, 0.02)
    with pytest.raises(ki.UnsupportedError, match="one class for each text"):
        made.lens.debug(WORDS, [0] * len(WORDS))
