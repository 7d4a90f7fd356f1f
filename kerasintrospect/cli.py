"""The command line: one sub-command, one public call.

What is wrong with the input is one sentence and exit code 2. Nothing heavy is imported before a command runs.
"""

import csv
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import kerasintrospect as ki

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["app", "main"]

TELLING = 3  # errors that are shown in the terminal

app = typer.Typer(
    help="See why a trained Keras text model is wrong.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Page(str, Enum):
    """How a report is written."""

    html = "html"
    json = "json"


class Listing(str, Enum):
    """How a table is written."""

    table = "table"
    json = "json"


Model = Annotated[Path, typer.Option("--model", help="Saved Keras model: .keras or .h5.")]


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
    format: Annotated[Listing, typer.Option("--format", help="How to print them.")] = Listing.table,
) -> None:
    """List the places in a model where activations can be read."""
    with _one_sentence_per_fault():
        table = ki.wrap(_load(model)).sites()
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
    text_column: Annotated[str, typer.Option(help="Column with the texts.")] = "text",
    label_column: Annotated[
        str, typer.Option(help="Column with the labels: class indices or names.")
    ] = "label",
    class_names: Annotated[
        str | None,
        typer.Option(help="Names of the classes in the order of the outputs, with commas between."),
    ] = None,
    k: Annotated[int, typer.Option(help="Number of neighbors to show.")] = 5,
    site: Annotated[str | None, typer.Option(help="Where in the model texts are compared.")] = None,
    method: Annotated[str, typer.Option(help="Attribution method.")] = "integrated_gradients",
    max_errors: Annotated[int, typer.Option(help="Number of errors to explain, the worst first.")] = 500,
) -> None:
    """Explain every misclassified text on one page: words, neighbors, and a verdict."""
    with _one_sentence_per_fault():
        target, written = _target(out, format)
        columns = (text_column, label_column)
        tested, trained = _read(test, *columns), None if train is None else _read(train, *columns)
        lens, notes = _wrap(model, _split(class_names), tested, trained)
        report = lens.debug(
            *tested.pair(lens.class_names), *(trained.pair(lens.class_names) if trained else ()),
            k=k, site=site, method=method, max_errors=max_errors,
        ).with_notes([*tested.notes, *(trained.notes if trained else ()), *notes])  # fmt: skip
        if target is None:
            typer.echo(report.to_json())
        else:
            report.save(target, written)
        for line in _summary(report.facts, target):
            typer.echo(line, err=target is None)


@contextmanager
def _one_sentence_per_fault() -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", ki.KerasIntrospectWarning)
            warnings.showwarning = lambda message, *_, **__: typer.echo(f"Note: {_line(message)}", err=True)
            yield
    except ki.KerasIntrospectError as fault:
        typer.echo(f"Error: {_line(fault)}", err=True)
        raise typer.Exit(2) from fault


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


@dataclass(frozen=True)
class _Csv:
    """The texts and labels of a CSV file, and what had to be done to it."""

    texts: list[str]
    labels: list[str]
    notes: list[str]

    @property
    def numbered(self) -> bool:
        return all(_number(label) is not None for label in self.labels)

    def pair(self, names: Sequence[str] | None) -> tuple[list[str], list[Any]]:
        """Texts and labels as `lens.debug` takes them: names where there are such names, otherwise indices."""
        named = not self.numbered or (names and set(self.labels) <= set(names))
        return self.texts, self.labels if named else [_number(label) for label in self.labels]


def _number(label: str) -> int | None:
    try:
        number = float(label)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def _read(path: Path, text_column: str, label_column: str) -> _Csv:
    frame = _frame(path)
    for option, column in (("--text-column", text_column), ("--label-column", label_column)):
        if column not in frame.columns:
            raise ki.InputError(
                f"{path} has to have the column {column!r}. Received: the columns "
                f"{', '.join(map(repr, frame.columns))}. Name another with {option}."
            )
    rows = frame[[text_column, label_column]]
    rows = rows[rows[text_column].fillna("").str.strip().ne("") & rows[label_column].notna()]
    if rows.empty:
        raise ki.InputError(
            f"{path} has to have rows with a text and a label. Received: {len(frame)} rows without."
        )
    lost = len(frame) - len(rows)
    notes = [f"Rows of {path.name} without a text or without a label: {lost:,}, left out."]
    return _Csv(rows[text_column].tolist(), rows[label_column].str.strip().tolist(), notes if lost else [])


def _frame(path: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        with warnings.catch_warnings():
            # Rows longer than the header: a text with commas that nobody quoted.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            # Only an empty cell is missing: "null" and "NA" are words that people write.
            options = {"dtype": str, "keep_default_na": False, "na_values": [""], "index_col": False}
            return pd.read_csv(path, encoding="utf-8-sig", **options)
    except OSError as fault:
        raise ki.InputError(f"The file cannot be read: {fault.strerror}. Received: {path}") from fault
    except UnicodeDecodeError as fault:
        raise ki.InputError(
            f"{path} has to be UTF-8. Received: the byte 0x{fault.object[fault.start]:02x}. Save it as UTF-8, "
            "for example with iconv -f latin1 -t utf-8."
        ) from fault
    except pd.errors.EmptyDataError as fault:
        raise ki.InputError(f"{path} has to have a header line and rows. Received: an empty file.") from fault
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as fault:
        raise ki.InputError(f"{path} has to be a CSV file. Received: {_line(fault)}") from fault


def _split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in next(csv.reader([names]), [])]


def _load(path: Path) -> Any:
    if path.exists():
        _import_tensorflow()
    return ki.load_model(path)


def _import_tensorflow() -> None:
    """Without what its C++ says about the machine, past Python and any setting, on standard error."""
    os.environ.update({"TF_CPP_MIN_LOG_LEVEL": "3", "TF_CPU_ALLOCATOR_USE_BFC": "1", **os.environ})  # keeps its memory
    sys.stderr.flush()
    shown, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        import_module("tensorflow")
    finally:
        os.dup2(shown, 2)
        os.close(shown)
        os.close(nowhere)


def _wrap(path: Path, names: list[str] | None, tested: _Csv, trained: _Csv | None) -> tuple[Any, list[str]]:
    """The lens and a note. Labels in words without --class-names are put in the order that scikit-learn would use."""
    model = _load(path)
    lens = ki.wrap(model, class_names=names)
    if names is not None or (tested.numbered and (trained is None or trained.numbered)):
        return lens, []
    guess = [] if trained is None else sorted(set(trained.labels))
    outputs = len(lens.predict(tested.texts[:1]).class_names)
    if len(guess) != outputs:
        raise ki.InputError(
            "Labels in words need --class-names, in the order of the outputs of the model. Received: a model with "
            f"{outputs} outputs and {len(guess)} different labels in the training file."
        )
    order = (
        f"The outputs of the model are taken to be in alphabetical order of the labels: {', '.join(guess)}."
    )
    return ki.wrap(model, class_names=guess), [f"{order} If they are not, pass --class-names."]


def _summary(facts: dict[str, Any], target: Path | None) -> Iterator[str]:
    overview, names = facts["overview"], facts["class_names"]
    yield (
        f"Accuracy {100 * overview['accuracy']:.1f} % on {overview['n']:,} texts, {100 * overview['majority']:.1f} % by "
        f"always saying the most frequent class; {overview['n_errors']:,} errors."
    )
    for note in facts["notes"]:
        yield f"Note: {_line(note)}"
    # The worst of each kind says more than the three worst.
    kinds = {error["verdict"]["kind"]: error for error in reversed(facts["errors"])}
    for error in sorted(kinds.values(), key=lambda error: error["rank"])[:TELLING]:
        yield f"\n{_line(error['text'], 100)}"
        yield f"  {_line(names[error['label']])} -> {_line(names[error['predicted']])}: {error['verdict']['text']}"
    if target is not None:
        yield f"\nWritten: {target}"


def _line(text: object, limit: int = 1000) -> str:
    """On one line, without what could steer a terminal."""
    shown = "".join(
        c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in str(text)[: 4 * limit]
    )
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
