"""What outputs mean: heads, logits, several outputs, class names."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import kerasintrospect as ki

X = np.random.default_rng(1).normal(size=(5, 4)).astype("f")


def model(keras: ModuleType, units: int, activation: Any = None, inner: Any = None) -> Any:
    x = keras.Input((4,))
    y = keras.layers.Dense(units, activation=inner, bias_initializer="ones")(x)
    return keras.Model(x, y if activation is None else keras.layers.Activation(activation)(y))


@pytest.mark.parametrize(("units", "activation", "kind", "classes"), [
    (3, "softmax", "softmax", 3), (1, "sigmoid", "binary", 2), (3, "sigmoid", "multilabel", 3), (3, None, "raw", 3),
    (1, None, "raw", 1),
])  # fmt: skip
def test_kinds(keras: ModuleType, units: int, activation: str | None, kind: str, classes: int) -> None:
    whole = model(keras, units, activation)
    inside = model(keras, units, None, activation)
    for one in (whole, inside):
        found = ki.wrap(one).predict(X)
        expected = np.asarray(one(X))
        assert found.kind == kind and found.scores.shape == (5, classes)
        np.testing.assert_allclose(found.scores[:, -1:], expected[:, -1:], atol=1e-6)


def test_the_logit_is_what_stands_before_the_head(keras: ModuleType) -> None:
    for activation, inner in (("softmax", None), (None, "softmax")):
        one = model(keras, 3, activation, inner)
        kernel, _ = one.get_weights()
        found = ki.wrap(one).attribute(X, "input_x_gradient", target=2).scores
        np.testing.assert_allclose(found, X * kernel[:, 2], atol=1e-5)


def test_logits_become_probabilities_when_the_user_says_so(keras: ModuleType) -> None:
    one = model(keras, 3)
    z = np.asarray(one(X))
    expected = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    np.testing.assert_allclose(ki.wrap(one, class_names=["a", "b", "c"]).predict(X).scores, expected, atol=1e-6)
    one.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    np.testing.assert_allclose(ki.wrap(one).predict(X).scores, expected, atol=1e-6)
    single = model(keras, 1)
    found = ki.wrap(single, class_names=["no", "yes"]).predict(X).scores
    np.testing.assert_allclose(found[:, 1:], 1 / (1 + np.exp(-np.asarray(single(X)))), atol=1e-6)


def test_several_outputs_need_a_choice(keras: ModuleType) -> None:
    x = keras.Input((4,))
    a, b = keras.layers.Dense(2, activation="softmax", name="a"), keras.layers.Dense(3, activation="softmax", name="b")
    both = keras.Model(x, [a(x), b(x)])
    with pytest.raises(ki.InputError, match=r"has 2 outputs \(a, b\): choose .* wrap\(model, output=...\)"):
        ki.wrap(both).predict(X)
    assert ki.wrap(both, output="b").predict(X).scores.shape == (5, 3)
    assert ki.wrap(both, output=0).predict(X).scores.shape == (5, 2)
    with pytest.raises(ki.InputError, match="outputs are named a, b. Received: output='c'"):
        ki.wrap(both, output="c").predict(X)
    with pytest.raises(ki.InputError, match="has 2 outputs. Received: output=2"):
        ki.wrap(both, output=2).predict(X)


def test_class_names_fit_the_classes(keras: ModuleType) -> None:
    with pytest.raises(ki.InputError, match="has 3 classes. Received: 2 class_names"):
        ki.wrap(model(keras, 3, "softmax"), class_names=["a", "b"]).predict(X)
    with pytest.raises(ki.InputError, match="The loss needs class probabilities"):
        ki.wrap(model(keras, 3)).attribute(X, score="loss", target=0)
    with pytest.raises(ki.TargetError, match=r"the target is \(position, class\)"):
        sequence = keras.Input((6, 4))
        ki.wrap(keras.Model(sequence, keras.layers.Dense(3)(sequence))).attribute(np.ones((2, 6, 4)), "saliency")
