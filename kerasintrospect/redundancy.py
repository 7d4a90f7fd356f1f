"""Which neurons say the same? Clusters of correlated units, and one that stands for each. No framework."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .correlations import BLOCK, Pairs, correlated
from .errors import InputError

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["NeuronClusters", "cluster_neurons"]

Array = npt.NDArray[Any]
EQUAL = 6  # digits: what is nearer is a tie


@dataclass(frozen=True, eq=False)
class NeuronClusters:
    """Units in clusters of high correlation.

    Attributes:
        labels: (units,) the cluster of each unit; clusters are numbered in the order of their first unit.
        representatives: (clusters,) the unit that stands for each cluster.
        cohesion: (units,) mean |r| (r, if `absolute` is False) of a unit with the others of its cluster; NaN where it is alone.
        constant: Units with one value in every row, which correlate with nothing: each is a cluster of its own.
        threshold: The largest 1 - |r| (1 - r), on average, at which clusters were joined.
        absolute: Whether a unit and its negative are alike.
        rule: How the representatives were chosen, in words.
        tree: (m - 1, 4) SciPy's linkage of the m units that are not constant.
        order: The m units as the tree puts them side by side.
        notes: What should be known about the clusters.
    """

    labels: Array
    representatives: Array
    cohesion: Array
    constant: Array
    threshold: float
    absolute: bool
    rule: str
    tree: Array = field(repr=False)
    order: Array = field(repr=False)
    notes: tuple[str, ...] = ()
    cells: Array = field(default_factory=lambda: np.zeros((0, 0)), repr=False)

    def __len__(self) -> int:
        return len(self.representatives)

    @property
    def redundancy(self) -> float:
        """The share of units that a representative stands for: (units - clusters) / units."""
        return (len(self.labels) - len(self)) / len(self.labels)

    def redundancy_at(self, threshold: float) -> float:
        """The share that could be left out at another threshold."""
        return float((self.tree[:, 2] <= threshold).sum() / len(self.labels))

    def members(self, cluster: int) -> Array:
        """The units of a cluster."""
        if not 0 <= cluster < len(self):
            raise InputError(f"`cluster` is one of 0 to {len(self) - 1}. Received: cluster={cluster}.")
        return np.flatnonzero(self.labels == cluster)

    def to_frame(self) -> pandas.DataFrame:
        """One row per unit: cluster, its size, its representative, cohesion, and whether the unit is constant."""
        import pandas

        sizes = np.bincount(self.labels)
        units = np.arange(len(self.labels))
        return pandas.DataFrame({
            "unit": units, "cluster": self.labels, "size": sizes[self.labels],
            "representative": self.representatives[self.labels], "cohesion": self.cohesion,
            "constant": np.isin(units, self.constant),
        })  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """What a page shows, as JSON can hold it."""
        return {"units": len(self.labels), "clusters": len(self), "redundancy": self.redundancy, "threshold": self.threshold,
                "absolute": self.absolute, "labels": self.labels.tolist(), "representatives": self.representatives.tolist(),
                "constant": self.constant.tolist(), "rule": self.rule, "notes": list(self.notes)}  # fmt: skip

    def plot(self) -> Figure:
        """The correlations of all units in the order of the tree, and how many could be left out at which threshold."""
        from .report.redundancy import plot_clusters

        return plot_clusters(self)

    def __str__(self) -> str:
        kind = "|r|" if self.absolute else "r"
        said = (f"{len(self.labels)} units in {len(self)} clusters (mean 1 - {kind} up to {self.threshold:g}): "
                f"{self.redundancy:.1%} are redundant.")  # fmt: skip
        return "\n".join([said, *self.notes])


def cluster_neurons(
    X: Any, threshold: float = 0.5, absolute: bool = True, scores: Any = None
) -> NeuronClusters:
    """Which units say the same: average linkage over 1 - |r|, cut at a threshold (Dalvi et al. 2020).

    Two clusters are joined while the mean of 1 - |r| over their pairs is at most the threshold. r is Pearson's. A cluster's
    representative is the unit with the highest mean |r| with the others of its cluster, or, with `scores`, the one
    with the highest score; of equals (to six digits) the first. Memory: two vectors of units * (units - 1) / 2 float64.

    Args:
        X: (n, units) activations, a row per token, word or example, no padding; or a `Gram` that has seen them.
        threshold: Above 0; the paper takes 0.3 before a probe and 0.5 to tell how redundant a model is.
        absolute: Whether a unit and its negative are alike; if False, 1 - r.
        scores: (units,) how good each unit is; or a `NeuronRanking`, for its order.

    Returns:
        `NeuronClusters`.

    Raises:
        InputError: if X has less than two rows or units, holds NaN or infinity, or all units are constant.
    """
    if not 0 < threshold <= 2:
        raise InputError(f"`threshold` is a distance 1 - |r| above 0, for instance 0.3. Received: threshold={threshold}.")
    pairs, units, constant = correlated(X, absolute)
    given = _scores(scores, len(units) + len(constant))
    tree, leaves, cut = _tree(pairs, threshold)
    names = np.empty(len(units) + len(constant), np.int64)
    names[units], names[constant] = cut, np.arange(len(constant)) + len(names)
    labels = _in_order(names)
    cohesion = np.full(len(names), np.nan)
    cohesion[units] = _cohesion(pairs, cut)
    rule = "highest mean correlation with the others of the cluster" if given is None else "highest score"
    notes = () if not len(constant) else (
        f"{len(constant)} of {len(names)} units are constant and correlate with nothing: each is a cluster of its own.",
    )  # fmt: skip
    chosen = _representatives(labels, np.round(np.nan_to_num(cohesion), EQUAL) if given is None else given)
    return NeuronClusters(labels, chosen, cohesion, constant, threshold, absolute, rule, tree, units[leaves], notes,
                          pairs.cells(leaves))  # fmt: skip


def _tree(pairs: Pairs, threshold: float) -> tuple[Array, Array, Array]:
    """(linkage, order of its leaves, cluster of each)."""
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage

    if pairs.m == 1:
        return np.zeros((0, 4)), np.zeros(1, int), np.zeros(1, int)
    tree = linkage(pairs.values, "average")
    return tree, leaves_list(tree), fcluster(tree, threshold, "distance") - 1


def _in_order(names: Array) -> Array:
    """Clusters numbered by their first units."""
    _, first, inverse = np.unique(names, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    found: Array = rank[inverse]
    return found


def _cohesion(pairs: Pairs, cut: Array) -> Array:
    found = np.full(len(cut), np.nan)
    by_cluster = np.argsort(cut, kind="stable")
    for units in np.split(by_cluster, np.flatnonzero(np.diff(cut[by_cluster])) + 1):
        for start in range(0, len(units) if len(units) > 1 else 0, BLOCK):
            some = units[start : start + BLOCK]
            found[some] = 1 - pairs.between(some, units).sum(1) / (len(units) - 1)
    return found


def _representatives(labels: Array, scores: Array) -> Array:
    """Of each cluster the unit with the highest score, the first of equals."""
    best_first = np.lexsort((np.arange(len(labels)), -scores, labels))
    found: Array = best_first[np.r_[0, np.flatnonzero(np.diff(labels[best_first])) + 1]]
    return found


def _scores(scores: Any, units: int) -> Array | None:
    if scores is None:
        return None
    found = np.asarray(scores, np.float64) if not hasattr(scores, "order") else -np.argsort(scores.order).astype(float)
    if found.shape != (units,) or not np.isfinite(found).all():
        raise InputError(f"`scores` holds a finite number per unit. Received: scores of shape {found.shape} for {units} units.")
    return found
