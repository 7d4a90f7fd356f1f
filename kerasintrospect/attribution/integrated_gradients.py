"""Integrated gradients (Sundararajan et al. 2017): (x - b) * integral over alpha in [0, 1] of dF/dx(b + alpha (x - b))."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import InputError
from .base import registry
from .job import Job

__all__ = ["integrated_gradients"]

_AUTO = (5, 9, 17, 33, 65, 129, 257)  # each holds the points of the one before
_KEPT = 1 << 24  # numbers that are kept at a time


@registry.register("integrated_gradients")
def integrated_gradients(job: Job, *, n_steps: int | str = 50, tolerance: float = 0.01) -> np.ndarray:
    """Gauss-Legendre quadrature on the straight line from the baseline, as in Captum.

    Args:
        n_steps: Points of the path. `"auto"` begins with 5 and takes more, up to 257, only for the examples whose |delta|
            is still above `tolerance` times |F(x) - F(baseline)| (at least 0.1); its points are those of Clenshaw and
            Curtis (1960), where 9 hold the 5, 17 the 9 and so on, so that no gradient is taken twice.
        tolerance: See `n_steps`.

    Returns:
        (n,) deltas: sum of the scores minus F(x) - F(baseline).
    """
    if n_steps != "auto" and (isinstance(n_steps, bool) or not isinstance(n_steps, int) or n_steps < 1):
        raise InputError(f"n_steps is a positive int or 'auto'. Received: n_steps={n_steps!r}")
    difference, deltas = job.ends(), np.zeros(len(job.arranged), np.float32)
    allowed = tolerance * np.maximum(np.abs(difference), 0.1) if n_steps == "auto" else np.full(len(difference), np.inf)
    order = np.argsort(job.arranged.lengths, kind="stable")
    rows = max(1, _KEPT // (max(job.arranged.width or 1, 64) * (_AUTO[2] if n_steps == "auto" else int(n_steps))))
    for k in range(0, len(order), rows):
        left, seen = order[k : k + rows], None
        for alphas, weights in _nested() if n_steps == "auto" else [_gauss_legendre(int(n_steps))]:
            found = job.along(alphas, left)
            new = {site: (block if seen is None else np.concatenate([seen[site], block], -1))
                   for site, (block, _) in found.items()}  # fmt: skip
            deltas[left] = -difference[left]
            for site, (_, mask) in found.items():
                scores = new[site] @ weights
                deltas[left] += scores.sum(1)
                job.write(site, left, scores, mask)
            wide = np.abs(deltas[left]) > allowed[left]
            left, seen = left[wide], {site: block[wide] for site, block in new.items()}
            if not len(left):
                break
    return deltas


def _gauss_legendre(n: int) -> tuple[list[float], np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (0.5 * (nodes + 1)).tolist(), (0.5 * weights).astype(np.float32)


def _nested() -> Iterator[tuple[list[float], np.ndarray]]:
    """Clenshaw-Curtis rules: the points that are new to each, and the weights of all so far in the order they came."""
    came: list[int] = []
    for n in _AUTO:
        stride = (_AUTO[-1] - 1) // (n - 1)
        new = [k for k in range(0, _AUTO[-1], stride) if k not in came]
        came += new
        angles = np.pi * np.arange(n) / (n - 1)
        moments = [0.0 if k % 2 else 2.0 / (1 - k * k) for k in range(n)]
        weights = np.linalg.solve(np.cos(np.outer(np.arange(n), angles)), moments) / 2
        alphas = 0.5 * (1 - np.cos(np.pi * np.array(new) / (_AUTO[-1] - 1)))
        yield alphas.tolist(), weights[np.array(came) // stride].astype(np.float32)
