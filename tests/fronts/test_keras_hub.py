"""Preprocessors of KerasHub: word pieces, bytes and SentencePiece, against their own arrays."""

from __future__ import annotations

import importlib
import io
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki
from kerasintrospect.fronts.base import find_front
from kerasintrospect.text import NOWHERE

pytest.importorskip("keras_hub", reason="the extra kerashub is not installed")

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*MARKS, "the", "film", "love", "##d", "act", "##or", "i", "this", "is", "end", "!", "nai", "##ve"]
TEXT = "I loved THE actor! zzz"


def models() -> Any:
    return importlib.import_module("keras_hub").models


def word_pieces(length: int = 12, family: str = "Bert", **options: Any) -> Any:
    tokenizer = getattr(models(), f"{family}Tokenizer")(vocabulary=PIECES, **{"lowercase": True} | options)
    return getattr(models(), f"{family}TextClassifierPreprocessor")(tokenizer, sequence_length=length)


def byte_pairs(length: int = 24) -> Any:
    letters = importlib.import_module("tokenizers").pre_tokenizers.ByteLevel.alphabet()
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(letters), "th", "the", "Ġf", "Ġt", "Ġth", "Ġthe"]
    merges = ["t h", "th e", "Ġ f", "Ġ t", "Ġt h", "Ġth e"]
    tokenizer = models().RobertaTokenizer(vocabulary={piece: i for i, piece in enumerate(pieces)}, merges=merges)
    return models().RobertaTextClassifierPreprocessor(tokenizer, sequence_length=length)


def sentence_pieces(length: int = 24) -> Any:
    trainer = pytest.importorskip("sentencepiece", reason="sentencepiece trains the tokenizer").SentencePieceTrainer
    file, marks = io.BytesIO(), {"pad": "[PAD]", "bos": "[CLS]", "eos": "[SEP]", "unk": "[UNK]"}
    named = {f"{name}_piece": mark for name, mark in marks.items()} | {f"{name}_id": i for i, name in enumerate(marks)}
    trainer.train(sentence_iterator=iter(["the film is the end", "I loved this film"] * 5), model_writer=file, vocab_size=30,
                  hard_vocab_limit=False, minloglevel=2, **named)  # fmt: skip
    tokenizer = models().DebertaV3Tokenizer(proto=file.getvalue())
    return models().DebertaV3TextClassifierPreprocessor(tokenizer, sequence_length=length)


def by_name(keras: Any) -> Any:
    """A mean of vectors, masked by the padding mask, which is an input of its own."""
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="bool", name="padding_mask")
    x = keras.layers.Embedding(300, zoo.UNITS, name="embed", embeddings_initializer="normal")(ids)
    x = keras.layers.GlobalAveragePooling1D(name="pool")(x, mask=mask)
    return keras.Model({"token_ids": ids, "padding_mask": mask}, keras.layers.Dense(3, name="out")(x))


@pytest.fixture(scope="module")
def lens() -> Any:
    return ki.wrap(by_name(importlib.import_module("keras")), tokenizer=word_pieces())


def rows(preprocessor: Any, *texts: str) -> Any:
    model = by_name(importlib.import_module("keras"))
    return ki.wrap(model, tokenizer=preprocessor)._runner.encode(list(texts)).rows()


def spelled(row: Any, text: str) -> list[str | None]:
    return [None if span == NOWHERE else text[slice(*span)] for span in row.spans]


def test_the_model_gets_the_arrays_that_it_has_inputs_for(lens):
    made = word_pieces()([TEXT, "film"])
    given = {name: np.asarray(made[name]) for name in ("token_ids", "padding_mask")}
    encoded = lens._runner.encode([TEXT, "film"])
    assert set(encoded.inputs) == {"token_ids", "padding_mask"}  # not segment_ids, which the model does not take
    assert all(np.array_equal(encoded.inputs[name], given[name]) for name in given)
    assert np.array_equal(encoded.mask, given["padding_mask"]) and encoded.mask.dtype == bool
    assert np.allclose(lens.predict([TEXT, "film"]).scores, lens.model(given), atol=1e-6)
    assert lens.activations([TEXT, "film"], "embed").mask.sum(1).tolist() == [10, 3]


def test_one_input_gets_the_ids(keras):
    model = zoo.graph(keras, zoo.layers(keras, mask_zero=True), None)
    lens = ki.wrap(model, tokenizer=word_pieces(4))
    assert np.allclose(lens.predict(["the film"]).scores, model(np.array([[2, 5, 6, 3]])), atol=1e-6)


def test_word_pieces_stand_on_the_users_own_text(lens):
    (found,) = lens._runner.encode([TEXT]).rows()
    assert found.tokens == ("[CLS]", "i", "love", "##d", "the", "act", "##or", "!", "[UNK]", "[SEP]")
    assert spelled(found, TEXT) == [None, "I", "love", "d", "THE", "act", "or", "!", "zzz", None]
    assert found.unknown == (False,) * 8 + (True, False) and not found.truncated


def test_unknown_tokens_take_the_words_that_are_left(lens):
    text = "zorg, film naïve 😀 the end blob"
    (found,) = lens._runner.encode([text]).rows()
    assert spelled(found, text) == [None, "zorg", ",", "film", "naïve", "😀", "the", "end", "blob", None]
    assert [word.text for word in lens.attribute([text], "saliency", target=1)[0].words()] == [
        "zorg", ",", "film", "naïve", "😀", "the", "end", "blob"
    ]  # fmt: skip
    doubtful = "film zz... yy film"  # five tokens, but three words as people see them
    (found,) = lens._runner.encode([doubtful]).rows()
    assert spelled(found, doubtful) == [None, "film", None, None, None, None, None, "film", None]


def test_bytes_that_only_together_make_a_letter_stand_on_it():
    text = "the film naïve 😀 the <mask>"
    (found,) = rows(byte_pairs(30), text)
    assert found.tokens[:4] == ("<s>", "the", "Ġf", "i") and found.tokens[-1] == "</s>" and not any(found.unknown)
    shown = spelled(found, text)
    assert shown.count("ï") == 2 and shown.count("😀") == 4 and shown.count("the") == 2
    assert shown[0] is None and shown[-2:] == [None, None] and not found.truncated


def test_sentence_pieces_stand_on_the_text():
    text = "the film ü loved this"
    (found,) = rows(sentence_pieces(), text)
    kept = [text[a:b] for a, b in found.spans if (a, b) != NOWHERE]
    assert "".join(kept) == text.replace(" ", "") and sum(found.unknown) == 1
    assert found.spans[found.unknown.index(True)] == (9, 10)


@pytest.mark.parametrize("make", [word_pieces, byte_pairs, sentence_pieces])
def test_a_text_that_is_cut_says_so_and_no_other(make):
    assert [row.truncated for row in rows(make(6), "the film the film the film", "the", "")] == [True, False, False]
    width = len(rows(make(), "the film")[0].tokens)
    assert not rows(make(width), "the film")[0].truncated and rows(make(width - 1), "the film")[0].truncated


def test_texts_that_are_no_text_do_no_harm(lens):
    encoded = lens._runner.encode(["", "\ud800 film", "\x00", "[MASK] \u202eend"])
    assert [len(row.tokens) for row in encoded.rows()] == encoded.mask.sum(1).tolist()


def test_words_and_length_are_in_the_identity(lens):
    adapter = lens._runner.adapter
    made = [word_pieces(), word_pieces(), word_pieces(8), word_pieces(lowercase=False), byte_pairs(), sentence_pieces()]
    names = [find_front(preprocessor, None, adapter, None).identity() for preprocessor in made]
    assert names[0] == names[1] and len(set(names)) == 5


def test_what_cannot_be_used_is_refused(lens):
    preprocessor = word_pieces()
    with pytest.raises(ki.InputTypeError, match="give a preprocessor that packs texts, .* Received: BertTokenizer"):
        ki.wrap(lens.model, tokenizer=preprocessor.tokenizer)
    hiding = models().BertMaskedLMPreprocessor(preprocessor.tokenizer, sequence_length=8, mask_selection_length=2)
    with pytest.raises(ki.InputTypeError, match="hides no words by chance. Received: BertMaskedLMPreprocessor"):
        ki.wrap(lens.model, tokenizer=hiding)
    with pytest.raises(ki.InputError, match="leave max_length out, .* Received: max_length=5"):
        ki.wrap(lens.model, tokenizer=preprocessor, max_length=5)
    assert ki.wrap(lens.model, tokenizer=preprocessor, max_length=12).describe()["max_length"] == 12
