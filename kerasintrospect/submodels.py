"""Head and tail models: a model cut at a site.

A functional or Sequential graph is cut as a graph, so that the head is a functional model that can be saved and loaded;
nested models on the way are cut too and called in their place. Everything else becomes a model over taps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .errors import CutError, InputError
from .fronts.base import Encoded
from .inputs import arrange
from .runs import Runner
from .sites import Site
from .taps import LOCK, Taps

__all__ = ["Tail", "truncate"]


def truncate(runner: Runner, site: Site) -> Any:
    """See `Introspector.truncate`."""
    chains = _chains(runner.adapter.model, runner.tracer.layers[site.path]) if site.path else []
    if runner.adapter.kind == "subclassed" or not chains or len(chains) <= (site.call or 0):
        return _over_taps(runner, site)
    sources = [tensor._keras_history[0] for tensor in runner.adapter.model.inputs]
    lists = [getattr(layer, "_outbound_nodes", None) for layer in (*runner.tracer.layers.values(), *sources)]
    outbound = [(nodes, len(nodes)) for nodes in lists if nodes is not None]
    with LOCK:
        try:
            return _cut(runner.adapter.module, chains[site.call or 0], site)
        finally:
            for nodes, count in outbound:  # the new calls of nested heads leave no trace in the user's graph
                del nodes[count:]


def _graph(layer: Any) -> Any:
    """The functional graph of a model; None for layers and subclassed models."""
    graph = getattr(layer, "_functional", None) or layer
    return graph if getattr(graph, "_nodes_by_depth", None) else None


def _chains(model: Any, layer: Any) -> list[list[tuple[Any, Any]]]:
    """All calls of a layer in the order of execution, each as (graph, node) from the outermost graph to the layer."""

    def visit(graph: Any) -> Iterator[list[tuple[Any, Any]]]:
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                called = getattr(node, "operation", None) or getattr(node, "layer", None)
                if called is layer:
                    yield [(graph, node)]
                elif called is not None and _graph(called) is not None:
                    yield from ([(graph, node), *rest] for rest in visit(_graph(called)))

    graph = _graph(model)
    return [] if graph is None else list(visit(graph))


def _cut(family: Any, chain: list[tuple[Any, Any]], site: Site) -> Any:
    import tensorflow as tf

    graph, node = chain[-1]
    first, _ = _arguments(node)
    tensors = tf.nest.flatten(first if site.part == "in" else node.outputs)
    keys = sorted(first) if isinstance(first, dict) and site.part == "in" else list(range(len(tensors)))
    tensor = tensors[keys.index(site.index)] if site.index is not None else tensors[0]
    for outer, call in reversed(chain[:-1]):
        head = family.Model(graph.input, tensor, name=f"{graph.name}_head")
        inputs, _ = _arguments(call)
        graph, tensor = outer, head(inputs)
    return family.Model(graph.input, tensor, name=f"{graph.name}_head")


def _arguments(node: Any) -> tuple[Any, Any]:
    """(first argument, all others) of a call in a graph of either family."""
    args = node.arguments.args if hasattr(node, "arguments") else node.call_args
    kwargs = node.arguments.kwargs if hasattr(node, "arguments") else node.call_kwargs
    return (args[0], args[1:]) if args else (next(iter(kwargs.values())), ())


def _over_taps(runner: Runner, site: Site) -> Any:
    import tensorflow as tf

    adapter, layers = runner.adapter, runner.tracer.layers

    class Truncated(adapter.module.Model):  # type: ignore[misc, name-defined]
        """A subclassed model up to a site: call, predict and export work; save the model itself, not this."""

        def __init__(self) -> None:
            super().__init__(name=f"{adapter.model.name}_head")
            self.whole = adapter.model

        def call(self, inputs: Any) -> Any:
            with Taps(layers, [site]) as taps:
                adapter.call(inputs)
            return taps.values[site]

        def export(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
            if adapter.family == "keras":  # it knows the shapes of its inputs, and takes all of them for floats
                kwargs.setdefault("input_signature", [runner.signature()])
            super().export(filepath, *args, **kwargs)

    model = Truncated()
    leaves = [np.zeros([1 if n is None else n for n in spec.shape.as_list()], spec.dtype.as_numpy_dtype)
              for spec in tf.nest.flatten(runner.signature())]  # fmt: skip
    blank = [tf.fill(a.shape, "") if a.dtype == object else tf.constant(a) for a in leaves]
    model(tf.nest.pack_sequence_as(runner.signature(), blank))
    return model


class Tail:
    """The model behind a site: `tail(activations)` gives what the model gives.

    Args:
        runner: The model.
        site: A cut of its graph.

    Raises:
        CutError: if something else than the site leads from the inputs to the outputs; it names what.
    """

    def __init__(self, runner: Runner, site: Site) -> None:
        self._runner, self.site = runner, site
        self._spec = runner.scan().table.spec(site)
        way = runner.scan().bypass(site)
        if way is not None:
            raise CutError(
                f"The model cannot be cut at '{site}': {' -> '.join(way[:6])} leads round it from the inputs to the outputs. "
                f"Choose a site that everything passes, or change the activation in place: lens.predict(inputs, "
                f"edits={{'{site}': ...}})."
            )

    def __call__(self, activations: Any) -> Any:
        """From (examples, ...) activations at the site to the outputs of the model, as tensors."""
        values = np.asarray(activations)
        shape = self._spec.shape or ()
        fits = len(shape) == values.ndim and all(
            n is None or k == 0 or n == m for k, (n, m) in enumerate(zip(shape, values.shape, strict=True))
        )
        if not fits:
            raise InputError(f"The activations at '{self.site}' have shape {shape}. Received: shape {values.shape}")
        arranged = arrange(Encoded(self._blank(values)), self._runner.signature(), False)

        def body(call: Any, leaves: Any, value: Any) -> Any:
            return call(leaves, (), {self.site: lambda _: value})[0]

        return self._runner.tracer.ask(("tail", self.site, values.shape[1:]), body, arranged, [arranged.leaves, values])

    def _blank(self, values: np.ndarray) -> Any:
        """Inputs of as many examples and positions; only their shapes count."""
        import tensorflow as tf

        length = values.shape[1] if values.ndim > 2 else 1

        def blank(spec: Any) -> np.ndarray:
            rest = [length if n is None else n for n in spec.shape.as_list()[1:]]
            return np.full((len(values), *rest), "" if spec.dtype == tf.string else 0, spec.dtype.as_numpy_dtype)

        return tf.nest.map_structure(blank, self._runner.signature())
