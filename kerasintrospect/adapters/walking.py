"""How the layers of a Keras model hang together: by name inside a graph, by attribute everywhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["is_graph", "walk"]

# Attributes in which the families keep layers for their own bookkeeping: every layer in them has a better path.
_BOOKKEEPING = {
    "_layers", "_operations", "_functional", "_tracker", "_nodes", "_nodes_by_depth", "_inbound_nodes", "_outbound_nodes",
    "_metrics", "_compile_metrics",
    "_input_layers", "_output_layers", "_output_coordinates", "_input_coordinates", "_operations_by_depth",
    "_layers_by_depth", "_parent_tracker", "optimizer", "loss", "compiled_metrics", "compiled_loss",
}  # fmt: skip


def is_graph(model: Any) -> bool:
    names = {base.__name__ for base in type(model).__mro__}
    return "Functional" in names and getattr(model, "inputs", None) is not None


def _children(layer: Any) -> Iterator[tuple[str, Any]]:
    sequential = any(base.__name__ == "Sequential" for base in type(layer).__mro__)
    if is_graph(layer) or sequential:  # its layers go by their names, which are unique within it
        for child in getattr(layer, "operations", layer.layers) if is_graph(layer) else layer.layers:
            yield child.name, child
    for name, value in list(vars(layer).items()):
        listed = isinstance(value, (list, tuple, Mapping)) and not name.startswith("_self_")  # TensorFlow's bookkeeping
        if (listed or hasattr(value, "call")) and name not in _BOOKKEEPING:
            yield name, value


def walk(path: str, value: Any, layer: type, no: tuple[type, ...], above: tuple[int, ...] = ()) -> Iterator[tuple[str, Any]]:
    """(path, layer) of every layer under a value, parents first; a layer that holds itself is not followed again.

    Args:
        path: Where the value stands.
        value: A layer, or a list or dict that may hold layers.
        layer: What counts as a layer.
        no: What does not, although it is one.
        above: The ids of the layers that hold the value.
    """
    if isinstance(value, layer) and not isinstance(value, no):
        if id(value) not in above:
            yield path, value
            for step, child in _children(value):
                yield from walk(f"{path}.{step}" if path else step, child, layer, no, (*above, id(value)))
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from walk(f"{path}[{i}]", item, layer, no, above)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from walk(f"{path}[{key}]", item, layer, no, above)
