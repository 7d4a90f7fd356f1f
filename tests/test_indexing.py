"""An index that a lens makes holds what the model gives, and hangs on weights, site and pooling."""

from __future__ import annotations

import re

import numpy as np
import pytest

import kerasintrospect as ki
from kerasintrospect import indexing
from kerasintrospect.text import words

TEXTS = ["good film", "bad film", "a good good film", "bad"]


@pytest.fixture
def lens(keras):
    words = keras.layers.TextVectorization(output_sequence_length=6)
    words.adapt(TEXTS)
    table = keras.layers.Embedding(8, 4, mask_zero=True, name="table")
    model = keras.Sequential([keras.Input((), dtype="string"), words, table,
                              keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(2, activation="softmax")])  # fmt: skip
    return ki.wrap(model, class_names=["bad", "good"])


def test_vectors_are_the_pooled_activations_and_labels_may_be_names(lens):
    index = lens.neighbors(TEXTS, ["good", "bad", "good", "bad"], site="table")
    np.testing.assert_array_equal(index.vectors, lens.activations(TEXTS, "table", pool="mean")["table"])
    assert index.labels.tolist() == [1, 0, 1, 0] and index.texts == TEXTS and index.site == "table"
    assert index.query(["bad"], k=1).indices.tolist() == [[3]]


def test_the_fingerprint_hangs_on_site_pooling_and_weights(lens):
    marks = {lens.fingerprint(site, pool) for site in ("table", ":out") for pool in ("mean", None)}
    before = lens.fingerprint("table", "mean")
    lens.model.get_layer("table").set_weights([np.ones((8, 4))])
    assert len(marks | {lens.fingerprint("table", "mean")}) == 5 and before in marks


def test_an_embedder_gives_what_the_index_holds(lens):
    embed, mark = lens.embedder("table", "max")
    assert mark == lens.fingerprint("table", "max")
    np.testing.assert_array_equal(embed(TEXTS[:2]), lens.neighbors(TEXTS, site="table", pool="max").vectors[:2])


# Words and tokens, columns, predictions, the disk


def lens_index(lens, texts, labels, site="table", pool="mean", **options):
    return indexing.index(lens._runner, lens._arrange, texts, labels, lens._site(site), pool, "cosine", lens.class_names,
                          output=lens._find_output, **options)  # fmt: skip


LONGER = ["good film", "bad film", "a good good film", "bad", "film film zzz good bad"]


def test_every_word_that_the_model_sees_is_a_row_and_padding_is_none(lens):
    index = lens_index(lens, LONGER, [1, 0, 1, 0, 1], unit="word", columns={"source": ["a", "b", "a", "b", "c"]})
    seen = [(i, text[slice(*span)]) for i, text in enumerate(LONGER) for span in words(text)]
    assert [(place.document, place.word) for place in index.places] == seen and index.texts == [word for _, word in seen]
    assert all(place.text[place.start : place.end] == place.word for place in index.places)
    acts = lens.activations(LONGER, "table")
    np.testing.assert_allclose(index.vectors, acts["table"][acts.mask], rtol=1e-6)  # a word is a token here
    assert index.labels.tolist() == [[1, 0, 1, 0, 1][i] for i, _ in seen]
    assert index.columns["source"].tolist() == ["abab"[i] if i < 4 else "c" for i, _ in seen]
    assert (index.predicted == lens.predict(LONGER).labels[[i for i, _ in seen]]).all()
    found = index.query(["so bad"], k=3, exclude_self=True)
    assert [unit.word for unit in found.queries] == ["so", "bad"] and found.queries[1].start == 3
    assert [near.unit.document for near in found[1]] == [1, 3, 4] and {near.text for near in found[1]} == {"bad"}


def test_a_word_is_the_mean_of_its_tokens(keras):
    tokens = {"[CLS]": 1, "un": 2, "happy": 3, "film": 4}

    def pieces(text):
        spans = [(0, 0)]
        for word in re.finditer(r"un|happy|film", text):
            spans.append(word.span())
        return spans

    def ids(texts):
        rows = [[1, *(tokens[text[i:j]] for i, j in pieces(text)[1:])] for text in texts]
        return np.array([row + [0] * (6 - len(row)) for row in rows], "int32")

    table = keras.layers.Embedding(8, 4, mask_zero=True, name="table")
    model = keras.Sequential([keras.Input((6,), dtype="int32"), table, keras.layers.GlobalAveragePooling1D(),
                              keras.layers.Dense(2, activation="softmax")])  # fmt: skip
    piecewise = ki.wrap(model, preprocess=ids, tokenizer=pieces)
    index = lens_index(piecewise, ["unhappy film"], None, unit="word")
    weights = np.asarray(model.get_layer("table").get_weights()[0])
    assert [place.word for place in index.places] == ["unhappy", "film"]
    np.testing.assert_allclose(index.vectors, [(weights[2] + weights[3]) / 2, weights[4]], rtol=1e-6)
    every = lens_index(piecewise, ["unhappy film"], None, unit="token")
    np.testing.assert_allclose(every.vectors, weights[[1, 2, 3, 4]], rtol=1e-6)
    assert every.pool is None and [place.start for place in every.places][1:] == [0, 2, 8]


@pytest.mark.parametrize("unit", ["example", "word", "token"])
def test_an_index_on_disk_is_the_one_in_memory(lens, unit, tmp_path, monkeypatch):
    monkeypatch.setattr(indexing, "_EXAMPLES", 2)
    monkeypatch.setattr(indexing, "_TEXTS", 2)
    memory = lens_index(lens, LONGER, [1, 0, 1, 0, 1], unit=unit)
    disk = lens_index(lens, LONGER, [1, 0, 1, 0, 1], unit=unit, path=tmp_path / "index")
    assert disk.path and disk.texts == memory.texts and disk.places == memory.places
    np.testing.assert_allclose(disk.vectors, memory.vectors, rtol=1e-6)
    assert disk.predicted.tolist() == memory.predicted.tolist() and disk.labels.tolist() == memory.labels.tolist()
    for right in (True, False):
        if ((memory.predicted == memory.labels) == right).any():
            found = disk.query(["bad film"], k=2, correct=right)
            assert found.indices.tolist() == memory.query(["bad film"], k=2, correct=right).indices.tolist()


def test_what_has_no_words_is_named(lens, keras):
    with pytest.raises(ki.InputError, match="needs a site with one vector per token. Received: site=':out'"):
        lens_index(lens, LONGER, None, unit="word", site=":out")
    with pytest.raises(ki.InputError, match="`unit` has to be one of 'example', 'token', 'word'. Received: unit='letter'"):
        lens_index(lens, LONGER, None, unit="letter")
    with pytest.raises(ki.InputError, match="`pool` has to be 'mean'. Received: pool='max'"):
        lens_index(lens, LONGER, None, unit="word", pool="max")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")])
    with pytest.raises(ki.InputError, match="needs texts, and a text front"):
        lens_index(ki.wrap(model), np.ones((2, 3)), None, unit="token", site="dense")
    index = lens_index(lens, LONGER, None, unit="word")
    with pytest.warns(ki.KerasIntrospectWarning, match="no token"), pytest.raises(ki.InputError, match="There are no rows"):
        index.query([""])


def test_the_fingerprint_is_the_same_before_and_after_the_first_text(lens):
    fresh = ki.wrap(lens.model, class_names=["bad", "good"])
    lens.predict(TEXTS)
    assert fresh.fingerprint("table", "mean") == lens.fingerprint("table", "mean")
