"""Rows for training, for choosing and for reporting, and linear probes that are judged by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .fitting import fit
from .holdout import balanced, held_out
from .probes.data import ProbeData

__all__ = ["Bench", "bench_of"]

Array = npt.NDArray[Any]


class Bench:
    """The three parts of the rows, and probes trained and judged on them.

    Attributes:
        y: (n,) class ids or values.
        classify: Whether y holds ids.
        rows: `"train"`, `"validation"`, `"test"`: row numbers, sorted.
        learn: The rows that probes are trained on: those of `"train"`, or as many of each class as of the rarest.
    """

    def __init__(
        self, y: Array, classify: bool, rows: Mapping[str, Array], learn: Array, seed: int, l1: float, l2: float
    ) -> None:
        self.y, self.classify, self.rows, self.learn = y, classify, rows, learn
        self._options = l1, l2, seed

    def fit(self, X: Array, y: Array | None = None) -> tuple[dict[str, float], Array, tuple[str, ...]]:
        """Scores on validation and test rows of a probe of these labels, its predictions of test rows, and notes.

        Args:
            X: (n, units) activations.
            y: (n,) other labels than its own.
        """
        labels = self.y if y is None else y
        if self.classify and len(np.unique(labels[self.learn])) < 2:
            only = np.full(len(labels), labels[self.learn[0]])
            return {part: self.score(labels[rows], only[rows]) for part, rows in self.rows.items()}, only[self.rows["test"]], ()
        fitted = fit(X[self.learn], labels[self.learn], self.classify, *self._options)
        said = {part: fitted.predict(X[self.rows[part]]) for part in ("validation", "test")}
        return {part: self.score(labels[self.rows[part]], found) for part, found in said.items()}, said["test"], fitted.notes

    def score(self, true: Array, said: Array) -> float:
        """Accuracy, or R^2."""
        if self.classify:
            return float((true == said).mean())
        spread = ((true - true.mean()) ** 2).sum()
        return float(1 - ((true - said) ** 2).sum() / spread) if spread > 0 else 0.0


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
        balance: Whether to train on as many rows of each class as of the rarest.
        l1, l2: Penalties of the probes.
    """
    data = ProbeData(X, y, regression)
    classify = data.classes is not None
    if data.only_sums:
        raise InputError("A probe is trained on activations. Received: Statistics. Give X (n, units).")
    groups = None if documents is None else np.asarray(documents)
    rest, test = held_out(data.y, 0.2, seed, groups, classify)
    kept, other = held_out(data.y[rest], 0.25, seed, None if groups is None else groups[rest], classify)
    train = rest[kept]
    if classify and len(np.unique(data.y[train])) < 2:
        raise InputError(f"The training rows hold a single class. Received: {len(data)} rows. Give more rows of the others, or "
                         "another seed.")  # fmt: skip
    learn = train[balanced(data.y[train], seed)] if balance and classify else train
    return data, Bench(data.y, classify, {"train": train, "validation": rest[other], "test": test}, learn, seed, l1, l2)
