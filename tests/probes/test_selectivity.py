"""Selectivity by its formula."""

import numpy as np
import pytest

from kerasintrospect.probes import rank_neurons

from .planted import cases, planted


@pytest.mark.parametrize("case", cases("selectivity"), ids=lambda case: case["id"])
def test_mean_select_of_neurox(case):
    found = rank_neurons(case["inputs"]["X"], case["inputs"]["y"], "selectivity")
    np.testing.assert_allclose(found.per_class[1][1], case["expected"]["selectivity"])
    assert found.order.tolist() == case["expected"]["ranking"]


def test_classes_by_a_plain_loop():
    X, y = planted("names", 200)
    found = rank_neurons(X, y, "selectivity")
    for at, name in enumerate(found.classes):
        for unit in (7, 11, 13):
            x = X[:, unit]
            signed = (x[y == name].mean() - x[y != name].mean()) / (x.max() - x.min())
            assert found.details["signed"][at, unit] == pytest.approx(signed)
            assert found.per_class[name][1][unit] == pytest.approx(abs(signed))
    assert found.scores[11] == -found.details["signed"][found.classes.index("verb"), 11] > 0
    assert found.details["signed"][found.classes.index("verb"), 11] < 0
