"""Small models of every shape that influence reads, and their gradients one example at a time."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

import kerasintrospect as ki

N = 7


def _ids(rng: Any) -> np.ndarray:
    ids = rng.integers(1, 20, (N, 9))
    return np.where(np.arange(9) < rng.integers(1, 10, (N, 1)), ids, 0).astype("int32")


def _classes(rng: Any, n: int = 3) -> np.ndarray:
    return rng.integers(0, n, (N, 1)).astype("int32")


def _ready(model: Any) -> Any:
    rng = np.random.default_rng(5)
    for weight in model.weights:
        if "float" in str(weight.dtype):
            weight.assign(rng.normal(size=tuple(weight.shape)) * 0.7)
    return model


def relu(family: str) -> Any:
    """Functional, with two hidden layers, one without bias."""
    keras, rng = importlib.import_module(family), np.random.default_rng(0)
    given = keras.Input((4,))
    h = keras.layers.Dense(6, activation="relu", name="first")(given)
    h = keras.layers.Dense(5, activation="gelu", use_bias=False, name="second")(h)
    model = _ready(keras.Model(given, keras.layers.Dense(3, activation="softmax", name="classes")(h)))
    forms = dict.fromkeys(["first", "second", "classes"], "outer")
    return model, rng.normal(size=(N, 4)).astype("float32"), _classes(rng), forms


def pooled(family: str) -> Any:
    """Sequential: embedding with masked padding, mean, Dense with a softmax layer behind it."""
    keras, rng = importlib.import_module(family), np.random.default_rng(1)
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((None,), dtype="int32"), layers.Embedding(20, 6, mask_zero=True, name="table"),
        layers.GlobalAveragePooling1D(), layers.Dense(3, name="classes"), layers.Activation("softmax"),
    ])  # fmt: skip
    return _ready(model), _ids(rng), _classes(rng), {"table": "rows", "classes": "outer"}


def subclassed(family: str) -> Any:
    """Subclassed, one sigmoid; Keras names no layer in it, so addresses are attributes."""
    keras, rng = importlib.import_module(family), np.random.default_rng(2)

    class Net(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.table = keras.layers.Embedding(20, 4)
            self.hidden = [keras.layers.Dense(5, activation="tanh")]
            self.head = keras.layers.Dense(1, activation="sigmoid")

        def call(self, ids: Any) -> Any:
            import tensorflow as tf

            return self.head(self.hidden[0](tf.reduce_sum(self.table(ids), 1)))

    model, x = Net(), _ids(rng)
    model(x)
    return _ready(model), x, _classes(rng, 2), {"table": "rows", "hidden[0]": "outer", "head": "outer"}


def shared(family: str) -> Any:
    """One layer called three times, one of them on tokens; a regression."""
    keras, rng = importlib.import_module(family), np.random.default_rng(3)
    given = keras.Input((3, 5))
    layer = keras.layers.Dense(5, activation="tanh", name="shared")
    h = layer(layer(keras.layers.GlobalAveragePooling1D()(layer(given))))
    model = _ready(keras.Model(given, keras.layers.Dense(1, name="number")(h)))
    y = rng.normal(size=(N, 1)).astype("float32")
    return model, rng.normal(size=(N, 3, 5)).astype("float32"), y, {"shared": "whole", "number": "outer"}


def tokens(family: str) -> Any:
    """Dense layers on every token, a small one and a large one, and several labels per text."""
    keras, rng = importlib.import_module(family), np.random.default_rng(4)
    given = keras.Input((None,), dtype="int32")
    h = keras.layers.Embedding(20, 4, mask_zero=True, name="table")(given)
    h = keras.layers.Dense(300, activation="relu", name="small")(h)
    h = keras.layers.Dense(300, activation="tanh", name="large")(h)
    h = keras.layers.GlobalAveragePooling1D()(h)
    model = _ready(keras.Model(given, keras.layers.Dense(3, activation="sigmoid", name="classes")(h)))
    forms = {"table": "rows", "small": "whole", "large": "tokens", "classes": "outer"}
    return model, _ids(rng), rng.integers(0, 2, (N, 3)).astype("float32"), forms


def attention(family: str) -> Any:
    """The einsum layers in multi-head attention, and two numbers per example."""
    keras, rng = importlib.import_module(family), np.random.default_rng(6)
    given = keras.Input((3, 4))
    h = keras.layers.MultiHeadAttention(2, 3, name="mha")(given, given)
    h = keras.layers.EinsumDense("abc,cd->abd", (3, 5), bias_axes="d", activation="relu", name="einsum")(h)
    h = keras.layers.Flatten()(h)
    model = _ready(keras.Model(given, keras.layers.Dense(2, name="numbers")(h)))
    inner = {f"mha._{name}_dense": "whole" for name in ("query", "key", "value", "output")}
    forms = {**inner, "einsum": "whole", "numbers": "outer"}
    return model, rng.normal(size=(N, 3, 4)).astype("float32"), rng.normal(size=(N, 2)).astype("float32"), forms


MODELS = {f.__name__: f for f in (relu, pooled, subclassed, shared, tokens, attention)}


def lens_of(model: Any, x: np.ndarray, name: str, **options: Any) -> Any:
    lens = ki.wrap(model, batch_size=4, **options)  # several chunks
    lens.sites(x)
    return lens


def tape_gradients(lens: Any, x: np.ndarray, targets: np.ndarray, parts: Any) -> dict[str, np.ndarray]:
    """path -> (n, weights), from a tape over the model itself, one example at a time."""
    import tensorflow as tf

    output, model = lens._find_output(), lens.model
    layers = {part.path: lens._runner.tracer.layers[part.path].trainable_weights for part in parts}
    variables = [getattr(weight, "value", weight) if lens.family == "keras" else weight
                 for weights in layers.values() for weight in weights]  # fmt: skip
    rows = []
    for i in range(len(x)):
        with tf.GradientTape() as tape:
            loss = _loss(tf, output.kind, model(x[i : i + 1], training=False)[0], targets[i])
        found = [tf.convert_to_tensor(g).numpy().ravel() for g in tape.gradient(loss, variables)]
        rows.append(iter(found))
    return {path: np.stack([np.concatenate([next(row) for _ in weights]) for row in rows])
            for path, weights in layers.items()}  # fmt: skip


def _loss(tf: Any, kind: str, y: Any, target: np.ndarray) -> Any:
    if kind == "softmax":
        return -tf.math.log(y[int(target[0])])
    if kind == "raw":
        return tf.reduce_mean((y - target) ** 2)
    return -tf.reduce_mean(tf.math.log(tf.where(target == 1, y, 1 - y)))
