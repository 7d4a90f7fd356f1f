"""Activations with neurons that are known to know the concept, and the cases of others."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

REFERENCE = Path(__file__).parents[1] / "reference" / "neurox.json"
UNITS, CONSTANT = 30, 4
PLANTED = {"binary": {7}, "classes": {7, 11, 20}, "names": {7, 11, 20}, "values": {7, 11}}


def planted(kind: str = "classes", n: int = 400, seed: int = 0) -> tuple[Any, Any]:
    """(n, units) noise, in which the neurons of PLANTED tell the label; 11 is lower where the class is."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, UNITS))
    X[:, CONSTANT] = 3
    if kind == "values":
        return X, 2.0 * X[:, 7] - 1.5 * X[:, 11] + 0.1 * random.normal(size=n)
    if kind == "binary":
        y = random.integers(0, 2, n)
        X[:, 7] += 2.5 * y
        return X, y
    y = random.integers(0, 3, n)
    for of, (unit, sign) in enumerate([(7, 1), (11, -1), (20, 1)]):
        X[y == of, unit] += 3 * sign
    return X, (np.array(["noun", "verb", "other"])[y] if kind == "names" else y)


def cases(prefix: str) -> list[dict[str, Any]]:
    found = json.loads(REFERENCE.read_text())["cases"]
    return [case for case in found if case["id"].startswith(prefix)]


def drawn(case: dict[str, Any]) -> tuple[Any, Any]:
    """The activations and labels of a case, by its recipe."""
    given = case["inputs"]
    state = np.random.RandomState(given["seed"])  # noqa: NPY002
    X = state.rand(given["n"], given["f"])
    return X, state.randint(given["k"], size=given["n"])


def digest(order: Any) -> str:
    return hashlib.sha256(json.dumps([int(unit) for unit in order]).encode()).hexdigest()
