"""The RBF kernel of one class, never held as a whole: its column means, and single columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from .base import Picks
from .examples import Array, Examples

__all__ = ["Kernel", "picks_of"]

_BLOCK = 2**22  # entries held at once
_DOUBLE = 4096  # rows up to which the means are computed in float64; float32 errs by 1e-7 of a kernel of 1


class Kernel:
    """k(x, y) = exp(-gamma |x - y|^2) over the members of a class; for cosine between vectors of norm 1.

    Args:
        examples: The examples.
        of: The class.
        gamma: At most the default, one over the mean squared distance of two members, the class is one blob; greater
            values look closer.

    Attributes:
        rows: (m,) the members, as rows of the index.
        means: (m,) mean of each row of the kernel: how typical a member is.
    """

    def __init__(self, examples: Examples, of: int, gamma: float | None) -> None:
        if gamma is not None and not 0 < gamma < np.inf:
            raise InputError(f"`gamma` has to be a number above 0. Received: gamma={gamma!r}.")
        self.rows = examples.members(of)
        points = examples.points(self.rows)
        self._points = points - points.mean(0)
        spread = 2 * np.einsum("ij,ij->", self._points, self._points) / len(points)
        self._points *= np.sqrt(gamma if gamma is not None else 1 / spread if spread > 0 else 1.0)
        self._squares = np.einsum("ij,ij->i", self._points, self._points)
        self.means = self._means()
        centre = points.mean(0, keepdims=True).astype(np.float32)
        self.distances = examples.measure(centre, self.rows[None])[0]

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, i: int) -> Array:
        """(m,) the kernel of all members with member i."""
        square = self._squares + self._squares[i] - 2 * (self._points @ self._points[i])
        near: Array = np.exp(-np.maximum(square, 0))
        return near

    def _means(self) -> Array:
        """Upper triangle in blocks: the kernel is symmetric."""
        m, sums = len(self), np.zeros(len(self))
        dtype = np.float64 if m <= _DOUBLE else np.float32
        points, halves = self._points.astype(dtype), (self._squares / 2).astype(dtype)
        step = max(1, min(m, int(_BLOCK**0.5)))
        for top in range(0, m, step):
            left = slice(top, top + step)
            for start in range(top, m, step):
                right = slice(start, start + step)
                block = points[left] @ points[right].T
                block -= halves[left, None]
                block -= halves[None, right]
                np.exp(np.minimum(block, 0, out=block) * dtype(2), out=block)
                sums[left] += block.sum(1, dtype=np.float64)
                if start > top:
                    sums[right] += block.sum(0, dtype=np.float64)
        return sums / m


def picks_of(found: Sequence[tuple[Kernel, list[int], Array | None]], k: int) -> Picks:
    """One row per class of the members chosen there; weights, if any, beside them."""
    shape = len(found), k
    indices, distances, weights = np.full(shape, -1), np.full(shape, np.nan), np.full(shape, np.nan)
    for i, (kernel, chosen, given) in enumerate(found):
        some = slice(0, len(chosen))
        indices[i, some], distances[i, some] = kernel.rows[chosen], kernel.distances[chosen]
        if given is not None:
            weights[i, some] = given
    return Picks(indices, distances, None if any(given is None for _, _, given in found) else weights)
