"""Commands about training examples: which layer, an index, its neighbors, an audit."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import kerasintrospect as ki

from .files import load, read, split, wrap
from .program import ClassNames, LabelColumn, Listing, ListingOption, Model, Site, TextColumn, Train, app
from .terminal import line, one_sentence_per_fault

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FIRST", "as_json", "audit", "index", "layers", "neighbors", "say", "table"]

FIRST = 10  # rows of a table in the terminal


@app.command()
def layers(
    model: Model,
    test: Annotated[Path, typer.Option(help="CSV file with texts that the model was not trained on, and their labels.")],
    plot: Annotated[Path | None, typer.Option(help="Picture to draw: .png, .svg or .pdf.")] = None,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    class_names: ClassNames = None,
    k: Annotated[int, typer.Option(help="Number of neighbors of each text.")] = 10,
    max_examples: Annotated[int, typer.Option(help="Texts to compare; more are drawn from.")] = 2000,
    format: ListingOption = Listing.table,
) -> None:
    """Compare the layers: where are texts near each other that mean the same?"""
    with one_sentence_per_fault():
        if plot is not None and (plot.suffix not in (".png", ".svg", ".pdf") or not plot.parent.is_dir()):
            raise ki.InputError(f"--plot has to be a .png, .svg or .pdf in a folder that exists. Received: --plot {plot}")
        tested = read(test, text_column, label_column)
        lens, notes = wrap(model, split(class_names), tested, tested)
        found = lens.compare_sites(*tested.pair(lens.class_names), k=k, max_examples=max_examples)
        if plot is not None:
            found.plot().savefig(plot)
        say([*tested.notes, *notes])
        typer.echo(str(found) if format is Listing.table else as_json(found.to_dict()))


@app.command()
def index(
    model: Model,
    train: Train,
    out: Annotated[Path, typer.Option(help="Folder to keep the index in; an index that is there is replaced when done.")],
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    class_names: ClassNames = None,
    site: Site = None,
    pool: Annotated[str, typer.Option(help="How tokens become one vector: mean, max, first or last.")] = "mean",
    metric: Annotated[str, typer.Option(help="cosine or euclidean.")] = "cosine",
    unit: Annotated[str, typer.Option(help="What a row is: example, word or token.")] = "example",
    ivf: Annotated[bool, typer.Option("--ivf", help="Search approximately: for hundreds of thousands of rows.")] = False,
) -> None:
    """Keep the vectors of the training texts at a layer, to be asked for neighbors."""
    with one_sentence_per_fault():
        taught = read(train, text_column, label_column)
        lens, notes = wrap(model, split(class_names), taught, taught)
        texts, labels = taught.pair(lens.class_names)
        made = lens.neighbors(texts, labels, site=site, pool=pool, metric=metric, unit=unit, path=out)
        if ivf:
            made.build_ivf()
        say([*taught.notes, *notes])
        typer.echo(f"{made!r}\nWritten: {out}")


@app.command()
def neighbors(
    model: Model,
    index: Annotated[Path, typer.Option(help="Folder that `kerasintrospect index` wrote.")],
    text: Annotated[list[str], typer.Option(help="A text; may be given several times.")],
    k: Annotated[int, typer.Option(help="Number of neighbors of each text.")] = 5,
    label: Annotated[str | None, typer.Option(help="Only training texts with this label.")] = None,
    predicted: Annotated[str | None, typer.Option(help="Only training texts that the model says this of.")] = None,
    correct: Annotated[
        bool | None, typer.Option("--correct/--wrong", help="Only training texts that the model gets right, or wrong.")
    ] = None,
    exclude_duplicates: Annotated[bool, typer.Option(help="Leave out copies of the text itself.")] = False,
    format: ListingOption = Listing.table,
) -> None:
    """Show the training texts that the model takes for the most like a text."""
    with one_sentence_per_fault():
        lens = ki.wrap(load(model))
        known = ki.NeighborIndex.load(index, lens)
        found = known.query(
            text, k=k, label=_class(label), predicted=_class(predicted), correct=correct,
            exclude="duplicates" if exclude_duplicates else None,
        ).to_frame()  # fmt: skip
        typer.echo(as_json(found.to_dict("records")) if format is Listing.json else table(found))


@app.command()
def audit(
    model: Model,
    train: Train,
    test: Annotated[Path | None, typer.Option(help="CSV file with other texts: says what leaks, and where holes are.")] = None,
    out: Annotated[Path | None, typer.Option(help="CSV file to write: all training texts, the most suspicious first.")] = None,
    text_column: TextColumn = "text",
    label_column: LabelColumn = "label",
    class_names: ClassNames = None,
    site: Site = None,
    format: ListingOption = Listing.table,
) -> None:
    """Look for what is wrong with the training set itself: labels, copies, leaks, holes, templates."""
    with one_sentence_per_fault():
        if out is not None and (out.suffix != ".csv" or not out.parent.is_dir()):
            raise ki.InputError(f"--out has to be a .csv in a folder that exists. Received: --out {out}")
        taught = read(train, text_column, label_column)
        tested = None if test is None else read(test, text_column, label_column)
        lens, notes = wrap(model, split(class_names), taught, taught)
        given = () if tested is None else tested.pair(lens.class_names)
        found = lens.audit(*taught.pair(lens.class_names), *given, site=site)
        if out is not None:
            found.suspects.to_csv(out, index=False)
        say([*taught.notes, *(tested.notes if tested else []), *notes, *found.notes])
        if format is Listing.json:
            typer.echo(as_json(found.facts))
            return
        typer.echo(repr(found).strip("<>").split(";")[0] + ".\n\nLabels to look at first:")
        for row in found.suspects.head(FIRST).to_dict("records"):
            typer.echo(f"\n{line(row['text'], 100)}\n  {line(row['label'])}: {line(row['reason'])}")
        if out is not None:
            typer.echo(f"\nWritten: {out}")


def say(notes: list[str]) -> None:
    for note in notes:
        typer.echo(f"Note: {line(note)}", err=True)


def as_json(value: object) -> str:
    import json

    return json.dumps(value, indent=1, allow_nan=False, default=lambda number: number.item())


def _class(given: str | None) -> int | str | None:
    return int(given) if given is not None and given.isdecimal() else given


def table(frame: "pd.DataFrame") -> str:
    shown = frame.map(lambda cell: line(cell, 100) if isinstance(cell, str) else cell)
    return str(shown.to_string(index=False))
