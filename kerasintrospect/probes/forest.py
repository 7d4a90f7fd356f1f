"""Random forest: how much do splits on a neuron purify the leaves? (Breiman 2001)"""

from __future__ import annotations

from ..fitting import many_classes
from .base import Found, method
from .data import ProbeData, whole


@method("forest", regression=True)
def forest(data: ProbeData, seed: int, trees: int = 100, max_depth: int | None = None) -> Found:
    """Mean decrease in impurity of scikit-learn's forest, over all classes together; together 1. Scale has no part in it.

    Of neurons that tell the same, each tree takes one or the other: they share the score.

    Args:
        data: The activations.
        seed: Of the rows and the neurons that each tree is given.
        trees: How many.
        max_depth: Splits from the root to a leaf, at most.
    """
    whole(trees=trees, max_depth=1 if max_depth is None else max_depth)
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    estimator = RandomForestRegressor if data.classes is None else RandomForestClassifier
    made = estimator(trees, max_depth=max_depth, max_features="sqrt", random_state=seed, n_jobs=-1)
    with many_classes():
        return Found(made.fit(data.scaled(), data.y).feature_importances_)
