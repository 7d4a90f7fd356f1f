"""Other weights are lent for a block and no longer; drawn anew, they are those of a model before training."""

from __future__ import annotations

import numpy as np
import pytest

import kerasintrospect as ki
from kerasintrospect.weights import borrowed, digests, named, reinitialised

IDS = np.arange(20).reshape(4, 5) % 10


@pytest.fixture
def lens(keras):
    ids = keras.Input((5,), dtype="int32")
    vectors = keras.layers.LSTM(3)(keras.layers.Embedding(10, 4)(ids))
    hidden = keras.layers.Dense(6, kernel_initializer=keras.initializers.Constant(0.5))(vectors)
    model = keras.Model(ids, keras.layers.Dense(3, activation="softmax")(hidden))
    for weight in model.weights:
        weight.assign(np.random.default_rng(0).normal(size=weight.shape))
    return ki.wrap(model)


def values(lens):
    return [value.copy() for _, value in named(lens._runner.adapter)]


def test_the_model_runs_with_what_it_was_lent_and_has_its_own_again(lens):
    own, before = values(lens), lens.predict(IDS).scores
    with borrowed(lens._runner.adapter, [*own[:-2], None, np.array([0, 9, 0], np.float32)]):
        inside = lens.predict(IDS)
    assert (inside.labels == 1).all() and np.ptp(inside.scores - before) > 0.01
    assert all(np.array_equal(a, b) for a, b in zip(own, values(lens), strict=True))
    assert np.array_equal(lens.predict(IDS).scores, before)


def test_they_come_back_after_an_error(lens):
    own = values(lens)
    with pytest.raises(RuntimeError), borrowed(lens._runner.adapter, [value + 1 for value in own]):
        raise RuntimeError
    assert all(np.array_equal(a, b) for a, b in zip(own, values(lens), strict=True))


@pytest.mark.parametrize("spoil", [lambda own: own[:-1], lambda own: [own[0].T, *own[1:]]])
def test_weights_of_another_model_are_refused_and_nothing_changes(lens, spoil):
    own = values(lens)
    with (
        pytest.raises(ki.InputError, match="The weights have to be those of this model: 8 arrays"),
        borrowed(lens._runner.adapter, spoil([value + 1 for value in own])),
    ):
        pass
    assert all(np.array_equal(a, b) for a, b in zip(own, values(lens), strict=True))


def test_a_black_box_keeps_its_weights():
    lens = ki.wrap(lambda texts: np.full((len(texts), 2), 0.5))
    with pytest.raises(ki.UnsupportedError, match="keeps the weights"), borrowed(lens._runner.adapter, []):
        pass


def test_weights_are_drawn_anew_by_the_initializers_of_their_layers(lens):
    lens.sites()
    adapter, layers = lens._runner.adapter, lens._runner.tracer.layers
    names = [name for name, _ in named(adapter)]
    own, drawn = values(lens), reinitialised(adapter, layers, seed=1)
    fresh = dict(zip(names, drawn, strict=True))
    table, hidden = fresh[names[0]], fresh[names[4]]
    assert np.abs(table).max() <= 0.05 < np.abs(own[0]).max()  # Keras draws tables of vectors from [-0.05, 0.05]
    assert (hidden == 0.5).all() and (fresh[names[5]] == 0).all()
    recurrent = fresh[names[2]]
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(3), atol=1e-5)  # orthogonal rows
    assert all(np.array_equal(a, b) for a, b in zip(drawn, reinitialised(adapter, layers, seed=1), strict=True))
    assert not np.array_equal(table, reinitialised(adapter, layers, seed=2)[0])
    assert all(np.array_equal(a, b) for a, b in zip(own, values(lens), strict=True))


def test_a_weight_without_initializer_gets_its_values_in_another_order(keras):
    class Bare(keras.layers.Layer):
        def build(self, shape):
            self.mix = self.add_weight(name="mix", shape=(shape[-1], 8), initializer="ones")

        def call(self, x):
            return x @ self.mix

    inputs = keras.Input((6,))
    lens = ki.wrap(keras.Model(inputs, Bare()(inputs)))
    lens.model.weights[0].assign(np.random.default_rng(0).normal(size=(6, 8)))
    lens.sites()
    (drawn,), (own,) = reinitialised(lens._runner.adapter, lens._runner.tracer.layers), values(lens)
    assert not np.array_equal(drawn, own) and np.array_equal(np.sort(drawn.ravel()), np.sort(own.ravel()))


def test_every_weight_and_its_place_are_in_the_digests(lens):
    adapter = lens._runner.adapter
    own = values(lens)
    found = {digests(adapter)}
    for i, value in enumerate(own):
        changed = value.copy()
        changed.flat[-1] += 1
        with borrowed(adapter, [changed if k == i else None for k in range(len(own))]):
            found.add(digests(adapter))
    assert len(found) == 1 + len(own) and {len(digest) for digest in found} == {32 * len(own)}
    assert digests(adapter) in found
