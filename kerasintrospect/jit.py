"""XLA where it pays: a traced function compiled once more, if its graph allows it and enough time was spent in it.

XLA halves the time of elementwise work, costs seconds per shape, is slower than the plain graph on recurrent loops, and
can abort the interpreter when a graph holds strings. So a graph with loops or strings is never compiled, and one without
only when the plain runs of a shape have cost as much as compiling does, or are about to.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

__all__ = ["Compiled"]

_LOG = logging.getLogger(__name__)
_WORTH = 5.0  # seconds: about what compiling one shape of a small encoder costs
_BARRED = {"While", "StatelessWhile", "If", "StatelessIf", "PartitionedCall", "StatefulPartitionedCall", "PyFunc"}


class Compiled:
    """A traced function that is compiled by XLA for the shapes in which much time is spent.

    Args:
        function: Concrete function; takes positional nests of tensors.
        policy: `"auto"`, True (at once, whenever the graph allows it) or False.
    """

    def __init__(self, function: Any, policy: bool | str) -> None:
        self._function, self._policy = function, policy
        self._spent: dict[Any, float] = {}
        self._fused: Any = None
        self._barred = policy is False

    def __call__(self, *args: Any) -> Any:
        import tensorflow as tf

        if self._barred:
            return self._function(*args)
        flat = tf.nest.flatten(args)
        shape = tuple(tuple(tensor.shape) for tensor in flat)
        if self._policy is True or self._spent.get(shape, 0.0) > _WORTH:
            fused = self._fuse(len(flat))
            if fused is not None:
                return fused(flat)
        start = time.perf_counter()
        result = self._function(*args)
        tf.nest.map_structure(lambda tensor: tensor.numpy(), result)
        # The first call of a shape may have traced, which says nothing about the next one.
        self._spent[shape] = self._spent[shape] + time.perf_counter() - start if shape in self._spent else 0.0
        return result

    def _fuse(self, count: int) -> Any:
        import tensorflow as tf

        if self._fused is None:
            concrete = self._function
            pruned = _prune(concrete, count)
            self._barred = pruned is None
            if pruned is None:
                return None
            specs = [tf.TensorSpec(t.shape, t.dtype) for t in concrete.inputs[:count]]
            compiled = tf.function(lambda *flat: pruned(*flat), autograph=False, jit_compile=True, input_signature=specs)
            self._fused = lambda flat: tf.nest.pack_sequence_as(concrete.structured_outputs, compiled(*flat))
        return self._try

    def _try(self, flat: Sequence[Any]) -> Any:
        import tensorflow as tf

        try:
            return self._fused(flat)
        except tf.errors.OpError as error:
            _LOG.info("XLA cannot compile this graph, which runs without it: %s", error)
            self._barred = True
            return self._function(*tf.nest.pack_sequence_as(self._function.structured_input_signature[0], flat))


def _prune(concrete: Any, count: int) -> Any:
    """The graph without its dead branches; None if it holds what XLA must not see."""
    import tensorflow as tf
    from tensorflow.python.eager import wrap_function  # the one place of TensorFlow that prunes a graph with variables

    holder = wrap_function.VariableHolder()
    pruned = wrap_function.WrappedFunction(concrete.graph, variable_holder=holder).prune(
        list(concrete.inputs[:count]), list(concrete.graph.outputs)
    )
    operations = pruned.graph.get_operations()
    strings = any(t.dtype == tf.string for op in operations for t in (*op.inputs, *op.outputs))
    return None if strings or any(op.type in _BARRED for op in operations) else pruned
