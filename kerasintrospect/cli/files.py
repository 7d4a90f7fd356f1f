"""What the command line reads: CSV files and models."""

import csv
import math
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kerasintrospect as ki

from .terminal import line

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Csv", "load", "read", "read_texts", "split", "wrap"]


@dataclass(frozen=True)
class Csv:
    """The texts and labels of a CSV file (none, where it has none), and what had to be done to it."""

    texts: list[str]
    labels: list[str]
    notes: list[str]

    @property
    def numbered(self) -> bool:
        return all(_number(label) is not None for label in self.labels)

    def pair(self, names: Sequence[str] | None) -> tuple[list[str], list[Any]]:
        """Texts and labels as `lens.debug` takes them: names where there are such names, otherwise indices or numbers."""
        named = not self.numbered or (names and set(self.labels) <= set(names))
        return self.texts, self.labels if named else [_number(label) for label in self.labels]


def _number(label: str) -> float | None:
    """A class index, or what a regression is to give."""
    try:
        number = float(label)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def read_texts(path: Path, text_column: str, label_column: str | None) -> Csv:
    """Texts with their labels, or without, if no column is named and there is no `label`."""
    frame = _frame(path)
    if label_column is not None or "label" in frame.columns or text_column not in frame.columns:
        return read(path, text_column, label_column or "label")
    texts = frame[text_column].fillna("").str.strip()
    if not texts.ne("").any():
        raise ki.InputError(f"{path} has to have rows with a text. Received: {len(frame)} rows without.")
    note = f"{path.name} has no column 'label': what the model says takes its place. Name one with --label-column."
    return Csv(frame[text_column][texts.ne("")].tolist(), [], [note])


def read(path: Path, text_column: str, label_column: str) -> Csv:
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
    return Csv(rows[text_column].tolist(), rows[label_column].str.strip().tolist(), notes if lost else [])


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
        raise ki.InputError(f"{path} has to be a CSV file. Received: {line(fault)}") from fault


def split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in next(csv.reader([names]), [])]


def load(path: Path) -> Any:
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


def wrap(path: Path, names: list[str] | None, tested: Csv, trained: Csv | None) -> tuple[Any, list[str]]:
    """The lens and a note. Labels in words without --class-names are put in the order that scikit-learn would use."""
    model = load(path)
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
