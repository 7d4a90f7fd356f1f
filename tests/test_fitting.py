"""The linear model: its penalties mean one thing, checked against the conditions of an optimum."""

import numpy as np
import pytest

from kerasintrospect.errors import InputError
from kerasintrospect.fitting import fit


def data(n=400, units=6, classes=3, seed=0):
    random = np.random.default_rng(seed)
    X = random.normal(size=(n, units)) * random.uniform(0.5, 4, units) + 2
    y = (X[:, :classes] / X[:, :classes].std(0) + random.normal(size=(n, classes))).argmax(1)
    return X, y


def slope(X, y, fitted):
    """Gradient of the mean cross-entropy for the weights of standardised activations."""
    Z = (X - fitted.mean) / fitted.scale
    logits = Z @ fitted.weights.T + fitted.intercepts
    if logits.shape[1] == 1:
        return ((1 / (1 + np.exp(-logits[:, 0])) - y) @ Z / len(X))[None]
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return (p - np.eye(logits.shape[1])[y]).T @ Z / len(X)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_ridge_is_at_the_optimum_of_the_stated_loss(classes):
    X, y = data(classes=classes)
    fitted = fit(X, y, True, l2=0.02)
    assert fitted.weights.shape == (1 if classes == 2 else 3, 6)
    np.testing.assert_allclose(slope(X, y, fitted), -0.02 * fitted.weights, atol=2e-3)


@pytest.mark.parametrize("classes", [2, 3])
def test_an_elastic_net_is_at_the_optimum_of_the_stated_loss(classes):
    X, y = data(classes=classes)
    fitted = fit(X, y, True, l1=0.05, l2=0.02)
    rest = slope(X, y, fitted) + 0.02 * fitted.weights
    zero = fitted.weights == 0
    assert zero.any() and not zero.all()
    np.testing.assert_allclose(rest[~zero], -0.05 * np.sign(fitted.weights[~zero]), atol=2e-3)
    assert (np.abs(rest[zero]) <= 0.052).all()


@pytest.mark.parametrize("l1", [0, 0.1])
def test_values_by_the_same_penalties(l1):
    X, _ = data()
    y = X @ np.arange(6.0) + 5
    fitted = fit(X, y, False, l1=l1, l2=0.3)
    Z = (X - fitted.mean) / fitted.scale
    error = Z @ fitted.weights[0] + fitted.intercepts - y
    rest, zero = error @ Z / len(X) + 0.3 * fitted.weights[0], fitted.weights[0] == 0
    np.testing.assert_allclose(rest[~zero], -l1 * np.sign(fitted.weights[0, ~zero]), atol=1e-2)
    assert zero.any() == (l1 > 0) and (np.abs(rest[zero]) <= l1).all()
    np.testing.assert_allclose(fitted.predict(X), error + y)


def test_standardising_is_undone_in_what_it_predicts():
    X, y = data()
    fitted = fit(X, y, True)
    Z = (X - X.mean(0)) / X.std(0)
    np.testing.assert_allclose(fitted.decide(X), Z @ fitted.weights.T + fitted.intercepts, atol=1e-9)
    assert (fitted.predict(X) == y).mean() > 0.6
    plain = fit(X, y, True, standardize=False)
    np.testing.assert_allclose(plain.decide(X), X @ plain.weights.T + plain.intercepts, atol=1e-9)


def test_ids_that_do_not_occur_and_constant_units():
    X, y = data(classes=2)
    X[:, 3] = 1e6
    fitted = fit(X.astype(np.float32), 2 * y + 1, True)
    assert fitted.ids.tolist() == [1, 3] and set(fitted.predict(X).tolist()) == {1, 3}
    assert np.isfinite(fitted.weights).all() and abs(fitted.weights[0, 3]) < 1e-6


def test_a_model_that_has_not_settled_says_so():
    X, y = data()
    assert "max_iter=1 steps" in fit(X, y, True, l2=1e-6, max_iter=1).notes[0]
    assert fit(X, y, True).notes == ()


@pytest.mark.parametrize("options", [{"l1": -1.0}, {"l2": 0.0}, {"max_iter": 0}])
def test_penalties_that_mean_nothing(options):
    with pytest.raises(InputError, match="`l1` and `l2` have to be at least 0, one of them above"):
        fit(*data(), True, **options)
