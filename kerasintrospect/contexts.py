"""What one unit sees: text around the words where it is high, low and in between, beside its whole distribution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError, InputTypeError
from .readings import Reading, chosen_units, given

if TYPE_CHECKING:
    import pandas

__all__ = ["Contexts", "top_contexts"]

Array = npt.NDArray[Any]
SHARES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
STEPS = 40  # of the histogram


@dataclass(frozen=True)
class Contexts:
    """Text around where one unit is high, low and in between.

    Attributes:
        unit: The unit.
        rows: One dict per window: `bin`, `value`, `before`, `word`, `after`, `row`, `document`, and `copies`: how many rows of
            the bin have the same window.
        bins: One dict per bin, the highest first: `bin`, `low`, `high` (values above low, up to high) and `count`.
        distribution: `count`, `mean`, `std`, `min`, `max`, `share_above_zero`, `quantiles` (share -> value) and `histogram`
            (`edges`, `counts`).
        notes: What should be known about them.
    """

    unit: int
    rows: tuple[dict[str, Any], ...]
    bins: tuple[dict[str, Any], ...]
    distribution: dict[str, Any]
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pandas.DataFrame:
        """One row per window, the bins from high to low."""
        import pandas

        names = ["bin", "value", "before", "word", "after", "copies", "document", "row"]
        return pandas.DataFrame(self.rows, columns=names)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return {"unit": self.unit, "rows": list(self.rows), "bins": list(self.bins), "distribution": self.distribution,
                "notes": list(self.notes)}  # fmt: skip

    def __str__(self) -> str:
        lines = []
        for part in self.bins:
            lines.append(f"{part['bin']}: {part['count']} rows, {part['low']:.4g} to {part['high']:.4g}")
            lines += [f"  {row['value']:8.3f}  {row['before']} [{row['word']}] {row['after']}" for row in self.rows
                      if row["bin"] == part["bin"]]  # fmt: skip
        return "\n".join([*lines, *self.notes])


def top_contexts(
    X: Any, words: Sequence[str] | None = None, documents: Sequence[Any] | None = None, spans: Any = None, unit: int = 0,
    k: int = 5, window: int = 6, seed: int = 0, site: str | None = None,
) -> Contexts:
    """Windows of text around words from every part of a unit's distribution, not only from its top.

    The rows fall into bins between the quantiles 0, .01, .1, .25, .5, .75, .9, .99 and 1; bins with no value of their own are
    one with the next. The highest bin shows its highest rows and the lowest its lowest, those between show rows drawn from
    them, so that what the unit mostly does can be read beside its extremes. A window is shown once per bin.

    Args:
        X: (n,) or (n, units) activations, a row per word (or token) in the order of the text, or a row per text; or an
            `ActivationStore` with `site`.
        words: (n,) the words, or the texts; those of the store by default.
        documents: (n,) which text each word is in, so that no window goes beyond it. None: all rows are one text.
        spans: (n, 2) characters of each word in its text; words that stand together are then written together.
        unit: Which unit.
        k: Windows per bin, at most.
        window: Words on either side.
        seed: Of the draws.
        site: The site of a store.

    Returns:
        `Contexts`.

    Raises:
        InputError: if lengths differ or values are not finite.
        InputTypeError: if unit, k or window is no whole number.
    """
    odd = {name: value for name, value in (("unit", unit), ("k", k), ("window", window))
           if isinstance(value, bool) or not isinstance(value, (int, np.integer))}  # fmt: skip
    if odd:
        raise InputTypeError(f"unit, k and window are whole numbers; contexts are of one unit. Received: {odd}")
    if k < 1 or window < 0:
        raise InputError(f"k is at least 1 and window at least 0. Received: k={k}, window={window}")
    reading, unit = given(X, site, words, documents, spans), int(unit)
    values = reading.values[:, chosen_units(unit, reading.values.shape[1])[0]].astype(np.float64)
    distribution = describe(values)
    homes = np.searchsorted(np.unique(list(distribution["quantiles"].values())), values)  # ties share a home
    same, draws = _windows(reading, window), np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    bins: list[dict[str, Any]] = []
    for home in np.unique(homes)[::-1]:
        members = np.flatnonzero(homes == home)
        below, upto = (homes < home).mean(), (homes <= home).mean()
        part = {"bin": f"{100 * below:.4g}-{100 * upto:.4g} %", "low": float(values[members].min()),
                "high": float(values[members].max()), "count": len(members)}  # fmt: skip
        order = draws.permutation(members)
        if home == homes.max() or home == homes.min():
            order = order[np.argsort(values[order] * (-1 if home == homes.max() else 1), kind="stable")]
        shown = _shown(reading, order, same, k, window)
        rows += [{"bin": part["bin"], "value": float(values[row["row"]]), **row} for row in shown]
        bins.append(part)
    notes = (f"The unit has one value, {values[0]:.4g}, in all rows.",) if values.min() == values.max() else ()
    return Contexts(int(unit), tuple(rows), tuple(bins), distribution, notes)


def describe(values: Array) -> dict[str, Any]:
    """The distribution of a unit: moments, extremes, quantiles and histogram, as JSON can hold them."""
    counts, edges = np.histogram(values, STEPS)
    quantiles = dict(zip(map(str, SHARES), np.quantile(values, SHARES).tolist(), strict=True))
    return {"count": len(values), "mean": float(values.mean()), "std": float(values.std()), "min": float(values.min()),
            "max": float(values.max()), "share_above_zero": float((values > 0).mean()), "quantiles": quantiles,
            "histogram": {"edges": edges.tolist(), "counts": counts.tolist()}}  # fmt: skip


def _windows(reading: Reading, window: int) -> Array:
    """(n,) a number per row; rows with the same number have the same words around them, but for case."""
    ids = np.unique([word.casefold() for word in reading.words], return_inverse=True)[1]
    runs, n = _runs(reading.documents), len(ids)
    columns = []
    for step in range(-window, window + 1):
        places = np.arange(n) + step
        there = places.clip(0, n - 1)
        columns.append(np.where((places == there) & (runs[there] == runs), ids[there], -1))
    found: Array = np.unique(np.stack(columns, 1), axis=0, return_inverse=True)[1].ravel()
    return found


def _runs(documents: Array) -> Array:
    """(n,) which stretch of one document each row is in."""
    found: Array = np.concatenate([[0], np.cumsum(documents[1:] != documents[:-1])])
    return found


def _shown(reading: Reading, order: Array, same: Array, k: int, window: int) -> Iterator[dict[str, Any]]:
    """The first k different windows of some rows, each with the number of its copies among them."""
    _, first, copies = np.unique(same[order], return_index=True, return_counts=True)
    runs = _runs(reading.documents)
    for place in np.argsort(first)[:k]:
        row = int(order[first[place]])
        near = [i for i in range(max(row - window, 0), min(row + window + 1, len(runs))) if runs[i] == runs[row]]
        before, after = [i for i in near if i < row], [i for i in near if i > row]
        document = reading.documents[row : row + 1].tolist()[0]
        yield {"before": _joined(reading, before), "word": reading.words[row], "after": _joined(reading, after), "row": row,
               "document": document, "copies": int(copies[place])}  # fmt: skip


def _joined(reading: Reading, rows: list[int]) -> str:
    """The words of neighboring rows, with blanks where the text has any."""
    text = ""
    for i in rows:
        together = reading.spans is not None and 0 <= reading.spans[i][0] <= reading.spans[i - 1][1]
        text += ("" if together or not text else " ") + reading.words[i]
    return text
