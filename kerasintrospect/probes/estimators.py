"""The linear probe as an estimator of scikit-learn, for pipelines, cross-validation and predictions of other texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from ..errors import InputError
from ..fitting import Fitted, fit
from ..matrices import matrix
from ..vectors import widened
from .data import activations, check_seed, checked_labels

__all__ = ["LinearClassifier", "LinearRegressor", "estimator_of"]

Array = npt.NDArray[Any]


class _Linear(BaseEstimator):  # type: ignore[misc]
    """A linear model of labels on activations, standardised; see `kerasintrospect.fitting.fit`.

    Args:
        l1, l2: Penalties.
        standardize: Whether each unit is scaled to mean 0 and standard deviation 1 first.
        max_iter: Of the solver.
        seed: Of the order of rows, for l1 > 0.

    Attributes:
        coef_: (rows, units) weights of activations as they are; one row for two classes and for values.
        intercept_: (rows,).
        n_features_in_: units.
    """

    def __init__(
        self, l1: float = 0.0, l2: float = 1e-2, standardize: bool = True, max_iter: int = 200, seed: int = 0
    ) -> None:
        self.l1, self.l2, self.standardize, self.max_iter, self.seed = l1, l2, standardize, max_iter, seed

    def _learn(self, X: Any, y: Any, regression: bool | None) -> list[Any] | None:
        """Fits, and gives the classes."""
        check_seed(self.seed)
        values = activations(X)
        labels, classes = checked_labels(y, len(values), regression)
        self._take(fit(values, labels, classes is not None, self.l1, self.l2, self.seed, self.standardize, self.max_iter))
        return classes

    def _take(self, fitted: Fitted) -> None:
        self.fitted_, self.n_features_in_ = fitted, fitted.weights.shape[1]
        self.coef_ = fitted.weights / fitted.scale
        self.intercept_ = fitted.intercepts - self.coef_ @ fitted.mean

    def _read(self, X: Any) -> Array:
        check_is_fitted(self, "fitted_")
        values = widened(matrix(X, rows=1))
        if values.shape[1] != self.n_features_in_:
            raise InputError(f"The probe was fitted on {self.n_features_in_} neurons. Received: X of shape {values.shape}.")
        return values


class LinearClassifier(ClassifierMixin, _Linear):  # type: ignore[misc]
    """A linear probe of classes; `classes_` has them, sorted."""

    def fit(self, X: Any, y: Any) -> LinearClassifier:
        """(n, units) activations, and (n,) labels: ints, strings or bools."""
        self.classes_ = np.asarray(self._learn(X, y, False))
        return self

    def decision_function(self, X: Any) -> Array:
        """(n, classes) the linear functions; (n,) of two classes."""
        found = self.fitted_.decide(self._read(X))
        return found[:, 0] if len(self.classes_) == 2 else found

    def predict(self, X: Any) -> Array:
        """(n,) classes."""
        values = self._read(X)
        ids = np.zeros(0, int) if self.fitted_.ids is None else self.fitted_.ids
        found: Array = self.classes_[np.searchsorted(ids, self.fitted_.predict(values))]
        return found

    def predict_proba(self, X: Any) -> Array:
        """(n, classes) probabilities."""
        found = self.fitted_.decide(self._read(X)).astype(np.float64)
        found = np.c_[np.zeros(len(found)), found] if found.shape[1] == 1 else found
        odds = np.exp(found - found.max(1, keepdims=True))
        shares: Array = odds / odds.sum(1, keepdims=True)
        return shares


class LinearRegressor(RegressorMixin, _Linear):  # type: ignore[misc]
    """A linear probe of values."""

    def fit(self, X: Any, y: Any) -> LinearRegressor:
        """(n, units) activations, and (n,) values."""
        self._learn(X, y, True)
        return self

    def predict(self, X: Any) -> Array:
        """(n,) values."""
        return self.fitted_.predict(self._read(X))


def estimator_of(fitted: Fitted, classes: list[Any] | None, **options: Any) -> LinearClassifier | LinearRegressor:
    """The estimator whose `fit` gave this.

    Args:
        fitted: The model.
        classes: What its ids are places in; None for values.
        **options: Of the estimator.
    """
    found: LinearClassifier | LinearRegressor = LinearRegressor(**options) if classes is None else LinearClassifier(**options)
    found._take(fitted)
    if classes is not None:
        found.classes_ = np.asarray(classes)[fitted.ids]
    return found
