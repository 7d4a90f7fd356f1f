"""Intersection over union by its definition."""

import numpy as np
import pytest

from kerasintrospect.errors import InputError
from kerasintrospect.probes import rank_neurons

from .planted import cases, planted


def jaccard(fires, there):
    return (fires & there).sum() / (fires | there).sum()


def test_the_table_of_the_tutorial():
    (case,) = cases("real_iou")
    neurons, concepts = case["inputs"]["neurons"], case["inputs"]["concepts"]
    X = np.array(list(neurons.values())).T
    for concept, mask in concepts.items():
        found = rank_neurons(X, np.array(mask, bool), "iou", threshold=0, signed=True).per_class[True][1]
        assert found.tolist() == pytest.approx([case["expected"][neuron][concept] for neuron in neurons])


@pytest.mark.parametrize("decimals", [0, 9])
def test_by_default_it_fires_as_often_as_the_class_is_there(decimals):
    X, y = planted("names", 150)
    X = np.round(X, decimals)
    found = rank_neurons(X, y, "iou", signed=True)
    gains = {unit: [] for unit in (0, 7, 11, 20)}
    for name in found.classes:
        there = y == name
        for unit in (0, 7, 11, 20):
            fires = X[:, unit] > np.sort(X[:, unit])[-there.sum() - 1]
            assert decimals == 0 or fires.sum() == there.sum()
            assert found.per_class[name][1][unit] == pytest.approx(jaccard(fires, there))
            both = fires.sum() * there.sum() / len(y)  # of as many rows at random
            chance = both / (fires.sum() + there.sum() - both)
            gains[unit].append((jaccard(fires, there) - chance) / (1 - chance))
    assert [found.scores[unit] for unit in gains] == pytest.approx([max(values) for values in gains.values()])


def test_quantiles_and_low_activations():
    X, y = planted("names", 200)
    some = rank_neurons(X, y, "iou", quantile=0.9, signed=True)
    best = rank_neurons(X, y, "iou", quantile=[0.5, 0.9])
    for name in some.classes:
        there = y == name
        for unit in (0, 7, 11):
            x = X[:, unit]
            high = {q: jaccard(x > np.sort(x)[int(200 * q) - 1], there) for q in (0.5, 0.9)}
            low = {q: jaccard(-x > np.sort(-x)[int(200 * q) - 1], there) for q in (0.5, 0.9)}
            assert some.per_class[name][1][unit] == pytest.approx(high[0.9])
            assert best.per_class[name][1][unit] == pytest.approx(max(*high.values(), *low.values()))


def test_a_frequent_class_is_not_easy():
    """Any neuron overlaps with 95 % of the rows; less chance, the one of the rare class wins."""
    X, y = planted("binary", 1000)
    y = np.arange(1000) % 20 == 0
    X[y, 13] -= 4
    found = rank_neurons(X, y, "iou")
    assert found.order[0] == 13 and found.per_class[False][1][0] > 0.85


def test_blocks_change_nothing(monkeypatch):
    X, y = planted("classes", 150)
    whole = rank_neurons(X, y, "iou").scores
    monkeypatch.setattr("kerasintrospect.probes.iou._BLOCK", 1000)
    np.testing.assert_array_equal(rank_neurons(X, y, "iou").scores, whole)


@pytest.mark.parametrize("options", [{"quantile": 1.0}, {"quantile": 0.9, "threshold": 0}, {"quantile": []}])
def test_quantiles_that_are_none(options):
    with pytest.raises(InputError, match="`quantile` has to be above 0 and below 1, and stands alone"):
        rank_neurons(*planted("binary", 50), "iou", **options)
