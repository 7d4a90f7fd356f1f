"""Gradients of many examples with respect to one layer's weights, kept as what they are products of.

The gradient of a Dense layer for one example is sum_t h_t delta_t' (and sum_t delta_t for the bias), with its inputs h and
the gradients delta before its activation at positions t; that of an embedding table has a row per token that occurs. So
the dot product of two gradients is a product of Gram matrices, and no gradient is ever written out. Numpy only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Factors", "Outer", "Rows", "Tokens", "Whole"]

Array = npt.NDArray[Any]
_CELLS = 2**22  # of the largest array that a dot product makes on the way


class Factors(ABC):
    """The gradients of n examples for one layer."""

    @abstractmethod
    def __len__(self) -> int:
        """n."""

    @abstractmethod
    def part(self, start: int, stop: int) -> Factors:
        """Those of a stretch of the examples."""

    @abstractmethod
    def dot(self, other: Any) -> Array:
        """(n, m) float32 dot products with m others of the same layer."""

    @abstractmethod
    def squares(self) -> Array:
        """(n,) float32 squared norms."""


class Outer(Factors):
    """One position per example: the gradient is the outer product of its input and its delta.

    Args:
        h: (n, inputs).
        delta: (n, units).
        bias: Whether the layer has a bias.
    """

    def __init__(self, h: Array, delta: Array, bias: bool) -> None:
        self.h, self.delta, self.bias = h, delta, bias

    @classmethod
    def join(cls, order: Array, parts: Sequence[Sequence[Array]], bias: bool) -> Outer:
        """Chunks put into the order of the examples."""
        h, delta = (np.concatenate(arrays)[order] for arrays in zip(*parts, strict=True))
        return cls(h, delta, bias)

    def __len__(self) -> int:
        return len(self.h)

    def part(self, start: int, stop: int) -> Outer:
        return Outer(self.h[start:stop], self.delta[start:stop], self.bias)

    def dot(self, other: Outer) -> Array:
        found = self.h @ other.h.T
        found += np.float32(self.bias)
        found *= self.delta @ other.delta.T
        return found

    def squares(self) -> Array:
        return (_squares(self.h) + np.float32(self.bias)) * _squares(self.delta)


class Whole(Factors):
    """Small layers read at many positions: the gradient itself, bias and all.

    Args:
        gradient: (n, weights).
    """

    def __init__(self, gradient: Array) -> None:
        self.gradient = gradient

    @classmethod
    def join(cls, order: Array, parts: Sequence[Sequence[Array]], bias: bool) -> Whole:
        """Chunks put into the order of the examples."""
        return cls(np.concatenate([gradient for (gradient,) in parts])[order])

    def __len__(self) -> int:
        return len(self.gradient)

    def part(self, start: int, stop: int) -> Whole:
        return Whole(self.gradient[start:stop])

    def dot(self, other: Whole) -> Array:
        return self.gradient @ other.gradient.T

    def squares(self) -> Array:
        return _squares(self.gradient)


class Tokens(Factors):
    """Large layers read at many positions: the factors of every position that has a gradient.

    Args:
        h: (positions, inputs).
        delta: (positions, units).
        starts: (n + 1,) where the positions of each example start; none has no position.
        bias: Whether the layer has a bias.
    """

    def __init__(self, h: Array, delta: Array, starts: Array, bias: bool) -> None:
        self.h, self.delta, self.starts, self.bias = h, delta, starts, bias

    @classmethod
    def join(cls, order: Array, parts: Sequence[Sequence[Array]], bias: bool) -> Tokens:
        """Chunks (examples, positions, ...) put into the order of the examples, without positions that have no gradient."""
        kept = [_kept(delta) for _, delta in parts]
        h, delta = (np.concatenate([a[k] for a, k in zip(arrays, kept, strict=True)]) for arrays in zip(*parts, strict=True))
        places, starts = _ordered(order, np.concatenate([k.sum(1) for k in kept]))
        return cls(h[places], delta[places], starts, bias)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def part(self, start: int, stop: int) -> Tokens:
        starts = self.starts[start : stop + 1]
        inside = slice(starts[0], starts[-1])
        return Tokens(self.h[inside], self.delta[inside], starts - starts[0], self.bias)

    def dot(self, other: Tokens) -> Array:
        found = np.empty((len(self), len(other)), np.float32)
        for mine in self._blocks(_CELLS // 2**14):
            a = self.part(*mine)
            for theirs in other._blocks(_CELLS // len(a.h)):
                b = other.part(*theirs)
                pairs = (a.h @ b.h.T + np.float32(self.bias)) * (a.delta @ b.delta.T)
                sums = np.add.reduceat(np.add.reduceat(pairs, b.starts[:-1], axis=1), a.starts[:-1], axis=0)
                found[slice(*mine), slice(*theirs)] = sums
        return found

    def squares(self) -> Array:
        ones = (self.part(i, i + 1) for i in range(len(self)))
        return np.array([float(one.dot(one)[0, 0]) for one in ones], np.float32)

    def _blocks(self, positions: int) -> Iterator[tuple[int, int]]:
        start = 0
        while start < len(self):
            fits = int(np.searchsorted(self.starts, self.starts[start] + positions, side="right")) - 1
            stop = max(start + 1, fits)
            yield start, stop
            start = stop


class Rows(Factors):
    """A table that is looked up: one row of gradient per different id of an example.

    Args:
        ids: (rows,) ids, all examples one after the other.
        delta: (rows, units), the sum over the positions where the example has the id.
        starts: (n + 1,) where the rows of each example start.
    """

    def __init__(self, ids: Array, delta: Array, starts: Array) -> None:
        self.ids, self.delta, self.starts = ids, delta, starts

    @classmethod
    def join(cls, order: Array, parts: Sequence[Sequence[Array]], bias: bool) -> Rows:
        """Chunks (examples, positions, ...) put into the order of the examples, equal ids of an example added up."""
        kept = [_kept(delta) for _, delta in parts]
        ids, delta = (np.concatenate([a[k] for a, k in zip(arrays, kept, strict=True)]) for arrays in zip(*parts, strict=True))
        places, starts = _ordered(order, np.concatenate([k.sum(1) for k in kept]))
        owners = np.repeat(np.arange(len(order)), np.diff(starts))
        ids, delta = ids[places].astype(np.int64), delta[places]
        pairs, first = np.lexsort((ids, owners)), np.ones(len(ids), bool)
        ids, owners = ids[pairs], owners[pairs]
        first[1:] = (ids[1:] != ids[:-1]) | (owners[1:] != owners[:-1])
        sums = np.add.reduceat(delta[pairs], np.flatnonzero(first), axis=0)
        return cls(ids[first], sums, np.searchsorted(owners[first], np.arange(len(order) + 1)))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def part(self, start: int, stop: int) -> Rows:
        starts = self.starts[start : stop + 1]
        inside = slice(starts[0], starts[-1])
        return Rows(self.ids[inside], self.delta[inside], starts - starts[0])

    def dot(self, other: Rows) -> Array:
        found = np.zeros((len(self), len(other)), np.float32)
        places = other._by_id
        for token, (mine, delta) in self._by_id.items():
            if token in places:
                theirs, others = places[token]
                found[np.ix_(mine, theirs)] += delta @ others.T  # an example has an id once
        return found

    def squares(self) -> Array:
        return np.add.reduceat(_squares(self.delta), self.starts[:-1])

    @cached_property
    def _by_id(self) -> dict[int, tuple[Array, Array]]:
        """id -> (the examples that have it, their rows)."""
        order = np.argsort(self.ids, kind="stable")
        owners = np.repeat(np.arange(len(self)), np.diff(self.starts))[order]
        delta, (tokens, starts) = self.delta[order], np.unique(self.ids[order], return_index=True)
        bounds = [*starts.tolist(), len(order)]
        return {int(t): (owners[a:b], delta[a:b]) for t, a, b in zip(tokens, bounds, bounds[1:], strict=False)}


def _squares(values: Array) -> Array:
    found: Array = np.einsum("ij,ij->i", values, values)
    return found


def _kept(delta: Array) -> Array:
    """(examples, positions): the positions that have a gradient, and the first, so that no example is empty."""
    kept: Array = (delta != 0).any(-1)
    kept[:, 0] = True
    return kept


def _ordered(order: Array, counts: Array) -> tuple[Array, Array]:
    """(where the rows of each example come from, where they go), from the rows per example as they came."""
    first = np.cumsum(counts) - counts
    sizes = counts[order]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    within = np.arange(starts[-1]) - np.repeat(starts[:-1], sizes)
    return np.repeat(first[order], sizes) + within, starts
