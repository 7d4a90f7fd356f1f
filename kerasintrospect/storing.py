"""A store in the making: `store.json`, and the steps that bring it from one stretch of documents to the next."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import datasets
from .errors import InputError, StaleIndexError
from .statistics import Statistics

__all__ = ["Facts", "Making", "Stretch", "begun", "read_facts", "read_statistics"]

Array = npt.NDArray[Any]
_POINTER, _FORMAT = "store.json", "kerasintrospect.store/2"
_DATA, _SUMS = re.compile(r"data-[0-9a-f]{32}\.lance"), re.compile(r"sums-[0-9a-f]{32}\.npz")
_OURS = re.compile(rf"{_DATA.pattern}|{_SUMS.pattern}|\.lock|\.store\.json\.[0-9a-f]{{32}}")
_TOLD = {
    "unseen": "{} words have no row, because the model saw nothing of them: the length limit cut them off, or the tokenizer "
              "dropped them; the first is {}.",
    "cut": "{} words have no row, because the length limit cut them in two; the first is {}.",
    "empty": "{} documents hold no token that the model can see; the first is {}.",
}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What `store.json` says.

    Attributes:
        about: What was asked for: fingerprint, sites, unit, pool, dtype, classes, digests of texts and labels, versions.
        data: The folder of the dataset.
        version: Its version that counts.
        count: Its rows.
        documents: The documents that are done, from the first.
        total: The documents that there are.
        units: The units of each site.
        sums: The file of the statistics.
        counts: What has no row, and why: kind -> [how many, the first in words].
        files: Path -> size and CRC of the files that count.
        checks: Column -> CRC of its values; each vector has one in the dataset.
    """

    about: dict[str, Any]
    data: str
    version: int
    count: int
    documents: int
    total: int
    units: list[int]
    sums: str
    counts: dict[str, list[Any]] = field(default_factory=dict)
    files: dict[str, list[int]] = field(default_factory=dict)
    checks: dict[str, int] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether all documents are done."""
        return self.documents == self.total

    @property
    def notes(self) -> tuple[str, ...]:
        """What has no row, and whether documents are missing, in words."""
        found = [_TOLD[kind].format(*told) for kind, told in self.counts.items()]
        if not self.finished:
            found.append(f"{self.documents} of {self.total} documents are there: the same call to export goes on from here.")
        return tuple(found)


@dataclass(frozen=True)
class Stretch:
    """The rows of some documents.

    Attributes:
        documents: How many documents are done with it.
        columns: name -> (n,) numbers, or a list of texts, with None for nothing.
        vectors: Per site (n, units).
        label_ids: (n,) indices into the classes; None without classes.
        counts: As in `Facts`.
    """

    documents: int
    columns: Mapping[str, Any]
    vectors: Sequence[Array]
    label_ids: Array | None
    counts: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(self.vectors[0])


def read_facts(folder: Path) -> Facts:
    """Raises OSError, ValueError, TypeError or KeyError, if there is no store."""
    record = json.loads((folder / _POINTER).read_text())
    if record.pop("format") != _FORMAT or not _DATA.fullmatch(record["data"]) or not _SUMS.fullmatch(record["sums"]):
        raise ValueError("another format")
    facts = Facts(**record)
    if any(".." in Path(name).parts or Path(name).is_absolute() for name in facts.files):
        raise ValueError("a path that leads out of the folder")
    if not len(facts.about["sites"]) == len(facts.units) > 0 or facts.about["dtype"] not in ("float16", "float32"):
        raise ValueError("another format")
    return facts


def read_statistics(folder: Path, facts: Facts) -> list[Statistics]:
    """Those of each site; without labels where there are too many of them."""
    with np.load(folder / facts.sums, allow_pickle=False) as file:
        held = {name: file[name] for name in file.files}
    classes = facts.about["classes"] if held["0.counts"].size > 1 else ()  # one is of rows without a label
    parts = ({name.partition(".")[2]: value for name, value in held.items() if name.partition(".")[0] == str(i)}
             for i in range(len(facts.units)))  # fmt: skip
    return [Statistics.from_arrays(part, classes) for part in parts]


def begun(folder: Path, about: Mapping[str, Any], total: int, overwrite: bool) -> Facts | None:
    """What is there of a store of the same thing; None to begin.

    Raises:
        InputError: if the folder holds something else, or the store of something else.
        StaleIndexError: if it was begun with another model.
    """
    shown = f"Received: path={os.fspath(folder)!r}"
    with datasets.writable(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"`path` has to name a folder. {shown}, a file.")
        others = os.listdir(folder) if folder.exists() else []
    if _POINTER not in others:
        if not all(map(_OURS.fullmatch, others)):
            raise InputError(f"`path` has to name a store, or a new or empty folder. {shown}, which holds "
                             f"{datasets.short(sorted(others)[0])}.")  # fmt: skip
        return None
    if overwrite:
        return None
    with datasets.readable(folder, "a store that is whole: export to another folder, or with overwrite=True"):
        facts = read_facts(folder)
        datasets.check_files(folder, facts.files, every_byte=False)
    _check_same(facts, about, total, shown)
    return facts


_SAME = {"sites": "at other sites", "unit": "of another unit", "pool": "pooled in another way", "dtype": "of another dtype",
         "texts": "of other texts", "labels": "with other labels", "classes": "with other labels"}  # fmt: skip


def _check_same(facts: Facts, about: Mapping[str, Any], total: int, shown: str) -> None:
    way_out = "Go on with what it was begun with, export to another folder, or with overwrite=True"
    for name, other in _SAME.items():
        if facts.about[name] != about[name] or (name == "texts" and facts.total != total):
            raise InputError(f"The folder holds a store {other}. {way_out}. {shown}.")
    if facts.about["fingerprint"] != about["fingerprint"]:
        raise StaleIndexError(f"The folder holds a store of another model, or with another text front. {way_out}. {shown}.")


class Making:
    """Writes a store, stretch by stretch. The folder is locked by whoever makes one.

    Args:
        folder: The folder.
        facts: What is there; None to begin.
        about: See `Facts`.
        total: The documents that there are.
        by_label: Whether sums are kept of each label too.
    """

    def __init__(self, folder: Path, facts: Facts | None, about: Mapping[str, Any], total: int, by_label: bool) -> None:
        self.folder, self.facts, self._about, self._total = folder, facts, dict(about), total
        self._classes = about["classes"] if by_label and about["classes"] else ()
        self._statistics: list[Statistics] = []
        self._dataset: Any = None
        self._data = f"data-{uuid.uuid4().hex}.lance" if facts is None else facts.data
        self._counts: dict[str, list[Any]] = {} if facts is None else {kind: list(told) for kind, told in facts.counts.items()}
        self._checks = {} if facts is None else dict(facts.checks)
        if facts is not None:
            with datasets.readable(folder, "a store that can be gone on with"):
                self._statistics = read_statistics(folder, facts)
                self._dataset = datasets.rewound(datasets.opened(folder / facts.data, facts.version), facts.version)

    @property
    def documents(self) -> int:
        """How many are done."""
        return 0 if self.facts is None else self.facts.documents

    def add(self, stretch: Stretch) -> None:
        """Writes the rows, and then, in one step, makes them count.

        Raises:
            InputError: if values are NaN or too large, or the disk is full; what counted before counts on.
        """
        for kind, (count, first) in stretch.counts.items():
            self._counts.setdefault(kind, [0, first])[0] += count
        if len(stretch):
            self._take_sums(stretch)
        try:
            if len(stretch):
                self._append(stretch)
            if self._dataset is not None:
                self._point(stretch.documents)
        except OSError as error:
            raise InputError(f"The store cannot be written: {datasets.short(str(error))}. {self.documents} of {self._total} "
                             "documents are safe: the same call goes on from there. "
                             f"Received: path={os.fspath(self.folder)!r}.") from error  # fmt: skip

    def _take_sums(self, stretch: Stretch) -> None:
        if not self._statistics:
            self._statistics = [Statistics(values.shape[1], self._classes) for values in stretch.vectors]
        for site, found, values in zip(self._about["sites"], self._statistics, stretch.vectors, strict=True):
            if values.shape[1] != found.units:
                raise InputError(f"A site has as many units in all documents. Received: {values.shape[1]} after {found.units} "
                                 f"at '{site}'.")  # fmt: skip
            found.add_ids(values, stretch.label_ids if self._classes else None)
            if not (np.isfinite(found.minima).all() and np.isfinite(found.maxima).all()):
                self._explain(site, values, stretch)

    def _explain(self, site: str, values: Array, stretch: Stretch) -> None:
        row, unit = np.argwhere(~np.isfinite(values))[0]
        value, place = values[row, unit], f"unit {unit} of '{site}' in document {stretch.columns['document'][row]}"
        if not np.isnan(value) and values.dtype == np.float16:
            raise InputError('The activations do not fit into float16, which ends at 65504: use dtype="float32". '
                             f"Received: {place}.")  # fmt: skip
        shown = f", {datasets.short(repr(stretch.columns['text'][row]))}" if "text" in stretch.columns else ""
        documents = stretch.columns["document"]
        strange = [np.isnan(one) if one.dtype == np.float16 else ~np.isfinite(one) for one in stretch.vectors]
        more = np.setdiff1d(documents[np.any([one.any(1) for one in strange], 0)], documents[row]).tolist()
        rest = f", and {len(more)} more of documents {self.documents} to {stretch.documents - 1}: " if more else ""
        few = ", ".join(map(str, more[:5])) + ", ..." * (len(more) > 5)
        raise InputError(f"Activations are finite numbers. Received: {value} at {place}{shown}: leave it out{rest}{few}.")

    def _append(self, stretch: Stretch) -> None:
        import lance

        table = _table(stretch, {"kerasintrospect": json.dumps(self._about)})
        for name in stretch.columns:
            self._checks[name] = datasets.crc_of(datasets.plain(table.column(name)), self._checks.get(name, 0))
        if self._dataset is None:
            self._dataset = lance.write_dataset(table, str(self.folder / self._data), mode="create")
        else:
            self._dataset = lance.write_dataset(table, self._dataset, mode="append")

    def _point(self, documents: int) -> None:
        old = self.facts
        sums = f"sums-{uuid.uuid4().hex}.npz"
        held = ((f"{i}.{name}", value) for i, one in enumerate(self._statistics) for name, value in one.arrays().items())
        np.savez(self.folder / sums, **dict[str, Any](held))
        data, version = self.folder / self._data, int(self._dataset.version)
        rows = [data / "data" / file.path for part in self._dataset.get_fragments() for file in part.data_files()]
        paths = [*rows, *_manifest(data, version), self.folder / sums]
        known = {} if old is None else {name: facts for name, facts in old.files.items() if "_versions" not in name}
        self.facts = Facts(self._about, self._data, version, self._dataset.count_rows(), documents, self._total,
                           [one.units for one in self._statistics], sums, self._counts,
                           datasets.facts_of_files(self.folder, known, paths), self._checks)  # fmt: skip
        record = {one.name: getattr(self.facts, one.name) for one in fields(Facts)}
        datasets.point(self.folder, _POINTER, {"format": _FORMAT, **record})
        if old is None:
            self._sweep()
        else:
            (self.folder / old.sums).unlink(missing_ok=True)

    def finish(self) -> None:
        """Removes what does not count, such as the stretches of a killed process and older versions."""
        if self._dataset is None:
            raise InputError("There is no row: the inputs hold no word or token that the model sees.")
        self._dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)
        self._sweep()

    def _sweep(self) -> None:
        named = {self._data, "" if self.facts is None else self.facts.sums}
        for path in self.folder.iterdir():
            if _DATA.fullmatch(path.name) and path.name not in named:
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.startswith(f".{_POINTER}.") or (_SUMS.fullmatch(path.name) and path.name not in named):
                path.unlink(missing_ok=True)


def _manifest(data: Path, version: int) -> list[Path]:
    """The file of a version; Lance counts them down from 2**64 - 1."""
    return [path for path in (data / "_versions").glob("*.manifest") if int(path.stem) in (version, 2**64 - 1 - version)]


def _table(stretch: Stretch, metadata: Mapping[str, str]) -> Any:
    import pyarrow as pa

    held = {name: datasets.encoded(values) if isinstance(values, list) else pa.array(values)
            for name, values in stretch.columns.items()}  # fmt: skip
    for i, values in enumerate(stretch.vectors):
        held[f"s{i}"] = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        held[f"k{i}"] = pa.array(datasets.checks_of(values))
    schema = pa.schema([(name, values.type) for name, values in held.items()], dict(metadata))
    return pa.Table.from_arrays(list(held.values()), schema=schema)
