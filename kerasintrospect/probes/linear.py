"""Linear probe: which neurons does a linear model weigh most? (Dalvi et al. 2019, linguistic correlation analysis)"""

from __future__ import annotations

from ..fitting import fit
from .base import Found, method
from .data import ProbeData
from .mass import weighed


@method("linear", regression=True)
def linear(
    data: ProbeData, seed: int, l1: float = 0.0, l2: float = 1e-2, standardize: bool = True, max_iter: int = 200
) -> Found:
    """1 - the least, over classes, of the share of the class's absolute weight that heavier neurons hold; for class c |weight|.

    The neurons with a score above 1 - p are those that hold the share p of some class's weight: per class
    `kerasintrospect.probes.by_mass(ranking.details["weights"], p)`, by size `kerasintrospect.probes.above`. With two classes
    there is one row of weights; with values |weight| of the one row orders alike. On standardised activations scale has no part
    in it; a raw weight favours neurons of small range.

    `details`: `"weights"` (classes, units; one row for two classes and for values) as fitted; `"mean"` and `"scale"` (units,):
    on activations as they are, the weight is weights / scale, and the intercept changes by -(weights * mean / scale).sum().

    Args:
        data: The activations.
        seed: Of the order in which rows are read; the solver for l1 = 0 reads them all at once.
        l1: Strength of |w|, per row: mean loss + l1 |w| + l2 / 2 |w|^2. Above 0 weights become 0; slower.
        l2: Strength of |w|^2.
        standardize: Whether each neuron is scaled to mean 0 and standard deviation 1 first.
        max_iter: Of the solver, at most.
    """
    return weighed(fit(data.X, data.y, data.classes is not None, l1, l2, seed, standardize, max_iter), data)
