"""The mistakes of a model as facts: for each one what it may come from.

Facts are plain values, as JSON holds them.
"""

import warnings
from collections.abc import Collection
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import KerasIntrospectWarning
from .labelled import TrainingSet
from .teachers import teachers
from .text import words as spans_of_words
from .verdicts import Evidence, verdict

if TYPE_CHECKING:
    from .attribution import Attribution
    from .introspector import Introspector
    from .neighbors import NeighborIndex

__all__ = ["Case", "Facts", "explain", "finite"]

Facts = dict[str, Any]
TYPICAL = 95  # percentile of the distances that count as usual
SAMPLE = 1000  # texts whose nearest distance is measured, at most
ENOUGH = 20  # ... and at least
IDENTICAL = 1e-6  # two texts this close are the same to the model
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
    lens: "Introspector",
    case: Case,
    rows: list[int],
    k: int,
    site: str | None,
    method: str,
    suspects: Collection[int] = (),
) -> tuple[list[Facts], str, list[str]]:
    """Gathers the facts on each misclassified text.

    Args:
        lens: The wrapped model.
        case: The labelled texts and what the model says of them.
        rows: Which of them to explain.
        k: The number of neighbors.
        site: Where texts are compared.
        method: The attribution method.
        suspects: Rows of the training set whose labels are doubted.

    Returns:
        The facts on each text, the site where texts were compared, and notes to the reader.
    """
    if not rows:
        return [], "", []
    texts = [case.texts[row] for row in rows]
    with warnings.catch_warnings():
        # Told before, with positions among all texts instead of these.
        warnings.filterwarnings("ignore", r"\d+ texts hold no token", KerasIntrospectWarning)
        options: dict[str, Any] = {"n_steps": "auto"} if method == "integrated_gradients" else {}
        predicted = lens.attribute(texts, method=method, target=case.predicted[rows], **options)
        true = lens.attribute(texts, method=method, target=case.truth[rows], **options)
    hood = _neighborhood(lens, case, texts, k, site)
    taught, notes = _teachers(lens, case, rows, suspects)
    errors = [
        _error(case, row, rank, pair, hood, taught[rank])
        for rank, (row, pair) in enumerate(zip(rows, zip(predicted, true, strict=True), strict=True))
    ]
    gaps = sum(_misses(a) or _misses(b) for a, b in zip(predicted, true, strict=True))
    if gaps:
        notes.append(
            f"In {gaps} of the texts below the attributions ({method}) miss the score that they explain "
            f"by more than {GAP:.0%}: take their colours as a hint.".replace("%", " %")
        )
    return errors, hood.site, notes


def _teachers(
    lens: "Introspector", case: Case, rows: list[int], suspects: Collection[int]
) -> tuple[list[list[Facts]], list[str]]:
    if case.train is None:
        return [[] for _ in rows], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasIntrospectWarning)  # said of the neighbors of the same texts
        return teachers(lens, case.train, [case.texts[row] for row in rows], case.predicted[rows], suspects)


@dataclass(frozen=True)
class _Neighborhood:
    """What the training set says of each error: its neighbors as facts, and the labels of like wording."""

    site: str
    near: list[list[Facts]]
    wording: list[list[int]]
    limit: float | None = None
    limit_of: str = ""


def _neighborhood(
    lens: "Introspector", case: Case, texts: list[str], k: int, site: str | None
) -> _Neighborhood:
    train = case.train
    if train is None:
        return _Neighborhood("", [[] for _ in texts], [[] for _ in texts])
    embedding = lens.describe()["embedding_site"]
    if site is None and embedding and "," not in embedding:
        site = embedding  # later sites repeat the model's opinion
    index = lens.neighbors(train.texts, labels=train.labels, site=site)
    with warnings.catch_warnings():
        # That a text without a known word has no direction, and a small training set few neighbors, is told elsewhere.
        warnings.simplefilter("ignore", KerasIntrospectWarning)
        found, limit = index.query(texts, k=k), _near_limit(index, case)
    pairs = zip(texts, found.indices.tolist(), found.distances.tolist(), strict=True)
    near = [
        [_neighbor(train, text, i, distance) for i, distance in zip(indices, distances, strict=True)]
        for text, indices, distances in pairs
    ]
    return _Neighborhood(index.site, near, train.of_like_wording(texts), *limit)


def _neighbor(train: TrainingSet, text: str, index: int, distance: float) -> Facts:
    return {
        "index": index,
        "text": train.texts[index],
        "label": train.labels[index],
        "distance": round(distance, 6),
        "shared": [list(span) for span in train.shared(text, index)],
    }


def _near_limit(index: "NeighborIndex", case: Case) -> tuple[float | None, str]:
    """The distance beyond which nothing is near, and whose distances say so.

    A model that knows its training texts by heart has them closer together than any new text will be. So texts that it
    gets right are the measure, and training texts only where those are few.
    """
    right = np.flatnonzero(case.predicted == case.truth)
    if len(right) >= ENOUGH:
        found = index.query([case.texts[i] for i in _sample(right)], k=10)
    else:
        found = index.query_vectors(index.vectors[_sample(np.arange(len(index.vectors)))], k=10)
    # Of a text that stands in the training set, once or many times, the next one that differs counts.
    differ = found.distances > IDENTICAL
    nearest = np.where(differ, found.distances, np.inf).min(axis=1)[differ.any(axis=1)]
    whose = "texts that the model gets right" if len(right) >= ENOUGH else "training texts"
    return (float(np.percentile(nearest, TYPICAL)) if len(nearest) else None), whose


def _sample(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows if len(rows) <= SAMPLE else np.random.default_rng(0).choice(rows, SAMPLE, replace=False)


def _error(
    case: Case,
    row: int,
    rank: int,
    pair: tuple["Attribution", "Attribution"],
    hood: _Neighborhood,
    taught: list[Facts],
) -> Facts:
    text, words, near = case.texts[row], _words(*pair), hood.near[rank]
    seen = words if pair[0].placed else [{"start": a, "end": b, "unknown": False} for a, b in spans_of_words(text)]
    fact = {
        "rank": rank + 1,
        "index": case.positions[row],
        "text": text,
        "label": int(case.truth[row]),
        "predicted": int(case.predicted[row]),
        "scores": [round(float(score), 6) for score in case.scores[row]],
        "loss": round(float(case.losses[row]), 6),
        "truncated": bool(pair[0].truncated),
        "n_unknown": sum(word["unknown"] for word in words),
        # A run of punctuation is no word to people, unless the model stumbles over it.
        "n_words": sum(word["unknown"] or _readable(text[word["start"] : word["end"]]) for word in seen),
        "words": words,
        "delta": finite(pair[0].delta),
        "neighbors": near,
        "teachers": taught,
        "neighbor_labels": np.bincount([n["label"] for n in near], minlength=len(case.names)).tolist(),
    }
    return {**fact, "verdict": asdict(verdict(_evidence(case, fact, hood, rank)))}


def _words(predicted: "Attribution", true: "Attribution") -> list[Facts]:
    """Each word of a text with its attribution toward both classes."""
    toward_true = {(word.start, word.end): word.score for word in true.words()}
    unknown = [span for span, flag in zip(predicted.spans, predicted.unknown, strict=False) if flag]
    return [
        {
            "start": word.start,
            "end": word.end,
            "predicted": finite(word.score) or 0.0,
            "true": finite(toward_true.get((word.start, word.end))) or 0.0,
            "unknown": any(start < word.end and word.start < end for start, end in unknown),
        }
        for word in (predicted.words() if predicted.placed else ())
    ]


def _evidence(case: Case, fact: Facts, hood: _Neighborhood, rank: int) -> Evidence:
    return Evidence(
        label=fact["label"],
        predicted=fact["predicted"],
        scores=fact["scores"],
        class_names=case.names,
        n_words=fact["n_words"],
        n_unknown=fact["n_unknown"],
        train_counts=() if case.train is None else case.train.counts,
        neighbor_labels=[neighbor["label"] for neighbor in fact["neighbors"]],
        distances=[neighbor["distance"] for neighbor in fact["neighbors"]],
        limit=hood.limit,
        limit_of=hood.limit_of,
        wording=hood.wording[rank],
        teachers=[teacher["label"] for teacher in fact["teachers"]],
        suspects=sum(teacher["suspect"] for teacher in fact["teachers"]),
        twins={} if case.train is None else case.train.twins(fact["text"]),
    )


def _misses(attribution: "Attribution") -> bool:
    """Whether attributions that should add up do not."""
    delta = finite(attribution.delta)
    if delta is None:
        return False
    explained = abs(float(np.sum(attribution.scores)) - delta)
    return abs(delta) > GAP * max(explained, 0.1)


def _readable(word: str) -> bool:
    return any(map(str.isalnum, word))


def finite(value: float | None) -> float | None:
    """The number as JSON can hold it, None for NaN and infinity."""
    return None if value is None or not np.isfinite(value) else round(float(value), 6)
