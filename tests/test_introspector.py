"""The door: what a user calls, on what a user has."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import tiny

import kerasintrospect as ki

TRAIN = tiny.FILMS
LABELS = [1, 1, 0, 0, 0, 1]


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def lens(request: pytest.FixtureRequest) -> Any:
    return ki.wrap(tiny.recurrent(importlib.import_module(request.param)), class_names=["bad", "good"])


def test_neighbors_are_those_of_plain_numpy(lens: Any) -> None:
    index = lens.neighbors(TRAIN, LABELS)
    assert index.site == "dense:in"
    vectors = lens.activations(TRAIN, "lstm")["lstm"].astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = 1 - unit @ unit.T
    found = index.query(TRAIN, k=6)
    np.testing.assert_allclose(found.distances, np.sort(expected, 1), atol=1e-5)
    assert found.indices[:, 0].tolist() == list(range(6))


def test_a_saved_index_refuses_other_weights(lens: Any, tmp_path: Any) -> None:
    lens.neighbors(TRAIN, LABELS).save(tmp_path / "index")
    again = ki.NeighborIndex.load(tmp_path / "index", lens)
    assert again.query(["so good"], k=1).texts[0] == ["so good"]
    weights = lens.model.get_weights()
    try:
        lens.model.set_weights([w * 1.01 if w.dtype.kind == "f" else w for w in weights])
        with pytest.raises(ki.StaleIndexError):
            ki.NeighborIndex.load(tmp_path / "index", lens)
    finally:
        lens.model.set_weights(weights)
