"""AutoKeras: the numbers of its own `predict`, folders and exports that load without it, and its vocabulary of another fit."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

import kerasintrospect as ki

pytest.importorskip("autokeras", reason="AutoKeras is not installed: pip install autokeras tensorboard")

GOOD = ["a good film", "what a good , good day", "i loved it", "so good , so fine", "fine day , loved it"]
BAD = ["a bad film", "what a bad , bad day", "i hated it", "so bad , so sad", "sad day , hated it"]
NONE = ["a film", "what a day", "the plot has a plot", "so it is", "it is the day of the plot"]
NEW = ["what a good film", "i hated the plot", "a nice, good plot of the day", "unheard of"]
KNOWN, CLASSES = (GOOD + BAD + NONE) * 4, (["good"] * 5 + ["bad"] * 5 + ["none"] * 5) * 4
SHARED = Path(__file__).resolve().parents[3] / "shared/data/models"


def head() -> Any:
    """AutoKeras' own, but with the plain int that Keras from 3.13 on asks for."""
    autokeras = importlib.import_module("autokeras")

    class Head(autokeras.ClassificationHead):  # type: ignore[misc]
        def build(self, hp: Any, inputs: Any = None) -> Any:
            self.shape = tuple(map(int, self.shape))
            return super().build(hp, inputs)

    return Head(dropout=0.0)


def model_of(inputs: Any, block: Any, **options: Any) -> Any:
    autokeras = importlib.import_module("autokeras")
    given = {"directory": mkdtemp(), "max_trials": 1, "seed": 1} | options
    return autokeras.AutoModel(inputs, head()(block(inputs)), **given)


def text_model(**options: Any) -> Any:
    autokeras = importlib.import_module("autokeras")
    importlib.import_module("keras").utils.set_random_seed(0)

    def block(node: Any) -> Any:
        node = autokeras.Embedding(max_features=501, embedding_dim=16, dropout=0.0)(node)
        node = autokeras.ConvBlock(kernel_size=3, num_blocks=1, num_layers=1, filters=16, separable=False, dropout=0.0)(node)
        return autokeras.SpatialReduction(reduction_type="global_max")(node)

    return model_of(autokeras.TextInput(), block, **options)


@cache
def fitted() -> Any:
    """Of three classes by name; what is validated is given, so that all that AutoKeras fits is fitted on the same."""
    made, texts, labels = text_model(), np.array(KNOWN), np.array(CLASSES)
    made.fit(texts, labels, validation_data=(texts[:15], labels[:15]), epochs=8, batch_size=4, verbose=0)
    return made


@cache
def folder() -> Any:
    return ki.load_model(fitted().tuner.project_dir)


def own(model: Any, texts: list[str], pipeline: Any) -> np.ndarray:
    """What a model says of texts, by AutoKeras' preprocessing."""
    return np.asarray(model.predict(pipeline.transform_x(np.array(texts)), verbose=0))


def test_predictions_are_those_of_autokeras():
    clf, texts = fitted(), KNOWN[:15] + NEW
    lens = ki.wrap(clf)
    found, pipeline = lens.predict(texts), clf.tuner.get_best_pipeline()
    assert lens.class_names == ["bad", "good", "none"] and lens.describe()["text_front"] == "AutoKeras"
    assert np.array_equal(np.array(lens.class_names)[found.labels], clf.predict(np.array(texts), verbose=0).ravel())
    assert np.allclose(found.scores, own(clf.export_model(), texts, pipeline), atol=1e-6)
    assert set(found.labels) == {0, 1, 2} and np.ptp(found.scores, axis=0).min() > 0.2


def test_layers_and_gradients_are_those_of_graphs_made_by_hand():
    tf, keras = importlib.import_module("tensorflow"), importlib.import_module("keras")
    lens, pipeline = ki.wrap(fitted()), fitted().tuner.get_best_pipeline()
    ids, model = pipeline.transform_x(np.array(NEW)), lens.model
    inner = keras.Model(model.input, [model.get_layer("embedding").output, model.get_layer("conv1d").output])
    vectors, values = inner(ids)
    assert np.allclose(lens.activations(ids, "conv1d")["conv1d"], values, atol=1e-5)
    assert np.allclose(lens.truncate("conv1d")(ids), values, atol=1e-5)
    vectors = tf.Variable(vectors)
    with tf.GradientTape() as tape:
        value = vectors
        for layer in model.layers[2:-1]:  # behind the embedding, before the softmax
            value = layer(value)
        value = value[:, 1]
    wanted = (vectors * tape.gradient(value, vectors)).numpy().sum(-1)
    found = lens.attribute(NEW, "input_x_gradient", target="good")
    for item, line, text in zip(found, wanted, NEW, strict=True):
        assert item.tokens == tuple(text.split()) and np.allclose(item.scores, line[: len(item.tokens)], atol=1e-5)
        assert [text[a:b] for a, b in item.spans] == list(item.tokens)
    assert found[2].unknown == (False, True, False, False, False, False, False)  # nice,
    assert abs(found.scores).max() > 0.05


def test_words_are_taken_out_and_neighbors_found():
    lens = ki.wrap(fitted())
    full, less = lens.predict(["a good film", "a film"]).scores[:, 1]
    item = lens.attribute(["a good film"], "occlusion", target="good", score="probability")[0]
    assert np.isclose({word.text: word.score for word in item.words()}["good"], full - less, atol=1e-5) and full - less > 0.05
    near = lens.neighbors(KNOWN[:15], CLASSES[:15]).query([GOOD[0], BAD[2]], k=1)
    assert near.texts == [[GOOD[0]], [BAD[2]]] and near.labels.tolist() == [[1], [0]]


@pytest.mark.parametrize("give", [lambda clf: clf.tuner.get_best_pipeline(), lambda clf: clf.tuner.best_pipeline_path])
def test_an_exported_model_takes_the_pipeline_or_its_file(give, tmp_path):
    clf, file = fitted(), tmp_path / "exported.keras"
    clf.export_model().save(file)
    lens = ki.wrap(ki.load_model(file), tokenizer=give(clf), class_names=["bad", "good", "none"])
    assert np.array_equal(lens.predict(NEW).scores, ki.wrap(clf).predict(NEW).scores)
    with pytest.raises(ki.InputTypeError, match="takes int32 of shape .*was a tokenizer= or preprocess= forgotten"):
        ki.wrap(ki.load_model(file)).predict(NEW)


def test_a_folder_holds_all_of_it():
    clf = fitted()
    best = importlib.import_module("keras").saving.load_model(clf.tuner.best_model_path)
    lens = ki.wrap(folder())
    assert lens.class_names == ["bad", "good", "none"] and lens.model is folder().model
    assert np.allclose(lens.predict(NEW).scores, own(best, NEW, clf.tuner.get_best_pipeline()), atol=1e-6)


def test_a_vocabulary_of_another_fit_is_reported():
    """By default AutoKeras 3.0 predicts with the weights of one fit and the vocabulary of the next."""
    clf, texts = text_model(), np.array([*KNOWN[:40], *(f"plot {text}" for text in KNOWN[:10])])
    clf.fit(texts, np.array([0, 1] * 25), epochs=1, verbose=0)  # validated are the last, which change how often words come
    with pytest.warns(ki.KerasIntrospectWarning, match="vocabulary of its final fit.*they are wrong.*ki.load_model"):
        lens = ki.wrap(clf)
    found = lens.predict(NEW)
    assert found.kind == "binary" and found.class_names == ["0", "1"]
    assert np.array_equal(found.labels, clf.predict(np.array(NEW), verbose=0).ravel())
    assert np.allclose(found.scores[:, 1], own(clf.export_model(), NEW, clf.tuner.get_best_pipeline()).ravel(), atol=1e-6)
    right = ki.wrap(ki.load_model(clf.tuner.project_dir))  # of which nothing is to be said
    assert right._runner.front.identity() == lens._runner.front.identity()
    assert not np.allclose(right.predict(NEW).scores, found.scores, atol=1e-4)


def test_what_is_not_fitted_or_of_another_process_says_so():
    with pytest.raises(ki.InputError, match="has no model yet: call fit.*Received: AutoModel without"):
        ki.wrap(text_model())
    again = text_model(directory=fitted().directory)
    with pytest.raises(ki.InputError, match=r"in the process of fit\(\) only .*Wrap the folder, ki.load_model"):
        ki.wrap(again)


def test_inputs_that_are_changed_on_the_way_are_refused(tmp_path):
    """Or numbers would go to the model that AutoKeras would not give it."""
    preprocessors, pipeline = (importlib.import_module(f"autokeras.{name}") for name in ("preprocessors", "pipeline"))
    table = preprocessors.CategoricalToNumerical(["kind", "size"], {"kind": "categorical", "size": "numerical"})
    table.fit(np.array([["b", 1.0], ["a", 2.0]], object))
    pipeline.Pipeline([[table]], [[preprocessors.SigmoidPostprocessor()]]).save(tmp_path / "best_pipeline")
    keras = importlib.import_module("keras")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "best_model.keras")
    with pytest.raises(ki.UnsupportedError, match="wrap clf.export_model.*Received: CategoricalToNumerical"):
        ki.wrap(ki.load_model(tmp_path))


@cache
def images() -> tuple[Any, np.ndarray]:
    """A fitted image classifier, whose model casts and expands by layers of AutoKeras, and what it takes."""
    autokeras = importlib.import_module("autokeras")
    pixels = np.random.default_rng(0).integers(0, 255, (24, 8, 8)).astype("uint8")
    conv = {"kernel_size": 3, "num_blocks": 1, "num_layers": 1, "filters": 4, "separable": False, "dropout": 0.0}
    clf = model_of(autokeras.ImageInput(), lambda node: autokeras.ConvBlock(**conv)(node))
    stop = importlib.import_module("keras").callbacks.EarlyStopping()  # with it AutoKeras fits once, not twice
    labels = np.array(["dark", "light"] * 12)
    clf.fit(pixels, labels, validation_data=(pixels[:8], labels[:8]), callbacks=[stop], epochs=1, verbose=0)
    return clf, pixels


def test_an_image_classifier_is_wrapped_with_its_layers():
    clf, pixels = images()
    lens = ki.wrap(clf)
    assert {"CastToFloat32", "ExpandLastDim"} <= {row.class_name for row in lens.sites()}
    found = lens.predict(pixels)
    assert np.allclose(found.scores[:, 1], clf.export_model().predict(pixels, verbose=0).ravel(), atol=1e-6)
    assert np.array_equal(np.array(["dark", "light"])[found.labels], clf.predict(pixels, verbose=0).ravel())


def export(kind: str, file: Path) -> Any:
    """A text model as AutoKeras 1.1 exports it, of the layers of its block of this kind, and what it is."""
    tf, keras = importlib.import_module("tensorflow"), importlib.import_module("tf_keras")
    keras.utils.set_random_seed(0)

    class ExpandLastDim(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return tf.expand_dims(inputs, axis=-1)

    ExpandLastDim.__module__ = "autokeras.keras_layers"
    ngram, given = kind == "ngram", keras.Input((), dtype="string")
    mode = {"ngrams": 2, "output_mode": "tf_idf", "pad_to_max_tokens": True} if ngram else {"output_sequence_length": 12}
    words = keras.layers.TextVectorization(60, **mode)
    words.adapt(KNOWN[:15])
    value = words(ExpandLastDim()(given))
    if not ngram:
        value = keras.layers.Conv1D(8, 3, activation="relu")(keras.layers.Embedding(61, 8)(value))
        value = keras.layers.Flatten()(value)
    value = keras.layers.ReLU()(keras.layers.Dense(8)(value))
    model = keras.Model(given, keras.layers.Activation("sigmoid")(keras.layers.Dense(1)(value)))
    model.save(file)
    _rename(file, {"ExpandLastDim": "Custom>ExpandLastDim"})
    return model


def _rename(file: Path, names: dict[str, str]) -> None:
    """Writes the registered names that the layers have where they are registered, which would last in this process."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    for layer in config["config"]["layers"]:
        layer["registered_name"] = names.get(layer["class_name"], layer["registered_name"])
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def layers_in(file: Path) -> list[tuple[str, str, str]]:
    """(module, class, registered name) of the layers that only AutoKeras knows."""
    with zipfile.ZipFile(file) as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    keys = ("module", "class_name", "registered_name")
    return [tuple(layer[key] for key in keys) for layer in layers if layer["registered_name"]]


def test_an_export_of_words_in_order_is_explained_at_its_embedding(tmp_path):
    model = export("vanilla", tmp_path / "model.keras")
    loaded = ki.load_model(tmp_path / "model.keras")
    lens = ki.wrap(loaded, class_names=["bad", "good"])
    assert np.allclose(lens.predict(NEW).scores[:, 1], model.predict(np.array(NEW, object), verbose=0).ravel(), atol=1e-6)
    item = lens.attribute(["i loved, really loved the plot"], n_steps=64)[0]
    assert [word.text for word in item.words()] == ["i", "loved", ",", "really", "loved", "the", "plot"]
    assert item.unknown[2] and abs(item.scores).max() > 0 and loaded.layers[1].__class__.__name__ == "ExpandLastDim"
    lens.truncate("conv1d").save(tmp_path / "cut.keras")
    again = ki.load_model(tmp_path / "cut.keras").predict(np.array(NEW, object), verbose=0)
    assert np.allclose(again, lens.truncate("conv1d").predict(np.array(NEW, object), verbose=0), atol=1e-6)


def check_ngrams(lens: Any, text: str, good: str) -> None:
    """Predictions, layers, words taken out, and neighbors of a model that counts n-grams and looks nothing up."""
    model, short = lens.model, text.replace(good, "")
    assert np.allclose(lens.predict([text, ""]).scores[:, 1], model.predict(np.array([text, ""]), verbose=0).ravel(), atol=1e-6)
    dense = next(layer.name for layer in model.layers if type(layer).__name__ == "Dense")
    assert np.allclose(lens.truncate(dense)(np.array([text])), lens.activations([text], dense)[dense], atol=1e-5)
    with pytest.raises(ki.UnsupportedError, match="no Embedding layer.*method='occlusion', which needs none"):
        lens.attribute([text])
    item, (full, less) = lens.attribute([text], "occlusion", target=1)[0], lens.predict([text, short]).scores[:, 1]
    logits = np.log(full / (1 - full)) - np.log(less / (1 - less))
    scores = {word.text: word.score for word in item.words()}
    assert np.isclose(scores[good], logits, atol=1e-4) and abs(logits) > 1e-4
    assert lens.neighbors([text, "the end"]).query([text], k=1).texts == [[text]]


def test_an_export_that_counts_n_grams(tmp_path):
    export("ngram", tmp_path / "model.keras")
    check_ngrams(ki.wrap(ki.load_model(tmp_path / "model.keras")), "what a good film", "good")


def test_the_export_of_autokeras_itself(tmp_path):
    file = SHARED / "autokeras_1.1_text_ngram.keras"
    if not file.exists():
        pytest.skip("the file that AutoKeras 1.1 wrote is not beside this checkout")
    check_ngrams(ki.wrap(ki.load_model(file)), "this film was really great", "great")
    export("ngram", tmp_path / "model.keras")
    assert layers_in(file) == layers_in(tmp_path / "model.keras") == [
        ("autokeras.keras_layers", "ExpandLastDim", "Custom>ExpandLastDim")]  # fmt: skip


def test_an_export_in_the_old_format(tmp_path):
    """An image model of AutoKeras 1.x as .h5, which says of a layer the registered name only."""
    h5py, keras = importlib.import_module("h5py"), importlib.import_module("tf_keras")
    cast = type("CastToFloat32", (keras.layers.Layer,), {"call": lambda layer, pixels: keras.backend.cast(pixels, "float32")})
    model = keras.Sequential([keras.Input((4, 4), dtype="uint8"), cast(), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "a") as file:
        file.attrs["model_config"] = file.attrs["model_config"].replace('"CastToFloat32"', '"Custom>CastToFloat32"')
    pixels = np.random.default_rng(0).integers(0, 255, (3, 4, 4)).astype("uint8")
    found = ki.wrap(ki.load_model(tmp_path / "model.h5")).predict(pixels).scores
    assert np.allclose(found, model.predict(pixels, verbose=0), rtol=1e-5) and np.ptp(found) > 1


def test_no_file_needs_autokeras(tmp_path):
    """As on a machine without it, everything loads and says the same; only what AutoKeras itself holds does not."""
    clf, pixels = images()
    clf.export_model().save(tmp_path / "image.keras")
    text = export("vanilla", tmp_path / "text.keras")
    np.savez(tmp_path / "pixels.npz", pixels)
    code = f"""
import sys
sys.modules["autokeras"] = sys.modules["keras_tuner"] = None
import kerasintrospect as ki, numpy as np
image = ki.wrap(ki.load_model("image.keras")).predict(np.load("pixels.npz")["arr_0"])
text = ki.wrap(ki.load_model("text.keras")).predict({NEW!r})
project = ki.wrap(ki.load_model({fitted().tuner.project_dir!r})).predict({NEW!r})
np.savez("found.npz", image=image.scores[:, 1], text=text.scores[:, 1], project=project.scores)
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    found = np.load(tmp_path / "found.npz")
    assert np.allclose(found["image"], clf.export_model().predict(pixels, verbose=0).ravel(), atol=1e-6)
    assert np.allclose(found["text"], text.predict(np.array(NEW, object), verbose=0).ravel(), atol=1e-6)
    assert np.allclose(found["project"], ki.wrap(folder()).predict(NEW).scores, atol=1e-6)


def test_other_layers_of_autokeras_are_named(tmp_path):
    export("vanilla", tmp_path / "model.keras")
    _rename(tmp_path / "model.keras", {"ExpandLastDim": "Custom>BertTokenizer"})
    with pytest.raises(ki.ModelFileError, match=r"cannot load .* classes that Keras lacks \(Custom>BertTokenizer\), load"):
        ki.load_model(tmp_path / "model.keras")
