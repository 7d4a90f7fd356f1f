"""Rows of activations: checked, and read in batches. Numpy only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError, InputTypeError

__all__ = ["batches", "constant_units", "matrix"]

Array = npt.NDArray[Any]
ROWS = 4096  # looked at in one go
SHOWN = 5


def matrix(X: Any, name: str = "X", rows: int = 2) -> Array:
    """X as an (n, units) array of floats, not copied where it is one.

    Args:
        X: (n, units) numbers: a row per token, word or example.
        name: What the errors call it.
        rows: How many there must be.

    Raises:
        InputTypeError: if it holds no real numbers.
        InputError: if it has another shape or fewer rows, or holds NaN or infinity.
    """
    found = np.asarray(X)
    if found.dtype.kind not in "fiub":
        raise InputTypeError(f"`{name}` holds real numbers, a row per token, word or example and a column per unit. "
                             f"Received: {name} of dtype {found.dtype}.")  # fmt: skip
    if found.ndim != 2:
        raise InputError(f"`{name}` has two axes, rows and units. Received: {name} of shape {found.shape}. Of activations per "
                         "token take those that are no padding: `acts[site][acts.mask]`.")  # fmt: skip
    if len(found) < rows or not found.shape[1]:
        raise InputError(f"`{name}` has at least {rows} rows and one unit. Received: {name} of shape {found.shape}. Give "
                         "the activations of more texts.")  # fmt: skip
    values: Array = found if found.dtype.kind == "f" else found.astype(np.float64)
    _check_finite(values, name)
    return values


def batches(X: Any, name: str = "X") -> Iterator[Array]:
    """The checked batches of X: its own, if it is an iterator of them or, as a store streams, of (slice, batch)."""
    if isinstance(X, Iterator):
        units = None
        for batch in X:
            part = matrix(batch[1] if isinstance(batch, tuple) else batch, name, rows=1)
            if units is not None and part.shape[1] != units:
                raise InputError(f"The batches of `{name}` have the same units. Received: {units} units, then {part.shape[1]}.")
            units = part.shape[1]
            yield part
    else:
        whole = matrix(X, name)
        for start in range(0, len(whole), ROWS):
            yield whole[start : start + ROWS]


def constant_units(X: Array) -> Array:
    """(units,) whether a unit has the same value in every row."""
    same: Array = X.max(0) == X.min(0)
    return same


def _check_finite(X: Array, name: str) -> None:
    for start in range(0, len(X), ROWS):
        part = X[start : start + ROWS]
        if not np.isfinite(part.sum(dtype=np.float64)):
            bad = ~np.isfinite(part)
            if bad.any():  # otherwise the sum overflowed, and no value is at fault
                rows, units = np.flatnonzero(bad.any(1)) + start, np.flatnonzero(bad.any(0))
                raise InputError(f"`{name}` holds finite numbers only. Received: NaN or infinity in {_listed('row', rows)} and "
                                 f"{_listed('unit', units)} of {name}. Leave these rows out, or look for the layer that "
                                 "overflows.")  # fmt: skip


def _listed(what: str, places: Array) -> str:
    shown = ", ".join(str(place) for place in places[:SHOWN])
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    return f"{what}{'s' if len(places) > 1 else ''} {shown}{more}"
