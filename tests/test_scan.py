"""The shape-only trace: which layers are seen, under which address, and what the graph says of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki
from kerasintrospect.scan import head


def subclass(keras: ModuleType, attributes: dict[str, Any], call: Callable[[Any, Any], Any]) -> Any:
    """A subclassed model with these layers."""

    class Subclassed(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            for name, value in attributes.items():
                setattr(self, name, value)

    Subclassed.call = lambda self, inputs: call(self, inputs)
    return Subclassed()


def dense(keras: ModuleType, name: str, units: int = zoo.UNITS) -> Any:
    return keras.layers.Dense(units, "tanh", name=name)


def called(lens: Any) -> dict[str, int]:
    return {row.path: row.calls for row in lens.sites() if row.path and row.calls}


# Addresses


def test_layers_of_one_name_go_by_their_attribute_paths(keras):
    layers = {"left": dense(keras, "twin"), "right": dense(keras, "twin"), "out": dense(keras, "out", 3)}
    model = subclass(keras, layers, lambda self, x: self.out(self.left(x) + self.right(x)))
    x, lens = zoo.floats(), ki.wrap(model)
    found = lens.activations(x, ["left", "right"])
    for name in ("left", "right"):
        assert np.allclose(found[name], layers[name](x), atol=1e-6)
    assert not np.allclose(found["left"], found["right"], atol=1e-2)
    with pytest.raises(ki.SiteError, match="The site 'twin' is ambiguous: it may be 'left', 'right'. Give"):
        lens.activations(x, "twin")


def test_layers_in_lists_dicts_and_blocks_have_paths(keras):
    class Block(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.first, self._private = dense(keras, "d"), dense(keras, "d")

        def call(self, inputs: Any) -> Any:
            return self._private(self.first(inputs))

    layers = {"blocks": [Block(), Block()], "heads": {"label": dense(keras, "l", 3), "side": dense(keras, "s", 1)}}
    model = subclass(keras, layers, lambda self, x: self.heads["label"](self.blocks[1](self.blocks[0](x))))
    x, lens = zoo.floats(), ki.wrap(model)
    lens.sites(x)
    blocks = [f"blocks[{i}]{rest}" for i in (0, 1) for rest in ("", ".first", "._private")]
    assert called(lens) == dict.fromkeys([*blocks, "heads[label]"], 1)
    first, second = model.blocks
    assert np.allclose(lens.activations(x, "blocks[1].first")["blocks[1].first"], second.first(first(x)), atol=1e-6)
    assert "unused" in lens.sites()["heads[side]"].reason
    with pytest.raises(ki.SiteError, match="never comes by"):
        lens.activations(x, "heads[side]")


def test_one_layer_under_two_attributes_is_one_site(keras):
    layer = dense(keras, "d")
    model = subclass(keras, {"a": layer, "b": layer, "out": dense(keras, "out", 3)}, lambda self, x: self.out(self.b(x)))
    x, lens = zoo.floats(), ki.wrap(model)
    lens.sites(x)
    assert called(lens) == {"a": 1, "out": 1}
    assert np.allclose(lens.activations(x, "b")["b"], layer(x), atol=1e-6)


def test_a_layer_that_knows_its_parent_does_not_recurse(keras):
    inner = dense(keras, "inner")
    model = subclass(keras, {"inner": inner}, lambda self, x: self.inner(x))
    object.__setattr__(inner, "parent", model)
    lens = ki.wrap(model)
    lens.sites(zoo.floats())
    assert called(lens) == {"inner": 1}


def test_the_rows_come_in_the_order_of_the_calls(case):
    for family in ("keras", "tf_keras"):
        rows = [row.path for row in case("dict_inputs", family).lens.sites() if row.calls]
        assert rows.index("embed") < rows.index("hidden") < rows.index("pool") < rows.index("joined") < rows.index("out")


# Calls


def test_a_layer_called_in_a_python_loop_has_as_many_calls(keras):
    def call(self: Any, x: Any) -> Any:
        for _ in range(3):
            x = self.shared(x)
        return self.out(x)

    shared = dense(keras, "shared")
    x, lens = zoo.floats(), ki.wrap(subclass(keras, {"shared": shared, "out": dense(keras, "out", 3)}, call))
    lens.sites(x)
    assert called(lens) == {"shared": 3, "out": 1}
    assert np.allclose(lens.activations(x, "shared#2")["shared#2"], shared(shared(shared(x))), atol=1e-6)
    with pytest.raises(ki.SiteError, match="is called 3 times .* choose one of 'shared#0', 'shared#1', 'shared#2'"):
        lens.activations(x, "shared")
    with pytest.raises(ki.SiteError, match="the last call is #2. Received: #3"):
        lens.activations(x, "shared#3")


def test_a_layer_called_in_a_loop_of_the_graph_says_so(keras):
    import tensorflow as tf

    def call(self: Any, x: Any) -> Any:
        return self.out(tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, self.inside(y)), (0, self.inside(x)))[1])

    x, lens = zoo.floats(), ki.wrap(subclass(keras, {"inside": dense(keras, "i"), "out": dense(keras, "out", 3)}, call))
    lens.sites(x)
    assert called(lens) == {"out": 1}
    with pytest.raises(ki.SiteError, match="'inside': it runs inside a loop or a branch, whose values cannot leave it"):
        lens.activations(x, "inside")


def test_a_sequential_that_is_built_anew_is_called_once(keras):
    block = keras.Sequential([dense(keras, "first"), dense(keras, "second")])
    model = subclass(keras, {"block": block, "out": dense(keras, "out", 3)}, lambda self, x: self.out(self.block(x)))
    x = zoo.floats()
    model(x[:4])  # tf_keras builds the block for this batch size, and again for any other
    lens = ki.wrap(model)
    assert all(row.calls == 1 for row in lens.sites(x))
    assert np.allclose(lens.activations(x, "second")["second"], block(x), atol=1e-6)


# Kinds of tensors


def test_outputs_in_a_dict_have_keys(keras):
    layers = {"hidden": dense(keras, "hidden"), "out": dense(keras, "out", 3)}
    model = subclass(keras, layers, lambda self, x: {"score": self.out(self.hidden(x)), "state": self.hidden(x)})
    x, lens = zoo.floats(), ki.wrap(model)
    lens.sites(x)
    found = lens.activations(x, [":out[score]", ":out[state]"])
    for key, value in model(x).items():
        assert np.allclose(found[f":out[{key}]"], value, atol=1e-6)
    with pytest.raises(ki.SiteError, match=r"holds 2 tensors: choose one of ':out\[score\]', ':out\[state\]'"):
        lens.activations(x, ":out")


def test_ragged_tensors_cannot_be_read_and_say_so(case):
    for family in ("keras", "tf_keras"):
        rows = [row for row in case("raw_strings", family).lens.sites() if row.path.startswith("words.") and row.calls]
        assert rows and all("no dense tensor" in row.reason for row in rows)
        with pytest.raises(ki.SiteError, match="holds no tensor|no dense tensor"):
            case("raw_strings", family).lens.activations(zoo.TEXTS, rows[0].path)


# Embeddings


def test_only_what_looks_up_an_input_is_an_embedding_of_it(keras):
    import tensorflow as tf

    def call(self: Any, ids: Any) -> Any:
        positions = self.position(tf.range(tf.shape(ids)[1]))
        return self.out(tf.reduce_mean(self.token(tf.cast(ids, "int32")) + positions, 1) + self.token(ids)[:, 0])

    lookup = {name: keras.layers.Embedding(zoo.VOCABULARY, zoo.UNITS) for name in ("token", "position")}
    lens = ki.wrap(subclass(keras, lookup | {"out": dense(keras, "out", 3)}, call))
    lens.sites(zoo.numbers())
    assert list(map(str, lens._runner.scan().embeddings())) == ["token#0", "token#1"]


def test_a_table_of_the_users_own_class_is_one_too(keras):
    class Vectors(keras.layers.Embedding):
        def call(self, ids: Any) -> Any:
            return 2 * super().call(ids)

    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, keras.layers.GlobalAveragePooling1D()(Vectors(zoo.VOCABULARY, zoo.UNITS, name="own")(ids)))
    lens = ki.wrap(model)
    assert list(map(str, lens._runner.scan().embeddings())) == ["own"]
    found = lens.attribute(zoo.numbers(), "input_x_gradient", target=1)
    table = model.get_layer("own").get_weights()[0]
    assert np.allclose(found.scores, 2 * table[zoo.numbers()][:, :, 1] / zoo.WIDTH, atol=1e-6)


# Heads


def test_the_logits_are_what_stands_before_a_softmax_or_sigmoid(keras):
    import tensorflow as tf

    x = zoo.floats()
    for build, name in (
        (lambda z: keras.layers.Softmax()(z), "softmax"),
        (lambda z: keras.layers.Activation("sigmoid")(z), "sigmoid"),
        (lambda z: keras.layers.Reshape((1, 3))(keras.layers.Activation("softmax")(z)), "softmax"),
        (lambda z: keras.layers.Activation("tanh")(z), None),
        (lambda z: keras.layers.Rescaling(2.0)(keras.layers.Softmax()(z)), None),
    ):
        inputs = keras.Input((zoo.UNITS,))
        last = keras.layers.Dense(3)
        model = keras.Model(inputs, build(last(inputs)))

        def logits(given: Any, model: Any = model) -> Any:
            found, before = head(model(given))
            assert found == name  # noqa: B023 - called in this very turn
            return before

        found = tf.function(logits, autograph=False)(tf.constant(x))
        expected = last(x) if name else model(x)
        assert np.allclose(np.reshape(found, np.shape(expected)), expected, atol=1e-6)


# What leads round a site


def test_the_way_round_a_site_is_named(case):
    lens = case("attention_inside", "keras").lens
    way = lens._runner.scan().bypass(lens._runner.scan().table.resolve("attend"))
    assert way is not None and way[0] == "embed" and "attend" not in way and "sum" in way
    assert lens._runner.scan().bypass(lens._runner.scan().table.resolve("norm")) is None


def test_a_tail_that_needs_the_shape_of_the_input_only_is_a_cut(keras):
    import tensorflow as tf

    def call(self: Any, x: Any) -> Any:
        return self.out(self.hidden(x) * tf.cast(tf.shape(x)[1], "float32"))

    model = subclass(keras, {"hidden": dense(keras, "hidden"), "out": dense(keras, "out", 3)}, call)
    x, lens = zoo.floats(), ki.wrap(model)
    lens.sites(x)
    assert np.allclose(lens.tail("hidden")(model.hidden(x)), model(x), atol=1e-6)


# Before anything is known


def test_a_model_that_does_not_know_its_inputs_asks_for_a_batch(keras):
    x = zoo.floats()
    lens = ki.wrap(subclass(keras, {"out": dense(keras, "out", 3)}, lambda self, x: self.out(x)))
    with pytest.raises(ki.InputError, match=re.escape("show it a batch first, for example lens.sites(inputs)")):
        lens.sites()
    assert [row.path for row in lens.sites(x)] == ["", "out"] and len(lens.sites()) == 2
