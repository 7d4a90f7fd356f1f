"""The tables of an audit: suspects, near copies with different labels, leaks, holes and templates. Numpy and pandas only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import duplicates
from .search import Search
from .suspicion import percentiles

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Seen", "conflicts", "holes", "leaks", "suspects", "templates"]

Array = npt.NDArray[Any]
MANY, SHARE = 5, 0.0005  # a template is over-represented from so many texts on, and so large a share of them
_PROOF = 0.9  # percentile from which self-influence is worth a word


@dataclass(frozen=True)
class Seen:
    """Texts through the model: where they are, and what it says of them.

    Args:
        texts: The n texts.
        labels: (n,) int, or None where they are not known.
        vectors: (n, units) float32, finite.
        scores: (n, classes) float64, the probabilities; NaN where the model gives NaN.
    """

    texts: list[str]
    labels: Array | None
    vectors: Array
    scores: Array


def suspects(
    texts: list[str], labels: Array, names: list[str], suspicion: Array, witnesses: Mapping[str, Array], influence: Array | None
) -> pd.DataFrame:
    """Every training text, the most suspicious label first; see `Audit.suspects`.

    Args:
        texts: The m texts.
        labels: (m,) int.
        names: The names of the classes.
        suspicion: (m,).
        witnesses: `"model"`, `"held_out"` and `"neighbors"`: (m, classes) probabilities, NaN where there are none.
        influence: (m,) the self-influence, or None.
    """
    rows = np.arange(len(labels))
    together = np.nan_to_num(witnesses["model"]) + witnesses["held_out"]
    rank = None if influence is None else percentiles(influence)
    columns = {
        "text": texts,
        "label": _named(names, labels),
        "suggested": _named(names, together.argmax(1)),
        "suspicion": suspicion,
        **{name: shares[rows, labels] for name, shares in witnesses.items()},
        "self_influence": np.full(len(rows), np.nan) if rank is None else rank,
        "reason": [_reason(names, int(label), row, witnesses, rank) for row, label in enumerate(labels)],
    }
    frame = _frame({"index": rows, **columns})
    return frame.iloc[np.argsort(-suspicion, kind="stable")].reset_index(drop=True)


_SAYS = {
    "model": "the model gives it {own} and “{other}” {most}",
    "held_out": "by its wording, the other texts give it {own} and “{other}” {most}",
    "neighbors": "of its nearest texts {own} carry it and {most} “{other}”",
}


def _reason(names: list[str], label: int, row: int, witnesses: Mapping[str, Array], rank: Array | None) -> str:
    """What each witness that contradicts the label says; nothing if all agree with it."""
    said = []
    for name, shares in witnesses.items():
        most = int(shares[row].argmax())
        if np.isfinite(shares[row]).all() and shares[row, most] > shares[row, label]:
            own, top = f"{shares[row, label]:.0%}", f"{shares[row, most]:.0%}"
            said.append(_SAYS[name].format(own=own, most=top, other=names[most]))
    if said and rank is not None and rank[row] >= _PROOF:
        said.append(f"it pulls at the last layer more than {rank[row] - 0.005:.0%} of the texts do")
    sentence = "; ".join(said).replace("%", " %")
    return sentence[:1].upper() + sentence[1:] + ("." if said else "")


def conflicts(texts: list[str], labels: Array, names: list[str], groups: Array) -> pd.DataFrame:
    """The texts of groups of near copies that carry more than one label, the largest group first.

    Columns: group (0 is the largest), index, text, label, copies (the size of the group), majority (its most frequent
    label, the first of equals), share (of that label).
    """
    votes = np.zeros((groups.max() + 1, len(names)), int)
    np.add.at(votes, (groups, labels), 1)
    sizes = votes.sum(1)
    mixed = np.flatnonzero((votes > 0).sum(1) > 1)
    mixed = mixed[np.argsort(-sizes[mixed], kind="stable")]
    place = np.full(len(sizes), -1)
    place[mixed] = np.arange(len(mixed))
    rows = np.flatnonzero(place[groups] >= 0)
    rows = rows[np.argsort(place[groups[rows]], kind="stable")]
    own = groups[rows]
    return _frame(
        {
            "group": place[own],
            "index": rows,
            "text": [texts[i] for i in rows],
            "label": _named(names, labels[rows]),
            "copies": sizes[own],
            "majority": _named(names, votes[own].argmax(1)),
            "share": votes[own].max(1) / sizes[own],
        }
    )


def leaks(train: Seen, test: Seen, names: list[str]) -> pd.DataFrame:
    """The test texts with a near copy in the training set, the nearest copy first.

    Columns: index, text, label, train_index, train_text, train_label, similarity (Jaccard, of words and pairs of words).
    """
    found: list[tuple[int, int, float]] = []
    for rows, columns, similarity in duplicates.links(*map(duplicates.shingles, (test.texts, train.texts))):
        order = np.lexsort((columns, -similarity, rows))
        best = order[np.unique(rows[order], return_index=True)[1]]
        found += zip(rows[best].tolist(), columns[best].tolist(), similarity[best].tolist(), strict=True)
    found.sort(key=lambda leak: -leak[2])
    own, other = [leak[0] for leak in found], [leak[1] for leak in found]
    return _frame(
        {
            "index": own,
            "text": [test.texts[i] for i in own],
            "label": _labels(test, names, own),
            "train_index": other,
            "train_text": [train.texts[i] for i in other],
            "train_label": _labels(train, names, other),
            "similarity": [leak[2] for leak in found],
        }
    )


def holes(train: Seen, test: Seen, names: list[str], limit: float) -> pd.DataFrame:
    """The test errors whose nearest training text is beyond the limit, the farthest first.

    Columns: index, text, label, predicted, distance (cosine), limit, nearest_index, nearest_text, nearest_label.
    """
    predicted = np.where(np.isfinite(test.scores).all(1), test.scores.argmax(1), -1)
    wrong = np.flatnonzero((predicted != test.labels) & (predicted >= 0))
    nearest, distances = _search(train.vectors).nearest(test.vectors[wrong], 1)
    far = np.flatnonzero(distances[:, 0] > limit)
    far = far[np.argsort(-distances[far, 0], kind="stable")]
    rows, others = wrong[far], nearest[far, 0]
    return _frame(
        {
            "index": rows,
            "text": [test.texts[i] for i in rows],
            "label": _labels(test, names, rows),
            "predicted": _named(names, predicted[rows]),
            "distance": distances[far, 0].astype(float),
            "limit": np.full(len(rows), limit),
            "nearest_index": others,
            "nearest_text": [train.texts[i] for i in others],
            "nearest_label": _labels(train, names, others),
        }
    )


def _search(vectors: Array) -> Search:
    return Search(vectors, cosine=True)


def templates(texts: list[str], labels: Array, names: list[str]) -> pd.DataFrame:
    """Groups of near copies when numbers, links and mentions are masked: at least 5 texts and 0.05 %, the largest first.

    Columns: template (the most frequent wording of the group), count, share, one count per class, example, indices.
    """
    keys = np.array([duplicates.template(text) for text in texts], object)
    groups = duplicates.group(keys.tolist(), str)
    sizes = np.bincount(groups)
    many = np.flatnonzero(sizes >= max(MANY, SHARE * len(texts)))
    members = [np.flatnonzero(groups == one) for one in many[np.argsort(-sizes[many], kind="stable")]]
    votes = np.array([np.bincount(labels[rows], minlength=len(names)) for rows in members]).reshape(-1, len(names))
    return _frame(
        {
            "template": [_most_frequent(keys[rows]) for rows in members],
            "count": [len(rows) for rows in members],
            "share": [len(rows) / len(texts) for rows in members],
            **{f"n_{name}": votes[:, i] for i, name in enumerate(names)},
            "example": [texts[rows[0]] for rows in members],
            "indices": [rows.tolist() for rows in members],
        }
    )


def _most_frequent(keys: Array) -> str:
    found, counts = np.unique(keys, return_counts=True)
    return str(found[counts.argmax()])


def _named(names: list[str], ids: Array) -> list[str]:
    return [names[i] for i in ids]


def _labels(seen: Seen, names: list[str], rows: Any) -> list[str | None]:
    return [None if seen.labels is None else names[seen.labels[i]] for i in rows]


def _frame(columns: Mapping[str, Any]) -> pd.DataFrame:
    """A table whose texts are objects: the strings of pandas take no half characters."""
    import pandas as pd

    is_text = {"text", "label", "suggested", "reason", "majority", "train_text", "train_label", "predicted", "nearest_text",
               "nearest_label", "template", "example", "indices"}  # fmt: skip
    return pd.DataFrame({name: pd.Series(v, dtype=object) if name in is_text else v for name, v in columns.items()})
