"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .errors import InputError

__all__ = ["write_page", "write_whole"]


def write_page(path: str | Path, page: Callable[[], str], facts: Callable[[], str]) -> Path:
    """Writes a page (.html) or its facts (.json), whole or not at all.

    Raises:
        InputError: If the suffix is another one, or the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".html", ".json"):
        raise InputError(f"A page is saved as .html or .json. Received: path={str(path)!r}.")
    write_whole(path, facts() if kind == ".json" else page())
    return path


def write_whole(path: Path, content: str) -> None:
    """Writes beside the target first: a reader never sees half a file, and a failure leaves none.

    Raises:
        InputError: If the file cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            beside.write_bytes(content.encode("utf-8"))
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as fault:
        reason = fault.strerror or type(fault).__name__
        raise InputError(f"The report cannot be written: {reason}. Received: path={str(path)!r}.") from fault
