"""Keras 3 and tf_keras models: families, files, names, and what is not a model."""

from __future__ import annotations

import json
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki
from kerasintrospect.adapters.base import adapt


def tiny(keras: Any, **options: Any) -> Any:
    inputs = keras.Input((zoo.UNITS,), name="features")
    return keras.Model(inputs, keras.layers.Dense(3, "softmax", name="out")(inputs), **options)


# Families


def test_a_class_of_the_user_belongs_to_the_family_of_its_base(keras):
    class Base(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs

    class Mine(Base):
        pass

    assert (adapt(Mine()).family, adapt(Mine()).kind) == (keras.__name__, "subclassed")


def test_a_subclass_of_a_graph_is_a_graph(keras):
    class Mine(keras.Model):
        pass

    inputs = keras.Input((zoo.UNITS,))
    model = Mine(inputs, keras.layers.Dense(3, "softmax", name="out")(inputs))
    x, lens = zoo.floats(), ki.wrap(model)
    assert adapt(model).kind == "functional" and np.allclose(lens.predict(x).scores, model(x), atol=1e-6)
    assert np.allclose(lens.truncate("out")(x), model(x), atol=1e-6)


def test_a_layer_is_no_model(keras):
    with pytest.raises(ki.InputTypeError, match="wrap.. takes a Keras 3 or tf_keras Model .* Received: .*Dense"):
        ki.wrap(keras.layers.Dense(3))


def test_a_revived_model_runs_but_its_layers_are_out_of_reach(tmp_path: Path):
    import tf_keras

    kind = zoo.KINDS["subclassed"](tf_keras, tmp_path)
    kind.model(kind.inputs)
    kind.model.save(tmp_path, save_format="tf")
    lens = ki.wrap(tf_keras.models.load_model(tmp_path))
    assert np.allclose(lens.predict(kind.inputs).scores, zoo.softmax(kind.at("logits")), atol=1e-5)
    with pytest.raises(ki.SiteError, match="Nothing can be read at 'hidden': the forward call .* never comes by"):
        lens.activations(kind.inputs, "hidden")


def test_a_saved_model_inside_a_model_is_one_layer(tmp_path: Path):
    import keras

    whole = tiny(keras)
    whole.export(str(tmp_path), verbose=False)
    inputs = keras.Input((zoo.UNITS,))
    model = keras.Model(inputs, keras.layers.TFSMLayer(str(tmp_path), call_endpoint="serve", name="frozen")(inputs))
    x, lens = zoo.floats(), ki.wrap(model)
    assert [row.path for row in lens.sites() if row.calls] == ["", "frozen"]
    assert np.allclose(lens.activations(x, "frozen")["frozen"], whole(x), atol=1e-6)


# Names


def test_outputs_may_be_chosen_by_name(keras):
    inputs = keras.Input((zoo.UNITS,), name="features")
    side, label = keras.layers.Dense(1, name="side_layer")(inputs), keras.layers.Dense(3, "softmax", name="label_layer")(inputs)
    x = zoo.floats()
    model = keras.Model(inputs, [side, label])
    expected = model.get_layer("label_layer")(x)
    assert np.allclose(ki.wrap(model, output="label_layer").predict(x).scores, expected, atol=1e-6)
    named = keras.Model(inputs, {"side": side, "label": label})
    assert adapt(named).output_names() == ["label", "side"]
    assert np.allclose(ki.wrap(named, output="label").predict(x).scores, expected, atol=1e-6)
    with pytest.raises(ki.InputError, match="The outputs are named label, side. Received: output='labels'"):
        ki.wrap(named, output="labels").predict(x)


def test_inputs_have_the_names_of_the_graph(keras):
    assert adapt(tiny(keras)).input_names() == ["features"]
    a, b = keras.Input((2,), name="b"), keras.Input((2,), name="a")
    summed = keras.layers.Add()([a, b])
    assert adapt(keras.Model([a, b], summed)).input_names() == ["b", "a"]
    assert adapt(keras.Model({"y": a, "x": b}, summed)).input_names() == ["x", "y"]


def test_logits_are_known_from_the_loss(keras):
    for from_logits in (True, False):
        model = tiny(keras)
        model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits))
        assert adapt(model).logits() == ("softmax" if from_logits else None)
    model.compile(loss="sparse_categorical_crossentropy")
    assert adapt(model).logits() is None and adapt(tiny(keras)).logits() is None


# Files


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_is_loaded_in_its_own_family(keras, suffix, tmp_path: Path):
    model, x = tiny(keras), zoo.floats()
    model.compile("adam", "mse", metrics=["mse"])
    model.save(tmp_path / f"model{suffix}")
    again = ki.load_model(str(tmp_path / f"model{suffix}"))
    assert type(again).__module__.split(".")[0] == keras.__name__
    assert np.allclose(ki.wrap(again).predict(x).scores, model(x), atol=1e-6)


def test_a_model_with_a_vocabulary_comes_back(keras, tmp_path: Path):
    kind = zoo.KINDS["raw_strings"](keras, tmp_path)
    kind.model.save(tmp_path / "texts.keras")
    lens = ki.wrap(ki.load_model(tmp_path / "texts.keras"))
    assert np.allclose(lens.predict(kind.inputs).scores, zoo.softmax(kind.at("logits")), atol=1e-5)


def broken(keras: Any, path: Path) -> Path:
    tiny(keras).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def test_a_gru_of_early_keras_2_is_what_it_was(tmp_path: Path):
    """Then a GRU knew no `reset_after` and its file does not speak of it; later ones take silence for the opposite."""
    import h5py
    import tf_keras

    layers, gru = tf_keras.layers, partial(tf_keras.layers.GRU, 3, return_sequences=True, reset_after=False)
    model = tf_keras.Sequential([layers.Input((4, 2)), gru(), layers.Bidirectional(gru()), layers.Dense(2)])
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "a") as file:
        config = str(file.attrs["model_config"])
        assert config.count(', "reset_after": false') >= 2
        file.attrs["model_config"] = config.replace(', "reset_after": false', "")
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    with pytest.raises(ValueError, match="reset_after"):
        tf_keras.models.load_model(tmp_path / "model.h5", compile=False)
    assert np.allclose(ki.wrap(ki.load_model(tmp_path / "model.h5")).predict(x).scores, model(x), atol=1e-6)


def with_lambda(keras: Any, path: Path) -> Path:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x + 1)])
    model.save(path)
    return path


def with_a_class_of_the_user(keras: Any, path: Path) -> Path:
    class Mine(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs

    keras.Sequential([keras.Input((4,)), Mine(name="mine")]).save(path)
    return path


def weights_alone(keras: Any, path: Path) -> Path:
    path = path.with_name("model.weights.h5")
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(path)
    return path


def no_model(keras: Any, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"other": 1}))
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda keras, path: path, "The model file does not exist. Received: '.*model.keras'"),
        (lambda keras, path: path.write_text("text") and path, "The file holds no Keras model .* Received: '.*model.keras'"),
        (lambda keras, path: path.write_bytes(b"") or path, "The file holds no Keras model"),
        (lambda keras, path: path.mkdir() or path, "The file holds no Keras model"),
        (broken, "The file holds no Keras model|cannot load the file"),
        (no_model, "The file holds no Keras model"),
        (weights_alone, r"The file holds weights without a model: build the model .* load_weights\(path\)"),
        (with_lambda, "The file holds a Lambda layer, that is Python code, which is never run from a file"),
        (with_a_class_of_the_user, r"cannot load the file .* load it in Python with custom_objects and wrap the model"),
    ],
    ids=["missing", "text", "empty", "folder", "broken", "zip", "weights", "lambda", "custom class"],
)
def test_what_is_no_model_file_says_so(keras, make, says, tmp_path: Path):
    path = make(keras, tmp_path / "model.keras")
    with pytest.raises(ki.ModelFileError, match=says):
        ki.load_model(path)
