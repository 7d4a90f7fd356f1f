"""Comparison of activations, against Ecco, the formulas and what must make no difference."""

import json
from pathlib import Path

import numpy as np
import pytest

import kerasintrospect as ki

CASES = {case["id"]: case for case in json.loads((Path(__file__).parent / "reference/neurox.json").read_text())["cases"]}


@pytest.fixture(scope="module")
def ecco():
    rs = np.random.RandomState(1)
    return rs.randn(100, 1000).T, rs.randn(100, 1000).T


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 20)) * rng.uniform(0.1, 3, 20) + 5
    return X, X @ rng.normal(size=(20, 30)) + 2 * rng.normal(size=(300, 30))


def rotation(units, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(units, units)))[0]


def test_cka_is_that_of_ecco(ecco):
    expected = CASES["ecco_cka"]["expected"]
    assert float(ki.compare_activations(*ecco)) == pytest.approx(expected["cka(a,b)"], abs=1e-12)
    assert float(ki.compare_activations(ecco[0], 10 * ecco[0])) == pytest.approx(expected["cka(a,10a)"], abs=1e-12)


def test_svcca_is_that_of_ecco(ecco):
    case = CASES["ecco_cca_family"]
    dims = case["kwargs"]["svcca dims"]
    found = ki.compare_activations(*ecco, method="svcca", dims=dims)
    assert found.value == pytest.approx(case["expected"]["svcca(a,b)"], abs=1e-9)
    assert found.dims == (20, 20) and len(found.coefficients) == 20
    assert ki.compare_activations(ecco[0], 10 * ecco[0], "svcca", dims).value == pytest.approx(1)


def test_the_correlations_of_the_tutorial():
    case = CASES["pearson_tutorial_correction"]
    X = np.array(case["inputs"]["neurons"]).T
    assert np.round(ki.compare_activations(X, X, "correlation").pairs, 3).tolist() == pytest.approx(
        np.array(case["expected"]["corr_rounded_3"]), abs=1e-6
    )


@pytest.mark.parametrize("rows", [300, 15], ids=["more rows than units", "fewer"])
def test_cka_is_its_formula(pair, rows):
    X, Y = (part[:rows] - part[:rows].mean(0) for part in pair)
    formula = np.linalg.norm(Y.T @ X) ** 2 / np.linalg.norm(X.T @ X) / np.linalg.norm(Y.T @ Y)
    assert ki.compare_activations(pair[0][:rows], pair[1][:rows]).value == pytest.approx(formula, abs=1e-12)


@pytest.mark.parametrize("rows", [300, 15], ids=["more rows than units", "fewer"])
def test_cka_does_not_see_rotation_scale_and_shift(pair, rows):
    X, Y = pair[0][:rows], pair[1][:rows]
    before = ki.compare_activations(X, Y).value
    assert ki.compare_activations(3 * X @ rotation(20) - 7, 0.1 * Y @ rotation(30)).value == pytest.approx(before, abs=1e-10)
    assert ki.compare_activations(X * np.linspace(0.1, 9, 20), Y).value != pytest.approx(before, abs=1e-3)


def test_svcca_is_canonical_correlation_of_principal_directions(pair):
    X, Y = pair
    kept = []
    for part, dims in ((X, 4), (Y, 4)):
        u, _, _ = np.linalg.svd(part - part.mean(0), full_matrices=False)
        kept.append(u[:, :dims])
    expected = np.linalg.svd(kept[0].T @ kept[1], compute_uv=False)
    found = ki.compare_activations(X, Y, "svcca", dims=4)
    assert np.allclose(found.coefficients, expected, atol=1e-10) and found.value == pytest.approx(expected.mean())


def test_svcca_keeps_as_few_directions_as_hold_the_share(pair):
    X, Y = pair
    spectra = [np.linalg.svd(part - part.mean(0), compute_uv=False) ** 2 for part in pair]
    for share in (0.5, 0.9, 0.99):
        expected = tuple(int(np.argmax(np.cumsum(s) / s.sum() >= share)) + 1 for s in spectra)
        assert ki.compare_activations(X, Y, "svcca", dims=share).dims == expected


@pytest.mark.parametrize("method", ["cka", "svcca"])
def test_more_units_than_rows_take_the_shorter_way_to_the_same_value(pair, method):
    X, Y = (part[:15] for part in pair)
    long = ki.compare_activations(iter([X]), iter([Y]), method)
    assert ki.compare_activations(X, Y, method).value == pytest.approx(long.value, abs=1e-9)
    assert "15" in long.notes[0]


@pytest.mark.parametrize("method", ["cka", "svcca", "correlation"])
def test_batches_are_as_good_as_the_whole(pair, method):
    X, Y = pair
    whole = ki.compare_activations(X, Y, method).value
    parts = ki.compare_activations(iter(np.array_split(X, 7)), iter(np.array_split(Y, 4)), method)
    assert parts.value == pytest.approx(whole, abs=1e-10)
    far = ki.compare_activations(X + 1e6, Y - 1e6, method).value
    assert far == pytest.approx(whole, abs=1e-6)


def test_every_unit_finds_its_own_copy(pair):
    X = pair[0]
    order = np.random.default_rng(1).permutation(20)
    found = ki.compare_activations(X, -2 * X[:, order] + 1, "correlation")
    partner, r = found.best()
    assert np.array_equal(order[partner], np.arange(20)) and np.allclose(r, -1) and found.value == pytest.approx(1)
    back, _ = found.best(backwards=True)
    assert np.array_equal(back, order)
    assert found.to_frame()["partner"].tolist() == partner.tolist()
    assert np.allclose(found.pairs, np.corrcoef(X.T, -2 * X[:, order].T)[:20, 20:], atol=1e-6)


def test_constant_units_have_no_partner(pair):
    X, Y = pair[0].copy(), pair[1].copy()
    X[:, 2], Y[:, 4] = 0.1, 0.3
    found = ki.compare_activations(X, Y, "correlation")
    partner, r = found.best()
    assert partner[2] == -1 and np.isnan(r[2]) and np.isnan(found.pairs[:, 4]).all() and 4 not in partner
    assert found.notes == ("1 units of X and 1 of Y are constant and correlate with nothing.",)
    assert found.value == pytest.approx(np.nanmean(np.abs(r)))


def test_lost_directions_are_said():
    X = np.random.default_rng(0).normal(size=(50, 2)) @ np.ones((2, 6))
    found = ki.compare_activations(X, X, "svcca", dims=3)
    assert found.dims == (1, 1) and "not 3 of each" in found.notes[0]


def test_one_row_of_the_table_for_all_units(pair):
    row = ki.compare_activations(*pair, "svcca", dims=3).to_frame().iloc[0]
    assert (row["method"], row["units_x"], row["units_y"], row["dims_x"]) == ("svcca", 20, 30, 3)


ROWS = np.random.default_rng(0).normal(size=(6, 3))


@pytest.mark.parametrize(
    ("X", "Y", "options", "said"),
    [
        (ROWS, ROWS[:5], {}, "6 rows of X and 5 of Y"),
        (iter([ROWS]), iter([ROWS[:5]]), {}, "6 rows of X and 5 of Y"),
        (iter([ROWS, ROWS, ROWS]), iter([ROWS[:4]] * 3), {}, "18 rows of X and 12 of Y"),
        (iter([ROWS]), iter([]), {}, "6 rows of X and 0 of Y"),
        (iter([ROWS]), ROWS, {}, "one of each"),
        (iter([ROWS[:1]]), iter([ROWS[:1]]), {}, "at least two rows.*1"),
        (iter([]), iter([]), {}, "at least two rows.*0"),
        (ROWS[:1], ROWS[:1], {}, "at least 2 rows"),
        (ROWS, np.full((6, 9), 0.1), {}, "vary.*Y"),
        (np.full((6, 2), 0.1), ROWS, {"method": "svcca"}, "vary.*X"),
        (ROWS, np.where(ROWS > 1, np.nan, ROWS), {}, "of Y"),
        (ROWS, ROWS, {"method": "pwcca"}, "'cka', 'svcca', 'correlation'.*'pwcca'"),
        (ROWS, ROWS, {"method": "svcca", "dims": 1.0}, "dims=1.0"),
        (ROWS, ROWS, {"method": "svcca", "dims": 0}, "dims=0"),
    ],
)
def test_bad_input_is_one_clear_sentence(X, Y, options, said):
    with pytest.raises(ki.InputError, match=said):
        ki.compare_activations(X, Y, **options)


def test_partners_need_correlations(pair):
    with pytest.raises(ki.InputError, match="method='correlation'"):
        ki.compare_activations(*pair).best()
