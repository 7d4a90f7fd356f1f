"""Probeless: NeuroX's own orders, exactly."""

import numpy as np
import pytest

from kerasintrospect.probes import rank_neurons

from .planted import cases, digest, drawn, planted


@pytest.mark.parametrize("case", cases("probeless_binary"), ids=lambda case: case["id"])
def test_binary_orders_of_neurox(case):
    assert digest(rank_neurons(*drawn(case), "probeless").order) == case["expected"]["sha256_of_json_list"]


@pytest.mark.parametrize("case", cases("probeless_multiclass"), ids=lambda case: case["id"])
def test_orders_over_classes_of_neurox(case):
    found, expected = rank_neurons(*drawn(case), "probeless"), case["expected"]
    assert digest(found.order) == expected["overall_sha256"]
    for tag, first in expected["per_tag_first5"].items():
        assert found.per_class[int(tag.removeprefix("class"))][0][:5].tolist() == first


def test_pairs_by_a_plain_loop():
    X, y = planted("names", 200)
    found = rank_neurons(X, y, "probeless")
    means = {name: X[y == name].mean(0) for name in ("noun", "other", "verb")}
    pairs = {(a, b): np.abs(means[a] - means[b]) for a in means for b in means if a < b}
    np.testing.assert_allclose(found.scores, np.where(X.std(0) > 0, sum(pairs.values()), 0))
    np.testing.assert_allclose(found.per_class["verb"][1][:4], (pairs["noun", "verb"] + pairs["other", "verb"])[:4])


def test_standardising_takes_the_range_away():
    X, y = planted("binary")
    X[:, 0] *= 1000
    assert rank_neurons(X, y, "probeless").order[0] == 0
    assert rank_neurons(X, y, "probeless", standardize=True).order[0] == 7
