"""Nearest training examples: what the model has seen that looks alike to it.

`NeighborIndex` holds the vectors that a site gives for the training texts, and finds the nearest of them.
Numpy only, so that tests need no model.
"""

from __future__ import annotations

import json
import operator
import os
import uuid
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from kerasintrospect.errors import InputError, InputTypeError, KerasIntrospectWarning, StaleIndexError
from kerasintrospect.search import Search, matrix

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Neighbor", "NeighborIndex", "Neighbors"]

Array = npt.NDArray[Any]
Embed = Callable[[Any], Array]
_FORMAT = "kerasintrospect.neighbors/1"
_FORMAT_ERRORS = (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, MemoryError)
_UNREADABLE = (*_FORMAT_ERRORS, ValueError, LookupError, AttributeError, TypeError)  # of numpy, json, zipfile


class _Lens(Protocol):
    def embedder(self, site: str, pool: str | None) -> tuple[Embed, str]: ...


@dataclass(frozen=True)
class Neighbor:
    """One training example, and how far it is from one query."""

    index: int
    distance: float
    text: str | None = None
    label: int | None = None


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The k nearest training examples of n queries, nearest first; `[i]` lists those of query i.

    Attributes:
        indices: (n, k) int64, rows of the index.
        distances: (n, k) float32.
        texts: n lists of k texts, or None.
        labels: (n, k) int64, or None.
        class_names: The names of the labels, or None.
    """

    indices: Array
    distances: Array
    texts: list[list[str]] | None = None
    labels: Array | None = None
    class_names: list[str] | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> list[Neighbor]:
        indices, distances = self.indices[i].tolist(), self.distances[i].tolist()
        texts = self.texts[i] if self.texts is not None else [None] * len(indices)
        labels = self.labels[i].tolist() if self.labels is not None else [None] * len(indices)
        return [Neighbor(*row) for row in zip(indices, distances, texts, labels, strict=True)]

    def to_frame(self) -> pd.DataFrame:
        """A table of query, rank (1 is the nearest), index, distance, label (its name, if known) and text."""
        import pandas as pd

        query, rank = np.indices(self.indices.shape)
        labels = None if self.labels is None else self.labels.ravel()
        if labels is not None and self.class_names is not None:
            labels = np.array(self.class_names, object)[labels]
        columns = {"query": query.ravel(), "rank": rank.ravel() + 1, "index": self.indices.ravel()}
        # As objects: the strings of pandas take no half characters.
        texts = None if self.texts is None else pd.Series([text for row in self.texts for text in row], dtype=object)
        return pd.DataFrame({**columns, "distance": self.distances.ravel(), "label": labels, "text": texts})


class NeighborIndex:
    """Training examples by their vectors at a site of the model.

    Cosine distance is 1 - cos; a vector of zeros has no direction and comes last, at 2, the greatest.
    Euclidean distance is the norm of the difference. Equal distances keep the order of the training set.

    Args:
        vectors: (m, units), finite.
        texts: The m texts, or None.
        labels: The m class indices, or None.
        metric: `"cosine"` or `"euclidean"`.
        fingerprint: Says which weights, site and text front made the vectors.
        site: The address where they were taken.
        pool: How tokens were pooled there.
        class_names: The names of the classes, in the order of the indices.
        embed: Makes vectors (n, units) of inputs; without it, queries are vectors.
    """

    def __init__(
        self,
        vectors: npt.ArrayLike,
        texts: Sequence[str] | None = None,
        labels: npt.ArrayLike | None = None,
        metric: str = "cosine",
        fingerprint: str = "",
        site: str = "",
        pool: str | None = "mean",
        class_names: Sequence[str] | None = None,
        embed: Embed | None = None,
    ) -> None:
        if metric not in ("cosine", "euclidean"):
            raise InputError(f'`metric` has to be "cosine" or "euclidean". Received: metric={metric!r}.')
        self.vectors = matrix("vectors", vectors)
        if not self.vectors.size:
            raise InputError(f"`vectors` has to hold numbers. Received: vectors.shape={self.vectors.shape}.")
        self.class_names = None if class_names is None else [str(name) for name in class_names]
        self.texts = _texts(texts, len(self))
        self.labels = _labels(labels, len(self), self.class_names)
        self.metric, self.fingerprint, self.embed = metric, fingerprint, embed
        self.site, self.pool = site, pool
        self._search = Search(self.vectors, metric == "cosine")

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        return f"NeighborIndex({len(self)} examples, {self.metric}, site={self.site!r}, pool={self.pool!r})"

    def query(self, inputs: Any, k: int = 5, exclude_self: bool = False) -> Neighbors:
        """Finds the nearest training examples of inputs.

        Args:
            inputs: What the model takes; without a model, vectors (n, units).
            k: How many neighbors each gets.
            exclude_self: Leaves out the training example that the query itself is: the same text or, where no
                texts are known, the same vector; of several, the one in the query's row, else the first.

        Raises:
            InputError: If the index has no model, and the inputs are no vectors.
        """
        vectors = self._embed(inputs)
        if not exclude_self:
            return self.query_vectors(vectors, k)
        k = _count(k, len(self) - 1)
        indices, distances = self._nearest(vectors, k + 1)
        others = indices != self._own(inputs, vectors, indices, distances)[:, None]
        others[others.all(1), -1] = False
        shape = len(indices), k
        return self._found(indices[others].reshape(shape), distances[others].reshape(shape))

    def query_vectors(self, vectors: npt.ArrayLike, k: int = 5) -> Neighbors:
        """Finds the nearest training examples of vectors (n, units)."""
        return self._found(*self._nearest(matrix("vectors", vectors), _count(k, len(self))))

    def attach(self, embed: Embed, fingerprint: str) -> None:
        """Gives the index the model that makes vectors of queries.

        Raises:
            StaleIndexError: If it is not the model that made the index.
        """
        if fingerprint != self.fingerprint:
            raise StaleIndexError(
                "The weights, the site or the text front changed since this index was made. "
                f"Required: fingerprint={self.fingerprint!r}. Received: fingerprint={fingerprint!r}. "
                "Make a new index with lens.neighbors(texts)."
            )
        self.embed = embed

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes one .npz file. A file that is there stays as it is until the new one is complete."""
        names = ("metric", "fingerprint", "site", "pool", "class_names", "texts")
        record = json.dumps({"format": _FORMAT, **{name: getattr(self, name) for name in names}})
        arrays: dict[str, Any] = {"vectors": self.vectors, "record": np.frombuffer(record.encode(), np.uint8)}
        if self.labels is not None:
            arrays["labels"] = self.labels
        part = Path(path).with_name(f".{Path(path).name}.{uuid.uuid4().hex}")
        try:
            with part.open("xb") as file:
                np.savez(file, **arrays)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str], lens: _Lens | None = None) -> NeighborIndex:
        """Reads an index that `save` wrote.

        Args:
            path: The file.
            lens: The wrapped model, to query with what it takes; without it, queries are vectors.

        Raises:
            InputError: If the file holds no index.
            StaleIndexError: If the model is not the one that made the index.
        """
        try:
            index = cls._read(path)
        except _UNREADABLE as error:
            raise InputError(
                "`path` has to name a file that NeighborIndex.save() wrote. "
                f"Received: path={os.fspath(path)!r} ({type(error).__name__}: {_short(str(error))})."
            ) from error
        if lens is not None:
            index.attach(*lens.embedder(index.site, index.pool))
        return index

    @classmethod
    def _read(cls, path: str | os.PathLike[str]) -> NeighborIndex:
        with np.load(path, allow_pickle=False) as file:
            record = json.loads(file["record"].tobytes())
            if record.pop("format") != _FORMAT:
                raise InputError("another format")
            return cls(file["vectors"], labels=file["labels"] if "labels" in file else None, **record)

    def _embed(self, inputs: Any) -> Array:
        if self.embed is not None:
            return matrix("embed(inputs)", self.embed(inputs))
        if getattr(inputs, "ndim", 0) == 2:
            return matrix("inputs", inputs)
        raise InputError(
            "This index has no model to make vectors of inputs, so they have to be an array (n, units). "
            f"Received: inputs={_short(inputs)}. Load the index with NeighborIndex.load(path, lens)."
        )

    def _nearest(self, queries: Array, k: int) -> tuple[Array, Array]:
        given, units = queries.shape[1], self.vectors.shape[1]
        if given != units:
            raise InputError(f"A query has to have {units} units, as the index has. Received: {given} units.")
        return self._search.nearest(queries, k)

    def _own(self, inputs: Any, vectors: Array, indices: Array, distances: Array) -> Array:
        """The row of the index that each query itself is, or -1."""
        rows, texts, here = np.arange(len(vectors)), self.texts, np.zeros(len(vectors), bool)
        listed = isinstance(inputs, (list, tuple, np.ndarray))
        if texts is not None and listed and all(isinstance(text, str) for text in inputs):
            first = {text: row for row, text in reversed([*enumerate(texts)])}
            here[: len(self)] = [mine == text for mine, text in zip(texts, inputs, strict=False)]
            return np.where(here, rows, [first.get(text, -1) for text in inputs])
        here[: len(self)] = (vectors[: len(self)] == self.vectors[: len(rows)]).all(1)
        return np.where(here, rows, np.where(distances[:, 0] == 0, indices[:, 0], -1))

    def _found(self, indices: Array, distances: Array) -> Neighbors:
        texts = None if self.texts is None else [[self.texts[i] for i in row] for row in indices.tolist()]
        labels = None if self.labels is None else self.labels[indices]
        return Neighbors(indices, distances, texts, labels, self.class_names)


def _texts(texts: Sequence[str] | None, n: int) -> list[str] | None:
    if texts is None:
        return None
    kinds = ", ".join(sorted({type(text).__name__ for text in texts}))
    if len(texts) != n or not all(isinstance(text, str) for text in texts):
        raise InputError(f"`texts` has to hold {n} strings, one per vector. Received: {len(texts)} {kinds}.")
    return [str(text) for text in texts]


def _labels(labels: npt.ArrayLike | None, n: int, class_names: list[str] | None) -> Array | None:
    if labels is None:
        return None
    ids = np.asarray(labels)
    if ids.dtype.kind not in "iub":
        raise InputTypeError(f"`labels` has to hold class indices. Received: labels={_short(labels)}.")
    if ids.shape != (n,):
        raise InputError(f"`labels` has to be of shape ({n},), one for each vector. Received: {ids.shape}.")
    if class_names is not None and not (0 <= ids.min() and ids.max() < len(class_names)):
        received = f"Received: labels from {ids.min()} to {ids.max()}."
        raise InputError(f"`labels` has to hold indices of the {len(class_names)} class names. {received}")
    return ids.astype(np.int64)


def _count(k: int, most: int) -> int:
    try:
        number = operator.index(k)
    except TypeError as error:
        raise InputTypeError(f"`k` has to be an integer. Received: k={_short(k)}.") from error
    if number < 1 or isinstance(k, bool):
        raise InputError(f"`k` has to be at least 1. Received: k={k!r}.")
    if number > most:
        message = f"There are only {most} examples to find: all are given. Received: k={number}."
        warnings.warn(message, KerasIntrospectWarning, stacklevel=3)
    return min(number, most)


def _short(value: Any) -> str:
    shown = " ".join((value if isinstance(value, str) else repr(value)).split())
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
