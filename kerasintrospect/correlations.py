"""How much each unit correlates with each other one, as a distance, in the memory that takes. NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .matrices import constant_units, matrix
from .statistics import Gram

__all__ = ["BLOCK", "Pairs", "correlated"]

Array = npt.NDArray[Any]
BLOCK = 1024  # units that are multiplied with all others in one go
CELLS, PER_CELL = 400, 4  # the most that a picture has on a side, and how many units a cell is drawn from


class Pairs:
    """A number for each pair of m things, as SciPy keeps them: the rows of the upper triangle, one after the other.

    Args:
        values: (m * (m - 1) / 2,) float64.
        m: How many things.
    """

    def __init__(self, values: Array, m: int) -> None:
        self.values, self.m = values, m

    def starts(self, rows: Array) -> Array:
        """Where the values of (row, row + 1), (row, row + 2) ... start."""
        found: Array = rows * (2 * self.m - rows - 1) // 2
        return found

    def between(self, rows: Array, columns: Array) -> Array:
        """(rows, columns) values, 0 of a thing with itself."""
        first, second = np.minimum(rows[:, None], columns), np.maximum(rows[:, None], columns)
        places = self.starts(first) + second - first - 1
        places[first == second] = 0
        found: Array = np.where(first == second, 0.0, self.values[places] if len(self.values) else 0.0)
        return found

    def cells(self, order: Array) -> Array:
        """At most 400 x 400 float32 means of 1 - value, things in this order; of more than 1600 four each stand for a cell."""
        side = min(self.m, CELLS)
        edges = np.linspace(0, self.m, side + 1).astype(int)
        if self.m > PER_CELL * side:
            inside = np.arange(PER_CELL) / PER_CELL
            order = order[(edges[:-1, None] + inside * np.diff(edges)[:, None]).astype(int).ravel()]
            edges = np.arange(side + 1) * PER_CELL
        found = np.empty((side, side), np.float32)
        for row, (start, stop) in enumerate(zip(edges, edges[1:], strict=False)):
            sums = np.add.reduceat(1 - self.between(order[start:stop], order), edges[:-1], axis=1)
            found[row] = sums.mean(0) / np.diff(edges)
        return found


def correlated(X: Any, absolute: bool) -> tuple[Pairs, Array, Array]:
    """(1 - |r| of all pairs of units that are not constant, those units, the constant ones)."""
    if isinstance(X, Gram):
        return _from_gram(X, absolute)
    values = matrix(X)
    same = constant_units(values)
    units = _varying(same)
    m = len(units)
    pairs, scale = Pairs(np.empty(m * (m - 1) // 2), m), _Scale(values, units)
    for start in range(0, m, BLOCK):
        left = scale.block(start)
        strip = np.empty((left.shape[1], m - start), left.dtype)
        for at in range(start, m, BLOCK):
            strip[:, at - start : at - start + BLOCK] = left.T @ (left if at == start else scale.block(at))
        _fill(pairs, strip, start, absolute)
    return pairs, units, np.flatnonzero(same)


class _Scale:
    """Columns with mean 0 and length 1, a block at a time: never a second copy of all activations."""

    def __init__(self, values: Array, units: Array) -> None:
        self.values, self.units = values, units
        self.dtype = np.float64 if values.dtype == np.float64 else np.float32
        self.peaks, self.means, self.norms = (np.empty(len(units)) for _ in range(3))
        for start in range(0, len(units), BLOCK):
            part = slice(start, start + BLOCK)
            wide = values[:, units[part]].astype(np.float64)
            self.peaks[part] = np.abs(wide).max(0)  # so that no square overflows
            wide /= self.peaks[part]
            self.means[part] = wide.mean(0)
            self.norms[part] = np.linalg.norm(wide - self.means[part], axis=0)

    def block(self, start: int) -> Array:
        part = slice(start, start + BLOCK)
        wide = self.values[:, self.units[part]] / self.peaks[part]
        wide -= self.means[part]
        wide /= self.norms[part]
        return wide.astype(self.dtype, copy=False)


def _from_gram(gram: Gram, absolute: bool) -> tuple[Pairs, Array, Array]:
    if gram.count < 2:
        raise InputError(f"A Gram matrix of at least two rows is needed. Received: {gram.count} rows. Add more: gram.add(X).")
    units = _varying(gram.constant)
    whole = gram.correlation()
    bad = np.flatnonzero(~np.isfinite(gram.means))
    if len(bad):
        raise InputError(f"The Gram matrix has seen NaN or infinity. Received: units {bad[:5].tolist()} that hold some. Add "
                         "rows of finite numbers only.")  # fmt: skip
    m = len(units)
    pairs = Pairs(np.empty(m * (m - 1) // 2), m)
    for start in range(0, m, BLOCK):
        _fill(pairs, whole[np.ix_(units[start : start + BLOCK], units[start:])], start, absolute)
    return pairs, units, np.flatnonzero(gram.constant)


def _varying(same: Array) -> Array:
    if len(same) < 2:
        raise InputError("Clusters take at least two units. Received: one unit. Choose a layer with more.")
    if same.all():
        raise InputError(f"Clusters take units that vary. Received: {len(same)} units, each with one value in every row. Give "
                         "more texts, or another site.")  # fmt: skip
    return np.flatnonzero(~same)


def _fill(pairs: Pairs, strip: Array, start: int, absolute: bool) -> None:
    """Correlations of units from `start` on with themselves and all later ones, as distances."""
    far = 1 - (np.abs(strip) if absolute else strip)
    np.maximum(far, 0, out=far)
    for row, begin in enumerate(pairs.starts(np.arange(start, start + len(far)))):
        pairs.values[begin : begin + pairs.m - start - row - 1] = far[row, row + 1 :]
