"""Gaussian densities of neurons per class, and the bits that they tell of the class."""

from __future__ import annotations

import numpy as np

from .data import Array, ProbeData

__all__ = ["Densities"]

_BLOCK = 2**22  # densities computed at once
_LEAST = 1e-9  # of its own variance is left to a neuron at least


class Densities:
    """A Gaussian per class, fitted on some rows and judged by others; no covariance is ever held as a whole.

    Args:
        data: The activations.
        learn: Rows that it is fitted on.
        judge: Rows that it is judged by.
        covariance: `"mean"` or `"mode"` of the posterior.
    """

    def __init__(self, data: ProbeData, learn: Array, judge: Array, covariance: str) -> None:
        y = data.y[learn]
        self._X, self._judge, self._of = data.X, judge, data.y[judge]
        self._rows = [learn[y == of] for of in range(len(data.counts))]
        counts = np.array([len(rows) for rows in self._rows])
        self._prior = np.log(counts / counts.sum())
        self._entropy = -(np.exp(self._prior) * self._prior).sum()
        self._divisors = counts + (1 if covariance == "mean" else 2 * data.units + 4)
        self._spread = data.deviations**2

    def blocks(self) -> list[Array]:
        """All units, in as many parts as keep the memory small."""
        many = np.ceil(len(self._spread) * len(self._judge) * len(self._rows) / _BLOCK)
        return np.array_split(np.arange(len(self._spread)), int(min(many, len(self._spread))))

    def _moments(self, units: Array) -> tuple[list[Array], Array, Array]:
        """Per class the centred rows, the residuals (classes, n, units) of the others, and variances (classes, units)."""
        own = [self._X[np.ix_(rows, units)].astype(np.float64) for rows in self._rows]
        means = [values.mean(0) for values in own]
        centred = [values - mean for values, mean in zip(own, means, strict=True)]
        others = self._X[np.ix_(self._judge, units)].astype(np.float64)
        scatter = np.stack([(values**2).sum(0) for values in centred])
        degrees = np.array([max(len(values) - 1, 1) for values in own])[:, None]
        prior = np.maximum(scatter / degrees, 1e-6 * self._spread[units])
        variances = (prior + scatter) / self._divisors[:, None]
        return centred, np.stack([others - mean for mean in means]), variances

    def _bits(self, joint: Array) -> tuple[Array, Array]:
        """(units,) mutual information and its 1.96 standard errors, of log p(c, h) (classes, n, units)."""
        top = joint.max(0)
        log = np.take_along_axis(joint, self._of[None, :, None], 0)[0] - top - np.log(np.exp(joint - top).sum(0))
        return (self._entropy + log.mean(0)) / np.log(2), 1.96 * log.std(0) / np.log(2) / np.sqrt(len(log))

    def alone(self, units: Array) -> Array:
        """(units,) bits that each tells by itself."""
        _, residuals, variances = self._moments(units)
        return self._bits(self._prior[:, None, None] + _density(residuals, variances))[0]

    def greedy(self, units: Array, many: int) -> tuple[Array, Array, Array]:
        """The units chosen, and bits and their error after each.

        Each chosen one is regressed out of the others, class by class: the pivots of Cholesky.
        """
        centred, residuals, rest = self._moments(units)
        least = _LEAST * rest
        found: list[tuple[int, float, float]] = []
        factors = np.zeros((len(rest), 0, len(units)))
        log = np.broadcast_to(self._prior[:, None], residuals.shape[:2])
        for _ in range(many):
            joint = log[:, :, None] + _density(residuals, rest)
            bits, error = self._bits(joint)
            bits[[at for at, _, _ in found]] = -np.inf
            best = int(bits.argmax())
            found.append((best, float(bits[best]), float(error[best])))
            log, root = joint[:, :, best], np.sqrt(rest[:, best])
            rows = np.stack([values.T @ values[:, best] for values in centred]) / self._divisors[:, None]
            rows = (rows - np.einsum("ct,ctu->cu", factors[:, :, best], factors)) / root[:, None]
            factors = np.concatenate([factors, rows[:, None]], axis=1)
            residuals = residuals - (residuals[:, :, best] / root[:, None])[:, :, None] * rows[:, None]
            rest = np.maximum(rest - rows**2, least)
        chosen, bits, error = np.array(found).reshape(-1, 3).T
        return units[chosen.astype(int)], bits, error


def _density(residuals: Array, variances: Array) -> Array:
    found: Array = -(residuals**2 / variances[:, None] + np.log(2 * np.pi * variances)[:, None]) / 2
    return found
