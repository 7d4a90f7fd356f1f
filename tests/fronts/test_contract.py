"""The contract of text fronts, held by every registered member."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki
from kerasintrospect.fronts.base import find_front, fronts
from kerasintrospect.text import NOWHERE

LONG = "the film the film the film loved the actor the film is the end"
TEXTS = [*zoo.TEXTS, "", "!!!", "naïve ＦＩＬＭ 😀 the\tend\nthe \u202eend", LONG]
LENGTH = 8


def ids_model(keras: Any, length: int | None = LENGTH) -> Any:
    return zoo.graph(keras, zoo.layers(keras, mask_zero=True), length)


def text_vectorization(keras: Any) -> dict[str, Any]:
    return {"tokenizer": zoo.vectorizer(keras, output_sequence_length=LENGTH)}


def keras_tokenizer(keras: Any) -> dict[str, Any]:
    from tf_keras.preprocessing.text import Tokenizer

    tokenizer = Tokenizer(oov_token="<oov>")
    tokenizer.fit_on_texts([" ".join(zoo.WORDS)])
    return {"tokenizer": tokenizer}


def hugging_face(keras: Any) -> dict[str, Any]:
    tokenizers, transformers = importlib.import_module("tokenizers"), importlib.import_module("transformers")
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    pieces = [*marks, "the", "film", "love", "##d", "act", "##or", "i", "this", "is", "en", "##d", "!", ";", ",", ":"]
    made = tokenizers.BertWordPieceTokenizer({piece: i for i, piece in enumerate(pieces)})
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), marks, strict=True))
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=made._tokenizer, **names)
    return {"tokenizer": fast, "max_length": LENGTH}


def split(text: str) -> list[str]:
    return text.lower().split()


def number(texts: list[str]) -> np.ndarray:
    """Words by a table of the user's own, cut and padded behind."""
    numbered = {word: i for i, word in enumerate(zoo.WORDS, 2)}
    rows = [[numbered.get(word, 1) for word in split(text)][:LENGTH] for text in texts]
    return np.array([row + [0] * (LENGTH - len(row)) for row in rows], "int32")


def callables(keras: Any) -> dict[str, Any]:
    return {"tokenizer": split, "preprocess": number}


def ktrain(keras: Any) -> dict[str, Any]:
    text = importlib.import_module("ktrain").text
    known, labels = [" ".join(zoo.WORDS), "the film"], ["a", "b"]
    *_, preproc = text.texts_from_array(known, labels, known, labels, maxlen=LENGTH, preprocess_mode="standard", verbose=0)
    return {"tokenizer": preproc}


def autokeras(keras: Any) -> dict[str, Any]:
    from fronts.test_autokeras import pipeline

    words = [*zoo.WORDS[:6], "Film", "!!!"]  # a text of unknown words alone would be all padding
    return {"tokenizer": pipeline([" ".join(words)], LENGTH)}


def keras_hub(keras: Any) -> dict[str, Any]:
    from fronts.test_keras_hub import word_pieces

    return {"tokenizer": word_pieces(LENGTH)}


MEMBERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    make.__name__: make for make in (autokeras, text_vectorization, keras_tokenizer, hugging_face, keras_hub, callables, ktrain)
}


@pytest.fixture(params=[(name, family) for name in MEMBERS for family in ("keras", "tf_keras")], ids="-".join, scope="module")
def made(request: pytest.FixtureRequest) -> tuple[Any, Any, dict[str, Any]]:
    """(model, front, what was given to wrap)"""
    name, family = request.param
    keras = importlib.import_module(family)
    model, given = ids_model(keras), MEMBERS[name](keras)
    lens = ki.wrap(model, **given)
    return model, lens, given


def encode(lens: Any, texts: list[str]) -> Any:
    return lens._runner.front.encode(texts)


def ids(encoded: Any) -> np.ndarray:
    return encoded.inputs["input_ids"] if isinstance(encoded.inputs, dict) else np.asarray(encoded.inputs)


def test_every_member_is_held_to_the_contract():
    assert sorted(MEMBERS) == fronts.names()


def test_exactly_one_front_claims_what_was_given(made):
    _, lens, given = made
    claiming = [name for name in fronts.names() if fronts.get(name).claims(given.get("tokenizer"), given.get("preprocess"))]
    assert len(claiming) == 1 and type(lens._runner.front) is fronts.get(claiming[0])


def test_there_is_a_row_of_ids_and_of_tokens_per_text(made):
    _, lens, _ = made
    encoded = encode(lens, TEXTS)
    assert ids(encoded).shape == encoded.mask.shape and len(encoded.mask) == len(TEXTS) == len(encoded.texts)
    assert encoded.mask.dtype == bool and encoded.mask.shape[1] <= LENGTH
    for row, mask in zip(encoded.rows(), encoded.mask, strict=True):
        assert len(row.tokens) == len(row.spans) == mask.sum()
        assert len(row.unknown) in (0, len(row.tokens))


def test_spans_stand_on_the_users_own_text(made):
    _, lens, _ = made
    encoded = encode(lens, TEXTS)
    for text, row in zip(TEXTS, encoded.rows(), strict=True):
        ends = 0
        for token, (start, end) in zip(row.tokens, row.spans, strict=True):
            if (start, end) == NOWHERE:
                continue
            assert ends <= start < end <= len(text), (text, token)
            ends = end
    plain = encode(lens, ["I loved this film"]).rows()[0]
    spelled = "".join("I loved this film"[a:b] for a, b in plain.spans if (a, b) != NOWHERE)
    assert spelled == "Ilovedthisfilm"


def test_a_text_that_is_cut_says_so_and_no_other(made):
    _, lens, _ = made
    cut = [text for text, row in zip(TEXTS, encode(lens, TEXTS).rows(), strict=True) if row.truncated]
    assert LONG in cut and not {"Film", "this is it", "", "the main actor sucks"} & set(cut)


def test_the_batch_does_not_matter(made):
    _, lens, _ = made
    whole = encode(lens, TEXTS)
    for i in (0, 3, 7):
        alone = encode(lens, TEXTS[i : i + 1])
        assert np.array_equal(ids(alone)[alone.mask], ids(whole)[i][whole.mask[i]])
        assert alone.rows()[0] == whole.rows()[i]


def test_what_was_not_asked_for_is_not_described(made):
    _, lens, _ = made
    encoded, asked = encode(lens, TEXTS), []
    spy = lambda rows: asked.append(list(rows)) or encoded.describe(rows)  # noqa: E731
    again = type(encoded)(encoded.inputs, encoded.mask, encoded.texts, spy)
    again.rows()
    again.rows()
    assert asked[0] == list(range(len(TEXTS))) and not any(asked[1:])


def test_the_model_gets_what_it_would_get(made):
    """Ids, by hand, straight into the model."""
    model, lens, _ = made
    texts = [text for text in TEXTS if encode(lens, [text]).mask.any()]
    encoded = encode(lens, texts)
    inputs = np.zeros((len(texts), LENGTH), "int32")
    inputs[:, : ids(encoded).shape[1]] = ids(encoded)
    assert np.allclose(lens.predict(texts).scores, model(inputs), atol=1e-6)


def test_scores_land_on_the_words_of_the_text(made):
    _, lens, _ = made
    found = lens.attribute(["the film loved the actor"], "input_x_gradient", target=1)[0]
    words = found.words()
    assert [word.text for word in words] == ["the", "film", "loved", "the", "actor"]
    inside = sum(s for s, span in zip(found.scores, found.spans, strict=True) if span != NOWHERE)
    assert np.isclose(sum(word.score for word in words), inside, atol=1e-6) and len({word.score for word in words}) > 2


def test_equal_fronts_have_one_identity(made):
    model, lens, given = made
    again = find_front(given.get("tokenizer"), given.get("preprocess"), lens._runner.adapter, given.get("max_length"))
    assert again.identity() == lens._runner.front.identity() and isinstance(again.identity(), str)


def test_what_no_front_knows_is_refused():
    import keras

    model = ids_model(keras)
    with pytest.raises(ki.InputTypeError, match="tokenizer is a TextVectorization layer, a tf_keras Tokenizer, .* type int"):
        ki.wrap(model, tokenizer=3)
    with pytest.raises(ki.InputTypeError, match="preprocess is a function from a list of str to model inputs. Received: 3"):
        ki.wrap(model, preprocess=3)
