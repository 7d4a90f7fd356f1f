"""Gradients of the loss per training example, for Dense layers and embedding tables, from one pass over the examples.

A tap reads what goes into each layer, another what comes out of its product before the activation; one backward pass per
chunk gives the gradients there. What `factors.py` makes of the two is the gradient of every weight of the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from .errors import InputError, UnsupportedError
from .factors import Factors, Outer, Rows, Tokens, Whole
from .inputs import Arranged
from .outputs import Output
from .runs import Runner
from .sites import Site
from .weighted import Part

__all__ = ["gradients"]

_FORMS: dict[str, Any] = {"outer": Outer, "whole": Whole, "tokens": Tokens, "rows": Rows}


def gradients(
    runner: Runner, output: Output, parts: Sequence[Part], arranged: Arranged, targets: np.ndarray
) -> dict[str, Factors]:
    """The gradients of the loss of each example, by the path of the layer.

    The loss of a classifier is the cross-entropy in nats, of several labels or of a regression the mean over them of the
    binary cross-entropy or of the squared error, as Keras has it.

    Args:
        runner: The model.
        output: Which of its outputs.
        parts: The layers.
        arranged: The examples.
        targets: (n, 1) class ids, or (n, units) labels.

    Raises:
        InputError: If a gradient is not finite.
        UnsupportedError: If a layer mixes the examples of a batch, or the loss does not depend on any of them.
    """
    body, chunks = _body(runner, output, tuple(parts)), list[tuple[np.ndarray, Any]]()
    key = ("gradients", output.place, output.kind, tuple(parts))
    for rows, leaves, _ in runner.progress(runner.chunks(arranged), len(arranged)):
        found, sizes = runner.tracer.ask(key, body, arranged, [leaves, targets[rows]])
        _check_sizes(parts, sizes.numpy(), len(rows))
        chunks.append((rows, [[tensor.numpy() for tensor in one] for one in found]))
    order = np.argsort(np.concatenate([rows for rows, _ in chunks]), kind="stable")
    made = {}
    for i, part in enumerate(parts):
        made[part.path] = _FORMS[part.form].join(order, [found[i] for _, found in chunks], part.bias)
        _check_finite(part.path, made[part.path].squares())
    return made


def _body(runner: Runner, output: Output, parts: tuple[Part, ...]) -> Callable[..., Any]:
    layers = {part.path: runner.tracer.layers[part.path] for part in parts}
    reads = [site for part in parts for site in part.ins]

    def body(call: Any, leaves: Any, target: Any) -> Any:
        import tensorflow as tf

        before: dict[str, Any] = {}  # the last value before the activation of a layer; its output follows at once
        places: dict[Site, Any] = {}

        def keep(site: Site, value: Any) -> Any:
            places[site] = before.pop(site.path, value)
            return value

        edits = {site: (lambda value, site=site: keep(site, value)) for part in parts for site in part.outs}
        with _watched(layers, before):
            outputs, taps = call(leaves, reads, edits)
        sites = list(places)
        found = tf.gradients(tf.reduce_sum(_loss(output, outputs, target)), [places[site] for site in sites])
        if all(gradient is None for gradient in found):
            names = ", ".join(map(repr, layers))
            raise UnsupportedError(f"The loss does not depend on {names} by any gradient: choose other layers=.")
        deltas = {
            site: tf.zeros_like(places[site]) if gradient is None else gradient
            for site, gradient in zip(sites, found, strict=True)
        }
        sizes = [tf.shape(deltas[part.outs[0]])[0] for part in parts]
        return [_products(part, taps.values, deltas, tf.shape(leaves[0])[0]) for part in parts], tf.stack(sizes)

    return body


def _loss(output: Output, outputs: Any, target: Any) -> Any:
    import tensorflow as tf

    if output.kind in ("softmax", "binary"):
        return output.score(outputs, target, "loss")
    value = output.pick(outputs)
    if output.kind == "raw":
        return tf.reduce_mean(tf.square(tf.cast(value, tf.float32) - target), -1)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(target, output.logits(value)), -1)


def _products(part: Part, values: Mapping[Site, Any], deltas: Mapping[Site, Any], n: Any) -> list[Any]:
    """What the form of a part keeps of one chunk; several calls of a layer are further positions."""
    import tensorflow as tf

    units = part.sizes[1]
    calls = [tf.reshape(tf.cast(deltas[site], tf.float32), [n, -1, units]) for site in part.outs]
    delta = calls[0] if len(calls) == 1 else tf.concat(calls, 1)
    if part.form == "rows":
        ids = [tf.reshape(tf.cast(values[site], tf.int64), [n, -1]) for site in part.ins]
        return [ids[0] if len(ids) == 1 else tf.concat(ids, 1), delta]
    inputs = [tf.reshape(tf.cast(values[site], tf.float32), [n, -1, part.sizes[0]]) for site in part.ins]
    h = inputs[0] if len(inputs) == 1 else tf.concat(inputs, 1)
    if part.form == "outer":
        return [h[:, 0], delta[:, 0]]
    if part.form == "tokens":
        return [h, delta]
    kernel = tf.reshape(tf.matmul(h, delta, transpose_a=True), [n, part.sizes[0] * units])
    return [tf.concat([kernel, tf.reduce_sum(delta, 1)], 1) if part.bias else kernel]


@contextmanager
def _watched(layers: Mapping[str, Any], before: dict[str, Any]) -> Iterator[None]:
    """Notes what each layer gives to its activation, for the length of the block (which holds `taps.LOCK`)."""
    import tensorflow as tf

    undo: list[tuple[Any, Any]] = []

    def noting(path: str, activation: Any) -> Callable[[Any], Any]:
        def activate(value: Any) -> Any:
            before[path] = value
            return value if activation is None else activation(value)

        return tf.autograph.experimental.do_not_convert(activate)  # type: ignore[no-any-return]

    try:
        for path, layer in layers.items():
            if "activation" in vars(layer):
                undo.append((layer, layer.activation))
                object.__setattr__(layer, "activation", noting(path, layer.activation))
        yield
    finally:
        for layer, activation in undo:
            object.__setattr__(layer, "activation", activation)


def _check_sizes(parts: Sequence[Part], sizes: np.ndarray, n: int) -> None:
    mixed = [part.path for part, size in zip(parts, sizes.tolist(), strict=True) if size != n]
    if mixed:
        raise UnsupportedError(f"A layer is read per example where its first axis is that of the examples, and {mixed[0]!r} "
                               "has another: leave it out of layers=.")  # fmt: skip


def _check_finite(path: str, squares: np.ndarray) -> None:
    rows = np.flatnonzero(~np.isfinite(squares))
    if len(rows):
        raise InputError(f"The gradient of every example has to be finite. Received: NaN or infinity in {path!r} for "
                         f"{len(rows)} of {len(squares)} examples, the first at position {rows[0]}")  # fmt: skip
