"""Where is it known? A probe with all controls at every site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .probes.data import some_of
from .probing import Probe, probe
from .store import ActivationStore

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["SiteProbes", "Taken", "probe_sites", "taken"]

Array = npt.NDArray[Any]
_SHOWN = ("metric", "score", "error", "majority", "untrained", "control", "selectivity", "word_list", "minimal",
          "minimal_share", "minimal_score", "units")  # fmt: skip


@dataclass(frozen=True, eq=False)
class SiteProbes(Mapping[str, Probe]):
    """Probes by site, in the order of the forward pass: `found[site]` is a `Probe`.

    Attributes:
        probes: site -> `Probe`.
        notes: What should be known of the rows, at all sites.
    """

    probes: dict[str, Probe]
    notes: tuple[str, ...] = ()

    def __getitem__(self, site: str) -> Probe:
        return self.probes[site]

    def __iter__(self) -> Iterator[str]:
        return iter(self.probes)

    def __len__(self) -> int:
        return len(self.probes)

    @property
    def best(self) -> str:
        """The site with the best score on validation rows; the first of equals."""
        scores: dict[str, float] = {site: found.facts["validation_score"] for site, found in self.probes.items()}
        best: str = max(scores, key=scores.__getitem__)
        return best

    def to_frame(self) -> pandas.DataFrame:
        """A row per site: score, controls, how few neurons suffice, whether the ranking can be trusted."""
        import pandas

        rows = [{"site": site, **{name: found.facts[name] for name in _SHOWN}, "trusted": found.trusted}
                for site, found in self.probes.items()]  # fmt: skip
        return pandas.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything that a page shows, as JSON can hold it."""
        probes = {site: found.to_dict() for site, found in self.probes.items()}
        return {"best": self.best, "probes": probes, "notes": list(self.notes)}

    def plot(self) -> Figure:
        """Score and controls by site, and the share of neurons that suffices."""
        from .report.probes import plot_site_probes

        return plot_site_probes(self)

    def __str__(self) -> str:
        return "\n".join([self.to_frame().round(3).to_string(index=False), *self.notes])


class Taken(NamedTuple):
    """The rows of a store that can be probed.

    Attributes:
        rows: Their numbers.
        labels: Their labels.
        words: Their words; None if they are none.
        documents: Which belong together: those of one document, and of documents with the same text.
        notes: What was left out, and what else should be known.
    """

    rows: Array
    labels: Any
    words: Any
    documents: Any
    notes: tuple[str, ...]


def probe_sites(
    X: Mapping[str, Any] | ActivationStore, y: npt.ArrayLike | None = None, sites: str | Sequence[str] | None = None,
    untrained: Mapping[str, Any] | ActivationStore | None = None, words: Sequence[Any] | None = None,
    documents: Sequence[Any] | None = None, **options: Any,
) -> SiteProbes:  # fmt: skip
    """Trains a probe at every site, on the same rows, with all controls.

    Args:
        X: site -> (n, units) activations, in the order of the forward pass; or an `ActivationStore`, which brings labels,
            documents, and words if its rows are words; documents of the same text count as one.
        y: (n,) labels; None takes those of the store. Rows of a store without a label are left out.
        sites: One of the sites, or several; None takes all.
        untrained: The same rows and sites of the model with random weights.
        words: (n,) the word of each row.
        documents: (n,) the document of each row.
        **options: Those of `probe`.

    Returns:
        `SiteProbes`.

    Raises:
        InputError: if a site is not there, or the data cannot be probed; see `probe`.
    """
    if untrained is not None:
        _check_untrained(X, untrained)
    rows: Array | None = None
    notes: tuple[str, ...] = ()
    if isinstance(X, ActivationStore):
        rows, y, words, documents, notes = taken(X, y, words, documents)
    if y is None:
        raise InputError("Probes need labels. Received: y=None. Give one label per row.")
    known = X.sites if isinstance(X, ActivationStore) else X
    names = list(known if sites is None else [sites] if isinstance(sites, str) else sites)
    if not names:
        raise InputError("Probes need a site. Received: none.")
    found = {}
    for site in names:
        other = None if untrained is None else _read(untrained, site, rows)
        one = probe(_read(X, site, rows), y, words, documents, other, **options)
        found[site] = replace(one, notes=(*notes, *one.notes))
    return SiteProbes(found, notes)


def taken(
    store: ActivationStore, y: npt.ArrayLike | None = None, words: Sequence[Any] | None = None,
    documents: Sequence[Any] | None = None,
) -> Taken:  # fmt: skip
    """What a store brings to a probe: labels, words and documents where none are given, without rows that have no label.

    Raises:
        InputError: if it has no labels, or what is given is not of each row.
    """
    rows, notes = np.arange(len(store)), list(store.notes)
    labels: Any = y
    if labels is None:
        if store.labels is None:
            raise InputError("Probes need labels. Received: a store without. Give y, one label per row, or export with labels.")
        rows = np.array([at for at, label in enumerate(store.labels) if label is not None and label == label], int)
        labels = [store.labels[row] for row in rows]
        if len(rows) < len(store):
            notes.append(f"{len(store) - len(rows)} of {len(store)} rows have no label and are left out.")
        there = set(labels)
        lost = [repr(name) for name in store.classes or () if name not in there]
        if lost:
            notes.append(f"Classes of which no row is left: {some_of(lost)}.")
    groups: Any = _by_text(store, notes) if documents is None else documents
    words = store.texts if words is None and store.unit == "word" else words
    return Taken(rows, labels, _of_rows("words", words, rows, store), _of_rows("documents", groups, rows, store),
                 tuple(notes))  # fmt: skip


def _by_text(store: ActivationStore, notes: list[str]) -> Array:
    """Rows of equal texts belong together: one in training would tell what the other one in test has."""
    texts = store.document_texts
    if texts is None:
        return store.documents
    first: dict[str, int] = {}
    group = np.array([first.setdefault(text, at) for at, text in enumerate(texts)], int)
    again = len(texts) - len(first)
    if again and len(first) < 5:
        raise InputError("Equal texts are in one part together, and to hold some out takes at least 5 that differ. "
                         f"Received: {len(texts)} texts, of which {len(first)} differ. Give more, or documents=.")  # fmt: skip
    if again:
        notes.append(f"{again} of {len(texts)} texts are equal to another: equal ones are in one part together.")
    return group[store.documents]


def _of_rows(name: str, values: Any, rows: Array, store: ActivationStore) -> Any:
    if values is None:
        return None
    if len(values) != len(store):
        raise InputError(f"`{name}` has to hold one for each row of the store. Received: {len(values)} for {len(store)} rows.")
    return [values[row] for row in rows.tolist()] if isinstance(values, (list, tuple)) else np.asarray(values)[rows]


def _check_untrained(X: Mapping[str, Any] | ActivationStore, other: Mapping[str, Any] | ActivationStore) -> None:
    """The untrained model's activations have to be of the same rows, and of another model."""
    if X is other:
        raise InputError("`untrained` takes the activations of the model with random weights. Received: X itself.")
    if not (isinstance(X, ActivationStore) and isinstance(other, ActivationStore)):
        return
    mine, its = X._facts.about, other._facts.about
    for name, what in (("unit", "of another unit"), ("pool", "pooled in another way"),
                       ("texts", "of other texts, or of texts in another order")):  # fmt: skip
        if mine[name] != its[name]:
            raise InputError("`untrained` has to hold the same rows in the same order: export both with the same call. "
                             f"Received: a store {what}, at {str(other.path)!r}.")  # fmt: skip
    if len(X) != len(other):
        raise InputError("`untrained` has to hold the same rows in the same order. "
                         f"Received: {len(other)} rows for {len(X)}, at {str(other.path)!r}.")  # fmt: skip
    if X.fingerprint == other.fingerprint:
        raise InputError("`untrained` takes the activations of the model with random weights. Received: a store of the same "
                         f"weights, at {str(other.path)!r}. lens.probe makes both.")  # fmt: skip


def _read(source: Mapping[str, Any] | ActivationStore, site: str, rows: Array | None) -> Any:
    if isinstance(source, ActivationStore):
        return source.read(site, rows)
    if site not in source:
        raise InputError(f"There are no activations of {site!r}. There are: {list(source)}.")
    values = source[site]
    if rows is None:
        return values
    if len(values) <= int(rows.max(initial=-1)):
        raise InputError(f"`untrained` has to hold a row for each row of the store. Received: {len(values)} rows at {site!r}.")
    return np.asarray(values)[rows]
