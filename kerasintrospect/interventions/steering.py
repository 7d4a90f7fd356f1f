"""Steering: units are multiplied, set, or pushed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError
from .base import Change, registry
from .place import Place


@registry.register("steer")
def steer(place: Place, factor: float | None = None, value: Any = None, add: Any = None) -> Change:
    """x = factor * x, x = value, or x = x + add."""
    given = next(x for x in (factor, value, add) if x is not None)
    try:
        numbers = np.asarray(given, np.float32)
        np.broadcast_to(numbers, len(place.chosen))
    except (TypeError, ValueError) as error:
        kind = InputTypeError if isinstance(error, TypeError) else InputError
        raise kind(f"A unit is steered by a number, or by one for each of the {len(place.chosen)} chosen units. "
                   f"Received: {given!r}") from error  # fmt: skip
    if not np.isfinite(numbers).all():
        raise InputError(f"A unit is steered by finite numbers. Received: {given!r}")
    scale, shift = (numbers, 0.0) if factor is not None else (float(add is not None), numbers)
    return lambda rows, where: (scale, shift)
