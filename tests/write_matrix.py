"""Finds every cell of both tables and writes docs/matrix.md: `python tests/write_matrix.py`."""

import importlib
import tempfile
from itertools import product
from pathlib import Path

import test_frameworks as frameworks
from conftest import FAMILIES, Case, wrap
from frameworks import FRAMEWORKS, make
from test_matrix import COLUMNS, KINDS, PAGE, render


def find() -> dict[tuple[str, str, str], str | None]:
    """All cells; one that does not hold ends the run with its error, and the page stays as it was."""
    found: dict[tuple[str, str, str], str | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, family) in enumerate(product(KINDS, FAMILIES)):
            kind = KINDS[name](importlib.import_module(family), Path(folder))
            case = Case(kind, wrap(kind))
            for column, check in COLUMNS.items():
                place = Path(folder) / f"{i}-{column}"
                place.mkdir()
                found[name, family, column] = check(case, place) or ""
    return found


def find_frameworks() -> dict[tuple[str, str], frameworks.Cell]:
    """All cells of the second table, likewise."""
    found: dict[tuple[str, str], frameworks.Cell] = {}
    for name in FRAMEWORKS:
        with tempfile.TemporaryDirectory() as folder:
            row = frameworks.wrapped(make(name, Path(folder)))
            found |= {(name, column): check(row) for column, check in frameworks.COLUMNS.items()}
    return found


if __name__ == "__main__":
    PAGE.write_text(render(find()) + "\n" + frameworks.render(find_frameworks()))
