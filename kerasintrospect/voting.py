"""Several rankings of the same neurons: their common vote, and how far they agree (Fan et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError, InputTypeError
from .probes import NeuronRanking

if TYPE_CHECKING:
    import pandas

__all__ = ["agreement", "vote"]

Array = npt.NDArray[Any]


def vote(rankings: Sequence[NeuronRanking] | Mapping[str, NeuronRanking]) -> NeuronRanking:
    """Borda vote: the first of m neurons gets m points from a ranking, the last one 1; ties keep the lower index first.

    Args:
        rankings: Two or more, of the same neurons, as a list or by name.

    Returns:
        A ranking whose scores are the points; per class as well, where all of them rank each class.

    Raises:
        InputError: if there are fewer than two, or they rank other numbers of neurons, or for other classes.
    """
    names, several = _given(rankings)
    shared = [of for of in several[0].per_class if all(of in ranking.per_class for ranking in several)]
    per_class = {of: _borda([ranking.per_class[of][0] for ranking in several]) for of in shared}
    order, points = _borda([ranking.order for ranking in several])
    asked = [one.classes for one in several if one.classes is not None]
    if any(classes != asked[0] for classes in asked):
        raise InputError(f"Rankings that vote have to be of the same classes. Received: rankings of {asked[0]} and of "
                         f"{next(classes for classes in asked if classes != asked[0])}.")  # fmt: skip
    mixed = ("Some of the rankings are for classes, and some for none.",) if 0 < len(asked) < len(several) else ()
    return NeuronRanking(order, points, per_class, f"vote of {', '.join(names)}", None if mixed else several[0].classes, mixed)


def agreement(
    rankings: Sequence[NeuronRanking] | Mapping[str, NeuronRanking], top: int | None = None
) -> pandas.DataFrame:
    """How far the best neurons of each ranking are those of the others.

    Args:
        rankings: Two or more, of the same neurons, as a list or by name, such as those of `lens.ablation_curve`.
        top: How many neurons of each are compared; None takes 50, of fewer than 100 neurons half.

    Returns:
        A table with a row per ranking: `method` (its name), `average_overlap`, the mean Jaccard index with each of the others,
        `neuron_vote`, that with the vote of the others, and `by_chance`, the expected overlap of random neurons.

    Raises:
        InputError: if there are fewer than two, they rank other numbers of neurons, or fewer than `top` of them.
    """
    import pandas

    names, several = _given(rankings)
    top = max(1, min(50, len(several[0]) // 2)) if top is None else top
    if isinstance(top, bool) or not isinstance(top, (int, np.integer)) or not 1 <= top <= len(several[0]):
        raise InputError(f"`top` has to be from 1 to the number of neurons, {len(several[0])}. Received: top={top!r}.")
    best = [set(ranking.top(top).tolist()) for ranking in several]
    rows = []
    for at, ranking in enumerate(several):
        others = [other for i, other in enumerate(several) if i != at]
        elected = _borda([other.order for other in others])[0][:top].tolist()
        overlap = np.mean([_jaccard(best[at], chosen) for i, chosen in enumerate(best) if i != at])
        shared = top / len(ranking)
        rows.append({"method": names[at], "average_overlap": float(overlap),
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


def _given(rankings: Any) -> tuple[list[str], list[NeuronRanking]]:
    """Names and rankings."""
    if isinstance(rankings, NeuronRanking) or not isinstance(rankings, (Mapping, Sequence)):
        raise InputTypeError(f"Rankings come as a list, or by name. Received: an object of type {type(rankings).__name__}")
    several = list(rankings.values()) if isinstance(rankings, Mapping) else list(rankings)
    odd = next((one for one in several if not isinstance(one, NeuronRanking)), None)
    if odd is not None:
        raise InputTypeError(f"Rankings are those of ki.rank_neurons() and its like. Received: {type(odd).__name__}")
    if len(several) < 2:
        raise InputError(f"It takes two rankings or more. Received: {len(several)}.")
    lengths = sorted({len(ranking) for ranking in several})
    if len(lengths) > 1:
        raise InputError(f"The rankings have to be of the same neurons. Received: rankings of {lengths} neurons.")
    return [str(name) for name in rankings] if isinstance(rankings, Mapping) else [one.method for one in several], several
