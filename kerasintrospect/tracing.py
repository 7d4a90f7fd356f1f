"""Traced functions of a tapped model: what it takes, its shape-only trace, and one compiled function per question."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .adapters.base import Adapter
from .errors import InputError, KerasIntrospectError, UnsupportedError
from .inputs import Arranged
from .jit import Compiled
from .scan import Scan, layers_of, scan
from .sites import Site
from .taps import LOCK, Edit, Taps

__all__ = ["Tracer"]

_LOG = logging.getLogger(__name__)
_KEPT = 64  # functions; the oldest goes first, since targets and edits of the user can be new functions at each call


class Tracer:
    """A model, its layers and its compiled functions.

    Args:
        adapter: The model.
        jit_compile: See `jit.Compiled`.
    """

    def __init__(self, adapter: Adapter, jit_compile: bool | str) -> None:
        self.adapter, self._jit = adapter, jit_compile
        self.layers, self._aliases = layers_of(adapter)
        self.front_site: Site | None = None  # where encoded texts go, when that is inside the model
        self._functions: dict[Any, Compiled] = {}
        self._signature: Any = None
        self._scan: Scan | None = None
        self._is_closed = adapter.kind == "black box"
        self._open_length = not self._is_closed  # whether the model can be traced with an open length

    def scan(self, inputs: Any = None) -> Scan:
        """The shape-only trace; `inputs` are needed once for models that do not know what they take."""
        if self._scan is None:
            signature = self.signature(inputs)
            with LOCK:
                self.layers, self._aliases = layers_of(self.adapter)
                self._scan = scan(self.adapter, self.layers, self._aliases, signature)
        return self._scan

    def knows(self) -> bool:
        """Whether the model has said what it takes, or was shown it."""
        if self._signature is None:
            self._signature = self.adapter.signature()
        return self._signature is not None

    def signature(self, inputs: Any = None) -> Any:
        """Nest of tf.TensorSpec that the model takes."""
        import tensorflow as tf

        if not self.knows():
            if inputs is None:
                raise InputError(
                    "The model has not said yet what it takes (it was never built, or it is subclassed): show it a batch "
                    "first, for example lens.sites(inputs) or lens.predict(inputs)."
                )
            leaves = tf.nest.map_structure(np.asarray, inputs)
            self._build(leaves)
            rest = (lambda a: [None] * (a.ndim - 1)) if self._is_closed else lambda a: a.shape[1:]
            self._signature = tf.nest.map_structure(lambda a: tf.TensorSpec([None, *rest(a)], _dtype(a)), leaves)
        return self._signature

    def _build(self, leaves: Any) -> None:
        """Lets the model make its variables eagerly if it has none yet; they cannot be made while tracing."""
        import tensorflow as tf

        if self.adapter.kind in ("subclassed", "black box") or not self.adapter.model.built:
            self.adapter.call(tf.nest.map_structure(lambda a: tf.constant(a[:1], _dtype(a)), leaves))

    def ask(
        self, key: tuple[Any, ...], body: Callable[..., Any], arranged: Arranged, args: Sequence[Any]
    ) -> Any:
        """Answers one question on one chunk by its compiled function.

        Args:
            key: What identifies the question; equal keys share one function.
            body: (call, *args) -> nest of tensors, traced once. `call(leaves, reads, edits)` runs the tapped model and
                returns (outputs, taps).
            arranged: Where the chunk comes from.
            args: Nest of arrays: the leaves of the chunk first, then whatever else the body takes.
        """
        import tensorflow as tf

        tensors = tf.nest.map_structure(tf.convert_to_tensor, list(args))
        if self._is_closed:  # runs without the lock: a function of the user's may ask another lens, and in another thread
            with LOCK:
                function = self._function(key, body, arranged, tensors)
            return function(*tensors)
        with LOCK:
            try:
                return self._function(key, body, arranged, tensors)(*tensors)
            except (ValueError, TypeError) as error:
                if not self._open_length or arranged.mask is None or isinstance(error, KerasIntrospectError):
                    raise
                self._open_length = False
                _LOG.info("the model is traced with one length only: %s", error)
                return self._function(key, body, arranged, tensors)(*tensors)

    def _function(self, key: Any, body: Callable[..., Any], arranged: Arranged, tensors: Any) -> Any:
        import tensorflow as tf

        length = tensors[0][0].shape[1] if arranged.mask is not None and self._open_length else None
        specs = tf.nest.map_structure(lambda t: _spec(t, length), tensors)
        shapes = [(str(spec.shape), spec.dtype.name) for spec in tf.nest.flatten(specs)]
        full = (key, arranged.kind, tuple(shapes))
        if full not in self._functions:
            self._functions[full] = self._compile(body, arranged, specs)
            while len(self._functions) > _KEPT:
                del self._functions[next(iter(self._functions))]
        return self._functions[full]

    def _compile(self, body: Callable[..., Any], arranged: Arranged, specs: Any) -> Compiled:
        import tensorflow as tf

        def call(leaves: Any, reads: Sequence[Site] = (), edits: Mapping[Site, Edit] | None = None) -> Any:
            self._check_fed(arranged, [*reads, *(edits or {})])
            inputs, all_edits, skip = self._feed(arranged, leaves, dict(edits or {}))
            with Taps(self.layers, reads, all_edits, skip) as taps:
                outputs = self.adapter.call(inputs)
            return outputs, taps

        def question(*args: Any) -> Any:
            return body(call, *args)

        traced = tf.function(question, autograph=False, input_signature=specs)
        return Compiled(traced.get_concrete_function(), self._jit)

    def _check_fed(self, arranged: Arranged, sites: Sequence[Site]) -> None:
        """Raises UnsupportedError for sites in front of the text front: what stands there by now are empty strings."""
        front = self.front_site
        if not arranged.on_site or front is None or self._scan is None:
            return
        for site in sites:
            if self._scan.before(site, front):
                raise UnsupportedError(f"The texts pass '{front}' before the rest of the model runs, when nothing goes through "
                                       f"'{site}' any more. Choose '{front}' or a site behind it.")  # fmt: skip

    def _feed(self, arranged: Arranged, leaves: Any, edits: dict[Site, Edit]) -> Any:
        import tensorflow as tf

        if not arranged.on_site or self.front_site is None:
            return tf.nest.pack_sequence_as(arranged.struct, list(leaves)), edits, ()
        ids, site = leaves[0], self.front_site
        spec = tf.nest.flatten(self.signature())[0]
        rest = [1 if n is None else n for n in spec.shape.as_list()[1:]]
        edit = edits.get(site, lambda value: value)

        def fed(_: Any) -> Any:
            return edit(ids)

        blank = tf.fill([tf.shape(ids)[0], *rest], tf.constant("", tf.string))
        return tf.nest.pack_sequence_as(self.signature(), [blank]), {**edits, site: fed}, (site,)



def _spec(tensor: Any, length: int | None) -> Any:
    """Examples are open, and positions too where the tensor may have them; an edit gets its sizes from the site."""
    import tensorflow as tf

    shape = [None if i == 0 or (i == 1 and n == length) else n for i, n in enumerate(tensor.shape.as_list())]
    return tf.TensorSpec(shape, tensor.dtype)


def _dtype(array: np.ndarray) -> Any:
    import tensorflow as tf

    return tf.string if array.dtype.kind in "OUS" else tf.float32 if array.dtype == np.float64 else tf.as_dtype(array.dtype)
