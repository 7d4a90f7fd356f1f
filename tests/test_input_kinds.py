"""What goes in and what comes out: the kinds of inputs and outputs that people's text models have, each held to its numbers.

The oracle is the same network in numpy (`zoo`), and its gradients are central differences.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki
from kerasintrospect.text import words

TEXTS = ["I loved this film!", "the main actor sucks", "Film", "the end is this, the end"]
TABLE = {word: i for i, word in enumerate(zoo.WORDS, 2)}  # 0 is padding, 1 what the table lacks
ALPHABET = {char: i for i, char in enumerate("abcdefghijklmnopqrstuvwxyz ")}
LENGTH, LETTERS = 8, 24


def slopes(score: Callable[[np.ndarray], np.ndarray], x: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """dF/dx of every example."""
    found = np.zeros(x.shape)
    for index in np.ndindex(x.shape[1:]):
        change = np.zeros(x.shape)
        change[(slice(None), *index)] = step
        found[(slice(None), *index)] = (score(x + change) - score(x - change)) / (2 * step)
    return found


def near(found: np.ndarray, expected: np.ndarray) -> bool:
    return np.abs(expected).max() > 0 and np.allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def same_neighbors(lens: Any, inputs: Any, site: str, vectors: np.ndarray) -> None:
    found = lens.neighbors(inputs, site=site, metric="euclidean").query(inputs, k=2).indices
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    assert np.array_equal(found, np.argsort(distances, 1, kind="stable")[:, :2])


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def family(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


# Integer ids, and the vocabulary in a dict outside


def split(text: str) -> list[str]:
    return "".join(c for c in text.lower() if c.isalnum() or c == " ").split()


def numbered(texts: list[str], length: int = LENGTH) -> np.ndarray:
    """Beside `split` all that a user with a {word: id} dict has to write."""
    rows = [[TABLE.get(word, 1) for word in split(text)][:length] for text in texts]
    return np.array([row + [0] * (length - len(row)) for row in rows], "int32")


@pytest.fixture(scope="module")
def ids(family: ModuleType) -> SimpleNamespace:
    made, given = zoo.layers(family, mask_zero=True), numbered(TEXTS)
    chain, model = zoo.by_hand(made, given != 0), zoo.graph(family, made, LENGTH)
    lens = ki.wrap(model, tokenizer=split, preprocess=numbered, class_names=["bad", "so so", "good"])
    return SimpleNamespace(lens=lens, hand=zoo.Kind(model, TEXTS, given, chain, {}), mask=given != 0)


def test_ids_of_a_dict_are_predicted_read_and_searched(ids):
    assert np.allclose(ids.lens.predict(TEXTS).scores, zoo.softmax(ids.hand.at("logits")), atol=1e-6)
    acts = ids.lens.activations(TEXTS, "hidden")
    assert near(acts["hidden"][ids.mask], ids.hand.at("hidden")[ids.mask])
    assert acts.tokens[0] == ("i", "loved", "this", "film") and np.array_equal(acts.mask, ids.mask)
    same_neighbors(ids.lens, TEXTS, "pool", ids.hand.at("pool"))


def test_ids_of_a_dict_are_explained_on_the_words(ids):
    (x,) = ids.hand.at("embed")
    expected = (x * slopes(lambda x: ids.hand.after("embed", (x,))[:, 2], x)).sum(-1)
    found = ids.lens.attribute(TEXTS, "input_x_gradient", target="good")
    assert near(found.scores, np.where(ids.mask, expected, 0))
    assert [word.text for word in found[0].words()] == ["I", "loved", "this", "film", "!"]
    assert near(np.array([word.score for word in found[0].words()]), np.array([*expected[0, :4], 0]))


def test_ids_of_a_dict_are_debugged(ids):
    wrong = ids.lens.predict(TEXTS).scores.argmin(1)
    facts = ids.lens.debug(TEXTS, wrong, TEXTS, wrong).facts
    assert facts["overview"]["n_errors"] == len(TEXTS)
    assert all(any(word["predicted"] for word in error["words"]) for error in facts["errors"])


# One-hot characters


def spelled(texts: list[str], cut_in_front: bool = False) -> np.ndarray:
    """(texts, letters, alphabet); what the alphabet lacks is a vector of zeros, and so is padding."""
    made = np.zeros((len(texts), LETTERS, len(ALPHABET)), "float32")
    for row, text in zip(made, texts, strict=True):
        kept = text.lower()[-LETTERS:] if cut_in_front else text.lower()[:LETTERS]
        start = LETTERS - len(kept) if cut_in_front else 0
        for t, char in enumerate(kept, start):
            row[t] = np.eye(len(ALPHABET))[ALPHABET[char]] if char in ALPHABET else 0
    return made


@pytest.fixture(scope="module")
def letters(family: ModuleType) -> SimpleNamespace:
    """An LSTM that reads letters, and its logits."""
    family.utils.set_random_seed(5)
    recurrent = family.layers.LSTM(4, name="lstm")
    out = family.layers.Dense(3, "softmax", name="out", bias_initializer="normal")
    model = family.Sequential([family.Input((LETTERS, len(ALPHABET))), recurrent, out])
    logits = lambda x: zoo.dense(out)(zoo.lstm(recurrent, sequences=False)(x))  # noqa: E731
    lens, bare = ki.wrap(model, tokenizer=list, preprocess=spelled), ki.wrap(model, preprocess=spelled)
    return SimpleNamespace(model=model, logits=logits, lens=lens, bare=bare)


def slopes_of_letters(letters: SimpleNamespace, given: np.ndarray, target: int) -> np.ndarray:
    """(texts, letters) dF/dx at the 1 of each letter; 0 where there is none."""
    found = np.zeros(given.shape[:2])
    for t in range(given.shape[1]):
        step = np.zeros(given.shape)
        step[:, t] = 1e-4 * given[:, t]
        found[:, t] = (letters.logits(given + step) - letters.logits(given - step))[:, target] / 2e-4
    return found


def test_letters_are_explained_on_the_words(letters):
    assert np.allclose(letters.lens.predict(TEXTS).scores, zoo.softmax(letters.logits(spelled(TEXTS))), atol=1e-6)
    expected = slopes_of_letters(letters, spelled(TEXTS), 1)
    found = letters.lens.attribute(TEXTS, "input_x_gradient", target=1)
    assert near(found.scores, expected)
    for text, row, item in zip(TEXTS, expected, found, strict=True):
        assert near(np.array([word.score for word in item.words()]), np.array([row[a:b].sum() for a, b in words(text)]))
    assert found[0].tokens == tuple("I loved this film")  # the model cannot tell "!" from padding


def test_letters_may_be_cut_in_front(letters):
    text = "Unbelievable! The film that nobody loved."
    lens = ki.wrap(letters.model, tokenizer=list, preprocess=partial(spelled, cut_in_front=True))
    row = slopes_of_letters(letters, spelled([text], True), 1)[0]
    found = lens.attribute([text], "input_x_gradient", target=1)[0]
    place = len(text) - LETTERS  # of the first letter that the model sees
    expected = [row[max(a - place, 0) : max(b - place, 0)].sum() for a, b in words(text)]
    assert near(np.array([word.score for word in found.words()]), np.array(expected))
    assert found.truncated and [word.text for word in found.words() if word.score] == ["film", "that", "nobody", "loved"]


def test_words_are_taken_out_of_letters(letters):
    whole = letters.logits(spelled(TEXTS[:1]))[0, 2]
    places = words(TEXTS[0])
    without = letters.logits(spelled([TEXTS[0][:a] + TEXTS[0][b:] for a, b in places]))[:, 2]
    found = letters.lens.attribute(TEXTS[:1], "occlusion", target=2)[0]
    assert near(np.array([word.score for word in found.words()])[:4], (whole - without)[:4])


def test_letters_are_read_and_searched(letters):
    acts = letters.lens.activations(TEXTS, ["lstm", ":in"])
    recurrent = zoo.lstm(letters.model.layers[0], sequences=False)(spelled(TEXTS))
    assert near(acts["lstm"], recurrent) and np.array_equal(acts[":in"], spelled(TEXTS))
    same_neighbors(letters.lens, TEXTS, "lstm", recurrent)


def test_without_a_tokenizer_positions_take_the_place_of_words(letters):
    with pytest.warns(ki.KerasIntrospectWarning, match="not known where the tokens stand in the texts, so words"):
        found = letters.bare.attribute(TEXTS, "input_x_gradient", target=1)
    expected = slopes_of_letters(letters, spelled(TEXTS), 1)
    assert near(np.array([[word.score for word in item.words()] for item in found]), expected)
    assert [word.text for word in found[0].words()] == list(map(str, range(LETTERS)))
    assert near(found.to_frame().score.to_numpy(), expected.ravel()) and "5(" in str(found[0]) and "5" in found._repr_html_()
    with pytest.raises(ki.InputError, match="Where the tokens stand in the text only"):
        letters.bare.attribute(TEXTS, "occlusion", target=1)


def test_without_a_tokenizer_a_report_says_why_it_has_no_colours(letters, tmp_path):
    wrong = letters.bare.predict(TEXTS).scores.argmin(1)
    report = letters.bare.debug(TEXTS, wrong, TEXTS, wrong)
    assert all(not error["words"] and error["n_words"] for error in report.facts["errors"])
    notes = " ".join(report.facts["notes"])
    assert "no colours: it is not known where" in notes and "A tokenizer= of wrap says it" in notes
    assert "no words" not in " ".join(report.errors.verdict) and report.save(tmp_path / "report.html").stat().st_size
    named = letters.lens.debug(TEXTS, wrong, method="input_x_gradient").facts
    assert all(any(word["predicted"] for word in error["words"]) for error in named["errors"])


# Ready embeddings: vectors that were looked up outside

VECTORS = {word: np.random.default_rng(i).normal(size=5).astype("float32") for i, word in enumerate(zoo.WORDS)}


def looked_up(texts: list[str]) -> np.ndarray:
    made = np.zeros((len(texts), LENGTH, 5), "float32")
    for row, text in zip(made, texts, strict=True):
        for t, word in enumerate(split(text)[:LENGTH]):
            row[t] = VECTORS.get(word, 0)
    return made


@pytest.fixture(scope="module")
def vectors(family: ModuleType) -> SimpleNamespace:
    made = zoo.layers(family)
    model = family.Sequential([family.Input((LENGTH, 5)), *made.all[1:]])
    hidden = zoo.dense(made.hidden, np.tanh)
    return SimpleNamespace(model=model, hidden=hidden, logits=lambda x: zoo.dense(made.out)(hidden(x).mean(1)),
                           lens=ki.wrap(model, tokenizer=split, preprocess=looked_up))  # fmt: skip


def test_vectors_from_outside_are_explained_on_the_words(vectors):
    given, mask = looked_up(TEXTS).astype(float), numbered(TEXTS) != 0
    assert np.allclose(vectors.lens.predict(TEXTS).scores, zoo.softmax(vectors.logits(given)), atol=1e-6)
    gradient = slopes(lambda x: vectors.logits(x)[:, 0], given)
    found = vectors.lens.attribute(TEXTS, "input_x_gradient", target=0)
    assert near(found.scores, (given * gradient).sum(-1)) and np.array_equal(found.mask, mask)
    assert [word.text for word in found[3].words() if word.score] == ["the", "end", "is", "this", "the", "end"]
    saliency = vectors.lens.attribute(TEXTS, "saliency", target=0).scores
    assert near(saliency, np.where(mask, np.abs(gradient).sum(-1), 0))  # what the model makes of padding is no word's score
    arrays = ki.wrap(vectors.model).attribute(looked_up(TEXTS), "saliency", target=0)
    assert near(arrays.scores, np.abs(gradient).sum(-1))  # of arrays nobody says what is padding
    assert np.abs(vectors.lens.attribute(TEXTS, target=0).deltas).max() < 1e-5


def test_vectors_from_outside_are_read_and_searched(vectors):
    hidden, mask = vectors.hidden(looked_up(TEXTS).astype(float)), numbered(TEXTS) != 0
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    assert near(vectors.lens.activations(TEXTS, "hidden", pool="mean")["hidden"], mean)
    same_neighbors(vectors.lens, TEXTS, "hidden", mean)


def test_what_looks_like_padding_is_cut_only_when_that_was_shown(family):
    """A maximum that the padding reaches in some texts only, and not in those that came first."""
    out = family.layers.Dense(1)
    model = family.Sequential([family.Input((LENGTH, 5)), family.layers.GlobalMaxPooling1D(), out])
    out.set_weights([np.ones((5, 1), "f"), np.zeros(1, "f")])
    table = {"high": np.ones(5, "f"), "low": -np.ones(5, "f")}
    padded = lambda text: [table[word] for word in text.split()] + [np.zeros(5, "f")] * (LENGTH - len(text.split()))  # noqa: E731
    lens = ki.wrap(model, tokenizer=str.split, preprocess=lambda texts: np.stack([padded(text) for text in texts]))
    assert lens.predict(["high", "high high high high"]).scores.ravel().tolist() == [5, 5]
    assert lens.predict(["low", "low low low low"]).scores.ravel().tolist() == [0, 0]


# Two inputs, made of one text


def title_and_body(texts: list[str]) -> dict[str, np.ndarray]:
    parts = [text.partition(" ") for text in texts]
    return {"body": numbered([body for *_, body in parts]), "title": numbered([title for title, *_ in parts])}


@pytest.fixture(scope="module", params=[dict, list])
def two(family: ModuleType, request: pytest.FixtureRequest) -> SimpleNamespace:
    """Of equal width, so that one could be taken for the other."""
    family.utils.set_random_seed(5)
    places = {name: family.Input((LENGTH,), dtype="int32", name=name) for name in ("body", "title")}
    tables = {name: family.layers.Embedding(20, 3, name=f"{name}_table") for name in places}
    out = family.layers.Dense(3, "softmax", name="out")
    flat = family.layers.Flatten()
    joined = family.layers.Concatenate(name="joined")([flat(tables[name](places[name])) for name in places])
    nest = (lambda made: made) if request.param is dict else lambda made: list(made.values())
    model = family.Model(nest(places), out(joined))
    make = lambda texts: nest(title_and_body(texts))  # noqa: E731
    return SimpleNamespace(model=model, make=make, tables=tables, out=out, lens=ki.wrap(model, preprocess=make))


def test_two_inputs_stay_apart(two):
    lens, given = two.lens, title_and_body(TEXTS)
    x = {name: zoo.embedding(two.tables[name])(given[name])[0] for name in given}
    logits = zoo.dense(two.out)(np.concatenate([x[name].reshape(len(TEXTS), -1) for name in x], -1))
    assert np.allclose(lens.predict(TEXTS).scores, zoo.softmax(logits), atol=1e-6)
    kernel = dict(zip(x, np.split(zoo.weights(two.out)[0][:, 1].reshape(2 * LENGTH, 3), 2), strict=True))
    found = lens.attribute(TEXTS, "input_x_gradient", target=1)
    names = [site.removesuffix("_table") for site in found.sites]
    assert near(found.scores, np.concatenate([(x[name] * kernel[name]).sum(-1) for name in names], 1))
    assert near(np.array([word.score for word in found[0].words()]), found.scores[0].astype(float))
    arrays = ki.wrap(two.model).attribute(two.make(TEXTS), "input_x_gradient", target=1)
    assert near(arrays.scores, found.scores)
    same_neighbors(lens, TEXTS, "joined", np.concatenate([x[name].reshape(len(TEXTS), -1) for name in x], -1))


def test_two_inputs_have_no_words_and_say_so(two):
    lens = ki.wrap(two.model, preprocess=two.make, tokenizer=split)
    with pytest.warns(ki.KerasIntrospectWarning, match="one input of ids, or of vectors, .* none or several"):
        lens.predict(TEXTS)
    wrong = two.lens.predict(TEXTS).scores.argmin(1)
    report = two.lens.debug(TEXTS, wrong, method="input_x_gradient").facts
    assert any("no colours: it is not known where" in note for note in report["notes"])


# One label per token


@pytest.fixture(scope="module", params=["softmax", "sigmoid"])
def tagger(family: ModuleType, request: pytest.FixtureRequest) -> SimpleNamespace:
    made, mask = zoo.layers(family, mask_zero=True), numbered(TEXTS) != 0
    recurrent = family.layers.LSTM(5, return_sequences=True, name="lstm")
    out = family.layers.Dense(3 if request.param == "softmax" else 1, request.param, name="out", bias_initializer="normal")
    made.all = [made.embed, recurrent, out]

    def logits(x: np.ndarray) -> np.ndarray:
        z = zoo.dense(out)(zoo.lstm(recurrent, mask)(x))
        return z if request.param == "softmax" else np.concatenate([-z, z], -1)

    lens = ki.wrap(zoo.graph(family, made, LENGTH), tokenizer=split, preprocess=numbered)
    x = zoo.embedding(made.embed)(numbered(TEXTS))[0]
    return SimpleNamespace(lens=lens, logits=logits, x=x, mask=mask, recurrent=recurrent, kind=request.param)


def test_each_token_has_its_label(tagger):
    found = tagger.lens.predict(TEXTS)
    z = tagger.logits(tagger.x)
    expected = zoo.softmax(z) if tagger.kind == "softmax" else 1 / (1 + np.exp(-z))
    assert np.allclose(found.scores[tagger.mask], expected[tagger.mask], atol=1e-6)
    assert np.array_equal(found.labels[tagger.mask], expected.argmax(-1)[tagger.mask])


def test_one_token_of_each_text_is_explained(tagger):
    last = tagger.mask.sum(1) - 1
    for label in (0, 1):
        gradient = slopes(lambda x, label=label: tagger.logits(x)[np.arange(len(TEXTS)), last, label], tagger.x)
        expected = np.where(tagger.mask, (tagger.x * gradient).sum(-1), 0)
        targets = [(int(k), label) for k in last]
        found = tagger.lens.attribute(TEXTS, "input_x_gradient", target=np.array(targets) if label else targets)
        assert near(found.scores, expected) and found[0].target == (3, label) and found[0].target_name == f"{label} at 3"
    assert [word.text for word in found[1].words()] == TEXTS[1].split()
    first = tagger.lens.attribute(TEXTS, "input_x_gradient", target=(0, 1)).scores
    assert not first[:, 1:].any() and first[:, 0].all()  # the network runs forwards


@pytest.mark.parametrize("target", [None, 1, (LENGTH, 1), (-LENGTH - 1, 1), (1.5, 1), (True, 1), ("0", 1), (0, 9), (0, 0, 0)])
def test_a_token_that_is_none_is_no_target(tagger, target):
    with pytest.raises(ki.TargetError, match="Received: "):
        tagger.lens.attribute(TEXTS, "input_x_gradient", target=target)


def test_a_target_at_padding_is_pointed_out(tagger):
    with pytest.warns(ki.KerasIntrospectWarning, match="1 targets stand at padding, the first that of example 2"):
        tagger.lens.attribute(TEXTS, "input_x_gradient", target=(2, 1))


def test_taggers_are_read_and_searched_and_not_debugged(tagger):
    hidden = zoo.lstm(tagger.recurrent, tagger.mask)(tagger.x)
    mean = (hidden * tagger.mask[..., None]).sum(1) / tagger.mask.sum(1, keepdims=True)
    assert near(tagger.lens.activations(TEXTS, "lstm")["lstm"][tagger.mask], hidden[tagger.mask])
    same_neighbors(tagger.lens, TEXTS, "lstm", mean)
    with pytest.raises(ki.UnsupportedError, match="A debug report needs one class for each text"):
        tagger.lens.debug(TEXTS, [0] * len(TEXTS))


def test_a_token_beyond_an_open_length_is_no_target(family):
    made = zoo.layers(family)
    made.all = [made.embed, made.out]
    lens = ki.wrap(zoo.graph(family, made, None))
    assert lens.attribute(zoo.numbers(), "input_x_gradient", target=(zoo.WIDTH - 1, 1)).scores[:, -1].all()
    with pytest.raises(ki.TargetError, match=f"positions 0 to {zoo.WIDTH - 1}. Received: position={zoo.WIDTH}"):
        lens.attribute(zoo.numbers(), "input_x_gradient", target=(zoo.WIDTH, 1))


# What comes out of one text: a sigmoid, several, a number


def softplus(z: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(z))


OUTPUTS = {"binary": (1, "sigmoid"), "multilabel": (3, "sigmoid"), "raw": (1, None), "softmax": (3, "softmax")}


@pytest.fixture(scope="module", params=OUTPUTS)
def head(family: ModuleType, request: pytest.FixtureRequest) -> SimpleNamespace:
    units, activation = OUTPUTS[request.param]
    made, mask = zoo.layers(family, mask_zero=True), numbered(TEXTS) != 0
    made.out = made.all[3] = family.layers.Dense(units, activation, name="out", bias_initializer="normal")
    chain, kind = zoo.by_hand(made, mask), request.param
    by_hand = zoo.Kind(None, TEXTS, numbered(TEXTS), chain, {})

    def logits(x: np.ndarray) -> np.ndarray:
        z = by_hand.after("embed", (x,))
        return np.concatenate([-z, z], -1) if kind == "binary" else z

    lens = ki.wrap(zoo.graph(family, made, LENGTH), tokenizer=split, preprocess=numbered)
    return SimpleNamespace(lens=lens, kind=kind, logits=logits, x=by_hand.at("embed")[0], pool=by_hand.at("pool"), mask=mask)


def probabilities(kind: str, z: np.ndarray) -> np.ndarray:
    return z if kind == "raw" else zoo.softmax(z) if kind == "softmax" else 1 / (1 + np.exp(-z))


def losses(kind: str, z: np.ndarray) -> np.ndarray:
    return -np.log(zoo.softmax(z)) if kind == "softmax" else softplus(-z)


def test_scores_are_those_of_the_model(head):
    found = head.lens.predict(TEXTS)
    assert found.kind == head.kind and np.allclose(found.scores, probabilities(head.kind, head.logits(head.x)), atol=1e-6)
    same_neighbors(head.lens, TEXTS, "pool", head.pool)


@pytest.mark.parametrize("score", ["logit", "probability", "loss"])
def test_every_output_has_its_own_explanation(head, score):
    if (head.kind, score) == ("raw", "loss"):
        with pytest.raises(ki.InputError, match="The loss needs class probabilities"):
            head.lens.attribute(TEXTS, "input_x_gradient", target=0, score=score)
        return
    of = {"logit": lambda kind, z: z, "probability": probabilities, "loss": losses}[score]
    for k in range(head.logits(head.x).shape[-1]):
        gradient = slopes(lambda x, k=k: of(head.kind, head.logits(x))[:, k], head.x)
        expected = np.where(head.mask, (head.x * gradient).sum(-1), 0)
        assert near(head.lens.attribute(TEXTS, "input_x_gradient", target=k, score=score).scores, expected)


def test_without_a_target_the_strongest_is_explained(head):
    found = head.lens.attribute(TEXTS, "input_x_gradient")
    strongest = probabilities(head.kind, head.logits(head.x)).argmax(-1)
    assert [item.target for item in found] == strongest.tolist()
    assert [item.prediction for item in found] == (strongest.tolist() if head.kind != "raw" else [None] * len(TEXTS))


def test_a_debug_report_takes_one_class_for_each_text(head):
    if head.kind in ("binary", "softmax"):
        wrong = head.lens.predict(TEXTS).scores.argmin(1)
        report = head.lens.debug(TEXTS, wrong, method="input_x_gradient").facts
        assert report["overview"]["n_errors"] == len(TEXTS) and all(error["words"] for error in report["errors"])
        return
    with pytest.raises(ki.UnsupportedError, match=f"one class for each text.* Received: {head.kind} outputs"):
        head.lens.debug(TEXTS, [0] * len(TEXTS))
    if head.kind == "raw":
        with pytest.raises(ki.UnsupportedError, match="a regression has no labels; use .scores"):
            _ = head.lens.predict(TEXTS).labels
        with pytest.raises(ki.InputTypeError, match="class indices. Received: labels=.0.5, 1.5"):
            head.lens.neighbors(TEXTS, labels=[0.5, 1.5, 2.5, 3.5])


def test_a_function_of_all_outputs_is_explained(head):
    import tensorflow as tf

    both = lambda outputs: tf.reduce_sum(outputs[:, :2] ** 2, 1)  # noqa: E731
    given = 1 if head.kind == "binary" else 0  # the model has one column, the library makes two of it
    score = lambda x: (probabilities(head.kind, head.logits(x))[:, given:][:, :2] ** 2).sum(1)  # noqa: E731
    expected = np.where(head.mask, (head.x * slopes(score, head.x)).sum(-1), 0)
    assert near(head.lens.attribute(TEXTS, "input_x_gradient", target=both).scores, expected)
