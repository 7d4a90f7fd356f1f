"""XLA gives the same numbers, is asked only where it pays, and never sees loops or strings."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import kerasintrospect as ki
from kerasintrospect import jit

TEXTS = ["good good film", "a bad film", "the worst", "what a good day it was for a film"]


def on_strings(keras: ModuleType, recurrent: bool) -> Any:
    keras.utils.set_random_seed(1)
    vectorize = keras.layers.TextVectorization(output_sequence_length=10)
    vectorize.adapt(TEXTS)
    text = keras.Input((1,), dtype="string")
    h = keras.layers.Embedding(30, 6, mask_zero=recurrent)(vectorize(text))
    h = keras.layers.LSTM(5)(h) if recurrent else keras.layers.GlobalMaxPooling1D()(keras.layers.Dense(5, "gelu")(h))
    return keras.Model(text, keras.layers.Dense(2, activation="softmax")(h))


def compiled(lens: Any) -> list[bool]:
    return [bool(function._fused) for function in lens._runner.tracer._functions.values()]


def test_xla_gives_the_same_numbers_on_a_string_model_without_its_strings(keras: ModuleType) -> None:
    model = on_strings(keras, recurrent=False)
    plain, fused = ki.wrap(model, jit_compile=False), ki.wrap(model, jit_compile=True)
    for method in ("integrated_gradients", "saliency"):
        expected, found = (lens.attribute(TEXTS, method, target=1).scores for lens in (plain, fused))
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert any(compiled(fused)) and not any(compiled(plain))


def test_loops_and_strings_are_never_compiled(keras: ModuleType) -> None:
    lens = ki.wrap(on_strings(keras, recurrent=True), jit_compile=True)
    lens.attribute(TEXTS, target=1)
    by_site = [f for key, f in lens._runner.tracer._functions.items() if key[0][0] in ("products", "front")]
    assert len(by_site) == 2 and not any(f._fused or f._compiles for f in by_site)


def test_auto_waits_until_a_shape_has_cost_enough(keras: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    x = keras.Input((4,))
    lens = ki.wrap(keras.Model(x, keras.layers.Dense(2)(x)))
    lens.predict(np.ones((3, 4)))
    lens.predict(np.ones((3, 4)))
    assert compiled(lens) == [False]
    monkeypatch.setattr(jit, "_WORTH", -1.0)
    expected = np.asarray(lens.model(np.ones((3, 4))))
    np.testing.assert_allclose(lens.predict(np.ones((3, 4))).scores, expected, atol=1e-6)
    assert compiled(lens) == [True]
    with pytest.raises(ki.InputError, match="jit_compile is 'auto', True or False"):
        ki.wrap(lens.model, jit_compile="yes")


def test_a_stateful_loop_behind_the_site_is_not_run(keras: ModuleType) -> None:
    model = on_strings(keras, recurrent=True)
    lens = ki.wrap(model)
    site = next(row.path for row in lens.sites() if row.class_name == "Embedding")
    found = lens.activations(TEXTS, site)[site]
    assert found.shape[:1] == (len(TEXTS),)
    loops = {key[0][0]: [op.type for op in function._plain.graph.get_operations() if "While" in op.type]
             for key, function in lens._runner.tracer._functions.items() if hasattr(function._plain, "graph")}  # fmt: skip
    assert loops["forward"] == []


def test_assertions_of_the_user_are_kept(keras: ModuleType) -> None:
    import tensorflow as tf

    class Checked(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            tf.debugging.assert_less(x, 10.0, message="too large")
            return x

    x = keras.Input((None, 4))
    h = keras.layers.LSTM(3)(Checked(name="checked")(x))
    lens = ki.wrap(keras.Model(x, keras.layers.Dense(2)(h)))
    lens.activations(np.ones((2, 3, 4)), "checked")
    with pytest.raises(tf.errors.InvalidArgumentError, match="too large"):
        lens.activations(np.full((2, 3, 4), 11.0), "checked")
