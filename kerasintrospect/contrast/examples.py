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
from ..neighbors.columns import Backend, InMemory
from ..search import Search
from ..vectors import directions, squares_of

__all__ = ["Array", "Examples", "examples_of"]

Array = npt.NDArray[Any]
_BLOCK = 2**20  # numbers measured at once


@dataclass(eq=False)
class Examples:
    """Training examples by class. In memory, the search of a class is made when it is first asked for, and kept.

    Attributes:
        rows: Where the examples are.
        classes: (m,) int64.
        known: The classes, ascending; an example of another has no class.
        cosine: Whether the distance is 1 - cos, and otherwise the Euclidean one.
    """

    rows: Backend
    classes: Array
    known: Array
    cosine: bool
    _searches: dict[int, tuple[Array, Search]] = field(default_factory=dict)

    def members(self, of: int) -> Array:
        """The rows of one class, in the order of the training set."""
        return np.flatnonzero(self.classes == of)

    def vectors(self, rows: Array) -> Array:
        """(rows, units) float32."""
        if isinstance(self.rows, InMemory):
            held: Array = self.rows.rows.vectors[rows]
            return held
        numbers, back = np.unique(rows, return_inverse=True)
        read: Array = self.rows.take(numbers).vectors[back]
        return read

    def points(self, rows: Array) -> Array:
        """(rows, units) float64, for cosine of norm 1: where the squared Euclidean distance is that of the metric."""
        return self._scaled(self.vectors(rows))

    def nearest(self, queries: Array, k: int, among: Iterable[int]) -> tuple[Array, Array]:
        """Indices (n, k) and distances (n, k) of the examples of some classes that are nearest to the queries.

        Exact: ties keep the order of the training set. -1 and NaN where the classes have fewer than k members.
        """
        with warnings.catch_warnings():  # of vectors of zeros: the caller knows whether they are the user's
            warnings.simplefilter("ignore", KerasIntrospectWarning)
            parts = self._nearest(queries, k, [int(of) for of in among])
        found = np.concatenate([np.full((len(queries), k), -1), *parts], 1)
        return self.sort(found, self.measure(queries, found), k)

    def sort(self, indices: Array, keys: Array, k: int) -> tuple[Array, Array]:
        """The k of each row with the least keys, ties by index; NaN comes last."""
        order = np.lexsort((indices, keys))[:, :k]
        return np.take_along_axis(indices, order, 1), np.take_along_axis(keys, order, 1)

    def measure(self, queries: Array, indices: Array) -> Array:
        """Distances (n, k) float64 of rows (n, k) from their queries; NaN for -1."""
        left, (query, _) = self._scaled(queries), np.nonzero(indices >= 0)
        right, distances = indices[indices >= 0], np.full(indices.shape, np.nan)
        found, step = np.empty(len(right)), max(1, _BLOCK // queries.shape[1])
        for start in range(0, len(right), step):
            part = slice(start, start + step)
            rows, asked = self.points(right[part]), left[query[part]]
            squares = squares_of(rows - asked)
            found[part] = self._cosine(squares, rows, asked) if self.cosine else np.sqrt(squares)
        distances[indices >= 0] = found
        return distances

    def _nearest(self, queries: Array, k: int, among: list[int]) -> list[Array]:
        """Of a memory the searches of the classes are merged; a disk is read once for all classes."""
        if isinstance(self.rows, InMemory):
            searches = [self._search(of) for of in among]
            return [rows[search.nearest(queries, min(k, len(rows)))[0]] for rows, search in searches if len(rows)]
        mask = np.isin(self.classes, among)
        return [self.rows.nearest(queries, min(k, int(mask.sum())), mask, True)[0]] if mask.any() else []

    def _search(self, of: int) -> tuple[Array, Search]:
        if of not in self._searches:
            rows = self.members(of)
            self._searches[of] = rows, Search(self.vectors(rows), self.cosine)
        return self._searches[of]

    def _scaled(self, vectors: Array) -> Array:
        return directions(vectors) if self.cosine else vectors.astype(np.float64)

    def _cosine(self, squares: Array, rows: Array, queries: Array) -> Array:
        """As the index has it: a vector of zeros is at 2 from a query, and a query of zeros at 1 from everything."""
        distance = np.where(squares < 1e-30, 0, squares / 2)
        return np.where(queries.any(1), np.where(rows.any(1), distance, 2), 1)


_KEPT: WeakKeyDictionary[NeighborIndex, dict[str, Examples]] = WeakKeyDictionary()


def examples_of(index: NeighborIndex, by: str, classes: Array) -> Examples:
    """The examples of an index, with the searches that earlier calls made while it did not change."""
    kept = _KEPT.setdefault(index, {})
    if by not in kept or kept[by].rows is not index._backend:
        known = np.unique(classes if by == "label" else classes[classes >= 0])  # -1 is where the model says nothing
        kept[by] = Examples(index._backend, classes, known, index.metric == "cosine")
    return kept[by]
