"""What users give, laid out as a model takes it: arrays in flat order, their padding, and chunks cut to length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .errors import InputError, InputTypeError
from .fronts.base import Encoded

__all__ = ["Arranged", "arrange", "gather", "stretches"]


@dataclass(frozen=True)
class Arranged:
    """Inputs in the order of the model's own.

    Attributes:
        encoded: What they come from.
        leaves: Arrays, examples first.
        struct: The nest that the leaves are packed into for the model.
        on_site: Whether the leaves go to the site of the text front instead of the model's input.
        mask: (n, width) bool, False at padding; None without token positions.
        lengths: (n,) positions that must be kept of each row.
        front_padded: Whether the padding stands in front.
        names: What the model calls its inputs; empty when it does not.
        rounded: Whether chunks are cut to few different lengths (multiples of 4, from 64 on of 16), or to their own.
    """

    encoded: Encoded
    leaves: list[np.ndarray]
    struct: Any
    on_site: bool
    mask: np.ndarray | None
    lengths: np.ndarray
    front_padded: bool = False
    names: tuple[str, ...] = ()
    rounded: bool = True

    def __len__(self) -> int:
        return len(self.leaves[0])

    @property
    def width(self) -> int | None:
        """Token positions of the padded rows."""
        return None if self.mask is None else self.mask.shape[1]

    @property
    def kind(self) -> tuple[bool, str]:
        """What a traced function depends on beside shapes."""
        return self.on_site, repr(self.struct)

    def says_mask(self) -> list[np.ndarray]:
        """The inputs that are called a mask."""
        return [leaf for name, leaf in zip(self.names, self.leaves, strict=False) if "mask" in name and leaf.ndim == 2]

    def filled(self) -> np.ndarray | None:
        """(n, positions) bool: what an input that is called a mask says, or where an input of whole numbers is not 0."""
        whole = [leaf for leaf in self.leaves if leaf.ndim == 2 and leaf.shape[1] > 1 and _is_whole(leaf)]
        found = self.says_mask()[:1] or [leaf for leaf in whole if leaf.shape == whole[0].shape]
        return None if not found else np.max([leaf != 0 for leaf in found], axis=0).astype(bool)

    def masked(self, mask: np.ndarray) -> Arranged:
        """The same inputs with this mask."""
        lengths, front = _lengths(mask)
        return replace(self, encoded=self.encoded.masked(mask), mask=mask, lengths=lengths, front_padded=front)

    def subset(self, rows: np.ndarray) -> Arranged:
        """Some of the examples, at the same width."""
        mask = None if self.mask is None else self.mask[rows]
        return replace(self, leaves=[leaf[rows] for leaf in self.leaves], mask=mask, lengths=self.lengths[rows])

    def take(self, rows: np.ndarray, trim: bool) -> tuple[list[np.ndarray], np.ndarray | None]:
        """(leaves, mask) of these rows, cut to the longest of them, rounded up to a bucket."""
        if self.mask is None or not trim:
            return [leaf[rows] for leaf in self.leaves], None if self.mask is None else self.mask[rows]
        columns = self.columns(rows)
        cut = [leaf[rows][:, columns] if self._has_positions(leaf) else leaf[rows] for leaf in self.leaves]
        return cut, self.mask[rows][:, columns]

    def shorter(self) -> np.ndarray:
        """The rows that lose columns when they are cut to their bucket, shortest first."""
        order = np.argsort(self.lengths, kind="stable")
        return order[[self._bucket(length) < (self.width or 0) for length in self.lengths[order]]]

    def columns(self, rows: np.ndarray) -> slice:
        """The columns that are left when these rows are cut to their bucket."""
        length = min(self._bucket(self.lengths[rows].max(initial=1)), self.width or 1)
        return slice((self.width or 0) - length, None) if self.front_padded else slice(0, length)

    def _bucket(self, length: int) -> int:
        step = (4 if length <= 64 else 16) if self.rounded else 1
        return int(max(step, -(-length // step) * step))

    def _has_positions(self, leaf: np.ndarray) -> bool:
        return leaf.ndim >= 2 and leaf.shape[1] == self.width and (leaf.ndim > 2 or _is_whole(leaf))


def arrange(encoded: Encoded, signature: Any, on_site: bool) -> Arranged:
    """Flattens encoded inputs in the order of the model's inputs and casts them to its dtypes.

    Args:
        encoded: Inputs, as an array, a list or a dict.
        signature: Nest of tf.TensorSpec that the model takes; None on the site of a front.
        on_site: See `Arranged`.

    Raises:
        InputError: if keys, counts, ranks or sizes do not fit.
    """
    import tensorflow as tf

    if on_site:
        leaves, struct = [np.asarray(encoded.inputs)], 0
    else:
        leaves = [_fit(leaf, spec) for leaf, spec in zip(*_pair(encoded.inputs, signature), strict=True)]
        struct = tf.nest.map_structure(lambda spec: 0, signature)
    if len({len(leaf) for leaf in leaves}) > 1:
        raise InputError(f"All inputs hold the same number of examples. Received: {[len(leaf) for leaf in leaves]}")
    if not len(leaves[0]):
        raise InputError("There is no example to run. Received: empty inputs")
    lengths, front = (np.zeros(len(leaves[0]), int), False) if encoded.mask is None else _lengths(encoded.mask)
    return Arranged(encoded, leaves, struct, on_site, encoded.mask, lengths, front, tuple(() if on_site else _names(signature)))


def gather(inputs: Any) -> Any:
    """Arrays from arrays, tensors, pandas columns, lists or dicts of them, or a tf.data.Dataset of batches.

    Raises:
        InputTypeError: if there is something else.
    """
    if hasattr(inputs, "as_numpy_iterator") and hasattr(inputs, "element_spec"):
        return _from_dataset(inputs)
    if isinstance(inputs, Mapping):
        return {key: gather(value) for key, value in inputs.items()}
    if isinstance(inputs, (list, tuple)) and inputs and not np.isscalar(inputs[0]) and hasattr(inputs[0], "shape"):
        return [gather(value) for value in inputs]
    try:
        array = np.asarray(inputs)
    except ValueError as error:
        raise InputError("The rows of an input have one length: pad them. Received: rows of different lengths") from error
    if array.dtype.kind == "O" and not all(isinstance(x, (str, bytes)) for x in array.ravel()):
        raise InputTypeError(
            f"Inputs are arrays, a list or dict of arrays, a tf.data.Dataset, or, when the model has a text front, a list of "
            f"str. Received: an object of type {type(inputs).__name__}"
        )
    if array.ndim == 0:
        raise InputTypeError(f"Inputs hold one row per example. Received: {inputs!r}")
    return array


def _from_dataset(dataset: Any) -> Any:
    import tensorflow as tf

    batches = [batch[0] if isinstance(batch, tuple) else batch for batch in dataset.as_numpy_iterator()]
    if not batches:
        raise InputError("There is no example to run. Received: an empty tf.data.Dataset")
    if any(np.ndim(leaf) == 0 for leaf in tf.nest.flatten(batches[0])):
        raise InputError("A tf.data.Dataset gives batches: call .batch(n) on it. Received: single examples")
    try:
        return tf.nest.map_structure(lambda *leaves: np.concatenate(leaves), *batches)
    except ValueError as error:
        raise InputError(f"The batches of the tf.data.Dataset have different widths: pad them to one ({error})") from error


def stretches(order: np.ndarray, lengths: np.ndarray | None, rows: int) -> Iterator[np.ndarray]:
    """Stretches of rows; sorted by length, none is half as long again as the shortest beside it, so little is padding."""
    start, ascending = 0, None if lengths is None else lengths[order]
    while start < len(order):
        end = min(start + rows, len(order))
        if ascending is not None:
            longest = max(8.0, 1.5 * ascending[start])
            end = min(end, int(np.searchsorted(ascending, longest, side="right")))
        yield order[start:end]
        start = end


def _pair(inputs: Any, signature: Any) -> tuple[list[np.ndarray], list[Any]]:
    import tensorflow as tf

    specs = tf.nest.flatten(signature)
    if isinstance(inputs, Mapping):
        keys = _names(signature)
        if set(inputs) != set(keys):
            raise InputError(f"The model takes inputs named {keys}. Received: {sorted(inputs)}")
        return [np.asarray(inputs[key]) for key in keys], specs
    leaves = [np.asarray(leaf) for leaf in inputs] if isinstance(inputs, Sequence) else [np.asarray(inputs)]
    rows = len(specs) == 1 and isinstance(inputs, Sequence) and len(leaves) > 0
    if rows and all(specs[0].shape[1:].is_compatible_with(leaf.shape) for leaf in leaves):
        leaves = [np.stack(leaves)]
    if isinstance(signature, Mapping) and len(specs) > 1:
        raise InputError(f"The model takes a dict with the keys {sorted(signature)}. Received: no dict")
    if len(leaves) != len(specs):
        raise InputError(f"The model takes {len(specs)} inputs. Received: {len(leaves)}")
    return leaves, specs


def _names(signature: Any) -> list[str]:
    import tensorflow as tf

    return sorted(signature) if isinstance(signature, Mapping) else [spec.name or "" for spec in tf.nest.flatten(signature)]


def _fit(array: np.ndarray, spec: Any) -> np.ndarray:
    shape = spec.shape.as_list() if spec.shape.rank is not None else None
    text = spec.dtype.name == "string"
    if text and shape is not None and len(shape) == array.ndim + 1 and shape[-1] in (1, None):
        array = array[:, None]
    if shape is not None and len(shape) == array.ndim + 1 and shape[-1] == 1:
        array = array[..., None]
    if text != (array.dtype.kind in "OUS"):
        what = "texts: was a tokenizer= or preprocess= forgotten?" if not text else "numbers, but the model takes strings"
        raise InputTypeError(f"The model takes {spec.dtype.name} of shape {shape}. Received: {what}")
    fits = shape is None or (
        len(shape) == array.ndim and all(n is None or n == m for n, m in zip(shape[2:], array.shape[2:], strict=True))
    )
    if not fits or (shape is not None and len(shape) == 2 and shape[1] not in (None, array.shape[1])):
        raise InputError(f"The model takes arrays of shape {tuple(shape or ())}. Received: shape {array.shape}")
    if text:
        flat = [s if isinstance(s, bytes) else s.encode("utf-8", "replace") for s in array.ravel()]
        return np.array(flat, object).reshape(array.shape)
    if spec.dtype.is_integer and not _is_whole(array):
        broken = array[array != np.rint(array)].ravel()[0]
        raise InputTypeError(f"The model takes {spec.dtype.name}. Received: {array.dtype} with fractions, such as {broken}")
    return array.astype(spec.dtype.as_numpy_dtype, copy=False)


def _is_whole(leaf: np.ndarray) -> bool:
    return leaf.dtype.kind in "iub" or bool((leaf == np.rint(leaf)).all())


def _lengths(mask: np.ndarray) -> tuple[np.ndarray, bool]:
    """How many positions each row needs, and whether the padding stands in front; full width when it is mixed."""
    some = mask.any(1)
    last = np.where(some, mask.shape[1] - mask[:, ::-1].argmax(1), 0)
    first = np.where(some, mask.argmax(1), mask.shape[1])
    if (first[some] == 0).all():
        return last, False
    if (last[some] == mask.shape[1]).all():
        return mask.shape[1] - first, True
    return np.full(len(mask), mask.shape[1]), False
