"""What a probe's score has to be compared with, and when its ranking should not be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError, InputTypeError
from .holdout import missing
from .probes.data import some_of

__all__ = ["DRAWS", "by_word", "control_labels", "doubts", "remarks"]

Array = npt.NDArray[Any]
DRAWS = 5  # of the control task: the label of one frequent word moves a single one
FEW = 10  # training rows of a class, of which nothing can be learned
SLIGHT = 0.05  # a selectivity below this: labels drawn at random are learned as well
NEAR = 0.01  # as good as


def control_labels(words: Sequence[Any] | Array, y: Array, seed: int, uniform: bool = False) -> Array:
    """The control task of Hewitt and Liang (2019): one label per word type, drawn at random.

    A probe can only know such a label by heart, so what it scores here is its own memory, and not the model's knowledge. The
    label of a word hangs on the word, the seed and the shares of the labels, and not on the order of rows.

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
    places = np.array([_place(word, seed) for word in types.tolist()])
    pool = np.unique(y) if uniform else np.sort(y)
    drawn: Array = pool[(places * len(pool)).astype(int)]
    return drawn[of]


def by_word(words: Sequence[Any] | Array, y: Array, train: Array, test: Array) -> tuple[Array, float]:
    """What a word list knows: says the label that the word had most often in training, of unknown words the most frequent.

    Returns:
        What it says of the test rows, and the share of test rows whose word was in training.
    """
    types, of = _types(words, len(y))
    counts = np.zeros((len(types), int(y.max()) + 1), np.int32)
    np.add.at(counts, (of[train], y[train]), 1)
    known: Array = counts.sum(1) > 0
    says: Array = np.where(known, counts.argmax(1), counts.sum(0).argmax())
    return says[of[test]], float(known[of[test]].mean())


def doubts(facts: dict[str, Any], concepts: Sequence[dict[str, Any]], curve: Sequence[dict[str, Any]]) -> list[str]:
    """Why the ranking should not be trusted, in words; empty if nothing speaks against it.

    Args:
        facts: `Probe.facts`.
        concepts: `Probe.concepts`.
        curve: `Probe.curve`.
    """
    score, metric = facts["score"], facts["metric"]
    found = _score_doubts(facts)
    if facts["untrained"] is not None and score <= facts["untrained"] + NEAR:
        found.append("The same model with random weights does as well: "
                     f"{metric} {facts['untrained']:.3f} against {score:.3f}. Training put nothing there.")  # fmt: skip
    if _by_heart(facts):
        found.append(f"Labels drawn at random per word are learned almost as well: {facts['control']:.3f} against {score:.3f} "
                     f"(always the most frequent of them: {facts['control_majority']:.3f}). The probe knows words by heart; "
                     "take fewer neurons, stronger penalties or more texts.")  # fmt: skip
    if facts["word_list"] is not None and score <= facts["word_list"] + NEAR:
        found.append(f"A list of the training words with their most frequent label does as well: {facts['word_list']:.3f} "
                     f"against {score:.3f}; {facts['seen']:.0%} of the test words were seen in training.")  # fmt: skip
    found += _order_doubts(facts, curve)
    few = [f"{row['concept']!r} ({row['train']})" for row in concepts if row["train"] < FEW]
    if few:
        found.append(f"Concepts with fewer than {FEW} training rows, whose neurons are a guess: {some_of(few)}.")
    return found


def remarks(facts: dict[str, Any]) -> list[str]:
    """What should be known of the figures, though nothing speaks against the ranking."""
    found = []
    if facts["selectivity"] is not None and facts["selectivity"] < SLIGHT and not _by_heart(facts):
        found.append(f"Labels drawn at random per word score {facts['control']:.3f}, no more than always the most frequent of "
                     f"them ({facts['control_majority']:.3f}): no word is known by heart, and the selectivity of "
                     f"{facts['selectivity']:+.3f} is only that of class sizes.")  # fmt: skip
    return found


def _score_doubts(facts: dict[str, Any]) -> list[str]:
    """Whether there is a score at all, and whether a probe on fewer neurons has a far better one."""
    score, metric, gain = facts["score"], facts["metric"], facts["score"] - facts["majority"]
    simple = "the mean" if metric == "R^2" else "the most frequent class"
    figures = f"{metric} {score:.3f} against {facts['majority']:.3f}."
    if gain <= NEAR:
        return [f"The probe is no better than always saying {simple}: {figures}"]
    if gain <= 2 * facts["error"]:
        return [f"Too few test rows ({facts['test']}) to tell the probe from always saying {simple}: {figures}"]
    return []


def _by_heart(facts: dict[str, Any]) -> bool:
    """Whether random labels are learned almost as well as the true ones, and learned at all."""
    if facts["selectivity"] is None or facts["selectivity"] >= SLIGHT:
        return False
    return bool(facts["control"] - facts["control_majority"] > max(2 * facts["control_error"], NEAR))


def _order_doubts(facts: dict[str, Any], curve: Sequence[dict[str, Any]]) -> list[str]:
    """The best neurons have to be worth more than others as many, where they are few; and all have to be worth the most."""
    few = [row for row in curve if row["share"] <= 0.25]
    found = []
    for other in ("random", "bottom"):
        gain = float(np.mean([row["top"] - row[other] for row in few])) if few else np.inf
        if gain <= NEAR:
            found.append(f"The neurons ranked first are worth no more than {other} ones: on average {gain:+.3f} with as many.")
        elif gain <= 2 * facts["error"]:
            found.append(f"Too few test rows ({facts['test']}) to tell whether the neurons ranked first are worth more than "
                         f"{other} ones: on average {gain:+.3f} with as many.")  # fmt: skip
    best = max(curve, key=lambda row: row["validation"], default=None)
    if best is not None and best["top"] - facts["score"] > max(2 * facts["error"], NEAR):
        found.append(f"The probe on all {facts['units']} neurons overfits: {facts['metric']} {facts['score']:.3f}, with "
                     f"the first {best['neurons']} it is {best['top']:.3f}. Give more rows, or an l1 that leaves few neurons: "
                     "of 0.003, 0.01 and 0.03 the one with the best `validation_score`.")  # fmt: skip
    return found


def _place(word: str, seed: int) -> float:
    """From 0 to below 1, as if drawn."""
    data = blake2b(f"{seed} {word}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return float((int.from_bytes(data, "big") >> 11) / 2**53)


def _types(words: Sequence[Any] | Array, n: int) -> tuple[Array, Array]:
    if isinstance(words, str) or not hasattr(words, "__iter__"):
        raise InputTypeError(f"`words` has to be a list with the word of each row. Received: words={words!r}.")
    given = list(words)
    if len(given) != n:
        raise InputError(f"`words` has to hold the word of each row. Received: {len(given)} words for {n} rows.")
    none = next((at for at, word in enumerate(given) if missing(word)), None)
    if none is not None:
        raise InputError(f"`words` has to hold the word of each row. Received: words[{none}]={given[none]!r}. Leave out rows "
                         "that are no words, or words=.")  # fmt: skip
    types, of = np.unique(np.asarray([str(word) for word in given]), return_inverse=True)
    return types, of
