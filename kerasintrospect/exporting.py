"""Activations of many texts into a store, all sites in one pass; an export that was killed goes on where it was.

The documents are cut into stretches, which bound the memory. A stretch goes through the model sorted by length, is put back
into the order of the documents, and counts once `store.json` names it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from tqdm import tqdm

from . import datasets
from .annotations import Labels
from .errors import InputError
from .fronts.base import check_texts, is_text
from .indexing import fingerprint
from .inputs import Arranged
from .pieces import Pieces, of_tokens, of_words
from .runs import Runner
from .sites import Site
from .store import ActivationStore, load_store
from .storing import Making, Stretch, begun
from .tagging import Tagged
from .text import words

__all__ = ["export"]

_BLOCK = 4096  # documents that are encoded at once
_BYTES = 2**27  # of activations in float32 in a stretch
_BY_LABEL = 2**21  # classes times units of all sites, above which sums by label are not kept
UNITS, POOLS, DTYPES = ("example", "token", "word"), ("mean", "max", "first", "last"), ("float16", "float32")


def export(
    runner: Runner, arrange: Callable[[Any], Arranged], inputs: Any, path: str | os.PathLike[str], sites: str | Sequence[str],
    labels: Any = None, unit: str = "example", pool: str = "mean", dtype: str = "float16", overwrite: bool = False,
) -> ActivationStore:  # fmt: skip
    """See `Introspector.export`."""
    folder = datasets.folder_of(path)
    asked = [sites] if isinstance(sites, (str, Site)) else list(sites)
    places = [runner.site(site) for site in asked]
    _check(unit, pool, dtype, asked, places)
    for place in places if unit != "example" else ():
        runner.scan().check_order(place)
    documents = _Documents(runner, arrange, inputs)
    given = Labels.of(documents.tagged or len(documents), labels, unit)
    names = {"sites": list(map(str, places)), "asked": list(map(str, asked))}
    chosen = {"unit": unit, "pool": pool, "dtype": dtype}
    about: dict[str, Any] = {
        "fingerprint": fingerprint(runner, places[0], pool, unit), "model": runner.adapter.name, **names, **chosen,
        "texts": documents.digest(), "labels": given.digest(), "classes": given.classes,
        "versions": _versions(runner.adapter.family),
    }  # fmt: skip
    job = _Job(runner, documents, places, given, unit, pool, dtype)
    there = begun(folder, about, len(documents), overwrite)  # before anything is made of the folder
    if there is not None and there.finished:
        return load_store(folder)
    with datasets.made(folder, "store"):
        facts = begun(folder, about, len(documents), overwrite)
        making = Making(folder, facts, about, len(documents), len(given.classes or ()) * sum(job.units) <= _BY_LABEL)
        with tqdm(total=len(documents), initial=making.documents, delay=2.0, leave=False, unit="text", disable=None) as bar:
            _fill(making, job.stretches(making.documents), bar)
        making.finish()
    return load_store(folder)


def _fill(making: Making, stretches: Iterator[Stretch], bar: Any) -> None:
    """Writes a stretch while the next one goes through the model."""
    with ThreadPoolExecutor(1) as worker:
        pending: Future[None] | None = None
        for stretch in stretches:
            if pending is not None:
                pending.result()
            bar.update(making.documents - bar.n)
            pending = worker.submit(making.add, stretch)
        if pending is not None:
            pending.result()


def _check(unit: str, pool: str, dtype: str, asked: Sequence[Any], places: Sequence[Site]) -> None:
    for name, value, known in (("unit", unit, UNITS), ("pool", pool, POOLS), ("dtype", dtype, DTYPES)):
        if value not in known:
            raise InputError(f"`{name}` has to be one of {', '.join(map(repr, known))}. Received: {name}={value!r}.")
    if not places or len(set(places)) < len(places):
        raise InputError(f"`sites` names one site or more, each once. Received: sites={list(map(str, asked))}.")


def _versions(family: str) -> dict[str, str]:
    found = {}
    for name in ("kerasintrospect", "tensorflow", family, "numpy", "pylance"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


class _Documents:
    """What the user gave, encoded some documents at a time."""

    def __init__(self, runner: Runner, arrange: Callable[[Any], Arranged], inputs: Any) -> None:
        self._runner, self.tagged = runner, inputs if isinstance(inputs, Tagged) else None
        given = inputs if self.tagged is None else self.tagged.texts
        self.texts: Sequence[str] | None = None
        self._whole: Arranged | None = None
        if isinstance(given, Arranged) or not is_text(given):
            self._whole = arrange(given)
            self.texts = self._whole.encoded.texts
        else:
            runner.find_front()
            self.texts = check_texts(given, runner.front is not None and runner.front.pairs)
        if not len(self):
            raise InputError("There is no text to run. Received: an empty list")

    def __len__(self) -> int:
        return len(self._whole) if self._whole is not None else len(self.texts or ())

    def digest(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for leaf in [] if self._whole is None else self._whole.leaves:
            digest.update(f"{leaf.shape}{leaf.dtype}".encode())
            digest.update(repr(leaf.tolist()).encode() if leaf.dtype == object else np.ascontiguousarray(leaf).tobytes())
        for text in self.texts or ():
            data = text.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little") + data)
        digest.update(b"" if self.tagged is None else repr(self.tagged.spans).encode())
        return digest.hexdigest()

    def blocks(self, start: int) -> Iterator[tuple[int, Arranged]]:
        """(first document, inputs); the same blocks wherever one starts."""
        if self._whole is not None:
            yield 0, self._whole
            return
        for first in range(start // _BLOCK * _BLOCK, len(self), _BLOCK):
            yield first, self._runner.arrange(list((self.texts or ())[first : first + _BLOCK]))

    def words(self, numbers: Sequence[int]) -> list[Any]:
        """The spans of the words of some documents."""
        if self.tagged is not None:
            return [self.tagged.spans[i] for i in numbers]
        return [words((self.texts or ())[i]) for i in numbers]


@dataclass(frozen=True)
class _Job:
    """One export."""

    runner: Runner
    documents: _Documents
    sites: Sequence[Site]
    labels: Labels
    unit: str
    pool: str
    dtype: str

    @cached_property
    def units(self) -> list[int]:
        """About how many numbers a row has at each site."""
        table = self.runner.scan().table
        return [int(np.prod([size or 1 for size in (table.spec(site).shape or (1,))[1:]][-1:])) for site in self.sites]

    def stretches(self, start: int) -> Iterator[Stretch]:
        for first, block in self.documents.blocks(start):
            cost = np.ones(len(block)) if self.unit == "example" or block.mask is None else np.maximum(block.mask.sum(1), 1)
            for a, b in _plan(cost, max(1, _BYTES // (4 * sum(self.units)))):
                if first + b > start:
                    yield self._stretch(block, first, np.arange(max(a, start - first), b))

    def _stretch(self, block: Arranged, first: int, numbers: np.ndarray) -> Stretch:
        """The rows of some documents of a block."""
        pieces, counts = self._pieces(block, first, numbers) if self.unit != "example" else (None, {})
        part = block.subset(numbers)
        if part.mask is not None and not part.mask.any(1).all():
            empty = np.flatnonzero(~part.mask.any(1))
            counts["empty"] = [len(empty), f"number {first + numbers[empty[0]]}"]
        vectors = self._vectors(part, pieces)
        documents = first + (numbers if pieces is None else numbers[pieces.document])
        columns: dict[str, Any] = {"document": documents}
        texts = self.documents.texts
        if pieces is not None:
            columns |= {"start": pieces.spans[:, 0].copy(), "end": pieces.spans[:, 1].copy(), "text": pieces.texts}
            opens = np.diff(documents, prepend=-1) > 0
            columns["context"] = [texts[i] if new and texts else None for i, new in zip(documents.tolist(), opens, strict=True)]
        elif texts is not None:
            columns["text"] = [texts[i] for i in documents.tolist()]
        label = self.labels.take(documents, None if pieces is None else pieces.spans)
        if label is not None:
            columns["label"] = label
        ids = label if self.labels.classes else None
        return Stretch(int(first + numbers[-1] + 1), columns, vectors, ids, counts)

    def _pieces(self, block: Arranged, first: int, numbers: np.ndarray) -> tuple[Pieces, dict[str, list[Any]]]:
        encoded = block.encoded
        if encoded.describe is None or encoded.texts is None or block.mask is None:
            raise InputError(f'unit={self.unit!r} needs texts, and a text front that knows their tokens. Use unit="example".')
        rows = encoded.describe(numbers.tolist())
        seen = block.mask[numbers].sum(1)
        wrong = next((i for i, row in enumerate(rows) if len(row.tokens) != seen[i]), None)
        if wrong is not None:
            raise InputError(f"The text front names {len(rows[wrong].tokens)} tokens where the model sees {seen[wrong]}. "
                             f"Received: {encoded.texts[numbers[wrong]]!r}.")  # fmt: skip
        if self.unit == "token":
            return of_tokens(rows), {}
        if not all(row.placed for row in rows):
            raise InputError('The text front does not know where tokens stand in the text. Use unit="token".')
        spans, texts = self.documents.words((first + numbers).tolist()), [encoded.texts[i] for i in numbers.tolist()]
        pieces, *lost = of_words(rows, texts, spans)
        told = ((kind, which, [(i, span) for i, row in enumerate(spans) for span in row] if len(which) else [])
                for kind, which in zip(("unseen", "cut"), lost, strict=True))  # fmt: skip
        return pieces, {kind: [len(which), _said(texts, first + numbers, *places[which[0]])]
                        for kind, which, places in told if len(which)}  # fmt: skip

    def _vectors(self, part: Arranged, pieces: Pieces | None) -> list[np.ndarray]:
        n = len(part) if pieces is None else len(pieces)
        found: list[np.ndarray] = [np.empty((0, 0), self.dtype)] * len(self.sites)
        for rows, _, read in self.runner.forward(part, self.sites, self.pool if pieces is None else "raw"):
            tokens = None if pieces is None else (pieces, pieces.of(rows))
            for i, site in enumerate(self.sites):
                values = read[str(site)][0].numpy()
                values = values if values.dtype == np.float32 else values.astype(np.float32)
                units = values.shape[-1] if pieces is not None else int(np.prod(values.shape[1:]))
                if not found[i].shape[1]:
                    found[i] = np.empty((n, units), self.dtype)
                with np.errstate(over="ignore"):  # infinity is looked for when the sums are taken
                    self._put(part, rows, site, values, found[i], tokens)
        return found

    def _put(
        self, part: Arranged, rows: np.ndarray, site: Site, values: np.ndarray, into: np.ndarray, tokens: Any
    ) -> None:
        """The values of a chunk where they belong."""
        if tokens is None:
            shape = self.runner.scan().table.spec(site).shape or ()
            if None in tuple(shape)[2:] or (values.ndim > 2 and None in tuple(shape)[1:]):
                raise InputError(f"unit='example' needs a site with as many units for every text. Received: site='{site}', "
                                 f"of shape {tuple(shape)}.")  # fmt: skip
            into[rows] = values.reshape(len(rows), -1)
            return
        pieces, chosen = tokens
        mask = part.mask[rows] if part.mask is not None else np.ones((len(rows), 0), bool)
        if values.ndim == 3 and values.shape[1] != part.width:
            mask = mask[:, part.columns(rows)]
        if values.ndim != 3 or values.shape[1] != mask.shape[1]:
            raise InputError(f"unit={self.unit!r} needs a site with one vector per token. Received: site='{site}', which gives "
                             f"{values.shape[1:]} for {mask.shape[1]} tokens. See lens.sites().")  # fmt: skip
        how = self.pool if self.unit == "word" else "first"
        pieces.pool(values.reshape(-1, values.shape[2]), np.flatnonzero(mask), chosen, how, into)


def _plan(cost: np.ndarray, limit: int) -> Iterator[tuple[int, int]]:
    """Consecutive stretches whose cost is below the limit, or that are one document."""
    ends, start = np.cumsum(cost), 0
    while start < len(cost):
        done = ends[start - 1] if start else 0
        end = max(start + 1, int(np.searchsorted(ends, done + limit, side="right")))
        yield start, end
        start = end


def _said(texts: Sequence[str], numbers: np.ndarray, i: int, span: Any) -> str:
    return f"{texts[i][slice(*span)]!r} in document {numbers[i]}"
