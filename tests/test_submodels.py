"""Truncated models and tails beyond the matrix: nested calls, shared weights, the user's graph, and the errors."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki


def block(keras: ModuleType, name: str = "block") -> Any:
    """Two tensors in, one out."""
    a, b = keras.Input((zoo.UNITS,)), keras.Input((zoo.UNITS,))
    inner = keras.layers.Dense(zoo.UNITS, "tanh", name="inner", bias_initializer="normal")
    return keras.Model([a, b], inner(keras.layers.Subtract(name="minus")([a, b])), name=name)


@pytest.fixture
def twice(keras: ModuleType) -> tuple[Any, Any]:
    """A nested graph that is called twice, the second time on its own output."""
    keras.utils.set_random_seed(2)
    inputs, inside = keras.Input((zoo.UNITS,)), block(keras)
    first = inside([inputs, keras.layers.Rescaling(0.5)(inputs)])
    return keras.Model(inputs, keras.layers.Dense(3, name="out")(inside([first, inputs]))), inside


def test_a_call_inside_a_nested_graph_that_is_called_twice(twice):
    import tensorflow as tf

    model, inside = twice
    x, lens = tf.constant(zoo.floats()), ki.wrap(model)
    first = inside([x, x * 0.5])
    expected = {"block.inner#0": first, "block.inner#1": inside([first, x]), "block.minus#1": first - x,
                "block.inner#1:in": first - x, "block#0": first, "block.minus#1:in[1]": x, "block#1:in[0]": first}  # fmt: skip
    for site, value in expected.items():
        assert np.allclose(lens.truncate(site)(x), value, atol=1e-6), site
        assert np.allclose(lens.activations(x, site)[site], value, atol=1e-6), site
    with pytest.raises(ki.CutError, match="cut at 'block.inner#0'"):
        lens.tail("block.inner#0")
    assert np.allclose(lens.tail("block.inner#1")(expected["block.inner#1"]), model(x), atol=1e-6)


def test_cutting_leaves_the_users_graph_alone(twice):
    model, inside = twice
    lens = ki.wrap(model)
    lens.sites()
    layers = [*model.layers, *inside.layers]

    def nodes() -> list[tuple[int, int]]:
        return [(len(layer._inbound_nodes), len(layer._outbound_nodes)) for layer in layers]

    before, config = nodes(), model.to_json()
    heads = [lens.truncate(site) for site in ("block.inner#1", "block.minus#0", "out:in")]
    assert nodes() == before and model.to_json() == config
    x = zoo.floats()
    assert np.allclose(heads[2](x), lens.activations(x, "block#1")["block#1"], atol=1e-6)


def test_the_input_and_the_output_of_the_model_are_sites(case):
    for family in ("keras", "tf_keras"):
        kind, lens = case("functional", family)
        assert np.allclose(lens.truncate(":out")(kind.inputs), zoo.softmax(kind.at("logits")), atol=1e-5)
        assert np.array_equal(lens.truncate(":in")(kind.inputs), kind.inputs)


def test_the_weights_are_shared(keras):
    hidden = keras.layers.Dense(4, name="hidden")
    inputs = keras.Input((zoo.UNITS,))
    model = keras.Model(inputs, keras.layers.Dense(3)(hidden(inputs)))
    head, x = ki.wrap(model).truncate("hidden"), zoo.floats()
    assert [id(w) for w in head.weights] == [id(w) for w in hidden.weights]
    hidden.set_weights([np.ones((zoo.UNITS, 4)), np.zeros(4)])
    assert np.allclose(head(x), x.sum(1, keepdims=True).repeat(4, 1), atol=1e-5)


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_a_subclassed_model_stays_usable_beside_its_head(case, family):
    kind, lens = case("subclassed", family)
    head = lens.truncate("hidden")
    head.predict(kind.inputs, verbose=0)
    assert "call" not in vars(kind.model.hidden)
    assert np.allclose(kind.model(kind.inputs), zoo.softmax(kind.at("logits")), atol=1e-5)
    assert head.predict(kind.inputs[:1], verbose=0).shape == (1, zoo.WIDTH, 5)


def test_a_head_inside_the_users_own_model(keras):
    """Truncated graphs are layers: people build on them."""
    inputs = keras.Input((zoo.UNITS,))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Dense(4, "tanh", name="hidden")(inputs)))
    head = ki.wrap(model).truncate("hidden")
    new = keras.Input((zoo.UNITS,))
    built = keras.Model(new, keras.layers.Dense(2, name="mine")(head(new)))
    built.compile("sgd", "mse")
    built.fit(zoo.floats(), np.zeros((zoo.EXAMPLES, 2)), verbose=0)
    x = zoo.floats()
    assert np.allclose(built(x), built.get_layer("mine")(model.get_layer("hidden")(x)), atol=1e-6)


# Tails


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_a_tail_after_a_head_is_the_model(case, family):
    for name in ("nested", "shared_layer", "residual_functional", "attention_inside", "time_distributed", "several_outputs"):
        kind, lens = case(name, family)
        found = lens.tail(kind.site)(lens.truncate(kind.site)(kind.inputs))
        expected = kind.model(kind.inputs)
        pairs = zip(found, expected, strict=True) if isinstance(expected, list | tuple) else [(found, expected)]
        assert all(np.allclose(a, b, atol=1e-6) for a, b in pairs), name


def test_a_tail_takes_any_number_of_examples(case):
    kind, lens = case("functional", "keras")
    values = kind.at("hidden").astype("float32")
    tail = lens.tail("hidden")
    assert np.allclose(tail(values[:1]), zoo.softmax(kind.at("logits"))[:1], atol=1e-5)
    assert np.allclose(tail(np.concatenate([values] * 3)), np.tile(zoo.softmax(kind.at("logits")), (3, 1)), atol=1e-5)


def test_what_is_no_cut_names_what_leads_round_it(case):
    lens = case("residual_functional", "keras").lens
    says = ("The model cannot be cut at 'hidden': embed -> add -> pool -> out leads round it from the inputs to the outputs. "
            "Choose a site that everything passes, or change the activation in place: lens.predict(inputs, "
            "edits={'hidden': ...}).")  # fmt: skip
    with pytest.raises(ki.CutError) as error:
        lens.tail("hidden")
    assert str(error.value) == says


def test_activations_of_another_shape_are_refused(case):
    lens = case("functional", "keras").lens
    says = r"The activations at 'hidden' have shape \(None, 7, 5\). Received: shape \(6, 7, 4\)"
    with pytest.raises(ki.InputError, match=says):
        lens.tail("hidden")(np.zeros((6, 7, 4)))
    with pytest.raises(ki.InputError, match=re.escape("Received: shape (6, 5)")):
        lens.tail("hidden")(np.zeros((6, 5)))


# What is no model


def test_files_of_heads_load_through_the_door(case, tmp_path: Path):
    for family in ("keras", "tf_keras"):
        kind, lens = case("functional", family)
        lens.truncate("hidden").save(tmp_path / "head.keras")
        again = ki.load_model(tmp_path / "head.keras")
        assert type(again).__module__.split(".")[0] == family
        assert np.allclose(ki.wrap(again).predict(kind.inputs).scores, kind.at("hidden"), atol=1e-5)
