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
        np.testing.assert_allclose(again.arrays()[name], value, rtol=1e-12)
    np.testing.assert_allclose(again.squares, (WIDE**2).sum(0), rtol=1e-12)
    with pytest.raises(InputError, match="same units and classes"):
        whole.merge(ki.Statistics(7))


@pytest.mark.parametrize("block", [30, 2**20])
def test_large_means_cost_no_digits_of_the_variance(block, monkeypatch):
    monkeypatch.setattr(statistics, "_BLOCK", block)
    rng, classes = np.random.default_rng(3), ["a", "b"]
    y = rng.choice(classes, 2000)
    rows = rng.standard_normal((2000, 3)) * 0.01 + [1e6, -1e6, 0]
    rows[:, 1] += 3e6 * (y == "b")  # a shift of one's own for each label
    found = ki.Statistics(3, classes).add(rows[:700], y[:700]).merge(ki.Statistics(3, classes).add(rows[700:], y[700:]))
    alone = ki.Statistics(3).add(rows[:1]).add(rows[1:])
    for one in (found, alone):
        np.testing.assert_allclose(one.variances, rows.var(0), rtol=1e-6)
    for i, label in enumerate(classes):
        np.testing.assert_allclose(found.class_variances[i], rows[y == label].var(0), rtol=1e-6)
        assert np.abs(found.class_variances[i] / 1e-4 - 1).max() < 0.2


def test_rows_that_are_not_finite_leave_other_units_alone():
    rows = np.array([[np.inf, 1.0, 0.0], [-np.inf, 3.0, np.nan], [0.0, 5.0, 1.0]])
    found = ki.Statistics(3, ["a"]).add(rows, ["a", None, "a"])
    assert np.isfinite(found.squares).tolist() == [False, True, False] and found.variances[1] == pytest.approx(8 / 3)


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
