"""The Gaussian probe against scipy's densities, refitted for every set of neurons."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from kerasintrospect.errors import InputError
from kerasintrospect.holdout import held_out
from kerasintrospect.probes import rank_neurons

from .planted import cases, drawn, planted


def bits(X, y, units, learn, judge, divisor):
    """Mutual information of a set of neurons, the direct way."""
    joint = []
    for of in np.unique(y):
        own = X[learn][y[learn] == of][:, units]
        centred = own - own.mean(0)
        covariance = (np.diag(own.var(0, ddof=1)) + centred.T @ centred) / divisor(len(own))
        prior = np.log(len(own) / len(learn))
        joint.append(prior + multivariate_normal(own.mean(0), covariance).logpdf(X[judge][:, units]).reshape(-1))
    joint = np.array(joint)
    log = joint[y[judge], np.arange(len(judge))] - logsumexp(joint, axis=0)
    prior = np.bincount(y[learn]) / len(learn)
    return (-(prior * np.log(prior)).sum() + log.mean()) / np.log(2), 1.96 * log.std() / np.log(2) / np.sqrt(len(log))


@pytest.mark.parametrize("case", cases("gaussian"), ids=lambda case: case["id"])
def test_the_order_of_neurox(case):
    """Chosen by the rows that it is fitted on, as NeuroX does; the paper takes others, and so do we by default."""
    X, y = drawn(case)
    found = rank_neurons(X, y, "gaussian", neurons=18, validation=0, covariance="mode")
    assert found.order.tolist() == case["expected"]


@pytest.mark.parametrize("covariance", ["mean", "mode"])
def test_bits_and_choice_by_the_direct_way(covariance):
    X, y = planted("classes", 200)
    X = np.delete(X, 4, axis=1)[:, :12]
    X[:, 2] = X[:, 6] + 0.5 * X[:, 2]
    learn, judge = held_out(y, 0.3, 5)
    divisor = {"mean": lambda n: n + 1, "mode": lambda n: n + 2 * 12 + 4}[covariance]
    found = rank_neurons(X, y, "gaussian", seed=5, neurons=5, covariance=covariance)
    alone = [bits(X, y, [unit], learn, judge, divisor)[0] for unit in range(12)]
    np.testing.assert_allclose(found.scores, alone)
    chosen = []
    for step in range(5):
        by_unit = {unit: bits(X, y, [*chosen, unit], learn, judge, divisor) for unit in range(12) if unit not in chosen}
        chosen.append(max(by_unit, key=lambda unit: by_unit[unit][0]))
        assert (found.details["information"][step], found.details["error"][step]) == pytest.approx(by_unit[chosen[-1]])
    assert found.details["chosen"].tolist() == found.order[:5].tolist() == chosen
    rest = found.order[5:]
    assert (np.diff(found.scores[rest]) <= 0).all()


def test_a_copy_adds_nothing_and_waits():
    X, y = planted("classes")
    X[:, 8] = X[:, 7]
    assert set(rank_neurons(X, y, "probeless").top(4).tolist()) == {7, 8, 11, 20}
    found = rank_neurons(X, y, "gaussian", neurons=3)
    assert set(found.order[:3].tolist()) in ({7, 11, 20}, {8, 11, 20})
    assert np.isfinite(rank_neurons(X, y, "gaussian", neurons=28).details["information"]).all()


def test_bits_are_bounded_by_the_entropy_and_say_how_sure_they_are():
    X, y = planted("binary", 4000)
    X[:, 7] += 20 * y
    found = rank_neurons(X, y, "gaussian", neurons=1)
    assert found.details["information"][0] == pytest.approx(1, abs=0.01)
    noise = rank_neurons(X[:, :7], y, "gaussian", neurons=1)
    assert abs(noise.details["information"][0]) < 3 * noise.details["error"][0] + 0.01


def test_blocks_change_nothing(monkeypatch):
    X, y = planted("classes", 150)
    whole = rank_neurons(X, y, "gaussian").scores
    monkeypatch.setattr("kerasintrospect.probes.densities._BLOCK", 500)
    np.testing.assert_allclose(rank_neurons(X, y, "gaussian").scores, whole)


def test_more_units_than_rows():
    X, y = planted("binary", 40)
    X = np.c_[X, np.random.default_rng(3).normal(size=(40, 200))]
    found = rank_neurons(X, y, "gaussian", neurons=40)
    assert 7 in found.order[:3] and np.isfinite(found.scores).all() and sorted(found.order) == list(range(230))


def test_options_that_mean_nothing():
    with pytest.raises(InputError, match='`covariance` is "mean" or "mode"'):
        rank_neurons(*planted("binary", 50), "gaussian", covariance="full")
    for options in ({"neurons": 0}, {"neurons": 2.5}, {"candidates": "a"}, {"max_examples": -1}):
        with pytest.raises(InputError, match="has to be an integer of at least 1"):
            rank_neurons(*planted("binary", 50), "gaussian", **options)


def test_neurons_that_never_change_are_none_to_choose_from():
    found = rank_neurons(np.ones((20, 3)), np.arange(20) % 2, "gaussian")
    assert found.order.tolist() == [0, 1, 2] and not found.scores.any() and found.details["chosen"].size == 0
