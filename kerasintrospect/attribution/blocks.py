"""Values per position of all examples, put together from chunks that were cut to their own length."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

__all__ = ["Blocks"]


class Blocks(dict[Hashable, tuple[np.ndarray, np.ndarray]]):
    """Site, or number, to ((n, positions, ...) float32, 0 where nothing was put, and (n, positions) bool).

    Args:
        count: Examples.
        width: Token positions of the padded examples; None without any.
    """

    def __init__(self, count: int, width: int | None) -> None:
        super().__init__()
        self._count, self._width = count, width or 0

    def put(self, key: Any, rows: np.ndarray, values: np.ndarray, mask: np.ndarray, columns: slice | None = None) -> None:
        """Puts the values of some examples, 0 where the mask is False.

        Args:
            key: The block.
            rows: Row numbers.
            values: (rows, positions, ...).
            mask: (rows, positions) bool, False at padding.
            columns: Where the positions stand among those of the tokens; None if they are all that the block has.
        """
        shape = (self._count, values.shape[1] if columns is None else self._width)
        if key not in self:
            self[key] = np.zeros((*shape, *values.shape[2:]), np.float32), np.zeros(shape, bool)
        kept = mask.reshape(*mask.shape, *[1] * (values.ndim - 2))
        for whole, part in zip(self[key], (np.where(kept, values, 0), mask), strict=True):
            whole[rows] = 0
            whole[rows, columns or slice(None)] = part
