"""How right a model is, as facts: accuracy, per class, confusion, calibration."""

import numpy as np
from numpy.typing import NDArray

from .mistakes import Case, Facts, finite

__all__ = ["overview"]

BINS = 10


def overview(case: Case) -> Facts:
    """How right the model is: accuracy, per class, confusion, calibration."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    classes = range(len(case.names))
    precision, recall, f1, _ = precision_recall_fscore_support(
        case.truth, case.predicted, labels=classes, zero_division=np.nan
    )
    matrix = confusion_matrix(case.truth, case.predicted, labels=classes)
    right = case.predicted == case.truth
    return {
        "n": len(right),
        "n_errors": int((~right).sum()),
        "accuracy": float(right.mean()),
        "majority": float(matrix.sum(axis=1).max() / len(right)),
        "per_class": [
            {
                "class": name,
                "support": int(matrix[i].sum()),
                "predicted": int(matrix[:, i].sum()),
                "precision": finite(precision[i]),
                "recall": finite(recall[i]),
                "f1": finite(f1[i]),
            }
            for i, name in enumerate(case.names)
        ],
        "confusion": matrix.tolist(),
        "calibration": _calibration(case.scores.max(axis=1), right),
    }


def _calibration(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Facts:
    bins, error = [], 0.0
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    for i in range(BINS):
        inside = place == i
        row: Facts = {"low": i / BINS, "high": (i + 1) / BINS, "count": int(inside.sum())}
        row |= {"confidence": None, "accuracy": None}
        if row["count"]:
            row |= {"confidence": float(confidence[inside].mean()), "accuracy": float(right[inside].mean())}
            error += row["count"] / len(right) * abs(row["confidence"] - row["accuracy"])
        bins.append(row)
    return {"ece": error, "bins": bins}
