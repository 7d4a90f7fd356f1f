"""Neurons as points of a plane: what correlates lies together (UMAP, an extra)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .correlations import correlated
from .errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["NeuronMap", "map_neurons"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class NeuronMap:
    """Neurons in a plane.

    Attributes:
        points: (units, 2) float32; NaN for constant units, which correlate with nothing.
        constant: The constant units.
    """

    points: Array
    constant: Array

    def to_frame(self) -> pandas.DataFrame:
        """One row per unit: its place."""
        import pandas

        return pandas.DataFrame({"unit": np.arange(len(self.points)), "x": self.points[:, 0], "y": self.points[:, 1]})

    def plot(self, colors: Any = None) -> Figure:
        """The map.

        Args:
            colors: (units,) what colours them: numbers such as scores, or labels such as clusters or sites.
        """
        from .report.redundancy import plot_map

        if colors is not None and len(colors) != len(self.points):
            raise InputError(f"`colors` holds one value per unit. Received: {len(colors)} for {len(self.points)} units.")
        return plot_map(self.points, colors)


def map_neurons(X: Any, absolute: bool = True, n_neighbors: int = 15, min_dist: float = 0.1, seed: int = 0) -> NeuronMap:
    """Neurons in a plane, so that those with a high correlation lie together: UMAP over 1 - |r| (McInnes et al. 2018).

    Distances within a crowd mean something, those between crowds little: `cluster_neurons` counts. Needs
    `pip install "kerasintrospect[umap]"`, which compiles for about a minute before the first map of a process, and memory for
    two matrices of units x units float32.

    Args:
        X: (n, units) activations, a row per token, word or example, no padding; or a `Gram` that has seen them.
        absolute: Whether a unit and its negative are alike; if False, 1 - r.
        n_neighbors: How many neighbors a unit should stay near.
        min_dist: How near to each other points may lie.
        seed: Of the layout; one seed gives one map.

    Returns:
        `NeuronMap`.

    Raises:
        MissingDependencyError: if umap-learn is not installed.
        InputError: if X holds NaN or infinity, or fewer than four units that vary.
    """
    umap = _umap()
    pairs, units, constant = correlated(X, absolute)
    if pairs.m < 4 or not 2 <= n_neighbors:
        raise InputError("A map takes at least four units that vary, and two neighbors. "
                         f"Received: {pairs.m} such units, n_neighbors={n_neighbors}.")  # fmt: skip
    far = np.zeros((pairs.m, pairs.m), np.float32)
    far[np.triu_indices(pairs.m, 1)] = pairs.values
    far += far.T
    layout = umap.UMAP(metric="precomputed", n_neighbors=min(n_neighbors, pairs.m - 1), min_dist=min_dist, random_state=seed,
                       n_jobs=1, init="spectral" if pairs.m > 10 else "random")  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "using precomputed metric", UserWarning)  # no inverse is asked for
        placed = layout.fit_transform(far)
    points = np.full((len(units) + len(constant), 2), np.nan, np.float32)
    points[units] = placed
    return NeuronMap(points, constant)


def _umap() -> Any:
    try:
        import umap
    except ImportError as error:
        raise MissingDependencyError("A map of neurons needs umap-learn, which is not installed. Install it: "
                                     'pip install "kerasintrospect[umap]".') from error  # fmt: skip
    return umap
