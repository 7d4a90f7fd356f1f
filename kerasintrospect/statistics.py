"""Sums over the rows of activations, of all rows and of each label: what the cheap rankings need, in one pass.

Numpy only. Sums are float64; memory is that of the sums, however many rows there were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .vectors import widened

__all__ = ["Gram", "Statistics"]

Array = npt.NDArray[Any]
_BLOCK = 2**18  # numbers that are made float64 at once for sums, 2 MB: they stay in the cache
_PRODUCTS = 2**21  # and for products, which want many rows


class Statistics:
    """Count, sum, sum of squares, least and greatest value of every unit, also of the rows of each label.

    Args:
        units: The number of units.
        classes: The labels in their order; empty for rows without labels.

    Attributes:
        count: Rows.
        sums: (units,) float64; as `squares`.
        minima: (units,) as `maxima`; of no rows inf and -inf.
        counts: (classes,) rows of each label.
        class_sums: (classes, units) float64; as `class_squares`, `class_minima`, `class_maxima`.

    Example:
        >>> found = Statistics(2, ["no", "yes"]).add([[1, 2], [3, 4]], ["yes", "no"])
        >>> found.means, found.class_means[0]
        (array([2., 3.]), array([3., 4.]))
    """

    def __init__(self, units: int, classes: Sequence[Any] = ()) -> None:
        self.units, self.classes, self.count = int(units), list(classes), 0
        c = len(self.classes)
        self.sums, self.squares = np.zeros(units), np.zeros(units)
        self.minima, self.maxima = np.full(units, np.inf), np.full(units, -np.inf)
        self.counts = np.zeros(c, np.int64)
        self.class_sums, self.class_squares = np.zeros((c, units)), np.zeros((c, units))
        self.class_minima, self.class_maxima = np.full((c, units), np.inf), np.full((c, units), -np.inf)
        self._ids = {label: i for i, label in enumerate(self.classes)}

    def add(self, X: npt.ArrayLike, y: npt.ArrayLike | None = None) -> Statistics:
        """Takes in rows.

        Args:
            X: (n, units).
            y: (n,) labels; None of a label is a row without one.

        Raises:
            InputError: if sizes do not fit, or a label is none of the classes.
        """
        ids = None if y is None else self._indices(y)
        return self.add_ids(np.asarray(X), ids)

    def add_ids(self, X: Array, ids: Array | None = None) -> Statistics:
        """As `add`, with indices into `classes`; -1 for rows without a label."""
        if X.ndim != 2 or X.shape[1] != self.units:
            raise InputError(f"X has to be of shape (n, {self.units}). Received: X.shape={X.shape}.")
        if ids is not None and len(ids) != len(X):
            raise InputError(f"Each row needs a label. Received: {len(X)} rows, {len(ids)} labels.")
        order = None if ids is None or not self.classes else np.argsort(ids, kind="stable")
        step = max(1, _BLOCK // max(self.units, 1))
        for start in range(0, len(X), step):
            part = slice(start, start + step)
            if order is None or ids is None:
                self._add_total(*_sums(widened(X[part]).astype(np.float64)), len(X[part]))
            else:
                self._add_sorted(widened(X[order[part]]).astype(np.float64), ids[order[part]])
        return self

    def _indices(self, y: npt.ArrayLike) -> Array:
        given = np.asarray(y, object).ravel() if not isinstance(y, np.ndarray) else y.ravel()
        try:
            return np.array([-1 if label is None else self._ids[label] for label in given.tolist()], np.int64)
        except (KeyError, TypeError) as error:
            raise InputError(f"The labels are {self.classes[:10]}. Received: a label {error}.") from error

    def _add_sorted(self, rows: Array, ids: Array) -> None:
        edges = [0, *(np.flatnonzero(np.diff(ids)) + 1).tolist(), len(ids)]
        for start, end in zip(edges[:-1], edges[1:], strict=True):
            found, label = _sums(rows[start:end]), int(ids[start])
            self._add_total(*found, end - start)
            if label >= 0:
                self.counts[label] += end - start
                _take_in((self.class_sums[label], self.class_squares[label], self.class_minima[label],
                          self.class_maxima[label]), found)  # fmt: skip

    def _add_total(self, sums: Array, squares: Array, minima: Array, maxima: Array, count: int) -> None:
        self.count += count
        _take_in((self.sums, self.squares, self.minima, self.maxima), (sums, squares, minima, maxima))

    def merge(self, other: Statistics) -> Statistics:
        """The statistics of the rows of both.

        Raises:
            InputError: if units or classes differ.
        """
        if (other.units, other.classes) != (self.units, self.classes):
            raise InputError("Only statistics of the same units and classes can be merged. "
                             f"Received: {self} and {other}.")  # fmt: skip
        both = Statistics(self.units, self.classes)
        for one in (self, other):
            both._add_total(one.sums, one.squares, one.minima, one.maxima, one.count)
            both.counts += one.counts
            _take_in((both.class_sums, both.class_squares, both.class_minima, both.class_maxima),
                     (one.class_sums, one.class_squares, one.class_minima, one.class_maxima))  # fmt: skip
        return both

    @property
    def means(self) -> Array:
        """(units,) float64."""
        return _mean(self.sums, np.asarray(self.count))

    @property
    def variances(self) -> Array:
        """(units,) float64, divided by the number of rows; exactly 0 for units that never change."""
        return _variance(self.sums, self.squares, np.asarray(self.count), self.minima == self.maxima)

    @property
    def class_means(self) -> Array:
        """(classes, units) float64; NaN for a label without rows."""
        return _mean(self.class_sums, self.counts[:, None])

    @property
    def class_variances(self) -> Array:
        """(classes, units) float64."""
        constant = self.class_minima == self.class_maxima
        return _variance(self.class_sums, self.class_squares, self.counts[:, None], constant)

    def arrays(self) -> dict[str, Array]:
        """Everything but the classes, for a file."""
        return {"count": np.asarray(self.count), **{name: getattr(self, name) for name in _FIELDS}}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array], classes: Sequence[Any]) -> Statistics:
        """The way back."""
        made = cls(len(arrays["sums"]), classes)
        made.count = int(arrays["count"])
        for name in _FIELDS:
            getattr(made, name)[...] = arrays[name]
        return made

    def __repr__(self) -> str:
        return f"Statistics({self.count} rows, {self.units} units, {len(self.classes)} classes)"


_FIELDS = ("sums", "squares", "minima", "maxima", "counts", "class_sums", "class_squares", "class_minima", "class_maxima")


class Gram:
    """The products of all pairs of units, summed over rows: X'X in float64, a block of rows at a time.

    Rows are taken relative to the first block's means, so that large means cost no digits.
    """

    def __init__(self, units: int) -> None:
        self.units, self.count = int(units), 0
        self._shift: Array | None = None
        self._sums, self._products = np.zeros(units), np.zeros((units, units))
        self._minima, self._maxima = np.full(units, np.inf), np.full(units, -np.inf)

    def add(self, X: npt.ArrayLike) -> Gram:
        """Takes in rows (n, units)."""
        given = np.asarray(X)
        if given.ndim != 2 or given.shape[1] != self.units:
            raise InputError(f"X has to be of shape (n, {self.units}). Received: X.shape={given.shape}.")
        for rows in _blocks(given):
            if self._shift is None:
                self._shift = rows.mean(0)
            self._minima, self._maxima = np.minimum(self._minima, rows.min(0)), np.maximum(self._maxima, rows.max(0))
            rows -= self._shift
            self._sums += rows.sum(0)
            self._products += rows.T @ rows
            self.count += len(rows)
        return self

    @property
    def means(self) -> Array:
        """(units,) float64."""
        shift = np.zeros(self.units) if self._shift is None else self._shift
        found: Array = shift + _mean(self._sums, np.asarray(self.count))
        return found

    @property
    def constant(self) -> Array:
        """(units,) whether a unit never changes."""
        found: Array = self._minima == self._maxima
        return found

    def products(self) -> Array:
        """(units, units): X'X of the rows as they were."""
        shift = np.zeros(self.units) if self._shift is None else self._shift
        crossed: Array = np.outer(shift, self._sums)
        found: Array = self._products + crossed + crossed.T + self.count * np.outer(shift, shift)
        return found

    def covariance(self) -> Array:
        """(units, units), divided by the number of rows; 0 for units that never change."""
        mean = _mean(self._sums, np.asarray(self.count))
        found: Array = self._products / max(self.count, 1)
        for start in range(0, self.units, 512):  # never a third matrix of this size
            found[start : start + 512] -= np.outer(mean[start : start + 512], mean)
        found[self.constant] = 0
        found[:, self.constant] = 0
        return found

    def correlation(self) -> Array:
        """(units, units): Pearson's r; 0 for units that never change, and 1 on the diagonal."""
        found = self.covariance()
        deviations = np.sqrt(np.diagonal(found))
        found /= np.where(deviations > 0, deviations, 1)[:, None]
        found /= np.where(deviations > 0, deviations, 1)[None, :]
        np.clip(found, -1, 1, out=found)
        np.fill_diagonal(found, 1)
        return found


def _blocks(X: Array) -> Iterator[Array]:
    step = max(1, _PRODUCTS // max(X.shape[1], 1))
    for start in range(0, len(X), step):
        yield widened(X[start : start + step]).astype(np.float64)


def _sums(rows: Array) -> tuple[Array, Array, Array, Array]:
    return rows.sum(0), np.einsum("ij,ij->j", rows, rows), rows.min(0), rows.max(0)


def _take_in(own: Iterable[Array], other: tuple[Array, ...]) -> None:
    sums, squares, minima, maxima = own
    sums += other[0]
    squares += other[1]
    np.minimum(minima, other[2], out=minima)
    np.maximum(maxima, other[3], out=maxima)


def _mean(sums: Array, count: Array) -> Array:
    with np.errstate(invalid="ignore"):
        found: Array = np.where(count > 0, sums / np.maximum(count, 1), np.nan)
    return found


def _variance(sums: Array, squares: Array, count: Array, constant: Array) -> Array:
    mean = _mean(sums, count)
    found: Array = np.where(constant, 0, np.maximum(_mean(squares, count) - mean * mean, 0))
    return np.where(count > 0, found, np.nan)
