"""What the command line says, and how it says that something is wrong."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

import kerasintrospect as ki

__all__ = ["line", "one_sentence_per_fault", "summary"]

TELLING = 3  # errors that are shown in the terminal


@contextmanager
def one_sentence_per_fault() -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", ki.KerasIntrospectWarning)
            warnings.showwarning = lambda message, *_, **__: typer.echo(f"Note: {line(_spoken(str(message)))}", err=True)
            yield
    except ki.KerasIntrospectError as fault:
        typer.echo(f"Error: {line(_spoken(str(fault)))}", err=True)
        raise typer.Exit(2) from fault


# What the library says to those who write Python -> what it is called here.
_HERE = {
    "overwrite=True": "--overwrite",
    "lens.sites()": "`kerasintrospect sites`",
    "kerasintrospect.wrap(model, class_names=[...])": "--class-names",
    "pass class_names to kerasintrospect.wrap": "pass --class-names",
}


def _spoken(said: str) -> str:
    for there, here in _HERE.items():
        said = said.replace(there, here)
    return said


def summary(facts: dict[str, Any], target: Path | None) -> Iterator[str]:
    overview, names = facts["overview"], facts["class_names"]
    yield (
        f"Accuracy {100 * overview['accuracy']:.1f} % on {overview['n']:,} texts, {100 * overview['majority']:.1f} % by "
        f"always saying the most frequent class; {overview['n_errors']:,} errors."
    )
    for note in facts["notes"]:
        yield f"Note: {line(note)}"
    # The worst of each kind says more than the three worst.
    kinds = {error["verdict"]["kind"]: error for error in reversed(facts["errors"])}
    for error in sorted(kinds.values(), key=lambda error: error["rank"])[:TELLING]:
        yield f"\n{line(error['text'], 100)}"
        yield f"  {line(names[error['label']])} -> {line(names[error['predicted']])}: {error['verdict']['text']}"
    if target is not None:
        yield f"\nWritten: {target}"


def line(text: object, limit: int = 1000) -> str:
    """On one line, without what could steer a terminal."""
    shown = "".join(
        c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in str(text)[: 4 * limit]
    )
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
