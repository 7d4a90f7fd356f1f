"""What a query finds: records of the nearest rows. Numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Neighbor", "Neighbors", "Unit"]

Array = npt.NDArray[Any]
_AROUND = 40  # characters of context at each side


class Unit(NamedTuple):
    """A token or a word where it stands.

    Attributes:
        document: The row of its text among the texts.
        start: Its first character in the text; -1 for tokens that stand nowhere, such as [CLS].
        end: The character after its last.
        word: The word, or the token.
        text: The whole text.
    """

    document: int
    start: int
    end: int
    word: str
    text: str

    def in_context(self) -> str:
        """The word in brackets, with some of the text at both sides."""
        if self.start < 0:
            return f"[{self.word}] {self.text[:_AROUND]}"
        before, after = self.text[: self.start], self.text[self.end :]
        left = f"…{before[-_AROUND:]}" if len(before) > _AROUND else before
        return f"{left}[{self.text[self.start : self.end]}]{after[:_AROUND]}{'…' if len(after) > _AROUND else ''}"


@dataclass(frozen=True)
class Neighbor:
    """One training example, and how far it is from one query; of an index of words or tokens with its place."""

    index: int
    distance: float
    text: str | None = None
    label: int | None = None
    unit: Unit | None = None


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The k nearest training examples of n queries, nearest first; `[i]` lists those of query i.

    Where filters leave a query fewer than k, the rest is filled up: index -1, distance NaN, text None, label -1, unit
    None. `[i]` and `to_frame` leave these out.

    Attributes:
        indices: (n, k) int64, rows of the index.
        distances: (n, k) float32.
        texts: n lists of k texts (of words in an index of words), or None.
        labels: (n, k) int64, or None.
        class_names: The names of the labels, or None.
        units: n lists of k `Unit`: where the found words stand; None in an index of whole texts.
        queries: n `Unit`: which word of which text each query is; None if the queries were vectors or whole texts.
    """

    indices: Array
    distances: Array
    texts: list[list[str | None]] | None = None
    labels: Array | None = None
    class_names: list[str] | None = None
    units: list[list[Unit | None]] | None = None
    queries: list[Unit] | None = None

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> list[Neighbor]:
        indices, distances = self.indices[i].tolist(), self.distances[i].tolist()
        nothing = [None] * len(indices)
        texts = self.texts[i] if self.texts is not None else nothing
        labels = self.labels[i].tolist() if self.labels is not None else nothing
        units = self.units[i] if self.units is not None else nothing
        rows = zip(indices, distances, texts, labels, units, strict=True)
        return [Neighbor(*row) for row in rows if row[0] >= 0]

    def to_frame(self) -> pd.DataFrame:
        """A table of query, rank (1 is the nearest), index, distance, label (its name, if known) and text.

        Of words and tokens also `word` and `context` (the query's and the found one's), and `document`.
        """
        import pandas as pd

        there = np.flatnonzero(self.indices.ravel() >= 0)
        query, rank = (part.ravel()[there] for part in np.indices(self.indices.shape))
        labels = None if self.labels is None else self.labels.ravel()[there]
        if labels is not None and self.class_names is not None:
            labels = np.array(self.class_names, object)[labels]
        columns = {"query": query, "rank": rank + 1, "index": self.indices.ravel()[there]}
        # As objects: the strings of pandas take no half characters.
        flat = None if self.texts is None else [text for row in self.texts for text in row]
        texts = None if flat is None else pd.Series([flat[i] for i in there], dtype=object)
        frame = pd.DataFrame({**columns, "distance": self.distances.ravel()[there], "label": labels, "text": texts})
        return frame if self.units is None else self._with_units(frame, there)

    def _with_units(self, frame: pd.DataFrame, there: Array) -> pd.DataFrame:
        import pandas as pd

        flat = [unit for row in self.units or [] for unit in row]
        units = [unit for i in there if (unit := flat[i]) is not None]
        frame = frame.rename(columns={"text": "word"})
        frame["context"] = pd.Series([unit.in_context() for unit in units], dtype=object)
        frame["document"] = np.array([unit.document for unit in units], np.int64)
        if self.queries is not None:
            asked = [self.queries[i] for i in frame["query"]]
            frame.insert(1, "query_word", pd.Series([unit.word for unit in asked], dtype=object))
            frame.insert(2, "query_context", pd.Series([unit.in_context() for unit in asked], dtype=object))
        return frame
