"""From the facts of neurons to the parts of their page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .cards import NAME, Scored, coloured, visible
from .curves import CurvePart, build_curve
from .guides import CHANGED, ROWS, build_guide, is_removed
from .parts import Piece

__all__ = ["NeuronPart", "NeuronsPart", "TextsPart", "build_neurons", "build_texts"]

Facts = Mapping[str, Any]
LENGTH = 280  # characters of a text
MOST_SITES = 6  # named on a page


@dataclass(frozen=True)
class Window:
    """A word in its context; of a whole text, no word."""

    value: str
    before: str
    word: str
    after: str


@dataclass(frozen=True)
class NeuronPart:
    """One neuron.

    Args:
        unit: Its number.
        figures: (name, value) of its effect and ranks.
        up, down: (word, how often it occurs) that move it.
        formula: Where it fires, in words; empty if that is not known.
        classes: (name, value, width in percent, "for" or "against") by class.
        bars: Heights of its histogram in percent.
        low, high: The ends of the histogram.
        windows: (part of the distribution, its windows).
        texts: Texts coloured by it.
        ends: (name, whole texts) where it is highest and lowest, at sites with one value per text.
    """

    unit: int
    figures: tuple[tuple[str, str], ...]
    up: tuple[tuple[str, str], ...]
    down: tuple[tuple[str, str], ...]
    formula: str
    classes: tuple[tuple[str, str, float, str], ...]
    bars: tuple[float, ...]
    low: str
    high: str
    windows: tuple[tuple[str, tuple[Window, ...]], ...]
    texts: tuple[tuple[Piece, ...], ...]
    ends: tuple[tuple[str, tuple[Window, ...]], ...]


@dataclass(frozen=True)
class NeuronsPart:
    """All of a page, or of a section of one."""

    title: str
    lead: str
    notes: tuple[str, ...]
    guide: tuple[tuple[str, tuple[Piece, ...]], ...]
    row: str
    curve: CurvePart
    neurons: tuple[NeuronPart, ...]
    about: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class TextsPart:
    """Texts coloured by one neuron; each with its value, where it has one as a whole."""

    title: str
    legend: tuple[Piece, ...]
    notes: tuple[str, ...]
    texts: tuple[tuple[str, tuple[Piece, ...]], ...]


def build_neurons(facts: Facts) -> NeuronsPart:
    """The parts of `NeuronReport.facts`."""
    row, texts = ROWS[facts["unit"]], f"{facts['texts']:,} texts"
    read = texts if row == "text" else f"{facts['rows']:,} {row}s of {texts}"
    lead = f"{len(facts['units'])} of {facts['count']:,} neurons, read on {read}."
    silent = len(facts["silent"])
    lead += f" {silent} of all are dead or constant." if silent else ""
    return NeuronsPart(
        title=visible(facts["title"], 200), lead=f"{lead} {_about_site(facts)}",
        notes=tuple(visible(note, 500) for note in facts["notes"]), guide=build_guide(facts), row=row,
        curve=build_curve(facts["curve"], CHANGED.get(facts["edit"], ("", "changed"))[1], is_removed(facts)),
        neurons=tuple(_neuron(one, facts) for one in facts["units"]),
        about=(("Model", visible(str(facts["model"]["name"]), NAME)), ("Site", visible(facts["site"], 200)),
               ("kerasintrospect", facts["version"])),
    )  # fmt: skip


def _about_site(facts: Facts) -> str:
    """Why this layer, and which others there are."""
    site, others = visible(facts["site"], 200), [visible(name, 200) for name in facts["other_sites"]]
    why = "" if facts["site_given"] else (
        f"No site was named, so the page is about {site}: "
        + ("the input of the last layer, as no layer has a vector per word. " if facts["unit"] == "example"
           else "the last layer with a vector per word. "))  # fmt: skip
    more = f" and {len(others) - MOST_SITES} more" if len(others) > MOST_SITES else ""
    return why + (f"Other sites of this model: {', '.join(others[:MOST_SITES])}{more}." if others else "")


def _neuron(one: Facts, facts: Facts) -> NeuronPart:
    histogram, is_whole = one["distribution"]["histogram"], facts["unit"] == "example"
    most = max(histogram["counts"]) or 1
    return NeuronPart(
        unit=one["unit"], figures=_figures(one, facts), up=_chips(one["up"]), down=_chips(one["down"]), formula=_formula(one),
        classes=_classes(one["by_class"]), bars=tuple(100 * count / most for count in histogram["counts"]),
        low=_value(histogram["edges"][0]), high=_value(histogram["edges"][-1]), windows=_windows(one, is_whole),
        texts=() if is_whole else tuple(_text(row, one["middle"], one["scale"], LENGTH) for row in one["coloured"]),
        ends=_ends(one) if is_whole else (),
    )  # fmt: skip


def _value(number: float) -> str:
    return f"{round(number, 2) + 0.0:.2f}".replace("-", "−")  # no zero has a sign


def _signed(number: float, digits: int) -> str:
    return f"{number:+.{digits}f}".replace("-", "−")


def _figures(one: Facts, facts: Facts) -> tuple[tuple[str, str], ...]:
    of = "label" if facts["labelled"] else "predicted class"
    of = "score" if facts["regression"] else f"{facts['measure']} of the {of}"
    found = [(f"{of} {'without it' if is_removed(facts) else 'with it changed'}", _signed(-one["drop"], 4))]
    if one["flips"] is not None:
        found.append(("predictions changed", f"{100 * one['flips']:.1f} % of the texts"))
    ranks = [(name, rank) for name, rank in one["ranks"].items() if rank]
    return (*found, *((f"rank by {name}", f"{rank} of {facts['count']}") for name, rank in ranks))


def _chips(words: Sequence[Facts]) -> tuple[tuple[str, str], ...]:
    return tuple((visible(row["word"], 30), f"{row['count']:,}") for row in words)


def _formula(one: Facts) -> str:
    if not one["formula"]:
        return ""
    held = "" if one["held_out_iou"] is None else f"; {one['held_out_iou']:.2f} on texts that were not searched"
    return visible(f"{one['formula']} (IoU {one['iou']:.2f}{held})", 400)


def _classes(rows: Sequence[Facts]) -> tuple[tuple[str, str, float, str], ...]:
    known = [row for row in rows if row["z"] is not None]
    most = max((abs(row["z"]) for row in known), default=0.0) or 1.0
    return tuple((visible(row["name"], NAME), _signed(row["z"], 2), 100 * abs(row["z"]) / most,
                  "for" if row["z"] > 0 else "against") for row in known)  # fmt: skip


def _windows(one: Facts, is_whole: bool) -> tuple[tuple[str, tuple[Window, ...]], ...]:
    """The bins from the highest on, named by the share of all values that they hold."""
    bins, found = one["bins"], []
    total = sum(part["count"] for part in bins) or 1
    for i, part in enumerate(bins):
        place = "highest" if i == 0 else "lowest" if i == len(bins) - 1 else "next"
        name = f"The {place} {100 * part['count'] / total:.2g} %"
        rows = [row for row in one["contexts"] if row["bin"] == part["bin"]]
        found.append((name, tuple(_window(row, is_whole) for row in rows)))
    return tuple(found)


def _window(row: Facts, is_whole: bool) -> Window:
    before, word, after = (visible(row[name], LENGTH // 2) for name in ("before", "word", "after"))
    return Window(_value(row["value"]), visible(row["word"], LENGTH) if is_whole else before, "" if is_whole else word, after)


def _ends(one: Facts) -> tuple[tuple[str, tuple[Window, ...]], ...]:
    rows = [row for row in one["coloured"] if row["value"] is not None]
    sides = (("Texts where it is highest", [row for row in rows if row["value"] >= one["middle"]]),
             ("Texts where it is lowest", [row for row in rows if row["value"] < one["middle"]]))  # fmt: skip
    return tuple((name, tuple(Window(_value(row["value"]), visible(row["text"], LENGTH), "", "") for row in side))
                 for name, side in sides if side)  # fmt: skip


def _text(row: Facts, middle: float, scale: float, limit: int) -> tuple[Piece, ...]:
    """A text with its words coloured, or as a whole; its tokens, where nobody knows where they stand in it."""
    text, words = row["text"], row["words"]
    if row["value"] is not None:
        return coloured(text, [Scored(0, len(text), row["value"] - middle)], scale, limit)
    if words and all(word["start"] < 0 for word in words):
        text, at = " ".join(word["word"] for word in words), 0
        places = []
        for word in words:
            places.append((at, at + len(word["word"])))
            at += len(word["word"]) + 1
    else:
        words = [word for word in words if word["end"] > word["start"] >= 0]
        places = [(word["start"], word["end"]) for word in words]
    scored = [Scored(start, end, word["value"] - middle) for (start, end), word in zip(places, words, strict=True)]
    return coloured(text, scored, scale, limit)


def build_texts(facts: Facts, limit: int) -> TextsPart:
    """The parts of `NeuronTexts.to_dict()`, texts cut after `limit` characters."""
    row = ROWS[facts["by"]]
    ends = f" than its median, {_value(facts['middle'])}; the deepest colour is {facts['scale']:.2f} away."
    legend = (Piece(f"A {row} where the neuron is "), Piece("higher", "p3"), Piece(" or "), Piece("lower", "n3"), Piece(ends))
    texts = ((_signed(one["value"], 3) if one["value"] is not None else "", _text(one, facts["middle"], facts["scale"], limit))
             for one in facts["rows"])  # fmt: skip
    title = visible(f"Neuron {facts['unit']} of {facts['site']}", 200)
    return TextsPart(title, legend, tuple(visible(note, 500) for note in facts["notes"]), tuple(texts))
