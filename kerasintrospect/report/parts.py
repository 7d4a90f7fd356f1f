"""Typed parts of the page: what is shown, in which words and how strongly; no HTML.

Every text that a part holds is plain text, to be escaped by whoever writes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Bar",
    "Cell",
    "ClassRow",
    "Colouring",
    "Dot",
    "ErrorPart",
    "Finding",
    "FindingRow",
    "NeighborPart",
    "OverviewPart",
    "Piece",
]


@dataclass(frozen=True)
class Piece:
    """A stretch of text and how it is marked.

    Args:
        text: The text.
        marks: Those that apply, with spaces between, of p1 to p4 (speaks for the class, 4 the most), n1 to
            n4 (against it), u (unknown to the model), s (shared with the error).
        hint: The number behind the colour.
    """

    text: str
    marks: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Colouring:
    """A text coloured by what speaks for and against one class."""

    toward: str
    role: str
    pieces: tuple[Piece, ...]
    pro: tuple[str, ...]
    contra: tuple[str, ...]


@dataclass(frozen=True)
class Bar:
    """A class with its share of something; `role` is "label", "model" or ""."""

    name: str
    percent: float
    figure: str
    role: str


@dataclass(frozen=True)
class NeighborPart:
    """One training text near the error, or one that taught it; `figure` is the distance or the influence."""

    index: int
    name: str
    role: str
    figure: str
    pieces: tuple[Piece, ...]
    is_suspect: bool = False


@dataclass(frozen=True)
class ErrorPart:
    """One misclassified text. The numbers in `keys` are what the page sorts and filters by."""

    rank: int
    where: str
    label: str
    predicted: str
    verdict: Mapping[str, str]
    colourings: tuple[Colouring, ...]
    scores: tuple[Bar, ...]
    votes: tuple[Bar, ...]
    neighbors: tuple[NeighborPart, ...]
    teachers: tuple[NeighborPart, ...]
    remarks: tuple[str, ...]
    keys: Mapping[str, str]


@dataclass(frozen=True)
class Cell:
    """A cell of the confusion matrix. `share` of its row gives the depth of its colour."""

    label: int
    predicted: int
    count: int
    share: float
    right: bool


@dataclass(frozen=True)
class Dot:
    """A bin of the calibration curve, in percent of the axes; `radius` by the share of texts in it."""

    x: float
    y: float
    radius: float
    hint: str


@dataclass(frozen=True)
class ClassRow:
    """A row of the table of classes, as it is read."""

    name: str
    support: str
    predicted: str
    precision: str
    recall: str
    f1: str


@dataclass(frozen=True)
class OverviewPart:
    """The head of the page. `columns` are the classes in `matrix`, which may be fewer than `names`."""

    title: str
    names: tuple[str, ...]
    figures: tuple[tuple[str, str, str], ...]
    table: tuple[ClassRow, ...]
    columns: tuple[int, ...]
    matrix: tuple[tuple[Cell, ...], ...]
    dots: tuple[Dot, ...]
    verdicts: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]
    about: tuple[tuple[str, str], ...]
    n_errors: int
    n_shown: int


@dataclass(frozen=True)
class FindingRow:
    """A text that the audit of the training set points at, and why."""

    hint: str
    label: str
    text: str
    note: str


@dataclass(frozen=True)
class Finding:
    """One kind of fault of the training set; `count` says how many there are in all."""

    title: str
    count: str
    rows: tuple[FindingRow, ...]
