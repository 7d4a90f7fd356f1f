"""TensorFlow models of Hugging Face transformers, which are subclassed tf_keras models that answer with a record."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelFileError
from .base import Adapter, Wrapping, adapters

__all__ = ["HuggingFaceModel"]

_NUMBER = re.compile(r"4\.5[34]\.")
_WEIGHTS = ("model.safetensors", "tf_model.h5")


@adapters.register("hf_tf")
class HuggingFaceModel(Wrapping):
    """A `TFPreTrainedModel`: its logits, or the last hidden state of a model without a head.

    The word vectors stand inside the layers called `...Embeddings`, whose output (words, positions and segments added
    and normalised) is the embedding site; GPT-2 has an Embedding layer of its own.
    """

    @classmethod
    def of(cls, model: Any) -> Adapter:
        return cls(model, adapters.get("keras_model")(model))

    @staticmethod
    def claims(model: Any) -> bool:
        return any(base.__name__ == "TFPreTrainedModel" for base in type(model).__mro__)

    @staticmethod
    def load(path: Path, trust: bool = False) -> Any:
        config = path / "config.json"
        described = json.loads(config.read_text("utf-8")) if config.is_file() else {}
        if "model_type" not in described or (path / "tf_model.preproc").exists():
            return None
        version = _installed("transformers")
        if _NUMBER.match(version) is None or not any((path / name).is_file() for name in _WEIGHTS):
            raise ModelFileError(
                f"A Hugging Face folder holds {' or '.join(_WEIGHTS)}, and needs transformers 4.53 or 4.54, the last that load "
                f"it into TensorFlow: pip install 'transformers>=4.53,<4.55' tf_keras. Received: {str(path)!r}, "
                f"transformers {version}"
            )
        heads = [name for name in described.get("architectures") or [] if name.endswith("ForSequenceClassification")]
        kind = getattr(importlib.import_module("transformers"), f"TFAutoModel{'ForSequenceClassification' if heads else ''}")
        return kind.from_pretrained(str(path), local_files_only=True)

    def signature(self) -> Any:
        import tensorflow as tf

        if not self.model.built:
            self.model.build_in_name_scope()
        taken = {"input_ids", "attention_mask", "token_type_ids"}
        spec = {key: value for key, value in self.model.input_signature.items() if key in taken}
        return {key: tf.TensorSpec((None, None), value.dtype, name=key) for key, value in spec.items()}

    def call(self, inputs: Any) -> Any:
        found = self.inner.call(dict(inputs))
        return found["logits"] if "logits" in found else found["last_hidden_state"]

    def input_names(self) -> list[str]:
        return sorted(self.signature())

    def output_names(self) -> list[str]:
        return []

    def logits(self) -> str | None:
        config = self.model.config
        if "Classification" not in type(self.model).__name__ or config.problem_type == "regression" or config.num_labels < 2:
            return None
        return "sigmoid" if config.problem_type == "multi_label_classification" else "softmax"

    def looks_up(self, layer: Any) -> bool:
        name = type(layer).__name__
        return self.inner.looks_up(layer) or (name.startswith("TF") and name.endswith("Embeddings"))

    def defaults(self) -> Mapping[str, Any]:
        names, folder = self.model.config.id2label, Path(self.model.name_or_path or "none")
        found = {"class_names": [names[i] for i in range(len(names))]} if self.logits() else {}
        if (folder / "tokenizer.json").is_file():  # the model's own, where it was loaded from
            found["tokenizer"] = importlib.import_module("transformers").AutoTokenizer.from_pretrained(str(folder))
        return found


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
