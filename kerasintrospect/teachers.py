"""Which training texts taught the model each of its mistakes: influence, as facts for the report."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import KerasIntrospectError
from .labelled import TrainingSet

if TYPE_CHECKING:
    from .introspector import Introspector

__all__ = ["METHOD", "teachers"]

# The cosine of gradients: a plain product puts the same few loud training texts before every mistake.
METHOD = "gradient_cosine"


def teachers(
    lens: "Introspector",
    train: TrainingSet,
    texts: Sequence[str],
    predicted: NDArray[np.int64],
    suspects: Collection[int],
    k: int = 3,
) -> tuple[list[list[dict[str, Any]]], list[str]]:
    """The training texts whose gradients agree most with predicting what was predicted.

    Args:
        lens: The wrapped model.
        train: The training set.
        texts: The misclassified texts.
        predicted: What the model says of each.
        suspects: Positions in the training set whose labels are doubted.
        k: How many training texts for each mistake.

    Returns:
        For each text a list of facts, strongest first, and notes to the reader; nothing but a note for models whose last
        layer has no gradients to compare.
    """
    try:
        found = lens.influence(train.texts, train.labels, method=METHOD)
        proponents = found.query(texts, predicted.tolist(), k=min(k, len(train))).proponents
    except KerasIntrospectError as why:
        return [[] for _ in texts], [f"No influence of training texts is shown: {why}"]
    rows = zip(texts, proponents.indices.tolist(), proponents.scores.tolist(), strict=True)
    return [
        [_teacher(train, text, i, score, suspects) for i, score in zip(indices, scores, strict=True) if i >= 0]
        for text, indices, scores in rows
    ], []


def _teacher(train: TrainingSet, text: str, index: int, score: float, suspects: Collection[int]) -> dict[str, Any]:
    return {
        "index": index,
        "text": train.texts[index],
        "label": train.labels[index],
        "influence": round(score, 6),
        "suspect": index in suspects,
        "shared": [list(span) for span in train.shared(text, index)],
    }
