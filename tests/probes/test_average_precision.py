"""Average precision: scikit-learn's for every neuron and class, and NeuroX's orders, which it calls IoU."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from kerasintrospect.errors import InputError
from kerasintrospect.probes import rank_neurons

from .planted import cases, digest, drawn, planted


@pytest.mark.parametrize("case", cases("average_precision"), ids=lambda case: case["id"])
def test_orders_of_neurox(case):
    """Signed and with its threshold. NeuroX writes the zeros into the caller's array, and ranks a negative neuron last."""
    X, y = drawn(case)
    found = rank_neurons(X, y, "average_precision", threshold=case["kwargs"]["threshold"], signed=True)
    assert digest(found.per_class[1][0]) == case["expected"]["sha256_of_json_list"]


@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_every_neuron_and_class_as_scikit_learn_has_it(decimals):
    X, y = planted("names", 150)
    X = np.round(X, decimals)  # ties, down to a handful of values
    signed, both = (rank_neurons(X, y, "average_precision", signed=flag) for flag in (True, False))
    shares = {name: (y == name).mean() for name in signed.classes}
    gains = [(signed.per_class[name][1] - share) / (1 - share) for name, share in shares.items()]
    np.testing.assert_allclose(signed.scores, np.where(X.std(0) > 0, np.max(gains, axis=0), 0))
    for name in signed.classes:
        for unit in set(range(X.shape[1])) - {4}:
            high, low = average_precision_score(y == name, X[:, unit]), average_precision_score(y == name, -X[:, unit])
            assert signed.per_class[name][1][unit] == pytest.approx(high, abs=1e-12)
            assert both.per_class[name][1][unit] == pytest.approx(max(high, low), abs=1e-12)


def test_blocks_change_nothing(monkeypatch):
    X, y = planted("classes", 150)
    whole = rank_neurons(X, y, "average_precision").scores
    monkeypatch.setattr("kerasintrospect.probes.average_precision._BLOCK", 1000)
    np.testing.assert_array_equal(rank_neurons(X, y, "average_precision").scores, whole)


def test_a_rare_class_is_not_drowned():
    X, y = planted("binary", 1000)
    y = np.where(np.arange(1000) % 40 == 0, "rare", y.astype(str))
    X[y == "rare", 13] -= 6
    assert rank_neurons(X, y, "average_precision").order[0] == 13


def test_a_threshold_below_0():
    with pytest.raises(InputError, match="Received: threshold=-1"):
        rank_neurons(*planted("binary", 50), "average_precision", threshold=-1)
