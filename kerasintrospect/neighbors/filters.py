"""Which rows may be an answer: filters for all queries, and the rows that each query is itself."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasintrospect.datasets import short
from kerasintrospect.errors import InputError, InputTypeError, KerasIntrospectWarning
from kerasintrospect.search import matrix

from .columns import Backend, Rows
from .found import Neighbors, Unit

__all__ = ["Asked", "asked", "chosen", "count", "fitting", "nearest", "told"]

Array = npt.NDArray[Any]
Embed = Callable[[Any], Array | Rows]


@dataclass(frozen=True, eq=False)
class Asked:
    """Queries: their vectors, and their texts or places, if they are known."""

    vectors: Array
    texts: Sequence[str] | None = None
    places: Sequence[Unit] | None = None

    def keys(self) -> list[str] | None:
        """Equal for texts that are the same up to case and white space; of a word that of its text."""
        texts = self.texts if self.places is None else [place.text for place in self.places]
        return None if texts is None else [key(text) for text in texts]

    def names(self) -> list[Any] | None:
        """What tells one query from others: the text, or where the word stands in which text."""
        if self.places is not None:
            return [(place.text, place.start, place.end) for place in self.places]
        return None if self.texts is None else list(self.texts)


def asked(inputs: Any, embed: Embed | None, units: int, unit: str) -> Asked:
    """Inputs as queries.

    Raises:
        InputError: If there is no model, and the inputs are no vectors; or their units are not those of the index.
    """
    if embed is None and getattr(inputs, "ndim", 0) != 2:
        raise InputError(
            "This index has no model to make vectors of inputs, so they have to be an array (n, units). "
            f"Received: inputs={short(inputs)}. Load the index with NeighborIndex.load(path, lens)."
        )
    made = inputs if embed is None else embed(inputs)
    if isinstance(made, Rows):
        return fitting(Asked(made.vectors, made.texts, made.places), units)
    vectors = matrix("inputs" if embed is None else "embed(inputs)", made)
    texts = isinstance(inputs, (list, tuple, np.ndarray)) and all(isinstance(text, str) for text in inputs)
    return fitting(Asked(vectors, list(inputs) if texts and unit == "example" else None), units)


def fitting(queries: Asked, units: int) -> Asked:
    """Raises InputError, if the queries have another number of units."""
    given = queries.vectors.shape[1]
    if given != units:
        raise InputError(f"A query has to have {units} units, as the index has. Received: {given} units.")
    return queries


def told(rows: Backend, queries: Asked, indices: Array, distances: Array, class_names: list[str] | None) -> Neighbors:
    """The record of what was found, with all that is known of it."""
    there = indices >= 0
    numbers, back = np.unique(indices[there], return_inverse=True)
    known = rows.take(numbers)

    def filled(values: Any) -> Any:
        if values is None:
            return None
        flat = np.full(indices.shape, None, object)
        flat[there] = np.fromiter((values[i] for i in back.tolist()), object, len(back))
        return flat.tolist()

    labels = None
    if known.labels is not None:
        labels = np.full(indices.shape, -1)
        labels[there] = known.labels[back]
    places = None if queries.places is None else list(queries.places)
    return Neighbors(indices, distances, filled(known.texts), labels, class_names, filled(known.places), places)


def nearest(
    rows: Backend, queries: Asked, k: int, mask: Array | None, exact: bool, own: bool, duplicates: bool
) -> tuple[Array, Array]:
    """Indices and distances (n, k) of the nearest rows where the mask is True, filled up with -1 and NaN.

    Args:
        rows: The index.
        queries: What is asked.
        k: How many each gets.
        mask: (m,) bool, or None.
        exact: Whether every row is compared.
        own: Leaves out the row that a query is itself.
        duplicates: Leaves out all rows with the query's text, or at distance 0.
    """
    n, most = len(queries.vectors), len(rows) if mask is None else int(mask.sum())
    indices, distances = np.full((n, k), -1), np.full((n, k), np.nan, np.float32)
    names, keys = queries.names() if own else None, queries.keys() if duplicates else None
    here = _here(rows, queries, names) if own else np.full(n, -1)
    open_, width = np.arange(n), min(most, k + own + 4 * duplicates)
    while len(open_) and k:
        found, far = rows.nearest(queries.vectors[open_], width, mask, exact)
        away = np.zeros(found.shape, bool)
        told, back = np.unique(found, return_inverse=True)
        told_rows = rows.take(told) if names is not None or keys is not None else None
        back = back.reshape(found.shape)
        if own:
            away |= found == _own(here[open_], found, far, back, told_rows, names and [names[i] for i in open_])[:, None]
        if duplicates:
            away |= far == 0
        if keys is not None and told_rows is not None:
            away |= _equal(Asked(told_rows.vectors, told_rows.texts, told_rows.places).keys(), back, [keys[i] for i in open_])
        order = np.argsort(away, 1, kind="stable")[:, :k]
        room = order.shape[1]
        left = ~np.take_along_axis(away, order, 1)
        indices[open_, :room] = np.where(left, np.take_along_axis(found, order, 1), -1)
        distances[open_, :room] = np.where(left, np.take_along_axis(far, order, 1), np.nan)
        open_ = open_[(left.sum(1) < k) & (width < most)]
        width = min(most, 4 * width)
    return indices, distances


def _here(rows: Backend, asked: Asked, names: list[Any] | None) -> Array:
    """The number of the query, where the row of this number is the query; -1 elsewhere."""
    n = min(len(asked.vectors), len(rows))
    first, numbers = rows.take(np.arange(n)), np.full(len(asked.vectors), -1)
    theirs = Asked(first.vectors, first.texts, first.places).names()
    if names is not None and theirs is not None:
        same = np.array([mine == other for mine, other in zip(names, theirs, strict=False)], bool)
    else:
        same = (asked.vectors[:n] == first.vectors).all(1)
    numbers[:n] = np.where(same, np.arange(n), -1)
    return numbers


def _own(here: Array, found: Array, far: Array, back: Array, told: Rows | None, names: list[Any] | None) -> Array:
    """The row that each query is itself, or -1: that in its own place, else the first that is found."""
    theirs = None if told is None else Asked(told.vectors, told.texts, told.places).names()
    if names is not None and theirs is not None:
        same = _equal(theirs, back, names)
        first = np.where(same, found, np.iinfo(np.int64).max).min(1, initial=np.iinfo(np.int64).max)
        return np.where(here >= 0, here, np.where(same.any(1), first, -1))
    return np.where(here >= 0, here, np.where(far[:, 0] == 0, found[:, 0], -1))


def _equal(theirs: list[Any] | None, back: Array, mine: list[Any]) -> Array:
    """(n, k) bool: whether what was found is called as the query is."""
    if theirs is None:
        return np.zeros(back.shape, bool)
    return np.array([[theirs[j] == name for j in row] for row, name in zip(back.tolist(), mine, strict=True)], bool)


def key(text: str) -> str:
    """Equal for texts that are the same up to case and white space."""
    return " ".join(text.casefold().split())


def count(k: int, most: int) -> int:
    """Checks k; warns where there are fewer rows."""
    number = at_least_one(k)
    if number > most:
        message = f"There are only {most} examples to find: all are given. Received: k={number}."
        warnings.warn(message, KerasIntrospectWarning, stacklevel=3)
    return min(number, most)


def at_least_one(k: int) -> int:
    """Checks k."""
    try:
        number = operator.index(k)
    except TypeError as error:
        raise InputTypeError(f"`k` has to be an integer. Received: k={short(k)}.") from error
    if number < 1 or isinstance(k, bool):
        raise InputError(f"`k` has to be at least 1. Received: k={k!r}.")
    return number


def chosen(
    rows: Backend, class_names: Sequence[str] | None, label: Any, predicted: Any, correct: bool | None,
    where: Mapping[str, Any] | None, exclude: Iterable[Any] | None,
) -> Array | None:
    """(m,) bool, True at the rows that pass every filter; None if there is no filter.

    Raises:
        InputError: If there is no such class or column, or no row passes.
    """  # fmt: skip
    masks = []
    for name, wanted in (("labels", label), ("predicted", predicted)):
        if wanted is not None:
            ids = _known(rows, name, name.removesuffix("s"))
            masks.append(np.isin(ids, _class_ids(name.removesuffix("s"), wanted, ids, class_names)))
    if correct is not None:
        if not isinstance(correct, (bool, np.bool_)):
            raise InputTypeError(f"`correct` has to be True, False or None. Received: correct={short(correct)}.")
        masks.append((_known(rows, "predicted", "correct") == _known(rows, "labels", "correct")) == correct)
    masks += [_where(rows, name, wanted) for name, wanted in (where or {}).items()]
    if exclude is not None:
        masks.append(~_excluded(rows, exclude))
    if not masks:
        return None
    mask: Array = np.logical_and.reduce(masks)
    if not mask.any():
        counts = ", ".join(str(int(part.sum())) for part in masks)
        raise InputError(f"The filters leave none of the {len(rows)} rows. Received: filters that leave {counts} rows each.")
    return mask


def _known(rows: Backend, name: str, asked: str) -> Array:
    ids = rows.column(name)
    if ids is None:
        raise InputError(
            f"`{asked}` filters by the {name} of the index, and it has none. "
            f"Make the index with {name}=, or filter by one of its columns: {rows.names}."
        )
    return ids


def _class_ids(name: str, wanted: Any, ids: Array, class_names: Sequence[str] | None) -> list[int]:
    several = list(wanted) if isinstance(wanted, (list, tuple, set, frozenset, np.ndarray)) else [wanted]
    there = sorted(set(ids.tolist())) if class_names is None else list(range(len(class_names)))
    found = []
    for one in several:
        if isinstance(one, str) and class_names is not None and one in class_names:
            found.append(list(class_names).index(one))
        elif isinstance(one, (int, np.integer)) and not isinstance(one, bool) and int(one) in there:
            found.append(int(one))
        else:
            names = "" if class_names is None else f" ({', '.join(class_names)})"
            shown = ", ".join(map(str, there[:20])) + (", ..." if len(there) > 20 else "")
            raise InputError(f"`{name}` has to be a class of the index: {shown}{names}. Received: {name}={short(one)}.")
    return found


def _where(rows: Backend, name: str, wanted: Any) -> Array:
    if name not in rows.names:
        raise InputError(f"`where` names a column of the index: {rows.names}. Received: where={{{name!r}: {short(wanted)}}}.")
    values = rows.column(name)
    several = wanted if isinstance(wanted, (list, tuple, set, frozenset, np.ndarray)) else [wanted]
    hits = set(several.tolist() if isinstance(several, np.ndarray) else several)
    return np.array([value in hits for value in ([] if values is None else values.tolist())], bool)


def _excluded(rows: Backend, exclude: Iterable[Any]) -> Array:
    if isinstance(exclude, str):
        raise InputError(f'`exclude` has to be "duplicates", or a list of row numbers or texts. Received: exclude={exclude!r}.')
    several, mask = list(exclude), np.zeros(len(rows), bool)
    if all(isinstance(one, str) for one in several):
        keys, done = {key(text) for text in several}, 0
        for texts in rows.texts():
            mask[done : done + len(texts)] = [key(text) in keys for text in texts]
            done += len(texts)
        if several and not done:
            raise InputError("`exclude` holds texts, and the index has none. Give row numbers.")
        return mask
    numbers = np.asarray(several)
    if numbers.dtype.kind not in "iu" or numbers.ndim != 1:
        raise InputTypeError(f"`exclude` has to hold row numbers or texts. Received: exclude={short(several)}.")
    if numbers.min() < 0 or numbers.max() >= len(rows):
        received = f"Received: row numbers from {numbers.min()} to {numbers.max()}."
        raise InputError(f"`exclude` has to hold row numbers from 0 to {len(rows) - 1}. {received}")
    mask[numbers] = True
    return mask
