"""What a probe's score has to be compared with, and when its ranking should not be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError

__all__ = ["by_word", "control_labels", "doubts"]

Array = npt.NDArray[Any]
FEW = 10  # training rows of a class, of which nothing can be learned
SLIGHT = 0.05  # a selectivity below this: labels drawn at random are learned as well
NEAR = 0.01  # as good as


def control_labels(words: Sequence[Any] | Array, y: Array, seed: int, uniform: bool = False) -> Array:
    """The control task of Hewitt and Liang (2019): one label per word type, drawn at random.

    A probe can only know such a label by heart, so what it scores here is its own memory, and not the model's knowledge.

    Args:
        words: (n,) the word of each row; types differ by case.
        y: (n,) labels: ids or values.
        seed: Of the draw.
        uniform: Draw every id as often; by default in the shares that the ids have among the rows.

    Returns:
        (n,) labels.

    Raises:
        InputError: if there is not one word for each row.
    """
    types, of = _types(words, len(y))
    random = np.random.default_rng(seed)
    drawn: Array = random.choice(np.unique(y) if uniform else y, len(types))
    return drawn[of]


def by_word(words: Sequence[Any] | Array, y: Array, train: Array, test: Array) -> tuple[float, float]:
    """What a word list knows: says the label that the word had most often in training, of unknown words the most frequent.

    Returns:
        Its accuracy on the test rows, and the share of test rows whose word was in training.
    """
    types, of = _types(words, len(y))
    counts = np.zeros((len(types), int(y.max()) + 1), np.int32)
    np.add.at(counts, (of[train], y[train]), 1)
    known: Array = counts.sum(1) > 0
    says = np.where(known, counts.argmax(1), counts.sum(0).argmax())
    return float((says[of[test]] == y[test]).mean()), float(known[of[test]].mean())


def doubts(facts: dict[str, Any], concepts: Sequence[dict[str, Any]], curve: Sequence[dict[str, Any]]) -> list[str]:
    """Why the ranking should not be trusted, in words; empty if nothing speaks against it.

    Args:
        facts: `Probe.facts`.
        concepts: `Probe.concepts`.
        curve: `Probe.curve`.
    """
    score, unsure, metric = facts["score"], 2 * facts["error"], facts["metric"]
    found = []
    if score <= facts["majority"] + max(unsure, NEAR):
        simple = "the most frequent class" if metric == "accuracy" else "the mean"
        found.append(f"The probe is no better than always saying {simple}: "
                     f"{metric} {score:.3f} against {facts['majority']:.3f}.")  # fmt: skip
    if facts["untrained"] is not None and score <= facts["untrained"] + NEAR:
        found.append("The same model with random weights does as well: "
                     f"{metric} {facts['untrained']:.3f} against {score:.3f}. Training put nothing there.")  # fmt: skip
    if facts["selectivity"] is not None and facts["selectivity"] < SLIGHT:
        found.append(f"Labels drawn at random per word are learned almost as well: {facts['control']:.3f} against {score:.3f}. "
                     "The probe knows words by heart; take fewer neurons, stronger penalties or more texts.")  # fmt: skip
    if facts["word_list"] is not None and score <= facts["word_list"] + NEAR:
        found.append(f"A list of the training words with their most frequent label does as well: {facts['word_list']:.3f} "
                     f"against {score:.3f}; {facts['seen']:.0%} of the test words were seen in training.")  # fmt: skip
    found += _order_doubts(curve, unsure)
    few = [f"{row['concept']!r} ({row['train']})" for row in concepts if row["train"] < FEW]
    if few:
        found.append(f"Concepts with fewer than {FEW} training rows, whose neurons are a guess: {', '.join(few)}.")
    return found


def _order_doubts(curve: Sequence[dict[str, Any]], unsure: float) -> list[str]:
    """The best neurons have to be worth more than others as many, where they are few."""
    few = [row for row in curve if row["share"] <= 0.25]
    found = []
    for other in ("random", "bottom"):
        gains = [row["top"] - row[other] for row in few]
        if gains and np.mean(gains) <= max(unsure, NEAR):
            found.append(f"The neurons ranked first are worth no more than {other} ones: on average {np.mean(gains):+.3f} "
                         "with as many.")  # fmt: skip
    return found


def _types(words: Sequence[Any] | Array, n: int) -> tuple[Array, Array]:
    given = np.asarray([str(word) for word in words]) if len(words) == n else np.empty(0)
    if len(given) != n:
        raise InputError(f"`words` has to hold the word of each row. Received: {len(words)} words for {n} rows.")
    types, of = np.unique(given, return_inverse=True)
    return types, of
