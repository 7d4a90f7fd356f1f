"""NMF of activations: planted factors, padding, signs."""

import numpy as np
import pytest
from sklearn.decomposition import NMF

import kerasintrospect as ki


@pytest.fixture(scope="module")
def planted():
    """(X (40, 12 tokens, 30 units) of 3 factors, mask, activations, loadings)."""
    rng = np.random.default_rng(0)
    loadings = np.zeros((3, 30))
    for factor in range(3):
        loadings[factor, factor * 10 : factor * 10 + 10] = rng.uniform(0.2, 1, 10)
    amounts = rng.random((40, 12, 3)) * (rng.random((40, 12, 3)) < 0.4) * [1, 3, 9]
    mask = np.arange(12) < rng.integers(3, 13, 40)[:, None]
    X = np.where(mask[..., None], amounts @ loadings, 1e6)
    return X, mask, amounts, loadings


def test_planted_factors_are_found_the_largest_first(planted):
    X, mask, amounts, loadings = planted
    found = ki.factorize(X, mask, 3)
    assert found.error < 0.01 and found.notes == ()
    for factor, truth in enumerate([2, 1, 0]):
        r = np.corrcoef(found.activations[mask][:, factor], amounts[mask][:, truth])[0, 1]
        assert r > 0.999
        assert set(found.units(factor)) == set(range(truth * 10, truth * 10 + 10))
        assert np.allclose(found.loadings[factor], loadings[truth] / loadings[truth].max(), atol=0.02)
    assert found.shares.sum() == pytest.approx(1) and (np.diff(found.shares) < 0).all()


def test_padding_takes_no_part(planted):
    X, mask, _, _ = planted
    padded, bare = ki.factorize(X, mask, 3), ki.factorize(X[mask], None, 3)
    assert np.array_equal(padded.activations[mask], bare.activations) and np.array_equal(padded.loadings, bare.loadings)
    assert not padded.activations[~mask].any() and padded.activations.shape == (40, 12, 3)
    hole = np.where(mask[..., None], X, np.nan)
    assert np.array_equal(ki.factorize(hole, mask, 3).loadings, bare.loadings)
    assert not np.allclose(ki.factorize(X, None, 3).loadings, bare.loadings, atol=0.1)


def test_the_error_is_that_of_the_product_and_of_scikit_learn(planted):
    X, mask, _, _ = planted
    rows = X[mask] + np.random.default_rng(1).random((mask.sum(), 30))
    found = ki.factorize(rows, n_components=3)
    left = rows - found.activations @ found.loadings
    assert found.error == pytest.approx(np.linalg.norm(left) / np.linalg.norm(rows), rel=1e-5)
    peer = NMF(3, init="nndsvda", random_state=0, max_iter=500).fit(rows)
    assert found.error == pytest.approx(peer.reconstruction_err_ / np.linalg.norm(rows), rel=1e-4)


def test_the_same_seed_gives_the_same_factors():
    X = np.random.default_rng(0).random((200, 60))
    first, again, other = (ki.factorize(X, n_components=3, seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(first.activations, again.activations) and not np.array_equal(first.activations, other.activations)


def test_values_below_zero_are_clipped_with_a_note(planted):
    rows = planted[0][planted[1]]
    signed = rows.copy()
    signed[:, 20:] *= -1
    found = ki.factorize(signed, n_components=2)
    assert np.allclose(found.loadings[:, 20:], 0) and found.negative_loadings is None
    lost = rows[:, 20:].sum() / rows.sum()
    assert f"{lost:.0%} of the sum of all sizes" in found.notes[0]
    assert f"{(signed < 0).mean():.0%} of the values" in found.notes[0]


def test_values_below_zero_are_kept_by_a_split(planted):
    X, mask, _, loadings = planted
    signed = X[mask] * np.where(np.arange(30) < 20, 1, -1)
    found = ki.factorize(signed, n_components=3, negatives="split")
    assert found.error < 0.01 and found.notes == ()
    assert np.allclose(found.loadings[0], 0, atol=0.02)  # the largest factor is that of the negated units
    assert np.allclose(found.negative_loadings[0], loadings[2] / loadings[2].max(), atol=0.02)
    assert set(found.units(0)) == set(range(20, 30))
    assert np.allclose(found.activations @ (found.loadings - found.negative_loadings), signed, atol=0.2)


def test_what_was_not_finished_is_said(planted):
    assert "max_iter" in ki.factorize(planted[0], planted[1], 3, max_iter=1).notes[-1]


def test_the_table_has_a_row_for_each_token(planted):
    X, mask, _, _ = planted
    found = ki.factorize(X, mask, 3)
    frame = found.to_frame()
    assert len(frame) == mask.sum() and list(frame) == ["row", "token", "factor_0", "factor_1", "factor_2"]
    last = frame.iloc[-1]
    assert found.activations[int(last["row"]), int(last["token"]), 1] == np.float32(last["factor_1"])
    assert list(ki.factorize(X[mask], n_components=2).to_frame()) == ["row", "factor_0", "factor_1"]


def test_the_picture_shows_the_tokens_of_an_example(planted):
    X, mask, _, _ = planted
    found = ki.factorize(X, mask, 3)
    n = int(mask[5].sum())
    axis = found.plot([f"t${i}" for i in range(n)], example=5).axes[0]
    drawn = axis.images[0].get_array()
    own = found.activations[5, :n]
    assert np.allclose(drawn, (own / own.max(0)).T) and len(axis.get_xticklabels()) == n


ROWS = np.random.default_rng(0).random((6, 4))


@pytest.mark.parametrize(
    ("X", "options", "said"),
    [
        (np.ones(3), {}, r"shape \(3,\)"),
        (ROWS, {"n_components": 5}, "from 1 to the smaller of rows and units, 4.*n_components=5"),
        (ROWS, {"n_components": 0}, "n_components=0"),
        (ROWS, {"n_components": 2.5}, "an integer from 1 to .* Received: n_components=2.5"),
        (ROWS, {"n_components": "2"}, "n_components='2'"),
        (ROWS, {"n_components": 2, "mask": np.ones((6, 4), bool)}, r"shape \(6,\).*shape \(6, 4\)"),
        (ROWS, {"n_components": 2, "mask": np.ones(6)}, "dtype float64"),
        (ROWS, {"n_components": 1, "mask": np.arange(6) == 0}, "at least 2 rows"),
        (ROWS, {"n_components": 2, "negatives": "abs"}, "'clip' or 'split'"),
        (-ROWS, {"n_components": 2}, "values above 0.*negatives='split'"),
        (np.where(ROWS > 0.9, np.nan, ROWS), {"n_components": 2}, "finite"),
    ],
)
def test_bad_input_is_one_clear_sentence(X, options, said):
    with pytest.raises(ki.InputError, match=said):
        ki.factorize(X, **options)


def test_a_factor_that_is_not_there():
    with pytest.raises(ki.InputError, match="0 to 1.*factor=2"):
        ki.factorize(ROWS, n_components=2).units(2)
