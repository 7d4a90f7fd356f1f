"""Compositional explanations: the formula over concepts that holds where a unit fires (Mu and Andreas 2020).

The search is in `beams`. It sees some of the documents only; the IoU on the others stands beside what it has found, and
beside both the best single concept, so that what a formula adds can be told from what it fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .beams import Beam, Search, iou
from .concepts import Concepts
from .errors import InputError, InputTypeError
from .formulas import Formula
from .matrices import matrix
from .readings import Stored, chosen_units, read

if TYPE_CHECKING:
    import pandas

__all__ = ["Explanation", "Explanations", "explain_neurons"]

Array = npt.NDArray[Any]
ROOM = 2**24  # numbers of one product
NAN = float("nan")


@dataclass(frozen=True)
class Explanation:
    """What a unit stands for.

    Attributes:
        unit: The unit.
        formula: The best one found; None for a unit that was skipped.
        iou: Rows where the formula holds and the unit fires, over those where either does; of the searched rows.
        held_out_iou: The same of rows that the search did not see; NaN without such rows.
        chance_iou: What it would be there if the formula and the unit had nothing to do with each other.
        single: The best single concept.
        single_iou: Its IoU.
        single_held_out_iou: Its IoU on rows that the search did not see.
        threshold: The unit fires above it.
        rows: Searched rows where it fires.
        reason: Why it was skipped; empty otherwise.
    """

    unit: int
    formula: Formula | None
    iou: float
    held_out_iou: float
    chance_iou: float
    single: Formula | None
    single_iou: float
    single_held_out_iou: float
    threshold: float
    rows: int
    reason: str = ""

    def __str__(self) -> str:
        if self.formula is None:
            return f"unit {self.unit}: {self.reason}"
        outside = f"held out {self.held_out_iou:.3f}, by chance {self.chance_iou:.3f}"
        return f"unit {self.unit}: {self.formula} (IoU {self.iou:.3f}, {outside})"


@dataclass(frozen=True)
class Explanations(Sequence[Explanation]):
    """One `Explanation` per unit, in the order of the units.

    Attributes:
        items: The explanations.
        notes: What should be known about them.
    """

    items: tuple[Explanation, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self.items[index]

    def __iter__(self) -> Iterator[Explanation]:
        return iter(self.items)

    def to_frame(self) -> pandas.DataFrame:
        """One row per unit; formulas as text, their length beside them."""
        import pandas

        rows = [{**vars(one), "formula": one.formula and str(one.formula), "single": one.single and str(one.single),
                 "length": 0 if one.formula is None else len(one.formula)} for one in self.items]  # fmt: skip
        return pandas.DataFrame(rows, columns=[*Explanation.__dataclass_fields__, "length"])

    def __str__(self) -> str:
        return "\n".join(map(str, [*self.items, *self.notes]))


@dataclass(frozen=True)
class _Options:
    quantile: float | None
    max_length: int
    beam: int
    length_penalty: float
    min_rows: int


def explain_neurons(
    X: Any, concepts: Concepts, units: Sequence[int] | None = None, quantile: float | None = 0.95, max_length: int = 3,
    beam: int = 10, length_penalty: float = 0.99, held_out: float = 0.3, documents: Sequence[Any] | None = None,
    min_rows: int = 30, seed: int = 0, site: str | None = None,
) -> Explanations:
    """The formula over concepts whose rows are most like those where a unit fires.

    IoU = rows where both hold / rows where either holds. From the best single concepts on, the formulas of the beam are
    joined with every concept by AND, OR and AND NOT, and the best ones by IoU * length_penalty ** (length - 1) go on.

    Args:
        X: (n, units) activations; or bool, where each unit fires; or an `ActivationStore` with `site`.
        concepts: What holds in the same n rows; see `find_concepts`.
        units: Which units; None takes all.
        quantile: A unit fires above this quantile of its searched rows; None: above 0.
        max_length: Concepts in a formula, at most.
        beam: Formulas that go on per unit and round.
        length_penalty: What each further concept takes off the score; 1 takes nothing off.
        held_out: Share of the documents (or of the rows) that the search does not see; 0 for none.
        documents: (n,) the document of each row, so that held-out rows are of other documents.
        min_rows: A unit that fires in fewer searched rows is skipped, as is one that fires in all.
        seed: Of what is held out.
        site: The site of a store.

    Returns:
        `Explanations`.

    Raises:
        InputError: if lengths differ, values are not finite, or an option cannot be used.
    """
    options = _Options(quantile, max_length, beam, length_penalty, min_rows)
    documents = X.documents if documents is None and isinstance(X, Stored) else documents
    values = _checked(read(X, site), concepts, options, held_out)
    chosen = chosen_units(units, values.shape[1])
    seen, unseen = _split(len(values), held_out, documents, np.random.default_rng(seed))
    searched, rest = concepts.take(seen), concepts.take(unseen)
    search, found = Search(searched, beam, max_length, length_penalty), dict[int, Explanation]()
    step = max(1, ROOM // (options.beam * (len(seen) + 3 * len(concepts))))
    for start in range(0, len(chosen), step):
        part = chosen[start : start + step]
        thresholds, fires = _fires(values[:, part], seen, quantile)
        inside = fires[seen]
        counts = inside.sum(0)
        able = (counts >= max(min_rows, 1)) & (counts < len(seen))
        beams = iter(search.run(inside[:, able]))
        for k, unit in enumerate(part):
            facts = (int(unit), float(thresholds[k]), int(counts[k]), len(seen))
            found[int(unit)] = _explanation(facts, next(beams), rest, fires[unseen, k]) if able[k] else _skipped(facts, options)
    return Explanations(tuple(found[int(unit)] for unit in chosen), _notes(concepts, found, len(seen), len(unseen)))


def _checked(given: Array, concepts: Concepts, options: _Options, held_out: float) -> Array:
    if not isinstance(concepts, Concepts):
        raise InputTypeError("`concepts` says what holds in each row: make it by ki.find_concepts(words, labels). Received: "
                             f"an object of type {type(concepts).__name__}")  # fmt: skip
    given = given[:, None] if given.ndim == 1 else given
    values = given if given.dtype == bool and given.ndim == 2 else matrix(given)
    if len(values) != concepts.rows:
        raise InputError(f"Activations and concepts are of the same rows. Received: {len(values)} rows of X, {concepts.rows} "
                         "of concepts")  # fmt: skip
    wrong = [name for name, least in (("max_length", 1), ("beam", 1), ("min_rows", 0)) if getattr(options, name) < least]
    wrong += ["quantile"] if options.quantile is not None and not 0 < options.quantile < 1 else []
    wrong += ["length_penalty"] if not 0 < options.length_penalty <= 1 else []
    if wrong or not 0 <= held_out < 1:
        raise InputError("max_length and beam are at least 1, quantile is between 0 and 1 or None, length_penalty above 0 and "
                         f"at most 1, held_out below 1. Received: {asdict(options)}, held_out={held_out}")  # fmt: skip
    return values


def _split(n: int, held_out: float, documents: Sequence[Any] | None, draws: np.random.Generator) -> tuple[Array, Array]:
    """Row numbers that are searched, and those that are not."""
    if documents is not None and len(documents) != n:
        raise InputError(f"`documents` has one entry per row. Received: {len(documents)} documents for {n} rows")
    groups = np.arange(n) if documents is None else np.unique(np.asarray(documents), return_inverse=True)[1]
    order = draws.permutation(groups.max() + 1)
    out = np.isin(groups, order[: round(held_out * len(order))])
    if out.all():
        raise InputError(f"Something has to be left to search in. Received: {len(order)} documents, held_out={held_out}")
    return np.flatnonzero(~out), np.flatnonzero(out)


def _fires(values: Array, seen: Array, quantile: float | None) -> tuple[Array, Array]:
    if values.dtype == bool:
        return np.full(values.shape[1], 0.5), values
    inside = values[seen].astype(np.float64)
    thresholds = np.zeros(values.shape[1]) if quantile is None else np.quantile(inside, quantile, axis=0)
    return thresholds, values > thresholds


def _notes(concepts: Concepts, found: dict[int, Explanation], seen: int, unseen: int) -> tuple[str, ...]:
    skipped = sum(bool(one.reason) for one in found.values())
    notes = [*concepts.notes, f"Searched in {seen} rows; {unseen} rows held out."]
    return (*notes, f"{skipped} of {len(found)} units were skipped.") if skipped else tuple(notes)


def _skipped(facts: tuple[int, float, int, int], options: _Options) -> Explanation:
    unit, threshold, count, rows = facts
    few = f"it fires in {count} of {rows} rows, fewer than min_rows={options.min_rows}"
    reason = f"it fires in all {rows} rows" if count == rows else few
    return Explanation(unit, None, NAN, NAN, NAN, None, NAN, NAN, threshold, count, reason)


def _explanation(facts: tuple[int, float, int, int], beam: Beam, rest: Concepts, fires: Array) -> Explanation:
    unit, threshold, count, _ = facts
    if beam.single is None:
        reason = f"no concept holds in any of the {count} rows where it fires"
        return Explanation(unit, None, NAN, NAN, NAN, None, NAN, NAN, threshold, count, reason)
    best, single = beam.best[0], beam.single
    masks = [rest.mask(held.formula) for held in (best, single)]
    outer = [iou(mask, fires) if rest.rows else NAN for mask in masks]
    chance = _chance(masks[0], fires) if rest.rows else NAN
    return Explanation(unit, best.formula, best.iou, outer[0], chance, single.formula, single.iou, outer[1], threshold, count)


def _chance(a: Array, b: Array) -> float:
    """The IoU of two masks of these sizes that are independent."""
    both = a.mean() * b.mean()
    return float(both / max(a.mean() + b.mean() - both, np.finfo(float).tiny))
