"""Numbers of other test suites, at 1e-4 or better.

Sources: the unit tests of Captum (BSD-3-Clause, commit faac0877: tests/attr/test_{saliency,input_x_gradient,
integrated_gradients_basic,occlusion}.py, tests/attr/layer/test_layer_{activation,gradient_x_activation,
integrated_gradients}.py, tests/attr/neuron/test_neuron_{gradient,integrated_gradients}.py, tests/utils/test_common.py), of
PAIR saliency (core/gradients_test.py), and numbers made by running alibi 0.9.6 and xplique 2.0.2 on explicit weights.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import kerasintrospect as ki


def dense(keras: ModuleType, weights: Any, bias: Any, name: str) -> Any:
    """A built Dense layer from (in, out) weights."""
    kernel = np.asarray(weights, np.float32)
    layer = keras.layers.Dense(kernel.shape[1], name=name)
    layer.build((None, kernel.shape[0]))
    layer.set_weights([kernel, np.asarray(bias, np.float32)])
    return layer


@pytest.fixture
def multi_layer(keras: ModuleType) -> Any:
    """Captum's BasicModel_MultiLayer."""
    x = keras.Input((3,))
    h = dense(keras, np.eye(3), np.zeros(3), "linear0")(x)
    h = dense(keras, np.ones((3, 4)), [-10, 1, 1, 1], "linear1")(h)
    h = keras.layers.ReLU(name="relu")(h)
    return ki.wrap(keras.Model(x, dense(keras, np.ones((4, 2)), [-1, 1], "linear2")(h)))


@pytest.fixture
def one_minus_relu(keras: ModuleType) -> Any:
    """Captum's BasicModel: 1 - relu(1 - x)."""
    x = keras.Input((1,))
    inner = keras.layers.ReLU()(dense(keras, [[-1.0]], [1.0], "inner")(x))
    return ki.wrap(keras.Model(x, dense(keras, [[-1.0]], [1.0], "outer")(inner)))


@pytest.fixture
def two_inputs(keras: ModuleType) -> Any:
    """Captum's BasicModel2: relu(relu(x1) - 1 - relu(x2))."""
    a, b = keras.Input((1,)), keras.Input((1,))
    both = keras.layers.Concatenate()([keras.layers.ReLU()(a), keras.layers.ReLU()(b)])
    return ki.wrap(keras.Model([a, b], keras.layers.ReLU()(dense(keras, [[1.0], [-1.0]], [-1.0], "difference")(both))))


@pytest.fixture
def mlp(keras: ModuleType) -> Any:
    """The network on which alibi, xplique and tf-keras-vis were run."""
    x = keras.Input((4,))
    kernel = [[0.5, -1.0, 0.25], [1.0, 0.5, -0.5], [-0.75, 0.25, 1.0], [0.1, 0.2, 0.3]]
    h = keras.layers.ReLU(name="act")(dense(keras, kernel, [0.1, -0.2, 0.05], "hidden")(x))
    return ki.wrap(keras.Model(x, dense(keras, [[1.0, -0.5], [0.5, 1.5], [-1.0, 0.75]], [0.05, -0.1], "logits")(h)))


MLP_X = np.array([[1.0, 0.5, -0.5, 2.0], [0.2, 1.0, 1.5, -1.0], [-1.0, 0.3, 0.8, 0.5]], np.float32)
MLP_GRADIENT = [[0.25, 1.5, -1.75, -0.2], [-1.3125, 0.375, 1.125, 0.525], [-1.3125, 0.375, 1.125, 0.525]]


def test_saliency_and_input_x_gradient_of_captum(one_minus_relu: Any) -> None:
    x = np.array([[1.0], [2.0], [3.0], [0.0], [-1.0], [7.0]], np.float32)
    np.testing.assert_allclose(one_minus_relu.attribute(x, "saliency").scores[:, 0], [0, 0, 0, 1, 1, 0], atol=1e-4)
    found = one_minus_relu.attribute(x, "input_x_gradient").scores[:, 0]
    np.testing.assert_allclose(found, [0, 0, 0, 0, -1, 0], atol=1e-4)
    assert one_minus_relu.attribute([[-3.0]], "saliency", abs=False).scores[0, 0] == 1


def test_integrated_gradients_of_captum_with_two_inputs(two_inputs: Any) -> None:
    found = two_inputs.attribute([np.array([[3.0]]), np.array([[1.0]])], n_steps=50)
    np.testing.assert_allclose(found.scores, [[1.5, -0.5]], atol=1e-4)  # Captum's own test allows 0.05
    np.testing.assert_allclose(found.deltas, 0, atol=1e-4)


def test_layer_methods_of_captum(multi_layer: Any) -> None:
    x = np.array([[0.0, 100.0, 0.0]])
    np.testing.assert_allclose(multi_layer.activations(x, "linear1")["linear1"], [[90, 101, 101, 101]], atol=1e-4)
    below = multi_layer.activations([[2.0, -5.0, 4.0]], "relu:in")["relu:in"]
    np.testing.assert_allclose(below, [[-9, 2, 2, 2]], atol=1e-4)
    found = multi_layer.attribute(x, "input_x_gradient", target=0, site="linear1").scores
    np.testing.assert_allclose(found, [[90, 101, 101, 101]], atol=1e-4)
    found = multi_layer.attribute(x, "input_x_gradient", target=0, site="linear2").scores
    np.testing.assert_allclose(found, [[392, 0]], atol=1e-4)
    found = multi_layer.attribute(x, target=0, site="relu", baseline=[0.0, 1.0, 1.0, 1.0]).scores
    np.testing.assert_allclose(found, [[90, 100, 100, 100]], atol=1e-4)


def test_layer_integrated_gradients_at_two_tensors_of_captum(keras: ModuleType) -> None:
    class Pair(keras.layers.Layer):
        def call(self, pair: Any) -> Any:
            import tensorflow as tf

            return tf.nn.relu(pair[0]), tf.nn.relu(pair[1])

    x = keras.Input((3,))
    a = dense(keras, np.ones((3, 4)), [-10, 1, 1, 1], "linear1")(dense(keras, np.eye(3), np.zeros(3), "linear0")(x))
    b = dense(keras, np.ones((3, 4)), [-10, 1, 1, 1], "linear1_alt")(x)
    r1, r2 = Pair(name="multi_relu")([a, b])
    total = keras.layers.Add()([r1, r2])
    lens = ki.wrap(keras.Model(x, dense(keras, np.ones((4, 2)), [-1, 1], "linear2")(total)))
    start = np.array([0.0, 1.0, 1.0, 1.0])
    sites = ["multi_relu:out[0]", "multi_relu:out[1]"]
    found = lens.attribute([[0.0, 100.0, 0.0]], target=0, site=sites, baseline=[start, start])
    np.testing.assert_allclose(found.scores, [[90, 100, 100, 100, 90, 100, 100, 100]], atol=1e-4)


def test_neuron_methods_of_captum_are_targets_on_a_head(multi_layer: Any) -> None:
    relu = ki.wrap(multi_layer.truncate("relu"))
    x = np.array([[0.0, 5.0, 4.0]])
    np.testing.assert_allclose(relu.attribute(x, "saliency", target=0, abs=False).scores, [[0, 0, 0]], atol=1e-4)
    np.testing.assert_allclose(relu.attribute(x, "saliency", target=1, abs=False).scores, [[1, 1, 1]], atol=1e-4)
    found = relu.attribute([[0.0, 6.0, 14.0]], target=0, n_steps=200).scores  # Captum's own test allows 0.1
    np.testing.assert_allclose(found, [[0, 3, 7]], atol=1e-4)


def test_occlusion_of_captum(multi_layer: Any) -> None:
    x = np.array([[20.0, 50.0, 30.0]])
    overlapping = multi_layer.attribute(x, "occlusion", target=0, window=2, baseline=10.0).scores
    np.testing.assert_allclose(overlapping, [[200, 220, 240]], atol=1e-4)
    clipped = multi_layer.attribute(x, "occlusion", target=0, window=2, stride=2).scores
    np.testing.assert_allclose(clipped, [[280, 280, 120]], atol=1e-4)


def test_target_selection_of_captum(keras: ModuleType) -> None:
    x = keras.Input((3, 3))
    lens = ki.wrap(keras.Model(x, keras.layers.Activation("linear")(x)))
    values = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[9, 8, 7], [6, 5, 4], [3, 2, 1]]], np.float32)

    def picked(target: Any) -> list[float]:
        return lens.attribute(values, "input_x_gradient", target=target).scores.sum(1).tolist()

    assert picked((0, 1)) == [2, 8]
    assert picked([(0, 1), (2, 0)]) == [2, 3]
    with pytest.raises(ki.TargetError, match="3 targets for 2 examples"):
        picked([(0, 1)] * 3)


def test_gradient_of_saliency(keras: ModuleType) -> None:
    class Function(keras.layers.Layer):
        def call(self, v: Any) -> Any:
            import tensorflow as tf

            return 5 * v[:, :1] + v[:, 1:2] ** 2 + tf.sin(v[:, 2:])

    x = keras.Input((3,))
    lens = ki.wrap(keras.Model(x, Function()(x)))
    np.testing.assert_allclose(lens.attribute([[3.0, 2.0, 1.0]], "saliency").scores, [[5, 4, 0.5403023]], atol=1e-5)


def test_numbers_of_alibi_and_xplique(mlp: Any) -> None:
    target = [0, 1, 1]
    np.testing.assert_allclose(mlp.attribute(MLP_X, "saliency", target).scores, np.abs(MLP_GRADIENT), atol=1e-5)
    found = mlp.attribute(MLP_X, "input_x_gradient", target).scores
    np.testing.assert_allclose(found, MLP_X * np.array(MLP_GRADIENT), atol=1e-5)
    integrated = mlp.attribute(MLP_X, target=target)
    expected = [[0.25, 0.75, 0.875, -0.4], [-0.1799055, -0.3261134, 1.9036055, -0.3632651],
                [1.1396812, 0.0606544, 0.9, 0.2383054]]  # fmt: skip
    np.testing.assert_allclose(integrated.scores, expected, atol=1e-5)
    np.testing.assert_allclose(integrated.deltas, [-1e-7, 0.0093215, 0.0011409], atol=1e-5)
    occluded = [[0.1875, 0.75, 0.875, 0.05], [-0.2625, 0.0375, 1.5625, -0.4875], [1.3125, 0.1125, 0.75, 0.2625]]
    np.testing.assert_allclose(mlp.attribute(MLP_X, "occlusion", target).scores, occluded, atol=1e-5)
    hadamard = [[1.6750001, 0.0, -0.15], [0.0, 0.4125001, 0.6], [0.0, 1.875, 0.45]]
    found = mlp.attribute(MLP_X, "input_x_gradient", target, site="act").scores
    np.testing.assert_allclose(found, hadamard, atol=1e-5)


def test_the_state_sequence_of_an_lstm(keras: ModuleType) -> None:
    x = keras.Input((3, 2))
    layer = keras.layers.LSTM(2, return_sequences=True, return_state=True, name="lstm")
    lens = ki.wrap(keras.Model(x, layer(x)[0]))
    kernel = [[0.1, 0.2, -0.3, 0.4, 0.5, -0.6, 0.7, 0.8], [-0.2, 0.3, 0.1, -0.4, 0.25, 0.35, -0.15, 0.05]]
    recurrent = [[0.05, -0.1, 0.2, 0.15, -0.25, 0.3, 0.1, -0.05], [0.12, 0.22, -0.32, 0.42, 0.02, -0.12, 0.18, 0.28]]
    layer.set_weights([np.array(kernel), np.array(recurrent), np.array([0.0, 0.0, 1.0, 1.0, 0.1, -0.1, 0.2, -0.2])])
    given = np.array([[[1.0, 0.5], [-0.5, 0.2], [0.3, -1.0]]])
    acts = lens.activations(given, ["lstm", "lstm:out[1]", "lstm:out[2]"])
    sequence = [[[0.2088919, -0.1792555], [0.075546, -0.0088201], [0.0678004, -0.1253223]]]
    np.testing.assert_allclose(acts["lstm"], sequence, atol=1e-6)
    np.testing.assert_allclose(acts["lstm:out[1]"], [[0.0678004, -0.1253223]], atol=1e-6)
    np.testing.assert_allclose(acts["lstm:out[2]"], [[0.1067013, -0.2582921]], atol=1e-6)
