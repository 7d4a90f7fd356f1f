"""Figures of what units share: clusters, selections, factors, maps."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_clusters", "plot_factors", "plot_map", "plot_selection"]

_BLUE, _ORANGE, _GRAY = "#1f6fb4", "#c8600a", "#7a7a7a"
_NUMBERED = 80  # units whose numbers find room on an axis
_VISIBLE = 100  # a frame can be seen from this part of the map on


def plot_clusters(clusters: Any) -> "Figure":
    """A map of the correlations in the order of the tree, and the share that could be left out by threshold.

    Args:
        clusters: `NeuronClusters`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_cells(figure, left, clusters)
    heights = np.sort(clusters.tree[:, 2])
    steps = np.r_[0, heights, max(1.0 if clusters.absolute else 2.0, *heights, clusters.threshold)]
    merged = np.r_[0, np.arange(1, len(heights) + 1), len(heights)] / len(clusters.labels)
    right.step(steps, 100 * merged, where="post", color=_BLUE, lw=1.5)
    late = clusters.threshold > 0.6 * steps[-1]
    right.axvline(clusters.threshold, color=_ORANGE, lw=1, ls="--")
    right.annotate(f"{len(clusters)} clusters of {len(clusters.labels)} units:\n{clusters.redundancy:.0%} redundant",
                   (clusters.threshold, 100 * clusters.redundancy), xytext=(-6 if late else 6, -4), fontsize=9, color=_ORANGE,
                   textcoords="offset points", va="top", ha="right" if late else "left")  # fmt: skip
    right.set(xlabel=f"threshold: mean 1 - {_kind(clusters)} within a cluster", ylabel="units that another stands for, %",
              ylim=(-2, 102), xlim=(0, steps[-1]))  # fmt: skip
    _dress(right, "how many units could go")
    return figure


def _kind(clusters: Any) -> str:
    return "|r|" if clusters.absolute else "r"


def _draw_cells(figure: "Figure", axis: "Axes", clusters: Any) -> None:
    m, side = len(clusters.order), len(clusters.cells)
    colors, least = ("magma_r", 0) if clusters.absolute else ("RdBu_r", -1)
    image = axis.imshow(clusters.cells, colors, vmin=least, vmax=1, extent=(0, m, m, 0), interpolation="nearest")
    figure.colorbar(image, ax=axis, shrink=0.85, label=_kind(clusters))
    ordered = clusters.labels[clusters.order]
    edges = np.r_[0, np.flatnonzero(np.diff(ordered)) + 1, m]
    for start, stop in zip(edges, edges[1:], strict=False):
        if stop - start > 1 and stop - start >= m / _VISIBLE:
            frame = [start, stop, stop, start, start], [start, start, stop, stop, start]
            for color, width in (("white", 3.0), (_BLUE, 1.4)):  # seen on light and on dark
                axis.plot(*frame, color=color, lw=width)
    mean = "" if side == m else f", about {m / side:.0f} a cell"
    axis.set(xlabel="units in the order of the tree", xlim=(0, m), ylim=(m, 0))
    _dress(axis, f"correlation of {m} units{mean}; clusters framed")
    numbers = [str(unit) for unit in clusters.order] if m <= _NUMBERED else []
    places = np.arange(len(numbers)) + 0.5  # places in the order are no unit numbers, so they are not shown
    axis.set_xticks(places, numbers, rotation=90, fontsize=min(8, 300 / m))
    axis.set_yticks(places, numbers, fontsize=min(8, 300 / m))


def _dress(axis: "Axes", title: str) -> None:
    axis.set_title(title, fontsize=10)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def plot_factors(values: Any, tokens: Any = None) -> "Figure":
    """One row of cells per factor, a column per token; each factor in the scale of its own largest.

    Args:
        values: (tokens, factors).
        tokens: Their texts, or None.
    """
    from matplotlib.figure import Figure

    count, factors = values.shape
    figure = Figure(figsize=(min(16.0, 2.5 + 0.28 * count), 1.2 + 0.28 * factors), layout="constrained")
    axis = figure.subplots()
    largest = values.max(0)
    image = axis.imshow((values / np.where(largest > 0, largest, 1)).T, "Blues", vmin=0, vmax=1, aspect="auto")
    figure.colorbar(image, ax=axis, label="of the factor's largest")
    axis.set_yticks(range(factors), [f"factor {i}" for i in range(factors)])
    if tokens is not None:
        axis.set_xticks(range(count), [str(token).replace("$", r"\$") for token in tokens], rotation=90)
    _dress(axis, "factors by token" if tokens is not None else "factors by row")
    return figure


def plot_selection(selection: Any) -> "Figure":
    """Validation score by layers and by number of neurons, with what had to be reached.

    Args:
        selection: `NeuronSelection`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    names = list(selection.layers)
    left.plot(range(len(names)), list(selection.layers.values()), marker="o", ms=4, color=_BLUE)
    left.set_xticks(range(len(names)), [name.replace("$", r"\$") for name in names], rotation=90)
    left.set(ylabel="validation score", xlabel="all sites up to")
    sizes = sorted(selection.sizes)
    right.plot(sizes, [selection.sizes[k] for k in sizes], marker="o", ms=4, color=_BLUE, label="the best of the clusters")
    right.plot(len(selection), selection.sizes[len(selection)], "o", ms=9, mfc="none", color=_ORANGE, label="selected")
    oracle = selection.stages[0]
    right.plot(oracle["neurons"], oracle["validation"], "s", ms=5, color=_GRAY, label="all neurons")
    right.axhline(selection.floor, color=_ORANGE, lw=1, ls="--", label="to be reached")
    right.set(xscale="log", xlabel="neurons")
    right.legend(fontsize=8, frameon=False)
    _dress(left, f"layers: {len(selection.sites)} of {oracle['sites']} sites are enough")
    _dress(right, f"neurons: {len(selection)} of {oracle['neurons']} are enough")
    return figure


def plot_map(points: Any, colors: Any = None) -> "Figure":
    """Units as points.

    Args:
        points: (units, 2).
        colors: (units,) numbers, or labels (of at most ten kinds with a legend), or None.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axis = figure.subplots()
    given = None if colors is None else np.asarray(colors)
    size = float(np.clip(4000 / max(len(points), 1), 2, 30))
    if given is not None and given.dtype.kind == "f":
        figure.colorbar(axis.scatter(points[:, 0], points[:, 1], size, given, cmap="viridis"), ax=axis, shrink=0.85)
    elif given is None:
        axis.scatter(points[:, 0], points[:, 1], size, color=_BLUE)
    else:
        kinds, ids = np.unique(given, return_inverse=True)
        for kind in range(len(kinds)):
            those = points[ids == kind]
            label = str(kinds[kind]).replace("$", r"\$")
            axis.scatter(those[:, 0], those[:, 1], size, color=f"C{kind % 10}", label=label)
        if len(kinds) <= 10:
            axis.legend(fontsize=8, frameon=False)
    axis.set(xticks=[], yticks=[])
    _dress(axis, f"{len(points)} units by correlation (UMAP)")
    return figure
