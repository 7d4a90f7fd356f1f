"""Activations of words as users give them: arrays with the words beside them, or activations on disk and a site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from .errors import InputError, InputTypeError
from .matrices import matrix

__all__ = ["Reading", "Stored", "chosen_units", "given", "read"]

Array = npt.NDArray[Any]


@runtime_checkable
class Stored(Protocol):
    """What is asked of activations on disk: an `ActivationStore` answers."""

    @property
    def sites(self) -> Any: ...

    @property
    def texts(self) -> Any: ...

    @property
    def documents(self) -> Any: ...

    @property
    def spans(self) -> Any: ...

    def read(self, site: Any, rows: Any = None) -> Array: ...


@dataclass(frozen=True)
class Reading:
    """Rows of one site.

    Attributes:
        values: (n, units) floats.
        words: (n,) str: what each row is of.
        documents: (n,) where each word stands; all the same where nobody says.
        spans: (n, 2) characters of each word in its document; None where nobody says.
    """

    values: Array
    words: list[str]
    documents: Array
    spans: Array | None


def given(X: Any, site: str | None, words: Any, documents: Any = None, spans: Any = None) -> Reading:
    """What the user gave, checked; what was not given is taken from the store.

    Raises:
        InputError: if lengths differ or values are not finite.
        InputTypeError: if words are no strings, or missing.
    """
    if isinstance(X, Stored):
        words, documents, spans = (stored if own is None else own for own, stored in
                                   ((words, X.texts), (documents, X.documents), (spans, X.spans)))  # fmt: skip
    found = read(X, site)
    values = matrix(found[:, None] if found.ndim == 1 else found)
    if words is None or isinstance(words, (str, bytes)):
        raise InputTypeError(f"`words` has the word of each row. Received: {words!r}")
    texts, places = list(words), np.zeros(len(values), int) if documents is None else np.asarray(documents)
    where = None if spans is None else np.asarray(spans)
    lengths = {"words": len(texts), "documents": len(places), "spans": len(values) if where is None else len(where)}
    if set(lengths.values()) != {len(values)}:
        raise InputError(f"There is one word, document and span per row of activations. Received: {len(values)} rows, "
                         + ", ".join(f"{count} {name}" for name, count in lengths.items()))  # fmt: skip
    odd = next((i for i, text in enumerate(texts) if not isinstance(text, str)), None)
    if odd is not None:
        raise InputTypeError(f"Words are str. Received: words[{odd}]={texts[odd]!r}")
    return Reading(values, texts, places, where)


def read(X: Any, site: str | None) -> Array:
    """The array itself, or that of a site on disk: of the only one, if none is named."""
    if isinstance(X, Stored):
        if site is None and len(X.sites) > 1:
            raise InputError(f"The store holds the sites {', '.join(X.sites)}: name one. Received: site=None")
        return X.read(X.sites[0] if site is None else site)
    if site is not None:
        raise InputError(f"A site goes with an ActivationStore. Received: site={site!r} with an array")
    return np.asarray(X)


def chosen_units(units: Sequence[int] | int | None, count: int) -> Array:
    """The numbers of the units that were asked for, ascending; all for None.

    Raises:
        InputError: if one does not exist, or there is none.
    """
    if units is None:
        return np.arange(count)
    chosen = np.unique(np.asarray(units).ravel())
    if not len(chosen) or chosen.dtype.kind not in "iu" or chosen[0] < 0 or chosen[-1] >= count:
        raise InputError(f"Units are whole numbers from 0 to {count - 1}. Received: units={units!r}")
    return chosen
