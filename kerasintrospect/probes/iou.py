"""Intersection over union: where the neuron fires against where the class is (compare Mu and Andreas 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from .base import Found, method
from .data import Array, ProbeData

_BLOCK = 2**22  # activations sorted at once


@method("iou")
def iou(
    data: ProbeData, seed: int, quantile: float | Sequence[float] | None = None, threshold: float | None = None,
    signed: bool = False,
) -> Found:  # fmt: skip
    """Rows that fire and are of class c / rows that do either; over all classes the greatest of (IoU - chance) / (1 - chance).

    Chance is the IoU of as many rows drawn at random. Scale has no part in it, unless `threshold` is given.

    Args:
        data: The activations.
        seed: Not used.
        quantile: A neuron fires above this quantile of its own activations, 0.95 for the highest twentieth; of several the best
            counts. By default it fires on as many rows as the class has, so that precision equals recall.
        threshold: A neuron fires above this activation instead.
        signed: Whether only high activations are firing; by default the lowest as well, whichever fits better.
    """
    shares = _shares(quantile, threshold)
    rows, edges = np.argsort(data.y, kind="stable"), np.r_[0, np.cumsum(data.counts)]
    per_class, adjusted = np.empty((2, len(data.counts), data.units))
    step = max(1, _BLOCK // len(data))
    for at in range(0, data.units, step):
        values = np.ascontiguousarray(data.X[:, at : at + step].T)[:, rows]
        found = _best(values, edges, shares, threshold)
        if not signed:
            found = np.maximum(found, _best(-values, edges, shares, threshold))
        per_class[:, at : at + step], adjusted[:, at : at + step] = found
    return Found(adjusted.max(0), per_class)


def _shares(quantile: float | Sequence[float] | None, threshold: float | None) -> Array | None:
    if threshold is not None and not (isinstance(threshold, (int, float, np.number)) and np.isfinite(threshold)):
        raise InputError(f"`threshold` has to be a finite number. Received: threshold={threshold!r}.")
    if quantile is None:
        return None
    given = np.atleast_1d(np.asarray(quantile))
    shares = given.dtype.kind == "f" and given.ndim == 1 and len(given) and ((given > 0) & (given < 1)).all()
    if threshold is not None or not shares:
        raise InputError("`quantile` has to be above 0 and below 1, and stands alone. "
                         f"Received: quantile={quantile!r}, threshold={threshold!r}.")  # fmt: skip
    return 1 - given


def _best(values: Array, edges: Array, shares: Array | None, threshold: float | None) -> Array:
    """(2, classes, units): IoU, and the same adjusted for chance; values are sorted by class."""
    n, counts = values.shape[1], np.diff(edges)
    if threshold is not None:
        return _overlap(values > threshold, edges)
    ordered = np.sort(values, axis=1)
    if shares is not None:
        fires = [int(min(max(round(share * n), 1), n - 1)) for share in shares]
        best: Array = np.max([_overlap(values > ordered[:, n - k - 1, None], edges) for k in fires], axis=0)
        return best
    both = np.empty((2, len(counts), len(values)))
    for of, k in enumerate(counts):
        both[:, of] = _overlap(values > ordered[:, n - k - 1, None], edges)[:, of]
    return both


def _overlap(fires: Array, edges: Array) -> Array:
    n, counts = fires.shape[1], np.diff(edges)[:, None]
    hits = np.add.reduceat(fires, edges[:-1], axis=1, dtype=np.int64).T
    fired = hits.sum(0)
    found = hits / (fired + counts - hits)
    by_chance = fired * counts / n
    chance = by_chance / (fired + counts - by_chance)
    return np.stack([found, (found - chance) / np.where(chance < 1, 1 - chance, 1)])
