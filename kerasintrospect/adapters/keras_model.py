"""Keras 3 and tf_keras models: functional, Sequential and subclassed, also side by side in one process."""

from __future__ import annotations

import importlib
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelFileError
from .base import Adapter, adapters

# Attributes in which the families keep layers for their own bookkeeping: every layer in them has a better path.
_BOOKKEEPING = {
    "_layers", "_operations", "_functional", "_tracker", "_nodes", "_nodes_by_depth", "_inbound_nodes", "_outbound_nodes",
    "_metrics", "_compile_metrics",
    "_input_layers", "_output_layers", "_output_coordinates", "_input_coordinates", "_operations_by_depth",
    "_layers_by_depth", "_parent_tracker", "optimizer", "loss", "compiled_metrics", "compiled_loss",
}  # fmt: skip


def _family(kind: type) -> str | None:
    roots = {base.__module__.split(".")[0] for base in kind.__mro__}
    return next((name for name in ("tf_keras", "keras") if name in roots), None)


@adapters.register("keras_model")
class KerasModel(Adapter):
    """A `keras.Model` or `tf_keras.Model`."""

    @staticmethod
    def claims(model: Any) -> bool:
        family = _family(type(model))
        return family is not None and isinstance(model, sys.modules[family].Model)

    @staticmethod
    def load(path: Path) -> Any:
        return _load(path)

    @property
    def family(self) -> str:
        return _family(type(self.model)) or ""

    @property
    def module(self) -> Any:
        return sys.modules[self.family]

    @property
    def kind(self) -> str:
        if isinstance(self.model, self.module.Sequential):
            return "sequential"
        return "functional" if _is_graph(self.model) else "subclassed"

    def walk(self) -> Iterator[tuple[str, Any]]:
        layer = getattr(self.module, "Operation", self.module.layers.Layer)
        metric = self.module.metrics.Metric

        def visit(path: str, value: Any, above: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
            if isinstance(value, layer) and not isinstance(value, (metric, self.module.layers.InputLayer)):
                if id(value) not in above:
                    yield path, value
                    for step, child in _children(value):
                        yield from visit(f"{path}.{step}" if path else step, child, (*above, id(value)))
            elif isinstance(value, (list, tuple)):
                for i, item in enumerate(value):
                    yield from visit(f"{path}[{i}]", item, above)
            elif isinstance(value, Mapping):
                for key, item in value.items():
                    yield from visit(f"{path}[{key}]", item, above)

        yield from visit("", self.model, ())

    def signature(self) -> Any:
        import tensorflow as tf

        struct = None
        if self.kind == "functional":
            struct = self.model.input
        elif self.kind == "sequential" and self.model.built and getattr(self.model, "inputs", None):
            struct = self.model.inputs[0]
        if struct is not None:
            return tf.nest.map_structure(lambda t: tf.TensorSpec(tuple(t.shape), t.dtype, name=t.name), struct)
        spec = self.model.save_spec() if self.family == "tf_keras" else None
        return spec[0][0] if spec else None

    def call(self, inputs: Any) -> Any:
        import tensorflow as tf

        if self.family == "tf_keras" and not tf.executing_eagerly():
            return tf.autograph.to_graph(_forward)(self.model, inputs)
        return _forward(self.model, inputs)

    def input_names(self) -> list[str]:
        if self.kind != "functional":
            return []
        struct = self.model.input
        return sorted(struct) if isinstance(struct, Mapping) else list(self.model.input_names)

    def output_names(self) -> list[str]:
        return list(getattr(self.model, "output_names", None) or [])

    def from_logits(self) -> bool:
        return bool(getattr(getattr(self.model, "loss", None), "from_logits", False)) or bool(
            getattr(getattr(self.model, "loss", None), "_fn_kwargs", {}).get("from_logits", False)
        )


def _forward(model: Any, inputs: Any) -> Any:
    return model(inputs, training=False)


def _is_graph(model: Any) -> bool:
    names = {base.__name__ for base in type(model).__mro__}
    return "Functional" in names and getattr(model, "inputs", None) is not None


def _children(layer: Any) -> Iterator[tuple[str, Any]]:
    sequential = any(base.__name__ == "Sequential" for base in type(layer).__mro__)
    if _is_graph(layer) or sequential:  # its layers go by their names, which are unique within it
        for child in getattr(layer, "operations", layer.layers) if _is_graph(layer) else layer.layers:
            yield child.name, child
    for name, value in list(vars(layer).items()):
        if name not in _BOOKKEEPING and not name.startswith("_self_") and (isinstance(value, (list, tuple, Mapping)) or hasattr(value, "call")):
            yield name, value


def _load(path: Path) -> Any:
    described = _describe(path)
    if described is None:
        return None
    version, config = described
    if '"class_name": "Lambda"' in config:
        raise ModelFileError(
            f"The file holds a Lambda layer, that is Python code, which is never run from a file. Load the model in Python "
            f"yourself if you trust its author, and wrap it. Received: {str(path)!r}"
        )
    family = importlib.import_module("keras" if version.split(".")[0] == "3" else "tf_keras")
    try:
        return family.saving.load_model(path, safe_mode=True, compile=False)
    except Exception as error:  # the loaders raise anything from KeyError to UnicodeDecodeError on a file that is broken
        raise ModelFileError(
            f"{family.__name__} {family.__version__} cannot load the file (written by Keras {version}): "
            f"{' '.join(str(error).split())[:300]} If it holds classes of your own, load it in Python with "
            f"custom_objects and wrap the model. Received: {str(path)!r}"
        ) from error


def _describe(path: Path) -> tuple[str, str] | None:
    """The Keras version that wrote the file, which is the only sign of the family, and the model's configuration."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                metadata = json.loads(archive.read("metadata.json"))
                return str(metadata["keras_version"]), json.dumps(json.loads(archive.read("config.json")))
        import h5py

        with h5py.File(path) as file:
            return str(file.attrs["keras_version"]), json.dumps(json.loads(file.attrs["model_config"]))
    except (OSError, KeyError, ValueError):
        return None
