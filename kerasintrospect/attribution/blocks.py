"""Values per position of all examples, put together from chunks that were cut to their own length."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..errors import InputError, KerasIntrospectWarning, TargetError
from ..inputs import Arranged

__all__ = ["Blocks", "check_positions", "is_other", "mask_of", "start_of"]


class Blocks(dict[Any, tuple[np.ndarray, np.ndarray]]):
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


def is_other(value: np.ndarray, mask: np.ndarray | None) -> bool:
    """Whether a sequence has other positions than the tokens."""
    return mask is not None and value.ndim > 2 and value.shape[1] != mask.shape[1]


def mask_of(value: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """(examples, positions or units) bool for one site of one chunk; the very `mask` where the positions are tokens."""
    aligned = value.ndim > 2 and mask is not None and not is_other(value, mask)
    return mask if aligned and mask is not None else np.ones(value.shape[:2], bool)


def start_of(given: Any, value: np.ndarray, rows: np.ndarray, columns: slice, arranged: Arranged) -> np.ndarray:
    """A baseline in the shape of the activation of some examples.

    Args:
        given: A number, or an array of one value per unit, per position and unit, or per example, position and unit.
        value: (rows, positions, units) or (rows, units).
        rows: Row numbers.
        columns: Which of all token positions the chunk holds.
        arranged: All examples.

    Raises:
        InputError: if it is no number, or of another shape.
    """
    try:
        start = np.asarray(0.0 if given is None else given, np.float32)
        if start.ndim == value.ndim and len(start) == len(arranged) > 1:
            start = start[rows]
        if value.ndim > 2 and start.ndim > 1 and start.shape[-2] == arranged.width != value.shape[1]:
            start = start[..., columns, :]
        return np.broadcast_to(start, value.shape).copy()
    except (ValueError, TypeError) as error:
        shape = (len(arranged), *value.shape[1:])
        raise InputError(f"A baseline is a number, or an array that fits the activation of shape {shape}. Received: shape "
                         f"{np.shape(given)}") from error  # fmt: skip


def check_positions(target: Any, arranged: Arranged, shape: tuple[int | None, ...]) -> None:
    """Warns of (position, class) targets that stand at padding.

    Raises:
        TargetError: if an output of open length has no such position.
    """
    if callable(target) or target.shape[1] < 2:
        return
    widest = max((leaf.shape[1] for leaf in arranged.leaves if leaf.ndim > 1 and leaf.dtype.kind not in "OSU"), default=None)
    if shape[1] is None and widest is not None and target[:, 0].max() >= widest:
        raise TargetError(f"The inputs have the positions 0 to {widest - 1}. Received: position={target[:, 0].max()}")
    if arranged.mask is None or shape[1] not in (None, arranged.width):
        return
    padded = np.flatnonzero(~arranged.mask[np.arange(len(arranged)), target[:, 0]])
    if len(padded):
        warnings.warn(f"{len(padded)} targets stand at padding, the first that of example {padded[0]}: there the model speaks "
                      "of no token.", KerasIntrospectWarning, stacklevel=5)  # fmt: skip
