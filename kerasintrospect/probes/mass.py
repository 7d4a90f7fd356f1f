"""Neurons by the weights of a linear probe: how much of a class's absolute weight do the heaviest hold?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..fitting import Fitted
from .base import Found
from .data import Array, ProbeData

__all__ = ["above", "by_mass", "heavier", "ordering_of", "weighed"]


def heavier(weights: npt.ArrayLike) -> Array:
    """(classes, units): the share of the class's absolute weight that strictly heavier neurons hold; 1 where it has none."""
    mass = _absolute(weights)
    shares = np.ones(mass.shape)
    for row, out in zip(mass, shares, strict=True):
        total = row.sum()
        if total > 0:
            order = np.argsort(-row)
            sorted_mass = row[order]
            before = np.cumsum(sorted_mass) - sorted_mass
            first = np.r_[True, sorted_mass[1:] < sorted_mass[:-1]]  # of neurons as heavy as each other
            out[order] = before[np.maximum.accumulate(np.where(first, np.arange(len(row)), 0))] / total
    return shares


def ordering_of(weights: npt.ArrayLike) -> tuple[Array, Array]:
    """All neurons in the order in which a growing share of weight mass selects them, in closed form.

    A neuron is selected at share p when, for some class, the strictly heavier ones hold less than p of the absolute weight. So
    it comes at s = the least over classes of what they hold. Ties (each class's heaviest has s = 0): the greater share of its
    class's weight comes first, then the lower index.

    Args:
        weights: (classes, units), or (units,) for one row.

    Returns:
        (units,) the order, best first, and (units,) the scores 1 - s; those above 1 - p are what `by_mass(weights, p)` selects.
    """
    mass = _absolute(weights)
    found = heavier(mass).min(0)
    totals = mass.sum(1, keepdims=True)
    largest = (mass / np.where(totals > 0, totals, 1)).max(0)
    return np.lexsort((-largest, found)), 1 - found


def by_mass(weights: npt.ArrayLike, share: float, lightest: bool = False) -> list[Array]:
    """Per class the heaviest (or lightest) neurons, up to and with the one by which they hold `share` of the absolute weight.

    Args:
        weights: (classes, units).
        share: From 0, which selects nothing, to 1.
        lightest: Take the lightest instead, which are the bottom neurons.

    Returns:
        Per class the neurons in order.
    """
    if not 0 <= share <= 1:
        raise InputError(f"`share` has to be from 0 to 1. Received: share={share!r}.")
    found = []
    for row in _absolute(weights):
        order = np.argsort(row if lightest else -row, kind="stable")
        before = np.cumsum(row[order]) - row[order]
        found.append(order[before < share * row.sum() * (1 - 1e-12)])
    return found


def above(weights: npt.ArrayLike, share: float) -> list[Array]:
    """Per class the neurons whose absolute weight is above `share` of the class's largest, the heaviest first."""
    if not 0 <= share <= 1:
        raise InputError(f"`share` has to be from 0 to 1. Received: share={share!r}.")
    rows = _absolute(weights)
    orders = np.argsort(-rows, axis=1, kind="stable")
    return [order[row[order] > share * row.max()] for row, order in zip(rows, orders, strict=True)]


def weighed(fitted: Fitted, data: ProbeData) -> Found:
    """What a fitted model says of the neurons of the activations that it was fitted on."""
    order, scores = ordering_of(np.where(data.constant, 0, fitted.weights))
    weight = np.abs(fitted.weights)
    per_class = None if data.classes is None else np.repeat(weight, 2, axis=0) if len(weight) == 1 else weight
    details = {"weights": fitted.weights, "mean": fitted.mean, "scale": fitted.scale}
    return Found(scores, per_class, order, fitted.notes, details)


def _absolute(weights: npt.ArrayLike) -> Array:
    found = np.atleast_2d(np.abs(np.asarray(weights, np.float64)))
    if found.ndim != 2 or not found.size or not np.isfinite(found).all():
        raise InputError(f"Weights have to be finite, of shape (classes, units). Received: shape={found.shape}.")
    return found
