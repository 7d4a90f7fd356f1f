"""Labelled texts: what people pass, checked once, and what a training set knows of a text."""

import math
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, InputTypeError, KerasIntrospectWarning
from .pairs import as_pair, changed
from .text import Span, words

__all__ = ["TrainingSet", "class_ids", "paired", "positive", "strings", "warnings_as_notes", "word_set"]

COMMON = 0.05  # a word in more than this share of the training texts says nothing about likeness
FEW = 5  # ... unless it is in no more than this many of them
_SURROGATE = re.compile("[\ud800-\udfff]")


def strings(texts: Iterable[str], name: str, notes: list[str]) -> list[str]:
    """Checks a list of texts.

    Args:
        texts: The texts, or pairs of texts.
        name: The name of the argument, for messages.
        notes: Takes a sentence for each thing that a reader of the results should know.

    Returns:
        The texts as a list, the same length each, so that character spans stay right.

    Raises:
        InputError: If there is none.
        InputTypeError: If one of them is no string.
    """
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise InputTypeError(f"`{name}` has to be a list of texts. Received: {name}={_short(texts)}.")
    texts = [as_pair(text) for text in texts]
    if not texts:
        raise InputError(f"`{name}` has to hold at least one text. Received: {name}=[].")
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputTypeError(
                f"Each of `{name}` has to be a string. Received: {name}[{position}]={_short(text)} "
                f"(of type {type(text).__name__}). Drop rows without a text first."
            )
    _note(notes, sum(not text.strip() for text in texts), f"of `{name}`", "empty")
    whole = [changed(text, partial(_SURROGATE.sub, "\ufffd")) for text in texts]
    broken = sum(old != new for old, new in zip(texts, whole, strict=True))
    _note(notes, broken, f"of `{name}`", "no valid Unicode; half characters were replaced by \ufffd")
    return whole


def paired(texts: Sequence[Any], labels: Any, names: tuple[str, str] = ("texts", "labels")) -> list[Any]:
    """The labels as a list, if there is one for each text.

    Raises:
        InputError: If there are more or fewer.
        InputTypeError: If the labels are no list.
    """
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise InputTypeError(
            f"`{names[1]}` has to be a list with one label for each of `{names[0]}`. "
            f"Received: {names[1]}={_short(labels)}."
        )
    found: list[Any] = list(labels)
    if len(found) != len(texts):
        raise InputError(
            f"`{names[0]}` and `{names[1]}` have to be of the same length. "
            f"Received: {len(texts)} {names[0]}, {len(found)} {names[1]}."
        )
    return found


def class_ids(labels: Sequence[Any], class_names: Sequence[str], named: bool, name: str) -> NDArray[np.int64]:
    """Labels as class indices.

    Args:
        labels: Class indices, or names out of `class_names`.
        class_names: The names, in the order of the outputs of the model.
        named: Whether the user gave them, so that labels may use them.
        name: The name of the argument, for messages.

    Raises:
        InputError: If a label is no class of the model.
    """
    order = {other: index for index, other in enumerate(class_names)}
    ids = [_class_id(f"{name}[{i}]", label, order, named) for i, label in enumerate(labels)]
    return np.array(ids, np.int64)


def _class_id(place: str, label: Any, order: Mapping[str, int], named: bool) -> int:
    if isinstance(label, str):
        if not named:
            raise InputError(
                "Labels in words need class names, in the order of the outputs of the model. "
                f"Received: {place}={_short(label)}. Pass kerasintrospect.wrap(model, class_names=[...])."
            )
        if label not in order:
            raise InputError(f"A label has to be one of {_listed(order)}. Received: {place}={_short(label)}.")
        return order[label]
    number = _integer(label)
    if number is None or not 0 <= number < len(order):
        raise InputError(
            f"A label has to be a class index from 0 to {len(order) - 1}"
            f"{' or one of ' + _listed(order) if named else ''}. Received: {place}={_short(label)}."
        )
    return number


def _integer(label: Any) -> int | None:
    if isinstance(label, (int, np.integer)):
        return int(label)
    if isinstance(label, (float, np.floating)) and math.isfinite(label) and label == int(label):
        return int(label)
    return None


def positive(**numbers: int) -> None:
    """Checks that each argument is an integer above zero.

    Raises:
        InputError: If one of them is not.
    """
    for name, number in numbers.items():
        if isinstance(number, bool) or _integer(number) is None or number < 1:
            raise InputError(f"`{name}` has to be an integer of at least 1. Received: {name}={number!r}.")


@contextmanager
def warnings_as_notes(notes: list[str]) -> Iterator[None]:
    """Our own warnings go to the reader of the report, once each; those of others go on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", KerasIntrospectWarning)
        yield
    notes.extend(str(w.message) for w in caught if issubclass(w.category, KerasIntrospectWarning))
    for w in caught:
        if not issubclass(w.category, KerasIntrospectWarning):
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)


class TrainingSet:
    """The labelled texts that a model was trained on.

    Args:
        texts: The texts.
        labels: Their classes, as indices.
        n_classes: The number of classes.
    """

    def __init__(self, texts: Sequence[str], labels: Iterable[int], n_classes: int) -> None:
        self.texts, self.labels = list(texts), [int(label) for label in labels]
        self.counts: list[int] = np.bincount(self.labels, minlength=n_classes).tolist()

    def __len__(self) -> int:
        return len(self.texts)

    def twins(self, text: str) -> Mapping[int, int]:
        """How often the same text stands in the training set, by label. Case and white space do not count."""
        return self._twins.get(_folded(text), {})

    def of_like_wording(self, texts: Sequence[str], k: int = 10) -> list[list[int]]:
        """Labels of the up to k training texts that share the most words with each text, by cosine of tf-idf."""
        if not self._frequency:
            return [[] for _ in texts]
        vectorizer, known = self._wording
        found: list[list[int]] = []
        block = max(1, 2**22 // len(self))  # rows of similarities at once: 32 MB
        for start in range(0, len(texts), block):
            alike = (vectorizer.transform(texts[start : start + block]) @ known.T).toarray()
            best = np.argsort(-alike, axis=1, kind="stable")[:, :k]
            found += [[self.labels[i] for i in row if alike[n, i] > 0] for n, row in enumerate(best)]
        return found

    def shared(self, text: str, index: int) -> list[Span]:
        """Spans of those words of one training text that also stand in `text`, without the common words."""
        own = {key for key, _ in _keys(text)}
        there = [(key, span) for key, span in _keys(self.texts[index]) if key in own]
        return [span for key, span in there if self._frequency[key] <= self._common]

    @cached_property
    def _twins(self) -> dict[str, Counter[int]]:
        found: dict[str, Counter[int]] = {}
        for text, label in zip(self.texts, self.labels, strict=True):
            found.setdefault(_folded(text), Counter())[label] += 1
        return found

    @cached_property
    def _frequency(self) -> Counter[str]:
        return Counter(key for text in self.texts for key in {key for key, _ in _keys(text)})

    @cached_property
    def _wording(self) -> tuple[Any, Any]:
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(analyzer=lambda text: [key for key, _ in _keys(text)], sublinear_tf=True)
        return vectorizer, vectorizer.fit_transform(self.texts)

    @property
    def _common(self) -> float:
        return max(FEW, COMMON * len(self.texts))


def word_set(text: str) -> set[str]:
    """The words of a text as they are compared: case, # and @ set aside, punctuation left out."""
    return {key for key, _ in _keys(text)}


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _keys(text: str) -> list[tuple[str, Span]]:
    """Words as they are compared: what has a letter or digit, with case, # and @ set aside."""
    keys = [(text[start:end].casefold().lstrip("#@"), (start, end)) for start, end in words(text)]
    return [(key, span) for key, span in keys if any(map(str.isalnum, key))]


def _note(notes: list[str], count: int, what: str, state: str) -> None:
    if count:
        notes.append(f"{count} {what} {'is' if count == 1 else 'are'} {state}.")


def _listed(names: Iterable[str]) -> str:
    names = [repr(name) for name in names]
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."
