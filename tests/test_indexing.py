"""An index that a lens makes holds what the model gives, and hangs on weights, site and pooling."""

from __future__ import annotations

import numpy as np
import pytest

import kerasintrospect as ki

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
