"""KLEOR semi-factuals: examples of the query's own class that are almost of another (Cummins and Bridge 2006).

Both stand on the nearest unlike neighbor (NUN) of the query.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .base import Picks, of_queries
from .examples import Array, Examples

Find = Callable[[Examples, Array, Array, Array, int, int], Array]
_HELD = 2**22  # candidates at once


@of_queries("kleor_sim_miss")
def sim_miss(examples: Examples, queries: Array, classes: Array, k: int) -> Picks:
    """argmin d(NUN, x) over the x of the query's class."""
    return _by_class(examples, queries, classes, k, _nearest)


@of_queries("kleor_global_sim")
def global_sim(examples: Examples, queries: Array, classes: Array, k: int) -> Picks:
    """argmin d(NUN, x) over the x of the query's class with d(q, x) < d(q, NUN): between the two."""
    return _by_class(examples, queries, classes, k, _between)


def _by_class(examples: Examples, queries: Array, classes: Array, k: int, find: Find) -> Picks:
    known, indices = examples.known, np.full((len(queries), k), -1)
    for own in np.unique(classes):
        rows = np.flatnonzero(classes == own)
        unlike, limit = examples.nearest(queries[rows], 1, known[known != own])
        indices[rows] = find(examples, queries[rows], examples.vectors(unlike[:, 0]), limit, int(own), k)
    return Picks(indices, examples.measure(queries, indices))


def _nearest(examples: Examples, queries: Array, unlike: Array, limit: Array, own: int, k: int) -> Array:
    return examples.nearest(unlike, k, [own])[0]


def _between(examples: Examples, queries: Array, unlike: Array, limit: Array, own: int, k: int) -> Array:
    """Looks from both ends, ever wider, until the k are found around the NUN, or all between are found around the query."""
    found, left = np.full((len(queries), k), -1), np.arange(len(queries))
    width, size = 4 * k, len(examples.members(own))
    while len(left):
        open_, step = [], max(1, _HELD // width)
        for part in (left[start : start + step] for start in range(0, len(left), step)):
            found[part], is_found = _look(examples, queries[part], unlike[part], limit[part], own, k, width)
            open_.append(part[~is_found & (width < size)])
        left, width = np.concatenate(open_), 4 * width
    return found


def _look(
    examples: Examples, queries: Array, unlike: Array, limit: Array, own: int, k: int, width: int
) -> tuple[Array, Array]:
    """The k best of what lies between among the nearest to either end, and whether none can be better."""
    around = examples.nearest(unlike, width, [own])[0]
    around[~(examples.measure(queries, around) < limit)] = -1
    inside, distances = examples.nearest(queries, width, [own])
    is_all = ~(distances[:, -1] < limit[:, 0])
    inside[~(distances < limit)] = -1
    best = np.where(is_all[:, None], inside, around)
    return examples.sort(best, examples.measure(unlike, best), k)[0], is_all | ((around >= 0).sum(1) >= k)
