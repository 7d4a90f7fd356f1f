"""XLA where it pays: a traced function compiled once more, if its graph allows it and enough time was spent in it.

XLA halves the time of elementwise work, costs seconds per shape, is slower than the plain graph on recurrent loops, and
can abort the interpreter when a graph holds strings. So a graph with loops or strings is never compiled, and one without
only when the plain runs of a shape have cost as much as compiling does, or are about to.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any

__all__ = ["Compiled", "loops"]

_LOG = logging.getLogger(__name__)
_WORTH = 5.0  # seconds: about what compiling one shape of a small encoder costs
_BARRED = {"While", "StatelessWhile", "If", "StatelessIf", "PartitionedCall", "StatefulPartitionedCall", "PyFunc"}


class Compiled:
    """A traced function without its dead branches, compiled by XLA for the shapes in which much time is spent.

    Args:
        function: Concrete function; takes positional nests of tensors.
        policy: `"auto"`, True (at once, whenever the graph allows it) or False.
    """

    def __init__(self, function: Any, policy: bool | str) -> None:
        self._function, self._policy, self._barred = function, policy, policy is False
        self._fused: dict[Any, Any] = {}  # by shape: TensorFlow warns of a function that it traces again and again
        self._spent: dict[Any, float] = {}
        # TensorFlow prunes whatever keeps no state by itself, and runs its own function faster than a pruned one.
        self._plain = self._pruned if _idles(function.graph) else _flat(function)

    @cached_property
    def _pruned(self) -> Any:
        import tensorflow as tf

        return _prune(self._function, len(tf.nest.flatten(self._function.structured_input_signature)))

    def __call__(self, *args: Any) -> Any:
        import tensorflow as tf

        outputs = self._function.structured_outputs
        found = self._run(tf.nest.flatten(args))[: len(tf.nest.flatten(outputs))]
        return tf.nest.pack_sequence_as(outputs, found)

    def _run(self, flat: Sequence[Any]) -> Any:
        import tensorflow as tf

        shape = tuple(tuple(tensor.shape) for tensor in flat)
        wanted = not self._barred and (self._policy is True or self._spent.get(shape, 0.0) > _WORTH)
        if wanted and self._compiles:
            try:
                return self._fuse(shape)(*flat)
            except tf.errors.OpError as error:
                _LOG.info("XLA cannot compile this graph, which runs without it: %s", error)
                self._barred = True
        start = time.perf_counter()
        found = self._plain(*flat)
        if not self._barred:
            # The first call of a shape may have prepared it, which says nothing about the next one.
            self._spent[shape] = self._spent[shape] + time.perf_counter() - start if shape in self._spent else 0.0
        return found

    @cached_property
    def _compiles(self) -> bool:
        return _compiles(self._pruned.graph)

    def _fuse(self, shape: Any) -> Any:
        import tensorflow as tf

        if shape not in self._fused:
            pruned = self._pruned
            self._fused[shape] = tf.function(lambda *flat: pruned(*flat), autograph=False, jit_compile=True)
        return self._fused[shape]


def _prune(function: Any, count: int) -> Any:
    """The part of the graph that leads to the outputs, and the user's assertions: a stateful loop would run else."""
    from tensorflow.python.eager import wrap_function  # the one place of TensorFlow that prunes a graph with variables

    holder = wrap_function.VariableHolder()
    return wrap_function.WrappedFunction(function.graph, variable_holder=holder).prune(
        list(function.inputs[:count]), _wanted(function.graph)
    )


def _wanted(graph: Any) -> list[Any]:
    """The outputs and the user's assertions."""
    asserted = [op for op in graph.get_operations() if op.type in ("Assert", "If")]  # an assertion may hide in a branch
    # What a function returns waits for everything stateful in it; what it is a copy of does not.
    return [*(tensor.op.inputs[0] if tensor.op.type == "Identity" else tensor for tensor in graph.outputs), *asserted]


def _idles(graph: Any) -> bool:
    """Whether a stateful loop leads to nothing that is wanted; a walk is much cheaper than the copy that pruning makes."""
    stateful = {op for op in graph.get_operations() if op.type == "While"}
    seen: set[Any] = set()
    ahead = [getattr(wanted, "op", wanted) for wanted in _wanted(graph)] if stateful else []
    while ahead:
        op = ahead.pop()
        if op not in seen:
            seen.add(op)
            ahead += [*(tensor.op for tensor in op.inputs), *op.control_inputs]
    return not stateful <= seen


def _flat(function: Any) -> Any:
    """The function of flat tensors."""
    import tensorflow as tf

    struct = function.structured_input_signature[0]
    return lambda *flat: tf.nest.flatten(function(*tf.nest.pack_sequence_as(struct, flat)))


def _compiles(graph: Any) -> bool:
    """Whether a graph holds nothing that XLA must not see."""
    import tensorflow as tf

    operations = graph.get_operations()
    strings = any(t.dtype == tf.string for op in operations for t in (*op.inputs, *op.outputs))
    return not strings and not loops(graph)


def loops(graph: Any) -> bool:
    """Whether a graph holds loops, branches or calls, which XLA is not given."""
    return any(op.type in _BARRED for op in graph.get_operations())
