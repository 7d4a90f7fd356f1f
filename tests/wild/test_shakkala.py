"""shakkala 1.7: the vowels of Arabic. Ids of letters, one label for each; a GRU, a BiGRU, three BiLSTMs with BatchNorm.

The files are of Keras 2.0 and 2.1, whose GRU knew no `reset_after`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki
from kerasintrospect.text import words

from .published import hard_sigmoid, literals, near, nearest, slopes

TEXTS = ["فإن لم يكونا كذلك أتى بما يقتضيه الحال وهذا أولى", "كتب الولد الدرس"]
VOWELED = "فَإِنْ لَمْ يَكُونَا كَذَلِكَ أَتَى بِمَا يَقْتَضِيهِ الْحَالُ وَهَذَا أَوْلَى"
LENGTHS = {"simple_model": 495, "middle_model": 315, "second_model6": 315}


@pytest.fixture(scope="module")
def made(package: Any) -> Any:
    """Name -> model, lens and tables, made once."""
    folder: Path = package("shakkala") / "shakkala"
    flat = [literals(folder / "dictionary" / f"{name}.pickle") for name in ("input_vocab_to_int", "output_int_to_vocab")]
    ids, vowels = (dict(zip(values[::2], values[1::2], strict=True)) for values in flat)

    @cache
    def get(name: str) -> SimpleNamespace:
        def numbered(texts: list[str]) -> np.ndarray:
            rows = [[ids.get(letter, ids["<UNK>"]) for letter in text] for text in texts]
            return np.array([row + [0] * (LENGTHS[name] - len(row)) for row in rows])

        model = ki.load_model(folder / "model" / f"{name}.h5")
        lens = ki.wrap(model, tokenizer=list, preprocess=numbered)
        return SimpleNamespace(model=model, lens=lens, numbered=numbered, vowels=vowels)

    return get


def voweled(text: str, labels: np.ndarray, vowels: dict[int, str]) -> str:
    marks = [vowels[label] for label in labels.tolist()]
    return "".join(c + (mark if len(mark) < 3 and mark != "ـ" else "") for c, mark in zip(text, marks, strict=False))


@pytest.mark.parametrize(("name", "wrong"), [("simple_model", 2), ("middle_model", 0), ("second_model6", 0)])
def test_every_letter_has_its_vowel(made, name, wrong):
    its = made(name)
    found = its.lens.predict(TEXTS)
    assert near(found.scores, its.model.predict(its.numbered(TEXTS), verbose=0)) and found.kind == "softmax"
    text = voweled(TEXTS[0], found.labels[0], its.vowels)
    assert sum(a != b for a, b in zip(text.split(), VOWELED.split(), strict=True)) == wrong


@pytest.mark.parametrize(("name", "site"), [("middle_model", "bidirectional_5"), ("second_model6", "batch_normalization_13")])
def test_sites_and_what_is_there(made, name, site):
    its = made(name)
    assert site in {row.path for row in its.lens.sites() if row.calls}
    expected = type(its.model)(its.model.layers[: [layer.name for layer in its.model.layers].index(site) + 1]).predict(
        its.numbered(TEXTS), verbose=0
    )
    assert near(its.lens.truncate(site).predict(its.numbered(TEXTS), verbose=0), expected)
    acts = its.lens.activations(TEXTS, site)
    assert near(acts[site][acts.mask], expected[acts.mask]) and acts.tokens[1] == tuple(TEXTS[1])


def gru(layer: Any, x: np.ndarray, back: bool = False) -> np.ndarray:
    """As it was before `reset_after`."""
    kernel, recurrent, bias = zoo.weights(layer)
    units = len(recurrent)
    h, found = np.zeros((len(x), units)), np.zeros((*x.shape[:2], units))
    for t in range(x.shape[1])[::-1] if back else range(x.shape[1]):
        given = x[:, t] @ kernel + bias
        gates = hard_sigmoid(given[:, : 2 * units] + h @ recurrent[:, : 2 * units])
        update, reset = gates[:, :units], gates[:, units:]
        new = np.tanh(given[:, 2 * units :] + (reset * h) @ recurrent[:, 2 * units :])
        h = found[:, t] = update * h + (1 - update) * new
    return found


def logits(model: Any, x: np.ndarray, position: int) -> np.ndarray:
    """Of one letter: from the embeddings of all to (texts, vowels)."""
    _, recurrent, dense, _, out = model.layers
    if hasattr(recurrent, "forward_layer"):
        both = gru(recurrent.forward_layer, x[:, : position + 1]), gru(recurrent.backward_layer, x, True)
        hidden = np.concatenate([side[:, position] for side in both], -1)
    else:
        hidden = gru(recurrent, x[:, : position + 1])[:, position]
    return zoo.dense(out)(zoo.dense(dense, lambda x: np.maximum(x, 0))(hidden))


@pytest.mark.parametrize("name", ["simple_model", "middle_model"])
def test_letters_that_decide_the_vowel_of_one(made, name):
    its, text, position = made(name), TEXTS[1], 4
    x = zoo.embedding(its.model.layers[0])(its.numbered([text]))[0][0]
    found = its.lens.predict([text])
    assert near(found.scores[0, position], zoo.softmax(logits(its.model, x[None], position))[0])
    label, rest = int(found.labels[0, position]), x[len(text) :]

    def score(letters: np.ndarray) -> np.ndarray:
        padding = np.broadcast_to(rest, (len(letters), *rest.shape))
        return logits(its.model, np.concatenate([letters, padding], 1), position)[:, label]

    item = its.lens.attribute([text], "input_x_gradient", target=(position, label))[0]
    assert near(item.scores, slopes(score, x[: len(text)])) and item.tokens == tuple(text)
    assert near([word.score for word in item.words()], [item.scores[a:b].sum() for a, b in words(text)], 1e-5)
    if name == "simple_model":  # it reads from one side only
        assert item.scores[: position + 1].all() and not item.scores[position + 1 :].any()


def test_what_is_no_target(made):
    lens = made("simple_model").lens
    with pytest.raises(ki.TargetError, match="positions 0 to 494. Received: position=495"):
        lens.attribute(TEXTS, "input_x_gradient", target=(495, 5))
    with pytest.warns(ki.KerasIntrospectWarning, match="1 targets stand at padding, the first that of example 1"):
        lens.attribute(TEXTS, "input_x_gradient", target=(30, 5))
    with pytest.raises(ki.UnsupportedError, match="one class for each text"):
        lens.debug(TEXTS, [0, 0])


def test_like_texts(made):
    its, others = made("middle_model"), ["كتب ولد درسا", "فإن لم يكن كذلك"]
    index = its.lens.neighbors(TEXTS, site="bidirectional_5")
    acts = [its.lens.truncate("bidirectional_5").predict(its.numbered(given), verbose=0) for given in (TEXTS, others)]
    vectors = [np.stack([row[: len(text)].mean(0) for row, text in zip(values, given, strict=True)])
               for values, given in zip(acts, (TEXTS, others), strict=True)]  # fmt: skip
    assert index.query(others, k=1).indices[:, 0].tolist() == nearest(*vectors).tolist() == [1, 0]
