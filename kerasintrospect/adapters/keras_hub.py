"""Tasks and backbones of KerasHub, which are functional Keras 3 models, and graphs that are built on them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import ModelFileError
from .base import Adapter, Wrapping, adapters
from .loading import describe, load

__all__ = ["KerasHubAdapter"]


@adapters.register("keras_hub")
class KerasHubAdapter(Wrapping):
    """A `Task` with the preprocessor that it holds, a `Backbone`, or a Keras model with one of KerasHub's layers in it."""

    @classmethod
    def of(cls, model: Any) -> Adapter:
        return cls(model, adapters.get("keras_model")(model))

    @staticmethod
    def claims(model: Any) -> bool:
        return adapters.get("keras_model").claims(model) and any(map(_is_hub, (model, *model.layers)))

    @staticmethod
    def load(path: Path, trust: bool = False) -> Any:
        is_task, config = (path / "task.json").is_file(), path / "config.json"
        preset = is_task or (config.is_file() and "keras_hub" in config.read_text("utf-8"))
        described = describe(path) if path.is_file() else None
        if not preset and "keras_hub" not in (described or ("", ""))[1]:
            return None
        try:
            hub = importlib.import_module("keras_hub")
        except ImportError as error:
            raise ModelFileError(f"The model is one of KerasHub, which cannot be imported ({error}): pip install "
                                 f"'kerasintrospect[kerashub]'. Received: {str(path)!r}") from error  # fmt: skip
        kind = hub.models.TextClassifier if is_task else hub.models.Backbone
        return kind.from_preset(str(path)) if preset else load(path)

    def walk(self) -> Iterator[tuple[str, Any]]:
        found: dict[str, Any] = {}  # a layer is in the graph by its name, and often in an attribute of the same name
        for path, layer in self.inner.walk():
            if path.split(".")[0] not in ("preprocessor", "_preprocessor"):  # it is the text front, and no layer that is called
                found.setdefault(path.removeprefix("_") if path.startswith("_backbone") else path, layer)
        return iter(found.items())

    def logits(self) -> str | None:
        found = self.inner.logits()
        if not any(base.__name__ == "TextClassifier" for base in type(self.model).__mro__):
            return found
        linear = getattr(self.model.activation, "__name__", "linear") == "linear"
        if linear and getattr(self.model, "loss", None) is None:  # made with compile=False
            found = "softmax"
        return None if found == "softmax" and self.model.num_classes < 2 else found

    def looks_up(self, layer: Any) -> bool:
        return type(layer).__name__ == self._table

    def defaults(self) -> Mapping[str, Any]:
        preprocessor = getattr(self.model, "preprocessor", None)
        packs = getattr(preprocessor, "tokenizer", None) is not None and not hasattr(preprocessor, "mask_selection_rate")
        return {"tokenizer": preprocessor} if packs else {}

    @cached_property
    def _table(self) -> str:
        """The class of the word vectors: where they are reversible, plain Embedding layers look up segments."""
        kinds = {type(layer).__name__ for _, layer in self.walk()}
        return "ReversibleEmbedding" if "ReversibleEmbedding" in kinds else "Embedding"


def _is_hub(layer: Any) -> bool:
    return any(base.__module__.split(".")[0] == "keras_hub" for base in type(layer).__mro__)
