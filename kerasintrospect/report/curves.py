"""From the facts of an ablation curve to its part of a page."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["HEIGHT", "WIDTH", "CurvePart", "build_curve", "ticks_of"]

WIDTH, HEIGHT = 240, 110  # of the plot, in units of the picture
COLOURS = ("a", "b", "c")
MOST = 5  # ticks


@dataclass(frozen=True)
class Line:
    """A line of a curve: its name, its class in the style sheet, its points."""

    name: str
    kind: str
    points: str


@dataclass(frozen=True)
class CurvePart:
    """How the answers change with more and more neurons; `across` and `up` are places of ticks and their names."""

    title: str
    what: str
    changed: str
    lines: tuple[Line, ...]
    across: tuple[tuple[float, str], ...]
    up: tuple[tuple[float, str], ...]
    text: str
    width: int = WIDTH
    height: int = HEIGHT


def build_curve(facts: Mapping[str, Any], changed: str, is_removed: bool = True) -> CurvePart:
    """The part of `NeuronReport.facts["curve"]`; `changed` says what was done to the neurons."""
    title = "Without more and more of them" if is_removed else "With more and more of them changed"
    counts, lines = facts["counts"], facts["lines"]
    values = [value for line in lines.values() for value in line]
    ticks = ticks_of(min(values), max(values))
    low, high = min(ticks[0], *values), max(ticks[-1], *values)
    places = [WIDTH * i / max(len(counts) - 1, 1) for i in range(len(counts))]
    digits = max(0, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9)) + (f"{ticks[1] - ticks[0]:.0e}"[0] not in "125")

    def height(value: float) -> float:
        return float(HEIGHT * (high - value) / (high - low))

    drawn = [Line(name, kind, " ".join(f"{x:.1f},{height(y):.1f}" for x, y in zip(places, lines[key], strict=True)))
             for key, name, kind in _names(lines)]  # fmt: skip
    said = "; ".join(f"{name}: " + ", ".join(f"{count} {value:.3g}" for count, value in zip(counts, line, strict=True))
                     for name, line in lines.items())  # fmt: skip
    up = tuple((height(tick), f"{tick:.{digits}f}".replace("-", "−")) for tick in ticks)
    return CurvePart(title, facts["what"], changed, tuple(drawn), tuple(zip(places, map(str, counts), strict=True)), up, said)


def _names(lines: Iterable[str]) -> Iterable[tuple[str, str, str]]:
    """(key, name, kind) of each line."""
    rankings = [name for name in lines if name != "random" and not name.endswith(" (bottom)")]
    for ranking, colour in zip(rankings, COLOURS * len(rankings), strict=False):
        yield ranking, f"first by {ranking}", colour
        yield f"{ranking} (bottom)", f"last by {ranking}", f"{colour} bottom"
    yield "random", "random neurons", "random"


def ticks_of(low: float, high: float) -> list[float]:
    """Two to five round numbers, from the range and a little beyond it."""
    if high - low < 1e-3 * max(abs(high), abs(low), 1e-3):  # a flat line is drawn as one
        low, high = low - 0.05 * max(abs(low), 1e-2), high + 0.05 * max(abs(high), 1e-2)
    rough = (high - low) / (MOST - 1)
    power: float = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10, 20) if math.ceil(high / (size * power) - 1e-9)
                - math.floor(low / (size * power) + 1e-9) < MOST)  # fmt: skip
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]
