"""Clusters of neurons, against planted copies, brute force and NeuroX."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score

import kerasintrospect as ki
from kerasintrospect.statistics import Gram

CASES = {case["id"]: case for case in json.loads((Path(__file__).parent / "reference/neurox.json").read_text())["cases"]}


def planted(seed=0, n=400, spread=0.3):
    """60 units: 12 independent ones and four noisy copies of each, some of them negated, scaled and shifted."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(n, 12))
    copies = [base * rng.choice([-1, 1], 12) * rng.uniform(0.1, 50, 12) + rng.normal(size=12) for _ in range(4)]
    noisy = [copy + spread * copy.std(0) * rng.normal(size=copy.shape) for copy in copies]
    order = rng.permutation(60)
    return np.concatenate([base, *noisy], 1)[:, order], np.tile(np.arange(12), 5)[order]


def partition(labels):
    return sorted(np.flatnonzero(labels == of).tolist() for of in np.unique(labels))


def by_hand(X, threshold, absolute=True):
    """Average linkage from its definition, one merge at a time."""
    r = np.corrcoef(X.T)
    far = 1 - (np.abs(r) if absolute else r)
    clusters = [[unit] for unit in range(X.shape[1])]
    while len(clusters) > 1:
        mean, a, b = min((far[np.ix_(clusters[a], clusters[b])].mean(), a, b) for b in range(len(clusters)) for a in range(b))
        if mean > threshold:
            break
        clusters[a] += clusters.pop(b)
    return sorted(sorted(cluster) for cluster in clusters)


def test_copies_end_in_one_cluster_also_negated_and_scaled():
    X, truth = planted()
    clusters = ki.cluster_neurons(X, threshold=0.3)
    assert adjusted_rand_score(truth, clusters.labels) == 1
    assert len(clusters) == 12 and clusters.redundancy == pytest.approx(0.8)
    assert sorted(truth[clusters.representatives]) == list(range(12))


def test_a_unit_and_its_negative_differ_by_sign_if_asked():
    X = np.random.default_rng(0).normal(size=(50, 1)) * [1.0, -1, 3]
    assert ki.cluster_neurons(X, absolute=False).labels.tolist() == [0, 1, 0]
    assert ki.cluster_neurons(X).labels.tolist() == [0, 0, 0]


def test_the_partition_is_that_of_neurox():
    case = CASES["clusters_abs"]
    rs = np.random.RandomState(3)
    b = rs.randn(50, 3)
    X = np.concatenate([b, 2 * b + 0.05 * rs.randn(50, 3), -b[:, :1] + 0.05 * rs.randn(50, 1)], 1)
    clusters = ki.cluster_neurons(X, threshold=case["kwargs"]["clustering_threshold"])
    assert partition(clusters.labels) == sorted(case["expected"]["partition"])


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
def test_the_partition_is_that_of_the_definition(absolute, threshold):
    X = planted(1, 60, 1.2)[0][:, :25]
    clusters = ki.cluster_neurons(X, threshold, absolute)
    expected = by_hand(X, threshold, absolute)
    assert partition(clusters.labels) == expected
    assert clusters.redundancy == clusters.redundancy_at(threshold) == pytest.approx(1 - len(expected) / 25)


def test_blocks_make_no_difference(monkeypatch):
    X, _ = planted(2, 80, 1.0)
    whole = ki.cluster_neurons(X, 0.6)
    for room in ("correlations", "redundancy"):
        monkeypatch.setattr(f"kerasintrospect.{room}.BLOCK", 7)
    parts = ki.cluster_neurons(X, 0.6)
    assert np.array_equal(whole.labels, parts.labels) and np.array_equal(whole.representatives, parts.representatives)
    assert np.allclose(whole.tree, parts.tree) and np.allclose(whole.cohesion, parts.cohesion, equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_small_floats_give_the_same_clusters(dtype):
    X, truth = planted()
    clusters = ki.cluster_neurons(X.astype(dtype), 0.3)
    assert adjusted_rand_score(truth, clusters.labels) == 1 and clusters.cohesion.dtype == np.float64


def test_large_means_cost_no_digits():
    X, truth = planted()
    assert adjusted_rand_score(truth, ki.cluster_neurons(X + 1e7, 0.3).labels) == 1


def test_sums_are_as_good_as_rows():
    X, _ = planted(3, 100, 0.9)
    X = np.insert(X, 5, 0.1, axis=1)
    gram = Gram(61)
    for batch in np.array_split(X, 9):
        gram.add(batch)
    rows, sums = ki.cluster_neurons(X, 0.6), ki.cluster_neurons(gram, 0.6)
    assert np.array_equal(rows.labels, sums.labels) and rows.constant.tolist() == sums.constant.tolist() == [5]
    assert np.array_equal(rows.representatives, sums.representatives)


def test_the_representative_has_the_highest_mean_correlation():
    X, _ = planted(4, 200, 0.5)
    clusters = ki.cluster_neurons(X, 0.5)
    r = np.abs(np.corrcoef(X.T))
    for cluster, representative in enumerate(clusters.representatives):
        members = clusters.members(cluster)
        means = [r[unit, members[members != unit]].mean() for unit in members]
        assert representative == members[np.argmax(means)]
        assert np.allclose(clusters.cohesion[members], means)


def test_of_equals_the_first_stands_for_the_others():
    X = np.random.default_rng(0).normal(size=(30, 3))
    clusters = ki.cluster_neurons(np.concatenate([X, -2 * X, X + 1], 1), 0.1)
    assert clusters.representatives.tolist() == [0, 1, 2] and clusters.labels.tolist() == [0, 1, 2] * 3


def test_scores_choose_the_representatives():
    X, _ = planted()
    scores = np.random.default_rng(5).normal(size=60) * 1e-9
    clusters = ki.cluster_neurons(X, 0.3, scores=scores)
    assert all(scores[r] == scores[clusters.members(c)].max() for c, r in enumerate(clusters.representatives))
    assert clusters.rule == "highest score"


def test_removing_copies_costs_a_probe_less_than_half_a_point():
    X, truth = planted(6, 3000, 0.02)
    X /= X.std(0)
    told = X[:, np.unique(truth, return_index=True)[1]] @ np.random.default_rng(0).normal(size=12)
    y = told + np.random.default_rng(1).normal(size=3000) > 0
    kept = ki.cluster_neurons(X[:1500]).representatives
    every, few, cut = (LogisticRegression().fit(Z[:1500], y[:1500]).score(Z[1500:], y[1500:])
                       for Z in (X, X[:, kept], X[:, kept[:6]]))  # fmt: skip
    assert len(kept) == 12 and every > 0.8
    assert every - few < 0.005 < every - cut  # and whoever removes more loses more


def test_constant_units_are_clusters_of_their_own_and_said():
    X, _ = planted()
    X[:, [3, 9]] = 0.1, -7
    clusters = ki.cluster_neurons(X, 2.0)
    assert clusters.constant.tolist() == [3, 9] and len(clusters) == 3
    assert clusters.members(clusters.labels[3]).tolist() == [3] and np.isnan(clusters.cohesion[[3, 9]]).all()
    assert "2 of 60 units are constant" in str(clusters)
    assert sorted(clusters.order) == [unit for unit in range(60) if unit not in (3, 9)]
    assert clusters.to_frame()["constant"].sum() == 2


def test_one_unit_that_varies_among_constant_ones():
    X = np.c_[np.arange(4.0), np.ones(4), np.zeros(4)]
    assert ki.cluster_neurons(X).labels.tolist() == [0, 1, 2]


def test_the_table():
    X, _ = planted()
    clusters = ki.cluster_neurons(X, 0.3)
    frame = clusters.to_frame()
    assert len(frame) == 60 and (frame["size"] == 5).all()
    assert set(frame["representative"]) == set(clusters.representatives)
    plain = json.loads(json.dumps(clusters.to_dict()))
    assert plain["labels"] == clusters.labels.tolist() and plain["redundancy"] == clusters.redundancy


def test_nothing_that_was_given_changes():
    X, _ = planted()
    before = X.copy()
    ki.cluster_neurons(X)
    assert np.array_equal(X, before)


@pytest.mark.parametrize(
    ("X", "options", "said"),
    [
        (np.ones((5, 1)), {}, "at least two units"),
        (np.ones((5, 4)), {}, "4 units, each with one value in every row"),
        (np.eye(4), {"threshold": 0}, "above 0.*threshold=0"),
        (np.eye(4), {"threshold": float("nan")}, "above 0.*threshold=nan"),
        (np.eye(4), {"scores": [1, 2]}, r"scores of shape \(2,\) for 4 units"),
        (np.eye(4), {"scores": [1, 2, 3, np.nan]}, "finite number per unit"),
    ],
)
def test_bad_input_is_one_clear_sentence(X, options, said):
    with pytest.raises(ki.InputError, match=said):
        ki.cluster_neurons(X, **options)


def test_a_cluster_that_is_not_there():
    with pytest.raises(ki.InputError, match="0 to 3.*cluster=4"):
        ki.cluster_neurons(np.eye(4), 0.01).members(4)


def test_the_picture_shows_what_is_known(monkeypatch):
    X, _ = planted()
    clusters = ki.cluster_neurons(X, 0.3)
    r = np.abs(np.corrcoef(X.T))[np.ix_(clusters.order, clusters.order)]
    drawn = clusters.plot().axes[0].images[0].get_array()
    assert np.allclose(drawn, r, atol=1e-6)
    monkeypatch.setattr("kerasintrospect.correlations.CELLS", 20)
    means = ki.cluster_neurons(X, 0.3).plot().axes[0].images[0].get_array()
    assert np.allclose(means, r.reshape(20, 3, 20, 3).mean((1, 3)), atol=1e-6)
    assert "12 clusters of 60 units" in clusters.plot().axes[1].texts[0].get_text()


def test_the_picture_of_many_units_is_drawn_from_some_of_each_cell(monkeypatch):
    X, _ = planted()
    monkeypatch.setattr("kerasintrospect.correlations.CELLS", 6)
    clusters = ki.cluster_neurons(X, 0.3)
    some = clusters.order[np.array([0, 2, 5, 7]) + 10 * np.arange(6)[:, None]].ravel()
    r = np.abs(np.corrcoef(X.T))[np.ix_(some, some)]
    assert np.allclose(clusters.cells, r.reshape(6, 4, 6, 4).mean((1, 3)), atol=1e-6)
