"""The points of the paths of a chunk, one row each, laid out so that XLA sees few shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Points"]


@dataclass(frozen=True)
class Points:
    """As many rows as examples times points.

    Attributes:
        owner: (rows,) int32, the example that each row is made from.
        alpha: (rows,) float32, where on its path it stands.
        weight: (rows,) float32, what it counts in sums.
    """

    owner: np.ndarray
    alpha: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, count: int, alphas: ArrayLike, weights: ArrayLike = 1.0) -> Points:
        """The same points for every one of `count` examples; the weights are 1 where nothing is summed over points."""
        pair = np.broadcast_arrays(np.asarray(alphas, np.float32), np.asarray(weights, np.float32))
        return cls(np.repeat(np.arange(count, dtype=np.int32), len(pair[0])), *(np.tile(values, count) for values in pair))

    def __len__(self) -> int:
        return len(self.owner)

    def level(self, arrays: Any) -> tuple[Points, Any]:
        """The points, and a nest of arrays per example or per row, all as long as the next of few sizes.

        What is added stands behind and belongs to an example that is added, so it changes no sum.
        """
        import tensorflow as tf

        step = max(1, (1 << (len(self).bit_length() - 1)) // 16)
        size = -(-len(self) // step) * step

        def fill(array: np.ndarray) -> np.ndarray:
            return np.concatenate([array, np.repeat(array[-1:], size - len(array), 0)])

        owner = np.concatenate([self.owner, np.full(size - len(self), size - 1, np.int32)])
        return Points(owner, fill(self.alpha), fill(self.weight)), tf.nest.map_structure(fill, arrays)
