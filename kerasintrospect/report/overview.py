"""From the facts of a debug report to the head of its page."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .cards import NAME, visible
from .parts import Cell, ClassRow, Dot, OverviewPart

__all__ = ["build_overview"]

Facts = Mapping[str, Any]

WIDEST = 20  # classes in the confusion matrix


def build_overview(facts: Facts) -> OverviewPart:
    """The head of the page: figures, tables, the calibration curve, notes and where they come from."""
    names = tuple(visible(name, NAME) for name in facts["class_names"])
    overview = facts["overview"]
    columns = _columns(overview["confusion"])
    return OverviewPart(
        title=visible(facts["title"], 200),
        names=names,
        figures=tuple(_figures(overview)),
        table=tuple(_class_row(row) for row in overview["per_class"]),
        columns=columns,
        matrix=tuple(_matrix_row(overview["confusion"][i], i, columns) for i in columns),
        dots=tuple(_dots(overview["calibration"]["bins"])),
        verdicts=tuple(overview["verdicts"]),
        notes=tuple(visible(note, 1000) for note in facts["notes"]),
        about=tuple(
            (term, visible(str(value), 200)) for term, value in _about(facts) if value not in (None, "")
        ),
        n_errors=overview["n_errors"],
        n_shown=overview["n_shown"],
    )


def _figures(overview: Facts) -> Iterable[tuple[str, str, str]]:
    yield (
        "Accuracy",
        _percent(overview["accuracy"]),
        f"{_percent(overview['majority'])} by always saying the most frequent class",
    )
    yield "Errors", f"{overview['n_errors']:,}", f"of {overview['n']:,} texts"
    surplus = _surplus(overview)
    tendency = "too sure" if surplus > 0 else "not sure enough"
    yield (
        "Calibration error",
        f"{overview['calibration']['ece']:.3f}",
        f"on average {100 * abs(surplus):.1f} points {tendency} of itself"
        if abs(surplus) >= 0.0005
        else "on average as sure as right",
    )


def _surplus(overview: Facts) -> float:
    """How much the mean confidence is above the accuracy."""
    bins = [bin for bin in overview["calibration"]["bins"] if bin["count"]]
    mean = sum(bin["count"] * bin["confidence"] for bin in bins) / max(sum(bin["count"] for bin in bins), 1)
    return float(mean - overview["accuracy"])


def _class_row(row: Facts) -> ClassRow:
    return ClassRow(
        name=visible(row["class"], NAME),
        support=f"{row['support']:,}",
        predicted=f"{row['predicted']:,}",
        precision=_percent(row["precision"]),
        recall=_percent(row["recall"]),
        f1=_percent(row["f1"]),
    )


def _columns(confusion: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The classes of the matrix: all, or those with the most errors."""
    if len(confusion) <= WIDEST:
        return tuple(range(len(confusion)))
    errors = [sum(row) + sum(other[i] for other in confusion) - 2 * row[i] for i, row in enumerate(confusion)]
    return tuple(sorted(sorted(range(len(errors)), key=lambda i: -errors[i])[:WIDEST]))


def _matrix_row(row: Sequence[int], label: int, columns: Sequence[int]) -> tuple[Cell, ...]:
    total = max(sum(row), 1)
    return tuple(Cell(label, i, row[i], round(row[i] / total, 3), i == label) for i in columns)


def _dots(bins: Sequence[Facts]) -> Iterable[Dot]:
    total = max(sum(bin["count"] for bin in bins), 1)
    for bin in bins:
        if bin["count"]:
            hint = (
                f"confidence {bin['low']:.1f} to {bin['high']:.1f}: {bin['count']:,} texts, mean confidence "
                f"{bin['confidence']:.2f}, accuracy {bin['accuracy']:.2f}"
            )
            radius = 1.5 + 6 * math.sqrt(bin["count"] / total)
            yield Dot(
                round(100 * bin["confidence"], 1), round(100 * bin["accuracy"], 1), round(radius, 1), hint
            )


def _about(facts: Facts) -> Iterable[tuple[str, Any]]:
    model = facts["model"]
    parameters = model.get("parameters")
    yield "Model", model.get("name")
    yield "Kind", ", ".join(str(model[key]) for key in ("kind", "family") if model.get(key))
    yield "Parameters", f"{parameters:,}" if isinstance(parameters, int) else parameters
    yield "Reads at most", f"{model['max_length']} tokens" if model.get("max_length") else None
    yield "Attribution", facts["method"]
    if facts["n_train"] is not None:
        yield "Training texts", f"{facts['n_train']:,}"
        yield "Compared at", facts["site"]
    yield "Made", f"{facts['created']} by kerasintrospect {facts['version']}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
