"""Fast tokenizers of Hugging Face: offsets, special tokens, sub-words, both sides of padding."""

from __future__ import annotations

import importlib
import logging
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki
from kerasintrospect.text import NOWHERE

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
PIECES = [*MARKS, "the", "film", "love", "##d", "act", "##or", "i", "this", "is", "end", "!", "nai", "##ve"]
TEXT = "I loved THE actor! zzz"


def tokenizer(**options: Any) -> Any:
    tokenizers, transformers = importlib.import_module("tokenizers"), importlib.import_module("transformers")
    made = tokenizers.BertWordPieceTokenizer({piece: i for i, piece in enumerate(PIECES)})
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), MARKS, strict=True))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made._tokenizer, **(names | options))


def by_name(keras: Any, width: int | None = None) -> Any:
    """A mean of vectors, masked by the attention mask, which is an input of its own."""
    ids, mask = (keras.Input((width,), dtype="int32", name=name) for name in ("input_ids", "attention_mask"))
    x = keras.layers.Embedding(len(PIECES), zoo.UNITS, name="embed", embeddings_initializer="normal")(ids)
    weight = keras.layers.Reshape((-1, 1) if width is None else (width, 1))(keras.layers.Rescaling(1.0)(mask))
    x = keras.layers.GlobalAveragePooling1D(name="pool")(keras.layers.Multiply()([x, weight]))
    return keras.Model({"input_ids": ids, "attention_mask": mask}, keras.layers.Dense(3, name="out")(x))


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def lens(request: pytest.FixtureRequest) -> Any:
    keras = importlib.import_module(request.param)
    return ki.wrap(by_name(keras), tokenizer=tokenizer())


def row(lens: Any, text: str = TEXT) -> Any:
    return lens._runner.encode([text]).rows()[0]


def test_tokens_stand_where_the_tokenizer_says(lens):
    found = row(lens)
    assert found.tokens == ("[CLS]", "i", "love", "##d", "the", "act", "##or", "!", "[UNK]", "[SEP]")
    spelled = [None if span == NOWHERE else TEXT[slice(*span)] for span in found.spans]
    assert spelled == [None, "I", "love", "d", "THE", "act", "or", "!", "zzz", None]
    assert found.unknown == (False,) * 8 + (True, False) and not found.truncated


def test_accents_and_emoji_shift_nothing(lens):
    text = "😀 naïve film"
    found = row(lens, text)
    spelled = [text[slice(*span)] for span in found.spans if span != NOWHERE]
    assert spelled == ["😀", "naï", "ve", "film"]


def test_sub_words_are_summed_to_words(lens):
    found = lens.attribute([TEXT], "input_x_gradient", target=1)[0]
    by_token = dict(zip(found.tokens, found.scores, strict=True))
    words = {word.text: word.score for word in found.words()}
    assert list(words) == ["I", "loved", "THE", "actor", "!", "zzz"]
    assert np.isclose(words["loved"], by_token["love"] + by_token["##d"], atol=1e-7)


def test_the_model_gets_the_arrays_that_it_has_inputs_for(lens):
    made = tokenizer()([TEXT, "film"], padding=True, return_tensors="np")
    given = {name: made[name].astype("int32") for name in ("input_ids", "attention_mask")}
    assert np.allclose(lens.predict([TEXT, "film"]).scores, lens.model(given), atol=1e-6)
    found = lens.activations([TEXT, "film"], "embed")
    assert found.mask.sum(1).tolist() == [10, 3] and found["embed"].shape == (2, 10, zoo.UNITS)


def test_one_input_gets_the_ids(keras):
    model = zoo.graph(keras, zoo.layers(keras, mask_zero=True), None)
    lens = ki.wrap(model, tokenizer=tokenizer())
    assert np.allclose(lens.predict(["the film"]).scores, model(np.array([[2, 4, 5, 3]])), atol=1e-6)


def test_texts_are_padded_to_the_width_of_the_model(keras):
    lens = ki.wrap(by_name(keras, 12), tokenizer=tokenizer())
    made = tokenizer()(["the film"], padding="max_length", max_length=12, return_tensors="np")
    given = {name: made[name].astype("int32") for name in ("input_ids", "attention_mask")}
    assert np.allclose(lens.predict(["the film"]).scores, lens.model(given), atol=1e-6)
    assert row(lens, "film " * 12).truncated


def test_padding_may_stand_in_front():
    import keras

    lens = ki.wrap(by_name(keras), tokenizer=tokenizer(padding_side="left"))
    encoded = lens._runner.encode(["the film", "film"])
    assert encoded.mask.tolist() == [[True] * 4, [False, True, True, True]]
    assert [row.tokens[1] for row in encoded.rows()] == ["the", "film"]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_text_that_is_cut_says_so(side):
    import keras

    lens = ki.wrap(by_name(keras), tokenizer=tokenizer(truncation_side=side), max_length=5)
    rows = lens._runner.encode([TEXT, "the film !", "the film"]).rows()
    assert [row.truncated for row in rows] == [True, False, False]
    assert rows[0].tokens[1:4] == (("i", "love", "##d") if side == "right" else ("##or", "!", "[UNK]"))


def test_a_tokenizer_that_knows_no_offsets_is_refused():
    import keras

    class Slow:
        is_fast, pad_token_id = False, 0

        def get_vocab(self) -> dict[str, int]:
            return {}

    with pytest.raises(ki.InputTypeError, match="Only fast Hugging Face tokenizers know .* use_fast=True. Received: Slow"):
        ki.wrap(by_name(keras), tokenizer=Slow())


def test_a_tokenizer_without_padding_is_refused():
    import keras

    with pytest.raises(ki.InputError, match="has no padding token: set tokenizer.pad_token. Received: pad_token=None"):
        ki.wrap(by_name(keras), tokenizer=tokenizer(pad_token=None))


def test_words_and_length_are_in_the_identity():
    import keras

    model = by_name(keras)
    names = [ki.wrap(model, tokenizer=tokenizer(), max_length=n)._runner.front.identity() for n in (None, None, 5)]
    assert names[0] == names[1] != names[2]


def test_what_happens_to_a_text_before_it_is_looked_up_is_in_the_identity():
    import keras
    from tokenizers import normalizers, pre_tokenizers

    class Python:
        def pre_tokenize(self, text):
            text.split(lambda i, part: [part])

    lens = ki.wrap(by_name(keras), tokenizer=tokenizer())
    front = lens._runner.front
    names = [front.identity()]
    front._tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    names.append(front.identity())
    front._tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.PreTokenizer.custom(Python())
    names.append(front.identity())
    assert len({*names}) == 3 and names[-1] == front.identity()


def test_a_text_that_is_cut_is_told_of_by_the_row_and_not_by_the_tokenizer(caplog):
    lens = ki.wrap(by_name(importlib.import_module("keras"), 5), tokenizer=tokenizer(model_max_length=5))
    logger = logging.getLogger("transformers.tokenization_utils_base")
    logger.addHandler(caplog.handler)
    try:
        assert row(lens).truncated and not row(lens, "film").truncated
    finally:
        logger.removeHandler(caplog.handler)
    assert caplog.messages == []
