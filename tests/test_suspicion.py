"""Witnesses against plain loops, finite differences and labels that were planted."""

import numpy as np
import pytest

from kerasintrospect.errors import InputError
from kerasintrospect.suspicion import combined, held_out, nearest_others, neighborhood, percentiles


def test_near_copies_are_no_neighbors():
    rng = np.random.default_rng(0)
    vectors, groups = rng.normal(size=(40, 5)).astype(np.float32), rng.integers(25, size=40)
    found, distances = nearest_others(vectors, groups, 6)
    scaled = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for i, row in enumerate(found):
        others = np.flatnonzero(groups != groups[i])
        away = 1 - scaled[others] @ scaled[i]
        assert row.tolist() == others[np.argsort(away)[:6]].tolist()
        assert distances[i] == pytest.approx(np.sort(away)[:6], abs=1e-5)


def test_a_row_with_few_others_says_so():
    vectors = np.eye(4, dtype=np.float32)
    found, distances = nearest_others(vectors, np.array([0, 0, 0, 1]), 3)
    assert found.tolist() == [[3, -1, -1]] * 3 + [[0, 1, 2]]
    assert np.isnan(distances[0, 1:]).all() and np.isfinite(distances[3]).all()
    shares = neighborhood(found, np.array([0, 0, 1, 1]), 2)
    np.testing.assert_allclose(shares, [[0, 1], [0, 1], [0, 1], [2 / 3, 1 / 3]])
    assert np.isnan(neighborhood(np.full((1, 2), -1), np.array([1]), 2)).all()


def spoken(n=240, seed=0):
    """Texts of two subjects, and which each is of."""
    rng = np.random.default_rng(seed)
    words = [["rain", "wind", "cloud", "storm", "snow"], ["bread", "soup", "cake", "salad", "rice"]]
    labels = rng.integers(2, size=n)
    return [" ".join(rng.choice(words[label], 4)) + f" {i}" for i, label in enumerate(labels)], labels


def test_held_out_wording_sees_wrong_labels():
    texts, truth = spoken()
    wrong = np.random.default_rng(1).choice(len(texts), 12, replace=False)
    labels = truth.copy()
    labels[wrong] = 1 - labels[wrong]
    found = held_out(texts, labels, np.arange(len(texts)), 3, seed=0)
    doubt = 1 - found[np.arange(len(texts)), labels]
    assert set(np.argsort(-doubt)[:12]) == set(wrong)
    assert found.sum(1) == pytest.approx(np.ones(len(texts))) and (found[:, 2] == 0).all()
    np.testing.assert_array_equal(found, held_out(texts, labels, np.arange(len(texts)), 3, seed=0))


def test_no_text_is_judged_by_its_own_label_or_that_of_its_copies():
    texts, labels = spoken(60)
    groups = np.arange(60)
    groups[:20] = 0
    plain = held_out(texts, labels, groups, 2, seed=0)
    changed = labels.copy()
    changed[:20] = 1 - changed[:20]
    other = held_out(texts, changed, groups, 2, seed=0)
    np.testing.assert_array_equal(plain[:20], other[:20])
    assert np.abs(plain[20:] - other[20:]).max() > 0.1


def test_fewer_texts_than_folds():
    found = held_out(["rain wind", "soup", "cake"], np.array([0, 1, 1]), np.arange(3), 2, seed=0)
    assert found[0].tolist() == [0, 1]  # the others have one label only
    assert np.isfinite(found).all() and found.sum(1) == pytest.approx(np.ones(3))
    with pytest.raises(InputError, match="all near copies of one another.*Received: 2 texts in 1 group"):
        held_out(["a", "a"], np.array([0, 1]), np.zeros(2, int), 2, seed=0)


def test_percentiles_share_ties_and_leave_nan_in_the_middle():
    assert percentiles(np.array([3.0, np.nan, 1, 3])).tolist() == [0.625, 0.5, 0.25, 0.625]
    assert combined({"a": np.array([1.0, 2, 3]), "b": np.array([9.0, 0, 4])}).tolist() == [0.5, 0.375, 0.625]
