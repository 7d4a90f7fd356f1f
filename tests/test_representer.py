"""Representer points against what they are defined by."""

import numpy as np
import pytest

from kerasintrospect.errors import InputError, UnsupportedError
from kerasintrospect.representer import fit_last_layer


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.fixture(scope="module")
def layer():
    rng = np.random.default_rng(0)
    h = rng.normal(size=(120, 6)).astype("float32")
    return h, h @ rng.normal(size=(6, 3)).astype("float32")


@pytest.mark.parametrize("kind", ["softmax", "binary", "raw"])
def test_the_sum_over_the_training_examples_is_the_logit(layer, kind):
    h, z = layer
    p = {"softmax": softmax(z), "binary": softmax(np.c_[0 * z[:, 0], z[:, 0]]), "raw": z[:, :1]}[kind]
    fit = fit_last_layer(h, p, kind, 1e-3)
    query = np.random.default_rng(1).normal(size=(5, 6)).astype("float32")
    logits = np.c_[query, np.ones(5)] @ fit.kernel
    for label in range(3 if kind == "softmax" else 2):
        sums = fit.scores(query, np.full(5, label)).sum(1)
        sign = -1 if kind == "binary" and label == 0 else 1
        np.testing.assert_allclose(sums, sign * logits[:, label if kind == "softmax" else 0], atol=2e-2, rtol=1e-2)


def test_it_says_how_well_the_fitted_layer_agrees(layer):
    h, z = layer
    assert "for 100.0% of" in fit_last_layer(h, softmax(z), "softmax", 1e-4).note
    poor = fit_last_layer(h, softmax(z), "softmax", 10.0).note
    assert "for 100.0% of" not in poor


def test_the_most_excitatory_example_is_of_the_class(layer):
    h, z = layer
    fit = fit_last_layer(h, softmax(5 * z), "softmax", 1e-3)
    labels = z.argmax(1)
    best = fit.scores(h, labels).argmax(1)
    assert (labels[best] == labels).mean() > 0.9


def test_what_cannot_be_fitted_is_said(layer):
    h, z = layer
    with pytest.raises(InputError, match="`l2` has to be positive. Received: l2=0"):
        fit_last_layer(h, softmax(z), "softmax", 0)
    with pytest.raises(UnsupportedError, match="did not come to rest"):
        fit_last_layer(h, z * 1e8, "raw", 1e-18)
