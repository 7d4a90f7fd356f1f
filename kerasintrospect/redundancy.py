"""Which neurons say the same? Clusters of correlated units, and one that stands for each. No framework."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .matrices import constant_units, matrix
from .statistics import Gram

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["NeuronClusters", "Pairs", "cluster_neurons", "correlated"]

Array = npt.NDArray[Any]
BLOCK = 1024  # units that are multiplied with all others in one go
CELLS, PER_CELL = 400, 4  # the most that a picture has on a side, and how many units a cell is drawn from
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


class Pairs:
    """A number for each pair of m things, as SciPy keeps them: the rows of the upper triangle, one after the other.

    Args:
        values: (m * (m - 1) / 2,) float64.
        m: How many things.
    """

    def __init__(self, values: Array, m: int) -> None:
        self.values, self.m = values, m

    def starts(self, rows: Array) -> Array:
        """Where the values of (row, row + 1), (row, row + 2) ... start."""
        found: Array = rows * (2 * self.m - rows - 1) // 2
        return found

    def between(self, rows: Array, columns: Array) -> Array:
        """(rows, columns) values, 0 of a thing with itself."""
        first, second = np.minimum(rows[:, None], columns), np.maximum(rows[:, None], columns)
        places = self.starts(first) + second - first - 1
        places[first == second] = 0
        found: Array = np.where(first == second, 0.0, self.values[places] if len(self.values) else 0.0)
        return found

    def cells(self, order: Array) -> Array:
        """At most 400 x 400 float32 means of 1 - value, things in this order; of more than 1600 four each stand for a cell."""
        side = min(self.m, CELLS)
        edges = np.linspace(0, self.m, side + 1).astype(int)
        if self.m > PER_CELL * side:
            inside = np.arange(PER_CELL) / PER_CELL
            order = order[(edges[:-1, None] + inside * np.diff(edges)[:, None]).astype(int).ravel()]
            edges = np.arange(side + 1) * PER_CELL
        found = np.empty((side, side), np.float32)
        for row, (start, stop) in enumerate(zip(edges, edges[1:], strict=False)):
            sums = np.add.reduceat(1 - self.between(order[start:stop], order), edges[:-1], axis=1)
            found[row] = sums.mean(0) / np.diff(edges)
        return found


def correlated(X: Any, absolute: bool) -> tuple[Pairs, Array, Array]:
    """(1 - |r| of all pairs of units that are not constant, those units, the constant ones)."""
    if isinstance(X, Gram):
        return _from_gram(X, absolute)
    values = matrix(X)
    same = constant_units(values)
    units = _varying(same)
    m = len(units)
    pairs, scale = Pairs(np.empty(m * (m - 1) // 2), m), _Scale(values, units)
    for start in range(0, m, BLOCK):
        left = scale.block(start)
        strip = np.empty((left.shape[1], m - start), left.dtype)
        for at in range(start, m, BLOCK):
            strip[:, at - start : at - start + BLOCK] = left.T @ (left if at == start else scale.block(at))
        _fill(pairs, strip, start, absolute)
    return pairs, units, np.flatnonzero(same)


class _Scale:
    """Columns with mean 0 and length 1, a block at a time: never a second copy of all activations."""

    def __init__(self, values: Array, units: Array) -> None:
        self.values, self.units = values, units
        self.dtype = np.float64 if values.dtype == np.float64 else np.float32
        self.peaks, self.means, self.norms = (np.empty(len(units)) for _ in range(3))
        for start in range(0, len(units), BLOCK):
            part = slice(start, start + BLOCK)
            wide = values[:, units[part]].astype(np.float64)
            self.peaks[part] = np.abs(wide).max(0)  # so that no square overflows
            wide /= self.peaks[part]
            self.means[part] = wide.mean(0)
            self.norms[part] = np.linalg.norm(wide - self.means[part], axis=0)

    def block(self, start: int) -> Array:
        part = slice(start, start + BLOCK)
        wide = self.values[:, self.units[part]] / self.peaks[part]
        wide -= self.means[part]
        wide /= self.norms[part]
        return wide.astype(self.dtype, copy=False)


def _from_gram(gram: Gram, absolute: bool) -> tuple[Pairs, Array, Array]:
    if gram.count < 2:
        raise InputError(f"A Gram matrix of at least two rows is needed. Received: {gram.count} rows. Add more: gram.add(X).")
    units = _varying(gram.constant)
    whole = gram.correlation()
    bad = np.flatnonzero(~np.isfinite(gram.means))
    if len(bad):
        raise InputError(f"The Gram matrix has seen NaN or infinity. Received: units {bad[:5].tolist()} that hold some. Add "
                         "rows of finite numbers only.")  # fmt: skip
    m = len(units)
    pairs = Pairs(np.empty(m * (m - 1) // 2), m)
    for start in range(0, m, BLOCK):
        _fill(pairs, whole[np.ix_(units[start : start + BLOCK], units[start:])], start, absolute)
    return pairs, units, np.flatnonzero(gram.constant)


def _varying(same: Array) -> Array:
    if len(same) < 2:
        raise InputError("Clusters take at least two units. Received: one unit. Choose a layer with more.")
    if same.all():
        raise InputError(f"Clusters take units that vary. Received: {len(same)} units, each with one value in every row. Give "
                         "more texts, or another site.")  # fmt: skip
    return np.flatnonzero(~same)


def _fill(pairs: Pairs, strip: Array, start: int, absolute: bool) -> None:
    """Correlations of units from `start` on with themselves and all later ones, as distances."""
    far = 1 - (np.abs(strip) if absolute else strip)
    np.maximum(far, 0, out=far)
    for row, begin in enumerate(pairs.starts(np.arange(start, start + len(far)))):
        pairs.values[begin : begin + pairs.m - start - row - 1] = far[row, row + 1 :]


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
