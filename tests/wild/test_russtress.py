"""russtress 0.1.4: where a Russian word is stressed. One-hot letters, padded in front; a BiLSTM; one of 40 positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki

from .published import hard_sigmoid, near, nearest, slopes

ALPHABET = "'-_абвгдежзийклмнопрстуфхцчшщъыьэюяё"
LENGTH = 40
STRESSED = ["_молоко'", "_соба'ка", "_коро'ва", "_доро'га", "_хорошо'", "_росси'я", "ные_мечты'"]
WORDS = [word.replace("'", "") for word in STRESSED]


def spelled(words: list[str]) -> np.ndarray:
    made = np.zeros((len(words), LENGTH, len(ALPHABET)), "float32")
    for row, word in zip(made, words, strict=True):
        for t, letter in enumerate(word, LENGTH - len(word)):
            row[t, ALPHABET.index(letter)] = 1
    return made


@pytest.fixture(scope="module")
def model(package: Any) -> Any:
    return ki.load_model(package("russtress") / "russtress" / "weights.96.hdf5")


@pytest.fixture(scope="module")
def lens(model: Any) -> Any:
    return ki.wrap(model, tokenizer=list, preprocess=spelled)


def both_ways(model: Any, x: np.ndarray) -> np.ndarray:
    both, options = model.layers[0], {"sequences": False, "gate": hard_sigmoid}
    ends = zoo.lstm(both.forward_layer, **options), zoo.lstm(both.backward_layer, back=True, **options)
    return np.concatenate([end(x) for end in ends], -1)


def logits(model: Any, x: np.ndarray) -> np.ndarray:
    return zoo.dense(model.layers[2])(both_ways(model, x))


def test_the_stress_is_where_it_belongs(model, lens):
    assert type(model).__module__.startswith("tf_keras")
    found = lens.predict(WORDS)
    assert near(found.scores, model.predict(spelled(WORDS), verbose=0)) and found.kind == "softmax"
    assert near(found.scores, zoo.softmax(logits(model, spelled(WORDS))))
    ends = [label - (LENGTH - len(word)) + 1 for label, word in zip(found.labels, WORDS, strict=True)]
    assert [f"{word[:end]}'{word[end:]}" for word, end in zip(WORDS, ends, strict=True)] == STRESSED


def test_sites_and_what_is_there(model, lens):
    assert {row.path for row in lens.sites() if row.calls} > {"bidirectional_1", "bidirectional_1.forward_layer", "dense_1"}
    head = lens.truncate("bidirectional_1")
    expected = both_ways(model, spelled(WORDS))
    assert near(head.predict(spelled(WORDS), verbose=0), expected)
    assert near(lens.activations(WORDS, "bidirectional_1")["bidirectional_1"], expected)
    assert near(np.asarray(lens.tail("bidirectional_1")(expected.astype("f"))), zoo.softmax(logits(model, spelled(WORDS))))


def test_letters_that_decide(model, lens):
    found = lens.attribute(WORDS, "input_x_gradient")
    for word, item in zip(WORDS, found, strict=True):
        x = spelled([word])[0].astype(float)
        expected = slopes(lambda x, label=item.target: logits(model, x)[:, label], x)
        assert item.tokens == tuple(word) and near(item.scores, expected[-len(word) :])
        assert [(w.text, pytest.approx(w.score, abs=1e-4)) for w in item.words()] == [(word, item.scores.sum())]
    complete = lens.attribute(WORDS, n_steps=100)
    ends = logits(model, spelled(WORDS)) - logits(model, 0 * spelled(WORDS))
    reached = ends[np.arange(len(WORDS)), [item.target for item in complete]]
    assert near(complete.scores.sum(1) - complete.deltas, reached) and near(complete.scores.sum(1), reached, 0.05)


def test_like_words_and_a_report(model, lens):
    index = lens.neighbors(WORDS[:5], site="bidirectional_1")
    queries = ["_молока", "_собаки", "_коровы", "_дороги"]
    expected = nearest(both_ways(model, spelled(WORDS[:5])), both_ways(model, spelled(queries)))
    assert np.array_equal(index.query(queries, k=1).indices[:, 0], expected)
    truth = [LENGTH - 1] * len(WORDS)  # as if each word were stressed on its last letter
    report = lens.debug(WORDS, truth, method="input_x_gradient").facts
    assert {error["text"] for error in report["errors"]} == {"_собака", "_корова", "_дорога", "_россия"}
    assert all(word["predicted"] for error in report["errors"] for word in error["words"])
