"""The mistakes of a model as facts: how many, how they spread, and for each one what it may come from.

Facts are plain values, as JSON holds them.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .labelled import TrainingSet
from .verdicts import KINDS, Evidence, Verdict, near_limit, verdict

if TYPE_CHECKING:
    from .attribution import Attribution
    from .introspector import Introspector

__all__ = ["Case", "Facts", "explain", "kinds", "overview"]

Facts = dict[str, Any]
BINS = 10
GAP = 0.05  # share of a score that its attributions may miss before the reader is told


@dataclass(frozen=True)
class Case:
    """Labelled texts and what a model says of them.

    Args:
        texts: The texts.
        names: The names of the classes.
        truth: The labels, as class indices.
        predicted: The predicted classes.
        scores: Probabilities of shape (texts, classes).
        train: The training set, if it is known.
        positions: Where each text stands in the test set; some may have been left out.
    """

    texts: list[str]
    names: list[str]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    scores: NDArray[np.float64]
    train: TrainingSet | None
    positions: list[int]

    @cached_property
    def losses(self) -> NDArray[np.float64]:
        chosen = self.scores[np.arange(len(self.truth)), self.truth]
        losses: NDArray[np.float64] = -np.log(np.clip(chosen, 1e-12, 1.0))
        return losses

    def worst(self, count: int) -> list[int]:
        """Rows of the misclassified texts, the one with the highest loss first."""
        wrong = np.flatnonzero(self.predicted != self.truth)
        rows: list[int] = wrong[np.argsort(-self.losses[wrong], kind="stable")][:count].tolist()
        return rows


def explain(
    lens: "Introspector", case: Case, rows: list[int], k: int, site: str | None, method: str
) -> tuple[list[Facts], str, list[str]]:
    """Gathers the facts on each misclassified text.

    Args:
        lens: The wrapped model.
        case: The labelled texts and what the model says of them.
        rows: Which of them to explain.
        k: The number of neighbors.
        site: Where texts are compared.
        method: The attribution method.

    Returns:
        The facts on each text, the site where texts were compared, and notes to the reader.
    """
    if not rows:
        return [], "", []
    texts = [case.texts[row] for row in rows]
    predicted = lens.attribute(texts, method=method, target=case.predicted[rows])
    true = lens.attribute(texts, method=method, target=case.truth[rows])
    compared_at, near, limit = _neighbors(lens, case, texts, k, site)
    errors = [
        _error(case, row, {"rank": rank + 1, "words": _words(*pair)}, pair[0], near[rank], limit)
        for rank, (row, pair) in enumerate(zip(rows, zip(predicted, true, strict=True), strict=True))
    ]
    gaps = sum(_misses(a) or _misses(b) for a, b in zip(predicted, true, strict=True))
    return errors, compared_at, _remarks(errors, gaps, method)


def _neighbors(
    lens: "Introspector", case: Case, texts: list[str], k: int, site: str | None
) -> tuple[str, list[list[Facts]], float | None]:
    train = case.train
    if train is None:
        return "", [[] for _ in texts], None
    index = lens.neighbors(train.texts, labels=train.labels, site=site)
    found = index.query(texts, k=min(k, len(train)))
    near = [
        [
            {
                "index": i,
                "text": train.texts[i],
                "label": train.labels[i],
                "distance": round(distance, 6),
                "shared": [list(span) for span in train.shared(text, i)],
            }
            for i, distance in zip(indices, distances, strict=True)
        ]
        for text, indices, distances in zip(
            texts, found.indices.tolist(), found.distances.tolist(), strict=True
        )
    ]
    return index.site, near, near_limit(index)


def _error(
    case: Case, row: int, fact: Facts, seen: "Attribution", near: list[Facts], limit: float | None
) -> Facts:
    text, words = case.texts[row], fact["words"]
    fact |= {
        "index": case.positions[row],
        "text": text,
        "label": int(case.truth[row]),
        "predicted": int(case.predicted[row]),
        "scores": [round(float(score), 6) for score in case.scores[row]],
        "loss": round(float(case.losses[row]), 6),
        "truncated": bool(seen.truncated),
        "n_unknown": sum(word["unknown"] for word in words),
        # A run of punctuation is no word to people, unless the model stumbles over it.
        "n_words": sum(word["unknown"] or _readable(text[word["start"] : word["end"]]) for word in words),
        "delta": _finite(seen.delta),
        "neighbors": near,
        "neighbor_labels": np.bincount([n["label"] for n in near], minlength=len(case.names)).tolist(),
    }
    return {**fact, "verdict": asdict(_verdict(case, fact, limit))}


def _words(predicted: "Attribution", true: "Attribution") -> list[Facts]:
    """Each word of a text with its attribution toward both classes."""
    toward_true = {(word.start, word.end): word.score for word in true.words()}
    unknown = [span for span, flag in zip(predicted.spans, predicted.unknown, strict=False) if flag]
    return [
        {
            "start": word.start,
            "end": word.end,
            "predicted": _finite(word.score) or 0.0,
            "true": _finite(toward_true.get((word.start, word.end))) or 0.0,
            "unknown": any(start < word.end and word.start < end for start, end in unknown),
        }
        for word in predicted.words()
    ]


def _verdict(case: Case, fact: Facts, limit: float | None) -> Verdict:
    return verdict(
        Evidence(
            label=fact["label"],
            predicted=fact["predicted"],
            scores=fact["scores"],
            class_names=case.names,
            n_words=fact["n_words"],
            n_unknown=fact["n_unknown"],
            train_counts=() if case.train is None else case.train.counts,
            neighbor_labels=[neighbor["label"] for neighbor in fact["neighbors"]],
            distances=[neighbor["distance"] for neighbor in fact["neighbors"]],
            limit=limit,
            twins={} if case.train is None else case.train.twins(fact["text"]),
        )
    )


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
                "precision": _finite(precision[i]),
                "recall": _finite(recall[i]),
                "f1": _finite(f1[i]),
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


def kinds(errors: list[Facts]) -> list[Facts]:
    """How often each verdict was given, the most frequent first."""
    counts = Counter(error["verdict"]["kind"] for error in errors)
    return [{"kind": kind, "title": KINDS[kind], "count": count} for kind, count in counts.most_common()]


def _remarks(errors: list[Facts], gaps: int, method: str) -> list[str]:
    """What the reader should know about the explanations themselves."""
    cut = sum(error["truncated"] for error in errors)
    remarks = []
    if cut:
        remarks.append(
            f"{cut} of the texts below are longer than the model reads: it did not see all of them."
        )
    if gaps:
        remarks.append(
            f"In {gaps} of the texts below the attributions ({method}) miss the score that they explain "
            f"by more than {GAP:.0%}: take their colours as a hint.".replace("%", " %")
        )
    return remarks


def _misses(attribution: "Attribution") -> bool:
    """Whether attributions that should add up do not."""
    delta = _finite(attribution.delta)
    if delta is None:
        return False
    explained = abs(float(np.sum(attribution.scores)) - delta)
    return abs(delta) > GAP * max(explained, GAP)


def _readable(word: str) -> bool:
    return any(map(str.isalnum, word))


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 6)
