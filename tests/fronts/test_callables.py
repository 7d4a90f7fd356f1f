"""Functions of the user: what they give is taken as it is, and what cannot be matched says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki
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
    assert row(lens, "a b c d e f").truncated and not found.truncated


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
