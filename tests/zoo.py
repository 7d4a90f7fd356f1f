"""The kinds of models that people have, tiny, each written once for both Keras families.

Every kind comes with a chain: the same network by hand, stage by stage, in float64 numpy on the model's own weights.
The addresses of the stages are sites, so that whatever the library says about a site can be computed without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

VOCABULARY, WIDTH, UNITS, CLASSES, EXAMPLES = 20, 7, 4, 3, 6
KINDS: dict[str, Callable[[ModuleType, Path], Kind]] = {}


@dataclass
class Kind:
    """One model and what it does, by hand.

    Attributes:
        model: Of the family.
        inputs: What the user gives to the library.
        given: The arrays that the first stage of the chain takes.
        chain: Stage by address; the first gives one array per explained site, the last (`"logits"`) the logits.
        shapes: Output shape by address, of every layer that is called.
        site: A stage where the model is truncated and read.
        cut: A stage that everything passes; None for `site`.
        sources: Where the arrays of the first stage stand.
        detours: Sites that are no cuts, and what leads round them.
        mask: (examples, positions) of what is no padding; None when everything counts.
        options: For `wrap`.
        saved: Whether the truncated model is a graph, which can be saved.
        h5: Whether Keras itself can load the model from a .h5 file that it wrote.
        custom: Classes that loading needs.
        tolerance: Of the comparisons.
    """

    model: Any
    inputs: Any
    given: Any
    chain: dict[str, Callable[[Any], Any]]
    shapes: dict[str, tuple[int | None, ...]]
    site: str = "hidden"
    cut: str | None = None
    sources: tuple[str, ...] = ("embed",)
    detours: dict[str, str] = field(default_factory=dict)
    mask: np.ndarray | None = None
    options: dict[str, Any] = field(default_factory=dict)
    saved: bool = True
    h5: bool = True
    custom: dict[str, Any] = field(default_factory=dict)
    tolerance: float = 2e-5

    def at(self, stage: str) -> Any:
        """The activation at a stage."""
        value = self.given
        for name, step in self.chain.items():
            value = step(value)
            if name == stage:
                return value
        raise KeyError(stage)

    def after(self, stage: str, value: Any) -> Any:
        """The logits from the activation at a stage."""
        names = list(self.chain)
        for name in names[names.index(stage) + 1 :]:
            value = self.chain[name](value)
        return value


def kind(make: Callable[[ModuleType, Path], Kind]) -> Callable[[ModuleType, Path], Kind]:
    """Registers a kind under the name of its function."""
    KINDS[make.__name__] = make
    return make


# Layers by hand


def weights(layer: Any) -> list[np.ndarray]:
    return [np.asarray(w, np.float64) for w in layer.get_weights()]


def embedding(layer: Any) -> Callable[[Any], tuple[np.ndarray, ...]]:
    return lambda ids: (weights(layer)[0][ids],)


def only(step: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A stage behind the only explained site."""
    return lambda values: step(values[0])


def dense(layer: Any, activation: Callable[[Any], Any] = lambda x: x) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        kernel, bias = weights(layer)
        return activation(x @ kernel + bias)

    return run


def mean(mask: np.ndarray | None = None) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        keep = np.ones(x.shape[:2]) if mask is None else mask.astype(float)
        return (x * keep[..., None]).sum(1) / keep.sum(1, keepdims=True)

    return run


def lstm(
    layer: Any, mask: np.ndarray | None = None, sequences: bool = True, back: bool = False, gate: Any = None
) -> Callable[[Any], Any]:
    gate = gate or _sigmoid

    def run(x: Any) -> Any:
        kernel, recurrent, bias = weights(layer)
        h = c = np.zeros((len(x), len(recurrent)))
        steps = range(x.shape[1])[::-1] if back else range(x.shape[1])
        found = np.zeros((*x.shape[:2], len(recurrent)))
        for t in steps:
            i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, -1)
            new_c = gate(f) * c + gate(i) * np.tanh(g)
            new_h = gate(o) * np.tanh(new_c)
            keep = np.ones((len(x), 1), bool) if mask is None else mask[:, t : t + 1]
            h, c = np.where(keep, new_h, h), np.where(keep, new_c, c)
            found[:, t] = h
        return found if sequences else h

    return run


def attention(layer: Any) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        q, qb, k, kb, v, vb, o, ob = weights(layer)
        query, key, value = (np.einsum("btd,dhk->bthk", x, w) + b for w, b in ((q, qb), (k, kb), (v, vb)))
        scores = softmax(np.einsum("bthk,bshk->bhts", query, key) / np.sqrt(q.shape[-1]))
        return np.einsum("bhts,bshk,hkd->btd", scores, value, o) + ob

    return run


def normalized(layer: Any) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        gamma, beta = weights(layer)
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + layer.epsilon) * gamma + beta

    return run


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


# What most kinds share


def numbers(seed: int = 0, width: int = WIDTH) -> np.ndarray:
    """Token ids without padding."""
    return np.random.default_rng(seed).integers(1, VOCABULARY, (EXAMPLES, width)).astype("int32")


def padded(seed: int = 0) -> np.ndarray:
    """Token ids with padding at the end."""
    ids = numbers(seed)
    for row, length in zip(ids, (WIDTH, 2, 5, 1, 3, 4), strict=True):
        row[length:] = 0
    return ids


def floats(seed: int = 0, units: int = UNITS) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(EXAMPLES, units)).astype("float32")


def layers(keras: ModuleType, **options: Any) -> SimpleNamespace:
    """Embedding, Dense, mean, Dense: a text classifier. Biases are no zeros, so that forgetting one shows."""
    keras.utils.set_random_seed(3)
    dtype = options.pop("dtype", None)
    made = SimpleNamespace(
        embed=keras.layers.Embedding(VOCABULARY, UNITS, name="embed", dtype=dtype, embeddings_initializer="normal",
                                     mask_zero=options.pop("mask_zero", False)),
        hidden=keras.layers.Dense(5, "tanh", name="hidden", bias_initializer="normal", dtype=dtype, **options),
        pool=keras.layers.GlobalAveragePooling1D(name="pool", dtype=dtype),
        out=keras.layers.Dense(CLASSES, "softmax", name="out", bias_initializer="normal", dtype=dtype),
    )  # fmt: skip
    made.all = [made.embed, made.hidden, made.pool, made.out]
    return made


def mask_operations(model: Any) -> dict[str, tuple[int | None, ...]]:
    """Keras 3 makes masks by operations in the graph."""
    ids = (None, None) if model.inputs[0].dtype == "string" else (None, WIDTH)
    return {o.name: ids for o in getattr(model, "operations", ()) if type(o).__name__ == "NotEqual"}


def by_hand(made: SimpleNamespace, mask: np.ndarray | None = None) -> dict[str, Callable[[Any], Any]]:
    return {
        "embed": embedding(made.embed),
        "hidden": only(dense(made.hidden, np.tanh)),
        "pool": mean(mask),
        "logits": dense(made.out),
    }


def renamed(chain: dict[str, Callable[[Any], Any]], **names: str) -> dict[str, Callable[[Any], Any]]:
    return {names.get(name, name): step for name, step in chain.items()}


def shapes(width: int | None = WIDTH, **others: tuple[int | None, ...]) -> dict[str, tuple[int | None, ...]]:
    usual = {"embed": (None, width, UNITS), "hidden": (None, width, 5), "pool": (None, 5), "out": (None, CLASSES)}
    return usual | others


def graph(keras: ModuleType, made: SimpleNamespace, width: int | None = WIDTH) -> Any:
    x = inputs = keras.Input((width,), dtype="int32", name="ids")
    for layer in made.all:
        x = layer(x)
    return keras.Model(inputs, x, name="classifier")


def classifier(keras: ModuleType, **options: Any) -> Kind:
    made, ids = layers(keras, **options), numbers()
    return Kind(graph(keras, made), ids, ids, by_hand(made), shapes())


# The kinds


@kind
def functional(keras: ModuleType, folder: Path) -> Kind:
    return classifier(keras)


@kind
def sequential(keras: ModuleType, folder: Path) -> Kind:
    made, ids = layers(keras), numbers()
    model = keras.Sequential([keras.Input((WIDTH,), dtype="int32"), *made.all])
    return Kind(model, ids, ids, by_hand(made), shapes())


@kind
def sequential_not_built(keras: ModuleType, folder: Path) -> Kind:
    made, given = layers(keras), floats()  # with an Embedding in front tf_keras builds it at once
    chain = {
        "sources": lambda x: (x.astype(float),),
        "hidden": only(dense(made.hidden, np.tanh)),
        "logits": dense(made.out),
    }
    places = {"hidden": (None, 5), "out": (None, CLASSES)}
    return Kind(keras.Sequential([made.hidden, made.out]), given, given, chain, places, sources=(":in",))


@kind
def subclassed(keras: ModuleType, folder: Path) -> Kind:
    made, ids = layers(keras), numbers()

    class Classifier(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.hidden, self.pool, self.out = made.all

        def call(self, inputs: Any) -> Any:
            return self.out(self.pool(self.hidden(self.embed(inputs))))

    return Kind(Classifier(), ids, ids, by_hand(made), shapes(), saved=False)


@kind
def nested(keras: ModuleType, folder: Path) -> Kind:
    made, ids = layers(keras), numbers()
    x = inner_inputs = keras.Input((WIDTH, UNITS))
    core = keras.Model(inner_inputs, made.hidden(x), name="core")
    x = middle_inputs = keras.Input((WIDTH, UNITS))
    middle = keras.Model(middle_inputs, made.pool(core(x)), name="middle")
    inputs = keras.Input((WIDTH,), dtype="int32")
    model = keras.Model(inputs, made.out(middle(made.embed(inputs))))
    chain = renamed(by_hand(made), hidden="middle.core.hidden", pool="middle.pool")
    usual = shapes()
    places = {"middle": usual["pool"], "middle.core": usual["hidden"], "middle.core.hidden": usual["hidden"],
              "middle.pool": usual["pool"], "embed": usual["embed"], "out": usual["out"]}  # fmt: skip
    return Kind(model, ids, ids, chain, places, site="middle.core.hidden")


@kind
def shared_layer(keras: ModuleType, folder: Path) -> Kind:
    made, ids = layers(keras), numbers()
    shared = keras.layers.Dense(UNITS, "tanh", name="shared", bias_initializer="normal")
    inputs = keras.Input((WIDTH,), dtype="int32")
    x = made.pool(shared(shared(made.embed(inputs))))
    chain = {
        "embed": embedding(made.embed),
        "shared#0": only(dense(shared, np.tanh)),
        "shared#1": dense(shared, np.tanh),
        "pool": mean(),
        "logits": dense(made.out),
    }
    places = {"embed": (None, WIDTH, UNITS), "shared": (None, WIDTH, UNITS), "pool": (None, UNITS), "out": (None, CLASSES)}
    return Kind(keras.Model(inputs, made.out(x)), ids, ids, chain, places, site="shared#1", cut="shared#0")


@kind
def custom_layer(keras: ModuleType, folder: Path) -> Kind:
    made, ids = layers(keras), numbers()

    @keras.saving.register_keras_serializable("zoo")
    class Scale(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.factor = self.add_weight(name="factor", shape=(int(shape[-1]),), initializer="normal")

        def call(self, inputs: Any) -> Any:
            return inputs * self.factor

    scale = Scale(name="scale")
    made.all.insert(2, scale)
    steps = list(by_hand(made).items())
    steps.insert(2, ("scale", lambda x: x * weights(scale)[0]))
    places = shapes(scale=(None, WIDTH, 5))
    return Kind(graph(keras, made), ids, ids, dict(steps), places, site="scale", custom={"Scale": Scale})


@kind
def list_inputs(keras: ModuleType, folder: Path) -> Kind:
    made, given = layers(keras), [floats(1), floats(2, 2)]
    left, right = keras.Input((UNITS,), name="left_input"), keras.Input((2,), name="right_input")
    second = keras.layers.Dense(3, name="second", bias_initializer="normal")
    joined = keras.layers.Concatenate(name="joined")([made.hidden(left), second(right)])
    model = keras.Model([left, right], made.out(joined))
    chain = {
        "sources": lambda arrays: tuple(a.astype(float) for a in arrays),
        "joined": lambda pair: np.concatenate([dense(made.hidden, np.tanh)(pair[0]), dense(second)(pair[1])], -1),
        "logits": dense(made.out),
    }
    places = {"hidden": (None, 5), "second": (None, 3), "joined": (None, 8), "out": (None, CLASSES)}
    return Kind(model, given, given, chain, places, site="joined", sources=(":in[0]", ":in[1]"),
                detours={"hidden": "second", "second": "hidden"})  # fmt: skip


@kind
def dict_inputs(keras: ModuleType, folder: Path) -> Kind:
    made, given = layers(keras), {"title": numbers(1, 3), "body": numbers(2)}
    title, body = (keras.Input((n,), dtype="int32", name=name) for name, n in (("title", 3), ("body", WIDTH)))
    short = keras.layers.Embedding(VOCABULARY, UNITS, name="short", embeddings_initializer="normal")
    first = keras.layers.GlobalAveragePooling1D(name="first")
    joined = keras.layers.Concatenate(name="joined")([first(short(title)), made.pool(made.hidden(made.embed(body)))])
    model = keras.Model({"title": title, "body": body}, made.out(joined))
    tables = {"title": short, "body": made.embed}
    chain = {
        "sources": lambda arrays: tuple(embedding(tables[name])(arrays[name])[0] for name in ("title", "body")),
        "joined": lambda e: np.concatenate([mean()(e[0]), mean()(dense(made.hidden, np.tanh)(e[1]))], -1),
        "logits": dense(made.out),
    }
    places = shapes(short=(None, 3, UNITS), first=(None, UNITS), joined=(None, 5 + UNITS))
    return Kind(model, given, given, chain, places, site="joined", detours={"hidden": "short", "first": "embed"},
                sources=("short", "embed"))  # fmt: skip


@kind
def several_outputs(keras: ModuleType, folder: Path) -> Kind:
    made, ids = layers(keras), numbers()
    inputs = keras.Input((WIDTH,), dtype="int32")
    pooled = made.pool(made.hidden(made.embed(inputs)))
    side = keras.layers.Dense(1, name="side")
    model = keras.Model(inputs, [side(pooled), made.out(pooled)])
    return Kind(model, ids, ids, by_hand(made), shapes(side=(None, 1)), options={"output": 1},
                detours={"side": "out"})  # fmt: skip


@kind
def bidirectional_lstm(keras: ModuleType, folder: Path) -> Kind:
    made, ids = layers(keras), numbers()
    both = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True, name="lstm"), name="both")
    made.all[1] = both
    model = graph(keras, made)
    forward, backward = both.forward_layer, both.backward_layer
    chain = {
        "embed": embedding(made.embed),
        "both": only(lambda x: np.concatenate([lstm(forward)(x), lstm(backward, back=True)(x)], -1)),
        "pool": mean(),
        "logits": dense(made.out),
    }
    places = {"embed": (None, WIDTH, UNITS), "both": (None, WIDTH, 6), "both.forward_layer": (None, WIDTH, 3),
              "both.backward_layer": (None, WIDTH, 3), "pool": (None, 6), "out": (None, CLASSES)}  # fmt: skip
    return Kind(model, ids, ids, chain, places, site="both", detours={"both.forward_layer": "backward_layer"})


@kind
def time_distributed(keras: ModuleType, folder: Path) -> Kind:
    made, ids = layers(keras), numbers()
    inner = made.hidden
    made.all[1] = keras.layers.TimeDistributed(inner, name="each")
    chain = renamed(by_hand(made), hidden="each")
    usual = shapes(each=(None, WIDTH, 5))
    usual["each.layer"] = (None, 5)
    del usual["hidden"]
    return Kind(graph(keras, made), ids, ids, chain, usual, site="each")


@kind
def residual_functional(keras: ModuleType, folder: Path) -> Kind:
    made, ids = layers(keras), numbers()
    hidden = keras.layers.Dense(UNITS, "tanh", name="hidden", bias_initializer="normal")
    inputs = keras.Input((WIDTH,), dtype="int32")
    embedded = made.embed(inputs)
    model = keras.Model(inputs, made.out(made.pool(embedded + hidden(embedded))))
    add = "add" if keras.__name__ == "keras" else "tf.__operators__.add"
    operation = next(op for op in getattr(model, "operations", model.layers) if op.name.startswith(add))
    object.__setattr__(operation, "name" if keras.__name__ == "keras" else "_name", add)  # numbered by what was built before
    chain = {
        "embed": embedding(made.embed),
        add: only(lambda x: x + dense(hidden, np.tanh)(x)),
        "pool": mean(),
        "logits": dense(made.out),
    }
    same = (None, WIDTH, UNITS)
    places = {"embed": same, "hidden": same, add: same, "pool": (None, UNITS), "out": (None, CLASSES)}
    return Kind(model, ids, ids, chain, places, site=add, detours={"hidden": "embed"},
                h5=keras.__name__ == "tf_keras")  # fmt: skip


@kind
def residual_subclassed(keras: ModuleType, folder: Path) -> Kind:
    made, ids = layers(keras), numbers()

    class Residual(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.embed, _, self.pool, self.out = made.all
            self.hidden = keras.layers.Dense(UNITS, "tanh", bias_initializer="normal")

        def call(self, inputs: Any) -> Any:
            x = self.embed(inputs)
            return self.out(self.pool(x + self.hidden(x)))

    model = Residual()
    chain = {
        "embed": embedding(made.embed),
        "pool:in": only(lambda x: x + dense(model.hidden, np.tanh)(x)),
        "pool": mean(),
        "logits": dense(made.out),
    }
    same = (None, WIDTH, UNITS)
    places = {"embed": same, "hidden": same, "pool": (None, UNITS), "out": (None, CLASSES)}
    return Kind(model, ids, ids, chain, places, site="pool:in", detours={"hidden": "embed"}, saved=False)


@kind
def attention_inside(keras: ModuleType, folder: Path) -> Kind:
    made, ids = layers(keras), numbers()
    attend = keras.layers.MultiHeadAttention(2, 3, name="attend", bias_initializer="normal")
    norm = keras.layers.LayerNormalization(name="norm", gamma_initializer="normal", beta_initializer="normal")
    inputs = keras.Input((WIDTH,), dtype="int32")
    x = made.embed(inputs)
    x = norm(keras.layers.Add(name="sum")([x, attend(x, x)]))
    model = keras.Model(inputs, made.out(made.pool(x)))
    chain = {
        "embed": embedding(made.embed),
        "norm": only(lambda x: normalized(norm)(x + attention(attend)(x))),
        "pool": mean(),
        "logits": dense(made.out),
    }
    same = (None, WIDTH, UNITS)
    places = dict.fromkeys(("embed", "attend", "sum", "norm"), same) | {"pool": (None, UNITS), "out": (None, CLASSES)}
    places |= {f"attend._{name}_dense": (None, WIDTH, 2, 3) for name in ("query", "key", "value")}
    places |= {"attend._output_dense": same}
    if keras.__name__ == "tf_keras":  # Keras 3 fuses them into one operation
        places |= dict.fromkeys(("attend._softmax", "attend._dropout_layer"), (None, 2, WIDTH, WIDTH))
    return Kind(model, ids, ids, chain, places, site="norm", detours={"attend": "embed"})


@kind
def mixed_precision(keras: ModuleType, folder: Path) -> Kind:
    made = classifier(keras, dtype="mixed_float16")
    made.tolerance = 4e-3
    return made


@kind
def used_before(keras: ModuleType, folder: Path) -> Kind:
    made = classifier(keras)
    made.model.compile("adam", "sparse_categorical_crossentropy")
    made.model.fit(made.inputs, np.arange(EXAMPLES) % CLASSES, epochs=1, verbose=0)
    made.model.predict(made.inputs, verbose=0)
    return made


def _loaded(keras: ModuleType, file: Path) -> Kind:
    made = classifier(keras)
    made.model.save(file)
    made.model = keras.models.load_model(file, compile=False)
    again = SimpleNamespace(**{name: made.model.get_layer(name) for name in ("embed", "hidden", "pool", "out")})
    made.chain = by_hand(again)
    return made


@kind
def loaded_keras_file(keras: ModuleType, folder: Path) -> Kind:
    return _loaded(keras, folder / f"{keras.__name__}.keras")


@kind
def loaded_h5_file(keras: ModuleType, folder: Path) -> Kind:
    return _loaded(keras, folder / f"{keras.__name__}.h5")


TEXTS = [
    "I loved this film!",
    "the main actor sucks",
    "Film",
    "loved the actor, loved the film; the film loved me (a lot)",
    "unheard words: the end",
    "this is it",
]
WORDS = ["the", "film", "loved", "actor", "i", "this", "main", "sucks", "a", "is", "end"]


def text_ids(texts: list[str] = TEXTS) -> np.ndarray:
    """What a TextVectorization layer over WORDS gives, by hand."""
    numbered = {word: i for i, word in enumerate(WORDS, 2)}
    rows = [[numbered.get(w, 1) for w in re.sub(r"[^\w\s]", "", text.lower()).split()] for text in texts]
    return np.array([row + [0] * (max(map(len, rows)) - len(row)) for row in rows], "int32")


def vectorizer(keras: ModuleType, **options: Any) -> Any:
    return keras.layers.TextVectorization(vocabulary=WORDS, name="words", **options)


@kind
def raw_strings(keras: ModuleType, folder: Path) -> Kind:
    made, ids = layers(keras, mask_zero=True), text_ids()
    inputs = keras.Input((1,), dtype="string")
    x = vectorizer(keras)(inputs)
    for layer in made.all:
        x = layer(x)
    model = keras.Model(inputs, x)
    places = shapes(None, words=(None, None)) | mask_operations(model)
    return Kind(model, TEXTS, ids, by_hand(made, ids != 0), places, cut="pool", mask=ids != 0,
                detours={"hidden": "a mask"})  # fmt: skip


@kind
def raw_strings_subclassed(keras: ModuleType, folder: Path) -> Kind:
    made, ids = layers(keras, mask_zero=True), text_ids()

    class Texts(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.words = vectorizer(keras)
            self.embed, self.hidden, self.pool, self.out = made.all

        def call(self, inputs: Any) -> Any:
            return self.out(self.pool(self.hidden(self.embed(self.words(inputs)))))

    places = shapes(None, words=(None, None))
    return Kind(Texts(), TEXTS, ids, by_hand(made, ids != 0), places, cut="pool", mask=ids != 0, saved=False,
                detours={"hidden": "a mask"})  # fmt: skip


@kind
def tf_data_input(keras: ModuleType, folder: Path) -> Kind:
    import tensorflow as tf

    made = classifier(keras)
    made.inputs = tf.data.Dataset.from_tensor_slices((made.inputs, np.zeros(EXAMPLES))).batch(4)
    return made


@kind
def eager_tensor_input(keras: ModuleType, folder: Path) -> Kind:
    import tensorflow as tf

    made = classifier(keras)
    made.inputs = tf.constant(made.inputs)
    return made


@kind
def activity_regularizer(keras: ModuleType, folder: Path) -> Kind:
    return classifier(keras, activity_regularizer="l2")


@kind
def masked_lstm(keras: ModuleType, folder: Path) -> Kind:
    made, ids = layers(keras, mask_zero=True), padded()
    recurrent = keras.layers.LSTM(3, return_sequences=True, name="lstm")
    last = keras.layers.LSTM(5, name="last")
    made.all[1:3] = [recurrent, last]
    mask, model = ids != 0, graph(keras, made)
    chain = {
        "embed": embedding(made.embed),
        "lstm": only(lstm(recurrent, mask)),
        "last": lstm(last, mask, sequences=False),
        "logits": dense(made.out),
    }
    places = {"embed": (None, WIDTH, UNITS), "lstm": (None, WIDTH, 3), "last": (None, 5), "out": (None, CLASSES)}
    return Kind(model, ids, ids, chain, places | mask_operations(model), site="lstm", cut="last", mask=mask,
                detours={"lstm": "a mask"}, h5=keras.__name__ == "tf_keras")  # fmt: skip


@kind
def padding_that_matters(keras: ModuleType, folder: Path) -> Kind:
    """Zeros are looked up and averaged like words: nothing says that they are padding."""
    made = classifier(keras)
    made.inputs = made.given = padded()
    return made
