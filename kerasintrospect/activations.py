"""Records of a run: activations and predictions as numpy arrays, with texts, tokens and masks. No framework here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .errors import InputError, UnsupportedError
from .text import TokenRow

if TYPE_CHECKING:
    import pandas

__all__ = ["Activations", "Predictions"]


@dataclass(frozen=True)
class Activations(Mapping[str, np.ndarray]):
    """Activations by site: `acts["encoder.layer[3]"]`.

    Attributes:
        arrays: Per site (n, units), or (n, tokens, units) when nothing was pooled; whatever shape else the site has.
        mask: (n, tokens) bool, False at padding; None when the inputs have no token positions.
        rows: Per example its tokens with spans; None when the inputs were arrays.
        texts: The user's texts; None when the inputs were arrays.
        notes: What should be known about the values.
    """

    arrays: Mapping[str, np.ndarray]
    mask: np.ndarray | None = None
    rows: Sequence[TokenRow] | None = None
    texts: Sequence[str] | None = None
    notes: tuple[str, ...] = ()

    def __getitem__(self, site: str) -> np.ndarray:
        if site not in self.arrays:
            raise InputError(f"The record holds the sites {', '.join(self.arrays)}. Received: site={site!r}")
        return self.arrays[site]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    @property
    def tokens(self) -> list[tuple[str, ...]] | None:
        """Per example the tokens that the model saw, in the order of the columns where `mask` is True."""
        return None if self.rows is None else [row.tokens for row in self.rows]

    @property
    def truncated(self) -> np.ndarray | None:
        """(n,) bool: texts whose end (or beginning) the model never saw."""
        return None if self.rows is None else np.array([row.truncated for row in self.rows], bool)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{site!r}: {array.shape} {array.dtype}" for site, array in self.arrays.items())
        return f"Activations({{{shapes}}})"


@dataclass(frozen=True)
class Predictions:
    """What the model says.

    Attributes:
        scores: (n, classes) float32; probabilities, unless `kind` is `"raw"`. A single sigmoid gives two columns.
        kind: `"softmax"`, `"binary"` (one sigmoid), `"multilabel"` (several sigmoids) or `"raw"` (what the model gives).
        class_names: One per class.
        texts: The user's texts; None when the inputs were arrays.
    """

    scores: np.ndarray
    kind: str
    class_names: list[str]
    texts: Sequence[str] | None = None

    @property
    def labels(self) -> np.ndarray:
        """(n,) int: the class with the highest score; -1 where the scores are NaN.

        Raises:
            UnsupportedError: if the model has one raw output (a regression), which is no class.
        """
        if self.kind == "raw" and self.scores.shape[-1] == 1:
            raise UnsupportedError("The model gives one number without a sigmoid: a regression has no labels; use .scores.")
        return np.where(np.isfinite(self.scores).all(-1), self.scores.argmax(-1), -1)

    def __len__(self) -> int:
        return len(self.scores)

    def to_frame(self) -> pandas.DataFrame:
        """One row per example: text (if any), label, and the score of each class."""
        import pandas

        frame = pandas.DataFrame(self.scores.reshape(len(self.scores), -1))
        if frame.shape[1] == len(self.class_names):
            frame.columns = pandas.Index(self.class_names)
        if self.scores.ndim == 2 and not (self.kind == "raw" and self.scores.shape[-1] == 1):
            frame.insert(0, "label", [self.class_names[i] if i >= 0 else None for i in self.labels])
        if self.texts is not None:
            frame.insert(0, "text", list(self.texts))
        return frame
