"""ProtoDash: weighted prototypes of a class (Gurumoorthy, Dhurandhar, Cecchi and Aggarwal 2019)."""

from __future__ import annotations

import numpy as np

from .base import Picks, of_classes
from .examples import Array, Examples
from .kernel import Kernel, picks_of


@of_classes("protodash")
def protodash(examples: Examples, queries: None, classes: Array, k: int, gamma: float | None = None) -> Picks:
    """Greedy max over S and w >= 0 of w . mu - w . K w / 2, mu the means of the kernel: the steepest member joins, then w is
    solved for anew. The weights are divided by their sum."""
    found = []
    for of in classes:
        kernel = Kernel(examples, int(of), gamma)
        found.append((kernel, *_choose(kernel, k)))
    return picks_of(found, k)


def _choose(kernel: Kernel, k: int) -> tuple[list[int], Array]:
    chosen: list[int] = []
    columns, weights = np.zeros((0, len(kernel))), np.zeros(0)
    for _ in range(min(k, len(kernel))):
        gradient = kernel.means - weights @ columns
        gradient[chosen] = -np.inf
        chosen.append(int(np.argmax(gradient)))
        columns = np.vstack([columns, kernel.column(chosen[-1])])
        weights = _solve(columns[:, chosen], kernel.means[chosen])
    return chosen, weights / weights.sum()


def _solve(square: Array, means: Array) -> Array:
    """argmax over w >= 0 of w . means - w . square w / 2, as least squares of a Cholesky factor; copies of a member make the
    kernel singular, which the 1e-10 takes away."""
    from scipy.optimize import nnls

    factor = np.linalg.cholesky(square + 1e-10 * np.eye(len(square)))
    weights: Array = nnls(factor.T, np.linalg.solve(factor, means))[0]
    return weights
