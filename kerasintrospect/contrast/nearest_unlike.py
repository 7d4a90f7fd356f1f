"""Nearest unlike neighbors: the nearest examples of another class (Dasarathy 1995)."""

from __future__ import annotations

import numpy as np

from .base import Picks, of_queries
from .examples import Array, Examples


@of_queries("nearest_unlike")
def nearest_unlike(examples: Examples, queries: Array, classes: Array, k: int) -> Picks:
    """argmin d(q, x) over the x of another class than q's."""
    indices, distances = np.full((len(queries), k), -1), np.full((len(queries), k), np.nan)
    for own in np.unique(classes):
        rows = classes == own
        indices[rows], distances[rows] = examples.nearest(queries[rows], k, examples.known[examples.known != own])
    return Picks(indices, distances)
