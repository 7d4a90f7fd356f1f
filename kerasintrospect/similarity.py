"""Do two layers, or two models, say the same of the same rows? CKA, SVCCA, correlation of units. No framework."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .matrices import batches, constant_units, matrix

if TYPE_CHECKING:
    import pandas

__all__ = ["Similarity", "compare_activations"]

Array = npt.NDArray[Any]
NOISE = 1e-12  # of the largest eigenvalue: below it a direction is rounding
METHODS = ("cka", "svcca", "correlation")


@dataclass(frozen=True, eq=False)
class Similarity:
    """How alike two sets of activations of the same rows are.

    Attributes:
        value: Between 0 and 1. `"cka"`: linear CKA; `"svcca"`: mean canonical correlation of the kept directions;
            `"correlation"`: mean, over the units of X, of the highest |r| with a unit of Y.
        method: `"cka"`, `"svcca"` or `"correlation"`.
        units: Number of units of X and of Y.
        coefficients: `"svcca"`: the canonical correlations, highest first; None otherwise.
        dims: `"svcca"`: directions kept of X and of Y; None otherwise.
        pairs: `"correlation"`: (units of X, units of Y) float32 Pearson's r, NaN where a unit is constant; None otherwise.
        notes: What should be known about the value.
    """

    value: float
    method: str
    units: tuple[int, int]
    coefficients: Array | None = None
    dims: tuple[int, int] | None = None
    pairs: Array | None = None
    notes: tuple[str, ...] = ()

    def __float__(self) -> float:
        return self.value

    def best(self, backwards: bool = False) -> tuple[Array, Array]:
        """(partner, r) of each unit of X: the unit of Y with the highest |r|; -1 and NaN for constant units.

        Args:
            backwards: Of each unit of Y, among those of X.
        """
        pairs = self._pairs().T if backwards else self._pairs()
        strength = np.nan_to_num(np.abs(pairs), nan=-1.0)
        partner = strength.argmax(1)
        found = np.take_along_axis(pairs, partner[:, None], 1)[:, 0]
        return np.where(np.isnan(found), -1, partner), found

    def to_frame(self) -> pandas.DataFrame:
        """`"correlation"`: each unit of X, its partner in Y, r. Otherwise one row: method, value and numbers of units."""
        import pandas

        if self.pairs is None:
            row = {"method": self.method, "value": self.value, "units_x": self.units[0], "units_y": self.units[1]}
            return pandas.DataFrame([row | dict(zip(("dims_x", "dims_y"), self.dims or (), strict=False))])
        partner, r = self.best()
        return pandas.DataFrame({"unit": np.arange(len(r)), "partner": partner, "correlation": r})

    def _pairs(self) -> Array:
        if self.pairs is None:
            raise InputError(f"Partners come with method='correlation'. Received: method={self.method!r}.")
        return self.pairs


def compare_activations(X: Any, Y: Any, method: str = "cka", dims: float = 0.99) -> Similarity:
    """Whether two layers or models say the same of the same rows, by what is the same under rotation, or unit by unit.

    - `"cka"`: linear CKA (Kornblith et al. 2019), |Y'X|^2 / (|X'X| |Y'Y|) of centred X and Y, Frobenius norms. The same after
      rotations and scaling of all units by one factor. High with fewer rows than units, whatever they hold: a note says so.
    - `"svcca"`: singular directions of X and of Y, then the mean of their canonical correlations (Raghu et al. 2017). The
      same after any invertible map of the kept directions.
    - `"correlation"`: Pearson's r of every unit of X with every unit of Y.

    Args:
        X: (n, units) activations; or an iterator of batches of them, such as `store.stream(site)`, read once and never kept.
        Y: (n, other units) activations of the same rows, in the same order; an iterator if X is one.
        method: `"cka"`, `"svcca"` or `"correlation"`.
        dims: Directions for `"svcca"`: an int for that many of each side, or a share of variance below 1, for which each side
            takes as few as hold it.

    Returns:
        `Similarity`, which is also a float: `float(ki.compare_activations(X, Y))`.

    Raises:
        InputError: if the numbers of rows differ, a side is constant or holds NaN, or an option is none of the above.
    """
    if method not in METHODS:
        raise InputError(f"`method` is one of {', '.join(map(repr, METHODS))}. Received: method={method!r}.")
    if isinstance(X, Iterator) != isinstance(Y, Iterator):
        raise InputError("X and Y are two arrays, or two iterators of batches. Received: one of each. Give both the same way.")
    moments = _moments(X, Y, method)
    for name, same in zip("XY", moments.constant, strict=True):
        if same.all():
            raise InputError(f"A comparison takes units that vary. Received: {name} with one value per unit in every row.")
    if method == "correlation":
        return _correlation(moments)
    return _cka(moments) if method == "cka" else _svcca(moments, dims)


@dataclass(frozen=True, eq=False)
class _Moments:
    """Products of centred columns, float64: X'X, Y'Y, X'Y. With fewer rows than units, of centred rows: XX', YY', nothing."""

    xx: Array
    yy: Array
    xy: Array
    units: tuple[int, int]
    constant: tuple[Array, Array]
    rows: int

    def shared(self) -> float:
        """|Y'X|^2, which is also the sum of XX' * YY'."""
        return float((self.xx * self.yy).sum() if not self.xy.size else (self.xy**2).sum())

    def canonical(self, dims: float) -> tuple[Array, tuple[int, int]]:
        """(canonical correlations of the kept directions, how many are kept of each)."""
        (x, x_lengths), (y, y_lengths) = _directions(self.xx, dims), _directions(self.yy, dims)
        products = x.T @ y if not self.xy.size else (x / x_lengths).T @ self.xy @ (y / y_lengths)
        return np.minimum(np.linalg.svd(products, compute_uv=False), 1.0), (x.shape[1], y.shape[1])


def _check_rows(x: int, y: int) -> None:
    if x != y:
        raise InputError(f"X and Y have the same rows in the same order. Received: {x} rows of X and {y} of Y.")


def _moments(X: Any, Y: Any, method: str) -> _Moments:
    if isinstance(X, Iterator):
        return _streamed(X, Y)
    x, y = matrix(X, "X"), matrix(Y, "Y")
    _check_rows(len(x), len(y))
    return _of_rows(x, y) if method != "correlation" and len(x) < max(x.shape[1], y.shape[1]) else _streamed(x, y)


def _streamed(X: Any, Y: Any) -> _Moments:
    """From batches: sums and products less those of the first row, so that large means cost no digits."""
    n, sums, start = 0, None, None
    low: list[Array] = []
    for x, y in _together(batches(X, "X"), batches(Y, "Y")):
        if start is None or sums is None:
            start = [part[0].astype(np.float64) for part in (x, y)]
            low = [np.ones(part.shape[1], bool) for part in (x, y)]
            sums = [np.zeros(part.shape[1]) for part in (x, y)]
            products = [np.zeros((a.shape[1], b.shape[1])) for a, b in ((x, x), (y, y), (x, y))]
        shifted = [part.astype(np.float64) - origin for part, origin in zip((x, y), start, strict=True)]
        for side, part in enumerate(shifted):
            sums[side] += part.sum(0)
            low[side] &= ~part.any(0)
        for total, (a, b) in zip(products, ((0, 0), (1, 1), (0, 1)), strict=True):
            total += shifted[a].T @ shifted[b]
        n += len(x)
    if sums is None or n < 2:
        raise InputError(f"A comparison takes at least two rows. Received: {n}.")
    for total, (a, b) in zip(products, ((0, 0), (1, 1), (0, 1)), strict=True):
        total -= np.outer(sums[a], sums[b] / n)
    xx, yy, xy = products
    return _Moments(xx, yy, xy, (len(xx), len(yy)), (low[0], low[1]), n)


def _together(*sides: Iterator[Array]) -> Iterator[list[Array]]:
    """Parts of the same rows, however long the batches of either side are."""
    seen, parts = 0, [next(side, None) for side in sides]
    while (whole := [part for part in parts if part is not None]) and len(whole) == len(parts):
        size = min(map(len, whole))
        yield [part[:size] for part in whole]
        seen += size
        parts = [part[size:] if len(part) > size else next(side, None) for part, side in zip(whole, sides, strict=True)]
    x, y = (0 if part is None else len(part) + sum(map(len, side)) for part, side in zip(parts, sides, strict=True))
    _check_rows(seen + x, seen + y)


def _of_rows(x: Array, y: Array) -> _Moments:
    products = []
    for part in (x, y):
        wide = part.astype(np.float64) - part[0].astype(np.float64)  # exactly 0 where a unit is constant
        wide -= wide.mean(0)
        products.append(wide @ wide.T)
    units, constant = (x.shape[1], y.shape[1]), (constant_units(x), constant_units(y))
    return _Moments(products[0], products[1], np.zeros((0, 0)), units, constant, len(x))


def _cka(of: _Moments) -> Similarity:
    value = of.shared() / np.linalg.norm(of.xx) / np.linalg.norm(of.yy)
    few = of.rows < max(of.units)
    notes = (f"CKA is high by itself with fewer rows ({of.rows}) than units ({max(of.units)}): compare it with that of "
             "shuffled rows, or give more.",) if few else ()  # fmt: skip
    return Similarity(min(float(value), 1.0), "cka", of.units, notes=notes)


def _svcca(of: _Moments, dims: float) -> Similarity:
    whole = isinstance(dims, int | np.integer) and not isinstance(dims, bool)
    if not (whole and dims >= 1) and not 0 < dims < 1:
        raise InputError(f"`dims` is a number of directions (int) or a share of variance below 1. Received: dims={dims}.")
    coefficients, found = of.canonical(dims)
    notes = []
    if whole and min(found) < dims:
        notes.append(f"X has {found[0]} and Y {found[1]} directions that vary, so that not {dims} of each were compared.")
    if of.rows <= sum(found):
        notes.append(f"Canonical correlations of {found[0]} with {found[1]} directions over {of.rows} rows are high by "
                     "themselves: give more rows or lower `dims`.")  # fmt: skip
    return Similarity(float(coefficients.mean()), "svcca", of.units, coefficients, found, notes=tuple(notes))


def _directions(products: Array, dims: float) -> tuple[Array, Array]:
    """(the kept eigenvectors as columns, the singular value of each)."""
    values, vectors = np.linalg.eigh(products)
    values, vectors = values[::-1], vectors[:, ::-1]
    rank = int((values > NOISE * values[0]).sum())
    share = np.cumsum(values[:rank]) / values[:rank].sum()
    keep = min(int(dims) if dims >= 1 else int((share < dims).sum()) + 1, rank)
    return vectors[:, :keep], np.sqrt(values[:keep])


def _correlation(of: _Moments) -> Similarity:
    lengths = [np.sqrt(np.where(same, np.nan, np.diagonal(own))) for own, same in zip((of.xx, of.yy), of.constant, strict=True)]
    pairs = np.clip(of.xy / lengths[0][:, None] / lengths[1], -1, 1).astype(np.float32)
    lost = [int(same.sum()) for same in of.constant]
    notes = (f"{lost[0]} units of X and {lost[1]} of Y are constant and correlate with nothing.",) if any(lost) else ()
    strength = np.nan_to_num(np.abs(pairs), nan=-1.0).max(1)
    return Similarity(float(strength[~of.constant[0]].mean()), "correlation", of.units, pairs=pairs, notes=notes)
