"""The texts that a page of neurons reads: drawn from the user's, without those of which the model sees nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .labelled import class_ids, paired, strings

if TYPE_CHECKING:
    from .introspector import Introspector

__all__ = ["Sample", "sample"]


@dataclass(frozen=True)
class Sample:
    """Texts that the model sees something of, in the order of the user.

    Attributes:
        texts: The texts.
        numbers: Which of the user's they are.
        truth: Their classes, or for a regression their numbers: the labels, or what the model says.
        labelled: Whether there are labels.
        names: The classes; none for a regression.
        is_regression: Whether the model gives one number.
        measure: What a score of the model is: `"probability"` or `"score"`.
    """

    texts: list[str]
    numbers: np.ndarray
    truth: np.ndarray
    labelled: bool
    names: list[str]
    is_regression: bool
    measure: str

    def tried(self, most: int, seed: int) -> tuple[list[str], np.ndarray | None]:
        """Some of the texts, with the classes whose score counts, if these are known."""
        rows = np.sort(np.random.default_rng(seed).permutation(len(self.texts))[:most])
        return [self.texts[i] for i in rows], self.truth[rows] if self.labelled and not self.is_regression else None

    def in_own_numbers(self, note: str) -> str:
        """A note on the sample, with the number that the text has in the user's list."""
        return re.sub(r"in document (\d+)\.$", lambda found: f"in text {self.numbers[int(found[1])]}.", note)


def sample(lens: Introspector, texts: Sequence[str], labels: Any, most: int, seed: int, notes: list[str]) -> Sample:
    """Draws texts that the model sees something of.

    Args:
        lens: The wrapped model.
        texts: The user's texts.
        labels: One per text, or None.
        most: How many at most.
        seed: Of the draw.
        notes: Takes a sentence for each thing that a reader of the results should know.

    Raises:
        InputError: If texts and labels fit neither each other nor the model, or no text holds a word.
    """
    given, output = strings(texts, "texts", notes), lens._find_output()
    is_regression = output.kind == "raw" and output.shape[-1] == 1
    truth = None
    if labels is not None:
        listed = paired(given, labels)
        named = lens.class_names is not None
        truth = _numbers(listed) if is_regression else class_ids(listed, output.class_names, named, "labels")
    order = np.random.default_rng(seed).permutation([i for i, text in enumerate(given) if text.strip()])[:most]
    numbers = _seen(lens, given, np.sort(order).astype(int), notes)
    chosen = [given[i] for i in numbers]
    if truth is None:
        said = lens.predict(chosen)
        whole = said.scores.ravel() if is_regression else np.asarray(said.labels)
    else:
        whole = truth[numbers]
    measure = "score" if output.kind == "raw" else "probability"
    names = [] if is_regression else list(output.class_names)
    return Sample(chosen, numbers, whole, labels is not None, names, is_regression, measure)


def _seen(lens: Introspector, given: list[str], numbers: np.ndarray, notes: list[str]) -> np.ndarray:
    """The texts that hold a token for the model."""
    mask = lens._runner.arrange([given[i] for i in numbers]).mask if len(numbers) else None
    full = np.ones(len(numbers), bool) if mask is None else mask.any(1)
    if not full.any():
        raise InputError("`texts` has to hold a text with words that the model sees. Received: empty texts.")
    if not full.all():
        notes.append(f"{(~full).sum()} texts hold no token that the model can see and are left out; the first is text "
                     f"{numbers[~full][0]}, {given[numbers[~full][0]]!r}.")  # fmt: skip
    return numbers[full]


def _numbers(labels: list[Any]) -> np.ndarray:
    try:
        found = np.array([float(label) for label in labels])
    except (TypeError, ValueError) as fault:
        raise InputError(f"The model gives one number per text, so its labels are numbers. Received: {fault}.") from fault
    if not np.isfinite(found).all():
        raise InputError("The labels of a regression are finite numbers. Received: NaN or infinity.")
    return found
