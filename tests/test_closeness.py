"""Measures of neighborhoods against brute force, and the rule for the right level on tables whose answer is known."""

import itertools

import numpy as np
import pytest
from scipy.stats import skew, spearmanr

from kerasintrospect.closeness import (
    Wording,
    apart,
    chance,
    correlation,
    draw_alike,
    hubness,
    leave_one_out,
    mean_error,
    pairs_within,
    recommend,
    shares,
)  # fmt: skip


@pytest.fixture
def draws():
    return np.random.default_rng(3)


@pytest.mark.parametrize("cosine", [True, False])
def test_the_nearest_others_are_those_of_a_plain_loop(draws, cosine):
    vectors = draws.normal(size=(60, 5)).astype(np.float32)
    found = leave_one_out(vectors, 4, cosine)
    for i, row in enumerate(vectors.astype(float)):
        if cosine:
            far = 1 - vectors @ row / np.linalg.norm(vectors, axis=1) / np.linalg.norm(row)
        else:
            far = np.linalg.norm(vectors - row, axis=1)
        far[i] = np.inf
        assert found[i].tolist() == np.argsort(far, kind="stable")[:4].tolist()


def test_a_row_is_never_its_own_neighbor_even_among_equal_rows():
    vectors = np.ones((9, 2), np.float32)
    found = leave_one_out(vectors, 3, True)
    assert found.shape == (9, 3)
    assert not (found == np.arange(9)[:, None]).any()


def test_shares_and_chance_are_counts(draws):
    labels, wanted = draws.integers(3, size=30), draws.integers(3, size=30)
    near = np.stack([draws.permutation(30)[:5] for _ in range(30)])
    for i, share in enumerate(shares(near, labels, wanted)):
        assert share == pytest.approx(sum(labels[j] == wanted[i] for j in near[i]) / 5)
    pairs = [labels[i] == labels[j] for i, j in itertools.permutations(range(30), 2)]
    assert chance(labels) == pytest.approx(np.mean(pairs))


def test_hubness_is_the_skewness_and_sees_a_planted_hub(draws):
    near = np.stack([draws.permutation(50)[:4] for _ in range(50)])
    assert hubness(near) == pytest.approx(skew(np.bincount(near.ravel(), minlength=50)))
    near[:, 0] = 7
    assert hubness(near) > 5
    assert hubness(np.roll(np.arange(50), 1)[:, None]) == 0  # each is the neighbor of one


def test_pairs_drawn_alike_have_the_labels_and_are_not_the_row_itself(draws):
    labels = draws.integers(3, size=40)
    near = np.stack([draws.permutation(40)[:6] for _ in range(40)])
    drawn = draw_alike(np.tile(near, 50), labels, draws)
    assert (labels[drawn] == labels[np.tile(near, 50)]).all()
    assert not (drawn == np.arange(40)[:, None]).any()
    times = np.bincount(drawn.ravel(), minlength=40)  # and none is left out
    assert times.min() > 0.5 * times.mean()


def test_a_row_alone_with_its_label_is_the_only_one_to_draw():
    assert draw_alike(np.array([[0], [0]]), np.array([0, 1]), np.random.default_rng(0)).tolist() == [[0], [0]]


@pytest.mark.parametrize("cosine", [True, False])
def test_distances_and_rank_correlation_are_those_of_scipy(draws, cosine):
    vectors = draws.normal(size=(20, 4)).astype(np.float32)
    first, second = pairs_within(20)
    assert [*zip(first.tolist(), second.tolist(), strict=True)] == [*itertools.combinations(range(20), 2)]
    far = apart(vectors, first, second, cosine)
    for i, j, found in zip(first, second, far, strict=True):
        a, b = vectors[i].astype(float), vectors[j].astype(float)
        plain = 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b) if cosine else np.linalg.norm(a - b)
        assert found == pytest.approx(plain)
    gaps = draws.integers(4, size=len(far))
    assert correlation(far, gaps) == pytest.approx(spearmanr(far, gaps)[0])
    assert np.isnan(correlation(far, np.ones(len(far))))


def test_overlap_is_the_jaccard_index_and_pairs_without_words_do_not_count():
    sets = [{"a", "b"}, {"b", "c"}, set(), {"a"}, set()]
    found = Wording(sets).overlap(np.array([[1, 3], [0, 2], [4, 4], [0, 1], [2, 0]]))
    assert found[[0, 1, 3, 4]] == pytest.approx([(1 / 3 + 1 / 2) / 2, (1 / 3 + 0) / 2, (1 / 2 + 0) / 2, 0])
    assert np.isnan(found[2])


def test_mean_and_its_error_leave_nan_out():
    values = np.array([1.0, 2.0, 4.0, np.nan])
    assert mean_error(values) == pytest.approx((7 / 3, np.std([1, 2, 4], ddof=1) / 3**0.5))
    assert np.isnan(mean_error(np.array([np.nan]))).all()


FACTS = {"classes": 3, "chance": 0.35, "wrong": 100, "k": 10, "truth_where_wrong_at_output": 0.2}


def row(site, agreement, truth, words=0.05, control=0.4):
    return {
        "site": site, "label_agreement": agreement, "label_agreement_error": 0.01, "label_agreement_control": control,
        "truth_where_wrong": truth, "truth_gain": truth - 0.2, "truth_gain_error": 0.02, "word_overlap": 0.03 + words,
        "word_overlap_matched": 0.03, "word_gain": words, "word_gain_error": 0.001,
    }  # fmt: skip


def test_the_earliest_site_with_all_three_is_the_right_level():
    rows = [row("words", 0.5, 0.35), row("middle", 0.67, 0.33), row("late", 0.7, 0.3), row("output", 0.7, 0.2)]
    site, reason, found = recommend(rows, FACTS)
    assert (site, found) == ("middle", True)
    assert "67%" in reason and "33%" in reason and "20%" in reason


def test_neighbors_that_repeat_the_opinion_are_not_the_right_level():
    site, reason, found = recommend([row("words", 0.5, 0.4), row("middle", 0.7, 0.21), row("output", 0.7, 0.2)], FACTS)
    assert (site, found) == ("middle", False)
    assert "repeat the model's opinion" in reason


def test_neighbors_that_share_only_the_label_are_not_the_right_level():
    site, reason, found = recommend([row("words", 0.5, 0.4), row("middle", 0.7, 0.4, words=0.002)], FACTS)
    assert (site, found) == ("middle", False)
    assert "nothing but the label" in reason


def test_an_untrained_model_has_no_right_level():
    site, reason, found = recommend([row("words", 0.41, 0.4), row("middle", 0.42, 0.4)], FACTS)
    assert (site, found) == (None, False)
    assert "untrained" in reason


def test_what_cannot_be_told_is_not_told():
    assert recommend([row("a", float("nan"), 0.4)], FACTS)[::2] == (None, None)
    assert recommend([row("a", 0.7, 0.4)], FACTS | {"classes": 1})[::2] == (None, None)
    site, reason, found = recommend([row("a", 0.7, 0.4)], FACTS | {"wrong": 3})
    assert (site, found) == ("a", None) and "only 3 texts wrong" in reason
