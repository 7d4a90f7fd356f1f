"""What is in a black box: a SavedModel, a TF Lite interpreter or a function, each behind the same few methods."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import BuiltinFunctionType, SimpleNamespace
from typing import Any

import numpy as np

from ..errors import InputError, UnsupportedError

__all__ = ["Box", "box_of", "closed", "head_of"]

_THEIRS = {"keras", "tf_keras", "keras_hub", "ktrain", "transformers", "torch"}  # what they call is no function of the user

_LENGTH = 16  # of the inputs that a model is asked with first, where it leaves them open


def box_of(model: Any) -> type[Box] | None:
    """The kind of box that an object is; None if it is none. Imports nothing."""
    name, home = type(model).__name__, type(model).__module__
    if home.startswith("tensorflow.python.saved_model"):
        return SavedModel
    if name == "Interpreter" and "lite" in home:
        return Lite
    roots = {base.__module__.split(".")[0] for base in type(model).__mro__}
    known = isinstance(model, (type, BuiltinFunctionType)) or (name != "TFSMLayer" and roots & _THEIRS)
    return Box if callable(model) and not known else None


class Box:
    """A function from inputs to scores, which says of itself neither what it takes nor what it gives.

    Args:
        model: The object that the user has.
    """

    traced = False  # whether it can run inside a traced function; otherwise Python is called back from it

    def __init__(self, model: Any) -> None:
        self.model = model
        self._heads: list[tuple[Any, str | None]] = []  # (shape, what it ends in) of each output, once known

    def signature(self) -> dict[str, Any] | None:
        """The specs of a model that has answered once already, to ones."""
        import tensorflow as tf

        specs = self.specs
        if specs is not None and not self._heads:
            try:
                self._learn({name: _example(spec) for name, spec in specs.items()})
            except (ValueError, TypeError, RuntimeError, tf.errors.OpError) as error:
                raise UnsupportedError(
                    f"The model cannot be asked with inputs of ones ({' '.join(str(error).split())[:200]}): wrap a function "
                    f"that calls it, which is asked with yours. Received: inputs {list(specs.values())}"
                ) from error
        return specs

    def call(self, inputs: Any) -> Any:
        """The outputs as tensors, eagerly or inside a traced function."""
        import tensorflow as tf

        leaves, struct = tf.nest.flatten(inputs), tf.nest.map_structure(lambda _: 0, inputs)
        if not self._heads:
            self._learn(inputs)
        if self.traced or tf.executing_eagerly():
            found = self.answer(inputs)
        else:
            found = tf.numpy_function(lambda *arrays: self.answer(tf.nest.pack_sequence_as(struct, arrays)), leaves,
                                      [tf.float32] * len(self._heads))  # fmt: skip
        found = _sealed([leaf for leaf in leaves if tf.as_dtype(leaf.dtype).is_floating], tf.nest.flatten(found))
        made = [_as_head(tf.ensure_shape(v, shape), head) for v, (shape, head) in zip(found, self._heads, strict=True)]
        return made[0] if len(made) == 1 else made

    def _learn(self, inputs: Any) -> None:
        answers = [np.asarray(answer) for answer in self.answer(inputs)]
        self._heads = [([None] * (a.ndim - 1) + [a.shape[-1] if a.ndim > 1 else None], head_of(a)) for a in answers]

    @property
    def specs(self) -> dict[str, Any] | None:
        """Name to tf.TensorSpec of the inputs; None if only a batch can show it."""
        return None

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs in the order of `answer`; empty if they have none."""
        return []

    def weights(self) -> list[Any]:
        """What has a name and can be made an array; of a function, its name alone."""
        return [SimpleNamespace(name=getattr(self.model, "__qualname__", type(self.model).__name__), numpy=lambda: np.zeros(0))]

    def answer(self, inputs: Any) -> list[Any]:
        """The outputs for a nest of arrays; strings in one row become a list of str."""
        import tensorflow as tf

        leaves = tf.nest.flatten(inputs)
        found = self.model(tf.nest.pack_sequence_as(inputs, [_texts(np.asarray(leaf)) for leaf in leaves]))
        found = list(found.values()) if isinstance(found, Mapping) else [found]
        scores = [np.asarray(one, np.float32) for one in found]
        if any(one.ndim == 0 or len(one) != len(leaves[0]) for one in scores):
            raise InputError(f"The function gives one row of scores per example. Received: scores of shape "
                             f"{', '.join(str(one.shape) for one in scores)} for {len(leaves[0])} examples")  # fmt: skip
        return scores


class SavedModel(Box):
    """The serving signature of a `tf.saved_model.load(folder)`."""

    traced = True

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        found = dict(getattr(model, "signatures", None) or {})
        if "serving_default" not in found and len(found) != 1:
            raise UnsupportedError(
                f"A SavedModel is called by its signature 'serving_default', or its only one: wrap a function that calls what "
                f"you mean. Received: a SavedModel with the signatures {sorted(found)}"
            )
        self._function = found.get("serving_default") or next(iter(found.values()))

    @property
    def specs(self) -> dict[str, Any]:
        given = self._function.structured_input_signature[1]
        return {name: _spec(name, given[name].shape.as_list(), given[name].dtype) for name in sorted(given)}

    @property
    def outputs(self) -> list[str]:
        return sorted(self._function.structured_outputs)

    def weights(self) -> list[Any]:
        return list(self._function.variables)

    def answer(self, inputs: Any) -> list[Any]:
        found = self._function(**inputs)
        return [found[name] for name in self.outputs]


class Lite(Box):
    """A `tf.lite.Interpreter`, whose inputs are resized to the batch."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._lock = threading.Lock()  # an interpreter holds one batch
        signature = next(iter(model.get_signature_list()), None)
        runner = model.get_signature_runner(signature) if signature else model
        self._inputs, self._outputs = (_by_name(details()) for details in (runner.get_input_details, runner.get_output_details))
        for name, detail in (*self._inputs.items(), *self._outputs.items()):
            if detail["quantization"][0]:
                raise UnsupportedError(f"A TF Lite model is wrapped with inputs and outputs that are not quantized: leave the "
                                       f"converter's inference_input_type and inference_output_type at tf.float32. Received: "
                                       f"{name!r} of type {detail['dtype'].__name__}")  # fmt: skip

    @property
    def specs(self) -> dict[str, Any]:
        open_sizes = {key: [None if n < 0 else int(n) for n in d["shape_signature"]] for key, d in self._inputs.items()}
        return {key: _spec(key, open_sizes[key], self._inputs[key]["dtype"]) for key in sorted(self._inputs)}

    @property
    def outputs(self) -> list[str]:
        return sorted(self._outputs)

    def weights(self) -> list[Any]:
        self.model.allocate_tensors()
        made = {index for op in self.model._get_ops_details() for index in op["outputs"]}
        made |= {detail["index"] for detail in self._inputs.values()}
        kept = [detail for detail in self.model.get_tensor_details() if detail["index"] not in made and detail["name"]]
        return [SimpleNamespace(name=d["name"], numpy=lambda i=d["index"]: self.model.get_tensor(i)) for d in kept]

    def answer(self, inputs: Any) -> list[Any]:
        with self._lock:
            return self._invoke(inputs)

    def _invoke(self, inputs: Any) -> list[Any]:
        for name, detail in self._inputs.items():
            self.model.resize_tensor_input(detail["index"], list(np.shape(inputs[name])))
        self.model.allocate_tensors()
        for name, detail in self._inputs.items():
            self.model.set_tensor(detail["index"], np.asarray(inputs[name]))
        self.model.invoke()
        return [np.asarray(self.model.get_tensor(self._outputs[name]["index"]), np.float32) for name in self.outputs]


def head_of(scores: np.ndarray) -> str | None:
    """`"softmax"` for scores in [0, 1] that sum to 1, `"sigmoid"` for others in [0, 1], None for all else."""
    if not np.isfinite(scores).all() or scores.min() < 0 or scores.max() > 1:
        return None
    several = scores.ndim > 1 and scores.shape[-1] > 1
    return "softmax" if several and np.allclose(scores.sum(-1), 1, atol=1e-3) else "sigmoid"


def _as_head(value: Any, head: str | None) -> Any:
    """The same scores as the softmax or sigmoid of their logarithms, so that there is something in front of it to explain."""
    import tensorflow as tf

    if head is None:
        return value
    total = tf.reduce_sum(value, -1) if head == "softmax" else tf.ones([])
    fits = tf.reduce_all(tf.math.is_nan(value) | (tf.abs(value - 0.5) < 0.5 + 1e-3))
    fits &= tf.reduce_all(tf.math.is_nan(total) | (tf.abs(total - 1) < 1e-2))
    says = (f"The first scores of the model were probabilities (of a {head}), but these are not: wrap a function that gives "
            f"either in all cases. Received:")  # fmt: skip
    with tf.control_dependencies([tf.debugging.Assert(fits, [says, value])]):
        value = tf.identity(value)
    if head == "softmax":
        return tf.nn.softmax(tf.math.log(tf.maximum(value, 1e-30)))
    value = tf.clip_by_value(value, 1e-7, 1 - 1e-7)
    return tf.sigmoid(tf.math.log(value) - tf.math.log1p(-value))


def closed(what: str) -> UnsupportedError:
    """What a black box says to everyone who wants to look inside."""
    return UnsupportedError(f"A black box (SavedModel, TF Lite, function) has inputs and outputs only, no layers and no "
                            f"gradients: wrap the Keras model itself, or use method='occlusion'. Received: {what}")  # fmt: skip


def _sealed(inputs: list[Any], outputs: list[Any]) -> list[Any]:
    """The outputs, whose gradient with respect to the inputs is refused."""
    import tensorflow as tf

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def passed(*tensors: Any) -> Any:
        def gradient(*_: Any) -> Any:
            raise closed("a request for a gradient")

        return [tf.identity(tensor) for tensor in tensors[len(inputs) :]], gradient

    return list(passed(*inputs, *outputs)) if inputs else outputs


def _spec(name: str, sizes: list[int | None], dtype: Any) -> Any:
    import tensorflow as tf

    return tf.TensorSpec([None, *sizes[1:]], dtype, name=name)


def _example(spec: Any) -> Any:
    import tensorflow as tf

    shape = [_LENGTH if size is None else size for size in spec.shape.as_list()[1:]]
    return tf.fill([1, *shape], "a text") if spec.dtype == tf.string else tf.ones([1, *shape], spec.dtype)


def _texts(array: np.ndarray) -> Any:
    if array.dtype.kind not in "OS":
        return array
    decoded = [s.decode("utf-8", "replace") if isinstance(s, bytes) else s for s in array.ravel()]
    return decoded if array.ndim == 1 else np.array(decoded, object).reshape(array.shape)


def _by_name(details: Any) -> dict[str, Any]:
    return dict(details) if isinstance(details, Mapping) else {detail["name"]: detail for detail in details}
