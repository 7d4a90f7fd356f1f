"""Several rankings of the same neurons: their common vote, and how far they agree (Fan et al. 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .probes import NeuronRanking

if TYPE_CHECKING:
    import pandas

__all__ = ["agreement", "vote"]

Array = npt.NDArray[Any]


def vote(rankings: Sequence[NeuronRanking]) -> NeuronRanking:
    """Borda vote: the first of m neurons gets m points from a ranking, the last one 1; ties keep the lower index first.

    Args:
        rankings: Two or more, of the same neurons.

    Returns:
        A ranking whose scores are the points; per class as well, where all of them rank each class.

    Raises:
        InputError: if there are fewer than two, or they rank other numbers of neurons.
    """
    _check(rankings)
    names = ", ".join(ranking.method for ranking in rankings)
    shared = [of for of in rankings[0].per_class if all(of in ranking.per_class for ranking in rankings)]
    per_class = {of: _borda([ranking.per_class[of][0] for ranking in rankings]) for of in shared}
    order, points = _borda([ranking.order for ranking in rankings])
    return NeuronRanking(order, points, per_class, f"vote of {names}", rankings[0].classes)


def agreement(rankings: Sequence[NeuronRanking], top: int = 50) -> pandas.DataFrame:
    """How far the best neurons of each ranking are those of the others.

    Args:
        rankings: Two or more, of the same neurons.
        top: How many neurons of each are compared.

    Returns:
        A table with a row per ranking: `average_overlap`, the mean Jaccard index with each of the others, `neuron_vote`, that
        with the vote of the others, and `by_chance`, the expected overlap of random neurons.

    Raises:
        InputError: if there are fewer than two, they rank other numbers of neurons, or fewer than `top` of them.
    """
    import pandas

    _check(rankings)
    if not 1 <= top <= len(rankings[0]):
        raise InputError(f"`top` has to be from 1 to the number of neurons, {len(rankings[0])}. Received: top={top!r}.")
    best = [set(ranking.top(top).tolist()) for ranking in rankings]
    rows = []
    for at, ranking in enumerate(rankings):
        others = [other for i, other in enumerate(rankings) if i != at]
        elected = _borda([other.order for other in others])[0][:top].tolist()
        overlap = np.mean([_jaccard(best[at], chosen) for i, chosen in enumerate(best) if i != at])
        shared = top / len(ranking)
        rows.append({"method": ranking.method, "average_overlap": float(overlap),
                     "neuron_vote": _jaccard(best[at], set(elected)), "by_chance": shared / (2 - shared)})  # fmt: skip
    return pandas.DataFrame(rows)


def _borda(orders: Sequence[Array]) -> tuple[Array, Array]:
    m = len(orders[0])
    points = np.zeros(m)
    for order in orders:
        points[order] += np.arange(m, 0, -1)
    return np.argsort(-points, kind="stable"), points


def _jaccard(some: set[int], others: set[int]) -> float:
    return len(some & others) / len(some | others)


def _check(rankings: Sequence[NeuronRanking]) -> None:
    if len(rankings) < 2:
        raise InputError(f"It takes two rankings or more. Received: {len(rankings)}.")
    lengths = sorted({len(ranking) for ranking in rankings})
    if len(lengths) > 1:
        raise InputError(f"The rankings have to be of the same neurons. Received: rankings of {lengths} neurons.")
