"""What a contrast sees: vectors with their classes, the exact search among the members of classes, and distances."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from ..errors import KerasIntrospectWarning
from ..neighbors import NeighborIndex
from ..search import Search

__all__ = ["Array", "Examples", "examples_of"]

Array = npt.NDArray[Any]
_BLOCK = 2**20  # pairs measured at once, in units


@dataclass(eq=False)
class Examples:
    """Training examples by class. The search of a class is made when it is first asked for, and kept.

    Attributes:
        vectors: (m, units) float32.
        classes: (m,) int64.
        cosine: Whether the distance is 1 - cos, and otherwise the Euclidean one.
    """

    vectors: Array
    classes: Array
    cosine: bool
    _searches: dict[int, tuple[Array, Search]] = field(default_factory=dict)

    def members(self, of: int) -> Array:
        """The rows of one class, in the order of the training set."""
        return np.flatnonzero(self.classes == of)

    def nearest(self, queries: Array, k: int, among: Iterable[int]) -> tuple[Array, Array]:
        """Indices (n, k) and distances (n, k) of the examples of some classes that are nearest to the queries.

        Exact: ties keep the order of the training set. -1 and NaN where the classes have fewer than k members.
        """
        found = [np.full((len(queries), k), -1)]
        for of in among:
            rows, search = self._search(int(of))
            if len(rows):
                with warnings.catch_warnings():  # of vectors of zeros: the caller knows whether they are the user's
                    warnings.simplefilter("ignore", KerasIntrospectWarning)
                    found.append(rows[search.nearest(queries, min(k, len(rows)))[0]])
        return self.sort(np.concatenate(found, 1), self.measure(queries, np.concatenate(found, 1)), k)

    def sort(self, indices: Array, keys: Array, k: int) -> tuple[Array, Array]:
        """The k of each row with the least keys, ties by index; NaN comes last."""
        order = np.lexsort((indices, keys))[:, :k]
        return np.take_along_axis(indices, order, 1), np.take_along_axis(keys, order, 1)

    def measure(self, queries: Array, indices: Array) -> Array:
        """Distances (n, k) float64 of rows (n, k) from their queries; NaN for -1."""
        left, right = self._scaled(queries), indices.reshape(-1)
        query, distances = np.repeat(np.arange(len(queries)), indices.shape[1]), np.full(len(right), np.nan)
        step = max(1, _BLOCK // queries.shape[1])
        for start in range(0, len(right), step):
            part = slice(start, start + step)
            rows = self.vectors[right[part]]
            gap = self._scaled(rows) - left[query[part]]
            square = np.einsum("ij,ij->i", gap, gap)
            distances[part] = self._cosine(square, rows, left[query[part]]) if self.cosine else np.sqrt(square)
        distances[right < 0] = np.nan
        return distances.reshape(indices.shape)

    def points(self, rows: Array) -> Array:
        """(rows, units) float64, for cosine of norm 1: where the squared Euclidean distance is that of the metric."""
        return self._scaled(self.vectors[rows])

    def _search(self, of: int) -> tuple[Array, Search]:
        if of not in self._searches:
            rows = self.members(of)
            self._searches[of] = rows, Search(self.vectors[rows], self.cosine)
        return self._searches[of]

    def _scaled(self, vectors: Array) -> Array:
        wide = vectors.astype(np.float64)
        norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None] if self.cosine else 1.0
        scaled: Array = wide / np.where(norms, norms, 1)
        return scaled

    def _cosine(self, square: Array, rows: Array, left: Array) -> Array:
        """As the index has it: a vector of zeros is at 2 from a query, and a query of zeros at 1 from everything."""
        distance = np.where(square < 1e-30, 0, square / 2)
        return np.where(left.any(1), np.where(rows.any(1), distance, 2), 1)


_KEPT: WeakKeyDictionary[NeighborIndex, Examples] = WeakKeyDictionary()


def examples_of(index: NeighborIndex, classes: Array) -> Examples:
    """The examples of an index, with the searches that earlier calls made while neither changed."""
    kept = _KEPT.get(index)
    if kept is None or kept.vectors is not index.vectors or kept.classes is not classes:
        kept = _KEPT[index] = Examples(index.vectors, classes, index.metric == "cosine")
    return kept
