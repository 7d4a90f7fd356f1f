"""The folder of an index: `index.json` names the dataset and the version that count, and it is replaced in one step."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from kerasintrospect import datasets
from kerasintrospect.datasets import short
from kerasintrospect.errors import InputError

__all__ = ["Facts", "check_folder", "locked", "point", "read_facts", "readable", "sweep"]

_FORMAT = "kerasintrospect.index/1"
_POINTER = "index.json"
_DATA = re.compile(r"data-[0-9a-f]{32}\.lance")
_OURS = re.compile(rf"{_DATA.pattern}|\.lock|\.index\.json\.[0-9a-f]{{32}}")


@dataclass(frozen=True)
class Facts:
    """What `index.json` says.

    Attributes:
        about: Metric, fingerprint, site, pool, unit and class names of the index.
        data: The folder of the dataset.
        version: Its version that counts.
        count: Its rows.
        units: The units of a vector.
        known: What is known of each row: `"texts"`, `"labels"`, `"predicted"`, `"places"`.
        columns: name -> str, bool, int or float.
        files: Path -> size and CRC of the files that were there when the index was complete.
        ivf: The facts of the approximate search, or None.
    """

    about: dict[str, Any]
    data: str
    version: int
    count: int
    units: int
    known: list[str]
    columns: dict[str, str]
    files: dict[str, list[int]] = field(default_factory=dict)
    ivf: dict[str, Any] | None = None

    def shape(self) -> tuple[int, list[str], dict[str, str]]:
        return self.units, self.known, self.columns


def read_facts(folder: Path) -> Facts:
    record = json.loads((folder / _POINTER).read_text())
    if record.pop("format") != _FORMAT or not _DATA.fullmatch(record["data"]):
        raise ValueError("another format")
    facts = Facts(**record)
    if any(".." in Path(name).parts or Path(name).is_absolute() for name in facts.files):
        raise ValueError("a path that leads out of the folder")
    if facts.about["metric"] not in ("cosine", "euclidean") or not {*facts.columns.values()} <= {"str", "bool", "int", "float"}:
        raise ValueError("another format")
    return facts


def point(folder: Path, facts: Facts) -> None:
    """The one step that makes an index the index."""
    files = datasets.facts_of_files(folder / facts.data, facts.files)
    datasets.point(folder, _POINTER, {"format": _FORMAT, **asdict(replace(facts, files=files))})


def sweep(folder: Path, data: str) -> None:
    """Removes what index.json no longer names."""
    for path in folder.iterdir():
        if _DATA.fullmatch(path.name) and path.name != data:
            shutil.rmtree(path, ignore_errors=True)
        elif path.name.startswith(f".{_POINTER}."):
            path.unlink(missing_ok=True)


def check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"`path` has to name a folder. Received: path={os.fspath(folder)!r}, a file.")
    others = [path.name for path in folder.iterdir()] if folder.exists() else []
    if _POINTER not in others and not all(map(_OURS.fullmatch, others)):
        raise InputError(f"`path` has to name an index, or a new or empty folder. Received: {os.fspath(folder)!r}, "
                         f"which holds {short(sorted(others)[0])}.")  # fmt: skip


def locked(folder: Path) -> contextlib.AbstractContextManager[None]:
    return datasets.locked(folder, "index")


def readable(folder: str | os.PathLike[str]) -> contextlib.AbstractContextManager[None]:
    return datasets.readable(folder, "a folder that NeighborIndex.save() wrote")
