"""flavorfetcher 1.0.0: does a word in a whiskey review describe a flavor? Ready embeddings of the word and of its context,
two inputs, two LSTMs. The embeddings themselves are not published; these are drawn from each word's own seed."""

from __future__ import annotations

import csv
import importlib
import zlib
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki

from .published import near, nearest

FILE = "100_2021-04-20 10_38_24.203316_3_epochs_re-run_model.h5"


def vector(word: str) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(word.encode())).normal(0, 0.4, 300).astype("float32")


def embedded(texts: list[str]) -> list[np.ndarray]:
    """[(n, 1, 300) the word in the middle, (n, 6, 300) three words on both sides]"""
    made = np.array([[vector(word) for word in text.lower().split()] for text in texts])
    return [made[:, 3:4], made[:, [0, 1, 2, 4, 5, 6]]]


@pytest.fixture(scope="module")
def texts(package: Any) -> list[str]:
    """Seven words each, from the reviews in the package."""
    with open(package("flavorfetcher") / "flavorfetcher" / "data" / "Example Whiskey Reviews.csv", encoding="utf-8") as file:
        words = [row["token_clean"] for row, _ in zip(csv.DictReader(file), range(60), strict=False) if row["token_clean"]]
    return [" ".join(words[i : i + 7]) for i in range(0, 42, 6)]


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def model(package: Any, request: pytest.FixtureRequest) -> Any:
    """In the family of the file, and as users of Keras 3 load it."""
    path = package("flavorfetcher") / "flavorfetcher" / "data" / FILE
    if request.param == "tf_keras":
        return ki.load_model(path)
    return importlib.import_module("keras").saving.load_model(path, compile=False)


@pytest.fixture(scope="module")
def lens(model: Any) -> Any:
    return ki.wrap(model, class_names=["other", "flavor"])


def joined(model: Any, phrase: np.ndarray, context: np.ndarray) -> np.ndarray:
    relu = lambda x: np.maximum(x, 0)  # noqa: E731
    parts = [zoo.dense(model.get_layer(f"dense_{k}"), relu)(zoo.lstm(model.get_layer(f"lstm_{k}"), sequences=False)(x))
             for k, x in ((1, phrase), (2, context))]  # fmt: skip
    return np.concatenate(parts, -1)


def logits(model: Any, phrase: np.ndarray, context: np.ndarray) -> np.ndarray:
    x = joined(model, phrase, context)
    for k in (3, 4, 5):
        x = np.maximum(zoo.dense(model.get_layer(f"dense_{k}"))(x), 0)
    return zoo.dense(model.get_layer("dense_6"))(x)


def test_it_is_loaded_and_predicts(model, lens, texts):
    given = embedded(texts)
    found = lens.predict(given)
    assert near(found.scores, model.predict(given, verbose=0)) and near(found.scores, zoo.softmax(logits(model, *given)))
    assert found.kind == "softmax" and len(set(found.labels)) == 2


def test_sites_and_what_is_there(model, lens, texts):
    given = embedded(texts)
    assert {row.path for row in lens.sites() if row.calls} > {"lstm_1", "lstm_2", "concatenate_1", "dense_6"}
    graph = type(model)(model.inputs, model.get_layer("concatenate_1").output)
    head = lens.truncate("concatenate_1")
    expected = joined(model, *given)
    for found in (graph.predict(given, verbose=0), head.predict(given, verbose=0),
                  lens.activations(given, "concatenate_1")["concatenate_1"]):  # fmt: skip
        assert near(found, expected)
    assert near(np.asarray(lens.tail("concatenate_1")(head(given))), zoo.softmax(logits(model, *given)))
    with pytest.raises(ki.CutError, match="lstm_1"):
        lens.tail("lstm_2")


def test_the_words_that_decide(model, lens, texts):
    phrase, context = (x.astype(float) for x in embedded(texts))
    expected = np.zeros((len(texts), 7))
    for k in range(7):
        ends = []
        for sign in (1, -1):
            one, other = phrase.copy(), context.copy()
            (one if k == 0 else other)[:, max(k - 1, 0)] *= 1 + sign * 1e-6
            ends.append(logits(model, one, other)[:, 1])
        expected[:, k] = (ends[0] - ends[1]) / 2e-6
    found = lens.attribute(embedded(texts), "input_x_gradient", target="flavor")
    assert found.sites == (":in[0]", ":in[1]") and near(found.scores, expected)
    complete = lens.attribute(embedded(texts), target="flavor")
    ends = logits(model, phrase, context) - logits(model, 0 * phrase, 0 * context)
    assert near(complete.scores.sum(1) - complete.deltas, ends[:, 1]) and near(complete.scores.sum(1), ends[:, 1], 0.02)
    whole = logits(model, phrase, context)[:, 1]
    without = logits(model, 0 * phrase, context)[:, 1]
    assert near(lens.attribute(embedded(texts), "occlusion", target="flavor").scores[:, 0], whole - without)


def test_texts_by_a_function(model, texts):
    """Two inputs have no one row of tokens: positions stand in for words, and a report says so."""
    lens = ki.wrap(model, preprocess=embedded, class_names=["other", "flavor"])
    found = lens.attribute(texts, "input_x_gradient", target="flavor")
    arrays = ki.wrap(model).attribute(embedded(texts), "input_x_gradient", target=1)
    assert near(found.scores, arrays.scores) and len(found[0].words()) == 7
    index = lens.neighbors(texts, site="concatenate_1")
    others = [" ".join(reversed(text.split())) for text in texts]
    vectors, queries = (joined(model, *embedded(given)) for given in (texts, others))
    assert np.array_equal(index.query(others, k=1).indices[:, 0], nearest(vectors, queries))
    wrong = ["other" if label else "flavor" for label in lens.predict(texts).labels]
    report = lens.debug(texts, wrong, method="input_x_gradient").facts
    assert len(report["errors"]) == len(texts) and any("no colours: it is not known where" in note for note in report["notes"])
