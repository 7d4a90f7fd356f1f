"""Activations on disk: a folder with a Lance dataset, one column of vectors per site, and `store.json`, which says what counts.

One row is a text, a word or a token. `store.json` names the version of the dataset that counts and how many documents it
holds, and is replaced in one step, so that an export that was killed goes on behind the last stretch that counts.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import datasets
from .errors import InputError, KerasIntrospectWarning, SiteError, StaleIndexError, UnsupportedError
from .projector import write_projector
from .statistics import Gram, Statistics
from .storing import Facts, read_facts, read_statistics

if TYPE_CHECKING:
    import pandas

__all__ = ["ActivationStore", "load_store"]

Array = npt.NDArray[Any]
_BATCH = 2**22  # numbers that are read at once


class ActivationStore:
    """Activations on disk, one row per text, word or token. Made by `lens.export` and `ki.load_store`.

    Attributes:
        path: The folder.
        sites: The addresses.
        unit: `"example"`, `"word"` or `"token"`.
        pool: How the tokens of a text or word were pooled.
        dtype: `"float16"` or `"float32"`, on disk.
        classes: The labels in their order; None if they are numbers, or there are none.
        fingerprint: That of the model, at the first site; see `lens.fingerprint`.
        finished: Whether all documents are there.
        versions: The versions of the libraries that made it.
    """

    def __init__(self, folder: Path, facts: Facts, dataset: Any, sums: Sequence[Statistics]) -> None:
        self.path, self._facts, self._dataset, self._sums = folder, facts, dataset, sums
        about = facts.about
        self.sites: list[str] = about["sites"]
        self.unit, self.pool, self.dtype = about["unit"], about["pool"], about["dtype"]
        self.classes: list[Any] | None = about["classes"]
        self.fingerprint, self.versions, self.finished = about["fingerprint"], about["versions"], facts.finished

    def __len__(self) -> int:
        return self._facts.count

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be known about the rows: what the model did not see, and whether documents are still missing."""
        return self._facts.notes

    # Vectors

    def read(self, site: str, rows: npt.ArrayLike | slice | None = None, dtype: str | None = "float32") -> Array:
        """The activations at a site; bytes that are not those that were written are an error.

        Args:
            site: The address.
            rows: Row numbers in any order, a mask or a slice; None is all rows.
            dtype: `"float32"` or `"float64"`; None keeps what is on disk.

        Returns:
            (n, units).
        """
        columns, units = self._columns(site)
        kind = datasets.float_type(dtype, self.dtype)
        numbers = None if rows is None else datasets.row_numbers(rows, len(self))
        with self._readable():
            return datasets.read_vectors(self._dataset, columns, units, kind, numbers)

    def stream(self, sites: str | Sequence[str], batch_size: int | None = None) -> Iterator[Any]:
        """The rows in their order, some at a time.

        Args:
            sites: One address, or several.
            batch_size: Rows of a batch; None takes what is 16 MB.

        Yields:
            (n, units) float32: an array for one address, {address: array} for several.
        """
        names = [sites] if isinstance(sites, str) else list(sites)
        columns = [self._columns(name) for name in names]
        step = batch_size or max(1, _BATCH // sum(units for _, units in columns))
        if step < 1:
            raise InputError(f"`batch_size` is at least 1. Received: batch_size={batch_size}.")
        with self._readable():
            for batch in datasets.scan(self._dataset, [*{one: 0 for pair, _ in columns for one in pair}], step):
                vectors = [datasets.vectors_of(batch, pair, units, "float32") for pair, units in columns]
                yield vectors[0] if isinstance(sites, str) else dict(zip(names, vectors, strict=True))

    def statistics(self, site: str) -> Statistics:
        """Sums of all rows and of each label, as they were taken during the export; of many labels by a pass over the site."""
        number = self._number(site)
        found = self._sums[number]
        if not self.classes or found.classes:
            return found
        found = Statistics(self._facts.units[number], self.classes)
        for values in self.stream(site):
            found.add_ids(values, self.label_ids[found.count : found.count + len(values)])
        return found

    def gram(self, site: str) -> Gram:
        """The products of all pairs of units of a site, in one pass."""
        found = Gram(self._facts.units[self._number(site)])
        for values in self.stream(site):
            found.add(values)
        return found

    def check(self) -> None:
        """Reads every byte of every file. Opening a store compares the sizes of large files only.

        Raises:
            InputError: if a file is not what was written; it names the file.
        """
        with self._readable():
            datasets.check_files(self.path, read_facts(self.path).files, every_byte=True)

    # What is known of the rows

    @cached_property
    def documents(self) -> Array:
        """(n,) the number of each row's document."""
        return self._known("document")

    @cached_property
    def spans(self) -> Array | None:
        """(n, 2) the characters of each word or token in its document, -1 for tokens that stand nowhere."""
        return None if self.unit == "example" else np.stack([self._known("start"), self._known("end")], 1)

    @cached_property
    def texts(self) -> list[str] | None:
        """The text, word or token of each row; None if the inputs were arrays."""
        return self._strings("text")

    @cached_property
    def document_texts(self) -> list[str] | None:
        """The text of each document; an empty one for documents without a row."""
        said = self._strings("text" if self.unit == "example" else "context")
        if said is None:
            return None
        whole, documents = [""] * self._facts.documents, self.documents
        for row in np.flatnonzero(np.diff(documents, prepend=-1)).tolist():
            whole[documents[row]] = said[row]
        return whole

    @cached_property
    def label_ids(self) -> Array:
        """(n,) indices into `classes`, -1 for rows without a label."""
        if self.classes is None:
            raise InputError("The store has no classes. Received: " + ("labels=None" if self.labels is None else "numbers"))
        return self._known("label")

    @cached_property
    def labels(self) -> Array | None:
        """(n,) labels as they were given; None, or NaN of numbers, where a row has none. None if no labels were given."""
        if "label" not in self._dataset.schema.names:
            return None
        given = self._known("label")
        if self.classes is None:
            return given
        if (given < 0).any():
            return np.array([*self.classes, None], object)[given]
        return np.array(self.classes)[given]

    def where(self, label: Any = None, text: Any = None, document: Any = None) -> Array:
        """The rows that fit, ascending.

        Args:
            label: A label or several.
            text: A text, word or token, several, or a compiled pattern that is looked for in it.
            document: A number or several.
        """
        keep = np.ones(len(self), bool)
        if label is not None:
            if self.labels is None:
                raise InputError(f"The store has no labels. Received: label={label!r}.")
            keep &= np.isin(self.label_ids, self._wanted(label)) if self.classes is not None else np.isin(self.labels, label)
        if text is not None:
            if self.texts is None:
                raise InputError("The store was made of arrays, and holds no texts.")
            keep &= np.fromiter(map(datasets.fits(text), self.texts), bool, len(self))
        if document is not None:
            keep &= np.isin(self.documents, document)
        return np.flatnonzero(keep)

    def to_frame(self) -> pandas.DataFrame:
        """A table of the rows without their vectors."""
        import pandas

        held: dict[str, Any] = {"document": self.documents}
        if self.spans is not None:
            held |= {"start": self.spans[:, 0], "end": self.spans[:, 1]}
        if self.texts is not None:
            held["text"] = pandas.Series(self.texts, dtype=object)  # the strings of Arrow take no half characters
        if self.labels is not None:
            held["label"] = self.labels
        return pandas.DataFrame(held)

    def to_projector(self, folder: str | os.PathLike[str], site: str | Sequence[str], rows: Any = None) -> Path:
        """Writes the vectors of a site, or of several, with texts and labels for the Embedding Projector of TensorBoard.

        Args:
            folder: Where to.
            site: One address, or several.
            rows: Some rows, as in `read`; browsers show some ten thousand.
        """
        frame = self.to_frame() if rows is None else self.to_frame().iloc[datasets.row_numbers(rows, len(self))]
        sites = [site] if isinstance(site, str) else list(site)
        vectors = {name: self.read(name, rows) for name in sites}
        return write_projector(folder, vectors, {str(name): frame[name].tolist() for name in frame})

    def __repr__(self) -> str:
        state = "" if self.finished else f", {self._facts.documents} of {self._facts.total} documents so far"
        return f"ActivationStore({len(self)} {self.unit}s, {len(self.sites)} sites, {self.dtype}{state})"

    # Inside

    def _number(self, site: str) -> int:
        if site in self._facts.about["asked"]:
            return int(self._facts.about["asked"].index(site))
        if site not in self.sites:
            raise InputError(f"The store holds the sites {', '.join(self.sites)}. Received: site={site!r}.")
        return self.sites.index(site)

    def _columns(self, site: str) -> tuple[list[str], int]:
        """Those of the vectors and of their checks, and the units."""
        number = self._number(site)
        return [f"s{number}", f"k{number}"], self._facts.units[number]

    def _known(self, name: str) -> Array:
        with self._readable():
            return np.asarray(datasets.read_column(self._dataset, name, self._facts.checks[name]))

    def _strings(self, name: str) -> list[str] | None:
        if name not in self._dataset.schema.names:
            return None
        with self._readable():
            return datasets.decoded(datasets.read_column(self._dataset, name, self._facts.checks[name]))

    def _wanted(self, label: Any) -> list[int]:
        several = [label] if isinstance(label, (str, bytes)) or not isinstance(label, Iterable) else list(label)
        unknown = [one for one in several if one not in (self.classes or ())]
        if unknown:
            raise InputError(f"The labels are {(self.classes or [])[:20]}. Received: label={unknown[0]!r}.")
        return [(self.classes or []).index(one) for one in several]

    def _readable(self) -> Any:
        return datasets.readable(self.path, "the folder of a store that is as lens.export() wrote it")


def load_store(path: str | os.PathLike[str], lens: Any = None) -> ActivationStore:
    """Opens a store.

    Opening reads the small files and compares the sizes of the large ones, so that it takes no longer for many rows. Whatever
    is read later is checked then: another byte in it is an error, never another number. `store.check()` reads all files.

    Args:
        path: The folder.
        lens: The lens that the store has to be of; None takes it as it is.

    Raises:
        InputError: if the folder holds no store, or a damaged one.
        StaleIndexError: if the store is of another model.
    """
    folder = datasets.folder_of(path)
    with datasets.readable(folder, "a folder that lens.export() wrote"):
        facts = read_facts(folder)
        datasets.check_files(folder, facts.files, every_byte=False)
        dataset = datasets.opened(folder / facts.data, facts.version)
        if dataset.count_rows() != facts.count:
            raise ValueError("the rows are not those that store.json tells of")
        sums = read_statistics(folder, facts)  # now: an export that goes on replaces them
    store = ActivationStore(folder, facts, dataset, sums)
    if lens is not None and not _is_of(store, lens):
        raise StaleIndexError("The store was made by another model, or with another text front: export again. "
                              f"Received: path={os.fspath(path)!r}.")  # fmt: skip
    if not store.finished:
        warnings.warn(f"The export was not finished: {store.notes[-1]}", KerasIntrospectWarning, stacklevel=2)
    return store


def _is_of(store: ActivationStore, lens: Any) -> bool:
    try:
        return bool(lens.fingerprint(store.sites[0], store.pool, store.unit) == store.fingerprint)
    except (SiteError, UnsupportedError):  # the model has no such site, or does not open
        return False
