"""textgenrnn 2.0.0: which letter comes next. Ids of letters behind a mark, padded in front; two LSTMs, an attention of its own.

Published as weights by name, as CuDNN left them, which tf_keras turns into those of its LSTM.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki

from .published import near, nearest, slopes

LENGTH = 40
TEXTS = {"I want to kno": "w", "The president of the Unite": "d", "What is the best wa": "y", "Thank yo": "u"}


def attention_class() -> Any:
    """The average over positions, weighted by a softmax of one number for each: written anew from the package's formula."""
    import tensorflow as tf
    import tf_keras

    class AttentionWeightedAverage(tf_keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.W = self.add_weight(name=f"{self.name}_W", shape=(shape[-1], 1))
            super().build(shape)

        def call(self, x: Any) -> Any:
            return tf.reduce_sum(x * tf.nn.softmax(x @ self.W, 1), 1)

    return AttentionWeightedAverage


@pytest.fixture(scope="module")
def made(package: Any) -> SimpleNamespace:
    import tf_keras

    folder, layers = package("textgenrnn") / "textgenrnn-2.0.0" / "textgenrnn", tf_keras.layers
    ids = json.loads((folder / "textgenrnn_vocab.json").read_text(encoding="utf-8"))
    classes = len(ids) + 1  # 0 is padding, and what is in no text of the author's
    inputs = layers.Input((LENGTH,), name="input")
    x = layers.Embedding(classes, 100, name="embedding")(inputs)
    first = layers.LSTM(128, return_sequences=True, name="rnn_1")(x)
    second = layers.LSTM(128, return_sequences=True, name="rnn_2")(first)
    pooled = attention_class()(name="attention")(layers.Concatenate(name="rnn_concat")([x, first, second]))
    model = tf_keras.Model(inputs, layers.Dense(classes, "softmax", name="output")(pooled))
    model.load_weights(folder / "textgenrnn_weights.hdf5", by_name=True)

    def numbered(texts: list[str]) -> np.ndarray:
        rows = [[ids["<s>"], *(ids.get(letter, 0) for letter in text)][-LENGTH:] for text in texts]
        return np.array([[0] * (LENGTH - len(row)) + row for row in rows])

    names = ["", *sorted(ids, key=ids.__getitem__)]
    mark_and_letters = lambda text: [(-1, -1), *((i, i + 1) for i in range(len(text)))]  # noqa: E731
    lens = ki.wrap(model, tokenizer=mark_and_letters, preprocess=numbered, class_names=names)
    return SimpleNamespace(model=model, lens=lens, numbered=numbered, names=names, layer=model.get_layer)


def embedded(made: SimpleNamespace, texts: list[str]) -> np.ndarray:
    return zoo.embedding(made.layer("embedding"))(made.numbered(texts))[0]


def joined(made: SimpleNamespace, x: np.ndarray) -> np.ndarray:
    first = zoo.lstm(made.layer("rnn_1"))(x)
    return np.concatenate([x, first, zoo.lstm(made.layer("rnn_2"))(first)], -1)


def averaged(made: SimpleNamespace, x: np.ndarray) -> np.ndarray:
    whole = joined(made, x)
    return (whole * zoo.softmax((whole @ zoo.weights(made.layer("attention"))[0])[..., 0])[..., None]).sum(1)


def logits(made: SimpleNamespace, x: np.ndarray) -> np.ndarray:
    return zoo.dense(made.layer("output"))(averaged(made, x))


def test_the_next_letter(made):
    texts = list(TEXTS)
    found = made.lens.predict(texts)
    assert near(found.scores, made.model.predict(made.numbered(texts), verbose=0))
    assert near(found.scores, zoo.softmax(logits(made, embedded(made, texts))))
    assert [made.names[label] for label in found.labels] == list(TEXTS.values())


def test_sites_and_what_is_there(made):
    texts = list(TEXTS)
    x = embedded(made, texts)
    assert {row.path for row in made.lens.sites() if row.calls} > {"rnn_1", "rnn_2", "rnn_concat", "attention"}
    for site, expected in {"rnn_concat": joined(made, x), "attention": averaged(made, x)}.items():
        graph = type(made.model)(made.model.inputs, made.layer(site).output)
        head = made.lens.truncate(site)
        assert near(graph.predict(made.numbered(texts), verbose=0), expected)
        assert near(head.predict(made.numbered(texts), verbose=0), expected)
        acts = made.lens.activations(texts, site)
        assert near(acts[site][acts.mask] if acts[site].ndim > 2 else acts[site],
                    expected[acts.mask] if expected.ndim > 2 else expected)  # fmt: skip
    assert near(np.asarray(made.lens.tail("attention")(averaged(made, x).astype("f"))), zoo.softmax(logits(made, x)))


def test_letters_that_lead_to_the_next(made):
    texts, wanted = list(TEXTS), list(TEXTS.values())
    found = made.lens.attribute(texts, "input_x_gradient", target=wanted)
    for text, letter, item in zip(texts, wanted, found, strict=True):
        label = made.names.index(letter)
        expected = slopes(lambda x, label=label: logits(made, x)[:, label], embedded(made, [text])[0])
        assert "".join(item.tokens) == text and near(item.scores, expected[-len(text) - 1 :])
        start = LENGTH - len(text)
        by_word = [expected[start + word.start : start + word.end].sum() for word in item.words()]
        assert near([word.score for word in item.words()], by_word) and [w.text for w in item.words()] == text.split()
    complete = made.lens.attribute(texts, target=wanted)
    rows = np.arange(len(texts)), [made.names.index(letter) for letter in wanted]
    ends = logits(made, embedded(made, texts))[rows] - logits(made, 0 * embedded(made, texts))[rows]
    assert near(complete.scores.sum(1) - complete.deltas, ends)


def test_like_contexts_and_a_report(made):
    texts, others = list(TEXTS), ["I wanted to kno", "of the Unite", "the best wa", "Thanks to yo"]
    index = made.lens.neighbors(texts, site="attention")
    vectors, queries = (averaged(made, embedded(made, given)) for given in (texts, others))
    assert np.array_equal(index.query(others, k=1).indices[:, 0], nearest(vectors, queries))
    report = made.lens.debug(texts, ["e", *list(TEXTS.values())[1:]], method="input_x_gradient").facts
    (error,) = report["errors"]
    assert error["text"] == texts[0] and any(word["predicted"] for word in error["words"])


def test_letters_of_a_text_that_is_cut_are_not_guessed(made):
    """A mark stands before each letter that is asked for alone, so that nobody can say which of the ids is the letter's."""
    with pytest.warns(ki.KerasIntrospectWarning) as told:
        found = made.lens.attribute(["The president of the United States of Ameri"], "input_x_gradient", target="c")[0]
    assert "gives 44 tokens where the model has 40: they cannot be matched" in str(told[0].message)
    assert len(found.words()) == LENGTH and not found.placed


def test_a_file_with_a_layer_of_the_authors_is_loaded_by_the_user(made, tmp_path: Path):
    import tf_keras

    made.model.save(tmp_path / "model.h5")
    with pytest.raises(ki.ModelFileError, match="load it in Python with custom_objects and wrap the model"):
        ki.load_model(tmp_path / "model.h5")
    theirs = {"AttentionWeightedAverage": attention_class()}
    loaded = tf_keras.models.load_model(tmp_path / "model.h5", compile=False, custom_objects=theirs)
    again = ki.wrap(loaded, preprocess=made.numbered).predict(list(TEXTS)).scores
    assert near(again, made.lens.predict(list(TEXTS)).scores, 1e-5)
