"""How right a model is, counted by hand."""

import numpy as np
import pytest
import tiny

from kerasintrospect.mistakes import Case
from kerasintrospect.performance import overview


def scored(predicted, truth, scores=None):
    truth, predicted = np.array(truth), np.array(predicted)
    scores = np.eye(3)[predicted] if scores is None else np.array(scores)
    return Case(["t"] * len(truth), tiny.NAMES, truth, predicted, scores, None, list(range(len(truth))))


def test_the_overview_counts():
    facts = overview(scored([0, 0, 1, 1, 1], [0, 1, 1, 1, 0]))
    assert facts["confusion"] == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    assert (facts["n"], facts["n_errors"], facts["accuracy"], facts["majority"]) == (5, 2, 0.6, 0.6)
    first, second, third = facts["per_class"]
    assert first == {
        "class": "negative",
        "support": 2,
        "predicted": 2,
        "precision": 0.5,
        "recall": 0.5,
        "f1": 0.5,
    }
    assert (second["precision"], second["recall"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (third["support"], third["precision"], third["recall"], third["f1"]) == (0, None, None, None)


def test_calibration_is_the_gap_between_confidence_and_accuracy():
    scores = [[0.95, 0.05, 0.0], [0.95, 0.05, 0.0], [0.3, 0.65, 0.05], [1.0, 0.0, 0.0]]
    calibration = overview(scored([0, 0, 1, 0], [0, 1, 1, 0], scores))["calibration"]
    full = {round(bin["low"], 1): bin for bin in calibration["bins"] if bin["count"]}
    assert {low: bin["count"] for low, bin in full.items()} == {0.6: 1, 0.9: 3}
    assert full[0.9]["confidence"] == pytest.approx(2.9 / 3) and full[0.9]["accuracy"] == pytest.approx(2 / 3)
    assert calibration["ece"] == pytest.approx(3 / 4 * 0.9 / 3 + 1 / 4 * 0.35)
    assert len(calibration["bins"]) == 10 and calibration["bins"][0]["confidence"] is None
