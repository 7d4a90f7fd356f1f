"""Weights as NeuroX ranks by them, and the ranking's options."""

import numpy as np
import pytest

from kerasintrospect.errors import InputError
from kerasintrospect.fitting import fit
from kerasintrospect.probes import above, by_mass, ordering_of, rank_neurons

from .planted import cases, planted

LAPLACE = np.random.RandomState(1).laplace(size=(7, 300)).astype(np.float32)  # noqa: NPY002


def case(name):
    (found,) = [found for found in cases(name) if found["id"] == name]
    return found["inputs"].get("weights", found["inputs"].get("weights[class][neuron]")), found["expected"]


def selected(weights, p):
    """NeuroX's rule, as a loop: per class the heaviest, up to and with the one that reaches the share; 0 selects one."""
    union = set()
    for row in np.abs(np.asarray(weights, float)):
        held = 0.0
        for unit in np.argsort(-row, kind="stable"):
            union.add(int(unit))
            held += row[unit]
            if held >= p * row.sum():
                break
    return union


@pytest.mark.parametrize("name", ["ordering", "ordering_granular"])
def test_the_ordering_of_neurox(name):
    weights, expected = case(name)
    assert ordering_of(weights)[0].tolist() == expected["ordering"]


def test_the_ordering_at_all_cutoffs_of_neurox():
    _, expected = case("ordering_7x300_cutoff_sets")
    order, scores = ordering_of(LAPLACE)
    sizes = [int((1 - scores < p / 100).sum()) if p else int((scores == 1).sum()) for p in range(101)]
    assert sizes == expected["cutoffs"]
    assert sorted(order[: sizes[5]].tolist()) == expected["set_at_cutoff_index_5"]
    assert sizes[20] == expected["set_at_cutoff_index_20_size"]
    for p in (0.013, 0.2, 0.5, 0.97):
        assert set(np.flatnonzero(scores > 1 - p).tolist()) == selected(LAPLACE, p)


def test_the_order_inside_a_step_has_a_rule():
    weights = [[6, 3, 1, 0], [0, 1, 8, 0]]  # heaviest of its class: 0 with 6 tenths, 2 with 8 ninths
    order, scores = ordering_of(weights)
    assert order.tolist() == [2, 0, 1, 3]
    np.testing.assert_allclose(scores, [1, 1 - 0.6, 1, 0])
    assert ordering_of([2, -2, 2])[0].tolist() == [0, 1, 2]


def test_equal_weights_and_empty_classes():
    order, scores = ordering_of([[1, 2, 2, 1], [0, 0, 0, 0]])
    assert order.tolist() == [1, 2, 0, 3]
    np.testing.assert_allclose(scores, [1 - 4 / 6, 1, 1, 1 - 4 / 6])


def test_top_neurons_of_neurox():
    weights, expected = case("top_neurons_absolute_values")
    assert [units.tolist() for units in by_mass(weights, 0.5)] == list(expected["per_class_in_order"].values())
    weights, expected = case("bottom_all")
    assert [set(units.tolist()) for units in by_mass(weights, 1, lightest=True)] == [{0, 1, 2}, {0, 1, 2}]
    assert by_mass([[3, 1, 2]], 0.5, lightest=True)[0].tolist() == [1, 2] and by_mass([[3, 1, 2]], 0.5)[0].tolist() == [0]
    weights, expected = case("fixed_bottom")
    assert ordering_of(weights)[0][-1:].tolist() == expected


def test_no_share_selects_no_neuron():
    """NeuroX selects one per class at 0 % (its case `top_neurons_zero_pct`), which is wrong: none hold 0 %."""
    weights, expected = case("top_neurons_zero_pct")
    assert expected["union_as_set"] == [2]
    assert [units.tolist() for units in by_mass(weights, 0)] == [[], []]


def test_hard_threshold_of_neurox():
    """NeuroX divides by its "fraction" of 2, though it says it multiplies; ours is the share 1 / 2 itself."""
    weights, expected = case("hard_threshold")
    assert [sorted(units.tolist()) for units in above(weights, 1 / 2)] == list(expected["per_class_as_set"].values())
    assert [units.tolist() for units in above([[1, 3, 2]], 0.1)] == [[1, 2, 0]]


@pytest.mark.parametrize("call", [by_mass, above])
def test_shares_out_of_range(call):
    with pytest.raises(InputError, match="from 0 to 1. Received: share=1.1"):
        call([[1, 2]], 1.1)
    with pytest.raises(InputError, match="Weights have to be finite"):
        call([[1, np.nan]], 0.5)


def test_the_weights_are_those_of_the_model():
    X, y = planted("names")
    found = rank_neurons(X, y, l2=0.01)
    fitted = fit(X, np.unique(y, return_inverse=True)[1], True, l2=0.01)
    np.testing.assert_array_equal(found.details["weights"], fitted.weights)
    np.testing.assert_allclose(found.details["mean"], X.mean(0))
    np.testing.assert_array_equal(found.per_class["other"][1], np.where(X.std(0) > 0, np.abs(fitted.weights[1]), 0))


def test_l1_leaves_few_neurons_and_l2_shares_among_copies():
    X, y = planted("binary")
    X[:, 8] = X[:, 7]
    sparse, dense = rank_neurons(X, y, l1=0.05, l2=0.0), rank_neurons(X, y, l2=0.1)
    assert (sparse.details["weights"] == 0).sum() > 20 and (dense.details["weights"] == 0).sum() <= 1
    assert set(dense.top(2).tolist()) == {7, 8}
    both = dense.details["weights"][0, [7, 8]]
    np.testing.assert_allclose(both[0], both[1], rtol=1e-3)


def test_raw_weights_favour_small_ranges():
    X, y = planted("classes")
    X[:, 11] *= 1e-2
    scaled, raw = rank_neurons(X, y), rank_neurons(X, y, standardize=False, l2=1e-6)
    assert scaled.details["scale"][11] < 0.1 and (raw.details["scale"] == 1).all()
    assert np.abs(raw.details["weights"]).max(0).argmax() == 11
