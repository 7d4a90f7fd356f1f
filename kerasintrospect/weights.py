"""The weights of a model: read by name, drawn anew, and borrowed for the length of a block."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from .adapters.base import Adapter
from .errors import InputError, UnsupportedError
from .taps import LOCK

__all__ = ["borrowed", "check_finite", "digests", "named", "reinitialised"]

Values = Sequence[np.ndarray | None]


def named(adapter: Adapter) -> Iterator[tuple[str, np.ndarray]]:
    """(name, values) of every weight; whatever else a model lists among them (tables of words) is left out."""
    for weight in _variables(adapter):
        yield getattr(weight, "path", weight.name), np.ascontiguousarray(weight.numpy())


def digests(adapter: Adapter) -> bytes:
    """The hash of every weight and its name, one after the other; made side by side, since a large model has 400 MB."""

    def one(weight: Any) -> bytes:
        value = np.ascontiguousarray(weight.numpy())
        found = hashlib.sha256(f"{getattr(weight, 'path', weight.name)}{value.shape}{value.dtype}".encode())
        found.update(value.reshape(-1).view(np.uint8).data)
        return found.digest()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return b"".join(pool.map(one, _variables(adapter)))


def check_finite(adapter: Adapter) -> None:
    """Raises InputError, if weights hold NaN or infinity; it names them."""
    broken = [name for name, value in named(adapter) if value.dtype.kind == "f" and not np.isfinite(value).all()]
    if broken:
        raise InputError(f"The model gives NaN, because these weights hold NaN or infinity: {', '.join(broken[:5])}.")


@contextmanager
def borrowed(adapter: Adapter, values: Values) -> Iterator[None]:
    """The model with other weights, for the length of the block; its own come back whatever happens in it.

    No other thread runs the model through kerasintrospect meanwhile; one that calls it directly sees the borrowed weights.

    Args:
        adapter: The model.
        values: One array per weight in the order of `named`; None leaves that weight as it is.

    Raises:
        InputError: If number or shapes are not those of the weights; nothing was changed then.
        UnsupportedError: If the model is a black box, whose weights cannot be set.
    """
    variables = _variables(adapter)
    if adapter.kind == "black box":
        raise UnsupportedError("A black box keeps the weights that it has: it cannot be run with others.")
    shapes = [None if value is None else tuple(value.shape) for value in values]
    wanted = [tuple(variable.shape) for variable in variables]
    if len(shapes) != len(wanted) or any(shape not in (None, own) for shape, own in zip(shapes, wanted, strict=True)):
        different = [f"{v.name} {own} with {shape}" for v, own, shape in zip(variables, wanted, shapes, strict=False)
                     if shape not in (None, own)]  # fmt: skip
        raise InputError(
            f"The weights have to be those of this model: {len(wanted)} arrays of its shapes. Received: {len(shapes)} arrays"
            f"{'; ' + ', '.join(different[:3]) if different else ''}."
        )
    pairs = [(variable, value) for variable, value in zip(variables, values, strict=True) if value is not None]
    with LOCK:
        own_values = [variable.numpy() for variable, _ in pairs]
        try:
            for variable, value in pairs:
                variable.assign(value)
            yield
        finally:
            for (variable, _), value in zip(pairs, own_values, strict=True):
                variable.assign(value)


def reinitialised(adapter: Adapter, layers: Mapping[str, Any], seed: int = 0) -> list[np.ndarray | None]:
    """Weights as before training, for `borrowed`: drawn by the initializer that the layer keeps for each weight.

    A weight whose layer keeps none gets its own values in another order. What is no float stays as it is.

    Args:
        adapter: The model.
        layers: Its layers by path, as `Tracer` holds them.
        seed: The seed of all draws.
    """
    initializers = {id(weight): found for layer in layers.values() for weight, found in _initializers(layer)}
    draws = np.random.default_rng(seed)
    found: list[np.ndarray | None] = []
    for variable in _variables(adapter):
        drawn, values = int(draws.integers(2**31)), variable.numpy()
        if values.dtype.kind != "f":
            found.append(None)
        elif id(variable) in initializers:
            initializer = initializers[id(variable)]
            config = initializer.get_config()
            fresh = type(initializer).from_config({**config, "seed": drawn} if "seed" in config else config)
            found.append(np.asarray(fresh(tuple(variable.shape)), values.dtype))
        else:
            shuffled = np.random.default_rng(drawn).permutation(values.ravel())
            found.append(shuffled.reshape(values.shape))
    return found


def _variables(adapter: Adapter) -> list[Any]:
    return [weight for weight in adapter.weights() if hasattr(weight, "numpy")]  # tf_keras lists a table of words among them


def _initializers(layer: Any) -> Iterator[tuple[Any, Any]]:
    """(weight, initializer) as layers keep them: the attribute `kernel` and beside it `kernel_initializer`."""
    for owner in (layer, getattr(layer, "cell", None)):
        for name, initializer in list(getattr(owner, "__dict__", {}).items()):
            if name.endswith("_initializer") and hasattr(initializer, "get_config"):
                stem = name.removesuffix("_initializer")
                weights = (getattr(owner, attribute, None) for attribute in (stem, f"_{stem}", f"{stem}_kernel"))
                yield from ((weight, initializer) for weight in weights if weight is not None)
