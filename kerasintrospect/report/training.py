"""From the audit of the training set to its section on the page."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from .cards import NAME, visible
from .parts import Finding, FindingRow

__all__ = ["build_training"]

Facts = Mapping[str, Any]
SHOWN = 10  # rows of each finding
LENGTH = 280  # characters of a text


def build_training(facts: Facts | None) -> tuple[Finding, ...]:
    """The findings of an audit that there are, each with its first rows; nothing without an audit."""
    if facts is None:
        return ()
    counts, first = facts["counts"], {name: facts[name][:SHOWN] for name in ("suspects", "leakage", "holes")}
    copies, leaks, holes, templates = (
        _count(counts[name], noun)
        for name, noun in (("duplicates", "group"), ("leakage", "text"), ("holes", "error"), ("templates", "group"))
    )
    findings = [
        Finding("Labels to look at first", "", tuple(map(_suspect, first["suspects"]))),
        Finding("Near copies with different labels", copies, tuple(_copies(facts["duplicates"]))),
        Finding("Test texts that stand in training", leaks, tuple(map(_leak, first["leakage"]))),
        Finding("Errors far from all training", holes, tuple(map(_hole, first["holes"]))),
        Finding("Templates", templates, tuple(_templates(facts))),
    ]
    return tuple(finding for finding in findings if finding.rows)


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _suspect(row: Facts) -> FindingRow:
    return _row(row["index"], row["label"], row["text"], row["reason"])


def _copies(rows: Sequence[Facts]) -> Iterable[FindingRow]:
    for number, (_, texts) in enumerate(groupby(rows, key=lambda row: row["group"])):
        if number == SHOWN // 2:
            break
        for place, row in enumerate(texts):
            if place < 4:
                note = f"{row['copies']} copies, most of them {row['majority']}" if place == 0 else ""
                yield _row(row["index"], row["label"], row["text"], note)


def _leak(row: Facts) -> FindingRow:
    note = f"like training text {row['train_index']} ({row['train_label']}), similarity {row['similarity']:.2f}"
    return _row(row["index"], row["label"], row["text"], note)


def _hole(row: Facts) -> FindingRow:
    note = f"predicted {row['predicted']}; the nearest is at {row['distance']:.3g}, usual is up to {row['limit']:.3g}"
    return _row(row["index"], row["label"], row["text"], note)


def _templates(facts: Facts) -> Iterable[FindingRow]:
    for row in facts["templates"][:SHOWN]:
        counts = ((name, row[f"n_{name}"]) for name in facts["class_names"])
        mix = ", ".join(f"{count} {name}" for name, count in counts if count)
        yield _row(None, f"{row['count']:,} texts", row["example"], f"{100 * row['share']:.2g} % of the training set: {mix}")


def _row(index: int | None, label: str | None, text: str, note: str) -> FindingRow:
    hint = "" if index is None else f"text {index}"
    return FindingRow(hint, visible(label or "", NAME), visible(text, LENGTH), visible(note, 400))
