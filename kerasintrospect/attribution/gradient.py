"""One gradient at the example itself: saliency, input x gradient, gradient norm, norm change."""

from __future__ import annotations

import numpy as np

from .base import registry
from .job import Job, Path

__all__ = ["gradient_norm", "input_x_gradient", "norm_change", "saliency"]


@registry.register("saliency")
def saliency(job: Job, *, abs: bool = True) -> None:
    """|dF/dx|, summed over the units of a token; `abs=False` keeps the sign of each unit (Simonyan et al. 2013)."""
    job.path(lambda path: np.abs(path.gradient) if abs else path.gradient)


@registry.register("input_x_gradient")
def input_x_gradient(job: Job) -> None:
    """x * dF/dx (Shrikumar et al. 2016)."""
    job.path(lambda path: path.x * path.gradient)


@registry.register("gradient_norm")
def gradient_norm(job: Job) -> None:
    """||dF/dx|| of each token, divided by the largest of the text (as in AllenNLP's and LIT's views); 0 to 1, unsigned."""

    def finish(path: Path) -> np.ndarray:
        norms = np.where(path.mask, np.linalg.norm(_tokens(path.gradient), axis=-1), 0.0)
        largest = norms.max(1, keepdims=True, initial=0.0)
        return np.asarray(np.divide(norms, largest, out=np.zeros_like(norms), where=largest > 0))

    job.path(finish)


@registry.register("norm_change")
def norm_change(job: Job) -> None:
    """How much one gradient step of the loss would lengthen each word vector: the z-score over the text of -x.dL/dx / ||x||.

    Positive: the model wants more of the word for the target; negative: less. A text whose words all change alike
    scores 0. The explained number is always the loss of the target, whatever `score` says.
    """
    job.score = "loss"
    job.path(_z_scores)


def _z_scores(path: Path) -> np.ndarray:
    x, gradient = _tokens(path.x), _tokens(path.gradient)
    length = np.linalg.norm(x, axis=-1)
    change = np.divide(-(x * gradient).sum(-1), length, out=np.zeros_like(length), where=(length > 0) & path.mask)
    count = np.maximum(path.mask.sum(1, keepdims=True), 1)
    mean = change.sum(1, keepdims=True) / count
    deviation = np.sqrt((np.where(path.mask, change - mean, 0.0) ** 2).sum(1, keepdims=True) / count)
    flat = deviation <= 1e-7 * (np.abs(change).max(1, keepdims=True, initial=0.0) + 1e-30)
    return np.where(flat, 0.0, (change - mean) / np.where(flat, 1.0, deviation))


def _tokens(values: np.ndarray) -> np.ndarray:
    """(examples, positions, units), also for (examples, units), where every unit is a position."""
    return values.reshape(*values.shape[:2], -1)
