"""The mechanism: read and write activations at sites during one forward call.

For the length of a `with` block the `call` of each tapped layer is overridden on the instance and then restored, also
after an exception. Everything that looks inside a model is a use of this: sub-models, activations, attribution,
edits. The block belongs inside the body of a traced function (`runs.Runner`), so that each trace applies it anew;
`predict` and `fit` are never called inside it, because the families cache their graphs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .errors import InputError, InputTypeError, UnreachedSiteError
from .sites import Site

__all__ = ["LOCK", "Edit", "Fed", "Taps", "as_edit"]

Edit = Callable[[Any], Any]


@runtime_checkable
class Fed(Protocol):
    """An edit that takes numbers with every chunk of examples, so that other numbers need no new trace.

    Attributes:
        key: Equal keys do the same with what `feed` gives.
    """

    @property
    def key(self) -> tuple[Any, ...]: ...

    def feed(self, rows: np.ndarray, mask: np.ndarray | None) -> list[np.ndarray]:
        """What the edit needs for these examples."""

    def __call__(self, tensor: Any, fed: Sequence[Any]) -> Any:
        """What takes the place of the activation."""


LOCK = threading.RLock()  # an override is visible to every thread that uses the layer
_SAVED = ("_losses", "_eager_losses")


class Taps:
    """Context manager around one forward call.

    Args:
        layers: Layer by path, as `Introspector` and `scan` hold them.
        reads: Resolved sites to read; afterwards `values[site]` is the tensor there and `masks[site]` its Keras mask.
        edits: What to do at resolved sites: a function from the tensor there to the tensor that takes its place.
        skip: Sites among the edits whose layer need not run at all, because the edit ignores what it computes.
        record: Called with (path, call index, part, tensors by key) at every tapped layer; used by `scan`.

    Raises:
        UnreachedSiteError: on leaving the block, if a site was never reached.
    """

    def __init__(
        self,
        layers: Mapping[str, Any],
        reads: Sequence[Site] = (),
        edits: Mapping[Site, Edit] | None = None,
        skip: Sequence[Site] = (),
        record: Callable[[str, int, str, dict[int | str, Any]], None] | None = None,
    ) -> None:
        self._layers, self._reads, self._edits, self._skip = layers, dict.fromkeys(reads), dict(edits or {}), set(skip)
        self._record = record
        wanted = {site.path for site in (*self._reads, *self._edits)}
        self._tapped = {path: layer for path, layer in layers.items() if record is not None or path in wanted}
        self._sites = {_key(site): site for site in (*self._reads, *self._edits)}
        self._home: Any = None
        self._calls: dict[str, int] = {}
        self._undo: list[Callable[[], None]] = []
        self._seen: set[Site] = set()
        self.values: dict[Site, Any] = {}
        self.masks: dict[Site, Any] = {}

    def __enter__(self) -> Taps:
        LOCK.acquire()
        self._home = _graph()
        for path, layer in self._tapped.items():
            self._override(path, layer)
        for layer in self._layers.values():
            self._keep(layer)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()
        LOCK.release()
        missed = [str(site) for site in (*self._reads, *self._edits) if site not in self._seen]
        if kind is None and missed:
            raise UnreachedSiteError(
                f"The forward call never came by {', '.join(missed)}. Likely the layer is only used in training, its "
                f"call is fused into another layer's, or it is a tf.function that was traced before."
            )

    def _override(self, path: str, layer: Any) -> None:
        import tensorflow as tf

        plain = tf.autograph.experimental.do_not_convert
        before, after, passing = plain(self._before), plain(self._after), plain(self._passing)
        owner = threading.get_ident()

        def hooked(original: Callable[..., Any]) -> Callable[..., Any]:
            # Plain code: tf_keras converts it by autograph so that the layer's own `call` is converted too.
            def call(*args: Any, **kwargs: Any) -> Any:
                if threading.get_ident() != owner or not passing():
                    return original(*args, **kwargs)
                k, args, kwargs, run = before(path, layer, original, args, kwargs)
                return after(path, layer, k, args, kwargs, run(*args, **kwargs))

            return call

        self._set(layer, "call", hooked(layer.call))
        if getattr(layer, "quantization_mode", None) is not None:
            self._set(layer, "quantized_call", hooked(layer.quantized_call))

    def _passing(self) -> bool:
        """Whether this is the forward pass; the families also call layers aside, in scratch graphs, to infer shapes."""
        graph = _graph()
        while graph is not self._home:
            if self._home is None or graph is None or "scratch_graph" in getattr(graph, "name", ""):
                return False
            graph = getattr(graph, "outer_graph", None)
        return True

    def _keep(self, layer: Any) -> None:
        for name in ("stateful", "_stateful"):  # a recurrent layer that goes on from the last batch: here each text is alone
            if vars(layer).get(name) is True:
                self._set(layer, name, False)
        if getattr(layer, "_remat_mode", None) is not None:  # a rematerialised call gives no gradient to a tap
            self._set(layer, "_remat_mode", None)
        if getattr(layer, "_could_use_gpu_kernel", False) and not _has_gpu():
            self._set(layer, "_could_use_gpu_kernel", False)  # else tf_keras traces a GPU branch too, at five times the cost
        for name in _SAVED:  # regularisers append graph tensors to these lists
            value = vars(layer).get(name)
            if isinstance(value, list):
                self._undo.append(lambda value=value, kept=list(value): value.__setitem__(slice(None), kept))  # type: ignore[misc]

    def _set(self, layer: Any, name: str, value: Any) -> None:
        had, old = name in vars(layer), vars(layer).get(name)
        object.__setattr__(layer, name, value)
        self._undo.append(
            lambda: object.__setattr__(layer, name, old) if had else object.__delattr__(layer, name)
        )

    def _before(self, path: str, layer: Any, original: Any, args: Any, kwargs: Any) -> Any:
        k = self._calls.get(path, 0)
        self._calls[path] = k + 1
        key = None if args else next((name for name, value in kwargs.items() if _tensors(value)), None)
        first = args[0] if args else kwargs.get(key)
        first = self._visit(path, k, "in", first, layer)
        args = (first, *args[1:]) if args else args
        kwargs = kwargs if args or key is None else {**kwargs, key: first}
        site = self._sites.get((path, k, "out", None))
        if site in self._skip:
            return k, args, kwargs, lambda *_, **__: None
        return k, args, kwargs, original

    def _after(self, path: str, layer: Any, k: int, args: Any, kwargs: Any, outputs: Any) -> Any:
        first = args[0] if args else next((value for value in kwargs.values() if _tensors(value)), None)
        return self._visit(path, k, "out", outputs, layer, first)

    def _visit(self, path: str, k: int, part: str, nest: Any, layer: Any, first: Any = None) -> Any:
        import tensorflow as tf

        if nest is None:
            tensors: dict[int | str, Any] = {0: None}
        else:
            tensors = _tensors(nest)
        if self._record is not None:
            self._record(path, k, part, tensors)
        changed = {}
        for place, (key, tensor) in enumerate(tensors.items()):
            for index in {key, None} if place == 0 else {key}:
                site = self._sites.get((path, k, part, index))
                if site is not None:
                    changed[key] = tensor = self._at(site, tensor)
                    self.masks[site] = _mask(layer, part, tensor, first)
        if not changed:
            return nest
        if nest is None or _is_tensor(nest):
            return next(iter(changed.values()))
        flat = iter([changed.get(key, tensor) for key, tensor in tensors.items()])
        return tf.nest.map_structure(lambda leaf: next(flat) if _is_tensor(leaf) else leaf, nest)

    def _at(self, site: Site, tensor: Any) -> Any:
        self._seen.add(site)
        if site in self._edits:
            edited = self._edits[site](tensor)
            tensor = edited if tensor is None else _same(site, edited, tensor)
        if site in self._reads:
            self.values[site] = tensor
        return tensor


def as_edit(value: Any) -> Edit:
    """An edit from what a user gives: a function as it is, a number or an array as what takes the activation's place."""
    if callable(value):
        return value  # type: ignore[no-any-return]
    if value is None or isinstance(value, (str, bytes)) or (np.ndim(value) and not np.size(value)):
        raise InputTypeError("An edit is ki.ablate(...), ki.patch(...), ki.steer(...) or a list of them, a function of the "
                             f"tensor, or a number or an array that takes its place. Received: {value!r}")  # fmt: skip

    def put(tensor: Any) -> Any:
        import tensorflow as tf

        return tf.broadcast_to(tf.cast(tf.convert_to_tensor(value), tensor.dtype), tf.shape(tensor))

    return put


def _graph() -> Any:
    """The graph that is being traced; None in eager mode."""
    import tensorflow as tf

    return None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()


@cache
def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _key(site: Site) -> tuple[str, int, str, int | str | None]:
    return (site.path, site.call or 0, site.part, site.index)


def _is_tensor(value: Any) -> bool:
    import tensorflow as tf

    return isinstance(value, tf.Tensor)  # neither ragged nor sparse ones


def _tensors(nest: Any) -> dict[int | str, Any]:
    """The tensors of an argument or an output by key: names for a flat dict, positions for everything else."""
    import tensorflow as tf

    if isinstance(nest, Mapping) and all(_is_tensor(value) for value in nest.values()):
        return {str(key): nest[key] for key in sorted(nest)} if len(nest) > 1 else dict(enumerate(nest.values()))
    return dict(enumerate(leaf for leaf in tf.nest.flatten(nest) if _is_tensor(leaf)))


def _same(site: Site, edited: Any, tensor: Any) -> Any:
    import tensorflow as tf

    edited = tf.cast(tf.convert_to_tensor(edited), tensor.dtype)
    if edited.shape.rank != tensor.shape.rank or not edited.shape.is_compatible_with(tensor.shape):
        raise InputError(
            f"An edit keeps the shape of the activation: {site} has shape {tuple(tensor.shape)}. "
            f"Received: an edit that gives shape {tuple(edited.shape)}"
        )
    return tf.ensure_shape(edited, tensor.shape)


def _mask(layer: Any, part: str, tensor: Any, first: Any) -> Any:
    """The Keras mask at a tap; the families attach it after `call`, so for an output it is asked for here."""
    own = getattr(tensor, "_keras_mask", None)
    if own is not None or part == "in" or not getattr(layer, "supports_masking", False):
        return own
    import tensorflow as tf

    previous = tf.nest.map_structure(lambda leaf: getattr(leaf, "_keras_mask", None), first)
    try:
        mask = layer.compute_mask(first, previous)
    except (TypeError, ValueError, NotImplementedError):  # what Keras itself never asks may refuse to answer: no mask
        return None
    return mask if tf.is_tensor(mask) else next((leaf for leaf in tf.nest.flatten(mask) if tf.is_tensor(leaf)), None)
