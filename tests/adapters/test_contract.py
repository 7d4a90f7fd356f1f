"""The contract of adapters, held by every registered member."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki
from kerasintrospect.adapters.base import Adapter, adapt, adapters

FAMILIES = ("keras", "tf_keras")


def models(family: str) -> list[tuple[Any, Any]]:
    """(what the adapter claims, inputs): functional, Sequential, subclassed."""
    keras = importlib.import_module(family)
    made = [zoo.KINDS[kind](keras, Path()) for kind in ("functional", "sequential", "subclassed")]
    for kind in made:
        kind.model(kind.inputs)
    return [(kind.model, kind.inputs) for kind in made]


def hugging_face(family: str) -> list[tuple[Any, Any]]:
    from adapters.test_hf_tf import build

    ids = np.array([[2, 5, 6, 3], [2, 7, 3, 0]])
    return [(build("DistilBert"), {"input_ids": ids, "attention_mask": (ids != 0).astype(int)})]


def autokeras(family: str) -> list[tuple[Any, Any]]:
    from adapters.test_autokeras import NEW, fitted, folder

    inputs = fitted().tuner.get_best_pipeline().transform_x(np.array(NEW))
    return [(fitted(), inputs), (folder(), inputs)]


def keras_hub(family: str) -> list[tuple[Any, Any]]:
    from adapters.test_keras_hub import arrays, build

    model = build(layers=1)
    return [(model, arrays(model))]


def ktrain(family: str) -> list[tuple[Any, Any]]:
    model, inputs = models(family)[0]
    model.compile("adam", "categorical_crossentropy")
    wanted = np.asarray(model(inputs))
    return [(importlib.import_module("ktrain").get_learner(model, train_data=(inputs, wanted)), inputs)]


def black_box(family: str) -> list[tuple[Any, Any]]:
    return [(lambda x, training=False: np.tanh(x), zoo.floats())]


MEMBERS: dict[str, Callable[[str], list[tuple[Any, Any]]]] = {
    "autokeras": autokeras, "black_box": black_box, "hf_tf": hugging_face, "keras_hub": keras_hub, "keras_model": models,
    "ktrain": ktrain,
}  # fmt: skip
PAIRS = [("autokeras", "keras"), ("black_box", "tensorflow"), ("hf_tf", "tf_keras"), ("keras_hub", "keras"),
         ("keras_model", "keras"), ("keras_model", "tf_keras"), ("ktrain", "tf_keras")]  # fmt: skip


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def made(request: pytest.FixtureRequest) -> tuple[str, str, list[tuple[Any, Any]]]:
    name, family = request.param
    return name, family, MEMBERS[name](family)


def test_every_member_is_held_to_the_contract():
    assert sorted(MEMBERS) == adapters.names()


def test_the_nearest_adapter_takes_a_model(made):
    name, _, claimed = made
    for model, _ in claimed:
        claims = [adapters.get(other) for other in adapters.names() if adapters.get(other).claims(model)]
        assert adapters.get(name) in claims and type(adapt(model)) is adapters.get(name)
        assert all(other.priority < adapters.get(name).priority for other in claims if other is not adapters.get(name))


@pytest.mark.parametrize("thing", [None, 3, "model.keras", print, object, {"model": 1}, np.zeros(3)], ids=repr)
def test_nothing_else_is_claimed(thing):
    for name in adapters.names():
        assert not adapters.get(name).claims(thing)
    says = rf"a Keras 3 or tf_keras Model .* Received: an object of type {type(thing).__module__}.{type(thing).__qualname__}"
    with pytest.raises(ki.InputTypeError, match=says):
        ki.wrap(thing)


def test_the_parts_fit_together(made):
    import tensorflow as tf

    _, family, claimed = made
    for model, inputs in claimed:
        adapter = adapt(model)
        assert isinstance(adapter, Adapter) and adapter.family == family and adapter.module is sys.modules[family]
        assert adapter.kind in ("functional", "sequential", "subclassed", "black box")
        paths = [path for path, _ in adapter.walk()]
        assert paths[0] == "" and len(set(paths)) == len(paths) > (adapter.kind != "black box")
        signature = adapter.signature()
        if signature is not None:
            assert all(isinstance(spec, tf.TensorSpec) and spec.shape[0] is None for spec in tf.nest.flatten(signature))
        names = adapter.input_names()
        assert not names or len(names) == len(tf.nest.flatten(signature))
        inputs = tf.nest.map_structure(tf.constant, inputs)
        expected = adapter.model(inputs, training=False)
        assert np.allclose(adapter.call(inputs), getattr(expected, "logits", expected))
        assert adapter.logits() in (None, "softmax", "sigmoid")
        tables = [path for path, layer in adapter.walk() if adapter.looks_up(layer)]
        assert all("embed" in path.lower() or path.endswith("wte") for path in tables)


def test_a_walk_changes_nothing_and_repeats(made):
    for model, _ in made[2]:
        adapter = adapt(model)
        first, second = list(adapter.walk()), list(adapter.walk())
        assert [(path, id(layer)) for path, layer in first] == [(path, id(layer)) for path, layer in second]


def test_loading_another_kind_of_file_is_none(tmp_path: Path):
    other = tmp_path / "notes.txt"
    other.write_text("no model")
    for name in adapters.names():
        assert adapters.get(name).load(other) is None


def test_importing_a_member_imports_no_framework():
    modules = [f"kerasintrospect.adapters.{name}" for name in MEMBERS]
    code = f"import sys, {', '.join(modules)}; assert not {{'tensorflow', 'keras', 'tf_keras'}} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
