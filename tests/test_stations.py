"""Which sites are compared, and their values: against the model's own outputs."""

import importlib

import numpy as np
import pytest

import kerasintrospect as ki
from kerasintrospect.closeness import apart, correlation
from kerasintrospect.stations import check_vectors, length_bias, lengths_of, read_pooled, sampled, stations

WORDS = ["good", "bad", "fine", "sad", "bus", "door", "sun", "rain"]


def block(keras, x, name):
    made = keras.layers.Dense(6, name=f"{name}_in")
    inner = keras.Sequential([keras.Input((None, 6)), made, keras.layers.Dropout(0.1), keras.layers.Dense(6)], name=name)
    return inner(x)


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def lens(request):
    keras = importlib.import_module(request.param)
    keras.utils.set_random_seed(1)
    inputs = keras.Input((), dtype="string")
    ids = keras.layers.TextVectorization(vocabulary=WORDS, output_sequence_length=8, name="ids")(inputs)
    x = keras.layers.Embedding(10, 6, mask_zero=False, name="embedding")(ids)
    x = block(keras, block(keras, keras.layers.Dropout(0.5, name="less")(x), "first"), "second")
    x = keras.layers.GlobalMaxPooling1D(name="pool")(x)
    return ki.wrap(keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="classes")(x)))


TEXTS = [" ".join(WORDS[(i * 3 + j) % 8] for j in range(1 + i % 7)) for i in range(40)]


def test_blocks_stand_for_their_layers_and_dropout_for_nothing(lens):
    lens.sites(TEXTS)
    notes = []
    assert [str(site) for site in stations(lens._runner, notes)] == ["embedding", "first", "second", "pool", "classes"]
    assert "dropout" in notes[0]


def test_one_pass_gives_the_values_of_the_lens_and_the_scores(lens):
    arranged = lens._runner.arrange(TEXTS)
    sites = stations(lens._runner, [])
    vectors, scores = read_pooled(lens._runner, arranged, sites, "mean", lens._find_output().predict)
    np.testing.assert_allclose(scores, lens.predict(TEXTS).scores, atol=1e-6)
    for site in sites:
        np.testing.assert_allclose(vectors[str(site)], lens.activations(TEXTS, str(site), "mean")[str(site)], atol=1e-6)


def test_length_bias_without_pooling_is_that_of_all_positions_in_one_vector(lens):
    runner = lens._runner
    arranged, sites = runner.arrange(TEXTS[:32]), stations(runner, [])
    vectors, _ = read_pooled(runner, arranged, sites, "mean", None)
    lengths = lengths_of(arranged, TEXTS, [])
    assert lengths.tolist() == [len(text.split()) for text in TEXTS[:32]]
    found = length_bias(runner, arranged, vectors, sites, lengths, True)
    flat = np.asarray(lens.truncate("second")(_strings(TEXTS[:32])))
    first, second = np.triu_indices(32, 1)
    gaps = np.abs(lengths[first] - lengths[second])
    assert found["second"][1] == pytest.approx(correlation(apart(flat.reshape(32, -1), first, second, True), gaps), abs=1e-3)
    assert found["second"][0] == pytest.approx(correlation(apart(vectors["second"], first, second, True), gaps))
    assert np.isnan(found["pool"][1]) and np.isfinite(found["pool"][0])


def _strings(texts):
    import tensorflow as tf

    return tf.constant(texts)


def test_the_sample_leaves_out_copies_and_what_holds_no_token(lens):
    notes = []
    arranged, rows, texts, total = sampled(lens._runner, ["good bus", "", "Good  BUS", "sad", "  ", "rain"], 10,
                                           np.random.default_rng(0), notes)  # fmt: skip
    assert (sorted(rows), total, len(arranged)) == ([0, 3, 5], 6, 3)
    assert texts == [["good bus", "", "Good  BUS", "sad", "  ", "rain"][i] for i in rows]
    assert [note.split()[0] for note in notes] == ["2", "1"]
    assert len(sampled(lens._runner, TEXTS, 5, np.random.default_rng(0), [])[1]) == 5


def test_a_site_without_float_vectors_is_refused(lens):
    lens.sites(TEXTS)
    with pytest.raises(ki.InputError, match="gives float vectors.*'ids'.*int64"):
        check_vectors(lens._runner, [lens._runner.site("ids")])
