"""How few neurons say as much as all: the lowest layers, one unit per cluster, the best of these (Dalvi et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .controls import NEAR
from .errors import InputError
from .layered import taken
from .matrices import matrix
from .probes import NeuronRanking, rank_neurons
from .probing import check_probe
from .redundancy import NeuronClusters, cluster_neurons
from .store import ActivationStore
from .trials import Bench, Trial, bench_of

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["NeuronSelection", "fewest", "select_neurons"]

Array = npt.NDArray[Any]


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
    X: Any, y: npt.ArrayLike | None = None, documents: Sequence[Any] | None = None, tolerance: float = 0.01,
    threshold: float = 0.3, method: str = "linear", seed: int = 0, regression: bool | None = None, l1: float = 0.0,
    l2: float = 1e-2, **options: Any,
) -> NeuronSelection:  # fmt: skip
    """How few neurons a linear probe needs: LayerSelector, correlation clusters, feature selection (Dalvi et al. 2020).

    1. all: a probe on the neurons of all sites, the oracle.
    2. layers: the fewest first sites whose probe, on validation rows, has at least (1 - tolerance) of the oracle's score.
    3. clusters: of these, one neuron per cluster of correlation; constant neurons go.
    4. selection: of these, the fewest first of a ranking whose probe has at least (1 - tolerance) of the best score: of the
       oracle's and those of 1, 2, 4, ... of them; if the clusters have less than asked for, of theirs. Between these by halves.

    Probes, clusters and ranking see training rows (60 %), choices validation rows (20 %), and what is reported under `test`
    rows that nothing was chosen by (20 %).

    Args:
        X: site -> (n, units) activations, in the order of the forward pass; or one (n, units) array; or an
            `ActivationStore`, which brings labels and documents, and is read as a whole.
        y: (n,) labels: ints, strings or bools are classes, floats are values. None takes those of the store.
        documents: (n,) the document of each row: none is in two parts. Words of one text belong together.
        tolerance: The share of the best score that may be lost.
        threshold: Of the clusters; see `cluster_neurons`.
        method: Of the ranking; one of `ranking_methods()`.
        seed: Of the parts, the ranking and the probes.
        regression: Whether the labels are values; None reads it off their type.
        l1, l2: Penalties of the probes; see the method `linear`.
        **options: Of the ranking.

    Returns:
        `NeuronSelection`.

    Raises:
        InputError: if rows and labels do not align, there is one class, or the probe on all neurons tells nothing.
    """
    check_probe(method, seed, tolerance, None, l1, l2, options)
    noted: tuple[str, ...] = ()
    if isinstance(X, ActivationStore):
        rows, y, _, documents, noted = taken(X, y, None, documents)
        X = {site: X.read(site, rows) for site in X.sites}
    sites = _sites(X)
    widths = [part.shape[1] for part in sites.values()]
    whole = np.concatenate(list(sites.values()), 1)
    data, bench = bench_of(whole, y, documents, regression, seed, l1=l1, l2=l2)
    train, oracle = bench.rows["train"], bench.fit(whole)
    notes = [*noted, *_doubts(bench, oracle)]
    layers, prefix, reached = _layers(bench, sites, whole, oracle, (1 - tolerance) * oracle.validation)
    left = whole[:, : sum(widths[:prefix])]
    clusters = cluster_neurons(left[train], threshold)
    kept = clusters.representatives[~np.isin(clusters.representatives, clusters.constant)]
    shrunk = bench.fit(left[:, kept])
    labels = data.y if data.classes is None else np.asarray(data.classes)[data.y]
    options = ({"l1": l1, "l2": l2} if method == "linear" else {}) | options
    ranking = rank_neurons(left[np.ix_(train, kept)], labels[train], method, seed, not bench.classify, **options)
    tried = {len(kept): shrunk}

    def score(k: int) -> float:
        if k not in tried:
            tried[k] = bench.fit(left[:, kept[ranking.top(k)]])
        return tried[k].validation

    for power in range(len(kept).bit_length()):
        score(2**power)
    floor = _floor(bench, oracle, tried, tolerance, list(layers)[-1], notes)
    chosen = fewest(len(kept), floor, score)
    final, neurons = tried[chosen], _addresses(kept[ranking.top(chosen)], list(sites), widths)
    if final.test < (1 - tolerance) * oracle.test:
        notes.append(f"On test rows the selection has {final.test:.3f} and all neurons {oracle.test:.3f}: the fewest that are "
                     f"enough on {len(bench.rows['validation'])} validation rows are so partly by luck.")  # fmt: skip
    units = {site: np.sort([unit for at, unit in neurons if at == site]) for site in sites if site in dict(neurons)}
    stages = [_stage("all", len(sites), sum(widths), whole, oracle), _stage("layers", prefix, left.shape[1], whole, reached),
              _stage("clusters", prefix, len(kept), whole, shrunk),
              _stage("selection", len(units), chosen, whole, final)]  # fmt: skip
    sizes = {k: of.validation for k, of in sorted(tried.items())}
    return NeuronSelection(stages, list(sites)[:prefix], neurons, units, layers, sizes, floor,
                           bench.simple() if bench.classify else 0.0, clusters, ranking, dict(bench.rows),
                           tuple(dict.fromkeys([*notes, *ranking.notes])))  # fmt: skip


def _doubts(bench: Bench, oracle: Trial) -> list[str]:
    """What the score of the oracle means for all that follows."""
    if oracle.validation <= 0:
        raise InputError("A selection takes activations that tell something of the labels. Received: a probe on all neurons "
                         f"with a score of {oracle.validation:.3f} on validation rows.")  # fmt: skip
    test, simple = bench.rows["test"], bench.simple()
    if oracle.test - simple <= max(2 * bench.error(bench.y[test], oracle.predicted), NEAR):
        return [f"The probe on all neurons ({oracle.test:.3f} on test rows) is no better than "
                f"{'the most frequent class' if bench.classify else 'the mean'} ({simple:.3f}), as far as {len(test)} rows can "
                "tell: neither they nor the selection say anything of the labels."]  # fmt: skip
    return []


def _floor(bench: Bench, oracle: Trial, tried: dict[int, Trial], tolerance: float, prefix: str, notes: list[str]) -> float:
    """What the selection has to reach: the best score there is, which need not be that of all neurons."""
    k, best = max(tried.items(), key=lambda one: one[1].validation)
    floor = (1 - tolerance) * oracle.validation
    if best.validation < floor:
        notes.append(f"One neuron per cluster has {best.validation:.3f} on validation rows, below the {floor:.3f} asked for: a "
                     "lower `threshold` keeps more. The selection was measured by the clusters.")  # fmt: skip
        return (1 - tolerance) * best.validation
    error = bench.error(bench.y[bench.rows["test"]], oracle.predicted)
    if best.test - oracle.test > max(2 * error, NEAR):
        notes.append(f"The probe on all neurons overfits: it has {oracle.test:.3f} on test rows, with the first {k} of the "
                     f"ranking {best.test:.3f}, by which the selection was measured; layers after {prefix!r} were not "
                     "looked at. Give more rows, or an l1 that leaves few neurons, such as 0.01.")  # fmt: skip
    return (1 - tolerance) * max(oracle.validation, best.validation)


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
    bench: Bench, sites: dict[str, Array], whole: Array, oracle: Trial, floor: float
) -> tuple[dict[str, float], int, Trial]:
    """(score of each prefix, how many sites are enough, the probe on them)."""
    tried: dict[str, float] = {}
    width = 0
    for count, (site, part) in enumerate(sites.items(), 1):
        width += part.shape[1]
        found = oracle if count == len(sites) else bench.fit(whole[:, :width])
        tried[site] = found.validation
        if found.validation >= floor:
            break
    return tried, count, found


def fewest(total: int, floor: float, score: Callable[[int], float]) -> int:
    """The least number that reached the floor: the first of 1, 2, 4, ..., then by halves; all, if none did.

    Args:
        total: The largest number.
        floor: The validation score to be reached.
        score: k -> that of the k best.
    """
    below, k = 0, 1
    while score(k) < floor:
        if k == total:
            return total
        below, k = k, min(2 * k, total)
    while k - below > 1:
        middle = (k + below) // 2
        below, k = (below, middle) if score(middle) >= floor else (middle, k)
    return k


def _addresses(columns: Array, sites: list[str], widths: list[int]) -> list[tuple[str, int]]:
    starts = np.r_[0, np.cumsum(widths)]
    places = np.searchsorted(starts, columns, side="right") - 1
    return [(sites[place], int(column - starts[place])) for place, column in zip(places, columns, strict=True)]


def _stage(name: str, sites: int, neurons: int, whole: Array, found: Trial) -> dict[str, Any]:
    return {"stage": name, "sites": sites, "neurons": neurons, "share": neurons / whole.shape[1],
            "validation": found.validation, "test": found.test}  # fmt: skip
