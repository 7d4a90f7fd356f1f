"""Beam search for the formulas that hold where units fire, many units at once.

How many rows each concept shares with each formula of a beam is one product of matrices, among all rows and among those
where the unit fires; from these counts the IoU of every AND, OR and AND NOT follows without its mask being made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .concepts import Concepts
from .formulas import Concept, Formula

__all__ = ["Beam", "Held", "Search", "iou"]

Array = npt.NDArray[Any]
DENSE = 0.04  # share of ones from which a plain matrix is faster than a sparse one
JOINS = 3  # a OR b, a AND b, a AND NOT b


@dataclass(frozen=True)
class Held:
    """A formula, where it holds, its IoU, and that with the penalty for its length."""

    formula: Formula
    mask: Array
    iou: float
    score: float


class Beam(NamedTuple):
    """What the search of one unit has found: the best formulas, best first, and the best single concept."""

    best: list[Held]
    single: Held | None


def iou(a: Array, b: Array) -> float:
    """|a and b| / |a or b| of two masks; 0 where both are empty."""
    return int(np.count_nonzero(a & b)) / max(int(np.count_nonzero(a | b)), 1)


class Search:
    """The search among some concepts.

    Args:
        concepts: Over the rows to search.
        beam: Formulas that go on per unit and round.
        max_length: Concepts in a formula, at most.
        length_penalty: The factor on the score for each concept after the first.
    """

    def __init__(self, concepts: Concepts, beam: int, max_length: int, length_penalty: float) -> None:
        self.concepts, self.beam, self.max_length, self.penalty = concepts, beam, max_length, length_penalty
        self._sizes = np.array([len(one) for one in concepts.members], np.float64)
        self._matrix = _matrix(concepts)
        self._leaves = [Concept(name) for name in concepts.names]

    def run(self, fires: Array) -> list[Beam]:
        """The beams of some units.

        Args:
            fires: (rows, units) bool.
        """
        counts = fires.sum(0).astype(np.float64)
        shared = self._product(fires)
        scores = _ratio(shared, self._sizes[:, None], counts)
        beams = [self._first(fires[:, k], scores[:, k]) for k in range(len(counts))]
        singles = [beam[0] if beam else None for beam in beams]
        new = beams
        for _ in range(self.max_length - 1):
            if not any(new):
                break
            new = self._round(fires, counts, shared, beams, new)
        return [Beam(beam, single) for beam, single in zip(beams, singles, strict=True)]

    def _product(self, masks: Array) -> Array:
        """(concepts, columns): how many rows a concept shares with each mask."""
        return np.asarray(self._matrix @ masks.astype(self._matrix.dtype), np.float64)

    def _leaf(self, place: int) -> Array:
        mask = np.zeros(self.concepts.rows, bool)
        mask[self.concepts.members[place]] = True
        return mask

    def _first(self, fires: Array, scores: Array) -> list[Held]:
        found: dict[bytes, Held] = {}
        for place in _best(scores, self.beam):
            mask, score = self._leaf(place), float(scores[place])
            found.setdefault(_key(mask), Held(self._leaves[place], mask, score, score))
            if len(found) == self.beam:
                break
        return list(found.values())

    def _round(
        self, fires: Array, counts: Array, shared: Array, beams: list[list[Held]], new: list[list[Held]]
    ) -> list[list[Held]]:
        """Joins what is new in each beam with every concept; trims the beams in place and gives what is new in them then."""
        owner = np.repeat(np.arange(len(new)), [len(held) for held in new])
        masks = np.stack([held.mask for part in new for held in part], 1)
        both, within = np.split(self._product(np.concatenate([masks, masks & fires[:, owner]], 1)), 2, axis=1)
        size, hits = masks.sum(0).astype(np.float64), (masks & fires[:, owner]).sum(0).astype(np.float64)
        joined = np.stack(list(_joins(both, within, size, hits, self._sizes[:, None], shared[:, owner], counts[owner])))
        lengths = np.array([len(held.formula) for part in new for held in part])
        joined *= self.penalty ** lengths  # (joins, concepts, formulas)
        fresh = []
        for k, part in enumerate(new):
            columns = np.flatnonzero(owner == k)
            fresh.append(self._trim(beams, k, part, joined[:, :, columns].transpose(2, 1, 0).ravel()) if part else [])
        return fresh

    def _trim(self, beams: list[list[Held]], k: int, parents: list[Held], scores: Array) -> list[Held]:
        """The best of a beam and its candidates, no two of which hold in the same rows."""
        old = {_key(held.mask): held for held in beams[k]}
        least = beams[k][-1].score if len(old) == self.beam else 0.0
        found = dict(old)
        for place in _best(scores, self.beam):
            if len(found) == len(old) + self.beam or scores[place] <= least:
                break
            held = self._join(parents, place, float(scores[place]))
            found.setdefault(_key(held.mask), held)
        beams[k] = sorted(found.values(), key=lambda held: -held.score)[: self.beam]
        known = {id(held) for held in old.values()}
        return [held for held in beams[k] if id(held) not in known]

    def _join(self, parents: list[Held], place: int, score: float) -> Held:
        which, (leaf, kind) = place // (JOINS * len(self.concepts)), divmod(place % (JOINS * len(self.concepts)), JOINS)
        parent = parents[which]
        mask, concept, ratio = self._leaf(leaf), self._leaves[leaf], score / self.penalty ** len(parent.formula)
        if kind == 0:
            return Held(parent.formula | concept, parent.mask | mask, ratio, score)
        if kind == 1:
            return Held(parent.formula & concept, parent.mask & mask, ratio, score)
        return Held(parent.formula & ~concept, parent.mask & ~mask, ratio, score)


def _key(mask: Array) -> bytes:
    return np.packbits(mask).tobytes()


def _matrix(concepts: Concepts) -> Any:
    """(concepts, rows) of ones and zeros, sparse if few are ones; counts are exact in its numbers."""
    from scipy import sparse

    lengths = [len(one) for one in concepts.members]
    dtype = np.float32 if concepts.rows < 2**24 else np.float64
    ends = np.concatenate([[0], np.cumsum(lengths)])
    found = sparse.csr_array((np.ones(ends[-1], dtype), np.concatenate(concepts.members), ends), (len(concepts), concepts.rows))
    return found if ends[-1] < DENSE * len(concepts) * concepts.rows else found.toarray()


def _joins(both: Array, within: Array, size: Array, hits: Array, sizes: Array, shared: Array, counts: Array) -> Iterator[Array]:
    """(concepts, formulas) IoU of formula OR, AND, AND NOT concept; -1 where that is the formula or the concept again.

    Args:
        both: Rows where formula and concept hold; `within`: and the unit fires.
        size: Rows where the formula holds; `hits`: and the unit fires.
        sizes: Rows where the concept holds; `shared`: and the unit fires.
        counts: Rows where the unit fires.
    """
    inside, around = both == size, both == sizes
    same = inside | around
    yield np.where(same, -1.0, _ratio(hits + shared - within, size + sizes - both, counts))
    yield np.where(same, -1.0, _ratio(within, both, counts))
    yield np.where((both == 0) | inside, -1.0, _ratio(hits - within, size - both, counts))


def _ratio(shared: Array, size: Array, counts: Array) -> Array:
    found: Array = shared / (size + counts - shared)
    return found


def _best(scores: Array, least: int) -> Iterator[int]:
    """The places of scores above 0, best first, ties in order; sorted no further than they are asked for."""
    given, wanted = 0, 4 * least
    while True:
        last = np.partition(scores, -wanted)[-wanted] if wanted < len(scores) else -1.0
        places = np.flatnonzero(scores >= max(last, np.finfo(float).tiny))
        places = places[np.argsort(-scores[places], kind="stable")]
        yield from map(int, places[given:])
        if last <= 0 or wanted >= len(scores):
            return
        given, wanted = len(places), wanted * 8
