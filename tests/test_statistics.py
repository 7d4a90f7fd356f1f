"""Streamed sums are the sums, whatever the blocks, the order and the dtype."""

import numpy as np
import pytest

import kerasintrospect as ki
from kerasintrospect import statistics
from kerasintrospect.errors import InputError

RNG = np.random.default_rng(0)
X = (RNG.standard_normal((500, 7)) * [1, 2, 3, 4, 5, 6, 0] + [0, 1, -50, 3, 1000, 0, 2]).astype(np.float16)
Y = RNG.choice(["b", "a", "c"], 500)
WIDE = X.astype(np.float64)


@pytest.mark.parametrize("block", [7, 70, 2**20])
def test_sums_are_those_of_the_rows(block, monkeypatch):
    monkeypatch.setattr(statistics, "_BLOCK", block)
    found = ki.Statistics(7, ["a", "b", "c", "never"]).add(X[:123], Y[:123]).add(X[123:], Y[123:])
    assert found.count == 500
    np.testing.assert_allclose(found.means, WIDE.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.variances, WIDE.var(0), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found.minima, WIDE.min(0))
    np.testing.assert_array_equal(found.maxima, WIDE.max(0))
    for i, label in enumerate("abc"):
        own = WIDE[Y == label]
        assert found.counts[i] == len(own)
        np.testing.assert_allclose(found.class_means[i], own.mean(0), rtol=1e-12)
        np.testing.assert_allclose(found.class_variances[i], own.var(0), rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(found.class_maxima[i], own.max(0))
    assert found.counts[3] == 0 and np.isnan(found.class_means[3]).all()
    assert found.variances[6] == 0 == found.class_variances[1, 6]


def test_parts_are_merged_into_the_whole_and_survive_a_file():
    classes = ["a", "b", "c"]
    whole = ki.Statistics(7, classes).add(X, Y)
    both = ki.Statistics(7, classes).add(X[:200], Y[:200]).merge(ki.Statistics(7, classes).add(X[200:], Y[200:]))
    again = ki.Statistics.from_arrays(both.arrays(), classes)
    for name, value in whole.arrays().items():
        np.testing.assert_allclose(getattr(again, name), value, rtol=1e-12)
    with pytest.raises(InputError, match="same units and classes"):
        whole.merge(ki.Statistics(7))


def test_rows_without_a_label_count_among_all_only():
    found = ki.Statistics(1, [False, True]).add([[1.0], [2.0], [4.0]], [True, None, False])
    assert (found.count, found.counts.tolist(), found.class_means.ravel().tolist()) == (3, [1, 1], [4.0, 1.0])
    found.add(np.array([[8.0]]))
    assert (found.count, found.sums.tolist(), found.counts.sum()) == (4, [15.0], 2)


@pytest.mark.parametrize(("rows", "labels", "said"), [
    (np.ones((2, 3)), None, r"shape \(n, 7\)"), (X[:2], ["a"], "needs a label"), (X[:1], ["z"], "a label 'z'"),
])  # fmt: skip
def test_what_does_not_fit_is_said(rows, labels, said):
    with pytest.raises(InputError, match=said):
        ki.Statistics(7, ["a", "b"]).add(rows, labels)


def test_products_give_numpys_correlations_also_of_large_means(monkeypatch):
    monkeypatch.setattr(statistics, "_BLOCK", 200)
    rows = RNG.standard_normal((300, 4)) @ RNG.standard_normal((4, 4)) + 1e7
    found = ki.Gram(4).add(rows[:100]).add(rows[100:])
    np.testing.assert_allclose(found.correlation(), np.corrcoef(rows.T), atol=1e-7)
    np.testing.assert_allclose(found.means, rows.mean(0))
    np.testing.assert_allclose(found.products(), rows.T @ rows, rtol=1e-12)
    flat = ki.Gram(7).add(X)
    np.testing.assert_allclose(flat.correlation()[:6, :6], np.corrcoef(WIDE.T[:6]), atol=1e-9)
    assert flat.correlation()[6].tolist() == [0, 0, 0, 0, 0, 0, 1]  # a unit that never changes goes with nothing
