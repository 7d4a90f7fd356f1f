"""The Tokenizer of tf_keras: padding and cutting on either side, unknown words, characters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki

TEXT = "I loved, THIS unheard film"


def tokenizer(**options: Any) -> Any:
    from tf_keras.preprocessing.text import Tokenizer

    made = Tokenizer(**options)
    made.fit_on_texts([" ".join(zoo.WORDS)])
    return made


def model(keras: Any, length: int | None = 7) -> Any:
    return zoo.graph(keras, zoo.layers(keras, mask_zero=True), length)


def pad(made: Any, length: int, **options: Any) -> Callable[[list[str]], np.ndarray]:
    from tf_keras.utils import pad_sequences

    return lambda texts: pad_sequences(made.texts_to_sequences(texts), length, **options)


def encode(lens: Any, text: str = TEXT) -> Any:
    return lens._runner.encode([text])


def test_padding_stands_in_front_as_pad_sequences_does(keras):
    made = tokenizer(oov_token="<oov>")
    classifier = model(keras)
    lens = ki.wrap(classifier, tokenizer=made)
    assert encode(lens).mask.tolist() == [[False, False, True, True, True, True, True]]
    found = encode(lens).rows()[0]
    assert found.tokens == ("i", "loved", "this", "<oov>", "film") and found.unknown == (False, False, False, True, False)
    assert [TEXT[a:b] for a, b in found.spans if a >= 0] == ["I", "loved", "THIS", "film"] and not found.truncated
    assert np.allclose(lens.predict([TEXT]).scores, classifier(pad(made, 7)([TEXT])), atol=1e-6)


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
def test_the_users_own_padding_and_cutting_is_kept(padding, truncating):
    import keras

    made = tokenizer()
    own = pad(made, 3, padding=padding, truncating=truncating)
    lens = ki.wrap(model(keras, 3), tokenizer=made, preprocess=own)
    cut, short = encode(lens), encode(lens, "film")
    assert cut.rows()[0].tokens == (("i", "loved", "this") if truncating == "post" else ("loved", "this", "film"))
    assert cut.rows()[0].truncated and cut.mask.all()
    assert short.mask.tolist() == [[padding == "post", False, padding == "pre"]] and not short.rows()[0].truncated
    kept = ["I", "loved", "THIS"] if truncating == "post" else ["loved", "THIS", "film"]
    assert [TEXT[a:b] for a, b in cut.rows()[0].spans] == kept
    assert np.allclose(lens.predict([TEXT]).scores, lens.model(own([TEXT])), atol=1e-6)


def test_the_length_cuts_in_front(keras):
    lens = ki.wrap(model(keras, 2), tokenizer=tokenizer())
    assert encode(lens).rows()[0].tokens == ("this", "film") and encode(lens).rows()[0].truncated
    lens = ki.wrap(model(keras, None), tokenizer=tokenizer(), max_length=3)
    assert encode(lens).rows()[0].tokens == ("loved", "this", "film")


def test_words_that_are_dropped_are_no_tokens(keras):
    found = encode(ki.wrap(model(keras), tokenizer=tokenizer())).rows()[0]
    assert found.tokens == ("i", "loved", "this", "film") and not any(found.unknown)
    few = encode(ki.wrap(model(keras), tokenizer=tokenizer(num_words=4))).rows()[0]
    assert few.tokens == ("loved", "film")


def test_repeated_words_stand_where_they_stand(keras):
    text = "the film, the end of the film"
    found = encode(ki.wrap(model(keras), tokenizer=tokenizer()), text).rows()[0]
    assert [text[a:b] for a, b in found.spans] == ["the", "film", "the", "end", "the", "film"]
    assert [a for a, _ in found.spans] == [0, 4, 10, 14, 21, 25]


def test_characters(keras):
    lens = ki.wrap(model(keras, 30), tokenizer=tokenizer(char_level=True))
    found = encode(lens, "The film").rows()[0]
    assert "".join(found.tokens) == "the film" and found.spans[0] == (0, 1) and found.spans[-1] == (7, 8)


def test_a_length_is_needed(keras):
    with pytest.raises(ki.InputError, match="pass max_length=, or preprocess= .* pad_sequences. Received: max_length=None"):
        ki.wrap(model(keras, None), tokenizer=tokenizer())


def test_ids_that_are_not_the_tokenizers_are_refused(keras):
    lens = ki.wrap(model(keras, 3), tokenizer=tokenizer(), preprocess=lambda texts: np.array([[5, 1, 9]] * len(texts)))
    with pytest.raises(ki.InputError, match=r"other ids than the tokenizer for text 0: \[5, 1, 9\] is no stretch"):
        lens.predict([TEXT])


def test_equal_words_and_length_have_one_identity(keras):
    classifier, kinds = model(keras, None), [({}, 3), ({}, 3), ({}, 4), ({"lower": False}, 3)]
    lenses = [ki.wrap(classifier, tokenizer=tokenizer(**options), max_length=n) for options, n in kinds]
    assert len({lens._runner.front.identity() for lens in lenses}) == 3
