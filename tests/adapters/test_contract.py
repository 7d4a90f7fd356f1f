"""The contract of an adapter, for every registered one; and model files, which are never run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest

import kerasintrospect as ki
from kerasintrospect.adapters.base import Adapter, adapt, adapters

X = np.random.default_rng(0).normal(size=(3, 4)).astype("f")


def small(keras: ModuleType, *more: Any) -> Any:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="first"), *more, keras.layers.Dense(2, name="last")])


@pytest.mark.parametrize("name", adapters.names())
def test_a_member_is_an_adapter_and_claims_nothing_foreign(name: str) -> None:
    member = adapters.get(name)
    assert issubclass(member, Adapter) and not member.__abstractmethods__
    assert not any(member.claims(thing) for thing in (None, 3, "model", [], np.zeros(3), object))


def test_recognising_a_model_imports_no_framework() -> None:
    code = "import sys; from kerasintrospect.adapters.base import adapters; adapters.get('keras_model').claims(3); "
    code += "print([name for name in ('tensorflow', 'keras', 'tf_keras') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_adapter_of_a_model(keras: ModuleType) -> None:
    model = small(keras)
    adapter = adapt(model)
    assert adapter.family == keras.__name__ and adapter.kind == "sequential" and adapter.module is keras
    assert [path for path, _ in adapter.walk()][:3] == ["", "first", "last"]
    assert adapter.signature().shape.as_list() == [None, 4]
    np.testing.assert_allclose(adapter.call(X), model(X), atol=1e-6)
    assert not adapter.from_logits()
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert adapter.from_logits()


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_file_is_loaded_in_its_own_family(keras: ModuleType, name: str, tmp_path: Path) -> None:
    model = small(keras)
    model.save(tmp_path / name)
    again = ki.load_model(tmp_path / name)
    assert isinstance(again, keras.Model)
    np.testing.assert_allclose(again(X), model(X), atol=1e-6)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_code_in_a_file_is_never_run(keras: ModuleType, name: str, tmp_path: Path) -> None:
    small(keras, keras.layers.Lambda(lambda x: x + 1)).save(tmp_path / name)
    with pytest.raises(ki.ModelFileError, match="holds a Lambda layer, that is Python code, which is never run"):
        ki.load_model(tmp_path / name)


def test_what_is_no_model_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ki.ModelFileError, match="does not exist"):
        ki.load_model(tmp_path / "none.keras")
    (tmp_path / "text.keras").write_text("not a model")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["numbers"] = [1, 2]
    for name in ("text.keras", "other.h5"):
        with pytest.raises(ki.ModelFileError, match="holds no Keras model"):
            ki.load_model(tmp_path / name)


def test_a_class_of_the_author_is_named(keras: ModuleType, tmp_path: Path) -> None:
    class Own(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return x

    small(keras, Own()).save(tmp_path / "own.keras")
    with pytest.raises(ki.ModelFileError, match="classes of your own, load it in Python with custom_objects"):
        ki.load_model(tmp_path / "own.keras")
