"""Mutual information of a single neuron and the labels, by nearest neighbors (Kraskov et al. 2004, Ross 2014)."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..fitting import many_classes
from .base import Found, method
from .data import ProbeData, whole


@method("mutual_information", regression=True)
def mutual_information(data: ProbeData, seed: int, neighbors: int = 3, max_examples: int | None = 5000) -> Found:
    """Bits, by scikit-learn's estimator, over all classes together. Scale has no part in it.

    Args:
        data: The activations.
        seed: Of the sample, and of the tiny noise that parts equal activations.
        neighbors: In the estimate; more are smoother.
        max_examples: Rows, at most; a larger X is sampled. None takes all.
    """
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    whole(neighbors=neighbors, max_examples=1 if max_examples is None else max_examples)
    if max_examples is not None and max_examples < 2 * neighbors:
        raise InputError("`max_examples` has to be at least twice `neighbors`. "
                         f"Received: max_examples={max_examples!r}, neighbors={neighbors!r}.")  # fmt: skip
    rows = np.arange(len(data))
    notes: tuple[str, ...] = ()
    if max_examples is not None and len(rows) > max_examples:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), max_examples, replace=False))
        notes = (f"By a sample of {max_examples} of {len(data)} rows.",)
    X, y = data.scaled(rows), data.y[rows]
    if len(X) <= neighbors or (data.classes is not None and np.bincount(y).max() < 2):
        raise InputError("The estimate takes more rows than neighbors, and a class with two rows. Received: "
                         f"{len(X)} rows, neighbors={neighbors}.")  # fmt: skip
    estimate = mutual_info_regression if data.classes is None else mutual_info_classif
    with many_classes():
        found = estimate(X, y, discrete_features=False, n_neighbors=neighbors, random_state=seed)
    return Found(found / np.log(2), notes=notes)
