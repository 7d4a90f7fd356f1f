"""The contract of a contrast, and the two calls that run one on an index of neighbors.

A method is a function `(examples, queries, classes, k, **options) -> Picks`. A method of queries gets vectors (n, units) and
their n classes, and gives a row for each; a method of classes gets no queries (None) and the n classes themselves, and gives a
row for each class. See `examples.Examples` for what it may ask. Conventions for all methods:

- indices (n, k) are rows of the index, the best first; -1 where there is none;
- distances (n, k) are those of the examples from the query, or from the mean of the class; NaN where there is none;
- ties keep the order of the training set, and nothing is drawn at random.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import InputError, InputTypeError, KerasIntrospectWarning
from ..neighbors import NeighborIndex, Neighbors
from ..neighbors.filters import Asked, at_least_one
from ..registry import Registry
from .examples import Array, Examples, examples_of

if TYPE_CHECKING:
    import pandas

__all__ = ["Member", "Picks", "Prototypes", "contrast", "contrasts", "of_classes", "of_queries", "prototypes", "registry"]


class Picks(NamedTuple):
    """What a method gives: rows of the index, and their distances.

    Attributes:
        indices: (n, k) int64, -1 for none.
        distances: (n, k) float, NaN for none.
        weights: (n, k) float, NaN for none; None for methods without.
        criticisms: A further `Picks`, of examples that the first ones leave unexplained; None for methods without.
    """

    indices: Array
    distances: Array
    weights: Array | None = None
    criticisms: Picks | None = None


class Member(NamedTuple):
    """A registered method, and what its rows are of: queries or classes."""

    run: Callable[..., Picks]
    of: str


registry: Registry[Member] = Registry("kerasintrospect.contrast", "contrast")


def of_queries(name: str) -> Callable[[Callable[..., Picks]], Callable[..., Picks]]:
    """Decorator: the function becomes the contrast `name`, with a row per query."""
    return _register(name, "queries")


def of_classes(name: str) -> Callable[[Callable[..., Picks]], Callable[..., Picks]]:
    """Decorator: the function becomes the contrast `name`, with a row per class."""
    return _register(name, "classes")


def _register(name: str, of: str) -> Callable[[Callable[..., Picks]], Callable[..., Picks]]:
    def add(run: Callable[..., Picks]) -> Callable[..., Picks]:
        registry.register(name)(Member(run, of))
        return run

    return add


def contrasts() -> list[str]:
    """The names of all contrasts, also those of other packages."""
    return registry.names()


@dataclass(frozen=True, eq=False)
class Prototypes(Neighbors):
    """The examples that stand for each class, best first; `[i]` lists those of class `classes[i]`.

    Attributes:
        classes: (n,) int64, the class of each row.
        weights: (n, k) float32, NaN for none; how much of the class each stands for, together 1. None for methods without.
        criticisms: The examples of the class that these leave unexplained, as another record; None for methods without.
    """

    classes: Array | None = None
    weights: Array | None = None
    criticisms: Prototypes | None = None

    def to_frame(self) -> pandas.DataFrame:
        """A table of class, kind (prototype or criticism), rank, index, distance, weight and text; one row per example."""
        import pandas

        frame = self._rows("prototype")
        if self.criticisms is None:
            return frame
        return pandas.concat([frame, self.criticisms._rows("criticism")], ignore_index=True)

    def _rows(self, kind: str) -> pandas.DataFrame:
        import pandas

        names, found = self.class_names, self.indices >= 0
        of, rank = np.nonzero(found)
        classes = np.asarray(self.classes)[of]
        texts = None if self.texts is None else [self.texts[i][j] for i, j in zip(of, rank, strict=True)]
        columns = {
            "class": classes if names is None else np.array(names, object)[classes],
            "kind": kind,
            "rank": rank + 1,
            "index": self.indices[found],
            "distance": self.distances[found],
            "weight": np.nan if self.weights is None else self.weights[found],
            "text": None if texts is None else pandas.Series(texts, dtype=object),
        }
        return pandas.DataFrame(columns)


def contrast(
    index: NeighborIndex,
    inputs: Any,
    labels: npt.ArrayLike | None = None,
    method: str = "nearest_unlike",
    k: int = 5,
    by: str = "label",
    **options: Any,
) -> Neighbors:
    """Finds the training examples that show where the class of an input ends.

    Args:
        index: An index with labels.
        inputs: What the model takes; without a model, vectors (n, units).
        labels: (n,) the classes of the inputs, as indices or names: the true ones, or what the model said.
        method: A name of `contrasts()` that is of queries.
        k: How many examples each input gets.
        by: What the class of a training example is: `"label"`, or `"predicted"` for what the model says of it.
        **options: Those of the method.

    Returns:
        `Neighbors` with (n, k) indices; the distances are from the input. Where there are fewer than k: index -1,
        distance NaN, text None, label -1.

    Raises:
        InputError: If the method is unknown or of classes, the index has no classes or a single one, `labels` are missing
            or name none of them, or k < 1.
    """
    member, k = _member(method, "queries"), at_least_one(k)
    examples = examples_of(index, by, _classes(index, by))
    if len(examples.known) < 2:
        only = ", ".join(_name(index, of) for of in examples.known) or "none"
        raise InputError(f"A contrast needs examples of at least two classes. Received: an index whose {len(index)} "
                         f"examples are all of class {only}.")  # fmt: skip
    asked = index._asked(inputs)
    queries = asked.vectors
    blind: Array = np.flatnonzero(~queries.any(1)) if examples.cosine else np.empty(0)
    if len(blind):
        warnings.warn("A vector of zeros has no direction: every distance from it is 1. "
                      f"Received: {len(blind)} of {len(queries)} inputs, the first at {blind[0]}.",
                      KerasIntrospectWarning, stacklevel=3)  # fmt: skip
    classes = _class_ids("labels", labels, index, len(queries))
    picks = _run(method, member, examples, queries, classes, k, options)
    return index._found(asked, picks.indices, picks.distances.astype(np.float32))


def prototypes(
    index: NeighborIndex,
    method: str = "mmd_critic",
    k: int = 5,
    classes: Sequence[int | str] | None = None,
    by: str = "label",
    **options: Any,
) -> Prototypes:
    """Finds the training examples that stand for each class.

    Args:
        index: An index with labels.
        method: A name of `contrasts()` that is of classes.
        k: How many examples each class gets.
        classes: The classes, as indices or names; by default all that the index has examples of, in their order.
        by: What the class of a training example is: `"label"`, or `"predicted"` for what the model says of it.
        **options: Those of the method.

    Returns:
        `Prototypes`, one row per class; the distances are from the mean of the class. Where a class has fewer than k
        members all are given, with a warning, and then: index -1, distance NaN, text None, label -1.

    Raises:
        InputError: If the method is unknown or of queries, the index has no classes, `classes` names one that the index has
            no example of, or k < 1.
    """
    member, k = _member(method, "classes"), at_least_one(k)
    examples = examples_of(index, by, _classes(index, by))
    known, counts = examples.known, [int((examples.classes == of).sum()) for of in examples.known]
    rows = known if classes is None else _class_ids("classes", classes, index, None)
    absent = [_name(index, row) for row in rows if row not in known]
    if absent:
        raise InputError(f"The index has no example of class {', '.join(absent)}. It has: "
                         f"{', '.join(_name(index, row) for row in known)}. Received: classes={classes!r}.")  # fmt: skip
    few = [f"{_name(index, c)} ({n})" for c, n in zip(known, counts, strict=True) if n < k and c in rows]
    if few:
        message = f"These classes have fewer than k examples, and all of them are given: {', '.join(few)}. Received: k={k}."
        warnings.warn(message, KerasIntrospectWarning, stacklevel=3)
    return _prototypes(index, rows, _run(method, member, examples, None, rows, k, options))


def _prototypes(index: NeighborIndex, rows: Array, picks: Picks) -> Prototypes:
    inner = None if picks.criticisms is None else _prototypes(index, rows, picks.criticisms)
    weights = None if picks.weights is None else picks.weights.astype(np.float32)
    nobody = Asked(np.empty((len(rows), 0)))
    found = index._found(nobody, picks.indices, picks.distances.astype(np.float32))
    return Prototypes(**vars(found), classes=rows, weights=weights, criticisms=inner)


def _member(method: str, of: str) -> Member:
    member = registry.get(method)
    if member.of != of:
        right = [name for name in contrasts() if registry.get(name).of == of]
        call = {"queries": "prototypes(method)", "classes": "contrast(inputs, labels, method)"}[of]
        raise InputError(f"{method!r} is of {member.of}: call index.{call} for it. "
                         f"Of {of}: {', '.join(right)}. Received: method={method!r}.")  # fmt: skip
    return member


def _run(
    name: str, member: Member, examples: Examples, queries: Array | None, classes: Array, k: int, options: dict[str, Any]
) -> Picks:
    try:
        return member.run(examples, queries, classes, k, **options)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise InputError(f"The method {name!r} has other options: {error}") from None


def _classes(index: NeighborIndex, by: str) -> Array:
    if by not in ("label", "predicted"):
        raise InputError(f'`by` has to be "label" or "predicted". Received: by={by!r}.')
    classes = index.labels if by == "label" else index.predicted
    if classes is None:
        how = "make the index with labels, lens.neighbors(texts, labels)" if by == "label" else "make the index with predicted="
        raise InputError(f"A contrast needs the classes of the examples: {how}. "
                         f"Received: by={by!r} on an index without them.")  # fmt: skip
    return classes


def _class_ids(name: str, values: Any, index: NeighborIndex, n: int | None) -> Array:
    """Class indices of indices or names, checked."""
    if values is None:
        raise InputError(f"A contrast needs the class of each input: its label, or what lens.predict(inputs).labels says. "
                         f"Received: {name}=None.")  # fmt: skip
    given = np.asarray(values)
    if given.ndim != 1 or n not in (None, len(given)) or not len(given):
        required = "(n,), one for each input" if n is not None else "(classes,)"
        raise InputError(f"`{name}` has to be of shape {required}. Received: shape={given.shape}"
                         + (f" for {n} inputs." if n is not None else "."))  # fmt: skip
    names = index.class_names or []
    if given.dtype.kind in "iub":
        if names and not (0 <= given.min() and given.max() < len(names)):
            raise InputError(f"`{name}` has to hold indices of the {len(names)} class names. "
                             f"Received: from {given.min()} to {given.max()}.")  # fmt: skip
        return given.astype(np.int64)
    unknown = [value for value in given.tolist() if value not in names]
    if unknown:
        raise InputTypeError(f"`{name}` has to hold class indices, or names of {names}. Received: {unknown[0]!r}.")
    return np.array([names.index(value) for value in given.tolist()], np.int64)


def _name(index: NeighborIndex, row: int) -> str:
    inside = index.class_names is not None and 0 <= row < len(index.class_names)
    return repr(index.class_names[row]) if inside and index.class_names else str(int(row))
