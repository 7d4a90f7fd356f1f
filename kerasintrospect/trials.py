"""Rows for training, for choosing and for reporting, and linear probes that are judged by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .fitting import Fitted, check_penalties, fit
from .holdout import balanced, held_out, named
from .probes.data import ProbeData, check_seed

__all__ = ["Bench", "Trial", "bench_of"]

Array = npt.NDArray[Any]


class Trial(NamedTuple):
    """A probe that was trained and judged.

    Attributes:
        validation, test: Its scores.
        predicted: What it says of the test rows.
        fitted: The model; None where the training rows had one label.
    """

    validation: float
    test: float
    predicted: Array
    fitted: Fitted | None

    @property
    def notes(self) -> tuple[str, ...]:
        return () if self.fitted is None else self.fitted.notes


class Bench:
    """The three parts of the rows, and probes trained and judged on them.

    Attributes:
        y: (n,) class ids or values.
        classify: Whether y holds ids.
        rows: `"train"`, `"validation"`, `"test"`: row numbers, sorted.
        balance: Whether every class counts alike: in training, by as many rows of each as of the rarest, and in the score,
            which is then the mean of the recalls.
        learn: The rows that probes are trained on.
    """

    def __init__(
        self, y: Array, classify: bool, rows: Mapping[str, Array], balance: bool, seed: int, l1: float, l2: float
    ) -> None:
        self.y, self.classify, self.rows, self.balance = y, classify, rows, balance and classify
        self._seed, self._options = seed, (l1, l2, seed)
        self.learn = self._learn(y)

    @property
    def metric(self) -> str:
        """What a score is."""
        return "R^2" if not self.classify else "balanced accuracy" if self.balance else "accuracy"

    def fit(self, X: Array, y: Array | None = None) -> Trial:
        """A probe trained on some rows, and judged by others.

        Args:
            X: (n, units) activations.
            y: (n,) other labels than its own.
        """
        labels, learn = (self.y, self.learn) if y is None else (y, self._learn(y))
        fitted = None
        if self.classify and len(np.unique(labels[learn])) < 2:
            said = {part: np.full(len(rows), labels[learn[0]]) for part, rows in self.rows.items()}
        else:
            fitted = fit(X[learn], labels[learn], self.classify, *self._options)
            said = {part: fitted.predict(X[self.rows[part]]) for part in ("validation", "test")}
        validation, test = (self.score(labels[self.rows[part]], said[part]) for part in ("validation", "test"))
        return Trial(validation, test, said["test"], fitted)

    def score(self, true: Array, said: Array) -> float:
        """Accuracy, the mean recall of the classes, or R^2."""
        if self.balance:
            return float(np.mean([(said[true == of] == of).mean() for of in np.unique(true)]))
        if self.classify:
            return float((true == said).mean())
        spread = ((true - true.mean()) ** 2).sum()
        return float(1 - ((true - said) ** 2).sum() / spread) if spread > 0 else 0.0

    def error(self, true: Array, said: Array) -> float:
        """The standard error of that score."""
        if not self.classify:
            errors, spread = (true - said) ** 2, true.var()
            return float(errors.std() / np.sqrt(len(true)) / spread) if spread > 0 else 0.0
        of = true if self.balance else np.zeros(len(true), int)
        hits = [(said[of == one] == true[of == one]) for one in np.unique(of)]
        return float(np.sqrt(sum(hit.var() / len(hit) for hit in hits)) / len(hits))

    def simple(self, y: Array | None = None) -> float:
        """The score, on test rows, of always saying the most frequent class of the training rows, or their mean."""
        labels = self.y if y is None else y
        train, true = labels[self.rows["train"]], labels[self.rows["test"]]
        return self.score(true, np.full(len(true), np.bincount(train).argmax() if self.classify else train.mean()))

    def _learn(self, y: Array) -> Array:
        train = self.rows["train"]
        return train[balanced(y[train], self._seed)] if self.balance else train


def bench_of(
    X: Any, y: Any, documents: Any, regression: bool | None, seed: int, balance: bool = False, l1: float = 0.0, l2: float = 1e-2
) -> tuple[ProbeData, Bench]:
    """Checks activations and labels, and splits the rows: 60 % to train, 20 % to choose by, 20 % to report.

    Args:
        X: (n, units) activations.
        y: (n,) labels.
        documents: (n,) the document of each row, of which none is in two parts; or None.
        regression: Whether the labels are values; None reads it off their type.
        seed: Of the parts and the probes.
        balance: Whether every class counts alike, in training and in the score.
        l1, l2: Penalties of the probes.
    """
    check_seed(seed)
    check_penalties(l1, l2)
    data = ProbeData(X, y, regression)
    classify = data.classes is not None
    if data.only_sums:
        raise InputError("A probe is trained on activations. Received: Statistics. Give X (n, units).")
    groups = None if documents is None else named(documents, len(data))[1]
    rest, test = held_out(data.y, 0.2, seed, groups, classify)
    kept, other = held_out(data.y[rest], 0.25, seed, None if groups is None else groups[rest], classify)
    train = rest[kept]
    if classify and len(np.unique(data.y[train])) < 2:
        raise InputError(f"The training rows hold a single class. Received: {len(data)} rows. Give more rows of the others, or "
                         "another seed.")  # fmt: skip
    return data, Bench(data.y, classify, {"train": train, "validation": rest[other], "test": test}, balance, seed, l1, l2)
