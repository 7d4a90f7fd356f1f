"""Functions of the user: what they give is taken as it is, and what cannot be matched says so."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki
from kerasintrospect.fronts.positions import positions
from kerasintrospect.text import NOWHERE

TEXT = "The film, loved"


def model(keras: Any, length: int | None = 5) -> Any:
    return zoo.graph(keras, zoo.layers(keras, mask_zero=True), length)


def words(text: str) -> list[str]:
    return text.lower().split()


def number(texts: list[str]) -> np.ndarray:
    rows = [[1 + len(word) for word in words(text)][:5] for text in texts]
    return np.array([row + [0] * (5 - len(row)) for row in rows])


def row(lens: Any, text: str = TEXT) -> Any:
    return lens._runner.encode([text]).rows()[0]


def test_preprocess_and_tokenizer(keras):
    lens = ki.wrap(model(keras), tokenizer=words, preprocess=number)
    found = row(lens)
    assert found.tokens == ("the", "film,", "loved") and [TEXT[a:b] for a, b in found.spans] == ["The", "film,", "loved"]
    assert np.allclose(lens.predict([TEXT]).scores, lens.model(number([TEXT])), atol=1e-6)
    assert row(lens, "a bb ccc dddd eeeee ffffff").truncated and not found.truncated


def test_without_a_tokenizer_positions_go_by_their_ids(keras):
    found = row(ki.wrap(model(keras), preprocess=number))
    assert found.tokens == ("#4", "#6", "#6") and set(found.spans) == {NOWHERE}


def test_ids_may_be_lists_or_stand_in_a_dict(keras):
    inputs = keras.Input((5,), dtype="int32", name="ids")
    named = keras.Model({"ids": inputs}, model(keras)(inputs))
    lens = ki.wrap(named, preprocess=lambda texts: {"ids": number(texts).tolist()}, tokenizer=words)
    assert row(lens).tokens == ("the", "film,", "loved")
    assert np.allclose(lens.predict([TEXT]).scores, named({"ids": number([TEXT])}), atol=1e-6)
    plain = ki.wrap(model(keras), preprocess=lambda texts: number(texts).tolist())
    assert row(plain).tokens == ("#4", "#6", "#6")


def test_padding_may_stand_in_front(keras):
    lens = ki.wrap(model(keras), preprocess=lambda texts: number(texts)[:, ::-1], tokenizer=words)
    assert lens._runner.encode([TEXT]).mask.tolist() == [[False, False, True, True, True]]


def test_vectors_have_no_tokens(keras):
    inputs = keras.Input((zoo.UNITS,))
    dense = keras.Model(inputs, keras.layers.Dense(3, "softmax", name="out")(inputs))
    lens = ki.wrap(dense, preprocess=lambda texts: np.array([[len(t) / 10] * zoo.UNITS for t in texts], "float32"))
    assert lens.predict(["a", "bb"]).scores.shape == (2, 3)
    assert lens.attribute(["a", "bb"], "saliency").scores.shape == (2, zoo.UNITS)


def test_a_tokenizer_that_gives_too_few_tokens_warns(keras):
    lens = ki.wrap(model(keras), preprocess=number, tokenizer=lambda text: ["one"])
    with pytest.warns(ki.KerasIntrospectWarning, match="gives 1 tokens where the model has 3: they cannot be matched"):
        assert row(lens).tokens == ("#4", "#6", "#6")


def front_cut(texts: list[str]) -> np.ndarray:
    """What `pad_sequences` does where nothing is said: the last words are kept, padding stands in front."""
    rows = [[1 + len(word) for word in words(text)][-5:] for text in texts]
    return np.array([[0] * (5 - len(row)) + row for row in rows])


def test_a_text_may_be_cut_in_front(keras):
    text = "Unbelievable: the long film nobody loved"
    found = row(ki.wrap(model(keras), preprocess=front_cut, tokenizer=words), text)
    assert found.tokens == ("the", "long", "film", "nobody", "loved") and found.truncated
    assert [text[a:b] for a, b in found.spans] == ["the", "long", "film", "nobody", "loved"]


def test_words_that_the_table_lacks_may_be_0(keras):
    known = {"the": 1, "film": 2, "loved": 3}

    def table(texts: list[str]) -> np.ndarray:
        rows = [[known.get(word, 0) for word in words(text)][:5] for text in texts]
        return np.array([row + [0] * (5 - len(row)) for row in rows])

    lens = ki.wrap(model(keras), preprocess=table, tokenizer=words)
    for text, tokens in {"we loved the bad film alas": ("loved", "the", "bad", "film"), "ok the": ("the",), "ok": ()}.items():
        assert (row(lens, text).tokens, row(lens, text).truncated) == (tokens, False)
    assert row(lens, "the the film loved film loved").truncated


def test_tokens_that_may_stand_in_two_places_are_not_guessed(keras):
    with pytest.warns(ki.KerasIntrospectWarning, match="gives 6 tokens where the model has 5: they cannot be matched"):
        found = row(ki.wrap(model(keras), preprocess=front_cut, tokenizer=words), "ha ha ha ha ha ha")
    assert set(found.spans) == {NOWHERE} and not found.placed


def test_a_mark_in_front_is_no_word(keras):
    """Five positions, a mark and the first four of five words: as many as there are words, but others."""
    marked = lambda texts: np.array([[1, *row[:4]] for row in number(texts)])  # noqa: E731
    lens = ki.wrap(model(keras), preprocess=marked, tokenizer=words)
    with pytest.warns(ki.KerasIntrospectWarning, match="gives 6 tokens where the model has 5: they cannot be matched"):
        assert set(row(lens, "a bb ccc dddd eeeee ffffff").spans) == {NOWHERE}


def test_a_tokenizer_may_give_the_characters(keras):
    spans = lambda text: [match.span() for match in re.finditer(r"\w+", text)]  # noqa: E731
    found = row(ki.wrap(model(keras), preprocess=number, tokenizer=spans))
    assert found.tokens == ("The", "film", "loved") and found.spans == ((0, 3), (4, 8), (10, 15)) and found.placed


@pytest.mark.parametrize(("token", "error"), [
    (3, ki.InputTypeError), ((1, 2, 3), ki.InputTypeError), ((0.0, 1.0), ki.InputTypeError), ((3, 1), ki.InputError),
    ((0, 99), ki.InputError), ((-1, 2), ki.InputError),
])  # fmt: skip
def test_what_is_neither_token_nor_characters_is_refused(token, error):
    import keras

    lens = ki.wrap(model(keras), preprocess=number, tokenizer=lambda text: [token] * 3)
    with pytest.raises(error, match=r"Received: "):
        row(lens)


@pytest.mark.parametrize(("inputs", "found"), [
    ([[[4, 5]], [[1, 1]]], [[4, 5]]),  # ids and a mask
    ([[[1, 0]], [[4, 5]]], [[4, 5]]),  # segments and ids
    ([[[4, 5]], [[6, 7]]], None),  # title and body
    ({"input_ids": [[4, 5]], "token_type_ids": [[2, 2]], "position_ids": [[0, 9]]}, [[4, 5]]),
    ({"title_ids": [[4, 5]], "body_ids": [[6, 7]]}, None),
    ({"title": [[4, 5]], "length": [2]}, [[4, 5]]),
    ([[[0.5, 0.25]]], None),  # a vector
    ([[[[0.0, 1.0]]]], [[[0.0, 1.0]]]),  # one-hot
    ([[[[0.0, 1.0]]], [[[0.5, 0.5]]]], None),  # two inputs of vectors
])  # fmt: skip
def test_tokens_are_the_positions_of_the_only_input_that_has_some(inputs, found):
    made = {k: np.array(v) for k, v in inputs.items()} if isinstance(inputs, dict) else [np.array(v) for v in inputs]
    assert np.array_equal(positions(made), found) if found is not None else positions(made) is None


def test_a_tokenizer_that_names_nothing_says_so(case):
    kind, _ = case("dict_inputs", "keras")
    title_and_body = lambda texts: {"title": number(texts)[:, :3], "body": np.tile(number(texts), 2)[:, :7]}  # noqa: E731
    lens = ki.wrap(kind.model, preprocess=title_and_body, tokenizer=words)
    with pytest.warns(ki.KerasIntrospectWarning, match="one input of ids, or of vectors, and preprocess= gives none or sev"):
        lens.predict([TEXT])


def test_a_tokenizer_alone_is_refused(keras):
    with pytest.raises(ki.InputTypeError, match="only names the tokens: pass preprocess= too, .* Received: preprocess=None"):
        ki.wrap(model(keras), tokenizer=words)


def test_max_length_is_refused(keras):
    with pytest.raises(ki.InputError, match="preprocess= decides the length itself: leave max_length out. Received: 5"):
        ki.wrap(model(keras), preprocess=number, max_length=5)


def test_another_number_of_rows_is_refused(keras):
    lens = ki.wrap(model(keras), preprocess=lambda texts: number(texts)[:1])
    with pytest.raises(ki.InputError, match="one row per text. Received: 1 rows for 2 texts"):
        lens.predict([TEXT, TEXT])


def test_words_cannot_be_taken_out_when_nobody_says_where_tokens_stand(keras):
    with pytest.raises(ki.InputError, match="Where the tokens stand in the text"):
        ki.wrap(model(keras), preprocess=number).attribute([TEXT], "occlusion", target=0)
