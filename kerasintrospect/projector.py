"""Files for the Embedding Projector of TensorBoard: vectors and what is known of them, as tab-separated values."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .datasets import folder_of, writable

__all__ = ["write_projector"]


def write_projector(
    folder: str | os.PathLike[str], vectors: Mapping[str, npt.NDArray[Any]], columns: Mapping[str, Sequence[Any]]
) -> Path:
    """Writes a folder for `tensorboard --logdir` that also projector.tensorflow.org loads.

    Args:
        folder: Where to; it is made if it is not there.
        vectors: name -> (n, units).
        columns: name -> n values.

    Returns:
        The folder.

    Raises:
        InputError: if the folder cannot be written.
    """
    place = folder_of(folder, "folder")
    with writable(place, "folder"):
        place.mkdir(parents=True, exist_ok=True)
        _write(place, vectors, columns)
    return place


def _write(place: Path, vectors: Mapping[str, npt.NDArray[Any]], columns: Mapping[str, Sequence[Any]]) -> None:
    names = list(columns)
    with (place / "metadata.tsv").open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        if len(names) > 1:  # a single column has no head
            file.write("\t".join(names) + "\n")
        for row in zip(*columns.values(), strict=True):
            file.write("\t".join(map(_cell, row)) + "\n")
    entries = []
    for number, (name, values) in enumerate(vectors.items()):
        np.savetxt(place / f"tensors{number}.tsv", values, fmt="%.7g", delimiter="\t", newline="\n")
        shape = "".join(f"  tensor_shape: {size}\n" for size in values.shape)
        entries.append(f"embeddings {{\n  tensor_name: {json.dumps(name)}\n{shape}  tensor_path: \"tensors{number}.tsv\"\n"
                       '  metadata_path: "metadata.tsv"\n}\n')  # fmt: skip
    (place / "projector_config.pbtxt").write_text("".join(entries))


def _cell(value: Any) -> str:
    """One line without tabs; a row of nothing would not be one."""
    return " ".join(str(value).split()) or "(blank)"
