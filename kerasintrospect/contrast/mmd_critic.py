"""MMD-critic: prototypes and criticisms of a class (Kim, Khanna and Koyejo 2016)."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .base import Picks, of_classes
from .examples import Array, Examples
from .kernel import Kernel, picks_of


@of_classes("mmd_critic")
def mmd_critic(
    examples: Examples, queries: None, classes: Array, k: int, gamma: float | None = None, criticisms: int | None = None
) -> Picks:
    """Prototypes S: greedy max of 2/|S| sum_s mean_x k(x, s) - 1/|S|^2 sum_st k(s, t), all of the same weight.

    Criticisms C: greedy max of sum_c |mean_x k(x, c) - mean_s k(s, c)| + log det k(C, C); as many as prototypes by default.
    """
    if criticisms is not None and criticisms < 0:
        raise InputError(f"`criticisms` has to be at least 0. Received: criticisms={criticisms!r}.")
    many = k if criticisms is None else criticisms
    found, critical = [], []
    for of in classes:
        kernel = Kernel(examples, int(of), gamma)
        chosen, witness = _prototypes(kernel, k)
        found.append((kernel, chosen, np.full(len(chosen), 1 / len(chosen))))
        critical.append((kernel, _criticisms(kernel, chosen, np.abs(witness), many), None))
    return picks_of(found, k)._replace(criticisms=picks_of(critical, many) if many else None)


def _prototypes(kernel: Kernel, k: int) -> tuple[list[int], Array]:
    """The members chosen, and what they leave: the witness function mean_x k(x, .) - mean_s k(s, .).

    With c as the n-th of S, all that hangs on c is 2/n mean_x k(x, c) - 2/n^2 sum_s k(s, c).
    """
    chosen: list[int] = []
    sums, free = np.zeros(len(kernel)), np.ones(len(kernel), bool)
    for size in range(1, min(k, len(kernel)) + 1):
        chosen.append(int(np.argmax(np.where(free, kernel.means - sums / size, -np.inf))))
        sums += kernel.column(chosen[-1])
        free[chosen[-1]] = False
    return chosen, kernel.means - sums / len(chosen)


def _criticisms(kernel: Kernel, prototypes: list[int], surprise: Array, many: int) -> list[int]:
    """log det grows by the log of what the chosen leave of a member's own kernel: the pivots of Cholesky."""
    chosen: list[int] = []
    free, rest, factors = np.ones(len(kernel), bool), np.ones(len(kernel)), np.zeros((0, len(kernel)))
    free[prototypes] = False
    for _ in range(min(many, int(free.sum()))):
        gain = surprise + np.log(np.maximum(rest, 1e-12))
        best = int(np.argmax(np.where(free, gain, -np.inf)))
        factor = (kernel.column(best) - factors[:, best] @ factors) / np.sqrt(max(rest[best], 1e-12))
        factors, rest = np.vstack([factors, factor]), rest - factor**2
        free[best] = False
        chosen.append(best)
    return chosen
