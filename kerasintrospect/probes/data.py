"""What a probe reads: activations with one label per row, checked once; or their sums alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError, InputTypeError
from ..holdout import missing
from ..matrices import matrix
from ..statistics import Statistics
from ..vectors import widened

__all__ = ["Array", "ProbeData", "activations", "check_seed", "checked_labels", "some_of", "whole"]

Array = npt.NDArray[Any]
_SHOWN = 10  # of many names


class ProbeData:
    """Activations and labels that passed all checks.

    Args:
        X: (n, units) activations, or `Statistics` with sums per label.
        y: (n,) labels; None with `Statistics`.
        regression: Whether the labels are values; None reads it off their type.

    Attributes:
        X: (n, units) float32 or float64, never to be written to; no rows where only sums are known.
        y: (n,) int64 places in `classes`, or float64 values; empty where only sums are known.
        classes: The classes, sorted; None for values.
        only_sums: Whether no more than sums are known.
        low, high: (units,) the least and the greatest activation.
        constant: (units,) bool: units that are the same in every row.
    """

    def __init__(self, X: Any, y: Any, regression: bool | None = None) -> None:
        self.classes: list[Any] | None
        self.only_sums = isinstance(X, Statistics)
        if isinstance(X, Statistics):
            self._from_sums(X, y)
        else:
            self.X = activations(X)
            self.y, self.classes = checked_labels(y, len(self.X), regression)
            self.low, self.high = self.X.min(0), self.X.max(0)
        self.constant: Array = self.high == self.low

    def _from_sums(self, found: Statistics, y: Any) -> None:
        if y is not None:
            raise InputError("Statistics know the labels of their rows. Received: Statistics and y. Leave out y.")
        known = np.flatnonzero(found.counts)
        if len(known) < 2:
            raise InputError("A ranking needs rows of at least two classes. Received: Statistics with rows of "
                             f"{len(known)}. Add rows with labels: statistics.add(X, y).")  # fmt: skip
        if not np.isfinite(found.squares).all():
            raise InputError("Sums have to be finite. Received: Statistics of activations with NaN or infinity in units "
                             f"{np.flatnonzero(~np.isfinite(found.squares))[:5].tolist()}.")  # fmt: skip
        self.classes = [found.classes[of] for of in known]
        self._sums = found.class_means[known], found.counts[known], found.variances
        self.low, self.high = found.minima, found.maxima
        self.X, self.y = np.empty((0, found.units)), np.empty(0, np.int64)

    def __len__(self) -> int:
        return int(self.counts.sum()) if self.only_sums else len(self.X)

    @property
    def units(self) -> int:
        return len(self.low)

    @cached_property
    def counts(self) -> Array:
        """(classes,) rows of each class."""
        return self._sums[1] if self.only_sums else np.bincount(self.y)

    @cached_property
    def means(self) -> Array:
        """(classes, units) float64, the mean activation of each class."""
        if self.only_sums:
            return self._sums[0]
        return np.stack([self.X[self.y == of].mean(0, dtype=np.float64) for of in range(len(self.counts))])

    @cached_property
    def deviations(self) -> Array:
        """(units,) standard deviation over all rows; 1 for a unit that is constant."""
        found = np.sqrt(self._sums[2]) if self.only_sums else self.X.std(0, dtype=np.float64)
        return np.where(self.constant | (found == 0), 1.0, found)

    def scaled(self, rows: Any = slice(None)) -> Array:
        """(rows, units) float64 with mean 0 and standard deviation 1, for methods that would not see a small range."""
        found: Array = (self.X[rows] - self.X.mean(0, dtype=np.float64)) / self.deviations
        return found


def activations(X: Any, name: str = "X") -> Array:
    """X checked, as float32 or float64, not copied where it is that."""
    if hasattr(X, "read") and hasattr(X, "sites"):  # a store
        raise InputTypeError("Neurons are ranked at one site: give X=store.read(site), y=store.labels and, of words, "
                             f"documents=store.documents. Received: X={X!r}. At every site: probe_sites(store).")  # fmt: skip
    values = widened(matrix(X, name))
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def checked_labels(y: Any, n: int, regression: bool | None = None) -> tuple[Array, list[Any] | None]:
    """Labels as places in the sorted classes, and the classes; or values and None.

    Raises:
        InputError: if there is not one label for each of the n rows, all are the same, one is NaN, or they are whole numbers
            in floats, which may be classes as well as values.
        InputTypeError: if they are neither numbers nor strings nor bools, of several kinds, or some are missing.
    """
    labels = _labels(y, n)
    if _are_values(labels, regression):
        values: Array = labels.astype(np.float64)
        if values.min() == values.max():
            raise InputError(f"Values to probe for have to differ. Received: {n} times {values[0]:g}.")
        return values, None
    classes, ids = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"A probe needs labels of at least two classes. Received: {n} times {classes.tolist()[0]!r}.")
    return ids.astype(np.int64), classes.tolist()


def check_seed(seed: Any) -> None:
    """Raises InputError, if it is none that every generator takes."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise InputError(f"`seed` has to be an integer from 0 to 2**32 - 1. Received: seed={seed!r}.")


def whole(**numbers: Any) -> None:
    """Raises InputError, if one of the arguments is no integer of at least 1."""
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
            raise InputError(f"`{name}` has to be an integer of at least 1. Received: {name}={number!r}.")


def some_of(names: Sequence[str]) -> str:
    """The first of many names, and how many more there are."""
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _labels(y: Any, n: int) -> Array:
    """One label per row, all of a kind, as an array of that kind."""
    if isinstance(y, (str, bytes, set, frozenset, dict)) or not (y is None or hasattr(y, "__iter__")):
        raise InputTypeError("`y` has to be a list or an array with one label for each row, in the order of the rows. "
                             f"Received: y of type {type(y).__name__}.")  # fmt: skip
    given: Any = [] if y is None else y if isinstance(y, np.ndarray) and y.dtype.kind in "biufU" else list(y)
    shape = given.shape if isinstance(given, np.ndarray) else np.shape(y) if isinstance(y, np.ndarray) else (len(given),)
    if shape != (n,):
        raise InputError(f"`y` has to hold one label for each of the {n} rows of activations. "
                         f"Received: {'y=None' if y is None else f'shape={shape}'}.")  # fmt: skip
    if isinstance(given, np.ndarray):
        return given
    kinds = [_kind(value) for value in given]
    wanted = next((kind for kind in kinds if kind), "")
    odd = [at for at, kind in enumerate(kinds) if not kind or (kind != wanted and {kind, wanted} != {"int", "float"})]
    if odd:
        lost = [at for at, value in enumerate(given) if missing(value)]
        at = (lost or odd)[0]
        way_out = " Leave out rows without a label: keep = pandas.notna(y); X[keep], numpy.asarray(y)[keep]." if lost else ""
        raise InputTypeError("Labels have to be ints, strings or bools for classes, floats for values, and all of a kind. "
                             f"Received: y[{at}]={given[at]!r} (of type {type(given[at]).__name__}).{way_out}")  # fmt: skip
    return np.asarray(given, str) if wanted == "str" else np.asarray(given)


def _kind(value: Any) -> str:
    """What a label is; empty if it is none."""
    for kind, types in (("bool", (bool, np.bool_)), ("int", (int, np.integer)), ("float", (float, np.floating)), ("str", str)):
        if isinstance(value, types):
            return kind
    return ""


def _are_values(labels: Array, regression: bool | None) -> bool:
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            at = int(np.flatnonzero(~np.isfinite(labels))[0])
            raise InputError(f"Labels have to be finite. Received: y[{at}]={labels[at]}. Drop rows without a label.")
        if regression is None and (labels == np.round(labels)).all():
            raise InputError("Floats that are whole numbers may be classes or values. Received: y of dtype "
                             f"{labels.dtype}. For classes give y.astype(int), for values regression=True.")  # fmt: skip
        if regression is False and (labels != np.round(labels)).any():
            raise InputError("Labels with fractions are values, not classes. Received: regression=False. "
                             "For classes put them into bins: numpy.digitize(y, edges).")  # fmt: skip
        return regression is not False
    if regression and labels.dtype.kind not in "iu":
        raise InputError(f"Values have to be numbers. Received: regression=True and y of dtype {labels.dtype}.")
    return bool(regression)
