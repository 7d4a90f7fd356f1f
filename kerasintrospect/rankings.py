"""Training examples ranked by their influence on queries, to either side. Numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Influences", "Ranked", "strongest"]


@dataclass(frozen=True, eq=False)
class Ranked:
    """The training examples that pull most to one side, for n queries.

    Attributes:
        indices: (n, k) int64, positions in the training set; -1 where fewer than k pull to this side.
        scores: (n, k) float32 influence; NaN there.
        texts: n lists of k texts (None there), or None.
        labels: (n, k) int64 class ids (-1 there), or float64, or None for several labels per example.
        class_names: The names of the labels, or None.
    """

    indices: np.ndarray
    scores: np.ndarray
    texts: list[list[str | None]] | None
    labels: np.ndarray | None
    class_names: list[str] | None

    def __len__(self) -> int:
        return len(self.indices)

    def to_frame(self) -> pd.DataFrame:
        """A table of query, rank (1 is the strongest), index, influence, label (its name, if known) and text."""
        import pandas as pd

        query, rank = np.indices(self.indices.shape)
        flat, labels = self.indices.ravel(), None if self.labels is None else self.labels.ravel()
        if labels is not None and self.class_names is not None:
            labels = np.array([*self.class_names, None], object)[labels]
        texts = None if self.texts is None else pd.Series([text for row in self.texts for text in row], dtype=object)
        columns = {"query": query.ravel(), "rank": rank.ravel() + 1, "index": flat, "influence": self.scores.ravel()}
        return pd.DataFrame({**columns, "label": labels, "text": texts})[flat >= 0].reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class Influences:
    """What training examples did to n queries.

    Attributes:
        proponents: Those whose training lowers the loss of the query, strongest first.
        opponents: Those whose training raises it, strongest first.
        by_class: (n, classes) float32, the influence of all training examples of each class together; None for regressions.
        labels: (n,) class ids (or labels) whose loss is explained.
        class_names: The names of the classes, or None.
    """

    proponents: Ranked
    opponents: Ranked
    by_class: np.ndarray | None
    labels: np.ndarray
    class_names: list[str] | None

    def __len__(self) -> int:
        return len(self.proponents)

    def to_frame(self) -> pd.DataFrame:
        """A table of query, side, rank, index, influence, label and text."""
        import pandas as pd

        sides = {"proponent": self.proponents.to_frame(), "opponent": self.opponents.to_frame()}
        for side, frame in sides.items():
            frame.insert(1, "side", side)
        return pd.concat(list(sides.values())).sort_values("query", kind="stable").reset_index(drop=True)


def strongest(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, k) places and values of the greatest above zero, in order; -1 and NaN where there are fewer."""
    part = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(scores, part, 1)
    order = np.lexsort((part, -values))
    indices, values = np.take_along_axis(part, order, 1), np.take_along_axis(values, order, 1)
    missing = values <= 0
    return np.where(missing, -1, indices).astype(np.int64), np.where(missing, np.nan, values).astype(np.float32)
