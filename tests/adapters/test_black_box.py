"""Models without Python layers: SavedModels, TF Lite interpreters and functions, against the model that they come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

import kerasintrospect as ki
from kerasintrospect.adapters.base import adapt

WORDS = ["", "", "good", "bad", "film", "the", "was", "dull", "fine"]
NAMES = ["down", "level", "up"]
TEXTS = ["the film was good", "bad bad film", "the dull film was fine", "good fine"]


def tokens(text: str) -> list[str]:
    return text.split()


def ids(texts: list[str]) -> np.ndarray:
    rows = [[WORDS.index(word) if word in WORDS else 1 for word in text.split()][:7] for text in texts]
    return np.array([row + [0] * (7 - len(row)) for row in rows], np.int32)


def network(keras: Any, units: int = 3, activation: str | None = "softmax") -> Any:
    keras.utils.set_random_seed(3)
    embedding = keras.layers.Embedding(len(WORDS), 4, mask_zero=True, name="words")
    model = keras.Sequential([keras.layers.Input((7,), dtype="int32"), embedding, keras.layers.GlobalAveragePooling1D(),
                              keras.layers.Dense(units, activation=activation, name="classes")])  # fmt: skip
    embedding.set_weights([np.random.default_rng(1).normal(size=(len(WORDS), 4))])
    return model


def saved(keras: Any, model: Any, path: Path) -> Any:
    import tensorflow as tf

    if keras.__name__ == "keras":
        model.export(str(path), verbose=False)
    else:
        model.save(path, save_format="tf")
    return tf.saved_model.load(str(path))


def lite(model: Any) -> Any:
    import tensorflow as tf

    return tf.lite.Interpreter(model_content=tf.lite.TFLiteConverter.from_keras_model(model).convert())


@pytest.fixture(scope="module", params=["keras-saved", "tf_keras-saved", "keras-lite", "keras-function"])
def boxed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Any]:
    """(the model, its lens, the lens of the black box made of it)."""
    import importlib

    family, kind = request.param.split("-")
    keras = importlib.import_module(family)
    model = network(keras)
    made = {"saved": lambda: saved(keras, model, tmp_path_factory.mktemp("box")), "lite": lambda: lite(model),
            "function": lambda: lambda x: np.asarray(model(x))}[kind]()  # fmt: skip
    options = {"preprocess": ids, "tokenizer": tokens, "class_names": NAMES}
    return model, ki.wrap(model, **options), ki.wrap(made, **options)


def white(lens: Any) -> dict[str, Any]:
    """What needs the inside of a model."""
    methods = [method for method in ki.methods() if method != "occlusion"]
    return {
        "activations": lambda: lens.activations(TEXTS, "classes"),
        "neighbors": lambda: lens.neighbors(TEXTS, site="words"),
        "edits": lambda: lens.predict(TEXTS, edits={"words": 0}),
        "truncate": lambda: lens.truncate("words"),
        "truncate the whole": lambda: lens.truncate(":out"),
        "tail": lambda: lens.tail(":in"),
        "site": lambda: lens.attribute(TEXTS, site=":out"),
        "debug": lambda: lens.debug(TEXTS, ["up", "down", "level", "up"]),
        **{method: lambda method=method: lens.attribute(TEXTS, method=method) for method in methods},
    }


def test_predictions_are_those_of_the_model(boxed):
    model, lens, box = boxed
    found = box.predict(TEXTS)
    assert np.allclose(found.scores, np.asarray(model(ids(TEXTS))), atol=1e-6) and found.kind == "softmax"
    assert found.labels.tolist() == lens.predict(TEXTS).labels.tolist() and found.class_names == NAMES
    many = TEXTS * 200  # several chunks, each as it is
    assert np.allclose(box.predict(many).scores, lens.predict(many).scores, atol=1e-6)
    assert np.allclose(box.predict(ids(TEXTS)).scores, found.scores, atol=1e-6)


@pytest.mark.parametrize("score", ["probability", "loss"])
def test_occlusion_is_that_of_the_model(boxed, score):
    _, lens, box = boxed
    for inputs in (TEXTS, ids(TEXTS)):
        wanted = lens.attribute(inputs, method="occlusion", score=score, target="up")
        found = box.attribute(inputs, method="occlusion", score=score, target="up")
        for one, other in zip(found, wanted, strict=True):
            known = other.words()  # of arrays the model's own lens leaves out the padding
            assert np.allclose([word.score for word in one.words()][: len(known)], [word.score for word in known], atol=1e-5)
    assert [word.text for word in box.attribute(TEXTS, method="occlusion")[0].words()] == TEXTS[0].split()


def test_the_logits_are_logarithms_of_the_probabilities(boxed):
    _, lens, box = boxed
    found = box.attribute(TEXTS, method="occlusion", target=2).scores
    wanted = -lens.attribute(TEXTS, method="occlusion", target=2, score="loss").scores
    assert np.allclose(found, wanted, atol=1e-5) and np.abs(found).max() > 0.01


def test_neighbors_are_compared_by_what_the_model_says(boxed, tmp_path: Path):
    model, _, box = boxed
    index = box.neighbors(TEXTS, labels=["up", "down", "level", "up"])
    assert index.site == ":out" and np.allclose(index.vectors, np.asarray(model(ids(TEXTS))), atol=1e-6)
    assert index.query(TEXTS, k=1).indices[:, 0].tolist() == [0, 1, 2, 3]


def test_what_is_white_box_says_why_not(boxed):
    for name, ask in white(boxed[2]).items():
        with pytest.raises(ki.UnsupportedError, match="method='occlusion'"):
            ask()
            pytest.fail(name)
    with pytest.raises(ki.UnsupportedError, match="no layers and no gradients: wrap the Keras model itself.* site='words'"):
        boxed[2].activations(TEXTS, "words")


def test_its_own_input_and_output_are_sites(boxed):
    model, _, box = boxed
    assert [row.path for row in box.sites()] == [""]
    found = box.activations(TEXTS, [":in", ":out"])
    assert np.array_equal(found[":in"], ids(TEXTS)) and np.allclose(found[":out"], np.asarray(model(ids(TEXTS))), atol=1e-6)
    assert np.allclose(box.predict(TEXTS, edits={":in": 2}).scores, np.asarray(model(np.full((1, 7), 2))), atol=1e-6)


def test_a_debug_report_by_occlusion(boxed):
    _, lens, box = boxed
    labels = [(label + 1) % 3 for label in lens.predict(TEXTS).labels]
    report = box.debug(TEXTS, labels, TEXTS * 3, labels * 3, method="occlusion")
    assert len(report.errors) == 4 and report.facts["site"] == ":out" and report.facts["model"]["kind"] == "black box"
    assert all(len(error["words"]) == len(error["text"].split()) for error in report.facts["errors"])


def test_the_fingerprint_hangs_on_the_weights(tmp_path: Path):
    import keras

    model, prints = network(keras), []
    for k in (0, 0, 1):
        model.layers[-1].bias.assign([k, 0, 0])
        boxes = (saved(keras, model, tmp_path / f"{len(prints)}"), lite(model))
        lenses = [ki.wrap(box, preprocess=ids) for box in boxes]
        assert [lens.describe()["parameters"] >= model.count_params() for lens in lenses] == [True, True]
        lenses[1].predict(TEXTS)
        prints.append([lens.fingerprint(":out", None) for lens in lenses])
    assert prints[0] == prints[1] and all(a != b for a, b in zip(prints[0], prints[2], strict=True))


# Heads


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def both(z: Any) -> Any:
    return np.stack([sigmoid(-z), sigmoid(z)], 1)


def features(texts: list[str]) -> np.ndarray:
    return np.array([[len(text) / 10, text.count("o")] for text in texts])


@pytest.mark.parametrize(
    ("scores", "names", "kind", "wanted"),
    [
        (lambda x: sigmoid(x[:, :1] - 1), None, "binary", lambda x: both(x[:, 0] - 1)),
        (lambda x: sigmoid(x[:, 0] - 1), ["a", "b"], "binary", lambda x: both(x[:, 0] - 1)),
        (lambda x: sigmoid(x), ["a", "b"], "multilabel", sigmoid),
        (lambda x: 3 * x + 2, ["a", "b"], "softmax", lambda x: np.exp(3 * x) / np.exp(3 * x).sum(1, keepdims=True)),
        (lambda x: 3 * x + 2, None, "raw", lambda x: 3 * x + 2),
        (lambda x: (3 * x + 2).tolist(), None, "raw", lambda x: 3 * x + 2),
    ],
    ids=["sigmoid", "flat sigmoid", "multilabel", "logits", "raw", "lists"],
)
def test_what_the_outputs_mean_is_read_off_them(scores, names, kind, wanted):
    found = ki.wrap(scores, preprocess=features, class_names=names).predict(TEXTS)
    assert found.kind == kind and np.allclose(found.scores, wanted(features(TEXTS)), atol=1e-5)


@pytest.mark.parametrize(("units", "activation"), [(1, "sigmoid"), (3, None), (2, "sigmoid")])
def test_a_saved_model_has_the_head_of_its_model(units, activation, tmp_path: Path):
    import keras

    model = network(keras, units, activation)
    model.compile(loss=keras.losses.BinaryCrossentropy(from_logits=activation is None))
    names = ["no", "yes", "perhaps"] if units == 3 else ["no", "yes"]
    lens, box = (ki.wrap(m, preprocess=ids, class_names=names) for m in (network(keras, units, activation),
                                                                        saved(keras, model, tmp_path)))  # fmt: skip
    assert box.predict(TEXTS).kind == lens.predict(TEXTS).kind
    assert np.allclose(box.predict(TEXTS).scores, lens.predict(TEXTS).scores, atol=1e-6)


def test_scores_that_were_no_probabilities_after_all_say_so():
    import tensorflow as tf

    lens = ki.wrap(lambda x: x[:, :1] / 2 - 0.5, preprocess=features)  # 0.35 for the first text
    with pytest.raises(tf.errors.InvalidArgumentError, match="The first scores of the model were probabilities"):
        lens.predict(TEXTS)


# Functions


def pipeline() -> tuple[Any, list[str], list[int]]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, names = tiny.train()
    labels = [tiny.NAMES.index(name) for name in names]
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, labels), texts, labels


def test_a_pipeline_of_scikit_learn(tmp_path: Path):
    model, taught, labels = pipeline()
    lens = ki.wrap(model.predict_proba, class_names=tiny.NAMES)
    texts, truth = tiny.test()
    assert np.allclose(lens.predict(texts).scores, model.predict_proba(texts), atol=1e-6)
    found = lens.attribute(["hate the cake, so sad"], method="occlusion", target="negative", score="probability")[0]
    without = [" the cake, so sad", "hate  cake, so sad", "hate the , so sad", "hate the cake so sad", "hate the cake,  sad"]
    drops = model.predict_proba(["hate the cake, so sad"])[0, 0] - model.predict_proba(without)[:, 0]
    words = {word.text: word.score for word in found.words()}
    assert np.allclose([words[w] for w in ("hate", "the", "cake", ",", "so")], drops, atol=1e-5) and words["hate"] > 0.05
    report = lens.debug(texts, truth, taught, [tiny.NAMES[i] for i in labels], method="occlusion")
    wrong = model.predict(texts) != [tiny.NAMES.index(name) for name in truth]
    assert len(report.errors) == wrong.sum() > 0 and report.facts["model"]["name"].endswith("predict_proba")
    report.save(tmp_path / "report.html")
    assert json.loads(report.to_json())["model"]["parameters"] is None
    with pytest.raises(ki.UnsupportedError, match="method='occlusion'"):
        lens.attribute(texts[:1])


def test_a_function_is_given_a_list_of_str():
    seen: list[Any] = []

    def scores(texts: list[str]) -> np.ndarray:
        seen.extend(texts)
        return np.array([[0.25, 0.75] for _ in texts])

    ki.wrap(scores).predict(["naïve ☃", ""])
    assert set(seen) == {"naïve ☃", ""} and all(type(text) is str for text in seen)


def test_words_are_taken_out_where_preprocess_has_no_tokens():
    lens = ki.wrap(lambda x: sigmoid(x[:, :1]), preprocess=lambda texts: np.array([[t.count("o"), len(t)] for t in texts]))
    found = lens.attribute(["oo la o"], method="occlusion", target=1)[0]
    assert found.tokens == ("oo", "la", "o") and np.allclose(found.scores, [2, 0, 1], atol=1e-3)


def test_preprocess_may_pad_each_batch_to_its_own_length():
    def padded(texts: list[str]) -> np.ndarray:
        return ids(texts)[:, : max(len(text.split()) for text in texts) or 1]

    lens = ki.wrap(lambda x: (x == 2).sum(1, keepdims=True) * 2.0, preprocess=padded)
    assert lens.predict(TEXTS).scores[:, 0].tolist() == [2, 0, 0, 2] and lens.predict(["good"]).scores.tolist() == [[2]]
    assert lens.attribute(["bad good"], method="occlusion")[0].scores.tolist() == [0, 2]


def test_a_function_may_ask_another_lens():
    inner = ki.wrap(lambda texts: np.array([[0.25, 0.75]] * len(texts)))
    assert np.allclose(ki.wrap(lambda texts: inner.predict(texts).scores).predict(TEXTS).scores, [[0.25, 0.75]] * len(TEXTS))


def test_several_inputs_come_as_they_were_made():
    def scores(x: dict[str, np.ndarray]) -> np.ndarray:
        return x["a"] + x["b"] * 3

    lens = ki.wrap(scores, preprocess=lambda texts: {"b": features(texts), "a": features(texts) + 1})
    assert np.allclose(lens.predict(TEXTS).scores, 4 * features(TEXTS) + 1, atol=1e-5)


def test_a_function_that_gives_too_few_rows_says_so():
    with pytest.raises(ki.InputError, match=r"one row of scores per example. Received: scores of shape \(3,\) for 1 examples"):
        ki.wrap(lambda texts: [0.1, 0.2, 0.7]).predict(TEXTS)


class Callable:
    def __call__(self, texts: list[str]) -> np.ndarray:
        return np.eye(3)[[len(text) % 3 for text in texts]]


def test_anything_with_a_call_is_a_function_and_a_tf_function_too():
    import tensorflow as tf

    assert ki.wrap(Callable()).predict(TEXTS).labels.tolist() == [len(text) % 3 for text in TEXTS]
    lens = ki.wrap(tf.function(lambda x: tf.nn.softmax(tf.cast(x, tf.float32))), preprocess=ids)
    assert np.allclose(lens.predict(TEXTS).scores, np.exp(ids(TEXTS)) / np.exp(ids(TEXTS)).sum(1, keepdims=True), atol=1e-5)


# SavedModels


def test_a_saved_model_of_texts_takes_texts(keras, tmp_path: Path):
    model = tiny.model(keras)
    lens, box = ki.wrap(model, class_names=tiny.NAMES), ki.wrap(saved(keras, model, tmp_path), class_names=tiny.NAMES)
    texts, labels = tiny.test()
    assert np.allclose(box.predict(texts).scores, lens.predict(texts).scores, atol=1e-5)
    wanted = lens.attribute(texts, method="occlusion", score="probability").to_frame()
    found = box.attribute(texts, method="occlusion", score="probability").to_frame()
    assert found.word.tolist() == wanted.word.tolist() and np.allclose(found.score, wanted.score, atol=1e-5)
    assert len(box.debug(texts, labels, *tiny.train(), method="occlusion").errors) == len(tiny.wrong())


def test_a_folder_is_loaded_when_its_author_is_trusted(keras, tmp_path: Path):
    model = network(keras)
    saved(keras, model, tmp_path)
    with pytest.raises(ki.ModelFileError, match="A SavedModel is a program .* pass trust=True"):
        ki.load_model(tmp_path)
    lens = ki.wrap(ki.load_model(tmp_path, trust=True), preprocess=ids)
    assert np.allclose(lens.predict(TEXTS).scores, np.asarray(model(ids(TEXTS))), atol=1e-6)


def test_a_saved_model_without_a_signature_says_so(tmp_path: Path):
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path))
    with pytest.raises(ki.UnsupportedError, match=r"wrap a function .* Received: a SavedModel with the signatures \[\]"):
        ki.wrap(tf.saved_model.load(str(tmp_path)))


def test_gradients_of_a_saved_model_are_refused_also_where_its_input_is_float(tmp_path: Path):
    import keras

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(3, activation="softmax")])
    lens = ki.wrap(saved(keras, model, tmp_path), preprocess=features)
    for method in ki.methods():
        if method != "occlusion":
            with pytest.raises(ki.UnsupportedError, match="no gradients: wrap the Keras model itself"):
                lens.attribute(TEXTS, method=method)
    found = lens.attribute(features(TEXTS), method="occlusion", target=1, score="probability").scores
    changed = [features(TEXTS) * keep for keep in ([0, 1], [1, 0])]
    whole = np.asarray(model(features(TEXTS)))[:, 1]
    assert np.allclose(found, np.stack([whole - np.asarray(model(x))[:, 1] for x in changed], 1), atol=1e-5)


def test_a_model_of_a_saved_model_is_a_keras_model_with_one_layer(tmp_path: Path):
    import keras

    model = network(keras)
    saved(keras, model, tmp_path)
    frozen = keras.layers.TFSMLayer(str(tmp_path), call_endpoint="serve", name="frozen")
    options = {"preprocess": ids, "tokenizer": tokens}
    lens, box = ki.wrap(model, **options), ki.wrap(keras.Sequential([keras.Input((7,), dtype="int32"), frozen]), **options)
    assert np.allclose(box.predict(TEXTS).scores, lens.predict(TEXTS).scores, atol=1e-6)
    wanted = lens.attribute(TEXTS, method="occlusion", score="probability", target=1).scores
    for one in (box, ki.wrap(frozen, **options)):
        found = one.attribute(TEXTS, method="occlusion", score="probability", target=1).scores
        assert np.allclose(found, wanted, atol=1e-5)
    with pytest.raises(ki.UnsupportedError, match="use method='occlusion'"):
        box.attribute(TEXTS)


# TF Lite


def test_quantized_inputs_are_refused():
    import keras
    import tensorflow as tf

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([np.ones((1, 2), np.float32) * k] for k in range(4))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with pytest.raises(ki.UnsupportedError, match="not quantized: leave .* at tf.float32. Received: .* of type int8"):
        ki.wrap(tf.lite.Interpreter(model_content=converter.convert()))
    converter.inference_input_type = converter.inference_output_type = tf.float32
    lens = ki.wrap(tf.lite.Interpreter(model_content=converter.convert()))
    x = np.array([[0.5, 1], [2, 3]], np.float32)
    assert np.allclose(lens.predict(x).scores, np.asarray(model(x)), atol=0.05)


# What is no function


@pytest.mark.parametrize("thing", [int, Callable, print, len, "text", None], ids=repr)
def test_classes_and_builtins_are_no_models(thing):
    with pytest.raises(ki.InputTypeError, match="a function that gives scores. Received: an object of type"):
        adapt(thing)
