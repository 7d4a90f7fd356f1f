"""Integrated gradients (Sundararajan et al. 2017): (x - b) * integral over alpha in [0, 1] of dF/dx(b + alpha (x - b))."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from .base import registry
from .job import Job, Path

__all__ = ["integrated_gradients"]

_LEVELS = (5, 10, 25, 50, 100, 300)


@registry.register("integrated_gradients")
def integrated_gradients(job: Job, *, n_steps: int | str = 50, tolerance: float = 0.01) -> np.ndarray:
    """Gauss-Legendre quadrature on the straight line from the baseline, as in Captum.

    Args:
        n_steps: Points of the path. `"auto"` begins with 5 and takes more only for the examples whose |delta| is still
            above `tolerance` times |F(x) - F(baseline)| (at least 0.1), up to 300.
        tolerance: See `n_steps`.

    Returns:
        (n,) deltas: sum of the scores minus F(x) - F(baseline).
    """
    if n_steps != "auto" and (isinstance(n_steps, bool) or not isinstance(n_steps, int) or n_steps < 1):
        raise InputError(f"n_steps is a positive int or 'auto'. Received: n_steps={n_steps!r}")
    difference = job.ends()
    allowed = tolerance * np.maximum(np.abs(difference), 0.1) if n_steps == "auto" else np.full(len(difference), np.inf)
    open_rows = np.arange(len(difference))
    for steps in _LEVELS if n_steps == "auto" else (int(n_steps),):
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        job.path(_finish, (0.5 * (nodes + 1)).tolist(), (0.5 * weights).tolist(), only=open_rows)
        deltas = job.result()[0].sum(1) - difference
        open_rows = np.flatnonzero(np.abs(deltas) > allowed)
        if not len(open_rows):
            break
    return np.asarray(deltas)


def _finish(path: Path) -> np.ndarray:
    return np.asarray((path.x - path.baseline) * path.gradient)
