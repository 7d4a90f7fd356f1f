"""How much speaks against each label of a training set: witnesses, and what they say together. Numpy and scikit-learn only.

Each witness gives the probability of the given label, leaving the text itself and its near copies out where it can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .search import Search

__all__ = ["combined", "held_out", "neighborhood", "nearest_others", "percentiles"]

Array = npt.NDArray[Any]
FOLDS = 5
SPARE = 40  # neighbors that may be left out as near copies
_STRENGTH = 3e-5  # of the penalty of the witness by wording


def nearest_others(vectors: Array, groups: Array, k: int) -> tuple[Array, Array]:
    """The k nearest rows of each row that are no near copies of it: indices (m, k) and distances.

    A row with more than 40 near copies among its k + 40 nearest gets fewer: -1 and NaN.

    Args:
        vectors: (m, units) float32.
        groups: (m,) int; rows of one group are near copies.
        k: The number of neighbors.
    """
    found, distances = Search(vectors, cosine=True).nearest(vectors, min(k + SPARE, len(vectors)))
    foreign = groups[found] != groups[:, None]
    place = np.cumsum(foreign, 1) - 1
    kept = foreign & (place < k)
    rows, columns = np.nonzero(kept)
    indices, near = np.full((len(vectors), k), -1), np.full((len(vectors), k), np.nan)
    indices[rows, place[rows, columns]] = found[rows, columns]
    near[rows, place[rows, columns]] = distances[rows, columns]
    return indices, near


def neighborhood(nearest: Array, labels: Array, n_classes: int) -> Array:
    """(m, classes): the share of each label among the nearest; NaN for a row without any.

    Args:
        nearest: (m, k) rows, -1 for none, from `nearest_others`.
        labels: (m,) int.
        n_classes: The number of classes.
    """
    votes = np.zeros((len(nearest), n_classes))
    rows, columns = np.nonzero(nearest >= 0)
    np.add.at(votes, (rows, labels[nearest[rows, columns]]), 1)
    total = votes.sum(1, keepdims=True)
    shares: Array = np.divide(votes, total, out=np.full_like(votes, np.nan), where=total > 0)
    return shares


def held_out(texts: Sequence[str], labels: Array, groups: Array, n_classes: int, seed: int, folds: int = FOLDS) -> Array:
    """(m, classes): what a logistic regression on wording says of each text when it has learned from the other folds.

    Words, pairs of words and runs of 3 to 5 characters; near copies are in one fold. It knows nothing of the model, so it
    makes other mistakes.

    Raises:
        InputError: If the texts make fewer than two groups of near copies.
    """
    from sklearn.linear_model import SGDClassifier

    fold, vectors = _folds(groups, folds, seed), _wording(texts)
    found = np.zeros((len(texts), n_classes))
    for left in np.unique(fold):
        out, rest = np.flatnonzero(fold == left), np.flatnonzero(fold != left)
        known = np.unique(labels[rest])
        if len(known) == 1:
            found[out, known[0]] = 1
            continue
        witness = SGDClassifier(loss="log_loss", alpha=_STRENGTH, max_iter=8, tol=None, random_state=seed)
        found[np.ix_(out, known)] = witness.fit(vectors[rest], labels[rest]).predict_proba(vectors[out])
    return found


def _wording(texts: Sequence[str]) -> Any:
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    words = HashingVectorizer(
        n_features=2**20, ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", norm=None, alternate_sign=False
    )
    runs = HashingVectorizer(n_features=2**18, analyzer="char_wb", ngram_range=(3, 5), alternate_sign=False)
    weighed = TfidfTransformer(sublinear_tf=True).fit_transform(words.transform(texts))
    return hstack([weighed, runs.transform(texts)]).tocsr()


def _folds(groups: Array, folds: int, seed: int) -> Array:
    """(m,) the fold of each row: whole groups, dealt out at random so that the folds are about equally large."""
    sizes = np.bincount(groups)
    if (sizes > 0).sum() < 2:
        raise InputError("The training texts are all near copies of one another: no label can be checked by the others. "
                         f"Received: {len(groups)} texts in 1 group.")  # fmt: skip
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    place, load = np.zeros(len(sizes), int), np.zeros(min(folds, int((sizes > 0).sum())))
    for one in order:
        place[one] = int(load.argmin())
        load[place[one]] += sizes[one]
    return place[groups]


def percentiles(values: Array) -> Array:
    """(m,) in (0, 1): the rank of each value divided by m + 1; equal ones share the mean of theirs, NaN is 0.5."""
    from scipy.stats import rankdata

    found, given = np.full(len(values), 0.5), np.isfinite(values)
    found[given] = rankdata(values[given]) / (given.sum() + 1)
    return found


def combined(doubts: Mapping[str, Array]) -> Array:
    """(m,) in (0, 1): the mean of the percentiles of all witnesses: none counts more because its figures are wider."""
    mean: Array = np.mean([percentiles(values) for values in doubts.values()], 0)
    return mean
