"""Exact nearest rows of a matrix, at the speed of a float32 product.

The product ranks all rows. What lies within its rounding error of the k-th best is measured again in float64:
the answer is that of a plain loop in double precision.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from kerasintrospect.errors import InputError, InputTypeError
from kerasintrospect.vectors import directions, distances, largest_one, norms_of, slices, squares_of

__all__ = ["Search", "matrix", "singly"]

Array = npt.NDArray[Any]
_BLOCK = 2**21  # scores that a thread holds at once, 8 MB
_FLOOD = 2**18  # candidates held at once
_ROWS = 512  # queries in one product
_THREADS = 8  # at most
_FEW = 64  # queries that are not worth a thread
_BLAS = threading.Lock()  # the number of its threads is a setting of the whole process


def matrix(name: str, values: npt.ArrayLike) -> Array:
    """Checks vectors, (n, units) and finite, and gives them as float32 with 0.0 for -0.0.

    Raises:
        InputError: If the shape is another one, or a number is NaN or infinite.
        InputTypeError: If they are no numbers.
    """
    try:
        with np.errstate(over="ignore"):
            checked = np.ascontiguousarray(values, np.float32) + np.float32(0)
    except (TypeError, ValueError) as error:
        raise InputTypeError(
            f"`{name}` has to be an array of numbers, (n, units). "
            f"Received: {name} of type {type(values).__name__} ({error})."
        ) from error
    if np.ndim(values) != 2:  # ascontiguousarray makes one dimension of none
        raise InputError(f"`{name}` has to be of shape (n, units). Received: shape={np.shape(values)}.")
    bad = np.flatnonzero(~np.isfinite(checked).all(1))
    if len(bad):
        rows = ", ".join(map(str, bad[:10])) + (", ..." if len(bad) > 10 else "")
        raise InputError(
            f"`{name}` has to be finite in float32. Received: NaN, infinity or beyond 3.4e38 in "
            f"{len(bad)} of {len(checked)} rows: {rows}. "
            "Drop these rows, or look for the layer that makes them."
        )
    return checked


class Search:
    """The k nearest rows of `vectors`, (m, units) float32.

    Rows (cosine: divided by their norm) are centred and scaled into the unit ball, where q.x - |x|^2 / 2 ranks
    them; a last column carries -|x|^2 / 2. Equal rows are one row here, so that copies cost nothing.
    Not `fixed`, for rows that are looked at once, nothing is centred nor grouped: building takes a third of the time.
    """

    def __init__(self, vectors: Array, cosine: bool, fixed: bool = True) -> None:
        self.vectors, self.cosine = vectors, cosine
        self.counts: Array
        self.norms = norms_of(vectors) if cosine else np.ones(len(vectors))
        given, self.empty = np.flatnonzero(self.norms), np.flatnonzero(self.norms == 0)
        self.centre, self.radius = np.zeros(vectors.shape[1]), 1.0
        parts = [given[part] for part in slices(len(given), vectors.shape[1])]
        if cosine and not fixed:
            self.radius = 1 + 2.0**-40  # norms are 1 up to their rounding
        elif parts and not fixed:
            self.radius = max(norms_of(vectors[part]).max() for part in parts) or 1.0
        elif parts:
            self.centre = np.sum([self._scaled(part).sum(0) for part in parts], 0) / len(given)
            self.radius = max(np.sqrt(squares_of(self._scaled(part))).max() for part in parts) or 1.0
        alone = np.arange(len(given)), np.arange(len(given)), np.ones(len(given), int)
        first, group, self.counts = _groups(self._keys(parts) if cosine else vectors) if fixed else alone
        self.first, self.members = given[first], given[np.argsort(group, kind="stable")]
        self.starts = np.cumsum(self.counts) - self.counts
        self.rows = np.empty((len(first), vectors.shape[1] + 1), np.float32)
        for part in slices(*self.rows.shape):
            self.rows[part] = self._exact_rows(part)

    def _scaled(self, rows: Array) -> Array:
        return self._scale(self.vectors[rows], self.norms[rows])

    def _scale(self, vectors: Array, norms: Array) -> Array:
        scaled: Array = (vectors / norms[:, None] - self.centre) / self.radius
        return scaled

    def _exact_rows(self, part: slice) -> Array:
        scaled = self._scaled(self.first[part])
        return np.column_stack([scaled, squares_of(scaled) / -2])

    def _keys(self, parts: list[Array]) -> Array:
        """Equal for equal directions, bit by bit."""
        keys = np.empty((sum(map(len, parts)), self.vectors.shape[1]))
        done = 0
        for part in parts:
            keys[done : done + len(part)] = largest_one(self.vectors[part])
            done += len(part)
        return keys

    def nearest(self, queries: Array, k: int) -> tuple[Array, Array]:
        """Indices (n, k) int64 and distances (n, k) float32 of the nearest rows, equal ones by index."""
        indices, squares = self.ranked(queries, k)
        return indices, distances(queries, squares, self.cosine)

    def ranked(self, queries: Array, k: int) -> tuple[Array, Array]:
        """Like `nearest`, with squared distances in float64, of which blocks can be merged (cosine: of unit vectors).

        A row without direction is infinitely far; from a query without direction all others are equally far.
        """
        norms = norms_of(queries) if self.cosine else np.ones(len(queries))
        room = min(k, len(self.members))
        indices, squares = np.empty((len(queries), k), np.int64), np.full((len(queries), k), np.inf)
        indices[:, room:] = self.empty[: k - room]

        def fill(part: slice) -> None:
            found = self._block(queries[part], np.where(norms[part], norms[part], 1), room)
            indices[part, :room], squares[part, :room] = found

        _spread(fill, len(queries) if room else 0, max(1, min(_ROWS, 2**15 // k)))
        if not norms.all():
            indices[norms == 0] = np.r_[np.sort(self.members), self.empty][:k]
            squares[norms == 0, :room] = 2
        return indices, squares

    def _block(self, queries: Array, norms: Array, k: int, dtype: Any = np.float32) -> tuple[Array, Array]:
        wide = self._scale(queries, norms)
        reach = np.sqrt(squares_of(wide))
        shrink = np.maximum(reach, 1)  # a factor changes no ranking, and float32 must not overflow
        left = (np.column_stack([wide, np.ones(len(wide))]) / shrink[:, None]).astype(dtype)
        columns = min(max(_BLOCK // (4 if dtype is np.float64 else 1) // len(left), 1), len(self.rows))
        buffer, best = np.empty(len(left) * columns, dtype), np.full((len(left), k), -np.inf, dtype)
        floor_of = partial(self._floor, reach=reach, shrink=shrink)
        kept: tuple[Array, ...] = (np.empty(0, int), np.empty(0, int), np.empty(0))
        pending: list[tuple[Array, ...]] = []
        for start in range(0, len(self.rows), columns):
            part = slice(start, min(start + columns, len(self.rows)))
            right = self.rows[part] if dtype is np.float32 else self._exact_rows(part)
            scores = _product(left, right, buffer)
            best, floor, found = _pick(scores, best, floor_of)
            if found is None:  # the rows are too much alike for float32
                return self._block(queries, norms, k, np.float64)
            pending.append((found[0], found[1] + start, found[2]))
            if part.stop == len(self.rows) or sum(len(some[0]) for some in pending) > _FLOOD:
                row, column, score = (np.concatenate(some) for some in zip(*pending, strict=True))
                near = score >= floor[row]
                kept, pending = self._closest(queries, norms, (row[near], column[near]), kept, k), []
        return self._unfold(kept, len(left), k)

    def _floor(self, least: Array, reach: Array, shrink: Array) -> Array:
        """What a score has to reach when `least` is the k-th best: less by the rounding error of two scores.

        The error of one is (units + 16) u (|q| |x| + |x|^2 / 2), and only |x| up to |q| + the k-th distance
        count, with room for the error itself: one far row in the index must not blur the others. Centring
        rows of norm 1 adds the error of their division.
        """
        wide = least.astype(np.float64)
        limit = np.minimum(1, 1.5 * (reach + np.sqrt(np.maximum(reach**2 - 2 * shrink * wide, 0))))
        unit = (self.rows.shape[1] + 15) * np.finfo(least.dtype).eps / 2
        error = unit * (np.minimum(reach, 1) * limit + limit**2 / (2 * shrink)) + 1e-30  # underflow
        error += self.cosine * 2.0**-48 / self.radius
        floor: Array = np.nextafter((wide - 2 * error).astype(least.dtype), least.dtype.type(-np.inf))
        return floor

    def _closest(
        self, queries: Array, norms: Array, new: tuple[Array, Array], kept: tuple[Array, ...], k: int
    ) -> tuple[Array, ...]:
        """Measures new pairs (query, row) in float64, and keeps the k nearest rows of each query."""
        squares = np.empty(len(new[0]))
        for part in slices(len(squares), queries.shape[1]):
            rows = self.vectors[self.first[new[1][part]]]
            query = queries[new[0][part]] / norms[new[0][part], None]
            squares[part] = squares_of((directions(rows) if self.cosine else rows) - query)
        query, column, square = (np.concatenate(pair) for pair in zip(kept, (*new, squares), strict=True))
        order = _least(query, square, self.first[column], k)
        return query[order], column[order], square[order]

    def _unfold(self, kept: tuple[Array, ...], n: int, k: int) -> tuple[Array, Array]:
        """The k nearest, when every row stands for all of its copies."""
        query, column, square = kept
        counts = np.minimum(self.counts[column], k)
        source = np.repeat(np.arange(len(column)), counts)
        copy = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
        index, square = self.members[self.starts[column[source]] + copy], square[source]
        order = _least(query[source], square, index, k)
        return index[order].reshape(n, k), square[order].reshape(n, k)


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def singly() -> Iterator[None]:
    """Matrix products take one core each in the block: on a busy machine, threads of one product wait for each other."""
    with _BLAS, _libraries().limit(limits=1, user_api="blas"):
        yield


def _spread(work: Callable[[slice], None], n: int, step: int) -> None:
    """Gives parts of n rows to one thread a core, each with its own products, so that no core waits for the others."""
    cores = min(joblib.cpu_count(), _THREADS) if n > _FEW else 1  # to count them, files are read
    step = min(step, max(-(-n // cores), _FEW))
    parts = [slice(start, start + step) for start in range(0, n, step)]
    if cores < 2 or len(parts) < 2:
        any(map(work, parts))
        return
    with singly(), ThreadPoolExecutor(cores) as pool:
        any(pool.map(work, parts))


def _pick(
    scores: Array, best: Array, floor_of: Callable[[Array], Array]
) -> tuple[Array, Array, tuple[Array, Array, Array] | None]:
    """Updates the k best scores of each row, and gives (row, column, score) of all that reach the floor.

    Columns are taken in groups. The greatest of each are different scores, so the k-th of them is a bound on
    the k-th best, and only a group whose greatest reaches the floor is looked into. Gives None for the scores
    when float32 lets far too many through.
    """
    (n, k), columns = best.shape, scores.shape[1]
    width = max(256, 4 * k)
    groups = columns // width if columns >= 2 * width else 0
    grid, rest = scores[:, : groups * width].reshape(n, groups, width), scores[:, groups * width :]
    tops = grid.max(1, initial=-np.inf)
    better = np.flatnonzero(np.maximum(tops.max(1), rest.max(1, initial=-np.inf)) > best[:, 0])
    best[better] = np.partition(np.concatenate([best[better], tops[better], rest[better]], 1), -k, 1)[:, -k:]
    floor = floor_of(best[:, 0])
    row, column = _where(tops >= floor[:, None])
    row2, column2 = _where(rest >= floor[:, None])
    if scores.dtype == np.float32 and len(row) * groups + len(row2) > max(_FLOOD, 2 * n * k * (groups + 1)):
        return best, floor, None
    inside = grid[row, :, column]
    hit, group = _where(inside >= floor[row, None])
    rows = np.concatenate([row[hit], row2])
    found = np.concatenate([group * width + column[hit], groups * width + column2])
    return best, floor, (rows, found, np.concatenate([inside[hit, group], rest[row2, column2]]))


def _where(mask: Array) -> tuple[Array, Array]:
    """Rows and columns of what is true: np.nonzero, faster where little is."""
    row, column = np.divmod(np.flatnonzero(mask), max(mask.shape[1], 1))
    return row, column


def _product(left: Array, right: Array, buffer: Array) -> Array:
    scores = buffer[: len(left) * len(right)].reshape(len(left), len(right))
    if len(left) == 1 and hasattr(np, "vecdot"):  # bound by memory: threads only wait for each other (numpy 2)
        np.vecdot(right, left[0], out=scores[0])
    else:
        np.matmul(left, right.T, out=scores)
    return scores


def _least(query: Array, square: Array, index: Array, k: int) -> Array:
    """Positions of the k least of each query, by square and then by index."""
    order: Array = np.lexsort((index, square, query))
    query = query[order]
    return order[np.arange(len(query)) - np.searchsorted(query, query) < k]


def _groups(rows: Array) -> tuple[Array, Array, Array]:
    """Rows that are equal bit by bit: the first of each group, the group of each row, the sizes."""
    whole = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
    _, first, group, counts = np.unique(whole, return_index=True, return_inverse=True, return_counts=True)
    return first, group, counts
