"""The mechanism and its traps: the model is as before, caches stay out, threads, strings, autograph, quantized layers."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki
from kerasintrospect.taps import LOCK

FAMILIES = ("keras", "tf_keras")


def stack(keras: ModuleType, *middle: Any, out: str | None = "softmax") -> Any:
    """Four floats, the layers, three classes."""
    x = inputs = keras.Input((zoo.UNITS,))
    for layer in middle:
        x = layer(x)
    return keras.Model(inputs, keras.layers.Dense(zoo.CLASSES, out, name="out")(x))


class Wrong(Exception):
    """What an edit of a user may raise."""


def wrong(tensor: Any) -> Any:
    raise Wrong("inside an edit")


# The model is as before


@pytest.fixture(scope="module")
def busy() -> dict[str, Any]:
    """Per family a trained model with everything that has a state: dropout, batch statistics, losses, an optimizer."""
    import importlib

    made = {}
    for family in FAMILIES:
        keras = importlib.import_module(family)
        keras.utils.set_random_seed(1)
        ids = zoo.numbers()
        x = inputs = keras.Input((zoo.WIDTH,), dtype="int32")
        x = keras.layers.Embedding(zoo.VOCABULARY, zoo.UNITS, name="embed")(x)
        x = keras.layers.Dropout(0.5, name="drop")(x)
        x = keras.layers.Dense(5, "tanh", activity_regularizer="l2", kernel_regularizer="l2", name="hidden")(x)
        x = keras.layers.BatchNormalization(name="norm")(x)
        x = keras.layers.GlobalAveragePooling1D(name="pool")(x)
        model = keras.Model(inputs, keras.layers.Dense(zoo.CLASSES, "softmax", name="out")(x))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(ids, np.arange(len(ids)) % zoo.CLASSES, epochs=2, verbose=0)
        model.predict(ids, verbose=0)
        made[family] = (model, ki.wrap(model), ids)
        made[family][1].sites()
    return made


def values(model: Any) -> list[np.ndarray]:
    """Weights, optimizer state, metrics and the states of seed generators."""
    optimizer = model.optimizer.variables
    found = [*model.variables, *(optimizer() if callable(optimizer) else optimizer)]
    found += [v for metric in model.metrics for v in metric.variables]
    return [np.array(v) for v in found]


def attributes(model: Any) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Every attribute of every layer; of containers what they hold, since they are changed in place."""
    found = {}
    for k, layer in enumerate([model, *model._flatten_layers(include_self=False)]):
        for name, value in vars(layer).items():
            held = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple | set) else ()
            found[f"{k} {layer.name}", name] = (value, *held)
    return found


def surroundings(keras: ModuleType) -> tuple[Any, ...]:
    """Global state that is none of ours."""
    import tensorflow as tf

    backend = keras.config if hasattr(keras, "config") else keras.backend
    policy = keras.config.dtype_policy() if hasattr(keras, "config") else keras.mixed_precision.global_policy()
    learning = np.random.get_state()  # noqa: NPY002
    generator = tf.random.get_global_generator().state.numpy().tolist()
    return backend.floatx(), policy.name, random.getstate(), learning[2], learning[1].tolist(), generator


def calls(lens: Any, inputs: Any, cut: str) -> Iterator[Any]:
    yield lens.sites
    yield lambda: lens.predict(inputs)
    yield lambda: lens.predict(inputs, edits={cut: lambda x: x * 2})
    yield lambda: lens.activations(inputs, [cut, "embed", "hidden:in"], pool="mean")
    for method in ("integrated_gradients", "smoothgrad", "norm_change", "occlusion"):
        yield lambda method=method: lens.attribute(inputs, method)
    yield lambda: lens.neighbors(inputs).query(inputs, k=2)
    yield lambda: lens.truncate("hidden")
    yield lambda: lens.tail(cut)(lens.activations(inputs, cut)[cut])
    yield lambda: pytest.raises(Wrong, lens.predict, inputs, edits={"hidden": wrong})
    yield lambda: pytest.raises(Wrong, lens.attribute, inputs, target=wrong)
    yield lambda: pytest.raises(ki.InputError, lens.predict, inputs, edits={"hidden": lambda x: x[..., :2]})


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_is_as_before_after_every_call(busy, family):
    model, lens, ids = busy[family]
    keras = sys.modules[family]
    before = attributes(model), values(model), surroundings(keras), list(model.losses)
    for i, call in enumerate(calls(lens, ids, "pool")):
        call()
        now = attributes(model)
        assert now.keys() == before[0].keys(), i
        for key, held in before[0].items():
            assert len(held) == len(now[key]) and all(map(same, held, now[key])), (i, key)
        assert all(map(np.array_equal, values(model), before[1])), i
        assert surroundings(keras) == before[2], i
        assert len(model.losses) == len(before[3]), i


def same(a: Any, b: Any) -> bool:
    """The very same object; small values are made anew by properties."""
    return a is b or (isinstance(a, bool | int | float | str | tuple) and a == b)


@pytest.mark.parametrize("kind", ["subclassed", "raw_strings_subclassed", "masked_lstm", "nested", "activity_regularizer"])
@pytest.mark.parametrize("family", FAMILIES)
def test_no_layer_keeps_anything_of_a_call(case, kind, family):
    import tensorflow as tf

    made, lens = case(kind, family)
    strings = made.inputs is zoo.TEXTS
    made.model(tf.constant(made.inputs) if strings else made.inputs)  # the family's own first call sets attributes
    before = attributes(made.model)
    lens.predict(made.inputs, edits={made.site: lambda x: x * 2})
    lens.attribute(made.inputs, "saliency")
    with pytest.raises(Wrong):
        lens.predict(made.inputs, edits={made.site: wrong})
    now = attributes(made.model)
    assert now.keys() == before.keys()
    assert [key for key in now if len(now[key]) != len(before[key]) or not all(map(same, before[key], now[key]))] == []


def test_after_an_exception_the_lock_is_free(busy):
    _, lens, ids = busy["keras"]
    with pytest.raises(Wrong):
        lens.predict(ids, edits={"hidden": wrong})
    taken = []
    thread = threading.Thread(target=lambda: taken.append(LOCK.acquire(timeout=5)) or LOCK.release())
    thread.start()
    thread.join()
    assert taken == [True]


@pytest.mark.parametrize("family", FAMILIES)
def test_training_is_always_off(busy, family):
    model, lens, ids = busy[family]
    assert np.allclose(lens.predict(ids).scores, model(ids, training=False), atol=1e-6)
    assert np.allclose(lens.activations(ids, "drop")["drop"], lens.activations(ids, "embed")["embed"])


def test_a_stateful_layer_starts_anew_and_keeps_its_state(keras):
    inputs = keras.Input(batch_shape=(2, zoo.WIDTH, zoo.UNITS))
    lstm = keras.layers.LSTM(3, stateful=True, name="lstm")
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(lstm(inputs)))
    given = np.random.default_rng(0).normal(size=(2, zoo.WIDTH, zoo.UNITS)).astype("float32")
    fresh, lens = model(given).numpy(), ki.wrap(model)
    states = [np.array(state) for state in lstm.states]
    assert np.abs(states).max() > 0
    for _ in range(2):
        assert np.allclose(lens.predict(given).scores, fresh, atol=1e-6)
    assert all(map(np.array_equal, lstm.states, states)) and lstm.stateful


# Graphs that predict and fit have cached


@pytest.mark.parametrize("family", FAMILIES)
def test_predict_and_lens_do_not_see_each_other(busy, family):
    model, lens, ids = busy[family]
    plain = model.predict(ids, verbose=0)
    edited = lens.predict(ids, edits={"pool": 0.0}).scores
    assert not np.allclose(edited, plain, atol=1e-3)
    assert np.array_equal(model.predict(ids, verbose=0), plain)
    assert np.allclose(lens.predict(ids).scores, plain, atol=1e-6)
    model.predict_function = None  # traced anew, after the edit
    assert np.allclose(model.predict(ids, verbose=0), plain, atol=1e-6)


def test_nothing_is_warned_about_the_structure_of_the_inputs(case):
    kind, _ = case("functional", "keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lens = ki.wrap(kind.model)
        lens.predict(kind.inputs)
        lens.attribute(kind.inputs, "saliency")


# Strings and XLA


XLA = """
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import importlib, sys
sys.path.insert(0, {tests!r})
import tensorflow as tf, zoo
import kerasintrospect as ki
tf.function(lambda x: x + 1, jit_compile=True)(tf.constant(1.0))  # the next one with strings aborts the interpreter
for name, family in (("raw_strings", "keras"), ("raw_strings_subclassed", "tf_keras")):
    kind = zoo.KINDS[name](importlib.import_module(family), None)
    lens = ki.wrap(kind.model, jit_compile=True)
    lens.predict(kind.inputs)
    lens.activations(kind.inputs, kind.site, pool="mean")
    lens.attribute(kind.inputs, "saliency")
    lens.neighbors(kind.inputs).query(kind.inputs)
    lens.truncate(kind.site).predict(tf.constant(kind.inputs)[:, None], verbose=0)
sys.stdout.write("alive")
"""


def test_strings_are_never_compiled_by_xla():
    code = XLA.format(tests=str(Path(zoo.__file__).parent))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout[-5:]) == (0, "alive"), done.stderr[-2000:]


# Autograph


def branching(keras: ModuleType) -> Any:
    import tensorflow as tf

    class Branching(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            if tf.reduce_sum(inputs) > 0:
                return inputs * 2.0
            return inputs

    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.branch, self.out = Branching(name="branch"), keras.layers.Dense(3, name="out")

        def call(self, inputs: Any) -> Any:
            return self.out(self.branch(inputs))

    return Model()


def test_tf_keras_converts_python_branches_of_the_users_layers():
    import tf_keras

    model, x = branching(tf_keras), zoo.floats()
    lens = ki.wrap(model, class_names=["a", "b", "c"])
    for sign in (1, -1):
        given = np.abs(x) * sign
        assert np.allclose(lens.activations(given, "branch")["branch"], given * (2 if sign > 0 else 1))
        assert np.allclose(lens.activations(given, "out:in")["out:in"], given * (2 if sign > 0 else 1))
        gradient = lens.attribute(given, "input_x_gradient", target=0, site=":in").scores
        expected = given * (2 if sign > 0 else 1) * np.asarray(model.out.kernel)[:, 0]
        assert np.allclose(gradient, expected, atol=1e-5)


def test_keras_3_converts_none():
    import keras

    lens = ki.wrap(branching(keras))
    with pytest.raises(Exception, match="symbolic|Python bool|autograph|Python `bool`"):
        lens.predict(zoo.floats())


# What cannot be reached says why


def fused(keras: ModuleType) -> tuple[Any, list[tuple[str, str]]]:
    x = inputs = keras.Input((zoo.WIDTH, zoo.UNITS))
    x = keras.layers.LSTM(3, return_sequences=True, name="lstm")(x)
    x = keras.layers.RNN(keras.layers.GRUCell(3), return_sequences=True, name="rnn")(x)
    x = keras.layers.MultiHeadAttention(2, 3, name="attend")(x, x)
    x = keras.layers.GlobalAveragePooling1D(name="pool")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="out")(x))
    cells = [("lstm.cell", "runs inside a loop"), ("rnn.cell", "runs inside a loop")]
    return model, cells + [("attend._softmax", "fused into the layer around it")] * (keras.__name__ == "keras")


def test_cells_and_fused_operations_are_listed_with_a_reason(keras):
    model, expected = fused(keras)
    lens = ki.wrap(model)
    table, x = lens.sites(), np.zeros((2, zoo.WIDTH, zoo.UNITS), "float32")
    for path, reason in expected:
        assert reason in table[path].reason and reason in str(table.to_frame().set_index("address").loc[path, "note"])
        for ask in (lens.activations, lambda x, path: lens.attribute(x, site=path)):
            with pytest.raises(ki.SiteError, match=f"Nothing can be read at '{re.escape(path)}': .*{reason}"):
                ask(x, path)
        with pytest.raises(ki.SiteError, match=reason):
            lens.truncate(path)


def test_a_layer_that_was_traced_before_is_never_reached(keras):
    import tensorflow as tf

    class Compiled(keras.layers.Layer):
        def __init__(self, inner: Any) -> None:
            super().__init__(name="compiled")
            self.inner = inner

        def build(self, shape: Any) -> None:
            self.inner.build(shape)

        @tf.function
        def call(self, inputs: Any) -> Any:
            return self.inner(inputs)

    model, x = stack(keras, Compiled(keras.layers.Dense(4, name="inner"))), zoo.floats()
    lens = ki.wrap(model)
    assert np.allclose(lens.predict(x).scores, model(x), atol=1e-6)
    assert np.allclose(lens.activations(x, "compiled")["compiled"], model.get_layer("compiled")(x), atol=1e-6)
    with pytest.raises(ki.SiteError, match="inside a loop or a branch|never comes by|never came by"):
        lens.activations(x, "inner")


def test_tensors_of_an_inner_graph_do_not_leak_into_an_eager_call(keras):
    import tensorflow as tf

    from kerasintrospect.sites import Site
    from kerasintrospect.taps import Taps

    inner = keras.layers.Dense(4, name="inner")
    inner.build((None, zoo.UNITS))
    with pytest.raises(ki.UnreachedSiteError, match="never came by inner"):
        with Taps({"inner": inner}, [Site("inner")]):
            tf.function(lambda x: inner(x), autograph=False)(zoo.floats())


def test_a_site_that_is_never_reached_raises():
    import keras

    from kerasintrospect.sites import Site
    from kerasintrospect.taps import Taps

    model = stack(keras, keras.layers.Dense(4, name="hidden"))
    layers = {"": model, "hidden": model.get_layer("hidden"), "stray": keras.layers.Dense(2)}
    with pytest.raises(ki.UnreachedSiteError, match="never came by stray, hidden#3. Likely .* tf.function"):
        with Taps(layers, [Site("stray"), Site("hidden", 3)]):
            model(zoo.floats())
    assert "call" not in vars(layers["hidden"])
    with pytest.raises(Wrong):  # the first cause is told, not its consequence
        with Taps(layers, [Site("stray")]):
            raise Wrong


# Other ways to run a layer


def test_an_int8_layer_is_tapped():
    import keras

    model = stack(keras, keras.layers.Dense(8, "tanh", name="hidden"))
    model.quantize("int8")
    hidden, x = model.get_layer("hidden"), zoo.floats()
    lens = ki.wrap(model)
    assert np.allclose(lens.activations(x, "hidden")["hidden"], hidden(x), atol=1e-6)
    zeroed = lens.predict(x, edits={"hidden": 0.0}).scores
    assert np.allclose(zeroed, model.get_layer("out")(np.zeros((len(x), 8), "float32")), atol=1e-6)
    assert "quantized_call" not in vars(hidden) and "call" not in vars(hidden)


def test_rematerialised_layers_give_gradients():
    import keras

    with keras.RematScope(mode="full"):
        hidden = keras.layers.Dense(5, "tanh", name="hidden")
        model = stack(keras, hidden, out=None)
    mode = hidden._remat_mode
    x = zoo.floats()
    found = ki.wrap(model, class_names=["a", "b", "c"]).attribute(x, "input_x_gradient", target=1, site="hidden").scores
    expected = np.tanh(x @ np.array(hidden.kernel) + np.array(hidden.bias)) * np.array(model.get_layer("out").kernel)[:, 1]
    assert np.allclose(found, expected, atol=1e-5)
    assert mode is not None and hidden._remat_mode is mode


def test_the_backward_layer_runs_in_reversed_time(case):
    for family in FAMILIES:
        kind, lens = case("bidirectional_lstm", family)
        found = lens.activations(kind.inputs, ["both", "both.backward_layer"])
        assert np.allclose(found["both.backward_layer"][:, ::-1], found["both"][..., 3:], atol=1e-6)


def test_several_tensors_of_one_layer_have_indices(keras):
    x = inputs = keras.Input((zoo.WIDTH, zoo.UNITS))
    x, h, c = keras.layers.LSTM(3, return_sequences=True, return_state=True, name="lstm")(x)
    merged = keras.layers.Concatenate(name="merged")([h, c])
    model = keras.Model(inputs, keras.layers.Dense(3, name="out")(merged))
    given = np.random.default_rng(0).normal(size=(2, zoo.WIDTH, zoo.UNITS)).astype("float32")
    lens = ki.wrap(model)
    found = lens.activations(given, ["lstm", "lstm:out[1]", "lstm:out[2]", "merged:in[1]"])
    whole, h, c = model.get_layer("lstm")(given)
    for site, expected in (("lstm", whole), ("lstm:out[1]", h), ("lstm:out[2]", c), ("merged:in[1]", c)):
        assert np.allclose(found[site], expected, atol=1e-6)
    zeroed = lens.predict(given, edits={"lstm:out[2]": 0.0}).scores
    assert np.allclose(zeroed, model.get_layer("out")(np.concatenate([h, np.zeros_like(c)], -1)), atol=1e-6)


# Edits


@pytest.mark.parametrize("family", FAMILIES)
def test_an_edit_takes_the_place_of_the_activation(case, family):
    kind, lens = case("shared_layer", family)
    first = kind.at("shared#0")
    planted = np.linspace(-1, 1, first[0].size).reshape(first.shape[1:]).astype("float32")
    for edit, expected in (
        (lambda x: x * 0.5, first * 0.5),
        (0.25, np.full_like(first, 0.25)),
        (planted, np.broadcast_to(planted, first.shape)),
    ):
        found = lens.predict(kind.inputs, edits={"shared#0": edit}).scores
        assert np.allclose(found, zoo.softmax(kind.after("shared#0", expected)), atol=1e-5)
    second = lens.predict(kind.inputs, edits={"shared#1": 0.0}).scores
    assert np.allclose(second, zoo.softmax(kind.after("shared#1", np.zeros_like(first))), atol=1e-5)
    into = lens.predict(kind.inputs, edits={"shared#1:in": lambda x: x * 0.5, "out:in": lambda x: x + 1}).scores
    pooled = zoo.mean()(kind.chain["shared#1"](first * 0.5)) + 1
    assert np.allclose(into, zoo.softmax(kind.chain["logits"](pooled)), atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_edit_keeps_shape_and_dtype(case, family):
    kind, lens = case("mixed_precision", family)
    found = lens.predict(kind.inputs, edits={"hidden": lambda x: x + np.float16(0) if x.dtype == "float16" else wrong(x)})
    assert np.allclose(found.scores, zoo.softmax(kind.at("logits")), atol=kind.tolerance)
    with pytest.raises(ki.InputError, match=r"hidden has shape \(None, 7, 5\)\. Received: .*\(None, 7, 2\)"):
        lens.predict(kind.inputs, edits={"hidden": lambda x: x[..., :2]})


# Threads


def test_threads_share_a_lens_and_the_plain_model(busy):
    model, lens, ids = busy["keras"]
    plain, hidden = model(ids, training=False).numpy(), lens.activations(ids, "hidden")["hidden"]
    halved = lens.predict(ids, edits={"pool": lambda x: x / 2}).scores
    faults: list[str] = []

    def check(name: str, run: Any, expected: np.ndarray) -> None:
        for _ in range(15):
            try:
                if not np.allclose(run(), expected, atol=1e-5):
                    faults.append(name)
            except Exception as error:  # noqa: BLE001 - a thread's exception would be lost
                faults.append(f"{name}: {error!r}")

    jobs = [
        ("edited", lambda: lens.predict(ids, edits={"pool": lambda x: x / 2}).scores, halved),  # traced anew each time
        ("read", lambda: lens.activations(ids, "hidden")["hidden"], hidden),
        ("plain", lambda: model(ids, training=False), plain),
        ("other lens", lambda: ki.wrap(model).predict(ids).scores, plain),
    ]
    threads = [threading.Thread(target=check, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_another_thread_sees_the_plain_layer():
    import keras

    from kerasintrospect.sites import Site
    from kerasintrospect.taps import Taps

    model, x, found = stack(keras, keras.layers.Dense(4, name="hidden")), zoo.floats(), []
    plain = model(x).numpy()
    with Taps({"hidden": model.get_layer("hidden")}, edits={Site("hidden"): lambda h: h * 0}):
        thread = threading.Thread(target=lambda: found.append(model(x).numpy()))
        thread.start()
        thread.join()
        assert not np.allclose(model(x), plain, atol=1e-3)
    assert np.array_equal(found[0], plain)


# Families


def test_both_families_run_in_one_process(case):
    ours, theirs = case("functional", "keras"), case("functional", "tf_keras")
    for kind, lens in (ours, theirs, ours, theirs):
        assert np.allclose(lens.predict(kind.inputs).scores, zoo.softmax(kind.at("logits")), atol=1e-5)
    assert (ours.lens.family, theirs.lens.family) == FAMILIES


def test_the_ambiguous_name_of_the_families_is_never_used():
    package = Path(ki.__file__).parent
    uses = re.compile(r"\btf\.keras\b|\btensorflow\.keras\b|from tensorflow import .*\bkeras\b")
    assert [path.name for path in package.rglob("*.py") if uses.search(path.read_text())] == []
    assert uses.search("x = tf.keras.Model") and uses.search("from tensorflow import keras")
