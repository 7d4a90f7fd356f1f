"""The wrapped model: edits, what it says of itself, texts that hold nothing."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import tiny

import kerasintrospect as ki

TRAIN = tiny.FILMS


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def lens(request: pytest.FixtureRequest) -> Any:
    return ki.wrap(tiny.recurrent(importlib.import_module(request.param)), class_names=["bad", "good"])


def test_edits_change_what_flows_and_nothing_stays(lens: Any) -> None:
    before = lens.predict(TRAIN).scores
    bias = lens.model.layers[-1].get_weights()[1]
    silent = lens.predict(TRAIN, edits={"lstm": 0.0}).scores
    np.testing.assert_allclose(silent, np.tile(np.exp(bias) / np.exp(bias).sum(), (6, 1)), atol=1e-6)
    np.testing.assert_allclose(lens.predict(TRAIN, edits={"lstm": lambda h: h}).scores, before, atol=1e-6)
    np.testing.assert_allclose(lens.predict(TRAIN).scores, before, atol=1e-7)
    with pytest.raises(ki.InputError, match="edit keeps the shape .*lstm"):
        lens.predict(TRAIN, edits={"lstm": lambda h: h[:, :2]})
    with pytest.raises(ki.SiteError, match="no site 'lstn'. The nearest: 'lstm'"):
        lens.predict(TRAIN, edits={"lstn": 0.0})
    np.testing.assert_allclose(lens.predict(TRAIN).scores, before, atol=1e-7)


def test_the_lens_describes_its_model(lens: Any) -> None:
    found = lens.describe()
    assert found["family"] == lens.family and found["kind"] == "functional" and found["embedding_site"] == "embedding"
    assert found["text_front"] == "TextVectorization" and found["max_length"] == 8
    assert found["parameters"] == lens.model.count_params()


def test_texts_that_hold_nothing_are_noted(lens: Any) -> None:
    with pytest.warns(ki.KerasIntrospectWarning, match="2 texts hold no token .* first at position 1"):
        lens.predict(["good", "", "  "])
