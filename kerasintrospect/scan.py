"""One shape-only trace of a model, and what its graph says: sites, logits, embeddings, what leads round a site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .adapters.base import Adapter
from .errors import UnsupportedError
from .sites import Site, SiteRow, SiteTable, Spec
from .taps import Taps

__all__ = ["Scan", "head", "layers_of", "scan"]

_TRANSPARENT = {"Identity", "Cast", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "EnsureShape"}
_SHAPES = {"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"}
_HEADS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}


@dataclass(frozen=True)
class Scan:
    """The trace.

    Attributes:
        table: The sites.
        inputs: The placeholders, flat.
        outputs: The outputs, flat.
        tensors: (path, call, part) -> tensors by key.
        tables: The paths of layers that look up token ids.
        backward: The paths of layers that give a sequence from its end to its start.
    """

    table: SiteTable
    inputs: list[Any]
    outputs: list[Any]
    tensors: Mapping[tuple[str, int, str], Mapping[int | str, Any]]
    tables: frozenset[str]
    backward: frozenset[str] = frozenset()

    def tensor(self, site: Site) -> Any:
        """The symbolic tensor at a resolved site."""
        tensors = self.tensors[site.path, site.call or 0, site.part]
        return tensors[site.index] if site.index is not None else next(iter(tensors.values()))

    def embeddings(self) -> list[Site]:
        """The outputs of layers that look up an input of the model, one per looked-up call.

        A position embedding depends on the shape of the input only, so it is not among them.
        """
        found = []
        for row in self.table:
            if row.path not in self.tables:
                continue
            for k in range(row.calls):
                ids = next(iter(self.tensors[row.path, k, "in"].values()), None)  # none where they are ragged
                vectors = next(iter(self.tensors[row.path, k, "out"].values()), None)
                looked_up = ids is not None and vectors is not None and vectors.shape.rank == ids.shape.rank + 1
                if looked_up and self._ancestors(ids, stop=None):  # a head may use the table the other way round
                    found.append(self.table.resolve(Site(row.path, k if row.calls > 1 else None)))
        return found

    def bypass(self, site: Site) -> list[str] | None:
        """The names of layers or operations on a way from an input to an output that leads round a site; None if none does."""
        for output in self.outputs:
            way = self._ancestors(output, stop=self.tensor(site))
            if way:
                return self._names(way)
        return None

    def mirrored(self, site: Site) -> bool:
        """Whether the positions at a resolved site stand in reverse order, as those of a layer that goes backwards do."""
        return self._orders.get(self.tensor(site).name) == frozenset({True})

    def in_order(self, site: Site) -> bool:
        """Whether no position at a resolved site stands in reverse order."""
        return True not in self._orders.get(self.tensor(site).name, ())

    def check_order(self, site: Site) -> None:
        """Whether the positions at a resolved site stand where their tokens stand.

        Raises:
            UnsupportedError: if they stand in reverse order; it names the layer around the site that puts them right.
        """
        if self.in_order(site):
            return
        parts = site.path.split(".")
        around = [self.table[".".join(parts[:k])] for k in range(len(parts) - 1, 0, -1)]
        places = [Site(row.path, 0 if row.calls > 1 else None) for row in around if row.calls and row.outputs[0]]
        tensors = {place: self.tensor(self.table.resolve(place)) for place in places}
        better = [place for place, tensor in tensors.items() if self._orders.get(tensor.name) == frozenset({False})]
        some, pool = ("", ", or pool them into one vector per text") if self.mirrored(site) else (" for some units", "")
        advice = "Take the sites before it" if not better else f"Take '{better[0]}', which has them in the order of the text"
        raise UnsupportedError(f"The positions of '{site}' stand in reverse order{some}, because of a layer that goes backwards"
                               f": a token and the vector at its place do not belong together. {advice}{pool}.")  # fmt: skip

    @cached_property
    def _orders(self) -> dict[str, frozenset[bool]]:
        """By the name of a tensor, whether the ways from the inputs to it turn the positions round; empty if nothing does."""
        operations = self.outputs[0].graph.get_operations()
        if not self.backward and not any(map(_reverses, operations)):
            return {}
        layers = {next(iter(held.values())).name: key for key, held in self.tensors.items() if key[2] == "out" and held}
        orders: dict[str, frozenset[bool]] = {x.name: frozenset([False]) for x in self.inputs}
        for operation in operations:
            sources = [] if operation.type in _SHAPES else operation.inputs
            found = frozenset().union(*(orders.get(source.name, frozenset()) for source in sources))
            found = _turned(found) if _reverses(operation) else found
            for tensor in operation.outputs:
                path, call, _ = layers.get(tensor.name, ("", 0, ""))
                if path in self.backward:
                    given = next(iter(self.tensors[path, call, "in"].values()))
                    orders[tensor.name] = _turned(orders.get(given.name, frozenset()))
                elif tensor.name not in orders:
                    no_order = tensor.dtype.is_bool or (path and tensor.shape.rank == 2 and tensor.dtype.is_floating)
                    orders[tensor.name] = frozenset() if no_order else found
        return orders

    def before(self, site: Site, other: Site) -> bool:
        """Whether what goes through a site goes into another one."""
        given, end = self.tensor(site), self.tensor(other)
        return given is not end and self._ancestors(end, None, [given]) is not None

    def _ancestors(self, tensor: Any, stop: Any, given: Sequence[Any] | None = None) -> list[Any] | None:
        """A way from the tensor back to what is given (the inputs), not through `stop` and not through shapes."""
        goals = {id(x.op) for x in (self.inputs if given is None else given)}
        seen: set[int] = set()
        parents: dict[int, Any] = {}
        stack = [tensor]
        while stack:
            now = stack.pop()
            if now is stop or id(now) in seen:
                continue
            seen.add(id(now))
            if id(now.op) in goals:
                way = [now]
                while id(way[-1]) in parents:
                    way.append(parents[id(way[-1])])
                return way
            for source in () if now.op.type in _SHAPES else now.op.inputs:
                if id(source) not in seen:
                    parents[id(source)] = now
                    stack.append(source)
        return None

    def _names(self, way: list[Any]) -> list[str]:
        layers = {
            id(tensor): path
            for (path, _, part), tensors in self.tensors.items()
            if part == "out" and path
            for tensor in tensors.values()
        }
        named = [layers[id(tensor)] for tensor in way if id(tensor) in layers]
        masks = [f"a mask ({tensor.op.name})" for tensor in way if tensor.dtype.is_bool]
        return list(dict.fromkeys(masks[:1] + named)) or [way[0].op.name]


def _turned(orders: frozenset[bool]) -> frozenset[bool]:
    return frozenset(not order for order in orders)


def _reverses(operation: Any) -> bool:
    """Whether an operation turns the second axis, that of positions, round."""
    import tensorflow as tf

    if operation.type == "ReverseSequence":
        return bool(operation.get_attr("seq_dim") == 1)
    if operation.type not in ("ReverseV2", "StridedSlice"):
        return False
    which = 1 if operation.type == "ReverseV2" else 3  # the axes, or the steps
    rank, given = operation.inputs[0].shape.rank, tf.get_static_value(operation.inputs[which])
    if rank is None or given is None:
        return False
    if operation.type == "ReverseV2":
        return 1 in given % rank
    first = rank - len(given) if operation.get_attr("ellipsis_mask") else 0
    return any(step < 0 and first + i == 1 for i, step in enumerate(given))


def head(output: Any) -> tuple[str | None, Any]:
    """What the model ends in, and the tensor before it.

    Args:
        output: Symbolic output of a model inside a traced function.

    Returns:
        `("softmax", logits)`, `("sigmoid", logits)`, or `(None, output)` when the last operation is neither.
    """
    now = output
    while now.op.type in _TRANSPARENT and now.op.inputs:
        now = now.op.inputs[0]
    if now.op.type in _HEADS:
        return _HEADS[now.op.type], now.op.inputs[0]
    return None, output


def layers_of(adapter: Adapter) -> tuple[dict[str, Any], dict[str, str]]:
    """The layers by their first path, and every other path with the first one that it stands for."""
    layers: dict[str, Any] = {}
    first: dict[int, str] = {}
    aliases: dict[str, str] = {}
    for path, layer in adapter.walk():
        if id(layer) in first:
            aliases.setdefault(path, first[id(layer)])
        else:
            first[id(layer)], layers[path] = path, layer
    return layers, aliases


def scan(adapter: Adapter, layers: Mapping[str, Any], aliases: Mapping[str, str], signature: Any) -> Scan:
    """Traces the forward call once on shapes and records every layer that it comes by.

    Args:
        adapter: The model.
        layers: `layers_of(adapter)[0]`.
        aliases: `layers_of(adapter)[1]`.
        signature: Nest of tf.TensorSpec that the model takes.
    """
    import tensorflow as tf

    seen: dict[tuple[str, int, str], Mapping[int | str, Any]] = {}

    def record(path: str, k: int, part: str, tensors: Mapping[int | str, Any]) -> None:
        seen[path, k, part] = tensors

    def body(inputs: Any) -> Any:
        with Taps(layers, record=record):
            return adapter.call(inputs)

    function = tf.function(body, autograph=False).get_concrete_function(signature)
    graph = function.graph
    # A layer called inside a loop is unreadable as a whole: Keras 3 also calls an RNN cell once outside, to warm up.
    inside = {key[0] for key, tensors in seen.items() if any(t.graph is not graph for t in tensors.values())}
    outer = {key: tensors for key, tensors in seen.items() if key[0] not in inside}
    rows = tuple(_rows(layers, aliases, outer, inside))
    outputs = [tensor for tensor in tf.nest.flatten(function.structured_outputs) if tensor is not None]
    specs = [t for t in graph.inputs if t.dtype not in (tf.resource, tf.variant)]
    tables = frozenset(path for path, layer in layers.items() if adapter.looks_up(layer))
    backward = frozenset(path for path, layer in layers.items() if getattr(layer, "go_backwards", False) is True
                         and getattr(layer, "return_sequences", False))  # fmt: skip
    inputs, given = specs[: len(tf.nest.flatten(signature))], list(graph.outputs)[: len(outputs)]
    return Scan(SiteTable(rows), inputs, given, outer, tables, backward)


def _rows(
    layers: Mapping[str, Any], aliases: Mapping[str, str], tensors: Mapping[Any, Mapping[Any, Any]], inside: set[str]
) -> Iterator[SiteRow]:
    order = list(dict.fromkeys(path for path, _, _ in tensors))
    for path in [*order, *(path for path in layers if path not in order)]:
        calls = sum(1 for other, _, part in tensors if other == path and part == "out")
        specs = {
            part: tuple(_specs(tensors.get((path, k, part), {})) for k in range(calls)) for part in ("in", "out")
        }
        layer = layers[path]
        others = tuple(alias for alias, first in aliases.items() if first == path)
        yield SiteRow(path, type(layer).__name__, getattr(layer, "name", ""), specs["in"], specs["out"],
                      "" if any(specs["out"]) else _reason(path, path in inside, calls), others)  # fmt: skip


def _specs(tensors: Mapping[int | str, Any]) -> tuple[Spec, ...]:
    return tuple(
        Spec(None if t.shape.rank is None else tuple(t.shape.as_list()), t.dtype.name, key) for key, t in tensors.items()
    )


def _reason(path: str, inside: bool, calls: int) -> str:
    if calls:
        return "it gives no dense tensor (a ragged or sparse one cannot be read); read the layer around it."
    if inside:
        return "it runs inside a loop or a branch, whose values cannot leave it; read the layer around it."
    if "cell" in path.rsplit(".", 1)[-1]:
        return "the cell's steps are fused into the recurrent layer around it; read that layer."
    return "the forward call (training=False) never comes by: its work is fused into the layer around it, or it is unused."
