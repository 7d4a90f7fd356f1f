"""Which layers show a gradient per example, and what is said of the others."""

import numpy as np
import pytest
from tiny_gradients import MODELS, lens_of

import kerasintrospect as ki
from kerasintrospect.errors import InputError, InputTypeError, SiteError, UnsupportedError
from kerasintrospect.weighted import parts_of


def chosen(lens, layers):
    parts, notes = parts_of(lens._runner, layers, None)
    return [part.path for part in parts], notes


@pytest.fixture(scope="module")
def recurrent():
    import keras

    layers = keras.layers
    model = keras.Sequential([
        keras.Input((6,), dtype="int32"), layers.Embedding(10, 4, name="table"), layers.LSTM(5, name="lstm"),
        layers.Dense(4, name="frozen", trainable=False), layers.Dense(2, activation="softmax", name="classes"),
    ])  # fmt: skip
    return ki.wrap(model)


def test_last_all_and_addresses(keras):
    model, x, _, _ = MODELS["relu"](keras.__name__)
    lens = lens_of(model, x, "relu")
    assert chosen(lens, "last") == (["classes"], ["The gradients are those of classes, which hold 23.1% of the parameters of "
                                                  "the model."])  # fmt: skip
    assert chosen(lens, "all") == (["first", "second", "classes"], [])
    assert chosen(lens, ["second", "first", "second"])[0] == ["second", "first"]
    with pytest.raises(SiteError, match="The model has no site 'third'"):
        chosen(lens, ["third"])
    with pytest.raises(InputTypeError, match='"last", "all" or a list of addresses of layers. Received: layers=\'first\''):
        chosen(lens, "first")


def test_what_is_left_out_is_said(recurrent):
    paths, notes = chosen(recurrent, "all")
    parameters = {"table": 40, "classes": 10, "all": 40 + 200 + 24 + 10}
    share = (parameters["table"] + parameters["classes"]) / parameters["all"]
    assert paths == ["table", "classes"]
    assert notes == [f"The gradients are those of table, classes, which hold {share:.1%} of the parameters of the model."]
    assert chosen(recurrent, ["frozen"])[0] == ["frozen"]  # by name, it is meant
    with pytest.raises(InputError, match=r"'table', 'frozen', 'classes'. Name some .* Received: 'lstm': it is of class LSTM"):
        chosen(recurrent, ["lstm"])


def test_a_last_layer_that_is_no_dense_is_said(keras):
    layers = keras.layers
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, name="first"), layers.LayerNormalization(name="norm")])
    with pytest.raises(InputError, match=r"these layers: 'first'.*Received: 'norm': it is of class LayerNormalization"):
        chosen(ki.wrap(model), "last")


def test_a_dense_layer_with_a_call_of_its_own_is_not_taken_for_one(keras):
    class Twice(keras.layers.Dense):
        def call(self, inputs):
            return 2 * super().call(inputs)

    model = keras.Sequential([keras.Input((3,)), Twice(4, name="twice"), keras.layers.Dense(1, name="last")])
    assert chosen(ki.wrap(model), "all")[0] == ["last"]


@pytest.mark.parametrize(("equation", "shape", "sizes"), [
    ("abc,cde->abde", (3, 2, 3), (4, 6)), ("abc,bcd->abd", (3, 2), None), ("...x,xy->...y", 2, (4, 2)),
    ("abc,dc->abd", (3, 2), None),
])  # fmt: skip
def test_an_einsum_layer_is_read_where_it_is_a_product(equation, shape, sizes):
    import keras

    given = keras.Input((3, 4))
    made = keras.layers.EinsumDense(equation, shape, name="e")(given)
    model = keras.Model(given, keras.layers.Dense(1, name="last")(keras.layers.Flatten()(made)))
    parts, _ = parts_of(ki.wrap(model)._runner, "all", None)
    assert {part.path: part.sizes for part in parts}.get("e") == sizes


def test_a_black_box_has_no_weights():
    lens = ki.wrap(lambda texts: np.full((len(texts), 2), 0.5))
    with pytest.raises(UnsupportedError, match="a black box shows none"):
        parts_of(lens._runner, "last", None)
