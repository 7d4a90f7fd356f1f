"""What may be given as rows of activations, and what is said of what may not."""

import numpy as np
import pytest

import kerasintrospect as ki
from kerasintrospect.matrices import batches, constant_units, matrix


def test_floats_are_not_copied_and_ints_become_floats():
    X = np.ones((3, 2), np.float32)
    assert matrix(X) is X
    assert matrix([[1, 2], [3, 4]]).dtype == np.float64
    assert matrix([[True, False], [False, True]]).tolist() == [[1, 0], [0, 1]]


def test_large_values_whose_sum_overflows_are_no_fault():
    X = np.full((3, 2), 1.5e308)
    assert matrix(X) is X
    assert matrix(np.full((9, 9), 65504, np.float16)).shape == (9, 9)


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (np.ones(3), r"two axes.*shape \(3,\)"),
        (np.ones((2, 3, 4)), r"acts\[site\]\[acts.mask\]"),
        (np.ones((1, 3)), r"at least 2 rows.*shape \(1, 3\)"),
        (np.ones((3, 0)), "one unit"),
    ],
)
def test_a_wrong_shape_is_named(X, said):
    with pytest.raises(ki.InputError, match=said):
        matrix(X)


@pytest.mark.parametrize("X", [[["a", "b"]] * 2, np.ones((2, 2), complex), np.array([[None, 1]] * 2)])
def test_only_real_numbers_will_do(X):
    with pytest.raises(ki.InputTypeError, match="real numbers"):
        matrix(X)


def test_rows_and_units_that_are_not_finite_are_named():
    X = np.zeros((5000, 9))
    X[4999, 3], X[4998, 7] = np.nan, -np.inf
    with pytest.raises(ki.InputError, match="rows 4998, 4999 and units 3, 7 of Y"):
        matrix(X, "Y")
    X[:, 8] = np.inf
    with pytest.raises(ki.InputError, match="rows 0, 1, 2, 3, 4 and 4091 more"):
        matrix(X)


def test_batches_hold_all_rows():
    X = np.random.default_rng(0).normal(size=(9000, 2))
    parts = list(batches(X))
    assert len(parts) == 3 and np.array_equal(np.concatenate(parts), X)
    assert np.array_equal(np.concatenate(list(batches(iter(np.split(X, 10))))), X)
    stored = ((slice(at, at + 900), X[at : at + 900]) for at in range(0, 9000, 900))
    assert np.array_equal(np.concatenate(list(batches(stored))), X)


def test_batches_of_other_units_are_a_fault():
    with pytest.raises(ki.InputError, match="2 units, then 3"):
        list(batches(iter([np.ones((1, 2)), np.ones((1, 3))])))


def test_constant_units():
    assert constant_units(np.array([[0.1, 0, 1], [0.1, 0, 1 + 1e-15]])).tolist() == [True, True, False]
