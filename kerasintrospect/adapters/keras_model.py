"""Keras 3 and tf_keras models: functional, Sequential and subclassed, also side by side in one process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .base import Adapter, adapters
from .loading import load
from .walking import is_graph, walk


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
    def load(path: Path, trust: bool = False) -> Any:
        return load(path)

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
        return "functional" if is_graph(self.model) else "subclassed"

    def walk(self) -> Iterator[tuple[str, Any]]:
        layers, metric = self.module.layers, self.module.metrics.Metric
        return walk("", self.model, getattr(self.module, "Operation", layers.Layer), (metric, layers.InputLayer))

    def signature(self) -> Any:
        import tensorflow as tf

        struct = None
        if self.kind == "functional":
            struct = self.model.input
        elif self.kind == "sequential" and self.model.built and getattr(self.model, "inputs", None):
            struct = self.model.inputs[0]
        if struct is not None:
            return tf.nest.map_structure(lambda t: tf.TensorSpec((None, *t.shape[1:]), t.dtype, name=t.name), struct)
        spec = self.model.save_spec() if self.family == "tf_keras" else None
        return spec[0][0] if spec else None

    def call(self, inputs: Any) -> Any:
        import tensorflow as tf

        if self.family == "tf_keras" and not tf.executing_eagerly():
            return tf.autograph.to_graph(_forward)(self.model, inputs)
        return _forward(self.model, inputs)

    def input_names(self) -> list[str]:
        return _names(self.model.input, self.model.inputs) if self.kind == "functional" else []

    def output_names(self) -> list[str]:
        names = list(getattr(self.model, "output_names", None) or [])
        return _names(self.model.output, ()) or names if self.kind == "functional" else names

    def logits(self) -> str | None:
        loss = getattr(self.model, "loss", None)
        if not (getattr(loss, "from_logits", False) or getattr(loss, "_fn_kwargs", {}).get("from_logits", False)):
            return None
        return "sigmoid" if "Binary" in type(loss).__name__ else "softmax"


def _names(struct: Any, tensors: Sequence[Any]) -> list[str]:
    return sorted(struct) if isinstance(struct, Mapping) else [tensor.name for tensor in tensors]


def _forward(model: Any, inputs: Any) -> Any:
    return model(inputs, training=False)
