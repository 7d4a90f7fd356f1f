"""An index on disk: a folder with a Lance dataset, and `index.json`, which names the version that counts.

`index.json` is replaced last and in one step. Whatever a killed process leaves behind is named by no `index.json`,
so an index is the old one or the new one.
"""

from __future__ import annotations

import itertools
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerasintrospect.datasets import check_files, opened, rewound
from kerasintrospect.errors import InputError
from kerasintrospect.search import Search
from kerasintrospect.vectors import directions, distances, squares_of

from . import lancing
from .columns import Rows
from .folders import Facts, check_folder, locked, point, read_facts, readable, sweep

__all__ = ["Stored", "append", "load", "open_stored", "write"]

Array = npt.NDArray[Any]
Path_ = str | os.PathLike[str]


class Stored:
    """Rows on disk: the `Backend` whose memory does not grow with their number."""

    def __init__(self, folder: Path, facts: Facts, dataset: Any) -> None:
        self.folder, self.facts, self.dataset = folder, facts, dataset
        self.cosine = facts.about["metric"] == "cosine"
        self._columns: dict[str, Array] = {}

    def __len__(self) -> int:
        return self.facts.count

    @property
    def units(self) -> int:
        return self.facts.units

    @property
    def names(self) -> list[str]:
        return list(self.facts.columns)

    def nearest(self, queries: Array, k: int, mask: Array | None, exact: bool) -> tuple[Array, Array]:
        """Exact also with a mask: what an IVF index misses among few rows is not known."""
        if exact or mask is not None or self.facts.ivf is None:
            return self._exact(queries, k, mask)
        return self._approximate(queries, k, self.facts.ivf["nprobes"])

    def _exact(self, queries: Array, k: int, mask: Array | None = None) -> tuple[Array, Array]:
        indices, squares = np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0))
        with readable(self.folder):
            for rows, vectors in lancing.blocks(self.dataset, self.units, mask):
                block = Search(vectors, self.cosine, fixed=False)
                found, far = block.ranked(queries, min(k, len(rows)))
                indices, squares = np.hstack([indices, rows[found]]), np.hstack([squares, far])
                order = np.lexsort((indices, squares), axis=-1)[:, :k]
                indices, squares = np.take_along_axis(indices, order, 1), np.take_along_axis(squares, order, 1)
        return indices, distances(queries, squares, self.cosine)

    def _approximate(self, queries: Array, k: int, nprobes: int) -> tuple[Array, Array]:
        """Lance names the rows; their distances and order are measured here."""
        with readable(self.folder):
            query, rows, vectors, self.compared = lancing.nearest(self.dataset, queries, k, nprobes)
        gap = directions(vectors) - directions(queries)[query] if self.cosine else vectors - queries[query].astype(float)
        square = squares_of(gap)
        order = np.lexsort((rows, square, query))
        query, rows, square = query[order], rows[order], square[order]
        counts = np.bincount(query, minlength=len(queries))
        whole = (counts == k) & (queries.any(1) | (not self.cosine))
        indices, squares = np.zeros((len(queries), k), np.int64), np.zeros((len(queries), k))
        indices[whole] = rows[whole[query]].reshape(-1, k)
        squares[whole] = square[whole[query]].reshape(-1, k)
        found = distances(np.where(whole[:, None], queries, 1), squares, self.cosine)
        if not whole.all():  # the cells that were looked into hold too few
            indices[~whole], found[~whole] = self._exact(queries[~whole], k)
        return indices, found

    def column(self, name: str) -> Array | None:
        if name in ("labels", "predicted") and name not in self.facts.known:
            return None
        if name not in self._columns:
            with readable(self.folder):
                self._columns[name] = lancing.column(self.dataset, self._field(name))
        return self._columns[name]

    def _field(self, name: str) -> str:
        return name if name in ("labels", "predicted") else lancing.field_of(list(self.facts.columns), name)

    def take(self, rows: Array) -> Rows:
        with readable(self.folder):
            return lancing.rows_of(self.dataset.take(rows.tolist()), self.facts.known, self.facts.columns)

    def texts(self) -> Iterator[list[str]]:
        if "texts" in self.facts.known:
            with readable(self.folder):
                yield from lancing.texts(self.dataset)

    def parts(self) -> Iterator[Rows]:
        with readable(self.folder):
            for table in lancing.tables(self.dataset, self.units):
                yield lancing.rows_of(table, self.facts.known, self.facts.columns)

    def build_ivf(self, partitions: int | None, recall: float, sample: int, seed: int) -> Stored:
        """The same index with an IVF index of Lance; see `NeighborIndex.build_ivf`."""
        with locked(self.folder):
            self._check_newest()
            rng = np.random.default_rng(seed)
            rows = np.sort(rng.choice(len(self), min(sample, len(self)), replace=False))
            cells = partitions or max(1, round(np.sqrt(len(self))))
            with readable(self.folder):
                dataset = lancing.build_ivf(rewound(self.dataset, self.facts.version), cells, self.cosine)
            trial = Stored(self.folder, self.facts, dataset)
            facts = trial._tuned(rows, cells, recall)
            point(self.folder, replace(self.facts, version=dataset.version, ivf=facts))
        return open_stored(self.folder)

    def _tuned(self, rows: Array, cells: int, aim: float) -> dict[str, Any]:
        """The fewest cells per query that find the share `aim` of the 10 nearest others, in both halves of the sample."""
        queries, k = self.take(rows).vectors, min(10, len(self) - 1)
        exact, _ = self._exact(queries, k + 1)
        nprobes, halves = 1, np.arange(len(rows)) % 2
        while True:
            found, _ = self._approximate(queries, k + 1, nprobes)
            shares = np.array([_hits(a, b, own, k) for a, b, own in zip(found, exact, rows, strict=True)])
            reached = min(shares[halves == half].mean() for half in set(halves.tolist()))
            if reached >= aim or nprobes >= cells:
                break
            nprobes = min(cells, max(nprobes + 1, nprobes * 5 // 4))
        work = (self.compared / len(rows) + cells) / len(self)
        return {"cells": cells, "nprobes": nprobes, "recall": round(float(shares.mean()), 4), "k": k,
                "work": round(min(work, 1.0), 5), "queries": len(rows), "rows": len(self)}  # fmt: skip

    def _check_newest(self) -> None:
        if read_facts(self.folder) != self.facts:
            raise InputError(f"The index changed on disk since it was opened. Load it again: {os.fspath(self.folder)!r}.")


def _hits(found: Array, exact: Array, own: int, k: int) -> float:
    """The share of the k nearest others that was found."""
    wanted = exact[exact != own][:k]
    return len(np.intersect1d(found, wanted)) / max(len(wanted), 1)


def write(folder: Path_, batches: Iterable[Rows], about: dict[str, Any]) -> Stored:
    """Makes an index of batches of rows; an index that is there stays until the new one is complete.

    Raises:
        InputError: If there are no rows, the batches do not fit together, or the folder holds something else.
    """
    place = Path(folder)
    check_folder(place)
    place.mkdir(parents=True, exist_ok=True)
    parts = iter(batches)
    first = next(parts, None)
    if first is None:
        raise InputError("`batches` has to give rows. Received: no batch.")
    facts = Facts(about, f"data-{uuid.uuid4().hex}.lance", 0, 0, *first.shape())
    with locked(place):
        try:
            facts = _filled(place, facts, itertools.chain([first], parts), "create")
        except BaseException:
            shutil.rmtree(place / facts.data, ignore_errors=True)
            raise
        point(place, facts)
        sweep(place, facts.data)
    return open_stored(place)


def append(stored: Stored, batches: Iterable[Rows]) -> Stored:
    """Adds rows; the index is the old one until all of them are there."""
    parts = iter(batches)
    first = next(parts, None)
    if first is None:
        return stored
    with locked(stored.folder):
        stored._check_newest()
        with readable(stored.folder):
            rewound(stored.dataset, stored.facts.version)
        point(stored.folder, _filled(stored.folder, stored.facts, itertools.chain([first], parts), "append"))
    return open_stored(stored.folder)


def _filled(folder: Path, facts: Facts, batches: Iterable[Rows], mode: str) -> Facts:
    done = [facts.count]

    def checked() -> Iterator[Rows]:
        for rows in batches:
            rows.check_shape(facts.shape())
            yield rows
            done[0] += len(rows)

    version = lancing.write(folder / facts.data, checked(), facts.count, mode)
    return replace(facts, version=version, count=done[0])


def load(folder: Path_) -> Rows:
    """All rows in memory, every byte checked."""
    return Rows.together(open_stored(folder, every_byte=True).parts())


def open_stored(folder: Path_, every_byte: bool = False) -> Stored:
    """Opens the version that `index.json` names.

    Raises:
        InputError: If the folder holds no index, or a damaged one.
    """
    place = Path(folder)
    with readable(place):
        facts = read_facts(place)
        check_files(place / facts.data, facts.files, every_byte)
        dataset = opened(place / facts.data, facts.version)
        lancing.check(dataset, facts.count, *facts.shape())
    return Stored(place, facts, dataset)
