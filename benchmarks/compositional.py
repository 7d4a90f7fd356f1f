"""Compositional explanations: `ki.explain_neurons` against the search of compexp (Mu and Andreas 2020), stated anew.

compexp is no package, so its loop over formulas is written here from its algorithm: each candidate is an object with a mask of
its own, hashed by its text but never equal to another; the beam is trimmed by sorting all of them; only concepts that share
a row with the unit are joined. Its one slow habit that is left out is that it makes integers of negated masks.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from timing import seconds

import kerasintrospect as ki

BEAM, LENGTH = 10, 5  # as in its settings for sentences


class Formula:
    """A formula of the peer: a name, a mask and a length."""

    def __init__(self, text: str, mask: np.ndarray, length: int) -> None:
        self.text, self.mask, self.length = text, mask, length

    def __hash__(self) -> int:
        return hash(self.text)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / ((a | b).sum() + np.finfo(np.float32).tiny)


def joined(formula: Formula, leaf: Formula) -> list[Formula]:
    length = formula.length + 1
    return [Formula(f"({formula.text} OR {leaf.text})", formula.mask | leaf.mask, length),
            Formula(f"({formula.text} AND {leaf.text})", formula.mask & leaf.mask, length),
            Formula(f"({formula.text} AND (NOT {leaf.text}))", formula.mask & ~leaf.mask, length)]  # fmt: skip


def search(fires: np.ndarray, masks: np.ndarray, names: tuple[str, ...], distinct: bool = False) -> float:
    """The best IoU of one unit by the peer's loop.

    Args:
        fires: (rows,) bool.
        masks: (concepts, rows) bool.
        names: Of the concepts.
        distinct: Whether formulas that hold in the same rows count once, and every concept is joined: as ours does it.
    """
    leaves = [Formula(name, mask, 1) for name, mask in zip(names, masks, strict=True)]
    scores = {leaf: overlap(leaf.mask, fires) for leaf in leaves}
    partners = leaves if distinct else [leaf for leaf in leaves if scores[leaf] > 0]
    scores = trimmed(scores, distinct)
    for _ in range(LENGTH - 1):
        new = {}
        for formula in scores:
            for leaf in partners:
                for made in joined(formula, leaf):
                    new[made] = overlap(made.mask, fires)
        scores = trimmed({**scores, **new}, distinct)
    return max(scores.values())


def trimmed(scores: dict[Formula, float], distinct: bool) -> dict[Formula, float]:
    if not distinct:
        return dict(Counter(scores).most_common(BEAM))
    kept: dict[bytes, tuple[Formula, float]] = {}
    for formula, score in Counter(scores).most_common():
        if score > 0 and len(kept) < BEAM:
            kept.setdefault(formula.mask.tobytes(), (formula, score))
    return dict(kept.values())


def corpus(rows: int, words: int, units: int, seed: int = 0) -> tuple[Any, np.ndarray]:
    """Sentences of twelve words with the frequencies of Zipf, and units that fire for random formulas and for nothing."""
    draws = np.random.default_rng(seed)
    share = 1 / np.arange(1, words + 1)
    drawn = draws.choice(words, (rows, 12), p=share / share.sum())
    found = ki.find_concepts([[f"w{i}" for i in row] for row in drawn], max_words=words)
    names = [f'"{name}"' for name in found.names]
    fires = np.zeros((rows, units), bool)
    for k in range(units):
        a, b, c = draws.choice(names[: len(names) // 4], 3, replace=False)
        planted = found.mask(ki.parse_formula(f"({a} OR {b}) AND NOT {c}"))
        fires[:, k] = planted ^ (draws.random(rows) < (0.01 if k % 4 else 0.1))
    return found, fires


def main(quick: bool = False) -> None:
    rows, words, units, theirs = (2000, 400, 32, 2) if quick else (10_000, 2000, 256, 4)
    found, fires = corpus(rows, words, units)
    masks = np.stack([found.mask(name) for name in found.names])
    options = {"max_length": LENGTH, "beam": BEAM, "length_penalty": 1.0, "held_out": 0, "min_rows": 1}
    explained: list[Any] = []
    ours = seconds(lambda: explained.append(ki.explain_neurons(fires, found, **options))) / units
    peers: list[float] = []
    loop = seconds(lambda: peers.extend(search(fires[:, k], masks, found.names) for k in range(theirs))) / theirs
    for k, best in enumerate(peers):
        assert explained[0][k].iou >= best - 1e-9, (k, explained[0][k].iou, best)
    print(f"{rows:,} sentences, {len(found):,} concepts, formulas of up to {LENGTH}, beam of {BEAM}, per unit:")
    print(f"  ki.explain_neurons {1e3 * ours:8.1f} ms   (all {units} units: {ours * units:.1f} s)")
    print(f"  compexp's loop     {1e3 * loop:8.1f} ms   ratio {loop / ours:.0f}")
    better = sum(explained[0][k].iou > best + 1e-9 for k, best in enumerate(peers))
    print(f"  the best IoU is equal for {theirs - better} of {theirs} units, and ours is better for {better}")
    small, few = corpus(600, 60, 6, seed=1)
    masks = np.stack([small.mask(name) for name in small.names])
    for one, column in zip(ki.explain_neurons(few, small, **options), few.T, strict=True):
        exact = search(column, masks, small.names, distinct=True)
        assert abs(one.iou - exact) < 1e-9, (one.unit, one.iou, exact)
    print("  with equal formulas counted once, the loop finds the same best IoU on a small corpus: 6 of 6 units")


if __name__ == "__main__":
    main()
