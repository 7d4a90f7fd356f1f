"""A folder with a Lance dataset, and a small JSON file in it that names the version that counts.

The JSON file is replaced last and in one step: whatever a killed process leaves behind is named by none.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
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
    "Damaged", "check_files", "checks_of", "crc_of", "decoded", "encoded", "facts_of_files", "fits", "float_type",
    "folder_of", "locked", "made", "opened", "plain", "point", "read_column", "read_vectors", "readable", "rewound",
    "row_numbers", "scan", "short", "vectors_of", "writable",
]  # fmt: skip

_SMALL = 2**20  # bytes of a file that is read whole whenever it is opened


def short(value: Any) -> str:
    """A value as messages show it."""
    shown = " ".join((value if isinstance(value, str) else repr(value)).split())
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


# The folder


def folder_of(path: Any, name: str = "path") -> Path:
    """A path as it was given."""
    if not isinstance(path, (str, os.PathLike)):
        raise InputTypeError(f"`{name}` has to name a folder. Received: {name}={short(repr(path))}.")
    return Path(path)


@contextlib.contextmanager
def writable(path: str | os.PathLike[str], name: str = "path") -> Iterator[None]:
    """Says in one sentence that nothing can be written there."""
    try:
        yield
    except OSError as error:
        raise InputError(f"`{name}` has to name a place that can be written. Received: {name}={os.fspath(path)!r} "
                         f"({type(error).__name__}: {error.strerror}).") from error  # fmt: skip


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


class Damaged(ValueError):
    """What was whole once is not what it was."""


def check_files(data: Path, files: Mapping[str, list[int]], every_byte: bool) -> None:
    """Raises OSError or Damaged, if a file is not as it was; of large ones the size counts, unless `every_byte`."""
    for name, (size, crc) in files.items():
        path = data / name
        if not path.exists():
            raise Damaged(f"without {name}")
        if path.stat().st_size != size:
            raise Damaged(f"{name} of {path.stat().st_size} bytes, not {size}")
        if (every_byte or size <= _SMALL) and _crc(path) != crc:
            raise Damaged(f"other bytes in {name}")


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while part := file.read(2**20):
            crc = zlib.crc32(part, crc)
    return crc


@contextlib.contextmanager
def locked(folder: Path, what: str) -> Iterator[None]:
    """One process writes at a time; the lock of a killed one is gone with it."""
    lock = folder / ".lock"
    with writable(folder):
        file = lock.open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_there = os.path.samestat(os.fstat(file.fileno()), lock.stat())  # and was not removed meanwhile
        except OSError:
            is_there = False
        if not is_there:
            raise InputError(f"Another process is writing this {what}. Received: path={os.fspath(folder)!r}.")
        try:
            yield
        finally:
            if os.listdir(folder) == [lock.name]:  # nothing was written
                lock.unlink()


@contextlib.contextmanager
def made(folder: Path, what: str) -> Iterator[None]:
    """The folder, locked; a new one in which nothing was written does not stay."""
    with writable(folder):
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder, what):
            yield
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # it holds something
                folder.rmdir()


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
        why = f"{type(error).__name__}: {short(str(error))}"
        if isinstance(error, Damaged):
            why = f"damaged, {error}: bring it back from a copy, or make it again"
        raise InputError(f"`path` has to name {required}. Received: path={os.fspath(folder)!r} ({why}).") from error


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
    plain_values = values if isinstance(values, list) else values.to_pylist()
    return [(value or b"").decode("utf-8", "surrogatepass") for value in plain_values]


def plain(column: Any) -> Any:
    """A column of Arrow's as an array, or as a list of bytes and None."""
    import pyarrow as pa

    return column.to_pylist() if pa.types.is_binary(column.type) else np.asarray(column.to_numpy())


def crc_of(values: Any, before: int = 0) -> int:
    """The CRC of a column of numbers, or of bytes and None; that of its parts one after another is that of the whole."""
    if isinstance(values, np.ndarray):
        return zlib.crc32(np.ascontiguousarray(values).data, before)
    return zlib.crc32(b"".join(part for value in values for part in (value or b"", b"\0")), before)


def row_numbers(rows: npt.ArrayLike | slice, n: int) -> npt.NDArray[np.int64]:
    """Row numbers of row numbers, a mask or a slice, checked against n rows."""
    if isinstance(rows, slice):
        return np.arange(n)[rows]
    given = np.asarray(rows)
    if given.dtype == bool and given.shape == (n,):
        return np.flatnonzero(given)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InputTypeError(f"`rows` holds row numbers, or a mask of shape ({n},). "
                             f"Received: {given.dtype} of shape {given.shape}, rows={short(repr(rows))}.")  # fmt: skip
    if given.size and not 0 <= given.min() <= given.max() < n:
        raise InputError(f"The rows are 0 to {n - 1}. Received: {given.min()} to {given.max()}.")
    return given.astype(np.int64)


def checks_of(vectors: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """(n,) the sum of each row's bits in words: another byte is another sum, and it costs no more than reading them once."""
    word = np.uint16 if vectors.shape[1] * vectors.itemsize % 4 else np.uint32
    found: npt.NDArray[np.uint32] = np.add.reduce(np.ascontiguousarray(vectors).view(word), axis=1, dtype=np.uint32)
    return found


def vectors_of(table: Any, columns: Sequence[str], units: int, dtype: str) -> npt.NDArray[Any]:
    """The vectors of a table in one array. Raises Damaged, if a row does not give its check.

    Args:
        table: Arrow's, or a batch.
        columns: That of the vectors, and that of their checks.
        units: Numbers of a vector.
        dtype: What to make of them.
    """
    column, checks = table.column(columns[0]), table.column(columns[1]).to_numpy()
    whole, start = np.empty((len(column), units), dtype), 0
    for part in getattr(column, "chunks", [column]):
        values = part.flatten().to_numpy(zero_copy_only=True).reshape(-1, units)
        end = start + len(values)
        if not np.array_equal(checks_of(values), checks[start:end]):
            raise Damaged("other vectors than were written")
        if values.dtype == np.float16 and whole.dtype == np.float32:
            widened(values, out=whole[start:end])
        else:
            whole[start:end] = values
        start = end
    return whole


def read_vectors(dataset: Any, columns: list[str], units: int, dtype: str, rows: Any = None) -> npt.NDArray[Any]:
    """As `vectors_of`, of all rows or of some numbers."""
    table = dataset.to_table(columns=columns) if rows is None else dataset.take(rows.tolist(), columns=columns)
    return vectors_of(table, columns, units, dtype)


def read_column(dataset: Any, name: str, crc: int) -> Any:
    """A column as an array, or as a list of bytes and None. Raises Damaged, if it is not of this CRC."""
    values = plain(dataset.to_table(columns=[name]).column(name))
    if crc_of(values) != crc:
        raise Damaged(f"another {name} than was written")
    return values


def float_type(asked: Any, stored: str) -> str:
    """The dtype in which vectors are given: never one that holds less than what is on disk."""
    known = {stored, "float32", "float64"}
    try:
        name = stored if asked is None else np.dtype(asked).name
    except TypeError:
        name = ""
    if name not in known:
        raise InputError(f"`dtype` is one of {', '.join(map(repr, sorted(known)))}, or None for what is on disk. "
                         f"Received: dtype={short(asked)}.")  # fmt: skip
    return name


def fits(text: Any) -> Any:
    """Whether a text is that, one of those, or has what a compiled pattern looks for."""
    if isinstance(text, re.Pattern):
        return lambda one: text.search(one) is not None
    several = {text} if isinstance(text, str) else set(text)
    return several.__contains__
