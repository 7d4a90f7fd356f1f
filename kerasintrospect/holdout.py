"""Rows put aside: by class where there are classes, and never half a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError, InputTypeError

__all__ = ["balanced", "held_out", "missing", "named"]

Array = npt.NDArray[Any]
_DRAWS = 100  # of documents


def held_out(
    y: Array, share: float, seed: int, documents: Sequence[Any] | Array | None = None, classes: bool = True
) -> tuple[Array, Array]:
    """Splits rows in two.

    Of each class the share is put aside, rounded, at least one of two. With documents each goes to one side as a whole, and the
    shares of the classes are kept as near as that allows.

    Args:
        y: (n,) class ids or values.
        share: Above 0, below 1: how many rows are put aside.
        seed: Of what is drawn.
        documents: (n,) the document of each row.
        classes: Whether y holds class ids.

    Returns:
        The rows that stay and those put aside, both sorted.

    Raises:
        InputError: if one side would be empty.
    """
    if not isinstance(share, (int, float, np.number)) or not 0 < share < 1:
        raise InputError(f"The share that is held out has to be above 0 and below 1. Received: {share!r}.")
    random = np.random.default_rng(seed)
    names, of = named(documents, len(y))
    if len(names) < len(y):
        aside = _documents(y, share, random, names, of, classes)
    elif classes:
        aside = np.concatenate([_some(np.flatnonzero(y == of), share, random) for of in np.unique(y)])
    else:
        aside = _some(np.arange(len(y)), share, random)
    kept: Array = np.setdiff1d(np.arange(len(y)), aside)
    if not len(kept) or not len(aside):
        if classes and len(np.unique(y)) == len(y) > 2:
            raise InputError("To hold rows out, classes need more than one row each. Received: as many classes as rows, "
                             f"{len(y)}. Take labels that repeat; numbers that are values take regression=True.")  # fmt: skip
        raise InputError(f"Too few rows to hold some out. Received: {len(y)} rows, of which {share:g} are to be put aside.")
    return kept, np.sort(aside)


def balanced(y: Array, seed: int) -> Array:
    """Rows in which every class comes as often as the rarest, drawn without replacement; sorted."""
    ids, counts = np.unique(y, return_counts=True)
    random = np.random.default_rng(seed)
    rows: Array = np.concatenate([random.choice(np.flatnonzero(y == of), counts.min(), replace=False) for of in ids])
    return np.sort(rows)


def _some(rows: Array, share: float, random: np.random.Generator) -> Array:
    count = min(max(round(share * len(rows)), 1), len(rows) - 1)
    return random.permutation(rows)[:count]


def named(documents: Sequence[Any] | Array | None, n: int) -> tuple[Array, Array]:
    """The documents, sorted, and which of them each row is in; a row each where nobody says."""
    given = np.arange(n) if documents is None else documents if isinstance(documents, np.ndarray) else _listed(documents)
    if given.shape != (n,):
        raise InputError(f"`documents` has to name the document of each row. Received: shape={given.shape} for {n} rows.")
    if given.dtype.kind in "Of":
        none = next((at for at, document in enumerate(given.tolist()) if missing(document)), None)
        if none is not None:
            raise InputError("`documents` has to name the document of each row. Received: "
                             f"documents[{none}]={given[none]!r}. Give each row of no document a name of its own.")  # fmt: skip
        given = np.array(list(map(str, given.tolist()))) if given.dtype.kind == "O" else given
    names, of = np.unique(given, return_inverse=True)
    return names, of


def missing(value: Any) -> bool:
    """Whether it stands for nothing: None, NaN, and what pandas has for them."""
    is_nan = isinstance(value, (float, np.floating)) and bool(value != value)
    return value is None or is_nan or type(value).__name__ in ("NAType", "NaTType")


def _listed(values: Any) -> Array:
    """One element each; no number becomes a string because another element is one."""
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise InputTypeError(f"`documents` has to be a list with the document of each row. Received: documents={values!r}.")
    given = list(values)
    alike = len({type(value) for value in given}) < 2 and not any(isinstance(value, (tuple, list)) for value in given[:1])
    return np.asarray(given) if alike else np.fromiter(given, object, len(given))


def _documents(y: Array, share: float, random: np.random.Generator, names: Array, of: Array, classes: bool) -> Array:
    """Whole documents, at random: of many draws the one whose share of every class is nearest."""
    if len(names) < 1 / min(share, 1 - share):
        raise InputError(f"To hold out {share:g} of the documents takes at least {np.ceil(1 / min(share, 1 - share)):.0f} of "
                         f"them. Received: {len(names)}.")  # fmt: skip
    ids = np.unique(y, return_inverse=True)[1] if classes else np.zeros(len(y), int)
    counts = np.zeros((len(names), ids.max() + 1))
    np.add.at(counts, (of, ids), 1)
    best, least = np.zeros(0, int), np.inf
    for _ in range(_DRAWS):
        order = random.permutation(len(names))
        ends = np.cumsum(counts[order].sum(1))
        chosen = order[: min(max(int(np.abs(ends - share * len(y)).argmin()) + 1, 1), len(names) - 1)]
        off = np.abs(counts[chosen].sum(0) - share * counts.sum(0)) / np.sqrt(counts.sum(0))
        if off.max() < least:
            best, least = chosen, off.max()
    return np.flatnonzero(np.isin(of, best))
