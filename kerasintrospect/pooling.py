"""Activations of chunks made one array: pooled over the positions that are no padding, or put back where they stood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .inputs import Arranged

__all__ = ["join", "pooled"]


def join(
    arranged: Arranged,
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    name: str,
    notes: list[str],
    positions: int | None = None,
    mirrored: bool = False,
) -> np.ndarray:
    """The chunks of one site in the order of the examples; positions that were cut come back as zeros.

    Args:
        arranged: The inputs.
        parts: (row numbers, values) of each chunk.
        name: The site in words.
        notes: Takes what should be known about the values.
        positions: The second size of the site, None where it varies.
        mirrored: Whether its positions stand in reverse order.
    """
    n, width = len(arranged), arranged.width
    columns = [arranged.columns(rows) if width else slice(None) for rows, _ in parts]
    if mirrored and width and len(parts[0][1].shape) > 2:
        notes.append(f"'{name}' goes backwards: its positions stand in reverse order, the mask in that of the text.")
        columns = [slice(width - part.stop if part.stop else 0, width - (part.start or 0)) for part in columns]
    lengths = [len(range(width or 0)[part]) for part in columns]
    rest = parts[0][1].shape[1:]
    tokens = width and len(rest) > 1 and positions in (None, width)
    if tokens and all(v.shape[1] in (k, width) for k, (_, v) in zip(lengths, parts, strict=True)):
        whole = np.zeros((n, width, *rest[1:]), parts[0][1].dtype)
        for part, (rows, value) in zip(columns, parts, strict=True):
            whole[rows, slice(None) if value.shape[1] == width else part] = value
        return whole
    longest = max((value.shape[1:] for _, value in parts), default=rest)
    if any(value.shape[1:] != longest for _, value in parts):
        notes.append(f"'{name}' has positions of its own, whose number hangs on the batch: rows are padded with 0.")
    whole = np.zeros((n, *longest), parts[0][1].dtype)
    for rows, value in parts:
        index: tuple[Any, ...] = (rows, *(slice(0, size) for size in value.shape[1:]))
        whole[index] = value
    return whole


def pooled(value: Any, own: Any, mask: Any, how: str | None, width: int | None = None, mirrored: bool = False) -> Any:
    """(pooled activation, mask) inside a traced function; padding is left out wherever it is known.

    Args:
        value: (examples, positions, units); another rank is left as it is.
        own: The Keras mask at the site; it wins, because layers may have changed the positions.
        mask: (examples, positions) of the inputs; used when the site has as many positions.
        how: See `Runner.forward`.
        width: Positions of the inputs before cutting: a site of a fixed other number has positions of its own.
        mirrored: Whether the positions stand in reverse order: they are pooled in that of the text, and without pooling stay
            as they are.
    """
    import tensorflow as tf

    if value.shape.rank != 3 or how == "raw":
        return value, ()
    if mirrored:
        found, every = pooled(tf.reverse(value, [1]), _of_text(own, mask), mask, how, width)
        return (tf.reverse(found, [1]), tf.reverse(every, [1])) if how is None else (found, every)
    every = tf.ones(tf.shape(value)[:2], bool)
    if own is not None and own.shape.rank == 2:
        every = tf.cast(own, bool)
    elif not isinstance(mask, tuple) and value.shape[1] in (None, mask.shape[1], width):
        every = tf.cond(tf.reduce_all(tf.shape(mask) == tf.shape(value)[:2]), lambda: mask, lambda: every)
    if how is None:  # what stands at padding would hang on the batch
        return tf.where(every[..., None], value, tf.zeros_like(value)), every
    keep, value = tf.cast(every, tf.float32)[..., None], tf.cast(value, tf.float32)
    if how == "mean":
        return tf.math.divide_no_nan(tf.reduce_sum(tf.where(every[..., None], value, 0.0), 1), tf.reduce_sum(keep, 1)), ()
    if how == "max":
        most = tf.reduce_max(tf.where(every[..., None], value, value.dtype.min), 1)
        return tf.where(tf.reduce_any(every, 1)[:, None], most, 0.0), ()
    places = tf.range(tf.shape(value)[1])
    away = tf.where(every, places, tf.shape(value)[1] if how == "first" else -1)
    place = tf.reduce_min(away, 1) if how == "first" else tf.reduce_max(away, 1)
    some = tf.reduce_any(every, 1)
    taken = tf.gather(value, tf.where(some, place, 0), batch_dims=1)
    return tf.where(some[:, None], taken, 0.0), ()


def _of_text(own: Any, mask: Any) -> Any:
    """The Keras mask of reversed positions in the order of the text: layers of Keras leave it there, a user's own may not."""
    import tensorflow as tf

    if own is None or own.shape.rank != 2 or isinstance(mask, tuple):
        return own
    own = tf.cast(own, bool)
    turned = tf.reverse(own, [1])

    def nearer() -> Any:
        left, right = (tf.math.count_nonzero(tf.equal(one, mask)) for one in (own, turned))
        return tf.where(left >= right, own, turned)

    return tf.cond(tf.reduce_all(tf.shape(own) == tf.shape(mask)), nearer, lambda: own)
