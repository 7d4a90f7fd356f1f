"""Nearest training examples: what the model has seen that looks alike to it.

`NeighborIndex` holds the vectors that a site gives for the training texts, or for their words or tokens, in memory or on
disk, and finds the nearest of them. No framework here, so that tests need no model.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt

from kerasintrospect.errors import KerasIntrospectWarning, StaleIndexError, UnsupportedError
from kerasintrospect.search import matrix

from . import stored
from .columns import Backend, InMemory, Rows, check_metric
from .filters import Asked, Embed, asked, chosen, count, fitting, nearest, told
from .found import Neighbors, Unit
from .held import Held

if TYPE_CHECKING:
    from kerasintrospect.contrast.base import Prototypes

__all__ = ["NeighborIndex"]

Array = npt.NDArray[Any]
_IN_MEMORY = 2**28  # bytes of vectors that `load` takes into memory by itself
_ABOUT = ("metric", "fingerprint", "site", "pool", "unit", "class_names")


class _Lens(Protocol):
    def embedder(self, site: str, pool: str | None, unit: str = "example") -> tuple[Embed, str]: ...


class NeighborIndex(Held):
    """Training examples by their vectors at a site of the model.

    Cosine distance is 1 - cos; a vector of zeros has no direction and comes last, at 2, the greatest.
    Euclidean distance is the norm of the difference. Equal distances keep the order of the training set.
    Made of arrays it is in memory; `build` writes one to disk that may be larger than the memory.

    Args:
        vectors: (m, units), finite.
        texts: The m texts, or None.
        labels: The m class indices, or None.
        metric: `"cosine"` or `"euclidean"`.
        fingerprint: Says which weights, site and text front made the vectors.
        site: The address where they were taken.
        pool: How tokens were pooled there.
        class_names: The names of the classes, in the order of the indices.
        embed: Makes vectors (n, units) of inputs (of words and tokens: `Rows` with places); without it, queries are
            vectors.
        predicted: The m class indices that the model gives, -1 for none; or None.
        columns: name -> m values of one kind (str, bool, int or float), to filter by.
        unit: What a row is: `"example"`, `"token"` or `"word"`.
        places: m `Unit` in an index of words or tokens: where each stands.
    """

    def __init__(
        self,
        vectors: npt.ArrayLike,
        texts: Sequence[str] | None = None,
        labels: npt.ArrayLike | None = None,
        metric: str = "cosine",
        fingerprint: str = "",
        site: str = "",
        pool: str | None = "mean",
        class_names: Sequence[str] | None = None,
        embed: Embed | None = None,
        predicted: npt.ArrayLike | None = None,
        columns: Mapping[str, Any] | None = None,
        unit: str = "example",
        places: Sequence[Unit] | None = None,
    ) -> None:
        check_metric(metric)
        names = None if class_names is None else [str(name) for name in class_names]
        rows = Rows.checked(vectors, texts, labels, predicted, columns, places, names)
        about = dict(zip(_ABOUT, (metric, fingerprint, site, pool, unit, names), strict=True))
        self._set(InMemory(rows, metric == "cosine"), about, embed)

    @classmethod
    def of_rows(cls, rows: Rows, class_names: Sequence[str] | None = None, **about: Any) -> NeighborIndex:
        """An index in memory of `Rows`; the rest as in the class."""
        about |= {"predicted": rows.predicted, "columns": rows.columns, "places": rows.places, "class_names": class_names}
        return cls(rows.vectors, rows.texts, rows.labels, **about)

    @classmethod
    def build(
        cls,
        path: str | os.PathLike[str],
        batches: Iterable[Rows],
        metric: str = "cosine",
        fingerprint: str = "",
        site: str = "",
        pool: str | None = "mean",
        class_names: Sequence[str] | None = None,
        embed: Embed | None = None,
        unit: str = "example",
    ) -> NeighborIndex:
        """Writes an index to a folder, batch by batch: memory does not grow with the data.

        An index that is there answers as before until the new one is complete.

        Args:
            path: The folder.
            batches: Gives `Rows.checked(vectors, texts, labels, predicted, columns, places, class_names)`, all with the
                same things.
            metric: See the class, as the rest.
        """
        check_metric(metric)
        names = None if class_names is None else [str(name) for name in class_names]
        about = dict(zip(_ABOUT, (metric, fingerprint, site, pool, unit, names), strict=True))
        return cls._opened(stored.write(path, batches, about), about, embed)

    @classmethod
    def _opened(cls, backend: Backend, about: Mapping[str, Any], embed: Embed | None = None) -> NeighborIndex:
        index = cls.__new__(cls)
        index._set(backend, about, embed)
        return index

    def _set(self, backend: Backend, about: Mapping[str, Any], embed: Embed | None) -> None:
        self._backend, self.embed, self._says = backend, embed, None
        self.metric, self.fingerprint, self.site, self.pool, self.unit, self.class_names = (about[name] for name in _ABOUT)

    def _about(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _ABOUT}

    def __repr__(self) -> str:
        place = "" if self.path is None else f", path={self.path!r}"
        ivf = self.ivf
        if ivf is not None:
            place += f", ivf: recall at {ivf['k']} {ivf['recall']:.3f} at {100 * ivf['work']:.1f} % of the work"
            place += "" if ivf["rows"] == len(self) else f", measured on the first {ivf['rows']} rows"
        return f"NeighborIndex({len(self)} {self.unit}s, {self.metric}, site={self.site!r}, pool={self.pool!r}{place})"

    def query(
        self,
        inputs: Any,
        k: int = 5,
        exclude_self: bool = False,
        exclude: str | Iterable[Any] | None = None,
        label: Any = None,
        predicted: Any = None,
        correct: bool | None = None,
        where: Mapping[str, Any] | None = None,
        exact: bool | None = None,
    ) -> Neighbors:
        """Finds the nearest training examples of inputs; in an index of words or tokens, those of each of their words.

        Args:
            inputs: What the model takes; without a model, vectors (n, units).
            k: How many neighbors each gets. Where filters leave a query fewer, the rest is index -1, distance NaN,
                text None, label -1.
            exclude_self: Leaves out the training example that the query itself is: the same text or, where no
                texts are known, the same vector; of several, the one in the query's row, else the first.
            exclude: Row numbers, or texts (up to case and white space), that are no answer; or `"duplicates"`: for each
                query, the rows with its text or (of words) in its text up to case and white space, or at distance 0.
            label: A class, or a list of classes (indices or names): only rows with this label.
            predicted: The same of what the model says of a row.
            correct: Only rows of which the model says the label (True), or another class (False).
            where: Column -> value, or list of values that count.
            exact: Whether every row is compared. None: yes, unless there is an IVF index (see `build_ivf`) and no filter.

        Raises:
            InputError: If the index has no model, and the inputs are no vectors; there is no such class or column; or the
                filters leave no row.
        """
        queries, duplicates = self._asked(inputs), isinstance(exclude, str) and exclude == "duplicates"
        gone = None if duplicates else exclude
        if predicted is not None or correct is not None:
            self._say()
        mask = chosen(self._backend, self.class_names, label, predicted, correct, where, gone)
        k = count(k, len(self) - bool(exclude_self))
        return self._found(queries, *nearest(self._backend, queries, k, mask, exact is True, bool(exclude_self), duplicates))

    def query_vectors(self, vectors: npt.ArrayLike, k: int = 5, exact: bool | None = None) -> Neighbors:
        """Finds the nearest training examples of vectors (n, units)."""
        queries = fitting(Asked(matrix("vectors", vectors)), self._backend.units)
        return self._found(queries, *self._backend.nearest(queries.vectors, count(k, len(self)), None, exact is True))

    def contrast(self, inputs: Any, labels: Any = None, method: str = "nearest_unlike", k: int = 5, **rest: Any) -> Neighbors:
        """The training examples that show where the class of an input ends: see `kerasintrospect.contrast.base.contrast`."""
        from kerasintrospect.contrast.base import contrast

        return contrast(self, inputs, labels, method, k, **rest)

    def prototypes(self, method: str = "mmd_critic", k: int = 5, **options: Any) -> Prototypes:
        """The training examples that stand for each class: see `kerasintrospect.contrast.base.prototypes`."""
        from kerasintrospect.contrast.base import prototypes

        return prototypes(self, method, k, **options)

    def add(self, rows: Rows | Iterable[Rows], fingerprint: str | None = None) -> NeighborIndex:
        """Adds rows of the same model, after the others; on disk, the index is the old one until all are there.

        Args:
            rows: `Rows.checked(...)`, or batches of them, that hold what the index holds.
            fingerprint: Of the model that made the vectors; by default it is taken for the index's own.

        Raises:
            StaleIndexError: If another model made the vectors.
            InputError: If the rows hold something else than those of the index.
        """
        self._check_fingerprint(self.fingerprint if fingerprint is None else fingerprint)
        batches = [rows] if isinstance(rows, Rows) else rows
        if isinstance(self._backend, stored.Stored):
            self._backend = stored.append(self._backend, batches)
        else:
            self._say()
            self._backend = InMemory(Rows.together([self._whole(), *batches]), self.metric == "cosine")
        return self

    def build_ivf(self, cells: int | None = None, recall: float = 0.95, sample: int = 200, seed: int = 0) -> dict[str, Any]:
        """Gives an index on disk Lance's inverted file (IVF_FLAT): queries then look into the nearest cells only.

        As few cells are looked into as find the share `recall` of the 10 nearest others of sampled rows, held against the
        exact search. Queries with filters stay exact, and rows that are added later are always compared.

        Args:
            cells: How many cells k-means makes; by default the root of the number of rows.
            recall: The share of the 10 nearest that has to be found.
            sample: How many rows are asked for their neighbors.
            seed: Of the sample.

        Returns:
            `index.ivf`: cells, nprobes, recall, k, work (share of all vectors that a query is compared with), queries, rows.

        Raises:
            UnsupportedError: If the index is in memory, where every query is exact.
        """
        if not isinstance(self._backend, stored.Stored):
            raise UnsupportedError("An index in memory is always exact. Save it, and load it with in_memory=False.")
        self._backend = self._backend.build_ivf(cells, recall, sample, seed)
        facts = dict(self.ivf or {})
        if facts["recall"] < recall:
            message = f"The approximate search finds {facts['recall']:.3f} of the {facts['k']} nearest, fewer than {recall}."
            warnings.warn(message, KerasIntrospectWarning, stacklevel=2)
        return facts

    def attach(self, embed: Embed, fingerprint: str) -> None:
        """Gives the index the model that makes vectors of queries.

        Raises:
            StaleIndexError: If it is not the model that made the index.
        """
        self._check_fingerprint(fingerprint)
        self.embed = embed

    def _check_fingerprint(self, fingerprint: str) -> None:
        if fingerprint != self.fingerprint:
            raise StaleIndexError(
                "The weights, the site or the text front changed since this index was made. "
                f"Required: fingerprint={self.fingerprint!r}. Received: fingerprint={fingerprint!r}. "
                "Make a new index with lens.neighbors(texts)."
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a folder. An index that is there stays as it is until the new one is complete."""
        self._say()
        stored.write(path, self._backend.parts(), self._about())

    @classmethod
    def load(cls, path: str | os.PathLike[str], lens: _Lens | None = None, in_memory: bool | None = None) -> NeighborIndex:
        """Opens an index that `save` or `build` wrote.

        Args:
            path: The folder.
            lens: The wrapped model, to query with what it takes; without it, queries are vectors.
            in_memory: Whether all rows are read now, and every byte checked. None: if there is no IVF index, and the vectors
                take less than 256 MB.

        Raises:
            InputError: If the folder holds no index, or a damaged one.
            StaleIndexError: If the model is not the one that made the index.
        """
        disk = stored.open_stored(path)
        if in_memory is None:
            in_memory = disk.facts.ivf is None and 4 * len(disk) * disk.units < _IN_MEMORY
        index = cls._opened(disk, disk.facts.about)
        if in_memory:
            index._backend = InMemory(stored.load(path), index.metric == "cosine")
        if lens is not None:
            unit = () if index.unit == "example" else (index.unit,)
            index.attach(*lens.embedder(index.site, index.pool, *unit))
        return index

    def _embed(self, inputs: Any) -> Array:
        return self._asked(inputs).vectors

    def _asked(self, inputs: Any) -> Asked:
        return asked(inputs, self.embed, self._backend.units, self.unit)

    def _found(self, queries: Asked, indices: Array, distances: Array) -> Neighbors:
        return told(self._backend, queries, indices, distances, self.class_names)
