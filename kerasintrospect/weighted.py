"""The layers whose weights have a gradient per example that can be taken from what a tap sees: Dense and embedding tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import InputError, InputTypeError, UnsupportedError
from .runs import Runner
from .sites import Site, SiteRow, SiteTable, parse

__all__ = ["Part", "parts_of"]

_UNKNOWN = 32  # positions, where nothing says how many there are


@dataclass(frozen=True)
class Part:
    """One layer whose gradients are taken.

    Attributes:
        path: Where it is.
        form: Which `Factors` hold its gradients: `"outer"`, `"whole"`, `"tokens"` or `"rows"`.
        ins: The sites of its inputs, one per call.
        outs: The sites of its outputs.
        sizes: (inputs, units) of its kernel, or (ids, units) of its table.
        bias: Whether it has a bias.
        parameters: How many numbers its weights hold.
    """

    path: str
    form: str
    ins: tuple[Site, ...]
    outs: tuple[Site, ...]
    sizes: tuple[int, int]
    bias: bool
    parameters: int


def parts_of(runner: Runner, layers: str | Sequence[str], width: int | None = None) -> tuple[list[Part], list[str]]:
    """The layers that are meant, and what should be known about those that are left out.

    Args:
        runner: The model.
        layers: `"last"` (the last layer with weights), `"all"` (every trained one that can be read), or addresses.
        width: Positions of the texts.

    Raises:
        InputError: If one of the layers is none whose gradients can be taken; it says which are.
        UnsupportedError: If the model is a black box.
    """
    if runner.adapter.kind == "black box":
        raise UnsupportedError("Influence needs the gradients of weights, and a black box shows none: wrap the Keras model.")
    table, found, why = runner.scan().table, dict[str, Part](), dict[str, str]()
    for row in table:
        layer = runner.tracer.layers[row.path]
        made = _part(runner, row, layer, width)
        if isinstance(made, Part):
            found[row.path] = made
        else:
            why[row.path] = made
    if layers == "all":
        chosen = [part for path, part in found.items() if runner.tracer.layers[path].trainable]
    else:
        paths = _paths(runner, table, layers)
        _refuse([path for path in paths if path not in found], why, list(found))
        chosen = [found[path] for path in dict.fromkeys(paths)]
    if not chosen:
        raise InputError(f"The model has no trainable Dense or Embedding layer whose gradients can be taken. Received: "
                         f"layers={layers!r}")  # fmt: skip
    return chosen, _notes(runner, chosen)


def _part(runner: Runner, row: SiteRow, layer: Any, width: int | None) -> Part | str:
    """The part that a layer makes, or in words why it makes none."""
    kind = _kind(runner, layer)
    if not kind:
        return f"it is of class {row.class_name}"
    if not row.calls or not all(row.inputs) or not all(row.outputs):
        return row.reason or "its input cannot be read"
    if getattr(layer, "lora_enabled", False) or getattr(layer, "quantization_mode", None) is not None:
        return "its weights are adapted (LoRA) or quantised"
    calls = [None] if row.calls == 1 else list(range(row.calls))
    ins, outs = (tuple(Site(row.path, k, part, None) for k in calls) for part in ("in", "out"))
    parameters = sum(int(np.prod(weight.shape)) for weight in layer.weights)
    if kind == "Embedding":
        return Part(row.path, "rows", ins, outs, (int(layer.input_dim), int(layer.output_dim)), False, parameters)
    sizes = _product(layer) if kind == "EinsumDense" else (int(layer.kernel.shape[0]), int(layer.kernel.shape[1]))
    if sizes is None:
        return f"its equation {layer.equation!r} is no product over the last axes"
    positions = [_positions(specs[0].shape, sizes[0], width) for specs in row.inputs]
    return Part(row.path, _form(sizes, sum(positions)), ins, outs, sizes, layer.bias is not None, parameters)


def _kind(runner: Runner, layer: Any) -> str:
    """The layer of the family whose own forward call this one runs; empty if it runs another."""
    layers = runner.adapter.module.layers
    for name in ("Dense", "EinsumDense", "Embedding"):
        known = getattr(layers, name, None)
        if known is not None and isinstance(layer, known) and type(layer).call is known.call:
            return name
    return ""


def _product(layer: Any) -> tuple[int, int] | None:
    """(inputs, units) of an EinsumDense that is a matrix product over the last axes of what comes in and goes out."""
    left, out = layer.equation.replace(" ", "").replace("...", "").split("->")
    given, kernel = left.split(",")
    shared = 0
    while shared < min(len(given), len(out)) and given[shared] == out[shared] and given[shared] not in kernel:
        shared += 1
    if not shared and "..." not in layer.equation or kernel != given[shared:] + out[shared:]:
        return None
    cut, shape = len(given) - shared, tuple(layer.kernel.shape)
    inputs, units = int(np.prod(shape[:cut])), int(np.prod(shape[cut:]))
    whole = layer.bias is None or int(np.prod(layer.bias.shape)) == units
    return (inputs, units) if whole else None


def _positions(shape: tuple[int | None, ...] | None, inputs: int, width: int | None) -> int:
    """At how many positions of an example a layer is read, as far as that is known."""
    if shape is None:
        return _UNKNOWN
    is_open = None in shape[1:]  # what is one position wide here may be wider in a query
    rest = [(width or _UNKNOWN) if size is None else size for size in shape[1:]]
    return max(1 + is_open, int(np.prod(rest)) // inputs)


def _form(sizes: tuple[int, int], positions: int) -> str:
    """The cheapest of the forms, all of which are exact; the gradient itself if that is not much more to keep."""
    if positions == 1:
        return "outer"
    return "whole" if (sizes[0] + 1) * sizes[1] <= 4 * positions * sum(sizes) else "tokens"


def _paths(runner: Runner, table: SiteTable, layers: str | Sequence[str]) -> list[str]:
    if layers == "last":
        return [runner.summary().path]
    if isinstance(layers, str) or not all(isinstance(layer, str) for layer in layers):
        raise InputTypeError(f'`layers` is "last", "all" or a list of addresses of layers. Received: layers={layers!r}')
    return [table.resolve(Site(parse(layer).path, 0)).path for layer in layers]


def _refuse(paths: Sequence[str], why: Mapping[str, str], can: Sequence[str]) -> None:
    if paths:
        reasons = "; ".join(f"{path!r}: {why[path]}" for path in paths)
        raise InputError(f"Gradients can be taken of these layers: {', '.join(map(repr, can)) or '(none)'}. Name some of them "
                         f"in layers=. Received: {reasons}")  # fmt: skip


def _notes(runner: Runner, parts: Sequence[Part]) -> list[str]:
    total, held = runner.adapter.parameters(), sum(part.parameters for part in parts)
    if not total or held >= total:
        return []
    names = ", ".join(part.path for part in parts[:5]) + (f" and {len(parts) - 5} more" if len(parts) > 5 else "")
    return [f"The gradients are those of {names}, which hold {held / total:.1%} of the parameters of the model."]
