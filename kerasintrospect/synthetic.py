"""Neurons by sentences that were made for the purpose: pairs that differ in a concept, and one phrase over and over.

Text that is found confounds a concept with all that goes with it. Minimal pairs (`he said`, `she said`) differ in nothing else;
a phrase that is repeated to the length of a text (Na et al. 2019) is free of everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError, InputTypeError
from .fronts.base import check_texts
from .generating import check_unit, check_whole, measure, with_options
from .inputs import Arranged
from .matrices import matrix
from .probes.base import NeuronRanking
from .runs import Runner
from .sites import Site
from .text import words

if TYPE_CHECKING:
    import pandas

__all__ = ["PhraseRanking", "fill_templates", "rank_by_pairs", "rank_pairs", "rank_phrases"]

Array = npt.NDArray[Any]
SURE = 0.05
SHOWN = 20  # phrases that are printed


def fill_templates(templates: Sequence[str], pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Minimal pairs: every template with every pair of fillers.

    Args:
        templates: Texts with one `{}` each.
        pairs: (with the concept, without it).

    >>> fill_templates(["{} went home."], [("He", "She"), ("Ed", "Eve")])
    (['He went home.', 'Ed went home.'], ['She went home.', 'Eve went home.'])
    """
    if isinstance(templates, str) or not len(templates) or not len(pairs):
        raise InputError(f"Templates and pairs come as lists. Received: templates={templates!r}, {len(pairs)} pairs")
    wrong = next((one for one in templates if one.count("{}") != 1), None)
    if wrong is not None:
        raise InputError(f"A template has one place for the filler, written as {{}}. Received: {wrong!r}")
    odd = next((one for one in pairs if isinstance(one, str) or len(one) != 2), None)
    if odd is not None:
        raise InputTypeError(f"A pair is (filler with the concept, filler without it). Received: {odd!r}")
    filled = [[one.replace("{}", pair[side]) for one in templates for pair in pairs] for side in (0, 1)]
    return filled[0], filled[1]


def rank_pairs(X: Any, Y: Any) -> NeuronRanking:
    """Ranks neurons by how surely they tell the first of a pair from the second.

    score = abs(mean d) / sqrt(mean d ** 2) of the differences d = x - y: 1 where a neuron differs by the same in every pair, 0
    where it does not differ on the average. It puts neurons in the order of the paired t, but is finite.

    Args:
        X: (n, units) activations of texts with the concept.
        Y: (n, units) of their partners without it, in the same order.

    Returns:
        `NeuronRanking`; `details` has per unit `direction` (1: higher with the concept), `difference` (mean d), `t`,
        `agreement` (share of pairs that differ in this direction) and `p` (two-sided, times the number of units). `p` takes
        pairs for independent, which those of one template are not.

    Raises:
        InputError: if the shapes differ, or values are not finite.
    """
    from scipy import stats

    x, y = matrix(X), matrix(Y, "Y")
    if x.shape != y.shape:
        raise InputError(f"Pairs have two sides of one shape. Received: X of shape {x.shape}, Y of shape {y.shape}")
    gaps = x.astype(np.float64) - y
    mean, size = gaps.mean(0), np.sqrt((gaps**2).mean(0))
    scores = np.divide(np.abs(mean), size, out=np.zeros_like(mean), where=size > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.nan_to_num(mean / (gaps.std(0, ddof=1) / np.sqrt(len(gaps))), nan=0.0)
    p = np.minimum(2 * stats.t.sf(np.abs(t), len(gaps) - 1) * gaps.shape[1], 1.0)
    order = np.lexsort((-np.abs(mean), -scores.round(12)))
    details = {"direction": np.sign(mean).astype(int), "difference": mean, "t": t, "p": p,
               "agreement": ((np.sign(gaps) == np.sign(mean)) & (mean != 0)).mean(0)}  # fmt: skip
    sure = int((p < SURE).sum())
    note = f"{sure} of {len(mean)} units differ beyond chance over {len(gaps)} pairs (paired t, p < {SURE} after Bonferroni)."
    return NeuronRanking(order, scores, {}, "minimal_pairs", [False, True], (note,), details)


def rank_by_pairs(
    runner: Runner, arrange: Callable[[Any], Arranged], first: Sequence[str], second: Sequence[str], site: Site,
    pool: str = "mean",
) -> NeuronRanking:
    """`rank_pairs` of the activations of texts at a site.

    Args:
        runner: The model.
        arrange: What makes its inputs of texts.
        first: Texts with the concept.
        second: Their partners without it.
        site: Whose units.
        pool: `"mean"`, `"max"`, `"first"` or `"last"` over the tokens of a text.
    """
    sides = [check_texts(first), check_texts(second)]
    if len(sides[0]) != len(sides[1]):
        raise InputError(f"Each text has its partner. Received: {len(sides[0])} texts and {len(sides[1])} partners")
    check_unit(runner, sides[0], site, 0)
    found = measure(runner, arrange([*sides[0], *sides[1]]), site, pool)
    return rank_pairs(found[: len(sides[0])], found[len(sides[0]) :])


@dataclass(frozen=True)
class PhraseRanking:
    """Phrases by what they alone make of a unit.

    Attributes:
        rows: One dict per phrase, the strongest first: `phrase`, `activation` (of the phrase repeated), `z` (that in standard
            deviations of the unit over the given texts, from their mean), `count` (texts with the phrase) and `text`.
        unit: The unit.
        site: The site.
        direction: `"up"` or `"down"`.
        mean: Of the unit over the given texts.
        std: Its standard deviation there.
        notes: What should be known about them.
    """

    rows: tuple[dict[str, Any], ...]
    unit: int
    site: str
    direction: str
    mean: float
    std: float
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pandas.DataFrame:
        """One row per phrase, the strongest first."""
        import pandas

        return pandas.DataFrame(self.rows, columns=["phrase", "activation", "z", "count", "text"])

    def __str__(self) -> str:
        shown = self.to_frame()[["phrase", "activation", "z", "count"]].head(SHOWN)
        more = len(self.rows) - len(shown)
        rest = [f"... and {more} more phrases, in .rows and .to_frame()"] if more else []
        return "\n".join([str(shown.round(3).to_string(index=False)), *rest, *self.notes])


@with_options
def rank_phrases(
    runner: Runner, arrange: Callable[[Any], Arranged], texts: Sequence[str], site: Site, unit: int, k: int = 10,
    longest: int = 3, direction: str = "up", pool: str = "mean",
) -> PhraseRanking:
    """The phrases of a unit's strongest texts, each alone: repeated to the usual length of a text (Na et al. 2019).

    Args:
        runner: The model.
        arrange: What makes its inputs of texts.
        texts: Where phrases are looked for.
        site: Where the unit is.
        unit: Which one.
        k: Of the texts the strongest, whose phrases are tried.
        longest: Words in a phrase, at most.
        direction: `"up"`, or `"down"`.
        pool: As in `rank_by_pairs`.

    Raises:
        InputError: if there is no such unit, or the strongest texts hold no word that the model sees.
    """
    check_whole(k=k, longest=longest)
    if direction not in ("up", "down") or min(k, longest) < 1:
        raise InputError("direction is 'up' or 'down', k and longest are at least 1. Received: "
                         f"direction={direction!r}, k={k}, longest={longest}")  # fmt: skip
    check_unit(runner, texts, site, unit)
    given, sign = check_texts(texts), 1 if direction == "up" else -1
    values = measure(runner, arrange(given), site, pool)[:, unit].astype(np.float64)
    split = [[text[start:end] for start, end in words(text)] for text in given]
    usual = max(1, round(float(np.median([len(one) for one in split]))))
    phrases = _phrases([split[i] for i in np.argsort(-sign * values, kind="stable")[:k]], longest)
    if not phrases:
        raise InputError(f"The strongest texts hold no word. Received: {len(given)} texts")
    whole = [f" {' '.join(one).casefold()} " for one in split]
    made = [" ".join([phrase] * max(1, round(usual / len(phrase.split())))) for phrase in phrases]
    read = runner.arrange(made)
    seen = np.ones((len(made), 1), bool) if read.mask is None else read.mask
    some = [bool(row.any()) for row in seen]
    blank = [phrase for phrase, one in zip(phrases, some, strict=True) if not one]
    if len(blank) == len(phrases):
        raise InputError(f"The strongest texts hold no word that the model sees. Received: {len(given)} texts")
    said = f"{len(blank)} phrases hold no token that the model sees and are left out, such as {blank[:1]}."
    found = measure(runner, read, site, pool)[:, unit]
    spread = float(values.std())
    rows: list[dict[str, Any]] = [
        {"phrase": phrase, "activation": float(value), "z": float((value - values.mean()) / spread) if spread else 0.0,
         "count": sum(f" {phrase.casefold()} " in one for one in whole), "text": text}
        for phrase, value, text, one in zip(phrases, found, made, some, strict=True) if one
    ]  # fmt: skip
    ordered = tuple(sorted(rows, key=lambda row: -sign * row["activation"]))
    return PhraseRanking(ordered, unit, str(site), direction, float(values.mean()), spread,
                         (said,) if blank else ())  # fmt: skip


def _phrases(texts: Sequence[Sequence[str]], longest: int) -> list[str]:
    """Runs of words, each once but for case, the shorter ones first."""
    found: dict[str, str] = {}
    for size in range(1, longest + 1):
        for text in texts:
            for start in range(len(text) - size + 1):
                phrase = " ".join(text[start : start + size])
                found.setdefault(phrase.casefold(), phrase)
    return list(found.values())
