"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import InputError

__all__ = ["write_whole"]


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
