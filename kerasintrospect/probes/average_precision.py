"""Average precision of a single neuron as a detector of a class, all neurons sorted at once.

NeuroX calls this IoU. Unlike there, a neuron that is low where the class is counts as much as one that is high.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .base import Found, method
from .data import Array, ProbeData

_BLOCK = 2**21  # activations sorted at once


@method("average_precision")
def average_precision(data: ProbeData, seed: int, threshold: float = 0.0, signed: bool = False) -> Found:
    """Sum over thresholds of (recall_k - recall_(k-1)) * precision_k, as in scikit-learn; for class c against the rest.

    Over all classes: the greatest of (AP - chance) / (1 - chance), where chance is the share of the class. Without a
    threshold scale has no part in it.

    Args:
        data: The activations.
        seed: Not used.
        threshold: Activations nearer to 0 than this count as 0.
        signed: Whether only high activations speak for a class; by default it is the better of high and low.
    """
    if not isinstance(threshold, (int, float, np.number)) or not 0 <= threshold < np.inf:
        raise InputError(f"`threshold` has to be a number of at least 0. Received: threshold={threshold!r}.")
    rows, edges = np.argsort(data.y, kind="stable"), np.r_[0, np.cumsum(data.counts)]
    per_class = np.empty((len(data.counts), data.units))
    step = max(1, _BLOCK // len(data))
    for at in range(0, data.units, step):
        values = np.ascontiguousarray(data.X[:, at : at + step].T)[:, rows]
        if threshold:
            values[np.abs(values) < threshold] = 0
        high, low = _places(values)
        found = _precisions(high, edges)
        per_class[:, at : at + step] = (found if signed else np.maximum(found, _precisions(low, edges))).T
    chance = (data.counts / len(data))[:, None]
    return Found(((per_class - chance) / (1 - chance)).max(0), per_class)


def _places(values: Array) -> tuple[Array, Array]:
    """(units, n) how many rows of the neuron are at least as high as this one, and how many at most."""
    n = values.shape[1]
    order = np.argsort(values, axis=1)
    ordered = np.take_along_axis(values, order, 1)
    starts = np.ones(values.shape, bool)
    np.not_equal(ordered[:, 1:], ordered[:, :-1], out=starts[:, 1:])
    counted = np.broadcast_to(np.arange(n, dtype=np.int32), values.shape)
    first, last = counted, counted
    if not starts.all():
        ends = np.roll(starts, -1, axis=1)
        first = np.maximum.accumulate(np.where(starts, counted, 0), axis=1)
        last = np.minimum.accumulate(np.where(ends, counted, n)[:, ::-1], axis=1)[:, ::-1]
    high, low = np.empty(values.shape, np.int32), np.empty(values.shape, np.int32)
    np.put_along_axis(high, order, n - first, 1)
    np.put_along_axis(low, order, last + 1, 1)
    return high, low


def _precisions(places: Array, edges: Array) -> Array:
    """(units, classes): the mean over the rows of class c, which are edges[c]:edges[c + 1], of the precision down to them."""
    n = places.shape[1]
    counts = np.diff(edges)
    offset = np.repeat(np.arange(len(counts), dtype=np.int64) * (n + 1), counts)
    keys = np.sort(places + offset, axis=1)
    hits = np.broadcast_to(np.arange(1, n + 1), keys.shape)
    tied = keys[:, 1:] == keys[:, :-1]
    if tied.any():
        ends = np.where(np.pad(tied, ((0, 0), (0, 1))), n, hits)
        hits = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    precision = (hits - np.repeat(edges[:-1], counts)) / (keys - offset)
    means: Array = np.add.reduceat(precision, edges[:-1], axis=1) / counts
    return means
