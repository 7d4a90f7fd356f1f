"""What a model's output means, and which number of it is explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .adapters.base import Adapter
from .errors import InputError, InputTypeError, TargetError
from .scan import Scan, head

__all__ = ["SCORES", "Output", "Target", "describe_output"]

SCORES = ("logit", "probability", "loss")
Target = int | str | tuple[int, int | str] | Sequence[Any] | np.ndarray | Callable[[Any], Any] | None


@dataclass(frozen=True)
class Output:
    """One output of a model.

    Attributes:
        place: Its position among the flat outputs.
        kind: `"softmax"`, `"binary"`, `"multilabel"` or `"raw"`, as in `Predictions`.
        applied: Whether the model itself ends in the softmax or sigmoid; otherwise it gives logits.
        shape: Its shape, None where it varies.
        class_names: One per class.
    """

    place: int
    kind: str
    applied: bool
    shape: tuple[int | None, ...]
    class_names: list[str]

    def pick(self, outputs: Any) -> Any:
        """This output as a float32 tensor with a class axis."""
        import tensorflow as tf

        value = tf.nest.flatten(outputs)[self.place]
        return value[:, None] if value.shape.rank == 1 else value

    def logits(self, value: Any) -> Any:
        """(..., classes) before the softmax or sigmoid; a single sigmoid z gives (-z, z), the log-odds of both classes."""
        import tensorflow as tf

        z = tf.cast(head(value)[1] if self.applied else value, tf.float32)
        if self.applied and z.shape.rank != len(self.shape):
            z = tf.reshape(z, tf.shape(value))
        return tf.concat([-z, z], -1) if self.kind == "binary" else z

    def probabilities(self, value: Any) -> Any:
        """(..., classes) probabilities; the output itself when the model is no classifier."""
        import tensorflow as tf

        p = tf.cast(value, tf.float32)
        if self.kind == "binary":
            p = p if self.applied else tf.sigmoid(p)
            return tf.concat([1.0 - p, p], -1)
        if self.applied or self.kind == "raw":
            return p
        return tf.nn.softmax(p) if self.kind == "softmax" else tf.sigmoid(p)

    def predict(self, outputs: Any) -> Any:
        """`probabilities` from everything that the model returned."""
        return self.probabilities(self.pick(outputs))

    def score(self, outputs: Any, target: Any, score: str) -> Any:
        """(rows,) the number that is explained.

        Args:
            outputs: What the model returned inside the traced function.
            target: (rows, axes) int tensor that points into the output, or a callable on the outputs.
            score: `"logit"`, `"probability"` or `"loss"` (negative log-likelihood of the target, in nats).
        """
        import tensorflow as tf

        if callable(target):
            return _one_per_row(target(outputs))
        value = self.pick(outputs)
        if score == "probability":
            return tf.gather_nd(self.probabilities(value), target, batch_dims=1)
        z = self.logits(value)
        if score == "logit":
            return tf.gather_nd(z, target, batch_dims=1)
        if self.kind == "softmax":
            return -tf.gather_nd(tf.nn.log_softmax(z), target, batch_dims=1)
        return tf.math.softplus(-tf.gather_nd(z, target, batch_dims=1))

    def targets(self, target: Target, n: int, predicted: Callable[[], np.ndarray]) -> np.ndarray:
        """(n, axes) int32 indices into the output for what the user gave as target.

        Raises:
            TargetError: if a class is unknown or out of range, or the count differs from the examples.
        """
        axes = len(self.shape) - 1
        if target is None:
            if axes > 1:
                raise TargetError(
                    f"The model gives one score per position and class, so the target is (position, class), or a list of "
                    f"those. Received: target=None for an output of shape {self.shape}"
                )
            return predicted().astype(np.int32).reshape(n, 1)
        one = isinstance(target, (int, np.integer, str, tuple))
        many = [target] * n if one or not isinstance(target, (Sequence, np.ndarray)) else list(target)
        if len(many) != n:
            raise TargetError(f"A list of targets holds one per example. Received: {len(many)} targets for {n} examples")
        return np.array([self._index(t, axes) for t in many], np.int32).reshape(n, axes)

    def _index(self, target: Any, axes: int) -> tuple[int, ...]:
        parts = tuple(target) if isinstance(target, (tuple, np.ndarray)) else (target,)
        if len(parts) != axes:
            what = "a class" if axes == 1 else "(position, class)"
            raise TargetError(f"The target of an output of shape {self.shape} is {what}. Received: target={target!r}")
        places = [_position(part, size) for part, size in zip(parts[:-1], self.shape[1:-1], strict=True)]
        return (*places, self._class(parts[-1]))

    def _class(self, name: Any) -> int:
        if isinstance(name, str):
            if name not in self.class_names:
                raise TargetError(f"The classes are {', '.join(self.class_names)}. Received: target={name!r}")
            return self.class_names.index(name)
        if isinstance(name, (bool, np.bool_)) or not isinstance(name, (int, np.integer)):
            raise TargetError(f"A target is a class index or name, or a function of the output. Received: {name!r}")
        if not -len(self.class_names) <= name < len(self.class_names):
            raise TargetError(f"The model has the classes 0 to {len(self.class_names) - 1}. Received: target={int(name)}")
        return int(name) % len(self.class_names)


def _position(position: Any, size: int | None) -> int:
    if isinstance(position, (bool, np.bool_)) or not isinstance(position, (int, np.integer)):
        raise TargetError(f"A position is an index into the output. Received: position={position!r}")
    if not (0 if size is None else -size) <= position < (np.inf if size is None else size):
        raise TargetError(f"The output has the positions 0 to {'its last' if size is None else size - 1}. Received: "
                          f"position={int(position)}")  # fmt: skip
    return int(position) if size is None else int(position) % size


def _one_per_row(value: Any) -> Any:
    import tensorflow as tf

    value = tf.cast(tf.convert_to_tensor(value), tf.float32)
    if value.shape.rank == 2 and value.shape[1] == 1:
        value = value[:, 0]
    if value.shape.rank != 1:
        raise TargetError(f"A target function gives one number per example, shape (n,). Received: shape {tuple(value.shape)}")
    return value


def describe_output(scan: Scan, adapter: Adapter, class_names: Sequence[str] | None, output: int | str | None) -> Output:
    """Finds out what the chosen output means.

    Raises:
        InputError: if the model has several outputs and none is chosen, or the class names do not fit.
    """
    names = adapter.output_names()
    place = _place(names, len(scan.outputs), output)
    value = scan.outputs[place]
    shape = tuple(value.shape.as_list()) if value.shape.rank != 1 else (None, 1)
    last, applied = head(value)[0], head(value)[0] is not None
    units = shape[-1] or (len(class_names) if class_names else 0)
    if last is None:
        last = adapter.logits() or (None if class_names is None else "softmax" if units > 1 else "sigmoid")
    kind = "raw" if last is None else "softmax" if last == "softmax" else "binary" if units == 1 else "multilabel"
    classes = 2 if kind == "binary" else units
    if class_names is not None and len(class_names) != classes:
        raise InputError(f"The model has {classes} classes. Received: {len(class_names)} class_names {list(class_names)}")
    return Output(place, kind, applied, shape, list(class_names or map(str, range(classes))))


def _place(names: list[str], count: int, output: int | str | None) -> int:
    if output is None and count > 1:
        raise InputError(
            f"The model has {count} outputs{' (' + ', '.join(names) + ')' if names else ''}: choose the one to explain with "
            f"wrap(model, output=...), by name or position."
        )
    if isinstance(output, str):
        if output not in names:
            raise InputError(f"The outputs are named {', '.join(names) or '(no names)'}. Received: output={output!r}")
        return names.index(output)
    if not isinstance(output, (int, type(None))):
        raise InputTypeError(f"output is a name or a position. Received: {output!r}")
    if not 0 <= (output or 0) < count:
        raise InputError(f"The model has {count} outputs. Received: output={output}")
    return output or 0
