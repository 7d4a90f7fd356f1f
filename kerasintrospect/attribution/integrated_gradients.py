"""Integrated gradients (Sundararajan et al. 2017): (x - b) * integral over alpha in [0, 1] of dF/dx(b + alpha (x - b))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import InputError
from .base import registry
from .blocks import Blocks
from .job import Job

__all__ = ["integrated_gradients"]

_AUTO = (5, 9, 17, 33, 65, 129, 257)  # points; each rule holds those of the one before
_KEPT = 1 << 24  # numbers that are kept at a time


@registry.register("integrated_gradients")
def integrated_gradients(job: Job, *, n_steps: int | str = 50, tolerance: float = 0.05) -> np.ndarray:
    """Gauss-Legendre quadrature on the straight line from the baseline, as in Captum.

    Args:
        n_steps: Points of the path. `"auto"` begins with 5 and takes more, up to 257, only for the examples whose |delta|
            is still above `tolerance` times |F(x) - F(baseline)| (at least 0.1); its points are those of Clenshaw and
            Curtis (1960), where 9 hold the 5, 17 the 9 and so on, so that no gradient is taken twice.
        tolerance: See `n_steps`; 0.05 is what the paper of the method calls enough.

    Returns:
        (n,) deltas: sum of the scores minus F(x) - F(baseline).
    """
    if n_steps != "auto" and (isinstance(n_steps, bool) or not isinstance(n_steps, int) or n_steps < 1):
        raise InputError(f"n_steps is a positive int or 'auto'. Received: n_steps={n_steps!r}")
    if n_steps != "auto":
        return _fixed(job, int(n_steps))
    deltas = np.zeros(len(job.arranged), np.float32)
    for rows in _stretches(job, _AUTO[2]):
        _refine(job, rows, deltas, tolerance)
    return deltas


def _fixed(job: Job, n_steps: int) -> np.ndarray:
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    deltas = -job.ends()
    for rows in _stretches(job, n_steps):
        _, found = job.along((0.5 * (nodes + 1)).tolist(), rows)
        deltas[rows] += _write(job, rows, found, 0.5 * weights)
    return deltas


def _refine(job: Job, rows: np.ndarray, deltas: np.ndarray, tolerance: float) -> None:
    """Writes scores and deltas, with more points for the rows whose deltas are still too large."""
    known: list[int] = []
    before: dict[Any, np.ndarray] = {}
    difference = np.zeros(0)
    for n in _AUTO:
        new = [k for k in range(0, _AUTO[-1], (_AUTO[-1] - 1) // (n - 1)) if k not in known]
        known += new
        values, found = job.along((0.5 * (1 - np.cos(np.pi * np.array(new) / (_AUTO[-1] - 1)))).tolist(), rows)
        for site, products in before.items():
            found[site] = np.concatenate([products, found[site][0]], -1), found[site][1]
        if not before:
            difference = values[:, -1] - values[:, 0]
        weights = _clenshaw_curtis(n)[np.array(known) * (n - 1) // (_AUTO[-1] - 1)]
        deltas[rows] = _write(job, rows, found, weights) - difference
        wide = np.abs(deltas[rows]) > tolerance * np.maximum(np.abs(difference), 0.1)
        if not wide.any():
            return
        rows, difference, before = rows[wide], difference[wide], {site: block[wide] for site, (block, _) in found.items()}


def _write(job: Job, rows: np.ndarray, found: Blocks, weights: np.ndarray) -> np.ndarray:
    """Writes the weighted sums of the products; their sums, (rows,)."""
    total = np.zeros(len(rows), np.float32)
    for site, (products, mask) in found.items():
        scores = products @ weights.astype(np.float32)
        job.write(site, rows, scores, mask)
        total += scores.sum(1)
    return total


def _stretches(job: Job, points: int) -> Iterator[np.ndarray]:
    """Row numbers by length, as many at a time as leave room for the products of so many points."""
    order, width = np.argsort(job.arranged.lengths, kind="stable"), max(job.arranged.width or 1, 64)
    rows = max(1, _KEPT // (width * points))
    return (order[k : k + rows] for k in range(0, len(order), rows))


def _clenshaw_curtis(n: int) -> np.ndarray:
    """(n,) weights at (1 - cos(pi k / (n - 1))) / 2."""
    angles = np.pi * np.arange(n) / (n - 1)
    moments = [0.0 if k % 2 else 2.0 / (1 - k * k) for k in range(n)]
    return np.asarray(np.linalg.solve(np.cos(np.outer(np.arange(n), angles)), moments) / 2)
