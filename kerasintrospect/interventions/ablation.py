"""Ablation: units become zero, their mean, or what they are somewhere else."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UnsupportedError
from .base import Change, registry
from .place import Place


@registry.register("zero")
def zero(place: Place) -> Change:
    """x = 0."""
    return lambda rows, where: (0.0, 0.0)


@registry.register("mean")
def mean(place: Place, reference: Any = None) -> Change:
    """x = mean of the unit over all tokens of the reference (over its texts, at a site without positions)."""
    means = place.vectors(reference).mean(0, dtype=np.float64)[place.chosen].astype(np.float32)
    return lambda rows, where: (0.0, means)


@registry.register("resample")
def resample(place: Place, reference: Any = None, seed: int = 0) -> Change:
    """x = the units of a random token (or text) of the reference, all of them from the same one."""
    if place.has_positions and not place.has_tokens:
        raise UnsupportedError(f"The positions of '{place.site}' are no tokens: nothing can be drawn for each. Take \"mean\".")
    pool = place.vectors(reference)[:, place.chosen]

    def change(rows: np.ndarray, where: np.ndarray) -> tuple[Any, Any]:
        shift = np.zeros((*where.shape, len(place.chosen)), np.float32)
        for i, row in enumerate(rows.tolist()):  # draws for the chosen positions only, so that padding changes nothing
            shift[i][where[i]] = pool[place.generator(row, seed).integers(len(pool), size=int(where[i].sum()))]
        return 0.0, shift

    return change
