"""Gradients under noise: SmoothGrad (Smilkov et al. 2017) and VarGrad (Adebayo et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import InputError
from .base import registry
from .job import Job

__all__ = ["smoothgrad", "vargrad"]


@registry.register("smoothgrad")
def smoothgrad(job: Job, *, n_samples: int = 25, stdevs: float | None = None) -> None:
    """Mean of dF/dx(x + e), e ~ N(0, stdevs^2).

    Args:
        n_samples: Draws per example; they hang on `seed` and the example alone, never on the batch.
        stdevs: Standard deviation, absolute as in Captum; None takes 0.15 of the range (largest minus smallest value) of
            the example's own activation, the paper's measure.
    """
    _sample(job, n_samples, stdevs, square=False)


@registry.register("vargrad")
def vargrad(job: Job, *, n_samples: int = 25, stdevs: float | None = None) -> None:
    """Variance of dF/dx(x + e) over the draws (population variance, as in Captum). Options as in `smoothgrad`."""
    _sample(job, n_samples, stdevs, square=True)


def _sample(job: Job, n_samples: int, stdevs: float | None, square: bool) -> None:
    if isinstance(n_samples, bool) or not isinstance(n_samples, int) or n_samples < 1:
        raise InputError(f"n_samples is a positive int. Received: n_samples={n_samples!r}")
    if stdevs is not None and not stdevs >= 0:
        raise InputError(f"stdevs is None or a number that is not negative. Received: stdevs={stdevs!r}")
    ones = [1.0] * n_samples
    job.path(
        lambda path: path.gradient if path.square is None else np.maximum(path.square - path.gradient**2, 0.0),
        ones,
        [1.0 / n_samples] * n_samples,
        noise=_noise(n_samples, stdevs),
        square=square,
    )


def _noise(n_samples: int, stdevs: float | None) -> Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]:
    def draw(x: np.ndarray, mask: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        kept = x[mask]
        deviation = 0.15 * float(np.ptp(kept)) if stdevs is None and kept.size else stdevs or 0.0
        noise = np.zeros((n_samples, *x.shape), np.float32)
        noise[:, mask] = deviation * generator.standard_normal((n_samples, *kept.shape), np.float32)
        return noise

    return draw
