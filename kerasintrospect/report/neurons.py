"""From the facts of neurons to the parts of their page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .cards import NAME, Scored, coloured, visible
from .parts import Piece

__all__ = ["CurvePart", "NeuronPart", "NeuronsPart", "build_neurons"]

Facts = Mapping[str, Any]
LENGTH = 280  # characters of a text
COLOURS = ("a", "b", "c")


@dataclass(frozen=True)
class Line:
    """A line of a curve: its class in the style sheet, its points in percent of the axes."""

    name: str
    kind: str
    points: str


@dataclass(frozen=True)
class CurvePart:
    """How the answers fall with more and more neurons; `ticks` are places in percent and their names."""

    what: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]
    text: str


@dataclass(frozen=True)
class Window:
    """A word in its context."""

    value: str
    before: str
    word: str
    after: str


@dataclass(frozen=True)
class NeuronPart:
    """One neuron.

    Args:
        unit: Its number.
        figures: (name, value, hint) of its effect and ranks.
        up, down: (word, hint) that move it.
        formula: Where it fires, in words; empty if that is not known.
        classes: (name, value, width in percent, "for" or "against") by class.
        bars: Heights of its histogram in percent.
        low, high: The ends of the histogram.
        windows: (part of the distribution, its windows).
        texts: Texts coloured by it.
    """

    unit: int
    figures: tuple[tuple[str, str, str], ...]
    up: tuple[tuple[str, str], ...]
    down: tuple[tuple[str, str], ...]
    formula: str
    classes: tuple[tuple[str, str, float, str], ...]
    bars: tuple[float, ...]
    low: str
    high: str
    windows: tuple[tuple[str, tuple[Window, ...]], ...]
    texts: tuple[tuple[Piece, ...], ...]


@dataclass(frozen=True)
class NeuronsPart:
    """All of a page, or of a section of one."""

    title: str
    lead: str
    notes: tuple[str, ...]
    curve: CurvePart
    neurons: tuple[NeuronPart, ...]
    about: tuple[tuple[str, str], ...]


def build_neurons(facts: Facts) -> NeuronsPart:
    """The parts of `NeuronReport.facts`."""
    rows = {"word": "words", "example": "texts"}[facts["unit"]]
    silent = len(facts["silent"])
    read = f"read on {facts['rows']:,} {rows} of {facts['texts']:,} texts, their effect measured on {facts['tried']:,} texts"
    lead = f"{len(facts['units'])} of {facts['count']:,} neurons, {read}"
    lead += f"; {silent} are dead or constant." if silent else "."
    return NeuronsPart(
        title=visible(facts["title"], 200), lead=lead, notes=tuple(visible(note, 500) for note in facts["notes"]),
        curve=_curve(facts["curve"]), neurons=tuple(_neuron(one, facts) for one in facts["units"]),
        about=(("Model", visible(str(facts["model"]["name"]), NAME)), ("Site", facts["site"]),
               ("kerasintrospect", facts["version"])),
    )  # fmt: skip


def _curve(facts: Facts) -> CurvePart:
    counts = facts["counts"]
    places = [100 * i / max(len(counts) - 1, 1) for i in range(len(counts))]
    rankings = [name for name in facts["lines"] if name != "random" and not name.endswith(" (bottom)")]
    kinds = {"random": "random"}
    for name, colour in zip(rankings, COLOURS * len(rankings), strict=False):
        kinds |= {name: colour, f"{name} (bottom)": f"{colour} bottom"}
    lines = []
    for name, values in facts["lines"].items():
        points = " ".join(f"{x:.1f},{100 * (1 - y):.1f}" for x, y in zip(places, values, strict=True))
        lines.append(Line(name.replace(" (bottom)", ", last first"), kinds[name], points))
    said = "; ".join(f"{name}: " + ", ".join(f"{count} {value:.2f}" for count, value in zip(counts, values, strict=True))
                     for name, values in facts["lines"].items())  # fmt: skip
    return CurvePart(facts["what"], tuple(lines), tuple(zip(places, map(str, counts), strict=True)), said)


def _neuron(one: Facts, facts: Facts) -> NeuronPart:
    histogram = one["distribution"]["histogram"]
    most = max(histogram["counts"]) or 1
    windows: dict[str, list[Window]] = {}
    for row in one["contexts"]:
        parts = [visible(row[name], LENGTH // 2) for name in ("before", "word", "after")]
        windows.setdefault(row["bin"], []).append(Window(f"{row['value']:.2f}", *parts))
    return NeuronPart(
        unit=one["unit"], figures=_figures(one, facts), up=_chips(one["up"]), down=_chips(one["down"]), formula=_formula(one),
        classes=_classes(one["by_class"]), bars=tuple(100 * count / most for count in histogram["counts"]),
        low=f"{histogram['edges'][0]:.2f}", high=f"{histogram['edges'][-1]:.2f}",
        windows=tuple((name, tuple(found)) for name, found in windows.items()), texts=tuple(map(_text, one["coloured"])),
    )  # fmt: skip


def _figures(one: Facts, facts: Facts) -> tuple[tuple[str, str, str], ...]:
    of = "the label" if facts["labelled"] else "the predicted class"
    change = f"{-one['drop']:+.4f}".replace("-", "−")
    found = [("without it", change, f"change of the score of {of} when it is set to its mean")]
    if one["flips"] is not None:
        found.append(("predictions changed", f"{100 * one['flips']:.1f} %", "of the texts"))
    ranks = [(name, rank) for name, rank in one["ranks"].items() if rank]
    return (*found, *((f"rank by {name}", f"{rank} of {facts['count']}", "1 is the first") for name, rank in ranks))


def _chips(words: Sequence[Facts]) -> tuple[tuple[str, str], ...]:
    return tuple((visible(row["word"], 30), f"{row['count']} times, mean {row['mean']:.2f}, score {row['score']:+.2f}")
                 for row in words)  # fmt: skip


def _formula(one: Facts) -> str:
    if not one["formula"]:
        return ""
    held = "" if one["held_out_iou"] is None else f", {one['held_out_iou']:.2f} on texts that were not searched"
    return visible(f"{one['formula']} (IoU {one['iou']:.2f}{held})", 400)


def _classes(rows: Sequence[Facts]) -> tuple[tuple[str, str, float, str], ...]:
    known = [row for row in rows if row["z"] is not None]
    most = max((abs(row["z"]) for row in known), default=0.0) or 1.0
    return tuple((visible(row["name"], NAME), f"{row['z']:+.2f}".replace("-", "−"), 100 * abs(row["z"]) / most,
                  "for" if row["z"] > 0 else "against") for row in known)  # fmt: skip


def _text(row: Facts) -> tuple[Piece, ...]:
    words = [Scored(word["start"], word["end"], word["value"]) for word in row["words"]]
    return coloured(row["text"], words, row["top"], LENGTH)
