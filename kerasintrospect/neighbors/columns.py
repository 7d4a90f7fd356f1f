"""What an index knows of each row beside its vector: texts, labels, columns, places of words; and rows in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kerasintrospect.datasets import short
from kerasintrospect.errors import InputError, InputTypeError
from kerasintrospect.search import Search, matrix

from .found import Unit

__all__ = ["Backend", "InMemory", "Rows", "Shape", "check_metric"]

Array = npt.NDArray[Any]
Shape = tuple[int, list[str], dict[str, str]]
_KINDS = {"b": bool, "i": np.int64, "u": np.int64, "f": np.float64}
_CACHED = 4  # filtered searches that are kept


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of an index, checked.

    Attributes:
        vectors: (m, units) float32, finite.
        texts: m texts (words, tokens), or None.
        labels: (m,) class indices, or None.
        predicted: (m,) class indices that the model gives, or None.
        columns: name -> m values of one kind: str, bool, int or float.
        places: m `Unit`, for words and tokens; None for whole texts.
    """

    vectors: Array
    texts: Sequence[str] | None = None
    labels: Array | None = None
    predicted: Array | None = None
    columns: Mapping[str, Array] = field(default_factory=dict)
    places: Sequence[Unit] | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def checked(
        cls,
        vectors: npt.ArrayLike,
        texts: Sequence[str] | None = None,
        labels: npt.ArrayLike | None = None,
        predicted: npt.ArrayLike | None = None,
        columns: Mapping[str, Any] | None = None,
        places: Sequence[Unit] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> Rows:
        """Raises InputError or InputTypeError, if something does not fit the vectors."""
        rows = matrix("vectors", vectors)
        if not rows.size:
            raise InputError(f"`vectors` has to hold numbers. Received: vectors.shape={rows.shape}.")
        n, names = len(rows), None if class_names is None else len(class_names)
        if places is not None and len(places) != n:
            raise InputError(f"`places` has to hold {n} units, one per vector. Received: {len(places)}.")
        checked = {str(name): _column(str(name), values, n) for name, values in (columns or {}).items()}
        return cls(rows, _texts(texts, n), _ids("labels", labels, n, names), _ids("predicted", predicted, n, names),
                   checked, None if places is None else [Unit(*unit) for unit in places])  # fmt: skip

    @classmethod
    def together(cls, parts: Iterable[Rows]) -> Rows:
        """All rows in memory, one part after the other.

        Raises:
            InputError: If the parts hold different things.
        """
        every = list(parts)
        if not every:
            raise InputError("There are no rows: the texts hold no word or token that the model sees.")
        first = every[0]
        for part in every[1:]:
            part.check_shape(first.shape())
        if len(every) == 1:
            return first

        def one(name: str) -> Any:
            return None if getattr(first, name) is None else np.concatenate([getattr(part, name) for part in every])

        def listed(name: str) -> Any:
            return None if getattr(first, name) is None else [value for part in every for value in getattr(part, name)]

        columns = {name: np.concatenate([part.columns[name] for part in every]) for name in first.columns}
        return cls(one("vectors"), listed("texts"), one("labels"), one("predicted"), columns, listed("places"))

    def shape(self) -> Shape:
        """Units of a vector, what is known of a row, and the kinds of its columns."""
        given = {"texts": self.texts, "labels": self.labels, "predicted": self.predicted, "places": self.places}
        kinds = {"O": "str", "b": "bool", "i": "int", "f": "float"}
        columns = {name: kinds[values.dtype.kind] for name, values in self.columns.items()}
        return self.vectors.shape[1], [name for name, values in given.items() if values is not None], columns

    def check_shape(self, shape: Shape) -> None:
        if self.shape() != shape:
            said = [f"{units} units, {', '.join(known)}, columns {columns}" for units, known, columns in (shape, self.shape())]
            raise InputError(f"All rows of an index have to hold the same. Required: {said[0]}. Received: {said[1]}.")


class Backend(Protocol):
    """Where the rows are, and how the nearest are found there."""

    def __len__(self) -> int: ...

    @property
    def units(self) -> int:
        """The number of units of a vector."""

    @property
    def names(self) -> list[str]:
        """The names of the columns."""

    def nearest(self, queries: Array, k: int, mask: Array | None, exact: bool) -> tuple[Array, Array]:
        """Indices (n, k) and distances (n, k) of the nearest rows where the mask is True; k are there."""

    def column(self, name: str) -> Array | None:
        """All `"labels"`, `"predicted"` or values of a column."""

    def take(self, rows: Array) -> Rows:
        """Some rows, in the order of the numbers."""

    def texts(self) -> Iterator[Sequence[str]]:
        """All texts, part by part; nothing if there are none."""

    def parts(self) -> Iterator[Rows]:
        """All rows, part by part."""


class InMemory:
    """Rows in memory, and the exact search over them."""

    def __init__(self, rows: Rows, cosine: bool) -> None:
        self.rows, self.cosine = rows, cosine
        self._searches: dict[bytes, tuple[Array, Search]] = {}
        self._search = Search(rows.vectors, cosine)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def units(self) -> int:
        return int(self.rows.vectors.shape[1])

    @property
    def names(self) -> list[str]:
        return list(self.rows.columns)

    def nearest(self, queries: Array, k: int, mask: Array | None, exact: bool) -> tuple[Array, Array]:
        if mask is None:
            return self._search.nearest(queries, k)
        chosen_rows, search = self._among(mask)
        indices, distances = search.nearest(queries, k)
        return chosen_rows[indices], distances

    def _among(self, mask: Array) -> tuple[Array, Search]:
        mark = mask.tobytes()
        if mark not in self._searches:
            rows = np.flatnonzero(mask)
            while len(self._searches) >= _CACHED:
                self._searches.pop(next(iter(self._searches)))
            self._searches[mark] = rows, Search(self.rows.vectors[rows], self.cosine)
        return self._searches[mark]

    def column(self, name: str) -> Array | None:
        if name in ("labels", "predicted"):
            return self.rows.labels if name == "labels" else self.rows.predicted
        return self.rows.columns[name]

    def take(self, rows: Array) -> Rows:
        mine = self.rows
        texts = None if mine.texts is None else [mine.texts[row] for row in rows.tolist()]
        places = None if mine.places is None else [mine.places[row] for row in rows.tolist()]
        parts = [None if part is None else part[rows] for part in (mine.labels, mine.predicted)]
        columns = {name: values[rows] for name, values in mine.columns.items()}
        return Rows(mine.vectors[rows], texts, parts[0], parts[1], columns, places)

    def texts(self) -> Iterator[Sequence[str]]:
        yield from [] if self.rows.texts is None else [self.rows.texts]

    def parts(self) -> Iterator[Rows]:
        yield self.rows


def _texts(texts: Sequence[str] | None, n: int) -> list[str] | None:
    if texts is None:
        return None
    kinds = ", ".join(sorted({type(text).__name__ for text in texts}))
    if len(texts) != n or not all(isinstance(text, str) for text in texts):
        raise InputError(f"`texts` has to hold {n} strings, one per vector. Received: {len(texts)} {kinds}.")
    return [str(text) for text in texts]


def _ids(name: str, ids: npt.ArrayLike | None, n: int, classes: int | None) -> Array | None:
    if ids is None:
        return None
    given = np.asarray(ids)
    if given.dtype.kind not in "iub":
        raise InputTypeError(f"`{name}` has to hold class indices. Received: {name}={short(ids)}.")
    if given.shape != (n,):
        raise InputError(f"`{name}` has to be of shape ({n},), one for each vector. Received: {given.shape}.")
    least = -1 if name == "predicted" else 0  # the model says nothing where its scores are NaN
    if classes is not None and not (least <= given.min() and given.max() < classes):
        received = f"Received: {name} from {given.min()} to {given.max()}."
        raise InputError(f"`{name}` has to hold indices of the {classes} class names. {received}")
    return given.astype(np.int64)


def _column(name: str, values: Any, n: int) -> Array:
    given = list(values)
    kinds = {type(value.item() if isinstance(value, np.generic) else value) for value in given}
    if len(given) != n:
        raise InputError(f"The column {name!r} has to hold {n} values, one per vector. Received: {len(given)}.")
    if kinds <= {str}:
        return np.array([*given, None], object)[:-1]
    if len(kinds) > 1 and kinds != {int, float} or not kinds <= {bool, int, float}:
        shown = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise InputTypeError(f"The column {name!r} has to hold values of one kind: str, bool, int or float. Received: {shown}.")
    array = np.asarray(given)
    if array.dtype.kind not in _KINDS or (array.dtype.kind == "u" and array.max() > np.iinfo(np.int64).max):
        raise InputError(f"The column {name!r} has to hold integers of 64 bits. Received: {array.max()}.")
    return array.astype(_KINDS[array.dtype.kind])


def check_metric(metric: str) -> None:
    if metric not in ("cosine", "euclidean"):
        raise InputError(f'`metric` has to be "cosine" or "euclidean". Received: metric={metric!r}.')
