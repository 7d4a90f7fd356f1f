"""Where is it known? A probe with all controls at every site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .probing import Probe, probe
from .store import ActivationStore

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["SiteProbes", "probe_sites"]

Array = npt.NDArray[Any]
_SHOWN = ("metric", "score", "error", "majority", "untrained", "control", "selectivity", "word_list", "minimal",
          "minimal_share", "minimal_score", "units")  # fmt: skip


@dataclass(frozen=True, eq=False)
class SiteProbes(Mapping[str, Probe]):
    """Probes by site, in the order of the forward pass: `found[site]` is a `Probe`.

    Attributes:
        probes: site -> `Probe`.
    """

    probes: dict[str, Probe]

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
        return {"best": self.best, "probes": {site: found.to_dict() for site, found in self.probes.items()}}

    def plot(self) -> Figure:
        """Score and controls by site, and the share of neurons that suffices."""
        from .report.probes import plot_site_probes

        return plot_site_probes(self)

    def __str__(self) -> str:
        return str(self.to_frame().round(3).to_string(index=False))


def probe_sites(
    X: Mapping[str, Any] | ActivationStore, y: npt.ArrayLike | None = None, sites: Sequence[str] | None = None,
    untrained: Mapping[str, Any] | ActivationStore | None = None, words: Sequence[Any] | None = None,
    documents: Sequence[Any] | None = None, **options: Any,
) -> SiteProbes:  # fmt: skip
    """Trains a probe at every site, on the same rows, with all controls.

    Args:
        X: site -> (n, units) activations, in the order of the forward pass; or an `ActivationStore`, which brings labels,
            documents, and words if its rows are words.
        y: (n,) labels; None takes those of the store. Rows of a store without a label are left out.
        sites: Which of the sites; None takes all.
        untrained: The same rows and sites of the model with random weights.
        words: (n,) the word of each row.
        documents: (n,) the document of each row.
        **options: Those of `probe`.

    Returns:
        `SiteProbes`.

    Raises:
        InputError: if a site is not there, or the data cannot be probed; see `probe`.
    """
    rows: Array | None = None
    if isinstance(X, ActivationStore):
        y, rows = _labels(X, y)
        words = _taken(X.texts if words is None and X.unit == "word" else words, rows)
        documents = _taken(X.documents if documents is None else documents, rows)
    if y is None:
        raise InputError("Probes need labels. Received: y=None. Give one label per row.")
    names = list((X.sites if isinstance(X, ActivationStore) else X) if sites is None else sites)
    if not names:
        raise InputError("Probes need a site. Received: none.")
    found = {}
    for site in names:
        other = None if untrained is None else _read(untrained, site, rows)
        found[site] = probe(_read(X, site, rows), y, words, documents, other, **options)
    return SiteProbes(found)


def _labels(store: ActivationStore, y: npt.ArrayLike | None) -> tuple[npt.ArrayLike, Array]:
    """Labels and rows of those that have one."""
    if y is not None:
        return y, np.arange(len(store))
    if store.labels is None:
        raise InputError("Probes need labels. Received: a store without. Give y, one label per row, or export with labels.")
    rows = np.array([at for at, label in enumerate(store.labels) if label is not None and label == label], int)
    return [store.labels[row] for row in rows], rows


def _taken(values: Any, rows: Array) -> Any:
    return None if values is None else [values[row] for row in rows]


def _read(source: Mapping[str, Any] | ActivationStore, site: str, rows: Array | None) -> Any:
    if isinstance(source, ActivationStore):
        return source.read(site, rows)
    if site not in source:
        raise InputError(f"There are no activations of {site!r}. There are: {list(source)}.")
    return source[site] if rows is None else np.asarray(source[site])[rows]
