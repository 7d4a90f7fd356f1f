"""The folder of an index: `index.json` names the dataset and the version that count, and it is replaced in one step."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from kerasintrospect.errors import InputError

from .columns import short

__all__ = ["Facts", "check_files", "check_folder", "locked", "point", "read_facts", "readable", "sweep"]

_FORMAT = "kerasintrospect.index/1"
_POINTER = "index.json"
_DATA = re.compile(r"data-[0-9a-f]{32}\.lance")
_OURS = re.compile(rf"{_DATA.pattern}|\.lock|\.index\.json\.[0-9a-f]{{32}}")
_SMALL = 2**20  # bytes of a file that is read whole whenever an index is opened


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


def check_files(folder: Path, facts: Facts, every_byte: bool) -> None:
    """Raises OSError or ValueError, if a file is not as it was; of large ones the size counts, unless `every_byte`."""
    for name, (size, crc) in facts.files.items():
        path = folder / facts.data / name
        if path.stat().st_size != size or ((every_byte or size <= _SMALL) and _crc(path) != crc):
            raise ValueError(f"{name} is damaged")


def point(folder: Path, facts: Facts) -> None:
    """The one step that makes an index the index."""
    facts = replace(facts, files=_files(folder / facts.data, facts.files))
    part = folder / f".{_POINTER}.{uuid.uuid4().hex}"
    with part.open("x") as file:
        json.dump({"format": _FORMAT, **asdict(facts)}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, folder / _POINTER)


def _files(data: Path, known: dict[str, list[int]]) -> dict[str, list[int]]:
    paths = [path for path in sorted(data.rglob("*")) if path.is_file() and path.suffix != ".json"]  # a hint that changes
    names = {str(path.relative_to(data)): path for path in paths}
    return {name: known.get(name) or [path.stat().st_size, _crc(path)] for name, path in names.items()}


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while part := file.read(_SMALL):
            crc = zlib.crc32(part, crc)
    return crc


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


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process writes at a time; the lock of a killed one is gone with it."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"Another process is writing this index. Received: path={os.fspath(folder)!r}.") from error
        yield


@contextlib.contextmanager
def readable(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Says in one sentence that a folder holds no index that can be read."""
    try:
        yield
    except InputError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # Lance's, of a damaged file
            raise
        raise InputError(
            "`path` has to name a folder that NeighborIndex.save() wrote. "
            f"Received: path={os.fspath(folder)!r} ({type(error).__name__}: {short(str(error))})."
        ) from error
