"""Runs: texts or arrays through the tapped model in length buckets, with one compiled function per question.

A question is (sites, what): it is traced once with open batch and length, and asked chunk by chunk, so that the memory
is bounded by `batch_size` rows. Padding is cut from each chunk if a real batch has shown that this leaves the outputs
as they are; otherwise every text runs at full length.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from .activations import Activations
from .adapters.base import Adapter
from .errors import InputError, KerasIntrospectError
from .fronts.base import Encoded, Front, check_texts
from .fronts.text_vectorization import TextVectorizationFront
from .inputs import Arranged, arrange, gather
from .jit import Compiled
from .scan import Scan, layers_of, scan
from .sites import Site
from .taps import LOCK, Edit, Taps

__all__ = ["Runner"]

_LOG = logging.getLogger(__name__)
_TOLERANCE = 1e-5


class Runner:
    """A model, its layers, its text front and its compiled functions.

    Args:
        adapter: The model.
        front: What encodes texts; None for models that take arrays.
        batch_size: Rows in one pass, the steps of a path included.
        jit_compile: `"auto"`, True or False; see `jit.Compiled`.
    """

    def __init__(
        self, adapter: Adapter, front: Front | None = None, batch_size: int = 256, jit_compile: bool | str = "auto"
    ) -> None:
        self.adapter, self.front, self.batch_size, self.jit_compile = adapter, front, batch_size, jit_compile
        self.layers, self._aliases = layers_of(adapter)
        self._functions: dict[Any, Any] = {}
        self._signature: Any = None
        self._scan: Scan | None = None
        self._open_length = True  # whether the model can be traced with an open length
        self._trims: bool | None = None  # whether cutting padding leaves the outputs as they are

    # What the model is

    def scan(self, inputs: Any = None) -> Scan:
        """The shape-only trace; `inputs` are needed once for models that do not know what they take."""
        if self._scan is None:
            signature = self.signature(inputs)
            with LOCK:
                self.layers, self._aliases = layers_of(self.adapter)
                self._scan = scan(self.adapter, self.layers, self._aliases, signature)
        return self._scan

    def signature(self, inputs: Any = None) -> Any:
        """Nest of tf.TensorSpec that the model takes."""
        import tensorflow as tf

        if self._signature is None:
            self._signature = self.adapter.signature()
        if self._signature is None:
            if inputs is None and self.front is not None and self.front.site is None:
                inputs = self.front.encode(["a text"]).inputs
            if inputs is None:
                raise InputError(
                    "The model has not said yet what it takes (it was never built, or it is subclassed): show it a batch "
                    "first, for example lens.sites(inputs) or lens.predict(inputs)."
                )
            leaves = tf.nest.map_structure(np.asarray, inputs)
            self._signature = tf.nest.map_structure(lambda a: tf.TensorSpec([None, *a.shape[1:]], _dtype(a)), leaves)
            self._build(leaves)
        return self._signature

    def _build(self, leaves: Any) -> None:
        """Lets the model make its variables eagerly if it has none yet; they cannot be made while tracing."""
        import tensorflow as tf

        if not self.adapter.model.built or self.adapter.kind == "subclassed":
            self.adapter.call(tf.nest.map_structure(lambda a: tf.constant(a[:1], _dtype(a)), leaves))

    # What the user gave

    def arrange(self, inputs: Any) -> Arranged:
        """The user's texts or arrays as flat arrays in the order of the model's inputs, with their mask."""
        encoded = self.encode(inputs)
        if encoded.texts is None and self.front is None:
            self.scan(encoded.inputs)
        on_site = self.front is not None and encoded.texts is not None and self.front.site is not None
        signature = None if on_site else self.signature(encoded.inputs)
        arranged = arrange(encoded, signature, on_site)
        return arranged if arranged.encoded.mask is not None else self._masked(arranged)

    def encode(self, inputs: Any) -> Encoded:
        """Texts through the front; arrays and datasets as they are."""
        if not _is_text(inputs):
            return Encoded(gather(inputs))
        texts = check_texts(inputs)
        if not texts:
            raise InputError("There is no text to run. Received: an empty list")
        if self.front is None:
            self._find_front(texts)
        return Encoded(np.array(texts, object), None, texts) if self.front is None else self.front.encode(texts)

    def _find_front(self, texts: Sequence[str]) -> None:
        """A single TextVectorization layer inside a model with one string input is its text front."""
        import tensorflow as tf

        table = self.scan(np.array(texts[:1], object)).table
        rows = [row for row in table if row.class_name == "TextVectorization" and row.calls]
        strings = [spec.dtype.name for spec in tf.nest.flatten(self.signature())]
        if len(rows) == 1 and rows[0].calls == 1 and strings == ["string"]:
            site = table.resolve(rows[0].path)
            self.front = TextVectorizationFront(
                self.layers[site.path], None, self.adapter, None, site, lambda given: self._read_front(site, given)
            )

    def _read_front(self, site: Site, strings: Any) -> tuple[Any, Any]:
        """(strings, ids) at the TextVectorization layer inside the model, whatever stands before it."""
        import tensorflow as tf

        into = Site(site.path, site.call, "in")
        arranged = arrange(Encoded(strings.numpy()), self.signature(), False)

        def body(call: Any, leaves: Any) -> Any:
            _, taps = call(leaves, [into, site])
            return taps.values[into], taps.values[site]

        parts = [self.ask(("front",), body, arranged, [leaves]) for _, leaves, _ in self.chunks(arranged, 4096)]
        width = max(ids.shape[1] for _, ids in parts)
        padded = [tf.pad(ids, [[0, 0], [0, width - ids.shape[1]]]) for _, ids in parts]
        return tf.concat([tf.reshape(given, [-1]) for given, _ in parts], 0), tf.concat(padded, 0)

    def _masked(self, arranged: Arranged) -> Arranged:
        """Arrays say nothing about padding: it is what the model itself masks, or zeros whose loss changes nothing."""
        column, embeddings = arranged.ids(), self.scan(arranged.encoded.inputs).embeddings()
        if column is None or not embeddings:
            return arranged
        filled = column != 0
        if not any(getattr(self.layers[site.path], "mask_zero", False) for site in embeddings):
            first, last = filled.argmax(1), filled.shape[1] - filled[:, ::-1].argmax(1)
            columns = np.arange(filled.shape[1])
            filled = (columns >= first[:, None]) & (columns < last[:, None]) & filled.any(1)[:, None]
            if filled.all() or not self.trims(arranged.masked(filled)):
                return arranged
        return arranged.masked(filled)

    # Running

    def chunks(
        self, arranged: Arranged, rows: int | None = None, trim: bool = True
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray], Any]]:
        """Chunks of (row numbers, arrays, mask), sorted by length, padding cut where that is allowed."""
        trims = trim and arranged.mask is not None and self.trims(arranged)
        order = np.argsort(arranged.lengths, kind="stable") if trims else np.arange(len(arranged))
        for start in range(0, len(order), rows or self.batch_size):
            part = order[start : start + (rows or self.batch_size)]
            yield part, *arranged.take(part, trims)

    def trims(self, arranged: Arranged) -> bool:
        """Whether cutting padding leaves the outputs as they are; found out once, on the first batch that has any."""
        if self._trims is None:
            short = np.argsort(arranged.lengths, kind="stable")[:16]
            short = short[arranged.lengths[short] < arranged.width]
            if not len(short):
                return False
            full, cut = (self._outputs(arranged, short, trim) for trim in (False, True))
            self._trims = cut is not None and full is not None and all(map(_close, full, cut))
            _LOG.info("cutting padding %s the outputs", "keeps" if self._trims else "changes")
        return self._trims

    def _outputs(self, arranged: Arranged, rows: np.ndarray, trim: bool) -> list[np.ndarray] | None:
        import tensorflow as tf

        leaves, _ = arranged.take(rows, trim)
        try:
            result = self.ask(("outputs",), lambda call, leaves: tf.nest.flatten(call(leaves)[0]), arranged, [leaves])
        except (ValueError, TypeError, tf.errors.OpError) as error:
            if not trim:
                raise
            _LOG.info("the model takes one length only: %s", error)
            return None
        return [output.numpy() for output in result]

    def forward(
        self, arranged: Arranged, reads: Sequence[Site] = (), pool: str | None = None, edits: Mapping[Site, Edit] | None = None,
        output: Callable[[Any], Any] | None = None,
    ) -> Iterator[tuple[np.ndarray, Any, Any]]:
        """One forward pass over everything, chunk by chunk.

        Args:
            arranged: The inputs.
            reads: Sites to read.
            pool: `"mean"`, `"max"`, `"first"` or `"last"` over the positions that are no padding; None leaves them.
            edits: Functions that change activations on the way.
            output: What to return of the model's outputs; None returns nothing of them, so that the graph behind the last
                site is pruned.

        Yields:
            (row numbers, output, {site: (activation, mask)}).
        """

        def body(call: Any, leaves: Any, mask: Any) -> Any:
            outputs, taps = call(leaves, reads, edits)
            read = {str(site): pooled(taps.values[site], taps.masks[site], mask, pool) for site in reads}
            return (() if output is None else output(outputs)), read

        key = ("forward", tuple(reads), pool, output, tuple((edits or {}).items()))
        for rows, leaves, mask in self.progress(self.chunks(arranged), len(arranged)):
            found = self.ask(key, body, arranged, [leaves, () if mask is None else mask])
            yield rows, found[0], found[1]

    def activations(self, arranged: Arranged, sites: Mapping[str, Site], pool: str | None) -> Activations:
        """The record of one forward pass; see `Introspector.activations`."""
        parts: list[tuple[np.ndarray, dict[str, np.ndarray]]] = []
        for rows, _, read in self.forward(arranged, list(dict.fromkeys(sites.values())), pool):
            parts.append((rows, {name: read[str(site)][0].numpy() for name, site in sites.items()}))
        notes: list[str] = []
        whole = {name: join(arranged, [(rows, values[name]) for rows, values in parts], name, notes) for name in sites}
        encoded = arranged.encoded
        rows_ = None if encoded.describe is None else encoded.rows()
        return Activations(whole, arranged.mask, rows_, encoded.texts, tuple(notes))

    def summary(self) -> Site:
        """The input of the last layer that has weights: the model's own summary of an example."""
        table = self.scan().table
        rows = [row for row in table if row.path and row.calls and row.inputs[-1] and self.layers[row.path].weights]
        leaves = [row for row in rows if not any(other.path.startswith(f"{row.path}.") for other in rows)]
        if not leaves:
            raise InputError("No layer with weights is called in the forward pass: name the site. Received: site=None")
        last = leaves[-1]
        return table.resolve(Site(last.path, last.calls - 1, "in", last.inputs[-1][0].key))

    def progress(self, chunks: Iterable[Any], total: int) -> Iterator[Any]:
        """The chunks with a progress bar that appears only for work over two seconds."""
        with tqdm(total=total, delay=2.0, leave=False, unit="row", disable=None) as bar:
            for chunk in chunks:
                yield chunk
                bar.update(len(chunk[0]))

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
        return self._functions[full]

    def _compile(self, body: Callable[..., Any], arranged: Arranged, specs: Any) -> Compiled:
        import tensorflow as tf

        def call(leaves: Any, reads: Sequence[Site] = (), edits: Mapping[Site, Edit] | None = None) -> Any:
            inputs, all_edits, skip = self._feed(arranged, leaves, dict(edits or {}))
            with Taps(self.layers, reads, all_edits, skip) as taps:
                outputs = self.adapter.call(inputs)
            return outputs, taps

        def question(*args: Any) -> Any:
            return body(call, *args)

        return Compiled(tf.function(question, autograph=False, input_signature=specs), self.jit_compile)

    def _feed(self, arranged: Arranged, leaves: Any, edits: dict[Site, Edit]) -> Any:
        import tensorflow as tf

        if not arranged.on_site or self.front is None or self.front.site is None:
            return tf.nest.pack_sequence_as(arranged.struct, list(leaves)), edits, ()
        ids, site = leaves[0], self.front.site
        spec = tf.nest.flatten(self.signature())[0]
        rest = [1 if n is None else n for n in spec.shape.as_list()[1:]]
        blank = tf.fill([tf.shape(ids)[0], *rest], tf.constant("", tf.string))
        return tf.nest.pack_sequence_as(self.signature(), [blank]), {site: lambda _: ids, **edits}, (site,)


def _spec(tensor: Any, length: int | None) -> Any:
    """Examples are open, and positions too where the tensor may have them; an edit gets its sizes from the site."""
    import tensorflow as tf

    shape = [None if i == 0 or (i == 1 and n == length) else n for i, n in enumerate(tensor.shape.as_list())]
    return tf.TensorSpec(shape, tensor.dtype)


def _dtype(array: np.ndarray) -> Any:
    import tensorflow as tf

    return tf.string if array.dtype.kind in "OUS" else tf.float32 if array.dtype == np.float64 else tf.as_dtype(array.dtype)


def _is_text(inputs: Any) -> bool:
    if isinstance(inputs, np.ndarray) or hasattr(inputs, "iloc"):
        return np.asarray(inputs).dtype.kind in "OUS"
    if isinstance(inputs, (str, bytes)):
        return True
    return isinstance(inputs, (list, tuple)) and (not inputs or isinstance(inputs[0], (str, bytes)) or inputs[0] is None)


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=_TOLERANCE * 10, atol=_TOLERANCE, equal_nan=True))


def join(arranged: Arranged, parts: Sequence[tuple[np.ndarray, np.ndarray]], name: str, notes: list[str]) -> np.ndarray:
    """The chunks of one site in the order of the examples; positions that were cut come back as zeros."""
    n, width = len(arranged), arranged.width
    columns = [arranged.columns(rows) if width else slice(None) for rows, _ in parts]
    lengths = [len(range(width or 0)[part]) for part in columns]
    rest = parts[0][1].shape[1:]
    if width and len(rest) > 1 and all(v.shape[1] in (k, width) for k, (_, v) in zip(lengths, parts, strict=True)):
        whole = np.zeros((n, width, *rest[1:]), parts[0][1].dtype)
        for part, (rows, value) in zip(columns, parts, strict=True):
            whole[rows, slice(None) if value.shape[1] == width else part] = value
        return whole
    longest = max((value.shape[1:] for _, value in parts), default=rest)
    if any(value.shape[1:] != longest for _, value in parts):
        notes.append(f"'{name}' has positions of its own, whose number hangs on the length of the batch: rows are padded with 0.")
    whole = np.zeros((n, *longest), parts[0][1].dtype)
    for rows, value in parts:
        whole[(rows, *map(slice, value.shape[1:]))] = value
    return whole


def pooled(value: Any, own: Any, mask: Any, how: str | None) -> Any:
    """(pooled activation, mask) inside a traced function; padding is left out wherever it is known.

    Args:
        value: (examples, positions, units); another rank is left as it is.
        own: The Keras mask at the site; it wins, because layers may have changed the positions.
        mask: (examples, positions) of the inputs; used when the site has as many positions.
        how: See `Runner.forward`.
    """
    import tensorflow as tf

    if value.shape.rank != 3:
        return value, ()
    every = tf.ones(tf.shape(value)[:2], bool)
    if own is not None and own.shape.rank == 2:
        every = tf.cast(own, bool)
    elif not isinstance(mask, tuple):
        every = tf.cond(tf.reduce_all(tf.shape(mask) == tf.shape(value)[:2]), lambda: mask, lambda: every)
    if how is None:
        return value, every
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
