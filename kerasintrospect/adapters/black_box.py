"""Models without Python layers: SavedModels, TF Lite interpreters and functions, known by inputs and outputs only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFileError
from .base import Adapter, adapters
from .boxes import Box, box_of

__all__ = ["BlackBox"]


@adapters.register("black_box")
class BlackBox(Adapter):
    """A `tf.saved_model.load(folder)`, a `tf.lite.Interpreter`, or a function from inputs to (n, classes) scores.

    Whether the outputs are probabilities is read off the first of them, see `head_of`. Their logits are then the logarithms
    of the probabilities, which differ from those of the network by one number per text.
    """

    priority = -1
    family, kind = "tensorflow", "black box"

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._box = (box_of(model) or Box)(model)

    @staticmethod
    def claims(model: Any) -> bool:
        return box_of(model) is not None

    @staticmethod
    def load(path: Path, trust: bool = False) -> Any:
        if not (path / "saved_model.pb").is_file():
            return None
        if not trust:
            raise ModelFileError(
                f"A SavedModel is a program for TensorFlow, which may read and write files: pass trust=True if you trust its "
                f"author. Received: {str(path)!r}"
            )
        import tensorflow as tf

        return tf.saved_model.load(str(path))

    @property
    def name(self) -> str:
        return str(getattr(self.model, "__qualname__", type(self.model).__name__))

    @property
    def module(self) -> Any:
        import tensorflow as tf

        return tf

    def weights(self) -> list[Any]:
        return self._box.weights()

    def parameters(self) -> int | None:
        return sum(int(np.size(weight.numpy())) for weight in self.weights()) or None

    def walk(self) -> Iterator[tuple[str, Any]]:
        yield "", self

    def signature(self) -> Any:
        return self._box.signature()

    def call(self, inputs: Any) -> Any:
        return self._box.call(inputs)

    def input_names(self) -> list[str]:
        return list(self._box.specs or ())

    def output_names(self) -> list[str]:
        return self._box.outputs

    def logits(self) -> str | None:
        return None
