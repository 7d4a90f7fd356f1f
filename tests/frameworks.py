"""What people have from other frameworks, tiny: as the framework makes it, with the framework's own numbers.

The models are those of the adapters' tests. The numbers come from `output_hidden_states`, from a model cut by hand out
of the framework's graph, from `serve`; nothing of the library is in them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TARGET = 1
NO_CUT = ("no site inside is a cut, which the error says: the logits are those at the last token that is no padding, and which "
          "one that is the model reads off its input")  # fmt: skip
FRAMEWORKS: dict[str, Callable[[Path], Framework | Box]] = {}


@dataclass
class Framework:
    """A model with layers.

    Attributes:
        model: What the user has.
        texts: What the user gives to the library.
        given: The arrays that the framework makes of them.
        mask: (texts, positions) of what is no padding in these.
        states: The framework's own hidden state by the address of the block; the first is the embedding site.
        outputs: What the framework's model gives.
        scores: The framework's own probabilities.
        behind: (number of a text, (rows, positions, units) vectors in place of its embeddings) -> (rows, classes) logits,
            by the framework.
        site: The block where the model is truncated and compared.
        cut: A block that everything passes; None where there is none.
        detours: Blocks that are no cuts, and what leads round them.
        options: For `wrap`.
        step: Of the finite differences, in the precision that `behind` has.
        tolerance: Of the finite differences.
    """

    model: Any
    texts: list[str]
    given: Any
    mask: np.ndarray
    states: dict[str, np.ndarray]
    outputs: np.ndarray
    scores: np.ndarray
    behind: Callable[[int, np.ndarray], np.ndarray]
    site: str
    cut: str | None
    detours: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    step: float = 1e-2
    tolerance: float = 2e-3


@dataclass
class Box:
    """What has no layers in Python.

    Attributes:
        model: What the user has.
        own: From texts to the scores that it gives.
        given: The arrays that it takes for the texts.
        texts: What the user gives to the library.
        options: For `wrap`.
    """

    model: Any
    own: Callable[[list[str]], np.ndarray]
    given: np.ndarray
    texts: list[str]
    options: dict[str, Any]


def framework(name: str) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
    """Registers a row of the table."""

    def register(make: Callable[[Path], Any]) -> Callable[[Path], Any]:
        FRAMEWORKS[name] = make
        return make

    return register


def softmax(logits: Any) -> np.ndarray:
    powers = np.exp(np.asarray(logits, np.float64) - np.max(logits, -1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


# Graphs, cut by hand


def cut(keras: Any, graph: Any, layers: list[Any], given: Any) -> list[np.ndarray]:
    return [np.asarray(value) for value in keras.Model(graph.input, [layer.output for layer in layers])(given)]


def doubled(layers: list[Any], linear: bool) -> Callable[[np.ndarray], np.ndarray]:
    """The same layers one after the other in float64, the last of them without its activation."""
    copies = []
    for layer in layers:
        config = layer.get_config() | {"dtype": "float64"}
        config |= {"activation": "linear"} if linear and layer is layers[-1] else {}
        copies.append(type(layer).from_config(config))

    def run(value: Any) -> np.ndarray:
        for layer, copy in zip(layers, copies, strict=True):
            if not copy.built:
                copy.build(value.shape)
                copy.set_weights(layer.get_weights())
            value = copy(value)
        return np.asarray(value)

    return run


@framework("ktrain predictor (fasttext)")
def ktrain_fasttext(folder: Path) -> Framework:
    from adapters.test_ktrain import BAD, GOOD, standard

    learner, preproc = standard("fasttext")
    model, texts = learner.model, [*GOOD, *BAD]
    predictor, given = importlib.import_module("ktrain").get_predictor(model, preproc), preproc.preprocess(texts)
    blocks = [layer for layer in model.layers if type(layer).__name__ not in ("SpatialDropout1D", "Dropout")]
    values = cut(importlib.import_module("tf_keras"), model, blocks, given)
    states = {layer.name: value for layer, value in zip(blocks, values, strict=True)}
    behind = doubled(model.layers[1:], linear=True)
    return Framework(predictor, texts, given, given != 0, states, np.asarray(model(given)), predictor.predict_proba(texts),
                     lambda i, vectors: behind(vectors), blocks[0].name, blocks[1].name,
                     step=1e-7, tolerance=1e-5)  # fmt: skip


@framework("AutoKeras 3 export with its vocabulary")
def autokeras(folder: Path) -> Framework:
    from adapters.test_autokeras import NEW, fitted

    import kerasintrospect as ki

    clf, file, keras = fitted(), folder / "exported.keras", importlib.import_module("keras")
    clf.export_model().save(file)
    pipeline, model = clf.tuner.get_best_pipeline(), keras.saving.load_model(file)
    given = pipeline.transform_x(np.array(NEW))
    mask = np.arange(given.shape[1]) < np.array([[len(text.split())] for text in NEW])
    blocks = model.layers[1:]
    values = cut(keras, model, blocks, given)
    states = {layer.name: value for layer, value in zip(blocks, values, strict=True)}
    behind = doubled(blocks[1:-1], linear=False)
    options = {"tokenizer": clf.tuner.best_pipeline_path, "class_names": ["bad", "good", "none"]}
    return Framework(ki.load_model(file), NEW, given, mask, states, values[-1], model.predict(given, verbose=0),
                     lambda i, vectors: behind(vectors), blocks[1].name, blocks[1].name,
                     options=options, step=1e-7, tolerance=1e-5)  # fmt: skip


@framework("KerasHub text classifier (BERT)")
def keras_hub(folder: Path) -> Framework:
    from adapters.test_keras_hub import TEXTS, build, preprocessor

    keras, task = importlib.import_module("keras"), build("Bert", preprocessor())
    inner, texts = task.backbone, [*TEXTS, "the film is the end !", "loved actor"]
    given = task.preprocessor(texts)
    names = ["token_embedding", "transformer_layer_0", "transformer_layer_1", "pooled_dense"]
    values = cut(keras, inner, [inner.get_layer(name) for name in names], given)
    states = {f"{inner.name}.{name}": value for name, value in zip(names, values, strict=True)}
    rest = {name: tensor for name, tensor in inner.input.items() if name != "token_ids"}
    pooled = inner.get_layer("pooled_dense").output
    graph = keras.Model([inner.get_layer("token_embedding").output, *rest.values()], pooled)

    def behind(i: int, vectors: np.ndarray) -> np.ndarray:
        others = [np.repeat(np.asarray(given[name])[i : i + 1], len(vectors), 0) for name in rest]
        return np.asarray(task.get_layer("logits")(graph([vectors.astype("float32"), *others])))

    first, last = (f"{inner.name}.transformer_layer_{i}" for i in range(2))
    outputs = task.predict(texts, verbose=0)
    return Framework(task, texts, given, np.asarray(given["padding_mask"]), states, outputs, softmax(outputs), behind, first,
                     last, {first: "a mask"})  # fmt: skip


# Hugging Face


@contextmanager
def giving(layer: Any, value: Any) -> Iterator[None]:
    """The layer gives this value, whatever it is called with."""
    layer.call = lambda *args, **kwargs: value
    try:
        yield
    finally:
        del layer.__dict__["call"]


def tiled(given: dict[str, Any], i: int, rows: int) -> dict[str, np.ndarray]:
    return {name: np.repeat(np.asarray(value)[i : i + 1], rows, 0) for name, value in given.items()}


def encoder(model: Any, given: dict[str, Any], embeddings: Any, block: str) -> dict[str, Any]:
    """What is the same for BERT and DistilBERT: the blocks are the hidden states, the first is that of the embeddings."""
    own = model(given, training=False, output_hidden_states=True)
    sites = [block.split(".")[0] + ".embeddings", *(block.format(i) for i in range(2))]

    def behind(i: int, vectors: np.ndarray) -> np.ndarray:
        with giving(embeddings, vectors.astype("float32")):
            return model(tiled(given, i, len(vectors)), training=False).logits.numpy()

    return {
        "given": given, "mask": np.asarray(given["attention_mask"]) != 0, "outputs": own.logits.numpy(), "behind": behind,
        "states": {site: state.numpy() for site, state in zip(sites, own.hidden_states, strict=True)},
        "site": block.format(0), "cut": block.format(1),
    }  # fmt: skip


def hugging_face_texts() -> list[str]:
    from adapters.test_hf_tf import TEXTS

    return [*TEXTS, "the film is the end", "loved actor !"]


@framework("ktrain predictor (Transformer, DistilBERT)")
def ktrain_transformer(folder: Path) -> Framework:
    from adapters.test_ktrain import BAD, GOOD, fine_tuned, published

    predictor, texts = fine_tuned(published(folder)), [*GOOD, *BAD]
    made = predictor.preproc.get_tokenizer()(texts, padding=True, return_tensors="tf")
    given = {name: made[name] for name in ("input_ids", "attention_mask")}
    shared = encoder(predictor.model, given, predictor.model.distilbert.embeddings, "distilbert.transformer.layer[{}]")
    return Framework(predictor, texts, **shared, scores=predictor.predict_proba(texts),
                     detours={shared["site"]: "attention"})  # fmt: skip


@framework("Hugging Face TF (BERT)")
def hugging_face_bert(folder: Path) -> Framework:
    from adapters.test_hf_tf import build, tokenizer

    model, texts = build("Bert"), hugging_face_texts()
    given = dict(tokenizer()(texts, padding=True, return_tensors="tf"))
    shared = encoder(model, given, model.bert.embeddings, "bert.encoder.layer[{}]")
    return Framework(model, texts, **shared, scores=softmax(shared["outputs"]), options={"tokenizer": tokenizer()},
                     detours={shared["site"]: "attention"})  # fmt: skip


@framework("Hugging Face TF (GPT-2)")
def hugging_face_gpt2(folder: Path) -> Framework:
    from adapters.test_hf_tf import build, tokenizer

    model, texts = build("GPT2"), hugging_face_texts()
    made = tokenizer()(texts, padding=True, return_tensors="tf")
    given = {name: made[name] for name in ("input_ids", "attention_mask")}
    own = model(given, training=False, output_hidden_states=True)
    sites = {"transformer.drop": 0, "transformer.h[0]": 1, "transformer.ln_f": -1}
    states = {site: own.hidden_states[i].numpy() for site, i in sites.items()}
    vectors = model.transformer.wte(given["input_ids"]).numpy()
    mask = given["attention_mask"].numpy()

    def behind(i: int, vectors: np.ndarray) -> np.ndarray:
        masks = np.repeat(mask[i : i + 1], len(vectors), 0)
        last = model.transformer(None, inputs_embeds=vectors.astype("float32"), attention_mask=masks).last_hidden_state
        return model.score(last).numpy()[:, mask[i].sum() - 1]

    return Framework(model, texts, given, mask != 0, {"transformer.wte": vectors, **states}, own.logits.numpy(),
                     softmax(own.logits), behind, "transformer.h[0]", None,
                     dict.fromkeys(("transformer.h[0]", "transformer.ln_f", "score"), "a mask"),
                     {"tokenizer": tokenizer()})  # fmt: skip


# Black boxes


def box(model: Any, own: Callable[[np.ndarray], Any]) -> Box:
    from adapters.test_black_box import NAMES, TEXTS, ids, tokens

    options = {"preprocess": ids, "tokenizer": tokens, "class_names": NAMES}
    return Box(model, lambda texts: np.asarray(own(ids(texts))), ids(TEXTS), TEXTS, options)


def network() -> Any:
    from adapters.test_black_box import network

    return network(importlib.import_module("keras"))


@framework("SavedModel")
def saved_model(folder: Path) -> Box:
    from adapters.test_black_box import saved

    loaded = saved(importlib.import_module("keras"), network(), folder / "saved")
    return box(loaded, loaded.serve)


@framework("TF Lite")
def tf_lite(folder: Path) -> Box:
    from adapters.test_black_box import lite

    model = network()
    theirs, ours = lite(model), lite(model)

    def own(ids: np.ndarray) -> np.ndarray:
        ours.resize_tensor_input(ours.get_input_details()[0]["index"], ids.shape)
        ours.allocate_tensors()
        ours.set_tensor(ours.get_input_details()[0]["index"], ids)
        ours.invoke()
        return ours.get_tensor(ours.get_output_details()[0]["index"])

    return box(theirs, own)


@framework("a function")
def function(folder: Path) -> Box:
    model = network()
    return box(lambda ids: np.asarray(model(ids)), lambda ids: model.predict(ids, verbose=0))


def make(name: str, folder: Path) -> Framework | Box:
    """One row, where its framework is installed."""
    if name.startswith("ktrain"):
        pytest.importorskip("ktrain", reason="the extra ktrain is not installed")
    return FRAMEWORKS[name](folder)
