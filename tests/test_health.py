"""Dead, constant and saturated units, planted and found."""

import json

import numpy as np
import pytest

import kerasintrospect as ki


@pytest.fixture
def sound():
    return np.random.default_rng(0).normal(size=(1000, 6))


def test_units_behind_a_relu_that_never_fire(sound):
    X = np.maximum(sound, 0)
    X[:, 2], X[:, 4] = 0, 3
    found = ki.dead_neurons(X, "relu")
    assert np.flatnonzero(found.dead).tolist() == [2] and np.flatnonzero(found.constant).tolist() == [2, 4]
    assert found.units.tolist() == [2, 4] and not found.saturated.any()
    assert found.to_frame()["state"].tolist() == ["alive", "alive", "dead", "alive", "constant", "alive"]
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["dead"] == [2] and plain["constant"] == [2, 4] and plain["rows"] == 1000


def test_a_unit_that_fires_once_is_alive(sound):
    X = np.zeros((1000, 2))
    X[777, 1] = 1e-6
    assert ki.dead_neurons(X, "relu").dead.tolist() == [True, False]


def test_a_relu_is_known_by_its_least_value_and_that_is_said(sound):
    X = np.maximum(sound, 0)
    X[:, 1] = 0
    found = ki.dead_neurons(X)
    assert found.activation == "relu" and found.dead.tolist() == [False, True, False, False, False, False]
    assert "Taken for a ReLU" in str(found) and "1 dead" in str(found)


def test_without_a_name_only_constant_units_are_judged(sound):
    X = sound - 10
    X[:, 3] = 0.1
    found = ki.dead_neurons(X)
    assert found.activation is None and found.units.tolist() == [3] and "only constant" in found.notes[0]


def test_behind_a_gelu_dead_units_may_be_below_zero(sound):
    X = sound.copy()
    X[:, 5] = -0.17 * np.random.default_rng(1).random(1000)
    assert np.flatnonzero(ki.dead_neurons(X, "gelu").dead).tolist() == [5]


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_units_at_the_ends_are_saturated(sound, activation):
    pre = sound * 0.5
    pre[:, 1] = np.where(sound[:, 1] > 0, 30, -30)  # at both ends
    pre[:, 2] = np.where(np.arange(1000) < 960, -30, 0)
    pre[:, 3] = np.where(np.arange(1000) < 940, -30, 0)
    X = np.tanh(pre) if activation == "tanh" else 1 / (1 + np.exp(-pre))
    found = ki.dead_neurons(X, activation)
    assert np.flatnonzero(found.saturated).tolist() == [1, 2] and not found.dead.any()
    assert found.figures["at_low"][3] == 0.94
    assert np.flatnonzero(ki.dead_neurons(X, activation, share=0.9).saturated).tolist() == [1, 2, 3]
    ends = (-1, 1) if activation == "tanh" else (0, 1)
    assert np.array_equal(ki.dead_neurons(X, bounds=ends).saturated, found.saturated)


def test_the_figures_are_those_of_numpy_in_batches_too(sound):
    X = sound + 1e4
    X[:, 0] = 0.1
    for found in (ki.dead_neurons(X), ki.dead_neurons(iter(np.array_split(X, 9)))):
        for name in ("min", "max", "mean", "std"):
            assert np.allclose(found.figures[name], getattr(np, name)(X, axis=0), rtol=1e-12, atol=1e-9), name
        assert found.rows == 1000 and found.figures["std"][0] == 0
        assert np.allclose(found.figures["above_zero"], 1)


def test_float16_of_a_tanh_is_within_its_bounds(sound):
    assert not ki.dead_neurons(np.tanh(sound).astype(np.float16), "tanh").saturated.any()


@pytest.mark.parametrize(
    ("X", "options", "said"),
    [
        (np.ones((1, 2)), {}, "at least 2 rows"),
        (iter([np.ones((1, 2))]), {}, "two rows.*1"),
        (iter([]), {}, "two rows.*0"),
        (np.array([[1, np.nan], [1, 2]]), {}, "row 0 and unit 1"),
        (np.ones((2, 2)), {"activation": "rleu"}, "'relu'.*'rleu'"),
        (np.ones((2, 2)), {"activation": "relu", "bounds": (0, 1)}, "`activation` or `bounds`"),
        (np.ones((2, 2)), {"bounds": (1, 0)}, "lower first"),
        (np.ones((2, 2)), {"share": 1}, "share=1"),
        (np.array([[1.0, 0], [0, -2]]), {"activation": "relu"}, "never below 0.*-2 in unit 1"),
        (np.array([[1.0, 0], [0, -2]]), {"activation": "tanh"}, "between -1 and 1.*from -2 to 1"),
    ],
)
def test_bad_input_is_one_clear_sentence(X, options, said):
    with pytest.raises(ki.InputError, match=said):
        ki.dead_neurons(X, **options)
