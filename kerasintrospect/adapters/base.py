"""The contract of an adapter: how to recognise a kind of model, walk its layers, and call it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ..errors import InputTypeError, ModelFileError, UnsupportedError
from ..registry import Registry

__all__ = ["Adapter", "Wrapping", "adapt", "adapters", "load_model"]

adapters: Registry[type[Adapter]] = Registry("kerasintrospect.adapters", "adapter")


class Adapter(ABC):
    """One kind of model behind one door.

    An adapter's module must be cheap to import: it recognises its models by the names of their classes' modules and
    imports a framework only inside its methods.

    Args:
        model: The object that the user has; it is never changed.
    """

    priority: ClassVar[int] = 0  # adapters of wrappers (a predictor around a model) are asked before those of models

    def __init__(self, model: Any) -> None:
        self.model = model

    @classmethod
    def of(cls, model: Any) -> Adapter:
        """The adapter of an object that it claims."""
        return cls(model)

    @staticmethod
    @abstractmethod
    def claims(model: Any) -> bool:
        """Whether this adapter is made for the object; must not import anything."""

    @staticmethod
    @abstractmethod
    def load(path: Path, trust: bool = False) -> Any:
        """Loads a model from a file of this kind, without running code from it unless trusted; None if it is another kind."""

    @property
    @abstractmethod
    def family(self) -> str:
        """`"keras"` or `"tf_keras"`; `"tensorflow"` for a black box."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """`"functional"`, `"sequential"`, `"subclassed"`, or `"black box"` for what has no layers in Python."""

    @property
    @abstractmethod
    def module(self) -> Any:
        """The family's own module, such as `keras`."""

    @abstractmethod
    def walk(self) -> Iterator[tuple[str, Any]]:
        """Every layer under every attribute path: (path, layer), parents first; a layer may come by more than once."""

    @abstractmethod
    def signature(self) -> Any:
        """What the model takes, as a nest of tf.TensorSpec; None when the model does not know it itself."""

    @abstractmethod
    def call(self, inputs: Any) -> Any:
        """The forward pass with `training=False`.

        While a graph is traced, Python control flow in the layers is converted by autograph where the family does so by
        itself (tf_keras), and left alone where it does not (Keras 3).
        """

    @abstractmethod
    def input_names(self) -> list[str]:
        """Names of the inputs in flat order; empty when the model has no names for them."""

    @abstractmethod
    def output_names(self) -> list[str]:
        """Names of the outputs in flat order; empty when the model has no names for them."""

    @abstractmethod
    def logits(self) -> str | None:
        """`"softmax"` or `"sigmoid"` if the model gives logits, to which its loss applies it; None if it gives no logits."""

    @property
    def name(self) -> str:
        """What the model is called."""
        return str(self.model.name)

    def weights(self) -> list[Any]:
        """The weights, each with a name and `numpy()`."""
        return list(self.model.weights)

    def parameters(self) -> int | None:
        """How many numbers the weights hold; None if that is not known."""
        return int(self.model.count_params())

    def looks_up(self, layer: Any) -> bool:
        """Whether a layer looks up token ids."""
        return any(base.__name__ == "Embedding" for base in type(layer).__mro__)

    def defaults(self) -> Mapping[str, Any]:
        """What `wrap` takes where the user gives nothing: `tokenizer`, `class_names`, both or none."""
        return {}


class Wrapping(Adapter):
    """An adapter of something around, or on top of, what another adapter knows, to which it leaves whatever it does not say.

    Args:
        model: The object that the user has.
        inner: The adapter of the Keras model in it.
    """

    priority = 1

    def __init__(self, model: Any, inner: Adapter) -> None:
        super().__init__(inner.model)
        self.outer, self.inner = model, inner

    @staticmethod
    def load(path: Path, trust: bool = False) -> Any:
        return None

    @property
    def family(self) -> str:
        return self.inner.family

    @property
    def kind(self) -> str:
        return self.inner.kind

    @property
    def module(self) -> Any:
        return self.inner.module

    def walk(self) -> Iterator[tuple[str, Any]]:
        return self.inner.walk()

    def signature(self) -> Any:
        return self.inner.signature()

    def call(self, inputs: Any) -> Any:
        return self.inner.call(inputs)

    def input_names(self) -> list[str]:
        return self.inner.input_names()

    def output_names(self) -> list[str]:
        return self.inner.output_names()

    def logits(self) -> str | None:
        return self.inner.logits()

    @property
    def name(self) -> str:
        return self.inner.name

    def weights(self) -> list[Any]:
        return self.inner.weights()

    def parameters(self) -> int | None:
        return self.inner.parameters()

    def looks_up(self, layer: Any) -> bool:
        return self.inner.looks_up(layer)

    def defaults(self) -> Mapping[str, Any]:
        return self.inner.defaults()


def adapt(model: Any) -> Adapter:
    """The adapter of a model.

    Args:
        model: Any object that a registered adapter claims.

    Raises:
        InputTypeError: if none does; it says what can be wrapped.
    """
    members = sorted((adapters.get(name) for name in adapters.names()), key=lambda member: -member.priority)
    for member in members:
        if member.claims(model):
            return _on_tensorflow(member.of(model))
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    raise InputTypeError(
        f"wrap() takes a Keras 3 or tf_keras Model (functional, Sequential, subclassed, Hugging Face), a ktrain predictor or "
        f"learner, a fitted AutoKeras model, or as a black box a tf.saved_model.load(folder), a tf.lite.Interpreter or a "
        f"function that gives scores. "
        f"Received: an object of type {kind}{_hint(model)}"
    )


def _hint(model: Any) -> str:
    if "torch" not in {base.__module__.split(".")[0] for base in type(model).__mro__}:
        return ""
    return (", which is a PyTorch model. Of a Hugging Face model load the TensorFlow class "
            "(TFAutoModelForSequenceClassification): pip install 'transformers>=4.53,<4.55' tf_keras")  # fmt: skip


def _on_tensorflow(adapter: Adapter) -> Adapter:
    name = "tensorflow" if adapter.family == "tensorflow" else adapter.module.backend.backend()
    if name != "tensorflow":
        raise UnsupportedError(f"Keras runs on {name} in this process, and only on TensorFlow can a model be wrapped: set "
                               f"KERAS_BACKEND=tensorflow before keras is imported. Received: backend {name!r}")
    return adapter


def load_model(path: str | Path, trust: bool = False) -> Any:
    """Loads a saved model in its own family; nothing in the file is executed (`safe_mode`) unless `trust` allows it.

    Args:
        path: A `.keras` or `.h5` file written by Keras 3 or tf_keras, or the folder of a ktrain predictor, a Hugging Face
            model, a KerasHub preset, a SavedModel or an AutoKeras search.
        trust: Whether its author is trusted; needed for ktrain, which pickles its preprocessor, and for a SavedModel, which
            is a program.

    Returns:
        What `wrap` takes: a `keras.Model`, a `tf_keras.Model`, a ktrain predictor, a SavedModel, or of AutoKeras a record of
        the model and its pipeline.

    Raises:
        ModelFileError: if the file does not exist, is no model, or needs code that only its author has.
    """
    file = Path(path)
    if not file.exists():
        raise ModelFileError(f"The model file does not exist. Received: {str(path)!r}")
    for name in adapters.names():
        model = adapters.get(name).load(file, trust)
        if model is not None:
            return model
    raise ModelFileError(f"The file holds no Keras model (.keras or .h5), no ktrain predictor, no Hugging Face model and no "
                         f"SavedModel. Received: {str(path)!r}")  # fmt: skip
