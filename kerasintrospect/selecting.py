"""How few neurons say as much as all: the lowest layers, one unit per cluster, the best of these (Dalvi et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .matrices import matrix
from .probes import NeuronRanking, rank_neurons
from .redundancy import NeuronClusters, cluster_neurons
from .trials import Bench, bench_of

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["NeuronSelection", "fewest", "select_neurons"]

Array = npt.NDArray[Any]
STEP = 1.3  # how fast the number of neurons grows, until it is enough


@dataclass(frozen=True, eq=False)
class NeuronSelection:
    """How few neurons a probe needs, stage by stage.

    Attributes:
        stages: One dict per stage (`"all"`, `"layers"`, `"clusters"`, `"selection"`): `sites` and `neurons` (how many are
            left), `share` (of all neurons), `validation` and `test` (accuracy, or R^2 for values).
        sites: The sites that are left, in forward order.
        neurons: (site, unit) of each neuron that is left, the best first.
        units: site -> the units that are left of it, sorted.
        layers: Validation score of each prefix of the sites that was tried.
        sizes: k -> validation score of the k best that was tried.
        floor: The validation score that the last stage had to reach.
        baseline: Accuracy on the test rows of always saying the most frequent class; 0 for values.
        clusters: Of the neurons of `sites`, side by side.
        ranking: Of the representatives, in their order.
        rows: `"train"`, `"validation"`, `"test"`: row numbers.
        notes: What should be known about the selection.
    """

    stages: list[dict[str, Any]]
    sites: list[str]
    neurons: list[tuple[str, int]]
    units: dict[str, Array]
    layers: dict[str, float]
    sizes: dict[int, float]
    floor: float
    baseline: float
    clusters: NeuronClusters = field(repr=False)
    ranking: NeuronRanking = field(repr=False)
    rows: dict[str, Array] = field(repr=False)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.neurons)

    def take(self, X: Mapping[str, Any]) -> Array:
        """(n, neurons) the activations of the neurons that are left, the best first.

        Args:
            X: site -> (n, units), at least the sites of `units`.
        """
        missing = [site for site in self.units if site not in X]
        if missing:
            raise InputError(f"The selected neurons are at {list(self.units)}. Received: X without {missing}.")
        return np.stack([np.asarray(X[site])[:, unit] for site, unit in self.neurons], 1)

    def to_frame(self) -> pandas.DataFrame:
        """One row per stage: sites, neurons, share of all, validation and test score."""
        import pandas

        return pandas.DataFrame(self.stages)

    def to_dict(self) -> dict[str, Any]:
        """What a page shows, as JSON can hold it."""
        return {"stages": self.stages, "neurons": [list(place) for place in self.neurons], "layers": self.layers,
                "sizes": [[k, score] for k, score in self.sizes.items()], "floor": self.floor, "baseline": self.baseline,
                "notes": list(self.notes)}  # fmt: skip

    def plot(self) -> Figure:
        """Validation score by layers and by number of neurons, with what had to be reached."""
        from .report.redundancy import plot_selection

        return plot_selection(self)

    def __str__(self) -> str:
        return "\n".join([self.to_frame().round(4).to_string(index=False), *self.notes])


def select_neurons(
    X: Any, y: npt.ArrayLike, documents: Sequence[Any] | None = None, tolerance: float = 0.01, threshold: float = 0.3,
    method: str = "linear", seed: int = 0, regression: bool | None = None, **options: Any,
) -> NeuronSelection:  # fmt: skip
    """How few neurons a linear probe needs: LayerSelector, correlation clusters, feature selection (Dalvi et al. 2020).

    1. all: a probe on the neurons of all sites, the oracle.
    2. layers: the fewest first sites whose probe, on validation rows, has at least (1 - tolerance) of the oracle's score.
    3. clusters: of these, one neuron per cluster of correlation; constant neurons go.
    4. selection: of these, the fewest first of a ranking whose probe has at least (1 - tolerance) of the oracle's score, or,
       if the clusters have less, of theirs. Their number grows by 30 % until it is enough, and is then bisected.

    Probes, clusters and ranking see training rows (60 %), choices validation rows (20 %), and what is reported under `test`
    rows that nothing was chosen by (20 %).

    Args:
        X: site -> (n, units) activations, in the order of the forward pass; or one (n, units) array. Of a store:
            `{site: store.read(site) for site in store.sites}`.
        y: (n,) labels: ints, strings or bools are classes, floats are values.
        documents: (n,) the document of each row: none is in two parts. Words of one text belong together.
        tolerance: The share of the oracle's score that may be lost.
        threshold: Of the clusters; see `cluster_neurons`.
        method: Of the ranking; one of `ranking_methods()`.
        seed: Of the parts, the ranking and the probes.
        regression: Whether the labels are values; None reads it off their type.
        **options: Of the ranking.

    Returns:
        `NeuronSelection`.

    Raises:
        InputError: if rows and labels do not align, there is one class, or the probe on all neurons tells nothing.
    """
    if not 0 <= tolerance < 1:
        raise InputError(f"`tolerance` is a share from 0 to below 1. Received: tolerance={tolerance}.")
    sites = _sites(X)
    widths = [part.shape[1] for part in sites.values()]
    whole = np.concatenate(list(sites.values()), 1)
    data, bench = bench_of(whole, y, documents, regression, seed)
    train, test = bench.rows["train"], bench.rows["test"]
    baseline = float((data.y[test] == np.bincount(data.y[train]).argmax()).mean()) if bench.classify else 0.0
    oracle = _score(bench, whole)
    notes = _doubts(bench, oracle, baseline)
    floor = (1 - tolerance) * oracle[0]
    layers, prefix, reached = _layers(bench, sites, whole, oracle, floor)
    left = whole[:, : sum(widths[:prefix])]
    clusters = cluster_neurons(left[train], threshold)
    kept = clusters.representatives[~np.isin(clusters.representatives, clusters.constant)]
    shrunk = _score(bench, left[:, kept])
    if shrunk[0] < floor:
        notes.append(f"One neuron per cluster has {shrunk[0]:.3f} on validation rows, below the {floor:.3f} asked for: a lower "
                     "`threshold` keeps more. The selection was measured by the clusters.")  # fmt: skip
        floor = (1 - tolerance) * shrunk[0]
    labels = data.y if data.classes is None else np.asarray(data.classes)[data.y]
    ranking = rank_neurons(left[np.ix_(train, kept)], labels[train], method, seed, not bench.classify, **options)
    sizes, chosen = fewest(len(kept), floor, lambda k: _score(bench, left[:, kept[ranking.top(k)]]))
    best = kept[ranking.top(chosen)]
    named, total = list(sites), sum(widths)
    neurons = _addresses(best, named, widths)
    units = {site: np.sort([unit for at, unit in neurons if at == site]) for site in named if site in dict(neurons)}
    final = _score(bench, left[:, best])
    if final[1] < (1 - tolerance) * oracle[1]:
        notes.append(f"On test rows the selection has {final[1]:.3f} and all neurons {oracle[1]:.3f}: the fewest that are "
                     f"enough on {len(bench.rows['validation'])} validation rows are so partly by luck.")  # fmt: skip
    stages = [_stage("all", len(named), total, total, oracle), _stage("layers", prefix, left.shape[1], total, reached),
              _stage("clusters", prefix, len(kept), total, shrunk),
              _stage("selection", len(units), len(best), total, final)]  # fmt: skip
    return NeuronSelection(stages, named[:prefix], neurons, units, layers, sizes, floor, baseline, clusters, ranking,
                           dict(bench.rows), tuple(dict.fromkeys([*notes, *ranking.notes])))  # fmt: skip


def _score(bench: Bench, X: Array) -> tuple[float, float]:
    scores, _, _ = bench.fit(X)
    return scores["validation"], scores["test"]


def _doubts(bench: Bench, oracle: tuple[float, float], baseline: float) -> list[str]:
    """What the score of the oracle means for all that follows."""
    if oracle[0] <= 0:
        raise InputError("A selection takes activations that tell something of the labels. Received: a probe on all neurons "
                         f"with a score of {oracle[0]:.3f} on validation rows.")  # fmt: skip
    if bench.classify and oracle[1] <= baseline:
        return [f"The probe on all neurons ({oracle[1]:.3f} on test rows) is no better than the most frequent class "
                f"({baseline:.3f}): neither they nor the selection say anything of the labels."]  # fmt: skip
    return []


def _sites(X: Any) -> dict[str, Array]:
    given = dict(X) if isinstance(X, Mapping) else {"X": X}
    if not given:
        raise InputError("`X` holds the activations of at least one site. Received: none.")
    found = {str(site): matrix(part, f"X[{site!r}]" if isinstance(X, Mapping) else "X") for site, part in given.items()}
    rows = {site: len(part) for site, part in found.items()}
    if len(set(rows.values())) > 1:
        raise InputError(f"All sites have the same rows in the same order. Received: {rows}.")
    small = all(part.dtype.itemsize <= 4 for part in found.values())
    return {site: part.astype(np.float32 if small else np.float64, copy=False) for site, part in found.items()}


def _layers(
    bench: Bench, sites: dict[str, Array], whole: Array, oracle: tuple[float, float], floor: float
) -> tuple[dict[str, float], int, tuple[float, float]]:
    """(score of each prefix, how many sites are enough, their scores)."""
    tried: dict[str, float] = {}
    width = 0
    for count, (site, part) in enumerate(sites.items(), 1):
        width += part.shape[1]
        found = oracle if count == len(sites) else _score(bench, whole[:, :width])
        tried[site] = found[0]
        if found[0] >= floor:
            break
    return tried, count, found


def fewest(total: int, floor: float, score: Callable[[int], tuple[float, float]]) -> tuple[dict[int, float], int]:
    """(validation score of each number that was tried, the least that reached the floor; all, if none did).

    Args:
        total: The largest number.
        floor: The validation score to be reached.
        score: k -> (validation, test) of the k best.
    """
    tried: dict[int, float] = {}

    def enough(k: int) -> bool:
        tried[k] = score(k)[0]
        return tried[k] >= floor

    below, k = 0, 1
    while not enough(k):
        if k == total:
            return tried, total
        below, k = k, min(max(k + 1, int(k * STEP)), total)
    while k - below > 1:
        middle = (k + below) // 2
        below, k = (below, middle) if enough(middle) else (middle, k)
    return dict(sorted(tried.items())), k


def _addresses(columns: Array, sites: list[str], widths: list[int]) -> list[tuple[str, int]]:
    starts = np.r_[0, np.cumsum(widths)]
    places = np.searchsorted(starts, columns, side="right") - 1
    return [(sites[place], int(column - starts[place])) for place, column in zip(places, columns, strict=True)]


def _stage(name: str, sites: int, neurons: int, total: int, scores: tuple[float, float]) -> dict[str, Any]:
    return {"stage": name, "sites": sites, "neurons": neurons, "share": neurons / total, "validation": scores[0],
            "test": scores[1]}  # fmt: skip
