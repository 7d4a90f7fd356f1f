"""Arithmetic of vectors in float64: norms, directions, and the distances that are shown."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasintrospect.errors import KerasIntrospectWarning

__all__ = ["directions", "distances", "largest_one", "norms_of", "slices", "squares_of", "widened"]

Array = npt.NDArray[Any]
_AT_ONCE = 2**16  # numbers


def distances(queries: Array, squares: Array, cosine: bool) -> Array:
    """Distances (n, k) float32 of what `Search.ranked` gave; warns of queries without direction."""
    if not cosine:
        return np.minimum(np.sqrt(squares), np.finfo(np.float32).max).astype(np.float32)
    # Below 1e-30 the difference of two unit vectors is the rounding of float64.
    found = np.where(squares < 1e-30, 0, np.minimum(squares / 2, 2)).astype(np.float32)
    blind = np.flatnonzero(~queries.any(1))
    if len(blind):
        warnings.warn(
            "A vector of zeros has no direction: every distance from it is 1. "
            f"Received: {len(blind)} of {len(queries)} queries, the first at {blind[0]}.",
            KerasIntrospectWarning,
            stacklevel=5,
        )
        found[blind] = 1
    return found


def directions(rows: Array) -> Array:
    """Rows by their norms in float64, zeros excepted; the same bits for (1, 2) and (3, 6)."""
    wide = largest_one(rows)
    norms = np.sqrt(squares_of(wide))[:, None]
    np.divide(wide, norms, out=wide, where=norms > 0)
    return wide


def largest_one(rows: Array) -> Array:
    """Division rounds correctly, so that (1, 2) and (3, 6) both give (0.5, 1)."""
    wide = rows.astype(np.float64)
    most = np.abs(wide).max(1, keepdims=True, initial=0)
    np.divide(wide, most, out=wide, where=most > 0)
    return wide


def slices(n: int, units: int) -> Iterator[slice]:
    """Cuts n rows into parts of 2 MB in float64."""
    step = max(1, 2**18 // units)
    return (slice(start, start + step) for start in range(0, n, step))


def squares_of(rows: Array) -> Array:
    squares: Array = np.einsum("ij,ij->i", rows, rows)
    return squares


def norms_of(vectors: Array) -> Array:
    """Norms in float64."""
    parts = (vectors[part].astype(np.float64) for part in slices(*vectors.shape))
    return np.concatenate([np.sqrt(squares_of(part)) for part in parts] or [np.empty(0)])


def widened(values: Array, out: Array | None = None) -> Array:
    """float32 of float16, by a table, which is faster than a cast; anything else as it is. `out` is contiguous."""
    if values.dtype != np.float16:
        return values
    bits = np.ascontiguousarray(values).view(np.uint16).reshape(-1)
    found = np.empty(values.shape, np.float32) if out is None else out
    flat, table = found.reshape(-1), _halves()
    for start in range(0, len(bits), _AT_ONCE):  # the indices of a block stay in the cache
        part = slice(start, start + _AT_ONCE)
        np.take(table, bits[part], out=flat[part], mode="clip")  # without a mode, what goes out is buffered
    return found


@cache
def _halves() -> Array:
    """Every float16 as float32."""
    return np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
