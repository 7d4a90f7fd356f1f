"""Sums over the rows of activations, of all rows and of each label: what the cheap rankings need, in one pass.

Numpy only. Sums are float64; memory is that of the sums, however many rows there were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .vectors import widened

__all__ = ["Gram", "Statistics"]

Array = npt.NDArray[Any]
_BLOCK = 2**19  # numbers that are made float64 at once for sums, 4 MB: they stay in the cache
_LOST = 1e-4  # of the squares, below which a spread is what is left of large numbers
_PRODUCTS = 2**21  # and for products, which want many rows


class Statistics:
    """Count, sum, sum of squares, least and greatest value of every unit, also of the rows of each label.

    Squares are taken relative to the mean of their rows, and merged exactly, so that large means cost no digits.

    Args:
        units: The number of units.
        classes: The labels in their order; empty for rows without labels.

    Attributes:
        count: Rows.
        sums: (units,) float64; as `squares`.
        minima: (units,) as `maxima`; of no rows inf and -inf.
        counts: (classes,) rows of each label.
        class_sums: (classes, units) float64; as `class_minima` and `class_maxima`.

    Example:
        >>> found = Statistics(2, ["no", "yes"]).add([[1, 2], [3, 4]], ["yes", "no"])
        >>> found.means, found.class_means[0]
        (array([2., 3.]), array([3., 4.]))
    """

    def __init__(self, units: int, classes: Sequence[Any] = ()) -> None:
        self.units, self.classes = int(units), list(classes)
        self._ids = {label: i for i, label in enumerate(self.classes)}
        self._groups = _Groups.empty(len(self.classes) + 1, self.units)  # the last is that of rows without a label
        self.counts, self.class_sums, _, self.class_minima, self.class_maxima = (each[:-1] for each in self._groups)

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
        known = np.full(len(X), -1) if ids is None or not self.classes else np.asarray(ids)
        order = None if (known == -1).all() else np.argsort(known, kind="stable")
        step = max(1, _BLOCK // max(self.units, 1))
        for start in range(0, len(X), step):
            part = slice(start, start + step) if order is None else order[start : start + step]
            labels = known[part]
            starts = np.zeros(1, int) if order is None else np.flatnonzero(np.diff(labels, prepend=labels[0] - 1))
            with np.errstate(over="ignore", invalid="ignore"):  # who keeps sums says that rows are not finite
                self._groups.take_in(labels[starts], _of_rows(widened(X[part]), starts))
        return self

    def _indices(self, y: npt.ArrayLike) -> Array:
        given = np.asarray(y, object).ravel() if not isinstance(y, np.ndarray) else y.ravel()
        try:
            return np.array([-1 if label is None else self._ids[label] for label in given.tolist()], np.int64)
        except (KeyError, TypeError) as error:
            raise InputError(f"The labels are {self.classes[:10]}. Received: a label {error}.") from error

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
            both._groups.take_in(np.arange(len(self.classes) + 1), one._groups)
        return both

    @property
    def count(self) -> int:
        return int(self._groups.counts.sum())

    @property
    def sums(self) -> Array:
        return self._groups.together().sums.ravel()

    @property
    def squares(self) -> Array:
        whole = self._groups.together()
        return np.ravel(whole.spreads + whole.sums * whole.sums / max(self.count, 1))

    @property
    def minima(self) -> Array:
        return self._groups.together().minima.ravel()

    @property
    def maxima(self) -> Array:
        return self._groups.together().maxima.ravel()

    @property
    def means(self) -> Array:
        """(units,) float64."""
        return _mean(self.sums, np.asarray(self.count))

    @property
    def variances(self) -> Array:
        """(units,) float64, divided by the number of rows; exactly 0 for units that never change."""
        return self._groups.together().variances.ravel()

    @property
    def class_means(self) -> Array:
        """(classes, units) float64; NaN for a label without rows."""
        return _mean(self.class_sums, self.counts[:, None])

    @property
    def class_variances(self) -> Array:
        """(classes, units) float64."""
        return self._groups.variances[:-1]

    def arrays(self) -> dict[str, Array]:
        """Everything but the classes, for a file: a row for each label, and one for rows without."""
        return self._groups._asdict()

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array], classes: Sequence[Any]) -> Statistics:
        """The way back."""
        made = cls(arrays["sums"].shape[1], classes)
        for own, value in zip(made._groups, _Groups(**arrays), strict=True):
            own[...] = value
        return made

    def __repr__(self) -> str:
        return f"Statistics({self.count} rows, {self.units} units, {len(self.classes)} classes)"


class _Groups(NamedTuple):
    """Sums of several groups of rows."""

    counts: Array  # (groups,)
    sums: Array  # (groups, units), as what follows
    spreads: Array  # squared differences from the mean
    minima: Array
    maxima: Array

    @classmethod
    def empty(cls, groups: int, units: int) -> _Groups:
        numbers = (np.full((groups, units), value) for value in (0.0, 0.0, np.inf, -np.inf))
        return cls(np.zeros(groups, np.int64), *numbers)

    def take_in(self, places: Array, other: _Groups) -> None:
        """Adds groups to those at some places, which are all different."""
        own, new, sums = self.counts[places, None], other.counts[:, None], self.sums[places]
        apart = sums / np.maximum(own, 1) - other.sums / np.maximum(new, 1)
        apart *= apart
        apart *= own * new / np.maximum(own + new, 1)  # what the difference of two means adds
        apart += other.spreads
        self.spreads[places] += apart
        sums += other.sums
        self.sums[places] = sums
        self.counts[places] += other.counts
        self.minima[places] = np.minimum(self.minima[places], other.minima)
        self.maxima[places] = np.maximum(self.maxima[places], other.maxima)

    def together(self) -> _Groups:
        """All as one group."""
        counts, count, sums = self.counts[:, None], self.counts.sum(), self.sums.sum(0)
        with np.errstate(invalid="ignore"):
            apart = self.sums / np.maximum(counts, 1) - sums / max(count, 1)
            spreads = (self.spreads + counts * apart * apart).sum(0)
        return _Groups(*(each[None] for each in (count, sums, spreads, self.minima.min(0), self.maxima.max(0))))

    @property
    def variances(self) -> Array:
        counts = self.counts[:, None]
        return np.where(counts > 0, np.where(self.minima == self.maxima, 0, self.spreads / np.maximum(counts, 1)), np.nan)


def _of_rows(rows: Array, starts: Array) -> _Groups:
    """Groups of consecutive rows."""
    wide, counts = rows.astype(np.float64), np.append(starts[1:], len(rows)) - starts
    found = _Groups(counts, *np.empty((4, len(starts), rows.shape[1])))
    for i, (start, count) in enumerate(zip(starts, counts, strict=True)):
        narrow, group = rows[start : start + count], wide[start : start + count]
        found.minima[i], found.maxima[i], found.sums[i] = narrow.min(0), narrow.max(0), group.sum(0)
        np.einsum("ij,ij->j", group, group, out=found.spreads[i])
    means, squares = found.sums / counts[:, None], found.spreads.copy()
    np.subtract(squares, means * found.sums, out=found.spreads)
    lost = (found.spreads < _LOST * squares) & (found.minima < found.maxima)
    for i in np.flatnonzero(lost.any(1)).tolist():  # a second pass, where the mean is far larger than the spread
        units = np.flatnonzero(lost[i])
        apart = wide[starts[i] : starts[i] + counts[i], units] - means[i, units]
        found.spreads[i, units] = np.einsum("ij,ij->j", apart, apart)
    found.spreads[found.minima == found.maxima] = 0
    return found


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


def _mean(sums: Array, count: Array) -> Array:
    with np.errstate(invalid="ignore"):
        found: Array = np.where(count > 0, sums / np.maximum(count, 1), np.nan)
    return found
