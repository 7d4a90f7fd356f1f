"""A folder with a Lance dataset, and a small JSON file in it that names the version that counts.

The JSON file is replaced last and in one step: whatever a killed process leaves behind is named by none.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError, InputTypeError, KerasIntrospectError
from .vectors import widened

__all__ = [
    "check_files", "decoded", "encoded", "facts_of_files", "locked", "opened", "point", "readable", "rewound", "row_numbers",
    "scan", "short", "vectors_of",
]  # fmt: skip

_SMALL = 2**20  # bytes of a file that is read whole whenever it is opened


def short(value: Any) -> str:
    """A value as messages show it."""
    shown = " ".join((value if isinstance(value, str) else repr(value)).split())
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


# The folder


def point(folder: Path, pointer: str, record: Mapping[str, Any]) -> None:
    """The one step that makes a version the one that counts."""
    part = folder / f".{pointer}.{uuid.uuid4().hex}"
    with part.open("x") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, folder / pointer)


def facts_of_files(data: Path, known: Mapping[str, list[int]], paths: Iterable[Path] | None = None) -> dict[str, list[int]]:
    """Path -> size and CRC; of all files of a dataset, but a hint of Lance's that changes, or of some."""
    if paths is None:
        paths = (path for path in sorted(data.rglob("*")) if path.is_file() and path.suffix != ".json")
    names = {str(path.relative_to(data)): path for path in paths}
    return {name: known.get(name) or [path.stat().st_size, _crc(path)] for name, path in names.items()}


def check_files(data: Path, files: Mapping[str, list[int]], every_byte: bool) -> None:
    """Raises OSError or ValueError, if a file is not as it was; of large ones the size counts, unless `every_byte`."""
    for name, (size, crc) in files.items():
        path = data / name
        if path.stat().st_size != size or ((every_byte or size <= _SMALL) and _crc(path) != crc):
            raise ValueError(f"{name} is damaged")


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while part := file.read(_SMALL):
            crc = zlib.crc32(part, crc)
    return crc


@contextlib.contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """One process writes at a time; the lock of a killed one is gone with it."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"Another process is writing this {what}. Received: path={os.fspath(folder)!r}.") from error
        yield


@contextlib.contextmanager
def readable(folder: str | os.PathLike[str], required: str) -> Iterator[None]:
    """Says in one sentence that a folder holds nothing that can be read."""
    try:
        yield
    except KerasIntrospectError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # Lance's, of a damaged file
            raise
        received = f"Received: path={os.fspath(folder)!r} ({type(error).__name__}: {short(str(error))})."
        raise InputError(f"`path` has to name {required}. {received}") from error


# The dataset


def opened(path: Path, version: int) -> Any:
    """A Lance dataset at a version."""
    import lance

    return lance.dataset(str(path), version=version, index_cache_size_bytes=2**28, metadata_cache_size_bytes=2**26)


def rewound(dataset: Any, version: int) -> Any:
    """The dataset at a version, without what a killed process added later."""
    dataset = dataset.checkout_version(version)
    if dataset.latest_version != version:
        dataset.restore()
    return dataset


def scan(dataset: Any, columns: list[str] | None, batch: int) -> Iterator[Any]:
    """Batches in the order of the rows, few at a time."""
    scanner = dataset.scanner(columns=columns, batch_size=batch, batch_readahead=2, fragment_readahead=1,
                              io_buffer_size=2**27, scan_in_order=True)  # fmt: skip
    yield from scanner.to_batches()


def encoded(texts: Iterable[str | None]) -> Any:
    """Texts as Arrow takes them: bytes, because its strings take no half characters."""
    import pyarrow as pa

    return pa.array([None if text is None else text.encode("utf-8", "surrogatepass") for text in texts], pa.binary())


def decoded(values: Any) -> list[str]:
    """The way back; nothing is the empty text."""
    return [(value or b"").decode("utf-8", "surrogatepass") for value in values.to_pylist()]


def row_numbers(rows: npt.ArrayLike, n: int) -> npt.NDArray[np.int64]:
    """Row numbers of row numbers or a mask, checked against n rows."""
    given = np.asarray(rows)
    if given.dtype == bool and given.shape == (n,):
        return np.flatnonzero(given)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InputTypeError(f"`rows` holds row numbers, or a mask of shape ({n},). "
                             f"Received: {given.dtype} of shape {given.shape}.")  # fmt: skip
    if given.size and not 0 <= given.min() <= given.max() < n:
        raise InputError(f"The rows are 0 to {n - 1}. Received: {given.min()} to {given.max()}.")
    return given.astype(np.int64)


def vectors_of(parts: Sequence[Any], units: int, dtype: str) -> npt.NDArray[Any]:
    """The vectors of Arrow's chunks in one array."""
    whole = np.empty((sum(map(len, parts)), units), dtype)
    start = 0
    for part in parts:
        values = part.flatten().to_numpy(zero_copy_only=True).reshape(-1, units)
        into = whole[start : start + len(values)]
        if values.dtype == np.float16 and whole.dtype == np.float32:
            widened(values, out=into)
        else:
            into[...] = values
        start += len(values)
    return whole
