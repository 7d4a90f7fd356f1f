"""Runs: texts or arrays through the tapped model in length buckets, with one compiled function per question.

A question is (sites, what): it is traced once with open batch and length, and asked chunk by chunk, so that the memory
is bounded by `batch_size` rows. Padding is cut from each chunk if a real batch has shown that neither this nor noise in
its place changes the outputs; otherwise every text runs at full length.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from tqdm import tqdm

from .activations import Activations
from .adapters.base import Adapter
from .adapters.boxes import closed
from .errors import InputError
from .fronts.base import Encoded, Front, by_words, check_texts, fronts, is_text
from .inputs import Arranged, arrange, gather, stretches
from .jit import loops
from .pooling import join, pooled
from .scan import Scan
from .sites import Site, parse
from .taps import Edit, Fed
from .tracing import Tracer

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
        self.adapter, self.front, self.batch_size = adapter, front, batch_size
        self.tracer, self._jit = Tracer(adapter, jit_compile), jit_compile
        self._is_closed = adapter.kind == "black box"  # whose padding cannot be filled with noise, so none of it is cut
        self._trims = False if self._is_closed else None  # whether cutting padding leaves the outputs as they are

    @cached_property
    def fuses(self) -> bool:
        """Whether XLA may see this model at all; for it, lengths and rows are rounded so that there are few shapes."""
        return self._jit is not False and not loops(self.scan().inputs[0].graph)

    def scan(self, inputs: Any = None) -> Scan:
        """See `Tracer.scan`."""
        return self.tracer.scan(self._sample(inputs))

    def signature(self, inputs: Any = None) -> Any:
        """See `Tracer.signature`."""
        return self.tracer.signature(self._sample(inputs))

    def check_open(self, asked: str) -> None:
        """Raises UnsupportedError, if the model is a black box, which has no layers."""
        if self._is_closed:
            raise closed(asked)

    def site(self, address: str | Site, inside: bool = False) -> Site:
        """The complete address; `inside` says that the model must open there, which a black box does nowhere."""
        if self._is_closed and (inside or parse(address).path):
            raise closed(f"site={str(address)!r}")
        return self.scan().table.resolve(address)

    def _sample(self, inputs: Any) -> Any:
        if inputs is not None or self.front is None or self.front.site is not None or self.tracer.knows():
            return inputs
        return self.front.encode(["a text"]).inputs  # by the user's own function, which may not know these words

    # What the user gave

    def arrange(self, inputs: Any) -> Arranged:
        """The user's texts or arrays as flat arrays in the order of the model's inputs, with their mask."""
        encoded = self.encode(inputs)
        if encoded.texts is None and self.front is None:
            self.scan(encoded.inputs)
        on_site = self.front is not None and encoded.texts is not None and self.front.site is not None
        signature = None if on_site else self.signature(encoded.inputs)
        arranged = replace(arrange(encoded, signature, on_site), rounded=self.fuses)
        return arranged if arranged.encoded.mask is not None else self._masked(arranged)

    def encode(self, inputs: Any) -> Encoded:
        """Texts through the front; arrays and datasets as they are."""
        if not is_text(inputs):
            return Encoded(gather(inputs))
        texts = check_texts(inputs, self.front is not None and self.front.pairs)
        if not texts:
            raise InputError("There is no text to run. Received: an empty list")
        if self.front is None:
            self._find_front(texts)
        found = Encoded(np.array(texts, object), None, texts) if self.front is None else self.front.encode(texts)
        return by_words(found, texts) if self._is_closed or self.front is None else found

    @property
    def knows_tokens(self) -> bool:
        """Whether what texts are described by are tokens of the model, and no more than their words."""
        return self.front is not None or self._is_closed

    def find_front(self) -> None:
        """Looks for a text front inside the model, which is otherwise done when the first text comes."""
        if self.front is None and not self._is_closed and self.tracer.knows():
            self._find_front(["a text"])

    def _find_front(self, texts: Sequence[str]) -> None:
        """A single TextVectorization layer inside a model with one string input is its text front."""
        import tensorflow as tf

        table = self.scan(np.array(texts[:1], object)).table
        rows = [row for row in table if row.class_name == "TextVectorization" and row.calls]
        strings = [spec.dtype.name for spec in tf.nest.flatten(self.signature())]
        if len(rows) == 1 and rows[0].calls == 1 and rows[0].outputs[0] and strings == ["string"]:
            site = table.resolve(rows[0].path)
            if self.scan().bypass(site) is not None:  # strings go elsewhere too, so that ids alone are not what the model takes
                return
            front = fronts.get("text_vectorization")(self.tracer.layers[site.path], None, self.adapter, None)
            front.site, front.read = site, lambda given: self._read_front(site, given)
            self.front, self.tracer.front_site = front, site

    def _read_front(self, site: Site, strings: Any) -> tuple[Any, Any]:
        """(strings, ids) at the TextVectorization layer inside the model, whatever stands before it."""
        import tensorflow as tf

        into = Site(site.path, site.call, "in")
        arranged = arrange(Encoded(strings.numpy()), self.signature(), False)

        def body(call: Any, leaves: Any) -> Any:
            _, taps = call(leaves, [into, site])
            return taps.values[into], taps.values[site]

        parts = [self.tracer.ask(("front",), body, arranged, [leaves]) for _, leaves, _ in self.chunks(arranged, 4096)]
        width = max(ids.shape[1] for _, ids in parts)
        padded = [tf.pad(ids, [[0, 0], [0, width - ids.shape[1]]]) for _, ids in parts]
        return tf.concat([tf.reshape(given, [-1]) for given, _ in parts], 0), tf.concat(padded, 0)

    def _masked(self, arranged: Arranged) -> Arranged:
        """Arrays say nothing about padding: it is what the model itself masks, or zeros whose loss changes nothing."""
        filled, embeddings = arranged.filled(), self.scan(arranged.encoded.inputs).embeddings()
        if filled is None or not embeddings:
            return arranged
        masks = any(getattr(self.tracer.layers[site.path], "mask_zero", False) for site in embeddings)
        if not masks and not arranged.says_mask():
            first, last = filled.argmax(1), filled.shape[1] - filled[:, ::-1].argmax(1)
            columns = np.arange(filled.shape[1])
            filled = (columns >= first[:, None]) & (columns < last[:, None]) & filled.any(axis=1, keepdims=True)
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
        for part in stretches(order, arranged.lengths if trims else None, rows or self.batch_size):
            yield part, *arranged.take(part, trims)

    def trims(self, arranged: Arranged) -> bool:
        """Whether padding means nothing to the model; found out once, on the first batch that has any."""
        if self._trims is None:
            short = arranged.shorter()[:16]  # equal outputs of rows that lose nothing would show nothing
            if not len(short) or not self.scan().embeddings():  # noise can be put in place of looked-up padding only
                return False
            full = self._some_outputs(arranged, short, False)
            others = (self._some_outputs(arranged, short, True), self._some_outputs(arranged, short, False, noise=True))
            self._trims = all(other is not None and all(map(_close, full or (), other)) for other in others)
            _LOG.info("cutting padding %s the outputs", "keeps" if self._trims else "changes")
        return self._trims

    def _some_outputs(self, arranged: Arranged, rows: np.ndarray, trim: bool, noise: bool = False) -> list[np.ndarray] | None:
        """The outputs of some rows; with noise in the embeddings of the padding, since a maximum may ignore it by chance."""
        import tensorflow as tf

        sites = self.scan().embeddings() if noise else []

        def body(call: Any, leaves: Any, mask: Any) -> Any:
            return tf.nest.flatten(call(leaves, (), {site: lambda value: _noisy(value, mask) for site in sites})[0])

        leaves, mask = arranged.take(rows, trim)
        try:
            result = self.tracer.ask(("outputs", noise), body, arranged, [leaves, mask])
        except (ValueError, TypeError, tf.errors.OpError) as error:
            if not trim:
                raise
            _LOG.info("the model takes one length only: %s", error)
            return None
        return [output.numpy() for output in result]

    def forward(
        self, arranged: Arranged, reads: Sequence[Site] = (), pool: str | None = None,
        edits: Mapping[Site, Edit | Fed] | None = None, output: Callable[[Any], Any] | None = None,
    ) -> Iterator[tuple[np.ndarray, Any, Any]]:
        """One forward pass over everything, chunk by chunk.

        Args:
            arranged: The inputs.
            reads: Sites to read.
            pool: `"mean"`, `"max"`, `"first"` or `"last"` over the positions that are no padding; None leaves them, with zeros
                at padding; `"raw"` leaves all as it is, for who takes the tokens only.
            edits: Functions that change activations on the way, or `taps.Fed`, whose numbers come with each chunk.
            output: What to return of the model's outputs; None returns nothing of them, so that the graph behind the last
                site is pruned.

        Yields:
            (row numbers, output, {site: (activation, mask)}).
        """

        fed = {site: edit for site, edit in (edits or {}).items() if isinstance(edit, Fed)}

        def body(call: Any, leaves: Any, mask: Any, given: Any) -> Any:
            carried = {site: partial(edit, fed=one) for (site, edit), one in zip(fed.items(), given, strict=True)}
            outputs, taps = call(leaves, reads, {**(edits or {}), **carried})
            tapped = [(site, taps.values[site], taps.masks[site], self.scan().mirrored(site)) for site in reads]
            read = {str(site): pooled(value, own, mask, pool, arranged.width, turned) for site, value, own, turned in tapped}
            return (() if output is None else output(outputs)), read

        changes = tuple((site, edit.key if isinstance(edit, Fed) else edit) for site, edit in (edits or {}).items())
        for rows, leaves, mask in self.progress(self.chunks(arranged), len(arranged)):
            given = [edit.feed(rows, mask) for edit in fed.values()]
            asked = [leaves, () if mask is None else mask, given]
            found = self.tracer.ask(("forward", tuple(reads), pool, output, changes), body, arranged, asked)
            yield rows, found[0], found[1]

    def outputs(
        self, arranged: Arranged, compute: Callable[[Any], Any], edits: Mapping[Site, Edit | Fed] | None = None
    ) -> np.ndarray:
        """(n, ...) what is computed of the model's outputs, in the order of the examples."""
        found = [np.zeros(0, np.float32)] * len(arranged)
        for rows, values, _ in self.forward(arranged, edits=edits, output=compute):
            for i, row in zip(rows, values.numpy(), strict=True):
                found[i] = row
        return np.stack(found)

    def activations(self, arranged: Arranged, sites: Mapping[str, Site], pool: str | None) -> Activations:
        """The record of one forward pass; see `Introspector.activations`."""
        parts: list[tuple[np.ndarray, dict[str, np.ndarray]]] = []
        for rows, _, read in self.forward(arranged, list(dict.fromkeys(sites.values())), pool):
            parts.append((rows, {name: read[str(site)][0].numpy() for name, site in sites.items()}))
        notes: list[str] = []
        seen, whole = self.scan(), {}
        for name, site in sites.items():
            about = [*(seen.table.spec(site).shape or ()), None, None][1], seen.mirrored(site)
            whole[name] = join(arranged, [(rows, values[name]) for rows, values in parts], name, notes, *about)
        encoded = arranged.encoded
        rows_ = None if encoded.describe is None or not self.knows_tokens else encoded.rows()
        return Activations(whole, arranged.mask, rows_, encoded.texts, tuple(notes))

    def summary(self) -> Site:
        """The input of the last layer that has weights: the model's own summary of an example."""
        if self._is_closed:
            return self.site(":out")
        table = self.scan().table
        rows = [row for row in table if row.path and row.calls and row.inputs[-1] and _weighs(self.tracer.layers[row.path])]
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

def _noisy(value: Any, mask: Any) -> Any:
    """The activation with other vectors at the padding."""
    import tensorflow as tf

    if value.shape.rank != 3:
        return value
    drawn = tf.cast(tf.random.stateless_normal(tf.shape(value), (1, 2)), value.dtype) * tf.math.reduce_std(value) * 3
    return tf.where(mask[:, :, None], value, drawn) if value.shape[1] in (None, mask.shape[1]) else value


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=_TOLERANCE * 10, atol=_TOLERANCE, equal_nan=True))


def _weighs(layer: Any) -> bool:
    return bool(getattr(layer, "weights", ()))  # operations of a graph have none
