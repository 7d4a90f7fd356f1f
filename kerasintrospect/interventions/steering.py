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
        numbers = np.broadcast_to(np.asarray(given, np.float64), len(place.asked))
    except (TypeError, ValueError) as error:
        kind = InputTypeError if isinstance(error, TypeError) else InputError
        raise kind(f"A unit is steered by a number, or by one for each of the {len(place.asked)} chosen units. "
                   f"Received: {given!r}") from error  # fmt: skip
    if np.ndim(given) and len(place.chosen) < len(place.asked):
        raise InputError(f"A unit is steered by one number. Received: {given!r} for units={place.asked.tolist()}")
    most = np.finfo(place.dtype).max if place.dtype in ("float16", "float64") else np.finfo(np.float32).max
    if not (np.abs(numbers) <= most).all():
        raise InputError(f"A unit is steered by finite numbers that {place.dtype} holds. Received: {given!r}")
    numbers = numbers[np.unique(place.asked, return_index=True)[1]].astype(np.float32)  # in the order of `place.chosen`
    scale, shift = (numbers, 0.0) if factor is not None else (float(add is not None), numbers)
    return lambda rows, where: (scale, shift)
