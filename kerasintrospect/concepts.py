"""Concepts: in which rows (words or texts) something holds, such as a word, a tag or membership of a list of words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError, InputTypeError
from .formulas import Formula

if TYPE_CHECKING:
    import pandas

__all__ = ["Concepts", "find_concepts"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Concepts:
    """Named sets of rows.

    Attributes:
        names: One per concept.
        members: Per concept the numbers of the rows where it holds, ascending.
        rows: How many rows there are.
        notes: What should be known about them.
    """

    names: tuple[str, ...]
    members: tuple[npt.NDArray[np.int64], ...]
    rows: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def mask(self, what: str | Formula) -> Mask:
        """(rows,) where a concept or a formula over concepts holds."""
        if isinstance(what, Formula):
            return what.holds(self.mask)
        if what not in self._places:
            raise InputError(f"There is no such concept; `.names` lists all {len(self)}. Received: {what!r}")
        found = np.zeros(self.rows, bool)
        found[self.members[self._places[what]]] = True
        return found

    def take(self, chosen: npt.NDArray[Any]) -> Concepts:
        """The same concepts, over some of the rows."""
        place = np.full(self.rows, -1)
        place[chosen] = np.arange(len(chosen))
        members = tuple(np.sort(place[one][place[one] >= 0]) for one in self.members)
        return replace(self, members=members, rows=len(chosen))

    def to_frame(self) -> pandas.DataFrame:
        """One row per concept: name, in how many rows it holds, and their share."""
        import pandas

        counts = [len(one) for one in self.members]
        return pandas.DataFrame({"concept": self.names, "count": counts, "share": np.array(counts) / max(self.rows, 1)})


def find_concepts(
    words: Sequence[Any] | None = None, labels: Sequence[Any] | None = None,
    lexicons: Mapping[str, Collection[str]] | None = None, masks: Mapping[str, Any] | None = None, min_count: int = 5,
    max_words: int = 2000, ignore_case: bool = True,
) -> Concepts:
    """Concepts of rows that are words, or of rows that are texts.

    Args:
        words: Per row its word, or the words that are in it: concepts `word:...`.
        labels: Per row its label (a tag), or the labels that are in it; None where it has none: concepts `label:...`.
        lexicons: Name to words: concepts `lexicon:...`, which hold where any of the words is.
        masks: Name to (n,) bool: concepts of any other kind, by their names.
        min_count: Rows in which a concept holds at least; those below are left out.
        max_words: Of the words the most frequent that are kept.
        ignore_case: Whether words are compared without case.

    Raises:
        InputError: if nothing is given, lengths differ, two concepts have one name, or none is left.

    >>> find_concepts(["The", "dog", "the"], ["DET", "NOUN", "DET"], min_count=1).names
    ('word:the', 'word:dog', 'label:DET', 'label:NOUN')
    """
    given = {"words": words, "labels": labels, **{f"masks[{name!r}]": mask for name, mask in (masks or {}).items()}}
    lengths = {name: len(value) for name, value in given.items() if value is not None}
    if not lengths or len(set(lengths.values())) > 1 or not next(iter(lengths.values())):
        raise InputError("Concepts are of rows: words, labels or masks, one entry per row and as many of each. Received: "
                         + (", ".join(f"{count} {name}" for name, count in lengths.items()) or "none of them"))  # fmt: skip
    if lexicons and words is None:
        raise InputError(f"A lexicon holds where its words are: give words=, one per row. Received: lexicons={list(lexicons)}")
    spoken = {} if words is None else _members(words, ignore_case, "words")
    ordered = sorted(spoken, key=lambda word: -len(spoken[word]))
    found = [(f"word:{word}", spoken[word]) for word in ordered[:max_words]]
    found += [(f"label:{label}", rows) for label, rows in _members([] if labels is None else labels, False, "labels").items()]
    found += [(f"lexicon:{name}", _any(spoken, entries, ignore_case)) for name, entries in (lexicons or {}).items()]
    found += [(name, _held(name, mask)) for name, mask in (masks or {}).items()]
    return _record(found, next(iter(lengths.values())), min_count)


def _record(found: list[tuple[str, npt.NDArray[np.int64]]], rows: int, min_count: int) -> Concepts:
    kept = [(name, members) for name, members in found if len(members) >= min_count]
    names = tuple(name for name, _ in kept)
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
    if twice is not None:
        raise InputError(f"Every concept has a name of its own. Received: two that are called {twice!r}")
    if not kept:
        raise InputError(f"No concept holds in min_count rows: give more rows, or a smaller min_count. Received: {len(found)} "
                         f"concepts over {rows} rows, min_count={min_count}")  # fmt: skip
    rare = len(found) - len(kept)
    notes = (f"{rare} concepts that hold in fewer than {min_count} rows are left out.",) if rare else ()
    return Concepts(names, tuple(members for _, members in kept), rows, notes)


def _members(values: Sequence[Any], fold: bool, name: str) -> dict[str, npt.NDArray[np.int64]]:
    """Value -> the rows that hold it, in the order of first appearance."""
    if isinstance(values, (str, bytes)):
        raise InputTypeError(f"`{name}` has one entry per row. Received: one {type(values).__name__}")
    rows: dict[str, list[int]] = {}
    for row, entry in enumerate(values):
        for value in _entries(entry):
            rows.setdefault(value.casefold() if fold else value, []).append(row)
    return {value: np.unique(np.array(members, np.int64)) for value, members in rows.items()}


def _entries(entry: Any) -> Iterator[str]:
    many = entry if isinstance(entry, (list, tuple, set, frozenset, np.ndarray)) else [entry]
    return (str(value) for value in many if value is not None)


def _any(
    spoken: Mapping[str, npt.NDArray[np.int64]], entries: Collection[str], fold: bool
) -> npt.NDArray[np.int64]:
    if isinstance(entries, str):
        raise InputTypeError(f"A lexicon is a list of words. Received: {entries!r}")
    parts = [spoken[word] for word in {entry.casefold() if fold else entry for entry in entries} if word in spoken]
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)


def _held(name: str, mask: Any) -> npt.NDArray[np.int64]:
    array = np.asarray(mask)
    if array.dtype != bool or array.ndim != 1:
        raise InputTypeError(f"A mask is (n,) bool. Received: masks[{name!r}] of dtype {array.dtype}, shape {array.shape}")
    return np.flatnonzero(array).astype(np.int64)
