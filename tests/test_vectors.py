"""Directions are the same bits wherever they come from; distances are what their squares say."""

import numpy as np
import pytest

from kerasintrospect import vectors
from kerasintrospect.errors import KerasIntrospectWarning
from kerasintrospect.vectors import directions, distances


def test_directions_do_not_hang_on_the_length():
    rows = np.random.default_rng(0).standard_normal((50, 7)).astype(np.float32)
    found = directions(rows)
    for factor in (2, 3, 1024, 2.0**-100):
        scaled = (rows.astype(np.float64) * factor).astype(np.float32)
        same = (scaled.astype(np.float64) == rows.astype(np.float64) * factor).all(1)  # float32 held the product
        assert (directions(scaled)[same] == found[same]).all()
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-15)
    assert (directions(np.zeros((2, 3), np.float32)) == 0).all()
    both = directions(np.array([[1, 2], [3, 6]], np.float32)).tolist()
    assert both[0] == both[1]


def test_distances_of_squares():
    queries = np.array([[1.0, 0], [0, 0]])
    with pytest.warns(KerasIntrospectWarning, match="1 of 2 queries, the first at 1"):
        found = distances(queries, np.array([[1e-31, 2.0, 4, np.inf], [2, 2, 2, np.inf]]), cosine=True)
    assert found.tolist() == [[0, 1, 2, 2], [1, 1, 1, 1]] and found.dtype == np.float32
    assert distances(queries, np.array([[4.0], [1e300]]), cosine=False).ravel().tolist() == [2, np.finfo(np.float32).max]


def test_every_float16_is_widened_as_by_a_cast():
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    rows = np.concatenate([every, every[::-1]]).reshape(-1, 16)
    for given in (rows, np.asfortranarray(rows), rows[::3]):
        found = vectors.widened(given)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, given.astype(np.float32))
    out = np.empty((5, 16), np.float32)
    assert vectors.widened(rows[:5], out) is out and vectors.widened(out) is out
    np.testing.assert_array_equal(out, rows[:5].astype(np.float32))
