"""The command line: one sub-command, one public call.

What is wrong with the input is one sentence and exit code 2. Nothing heavy is imported before a command runs.
"""

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

import kerasintrospect as ki

from .files import load, read, split, wrap
from .program import ClassNames, LabelColumn, Listing, ListingOption, Model, Site, TextColumn, app
from .terminal import one_sentence_per_fault, summary

__all__ = ["main"]


class Page(str, Enum):
    """How a report is written."""

    html = "html"
    json = "json"


def main() -> None:
    """Runs the command line."""
    app(prog_name="kerasintrospect")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(ki.__version__)
        raise typer.Exit()


Version = Annotated[
    bool,
    typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave."),
]


@app.callback()
def _options(version: Version = False) -> None:
    pass


@app.command()
def sites(
    model: Model,
    format: ListingOption = Listing.table,
) -> None:
    """List the places in a model where activations can be read."""
    with one_sentence_per_fault():
        table = ki.wrap(load(model)).sites()
        typer.echo(
            str(table) if format is Listing.table else table.to_frame().to_json(orient="records", indent=1)
        )


@app.command()
def debug(
    model: Model,
    test: Annotated[Path, typer.Option(help="CSV file with the texts to classify and their labels.")],
    train: Annotated[
        Path | None,
        typer.Option(help="CSV file that the model was trained on. Without it there are no neighbors."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write. [default: report.html; JSON goes to standard output]")
    ] = None,
    format: Annotated[
        Page | None,
        typer.Option("--format", help="What to write. [default: what the suffix of --out says, or html]"),
    ] = None,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    class_names: ClassNames = None,
    k: Annotated[int, typer.Option(help="Number of neighbors to show.")] = 5,
    site: Site = None,
    method: Annotated[str, typer.Option(help="Attribution method.")] = "integrated_gradients",
    max_errors: Annotated[int, typer.Option(help="Number of errors to explain, the worst first.")] = 500,
    audit: Annotated[bool, typer.Option(help="Audit the training set too.")] = True,
    neurons: Annotated[bool, typer.Option(help="Show the neurons that matter most, too.")] = False,
) -> None:
    """Explain every misclassified text on one page: words, neighbors, and a verdict."""
    with one_sentence_per_fault():
        target, written = _target(out, format)
        columns = (text_column, label_column)
        tested, trained = read(test, *columns), None if train is None else read(train, *columns)
        lens, notes = wrap(model, split(class_names), tested, trained)
        report = lens.debug(
            *tested.pair(lens.class_names), *(trained.pair(lens.class_names) if trained else ()),
            k=k, site=site, method=method, max_errors=max_errors, audit=audit, neurons=neurons,
        ).with_notes([*tested.notes, *(trained.notes if trained else ()), *notes])  # fmt: skip
        if target is None:
            typer.echo(report.to_json())
        else:
            report.save(target, written)
        for line in summary(report.facts, target):
            typer.echo(line, err=target is None)


def _target(out: Path | None, format: Page | None) -> tuple[Path | None, str]:
    """Where to write and what; known before any work is done."""
    if out is None:
        return (None, "json") if format is Page.json else (Path("report.html"), "html")
    suffix = out.suffix.lower().lstrip(".")
    if format is None and suffix not in Page.__members__:
        raise ki.InputError(
            f"--out has to end in .html or .json, or --format has to be given. Received: --out {out}"
        )
    if not out.parent.is_dir():
        raise ki.InputError(f"The folder of --out has to exist. Received: --out {out}")
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise ki.InputError(f"--out has to be a file that can be written. Received: --out {out}")
    return out, format.value if format else suffix
