"""The contract of a probe: from activations and labels to an order of neurons.

A method is a function `(data, seed, **options) -> Found` of `ProbeData`; it says whether it ranks for values (regression) and
whether it needs no more than sums. Conventions for all methods:

- scores are greater for better neurons; ties keep the lower index first, unless the method gives another order;
- a neuron that is constant has score 0 and comes last;
- a score per class asks: that class or any other? The one over all classes is said by the method;
- activations are never written to, and whatever is drawn is drawn from `seed`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import InputError, UnsupportedError
from ..registry import Registry
from .data import Array, ProbeData, check_seed, some_of

if TYPE_CHECKING:
    import pandas

__all__ = ["Found", "Member", "NeuronRanking", "check_options", "method", "rank_neurons", "ranking_methods", "ranking_of",
           "registry"]  # fmt: skip


class Found(NamedTuple):
    """What a method gives.

    Attributes:
        scores: (units,).
        per_class: (classes, units) scores; None for methods that say nothing of a single class.
        order: (units,) best first, where it is not that of the scores.
        notes: What should be known about the scores.
        details: What else the method found, by name.
    """

    scores: Array
    per_class: Array | None = None
    order: Array | None = None
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = {}


class Member(NamedTuple):
    """A registered method, whether it ranks for values, and whether sums are all it needs."""

    run: Callable[..., Found]
    regression: bool
    sums: bool


registry: Registry[Member] = Registry("kerasintrospect.probes", "ranking method")


def method(name: str, regression: bool = False, sums: bool = False) -> Callable[[Callable[..., Found]], Callable[..., Found]]:
    """Decorator: the function becomes the ranking method `name`."""

    def add(run: Callable[..., Found]) -> Callable[..., Found]:
        registry.register(name)(Member(run, regression, sums))
        return run

    return add


def ranking_methods() -> list[str]:
    """The names of all ranking methods, also those of other packages."""
    return registry.names()


@dataclass(frozen=True, eq=False)
class NeuronRanking:
    """Neurons, the best first.

    Attributes:
        order: (units,) int64, the best first.
        scores: (units,) float64, the score of each neuron, by its index.
        per_class: class -> (order, scores): that class or any other? Empty for values, and for methods that rank over all
            classes only: ask those for one class with `rank_neurons(X, y == name)`.
        method: The name of the method.
        classes: The classes, sorted; None for values.
        notes: What should be known about the ranking.
        details: What else the method found, by name; see the method.
    """

    order: Array
    scores: Array
    per_class: Mapping[Any, tuple[Array, Array]]
    method: str
    classes: list[Any] | None = None
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.order)

    def top(self, k: int) -> Array:
        """The k best neurons, in order.

        Raises:
            InputError: if there are fewer, k < 0, or k is no integer.
        """
        if not isinstance(k, (int, np.integer)) or not 0 <= k <= len(self):
            raise InputError(f"`k` has to be an integer from 0 to the number of neurons, {len(self)}. Received: k={k!r}.")
        return self.order[:k]

    def to_frame(self) -> pandas.DataFrame:
        """A table of rank, neuron, score, and the score of each class; the best first."""
        import pandas

        columns = {"rank": np.arange(1, len(self) + 1), "neuron": self.order, "score": self.scores[self.order]}
        classes = {f"score of {of}": scores[self.order] for of, (_, scores) in self.per_class.items()}
        return pandas.DataFrame(columns | classes)

    def to_dict(self) -> dict[str, Any]:
        """What a page shows, as JSON can hold it."""
        classes = None if self.classes is None else [str(of) for of in self.classes]
        per_class = {str(of): order.tolist() for of, (order, _) in self.per_class.items()}
        return {"method": self.method, "order": self.order.tolist(), "scores": self.scores.tolist(), "classes": classes,
                "per_class": per_class, "notes": list(self.notes)}  # fmt: skip

    def __str__(self) -> str:
        of = "values" if self.classes is None else f"{len(self.classes)} classes"
        best = ", ".join(f"{unit} ({self.scores[unit]:.3g})" for unit in self.order[:10])
        return "\n".join([f"{len(self)} neurons for {of} by {self.method}, the best first: {best}", *self.notes])


def rank_neurons(
    X: Any, y: npt.ArrayLike | None = None, method: str = "linear", seed: int = 0, regression: bool | None = None,
    **options: Any,
) -> NeuronRanking:  # fmt: skip
    """Ranks neurons by what they tell of a concept.

    Args:
        X: (n, units) activations, one row per text, word or token; of a store `store.read(site)`. Or `Statistics` with sums per
            label, for methods that need no more (`probeless`, `selectivity`).
        y: (n,) labels: ints, strings or bools are classes, floats are values. None with `Statistics`.
        method: A name of `ranking_methods()`.
        seed: Of whatever the method draws.
        regression: Whether the labels are values; None reads it off their type.
        **options: Those of the method.

    Returns:
        `NeuronRanking`.

    Raises:
        InputError: if X holds NaN or infinity, y does not fit X or holds one class only, or the method or an option is unknown.
        InputTypeError: if X or y are of a type that is neither.
        UnsupportedError: if the method has no meaning for values, or needs more than sums.

    Examples:
        >>> X = np.random.default_rng(0).normal(size=(1000, 64))
        >>> ranking = ki.rank_neurons(X, X[:, 7] > 0.5, method="probeless")
        >>> ranking.top(1)
        array([7])
    """
    member = check_options(method, seed, options)
    data = ProbeData(X, y, regression)
    if data.classes is None and not member.regression:
        raise UnsupportedError(f"{method!r} ranks for classes; values have no classes. For values: {_those('regression')}. "
                               "Or put the values into bins: numpy.digitize(y, edges).")  # fmt: skip
    if data.only_sums and not member.sums:
        raise UnsupportedError(f"{method!r} needs the activations; sums do for: {_those('sums')}.")
    return ranking_of(member.run(data, seed, **options), data, method)


def check_options(method: str, seed: int, options: Mapping[str, Any]) -> Member:
    """The method of this name.

    Raises:
        InputError: if there is none, it has not these options, or the seed is none.
    """
    check_seed(seed)
    member = registry.get(method)
    try:
        inspect.signature(member.run).bind(None, seed, **options)
    except TypeError as error:
        raise InputError(f"The method {method!r} has other options: {error}") from None
    return member


def ranking_of(found: Found, data: ProbeData, method: str) -> NeuronRanking:
    """The record of what a method found."""
    scores, order = _ordered(found.scores, data.constant, found.order)
    rows = [] if found.per_class is None else [_ordered(row, data.constant)[::-1] for row in found.per_class]
    return NeuronRanking(order, scores, dict(zip(data.classes or [], rows, strict=bool(rows))), method, data.classes,
                         (*_notes(data), *found.notes), found.details)  # fmt: skip


def _ordered(scores: Array, constant: Array, order: Array | None = None) -> tuple[Array, Array]:
    """Scores and order, constant neurons at 0 and last."""
    found = np.where(constant, 0.0, scores)
    first = np.argsort(-found, kind="stable") if order is None else np.asarray(order)
    return found, np.concatenate([first[~constant[first]], np.flatnonzero(constant)]).astype(np.int64)


def _notes(data: ProbeData) -> list[str]:
    notes = []
    if count := int(data.constant.sum()):
        notes.append(f"{count} of {data.units} neurons are the same in every row; they have score 0 and come last.")
    if data.classes is not None and data.counts.min() < 10:
        few = [f"{of!r} ({n})" for of, n in zip(data.classes, data.counts, strict=True) if n < 10]
        notes.append(f"Classes with fewer than 10 rows, of which little can be said: {some_of(few)}.")
    return notes


def _those(trait: str) -> str:
    return ", ".join(name for name in ranking_methods() if getattr(registry.get(name), trait))
