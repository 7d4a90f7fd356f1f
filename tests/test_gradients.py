"""Gradients by taps against those of a tape, one example at a time."""

import numpy as np
import pytest
from conftest import FAMILIES
from tiny_gradients import MODELS, lens_of, tape_gradients

from kerasintrospect.errors import InputError, UnsupportedError
from kerasintrospect.gradients import gradients
from kerasintrospect.weighted import parts_of
from kerasintrospect.weights import named


def taken(lens, x, targets, layers="all"):
    arranged = lens._arrange(x)
    parts, _ = parts_of(lens._runner, layers, arranged.width)
    return parts, gradients(lens._runner, lens._find_output(), parts, arranged, targets)


@pytest.mark.parametrize("name", MODELS)
def test_products_and_norms_are_those_of_the_tape(name):
    """In tf_keras, `test_influence.py` sees the same sums."""
    model, x, targets, forms = MODELS[name]("keras")
    lens = lens_of(model, x, name)
    parts, found = taken(lens, x, targets)
    assert {part.path: part.form for part in parts} == forms
    written = tape_gradients(lens, x, targets, parts)
    for part in parts:
        products = written[part.path] @ written[part.path].T
        np.testing.assert_allclose(found[part.path].dot(found[part.path]), products, rtol=1e-4, atol=1e-4 * products.max())
        np.testing.assert_allclose(found[part.path].squares(), np.diag(products), rtol=1e-4, atol=1e-5 * products.max())
        assert products.max() > 1e-6


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_adds_nothing_trimmed_or_not(family):
    model, x, targets, _ = MODELS["tokens"](family)
    lens = lens_of(model, x, "tokens")
    wide = np.concatenate([x, np.zeros((len(x), 30), x.dtype)], 1)
    chunks = [leaves[0].shape[1] for _, leaves, _ in lens._runner.chunks(lens._arrange(wide))]
    assert max(chunks) < 30
    _, short = taken(lens, x, targets)
    _, trimmed = taken(lens, wide, targets)
    lens._runner._trims = False
    assert {leaves[0].shape[1] for _, leaves, _ in lens._runner.chunks(lens._arrange(wide))} == {wide.shape[1]}
    _, whole = taken(lens, wide, targets)
    for path, one in short.items():
        products = one.dot(one)
        for other in (trimmed[path], whole[path]):
            np.testing.assert_allclose(other.dot(other), products, rtol=1e-4, atol=1e-5 * products.max())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_is_left_as_it_was(family):
    model, x, targets, _ = MODELS["relu"](family)
    lens = lens_of(model, x, "relu")
    before = [value.copy() for _, value in named(lens._runner.adapter)]
    activations = [layer.activation for layer in model.layers if hasattr(layer, "activation")]
    taken(lens, x, targets)
    with pytest.raises(TypeError, match="Expected string"):  # TensorFlow's own, while the layers are watched
        taken(lens, x, np.zeros((len(x), 1), "U1"))
    assert [layer.activation for layer in model.layers if hasattr(layer, "activation")] == activations
    for old, (_, new) in zip(before, named(lens._runner.adapter), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_gradient_that_is_not_finite_is_said():
    model, x, targets, _ = MODELS["relu"]("keras")
    with pytest.raises(InputError, match="Received: NaN or infinity in .* for 1 of 7 examples, the first at position 2"):
        taken(lens_of(model, x, "relu"), np.where(np.arange(len(x))[:, None] == 2, np.nan, x), targets)


def test_a_layer_on_which_the_loss_does_not_depend_is_said():
    import keras

    given = keras.Input((4,))
    made = keras.Model(given, [keras.layers.Dense(2, activation="softmax", name=name)(given) for name in ("a", "b")])
    lens = lens_of(made, np.eye(4, dtype="float32"), "two", output=0)
    with pytest.raises(UnsupportedError, match="The loss does not depend on 'b'"):
        taken(lens, np.eye(4, dtype="float32"), np.zeros((4, 1), "int32"), ["b"])
