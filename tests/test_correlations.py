"""Distances of all pairs of units: against NumPy's correlations, in blocks and from sums."""

import numpy as np
import pytest
from scipy.spatial.distance import squareform

import kerasintrospect as ki
from kerasintrospect.correlations import Pairs, correlated
from kerasintrospect.statistics import Gram


@pytest.fixture(scope="module")
def rows():
    """20 units, of which 4 and 11 are constant."""
    X = np.random.default_rng(0).normal(size=(60, 20)) @ np.random.default_rng(1).normal(size=(20, 20)) + 3
    X[:, [4, 11]] = 0.1, -2
    return X


def expected(X, absolute):
    r = np.corrcoef(np.delete(X, [4, 11], 1).T)
    return squareform(1 - (np.abs(r) if absolute else r), checks=False)


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("block", [1, 7, 18, 1024])
def test_distances_are_those_of_numpy_whatever_the_blocks(rows, absolute, block, monkeypatch):
    monkeypatch.setattr("kerasintrospect.correlations.BLOCK", block)
    for given in (rows, Gram(20).add(rows[:13]).add(rows[13:])):
        pairs, units, constant = correlated(given, absolute)
        assert np.allclose(pairs.values, expected(rows, absolute), atol=1e-12)
        assert constant.tolist() == [4, 11] and units.tolist() == [u for u in range(20) if u not in (4, 11)]


def test_values_of_any_size(rows):
    for factor in (1e300, 1e-300):
        assert np.allclose(correlated(rows * factor, True)[0].values, expected(rows, True), atol=1e-9)
    pairs, _, _ = correlated(rows.astype(np.float16), True)
    assert np.allclose(pairs.values, expected(rows, True), atol=1e-2)


def test_between_is_the_square_matrix(rows):
    pairs, _, _ = correlated(rows, True)
    some, others = np.array([3, 0, 17, 3]), np.arange(18)
    assert np.array_equal(pairs.between(some, others), squareform(pairs.values)[np.ix_(some, others)])
    assert Pairs(np.zeros(0), 1).between(np.zeros(1, int), np.zeros(1, int)).tolist() == [[0]]


def test_what_was_given_stays_as_it_was(rows):
    before = rows.copy()
    correlated(rows, True)
    assert np.array_equal(rows, before)


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (np.ones((5, 1)), "at least two units"),
        (np.ones((5, 3)), "3 units, each with one value in every row"),
        (Gram(3).add(np.ones((1, 3))), "two rows.*1 rows"),
        (Gram(3).add(np.ones((5, 3))), "3 units, each with one value"),
    ],
)
def test_bad_input_is_one_clear_sentence(X, said):
    with pytest.raises(ki.InputError, match=said):
        correlated(X, True)


def test_sums_that_have_seen_nan():
    with np.errstate(invalid="ignore"):
        gram = Gram(3).add([[1, np.nan, 2], [2, 3, 4]])
        with pytest.raises(ki.InputError, match=r"NaN or infinity.*units \[1\]"):
            correlated(gram, True)
