"""The records: arrays by site, predictions with their labels."""

from __future__ import annotations

import numpy as np
import pytest

from kerasintrospect.activations import Activations, Predictions
from kerasintrospect.errors import InputError, UnsupportedError
from kerasintrospect.text import TokenRow


def test_activations_are_a_mapping_with_tokens() -> None:
    rows = [TokenRow(("a", "b"), ((0, 1), (2, 3))), TokenRow(("c",), ((0, 1),), truncated=True)]
    acts = Activations({"h": np.zeros((2, 3))}, np.array([[1, 1], [1, 0]], bool), rows, ["a b", "c d"])
    assert list(acts) == ["h"] and len(acts) == 1 and acts["h"].shape == (2, 3)
    assert acts.tokens == [("a", "b"), ("c",)] and acts.truncated is not None and acts.truncated.tolist() == [False, True]
    assert repr(acts) == "Activations({'h': (2, 3) float64})"
    with pytest.raises(InputError, match="holds the sites h. Received: site='g'"):
        acts["g"]


def test_labels_are_the_best_class_and_never_a_guess() -> None:
    scores = np.array([[0.2, 0.8], [np.nan, np.nan], [0.9, 0.1]], np.float32)
    found = Predictions(scores, "softmax", ["no", "yes"], ["x", "y", "z"])
    assert found.labels.tolist() == [1, -1, 0]
    frame = found.to_frame()
    assert frame.columns.tolist() == ["text", "label", "no", "yes"] and frame["label"].isna().tolist() == [False, True, False]
    with pytest.raises(UnsupportedError, match="a regression has no labels"):
        Predictions(np.ones((3, 1)), "raw", ["0"]).labels  # noqa: B018
    assert Predictions(np.ones((3, 1)), "raw", ["0"]).to_frame().shape == (3, 1)
