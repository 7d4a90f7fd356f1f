"""A linear model of labels on activations: scikit-learn's, standardised, with one meaning of its penalties."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .search import singly

__all__ = ["Fitted", "check_penalties", "fit", "many_classes"]

Array = npt.NDArray[Any]
_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted model.

    Attributes:
        weights: (rows, units), of standardised activations; one row for two classes and for values.
        intercepts: (rows,).
        mean, scale: (units,) what activations are standardised by.
        ids: (rows or 2,) the classes, as ids; None for values.
        notes: What should be known about it.
    """

    weights: Array
    intercepts: Array
    mean: Array
    scale: Array
    ids: Array | None
    notes: tuple[str, ...] = ()

    def decide(self, X: Array) -> Array:
        """(n, rows) the linear function, of activations as they are."""
        weights = (self.weights / self.scale).astype(X.dtype)
        found: Array = X @ weights.T + (self.intercepts - weights @ self.mean.astype(X.dtype))
        return found

    def predict(self, X: Array) -> Array:
        """(n,) ids, or values."""
        found = self.decide(X)
        if self.ids is None:
            values: Array = found[:, 0]
            return values
        chosen: Array = self.ids[(found[:, 0] > 0).astype(int) if found.shape[1] == 1 else found.argmax(1)]
        return chosen


def fit(
    X: Array, y: Array, classify: bool, l1: float = 0.0, l2: float = 1e-2, seed: int = 0, standardize: bool = True,
    max_iter: int = 200,
) -> Fitted:  # fmt: skip
    """Fits mean loss + l1 |w| + l2 / 2 |w|^2: the loss is cross-entropy for classes, half the squared error for values.

    Args:
        X: (n, units) finite activations.
        y: (n,) class ids, of which not all have to occur, or values.
        classify: Whether y holds ids.
        l1: Strength of |w|.
        l2: Strength of |w|^2.
        seed: Of the order of rows, for l1 > 0.
        standardize: Whether each unit is scaled to mean 0 and standard deviation 1 first; a constant one is left as it is.
        max_iter: Of the solver.

    Raises:
        InputError: if a penalty is negative, or both are 0.
    """
    check_penalties(l1, l2, max_iter)
    from sklearn.exceptions import ConvergenceWarning

    mean, scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
    if standardize:
        mean, spread = X.mean(0, dtype=np.float64), X.std(0, dtype=np.float64)
        scale = np.where(spread > 1e-7 * np.abs(mean), spread, 1.0)
    scaled = ((X - mean.astype(X.dtype)) / scale.astype(X.dtype)).astype(X.dtype)
    model = (_classifier if classify else _regressor)(len(X), l1, l2, seed, max_iter)
    with many_classes(), singly():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(scaled, y)
    late = model.n_iter_ is not None and np.max(model.n_iter_) >= model.max_iter
    notes = (f"The linear model had not settled after max_iter={max_iter} steps: its weights are rough.",) if late else ()
    return Fitted(np.atleast_2d(model.coef_).astype(np.float64), np.atleast_1d(model.intercept_), mean, scale,
                  model.classes_ if classify else None, notes)  # fmt: skip


@contextmanager
def many_classes() -> Iterator[None]:
    """scikit-learn does not say that there are more classes than half of the rows: our notes name those with few."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes is greater", UserWarning)
        yield


def check_penalties(l1: Any, l2: Any, max_iter: Any = 1) -> None:
    """Raises InputError, if a penalty is no number or negative, or both are 0."""
    numbers = all(isinstance(of, (int, float, np.integer, np.floating)) for of in (l1, l2, max_iter))
    if not numbers or not (0 <= l1 < np.inf and 0 <= l2 < np.inf and l1 + l2 > 0) or not max_iter >= 1:
        raise InputError("`l1` and `l2` have to be at least 0, one of them above, and `max_iter` at least 1. "
                         f"Received: l1={l1!r}, l2={l2!r}, max_iter={max_iter!r}.")  # fmt: skip


def _classifier(n: int, l1: float, l2: float, seed: int, max_iter: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    if l1 == 0:
        return LogisticRegression(C=1 / (n * l2), max_iter=max_iter, tol=_TOLERANCE)
    old = LogisticRegression().penalty == "l2"  # until scikit-learn 1.7 the ratio alone was without effect
    kind = {"penalty": "elasticnet"} if old else {}
    return LogisticRegression(solver="saga", C=1 / (n * (l1 + l2)), l1_ratio=l1 / (l1 + l2), max_iter=max_iter, tol=_TOLERANCE,
                              random_state=seed, **kind)  # fmt: skip


def _regressor(n: int, l1: float, l2: float, seed: int, max_iter: int) -> Any:
    from sklearn.linear_model import ElasticNet, Ridge

    if l1 == 0:
        return Ridge(n * l2)
    return ElasticNet(l1 + l2, l1_ratio=l1 / (l1 + l2), max_iter=max(max_iter, 1000), random_state=seed)
