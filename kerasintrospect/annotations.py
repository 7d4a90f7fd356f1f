"""The labels of an export: one per text or one per word, as classes or as numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from .datasets import short
from .errors import InputError, InputTypeError
from .pieces import word_of_each
from .tagging import Tagged

__all__ = ["Labels"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of documents or of their words.

    Attributes:
        values: Indices into `classes`, -1 for none; numbers without classes, NaN for none; None if there are no labels.
        classes: Sorted; None for numbers.
        tagged: The words that the values are of; None if they are of documents.
    """

    values: Array | None = None
    classes: list[Any] | None = None
    tagged: Tagged | None = None

    @classmethod
    def of(cls, documents: Tagged | int, labels: Any, unit: str) -> Labels:
        """Checks what the user gave.

        Args:
            documents: Texts with labelled words, or how many texts there are.
            labels: One per text; None for none.
            unit: `"example"`, `"word"` or `"token"`.
        """
        if isinstance(documents, Tagged):
            if labels is not None:
                raise InputError("The words are labelled already: leave out `labels`. Received: labels and a Tagged.")
            if unit == "example":
                raise InputError('The labels are those of words: use unit="word", or give .texts and one label per text. '
                                 "Received: unit='example' and a Tagged.")  # fmt: skip
            return cls(*_coded([label for row in documents.labels for label in row]), documents)
        if labels is None:
            return cls()
        if isinstance(labels, str) or not isinstance(labels, Iterable):
            raise InputTypeError(f"`labels` is a list with one label per text. Received: labels={short(labels)}.")
        given = np.asarray(labels).tolist() if hasattr(labels, "shape") else list(labels)
        if len(given) != documents:
            raise InputError(f"`labels` holds one label per text. Received: {documents} texts, {len(given)} labels.")
        return cls(*_coded(given))

    def digest(self) -> str:
        """Equal for equal labels."""
        digest = hashlib.blake2b(digest_size=16)
        if self.values is not None:
            digest.update(f"{self.values.dtype}{len(self.values)}".encode() + self.values.tobytes())
        return digest.hexdigest()

    def take(self, documents: Array, spans: Array | None) -> Array | None:
        """The values of rows: of their documents, or of the words where they stand."""
        if self.values is None or self.tagged is None:
            return None if self.values is None else self.values[documents]
        if not len(documents):
            return self.values[:0]
        first, last = int(documents.min()), int(documents.max()) + 1
        words = [self.tagged.spans[i] for i in range(first, last)]
        counts = np.bincount(documents - first, minlength=last - first)
        flat = np.array([span for row in words for span in row], np.int64).reshape(-1, 2)
        owner = word_of_each(np.asarray(spans), counts, flat, np.array(list(map(len, words))))
        none = -1 if self.classes is not None else np.nan
        return np.where(owner >= 0, self.values[self._starts[first] + np.maximum(owner, 0)], none)

    @cached_property
    def _starts(self) -> Array:
        rows = [] if self.tagged is None else self.tagged.spans
        return np.concatenate([[0], np.cumsum([len(row) for row in rows])])


def _coded(labels: Sequence[Any]) -> tuple[Array, list[Any] | None]:
    """(values, classes) of labels that are all str, all bool, all integers, or numbers."""
    plain = [label.item() if isinstance(label, np.generic) else label for label in labels]
    kinds = {type(label) for label in plain} - {type(None)}
    if kinds in ({float}, {float, int}):
        wrong = next((i for i, label in enumerate(plain) if label is not None and not np.isfinite(label)), None)
        if wrong is not None:
            raise InputError("Labels that are numbers are finite, and None where there is none. "
                             f"Received: {plain[wrong]} at position {wrong}.")  # fmt: skip
        return np.array([np.nan if label is None else label for label in plain], np.float64), None
    if len(kinds) != 1 or not kinds <= {str, bool, int}:
        shown = ", ".join(sorted(kind.__name__ for kind in kinds)) or "only None"
        raise InputTypeError(f"Labels are all str, all bool, all int, or numbers. Received: {shown}.")
    classes = sorted(set(plain) - {None})
    ids = {label: i for i, label in enumerate(classes)} | {None: -1}
    return np.array([ids[label] for label in plain], np.int64), classes
