"""TensorFlow models of Hugging Face transformers, which are subclassed tf_keras models that answer with a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Adapter, Wrapping, adapters

__all__ = ["HuggingFaceModel"]


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
        names = self.model.config.id2label
        return {"class_names": [names[i] for i in range(len(names))]} if self.logits() else {}
