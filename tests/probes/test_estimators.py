"""The linear probe as scikit-learn has estimators: its own tools take it, and it is the probe that `ki.probe` judges."""

import numpy as np
import pytest
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import kerasintrospect as ki
from kerasintrospect.probes.estimators import LinearClassifier, LinearRegressor

from .planted import planted


@pytest.mark.parametrize("kind", ["binary", "classes", "names"])
def test_classes_and_probabilities_are_those_of_scikit_learn(kind):
    X, y = planted(kind)
    mine = LinearClassifier(l2=0.02).fit(X, y)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=1 / (0.02 * len(X)), max_iter=500)).fit(X, y)
    assert mine.classes_.tolist() == theirs.classes_.tolist()
    np.testing.assert_allclose(mine.predict_proba(X), theirs.predict_proba(X), atol=2e-2)
    np.testing.assert_array_equal(mine.predict(X), mine.classes_[mine.predict_proba(X).argmax(1)])
    assert (mine.predict(X) == theirs.predict(X)).mean() > 0.99
    raw = X @ mine.coef_.T + mine.intercept_
    np.testing.assert_allclose(mine.decision_function(X), raw[:, 0] if kind == "binary" else raw, atol=1e-9)


def test_the_tools_of_scikit_learn_take_it():
    X, y = planted("names")
    found = GridSearchCV(LinearClassifier(), {"l2": [1e-3, 1e-1]}, cv=3).fit(X, y)
    assert found.best_score_ > 0.9 and found.best_estimator_.get_params()["l2"] in (1e-3, 1e-1)
    assert is_classifier(clone(found.best_estimator_)) and is_regressor(LinearRegressor())
    values = planted("values")
    assert cross_val_score(LinearRegressor(), *values, cv=3).min() > 0.95


@pytest.mark.parametrize("kind", ["names", "binary", "values"])
def test_the_probe_gives_the_one_that_it_judged(kind):
    X, y = planted(kind)
    found = ki.probe(X, y, sizes=[1], l2=0.05)
    train, test = found.rows["train"], found.rows["test"]
    assert found.model.get_params()["l2"] == 0.05 and found.model.score(X[test], y[test]) == pytest.approx(found.score)
    again = clone(found.model).fit(X[train], y[train])
    np.testing.assert_array_equal(again.predict(X), found.model.predict(X))
    np.testing.assert_array_equal(again.coef_, found.model.coef_)
    assert found.model.predict(X[:1].astype(np.float16)).shape == (1,)


def test_what_it_does_not_take():
    X, y = planted("names")
    with pytest.raises(NotFittedError):
        LinearClassifier().predict(X)
    model = LinearClassifier().fit(X, y)
    with pytest.raises(ki.InputError, match="fitted on 30 neurons. Received: X of shape"):
        model.predict(X[:, :5])
    with pytest.raises(ki.InputError, match="NaN or infinity in row 0"):
        model.predict(np.full((1, 30), np.nan))
    with pytest.raises(ki.InputError, match="Received: l1=-1"):
        LinearClassifier(l1=-1).fit(X, y)
    with pytest.raises(ki.InputError, match="Labels with fractions are values"):
        LinearClassifier().fit(X, X[:, 0])
    with pytest.raises(ki.InputError, match="Values have to be numbers"):
        LinearRegressor().fit(X, y)
