"""What units do, by what moves them: the words where they are higher or lower than elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .readings import chosen_units, given

if TYPE_CHECKING:
    import pandas

__all__ = ["TopWords", "top_words"]

Array = npt.NDArray[Any]
UNITS = 64  # at a time


@dataclass(frozen=True)
class TopWords:
    """The words that move units, up and down.

    Attributes:
        rows: One dict per unit, direction and word, the strongest first: `unit`, `direction` ("up" or "down"), `word`,
            `count`, `mean` (activation), `z`, `score` and `t` (None where nothing varies, or of one occurrence).
        notes: What should be known about them.
    """

    rows: tuple[dict[str, Any], ...]
    notes: tuple[str, ...] = ()

    def words(self, unit: int, direction: str = "up") -> list[tuple[str, float]]:
        """(word, score) of one unit, the strongest first."""
        return [(row["word"], row["score"]) for row in self.rows if (row["unit"], row["direction"]) == (unit, direction)]

    def to_frame(self) -> pandas.DataFrame:
        """One row per unit, direction and word."""
        import pandas

        return pandas.DataFrame(self.rows, columns=["unit", "direction", "word", "count", "mean", "z", "score", "t"])

    def __str__(self) -> str:
        return "\n".join([self.to_frame().round(3).to_string(index=False), *self.notes])


def top_words(
    X: Any, words: Sequence[str] | None = None, units: Sequence[int] | None = None, k: int = 10, min_count: int = 3,
    ignore_case: bool = True, site: str | None = None,
) -> TopWords:
    """The words whose mean activation lies farthest from that of all words, either way, as far as their counts bear it out.

    `z` is the word's mean in standard deviations of the unit over all rows. A mean of few occurrences is far out by chance,
    so words go by `score` = z * n / (n + within / between): what is to be expected of the word's further occurrences (the
    predictor of a random-effects model; variances within and between words by one-way analysis of variance). `t` is the
    distance of the word's mean from that of all other rows over its standard error (Welch).

    Args:
        X: (n,) or (n, units) activations, a row per word; or an `ActivationStore` with `site`.
        words: (n,) the words; those of the store by default.
        units: Which units; None takes all.
        k: Words per unit and direction, at most.
        min_count: Words that occur less often are not listed; they count in the variances.
        ignore_case: Whether `The` and `the` are one word.
        site: The site of a store.

    Returns:
        `TopWords`.

    Raises:
        InputError: if lengths differ, values are not finite, or no word occurs often enough.

    >>> top_words([0.0, 4.0, 0.1, 4.2, 0.2, 3.9], ["a", "b", "a", "b", "a", "b"]).words(0)[0][0]
    'b'
    """
    reading = given(X, site, words)
    values, chosen = reading.values, chosen_units(units, reading.values.shape[1])
    folded = [word.casefold() if ignore_case else word for word in reading.words]
    types, ids, counts = np.unique(folded, return_inverse=True, return_counts=True)
    if counts.max() < max(min_count, 2):
        raise InputError(f"No word occurs {max(min_count, 2)} times, so that its mean could be told from chance: give more "
                         f"text or a smaller min_count. Received: {len(folded)} words, the most frequent {counts.max()} times, "
                         f"min_count={min_count}")  # fmt: skip
    rows: list[dict[str, Any]] = []
    flat: list[int] = []
    for start in range(0, len(chosen), UNITS):
        part = chosen[start : start + UNITS]
        figures = _figures(values[:, part].astype(np.float64), ids, counts)
        for i, unit in enumerate(part):
            column = {name: figure[:, i] for name, figure in figures.items()}
            rows += _ranked(int(unit), column, types, counts, k, min_count)
            flat += [int(unit)] if not column["score"].any() else []
    shown = ", ".join(map(str, flat[:10])) + (" and more" if len(flat) > 10 else "")
    notes = [f"Units whose words differ no more than chance: {shown}; they list no word."] if flat else []
    rare = int((counts < min_count).sum())
    notes += [f"{rare} of {len(types)} words occur fewer than {min_count} times and are not listed."] if rare else []
    return TopWords(tuple(rows), tuple(notes))


def _figures(values: Array, ids: Array, counts: Array) -> dict[str, Array]:
    """(words, units) mean, z, score and t."""
    from scipy import sparse

    n, kinds = len(values), len(counts)
    members = sparse.csr_array((np.ones(n), (ids, np.arange(n))), (kinds, n))
    centre = values.mean(0)
    apart, size = values - centre, counts[:, None].astype(np.float64)
    means = members @ apart / size
    squares = members @ apart**2
    total, inner = squares.sum(0), (squares - size * means**2).clip(0)
    within = inner.sum(0) / max(n - kinds, 1)
    spread = (size * means**2).sum(0) / max(kinds - 1, 1)
    between = ((spread - within) * max(kinds - 1, 1) / max(n - (size**2).sum() / n, 1)).clip(0)
    deviation = np.sqrt(total / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(deviation > 1e-12 * np.abs(centre), means / deviation, 0.0)
        score = z * np.where(between > 0, size * between / (size * between + within), 0.0)
        others = n - size
        rest = -size * means / others  # the mean of all other rows; that of all rows is 0 here
        outer = (total - squares - others * rest**2).clip(0) / (others - 1)
        t = (means - rest) / np.sqrt(inner / (size - 1) / size + outer / others)
    return {"mean": means + centre, "z": np.nan_to_num(z), "score": np.nan_to_num(score), "t": t}


def _ranked(unit: int, column: dict[str, Array], types: Array, counts: Array, k: int, least: int) -> Iterator[dict[str, Any]]:
    for direction, sign in (("up", 1), ("down", -1)):
        score = np.where(counts >= least, sign * column["score"], 0.0)
        for place in np.lexsort((-counts, -score))[:k]:
            if score[place] > 0:
                figures = {name: float(column[name][place]) for name in ("mean", "z", "score")}
                t = float(column["t"][place]) if np.isfinite(column["t"][place]) else None
                yield {"unit": unit, "direction": direction, "word": str(types[place]), "count": int(counts[place]), **figures,
                       "t": t}  # fmt: skip
