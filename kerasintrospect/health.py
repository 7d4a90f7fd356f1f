"""Units that say nothing: dead, constant or saturated. Numpy only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .matrices import batches

if TYPE_CHECKING:
    import pandas

__all__ = ["NeuronHealth", "dead_neurons"]

Array = npt.NDArray[Any]
BOUNDS = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "softsign": (-1.0, 1.0)}
RECTIFIERS = ("relu", "gelu", "silu", "swish", "elu", "selu")
END = 0.01  # of the width of the range, from either end


@dataclass(frozen=True, eq=False)
class NeuronHealth:
    """What the values of each unit say of it.

    Attributes:
        constant: (units,) bool: one value in every row.
        dead: (units,) bool: never above 0 behind a rectifier; False everywhere for other activations.
        saturated: (units,) bool: at an end of the activation's range in more than `share` of the rows; False for activations
            without ends.
        figures: Arrays (units,) by name: `min`, `max`, `mean`, `std`, `above_zero` (share of rows); with ends also `at_low` and
            `at_high` (shares of rows).
        rows: How many rows were seen.
        activation: What was taken for the activation, or None.
        notes: The criteria, and what should be known.
    """

    constant: Array
    dead: Array
    saturated: Array
    figures: dict[str, Array]
    rows: int
    activation: str | None
    notes: tuple[str, ...] = ()

    @property
    def units(self) -> Array:
        """The units that are dead, constant or saturated."""
        return np.flatnonzero(self.constant | self.dead | self.saturated)

    def to_frame(self) -> pandas.DataFrame:
        """One row per unit: its state (the first that is true of dead, constant, saturated; otherwise alive) and figures."""
        import pandas

        state = np.select([self.dead, self.constant, self.saturated], ["dead", "constant", "saturated"], "alive")
        return pandas.DataFrame({"unit": np.arange(len(state)), "state": state, **self.figures})

    def to_dict(self) -> dict[str, Any]:
        """What a page shows, as JSON can hold it."""
        found = {name: np.flatnonzero(getattr(self, name)).tolist() for name in ("dead", "constant", "saturated")}
        return {"units": len(self.dead), "rows": self.rows, "activation": self.activation, **found, "notes": list(self.notes)}

    def __str__(self) -> str:
        counts = [f"{int(found.sum())} {name}" for name, found in
                  (("dead", self.dead), ("constant", self.constant), ("saturated", self.saturated))]  # fmt: skip
        return "\n".join([f"Of {len(self.dead)} units over {self.rows} rows: {', '.join(counts)}.", *self.notes])


def dead_neurons(
    X: Any, activation: str | None = None, bounds: tuple[float, float] | None = None, share: float = 0.95
) -> NeuronHealth:
    """Which units are dead, constant or saturated.

    - constant: one value in every row.
    - dead: never above 0, behind a rectifier (`"relu"`, `"gelu"`, `"silu"`, `"elu"` ...).
    - saturated: in more than `share` of the rows within 1 % of the range of an end of it, behind `"tanh"`, `"sigmoid"`,
      `"hard_sigmoid"` or `"softsign"`, or between other `bounds`.

    A unit may be all three. Rare concepts look dead in few texts: give as many as you have.

    Args:
        X: (n, units) activations, a row per token, word or example, no padding; or an iterator of batches of them, such as
            `store.stream(site)`.
        activation: Its Keras name. None judges only what needs no name, and takes for a ReLU what has 0 as its least value over
            all units; a note says so.
        bounds: The ends of another bounded activation.
        share: Of rows at an end, above which a unit is saturated.

    Returns:
        `NeuronHealth`.

    Raises:
        InputError: if X holds fewer than two rows, NaN or infinity, or values outside the bounds, or an option is none of
            the above.
    """
    ends = _ends(activation, bounds)
    if not 0 <= share < 1:
        raise InputError(f"`share` is a share of rows from 0 to below 1. Received: share={share}.")
    n, figures = _figures(batches(X), ends)
    if n < 2:
        raise InputError(f"Whether a unit varies takes at least two rows. Received: {n}.")
    low, high = figures["min"], figures["max"]
    notes = []
    if activation is None and ends is None and low.min() == 0 and high.max() > 0:
        activation = "relu"
        notes.append("Taken for a ReLU, because the least value of all is exactly 0. Otherwise name the `activation`.")
    elif activation is None and ends is None:
        notes.append("Without `activation` or `bounds` only constant units are looked for.")
    dead, saturated = np.zeros(len(low), bool), np.zeros(len(low), bool)
    if activation in RECTIFIERS:
        _check_rectifier(activation, low)
        dead = high <= 0
    if ends is not None:
        _check_within(low, high, ends)
        saturated = figures["at_low"] + figures["at_high"] > share
        notes.append(f"Saturated: within {END:.0%} of the range of {ends[0]:g} or {ends[1]:g} in over {share:.0%} of the rows.")
    return NeuronHealth(low == high, dead, saturated, figures, n, activation, tuple(notes))


def _ends(activation: str | None, bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    known = [*BOUNDS, *RECTIFIERS, "linear"]
    if activation is not None and activation not in known:
        raise InputError(f"`activation` is one of {', '.join(map(repr, known))}. Received: activation={activation!r}. Of "
                         "another bounded one give `bounds`.")  # fmt: skip
    if bounds is None:
        return None if activation is None else BOUNDS.get(activation)
    if activation is not None:
        raise InputError(f"Give `activation` or `bounds`. Received: activation={activation!r} and bounds={bounds}.")
    low, high = (float(end) for end in bounds)
    if not low < high or not np.isfinite([low, high]).all():
        raise InputError(f"`bounds` are two numbers, the lower first. Received: bounds={bounds}.")
    return low, high


def _figures(parts: Iterator[Array], ends: tuple[float, float] | None) -> tuple[int, dict[str, Array]]:
    """(rows, figures by unit), from one pass."""
    n, totals, low, high = 0, np.zeros(()), np.array(np.inf), np.array(-np.inf)
    start: Array | None = None
    edge = 0.0 if ends is None else END * (ends[1] - ends[0])
    for part in parts:
        start = part[0].astype(np.float64) if start is None else start
        low, high = np.minimum(low, part.min(0)), np.maximum(high, part.max(0))
        shifted = part - start  # so that large means cost no digits
        counted = [part > 0] if ends is None else [part > 0, part <= ends[0] + edge, part >= ends[1] - edge]
        totals = totals + np.stack([shifted.sum(0), (shifted**2).sum(0), *(those.sum(0) for those in counted)])
        n += len(part)
    if start is None:
        return 0, {}
    mean = totals[0] / n
    spread = np.sqrt(np.maximum(totals[1] / n - mean**2, 0))
    shares = dict(zip(("above_zero", "at_low", "at_high"), totals[2:] / n, strict=False))
    return n, {"min": low, "max": high, "mean": start + mean, "std": spread, **shares}


def _check_rectifier(activation: str | None, low: Array) -> None:
    if activation == "relu" and low.min() < 0:
        raise InputError(f"Values of a ReLU are never below 0. Received: activation='relu' and {low.min():g} in unit "
                         f"{int(low.argmin())}. Read the site behind the activation, or name another.")  # fmt: skip


def _check_within(low: Array, high: Array, ends: tuple[float, float]) -> None:
    slack = 1e-3 * (ends[1] - ends[0])  # float16 and rounding
    if low.min() < ends[0] - slack or high.max() > ends[1] + slack:
        raise InputError(f"Values lie between {ends[0]:g} and {ends[1]:g}. Received: values from {low.min():g} to "
                         f"{high.max():g}. Read the site behind the activation, or give its `bounds`.")  # fmt: skip
