"""Mixtures: a mixture of one token is this token, and half of two is half of their vectors, whatever the embedding does."""

import numpy as np
import pytest
import tiny

import kerasintrospect as ki
from kerasintrospect.mixtures import edits, mixture


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def lens(request):
    return ki.wrap(tiny.model(__import__(request.param)))


TEXTS = ["The bus is great!", "hate  hate the CAKE", "love my comet", "unheard of"]


def test_the_tokens_are_those_that_stand_alone(lens):
    found = mixture(lens._runner, lens._arrange, TEXTS, 4, 100)
    assert sorted(found.tokens) == ["CAKE", "The", "bus", "comet", "great", "hate", "love", "my"]  # "is" is as "The" is
    assert found.length == 4 and found.tables[0].shape == (4, 8, 4) and found.joiner == " "
    for k, token in enumerate(found.tokens):
        expected = tiny.MEANING[token.lower()]
        np.testing.assert_allclose(found.tables[0][:, k], np.tile(expected, (4, 1)), atol=1e-6)
    assert mixture(lens._runner, lens._arrange, TEXTS, 4, 1).tokens == ["hate"]


def test_what_is_put_in_the_place_of_tokens(lens):
    import tensorflow as tf

    found = mixture(lens._runner, lens._arrange, TEXTS, 3, 100)
    draws = np.random.default_rng(0)
    weights = draws.dirichlet(np.ones(len(found.tokens)), (5, 3)).astype(np.float32)
    leaves, mask, tables, places = found.fixed(5)
    given = tf.constant(draws.normal(size=(5, mask.shape[1], 4)).astype(np.float32))
    put = edits(found.sites, tf.constant(weights), tables, places)[found.sites[0]](given).numpy()
    for row in range(5):
        for k, position in enumerate(found.free):
            expected = sum(w * np.array(tiny.MEANING[t.lower()]) for w, t in zip(weights[row, k], found.tokens, strict=True))
            np.testing.assert_allclose(put[row, position], expected, atol=1e-5)
    others = np.setdiff1d(np.arange(mask.shape[1]), found.free)
    np.testing.assert_array_equal(put[:, others], given.numpy()[:, others])
    assert len(leaves[0]) == 5


def test_a_text_that_is_read_otherwise_is_told(lens):
    found = mixture(lens._runner, lens._arrange, TEXTS, 2, 100)
    chosen = np.array([[0, 1], [1, 0]])
    right = [found.write(row) for row in chosen]
    assert found.reads(lens._arrange(right), chosen).tolist() == [True, True]
    assert found.reads(lens._arrange([right[0], right[0]]), chosen).tolist() == [True, False]


def test_a_vector_that_hangs_on_neighbors_cannot_be_mixed():
    import keras

    inputs = keras.Input((), dtype="string")
    ids = keras.layers.TextVectorization(vocabulary=list(tiny.MEANING), output_sequence_length=6)(inputs)

    class Blurred(keras.layers.Embedding):
        def call(self, given):
            found = super().call(given)
            return found + keras.ops.roll(found, 1, axis=1)

    vectors = Blurred(len(tiny.MEANING) + 2, 4)(ids)
    model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(vectors)))
    blurred = ki.wrap(model)
    with pytest.raises(ki.UnsupportedError, match="hangs on its neighbors"):
        mixture(blurred._runner, blurred._arrange, TEXTS, 4, 100)
