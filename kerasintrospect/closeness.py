"""What nearest neighbors have in common (labels, words, length), and at which site that is most like meaning. No framework."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import KerasIntrospectWarning
from .search import Search

__all__ = [
    "Wording", "apart", "chance", "correlation", "draw_alike", "hubness", "leave_one_out", "mean_error", "pairs_within",
    "recommend", "shares",
]  # fmt: skip

Array = npt.NDArray[Any]
Facts = dict[str, Any]
KEPT = 0.8  # of the largest gain in label agreement over the untrained model
SURE = 3.0  # standard errors
ENOUGH = 20  # texts that the model gets wrong, from which on their neighbors are a measure


def leave_one_out(vectors: Array, k: int, cosine: bool) -> Array:
    """(n, k) rows of the nearest others of each row, exact; k is less than n."""
    n = len(vectors)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A vector of zeros", KerasIntrospectWarning)  # counted by the caller
        near, _ = Search(vectors, cosine).nearest(vectors, min(k + 1, n))
    own = near == np.arange(n)[:, None]
    own[~own.any(1), -1] = True  # of more than k equal rows the row itself may not come up
    found: Array = near[~own].reshape(n, -1)
    return found


def shares(near: Array, of: Array, wanted: Array) -> Array:
    """(n,) the share of each row's neighbors whose class is the one wanted of them.

    Args:
        near: (n, k) neighbors.
        of: (n,) the class of each as a neighbor.
        wanted: (n,) the class that the neighbors of each should have.
    """
    found: Array = (of[near] == wanted[:, None]).mean(1)
    return found


def mean_error(values: Array) -> tuple[float, float]:
    """(mean, its standard error) without NaN; NaN where nothing, or only one value, is left."""
    kept = values[np.isfinite(values)]
    mean = float(kept.mean()) if len(kept) else float("nan")
    return mean, float(kept.std(ddof=1) / np.sqrt(len(kept))) if len(kept) > 1 else float("nan")


def chance(labels: Array) -> float:
    """How often another row, drawn at random, has the label of a row."""
    _, counts = np.unique(labels, return_counts=True)
    n = len(labels)
    return float((counts * (counts - 1)).sum() / (n * (n - 1)))


def hubness(near: Array) -> float:
    """Skewness of how often a row is among the nearest of others; 0 where each is as often.

    Radovanovic et al. 2010, Hubs in space.
    """
    times = np.bincount(near.ravel(), minlength=len(near)).astype(float)
    spread = times.std()
    return float((((times - times.mean()) / spread) ** 3).mean()) if spread else 0.0


def draw_alike(near: Array, labels: Array, draws: np.random.Generator) -> Array:
    """For each neighbor another row with its label, at random; never the row whose neighbor it is, unless none is left."""
    order = np.argsort(labels, kind="stable")
    values, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    group = np.searchsorted(values, labels[near])
    place = np.empty(len(labels), int)
    place[order] = np.arange(len(labels))
    own = labels[near] == labels[:, None]
    room = np.where(own, np.maximum(counts[group] - 1, 1), counts[group])
    drawn = starts[group] + (draws.random(near.shape) * room).astype(int)
    drawn += own & (drawn >= place[:, None]) & (counts[group] > 1)
    found: Array = order[drawn]
    return found


def correlation(distances: Array, gaps: Array) -> float:
    """Spearman's rank correlation; NaN where either is constant."""
    from scipy.stats import rankdata

    a, b = rankdata(distances), rankdata(gaps)
    if not (np.ptp(a) and np.ptp(b)):
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def pairs_within(n: int) -> tuple[Array, Array]:
    """All pairs (i, j), i < j, of n rows."""
    pairs = np.array([*combinations(range(n), 2)], int).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def apart(vectors: Array, first: Array, second: Array, cosine: bool) -> Array:
    """The distance of each pair of rows, float64: 1 - cosine (1 where a vector is zero), or Euclidean."""
    wide = vectors.astype(np.float64)
    if cosine:
        norms = np.linalg.norm(wide, axis=1, keepdims=True)
        wide = np.divide(wide, norms, out=np.zeros_like(wide), where=norms > 0)
    found = np.empty(len(first))
    step = max(1, 2**20 // max(wide.shape[1], 1))
    for start in range(0, len(first), step):
        part = slice(start, start + step)
        a, b = wide[first[part]], wide[second[part]]
        found[part] = 1 - np.einsum("ij,ij->i", a, b) if cosine else np.linalg.norm(a - b, axis=1)
    return found


class Wording:
    """The words of texts, as sets.

    Args:
        words: The words of each text.
    """

    def __init__(self, words: Sequence[set[str]]) -> None:
        from scipy.sparse import csr_array

        ids: dict[str, int] = {}
        columns = [ids.setdefault(word, len(ids)) for text in words for word in sorted(text)]
        self.sizes = np.array([len(text) for text in words])
        starts = np.r_[0, np.cumsum(self.sizes)]
        self._sets = csr_array((np.ones(len(columns), np.int32), columns, starts), shape=(len(words), max(len(ids), 1)))

    def overlap(self, near: Array) -> Array:
        """(n,) mean Jaccard index of each text with its neighbors; pairs without any word do not count, NaN where all are."""
        first, second = np.repeat(np.arange(len(near)), near.shape[1]), near.ravel()
        shared = np.asarray(self._sets[first].multiply(self._sets[second]).sum(axis=1)).reshape(near.shape)
        union = self.sizes[:, None] + self.sizes[near] - shared
        total = np.divide(shared, union, out=np.zeros(near.shape), where=union > 0).sum(1)
        count = (union > 0).sum(1)
        found: Array = np.divide(total, count, out=np.full(len(near), np.nan), where=count > 0)
        return found


def recommend(rows: Sequence[Facts], facts: Facts) -> tuple[str | None, str, bool | None]:
    """(site, reason, whether the right level was found).

    A site has the right level of meaningful similarity if its neighbors

    1. share the label: agreement keeps at least 80 % of the largest gain that any site has over the untrained model, whose
       neighbors share words, and over chance;
    2. share more than the label: their words overlap more than those of random pairs with the same labels;
    3. are more than the model's opinion: of texts that the model gets wrong, more neighbors have the true label than at
       the model's output, where neighbors are those that it says the same of.

    2 and 3 by three standard errors. Of such sites the earliest is recommended: each layer adds to the opinion. If none has
    all three, the earliest that has the first, and if possible the second, is recommended; the reason says what it lacks.

    Args:
        rows: Figures per site, in forward order.
        facts: Those of the whole.
    """
    usable = [row for row in rows if np.isfinite(row["label_agreement"])]
    if not usable:
        return None, "No site has figures: every one gives NaN.", None
    if facts["classes"] < 2:
        return None, "All texts have the same label, so that labels cannot tell one site from another.", None
    control = [row["label_agreement_control"] for row in usable if np.isfinite(row["label_agreement_control"])]
    floor = max([facts["chance"], *control])
    best = max(row["label_agreement"] for row in usable)
    if best - floor < SURE * max(row["label_agreement_error"] for row in usable):
        return None, (f"At no site do neighbors share the label clearly more often ({best:.0%} at best) than in an untrained "
                      f"model or by chance ({floor:.0%})."), False  # fmt: skip
    agreeing = [row for row in usable if row["label_agreement"] - floor >= KEPT * (best - floor)]
    rich = [row for row in agreeing if not row["word_gain"] < SURE * row["word_gain_error"]]  # NaN, without words, may be
    judged = facts["wrong"] >= ENOUGH and any(np.isfinite(row["truth_gain"]) for row in agreeing)
    right = [row for row in rich if row["truth_gain"] >= SURE * row["truth_gain_error"] > 0] if judged else []
    row = (right or rich or agreeing)[0]
    if not judged:
        lack = (f"the model gets only {facts['wrong']} texts wrong, or says no class: too few to tell whether neighbors are "
                "more than its opinion")
        return row["site"], f"{_figures(row, facts, floor, best)}; {lack}.", None
    verdict = "similar in more than words, and more than the model's opinion" if right else (
        "the neighbors repeat the model's opinion" if rich else "the neighbors share nothing but the label"
    ) + ", so no site has the right level; this is the earliest whose neighbors share the label"  # fmt: skip
    return row["site"], f"{_figures(row, facts, floor, best)}: {verdict}.", bool(right)


def _figures(row: Facts, facts: Facts, floor: float, best: float) -> str:
    parts = [f"At '{row['site']}' {row['label_agreement']:.0%} of the {facts['k']} nearest share the label (best site "
             f"{best:.0%}, untrained or chance {floor:.0%})"]  # fmt: skip
    if np.isfinite(row["word_overlap"]):
        parts.append(f"their words overlap by {row['word_overlap']:.3f}, those of random pairs with the same labels by "
                     f"{row['word_overlap_matched']:.3f}")  # fmt: skip
    if np.isfinite(row["truth_where_wrong"]):
        parts.append(f"of the {facts['wrong']} texts that the model gets wrong, {row['truth_where_wrong']:.0%} of the "
                     f"neighbors have the true label, at the output {facts['truth_where_wrong_at_output']:.0%}")  # fmt: skip
    return "; ".join(parts)
