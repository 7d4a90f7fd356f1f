"""Representer points (Yeh et al. 2018): the last layer, fitted anew with an L2 penalty, is a sum over training examples.

Where (1/n) sum_i L(W h_i, p_i) + l2 |W|^2 is smallest, W = sum_i alpha_i h_i' with alpha_i = -1/(2 l2 n) dL/d(W h_i), so that
the logits of a query h are sum_i alpha_i (h_i . h). The bias is a feature that is always 1. Numpy and scipy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import InputError, UnsupportedError

__all__ = ["Fit", "fit_last_layer"]


@dataclass(frozen=True, eq=False)
class Fit:
    """The fitted layer.

    Attributes:
        h: (m, inputs + 1) features of the training examples.
        alpha: (m, units) their weights in the sum.
        kernel: (inputs + 1, units) what was fitted.
        binary: Whether its one unit stands for two classes.
        note: How well it agrees with the model.
    """

    h: np.ndarray
    alpha: np.ndarray
    kernel: np.ndarray
    binary: bool
    note: str

    def scores(self, h: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """(n, m) what each training example adds to the logit of the query's class.

        Args:
            h: (n, inputs) features of the queries.
            labels: (n,) class ids; ignored where there is one number and no class.
        """
        products = _with_one(h) @ self.h.T
        if self.binary:
            return np.asarray(products * self.alpha[:, 0] * np.where(labels == 1, 1, -1)[:, None], np.float32)
        if self.alpha.shape[1] == 1:
            return np.asarray(products * self.alpha[:, 0], np.float32)
        return np.asarray(products * self.alpha.T[labels], np.float32)


def fit_last_layer(h: np.ndarray, predictions: np.ndarray, kind: str, l2: float) -> Fit:
    """Fits a layer to what the model says of its own features.

    Args:
        h: (m, inputs).
        predictions: (m, classes) probabilities of the model, or (m, units) its numbers.
        kind: As in `Output`.
        l2: Weight of the squared norm.

    Raises:
        InputError: If `l2` is not positive.
        UnsupportedError: If the fit does not come to rest, so that no such sum is the layer.
    """
    from scipy.optimize import minimize

    if not l2 > 0:
        raise InputError(f"`l2` has to be positive. Received: l2={l2!r}")
    features, binary = _with_one(h).astype(np.float64), kind == "binary"
    wanted = (predictions[:, 1:] if binary else predictions).astype(np.float64)
    shape = (features.shape[1], wanted.shape[1])

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        kernel = flat.reshape(shape)
        loss, gradient = _loss(features @ kernel, wanted, kind)
        total = loss / len(features) + l2 * float((kernel**2).sum())
        return total, (features.T @ gradient / len(features) + 2 * l2 * kernel).ravel()

    found = minimize(objective, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B",
                     options={"maxiter": 5000, "maxfun": 10000, "gtol": 1e-9, "ftol": 1e-15, "maxcor": 30})  # fmt: skip
    kernel = found.x.reshape(shape)
    logits = features @ kernel
    alpha = -_loss(logits, wanted, kind)[1] / (2 * l2 * len(features))
    error = float(np.abs(features.T @ alpha - kernel).max() / max(np.abs(kernel).max(), 1e-12))
    if error > 0.01:
        raise UnsupportedError(f"The fit of the last layer did not come to rest ({found.message}; its sum over the training "
                               f"examples is off by {error:.1%}): take a greater l2. Received: l2={l2!r}")  # fmt: skip
    note = f"The last layer, fitted with l2={l2:g}, {_agreement(logits, wanted, kind)}; it is a sum over the training examples."
    return Fit(features.astype(np.float32), alpha.astype(np.float32), kernel, binary, note)


def _loss(z: np.ndarray, wanted: np.ndarray, kind: str) -> tuple[float, np.ndarray]:
    """(sum of the losses, their gradients for z)."""
    if kind == "softmax":
        logs = z - z.max(1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(1, keepdims=True))
        return -float((wanted * logs).sum()), np.exp(logs) - wanted
    if kind == "binary":
        return float((np.logaddexp(0, z) - wanted * z).sum()), 1 / (1 + np.exp(-z)) - wanted
    return float(((z - wanted) ** 2).sum()), 2 * (z - wanted)


def _agreement(z: np.ndarray, wanted: np.ndarray, kind: str) -> str:
    if kind == "raw":
        spread = float(wanted.std()) or 1.0
        return f"is off the model's numbers by {float(np.sqrt(((z - wanted) ** 2).mean())) / spread:.1%} of their spread"
    same = (z > 0) == (wanted > 0.5) if kind == "binary" else z.argmax(1) == wanted.argmax(1)
    return f"predicts the class of the model for {float(same.mean()):.1%} of the training examples"


def _with_one(h: np.ndarray) -> np.ndarray:
    return np.concatenate([h, np.ones((len(h), 1), h.dtype)], 1)
