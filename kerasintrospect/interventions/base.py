"""The contract of an intervention, the calls that make one, and what carries it into the model.

An intervention changes chosen units at chosen positions of a site: new = old * scale + shift. A member is a function
`(place, **options) -> change`, called once per run, and `change(rows, where) -> (scale, shift)`, called once per chunk of
examples; see `place.Place` for what it may ask. Conventions for all members:

- scale and shift are broadcast to (rows, units), or to (rows, positions, units) where they differ by position;
- units and positions that were not chosen stay as they are, bit by bit, and so does padding that means nothing to the model;
- what is drawn hangs on the seed and on the example, never on its place in a batch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError
from ..inputs import Arranged
from ..registry import Registry
from ..runs import Runner
from ..sites import Site
from ..taps import Edit, Fed, as_edit
from .place import Place, Selection

__all__ = ["Change", "Intervention", "Member", "ablate", "edits_of", "explained",
           "intervention_methods", "patch", "registry", "steer"]  # fmt: skip

Change = Callable[[np.ndarray, np.ndarray], tuple[Any, Any]]
Member = Callable[..., Change]
registry: Registry[Member] = Registry("kerasintrospect.interventions", "intervention")


def intervention_methods() -> list[str]:
    """The names of all interventions, also those of other packages."""
    return registry.names()


@dataclass(frozen=True)
class Intervention:
    """What to do at a site: made by `ablate`, `patch` or `steer`, given to `lens.predict(edits={site: ...})`.

    Attributes:
        name: One of `ki.intervention_methods()`.
        selection: Which units, at which positions.
        options: Those of the member.
    """

    name: str
    selection: Selection
    options: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        said = {**self.selection.said(), **self.options}
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in said.items())})"


def ablate(
    units: Any = None, how: str = "zero", words: Any = None, tokens: Any = None, positions: Any = None, **options: Any
) -> Intervention:
    """Takes units away: what does the model say without them?

    Args:
        units: Unit indices; None takes all of the site.
        how: `"zero"`; `"mean"`: their mean over `reference=` (texts, or what the model takes; by default the inputs
            themselves), which keeps what the layers behind expect; `"resample"`: each position gets the units of a random
            position of `reference=` (`seed=0`), which keeps their whole distribution.
        words: Words (str, or several), any case: only at their tokens. None takes every position that the model reads, padding
            only where it means something to the model.
        tokens: The same of the model's own tokens.
        positions: Token positions in each text; negative ones count from its last token.
        options: Those of `how`.
    """
    return _made(how, ("zero", "mean", "resample"), "how", units, words, tokens, positions, options)


def patch(
    source: Any, units: Any = None, words: Any = None, tokens: Any = None, positions: Any = None, source_words: Any = None
) -> Intervention:
    """Puts in the activations of another text: what of it carries the answer?

    Args:
        source: One text for all inputs, or one per input; or what the model takes.
        units: As in `ablate`, like all of the following.
        words: Where.
        tokens: Where.
        positions: Where.
        source_words: The words of the source that take the place of `words`, if they are others. There must be as many
            tokens on both sides.
    """
    return _made("patch", ("patch",), "name", units, words, tokens, positions, {"source": source, "source_words": source_words})


def steer(
    units: Any = None, factor: float | None = None, value: Any = None, add: Any = None, words: Any = None, tokens: Any = None,
    positions: Any = None,
) -> Intervention:
    """Turns units up or down: does the model follow?

    Args:
        units: As in `ablate`, like the last three.
        factor: What their activations are multiplied with; or
        value: what they become: a number, or one per chosen unit; or
        add: what is added to them: the same.
        words: Where.
        tokens: Where.
        positions: Where.

    Raises:
        InputError: If not exactly one of factor, value and add is given.
    """
    given = {name: x for name, x in (("factor", factor), ("value", value), ("add", add)) if x is not None}
    if len(given) != 1:
        raise InputError(f"One of factor=, value= and add= says what to do. Received: {sorted(given) or 'none'}")
    return _made("steer", ("steer",), "name", units, words, tokens, positions, given)


def _made(
    name: str, standard: Sequence[str], called: str, units: Any, words: Any, tokens: Any, positions: Any, options: Any
) -> Intervention:
    if name not in standard and name not in intervention_methods():
        raise InputError(f"{called} is one of {', '.join(map(repr, standard))}. Received: {called}={name!r}")
    known = list(inspect.signature(registry.get(name)).parameters)[1:]
    if unknown := sorted(set(options) - set(known)):
        raise InputError(f"{name!r} has the options {', '.join(known) or 'none'}. Received: {', '.join(unknown)}")
    return Intervention(name, Selection.of(units, words, tokens, positions), options)


@dataclass(frozen=True, eq=False)
class Carried:
    """Interventions at one site as an edit whose numbers come with each chunk, so that nothing is traced again.

    Attributes:
        steps: (place, units that change, change) of each intervention, in order.
    """

    steps: tuple[tuple[Place, np.ndarray, Change], ...]

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal keys trace to the same function, up to the shapes of `feed`."""
        return ("interventions", *(place.has_tokens for place, _, _ in self.steps))

    def feed(self, rows: np.ndarray, mask: np.ndarray | None) -> list[np.ndarray]:
        """Per step: where, scale and shift, for some examples."""
        found: list[np.ndarray] = []
        for place, units, change in self.steps:
            where = place.where(rows, mask)
            scale, shift = change(rows, where)
            sizes = (len(rows), place.units) if max(np.ndim(scale), np.ndim(shift)) < 3 else (*where.shape, place.units)
            full_scale, full_shift = np.ones(sizes, np.float32), np.zeros(sizes, np.float32)
            full_scale[..., units], full_shift[..., units] = scale, shift
            found += [where, full_scale, full_shift]
        return found

    def __call__(self, tensor: Any, fed: Sequence[Any]) -> Any:
        """The changed activation."""
        import tensorflow as tf

        for i, (place, _, _) in zip(range(0, len(fed), 3), self.steps, strict=True):
            # Fails where positions are no tokens, which only shows in a run; they would be broadcast else.
            where = tf.reshape(fed[i], tf.shape(tensor)[:2]) if place.has_tokens else fed[i]
            scale, shift = tf.cast(fed[i + 1], tensor.dtype), tf.cast(fed[i + 2], tensor.dtype)
            if tensor.shape.rank > scale.shape.rank:
                scale, shift = scale[:, None], shift[:, None]
            changed = tf.math.multiply_no_nan(tensor, scale) + shift  # 0 * inf is 0 here
            # What is not chosen keeps even its NaN and -0.0.
            keep = tf.logical_or(tf.logical_not(where[..., None]), tf.logical_and(scale == 1, shift == 0))
            tensor = tf.where(keep, tensor, changed)
        return tensor


def edits_of(runner: Runner, arranged: Arranged, given: Mapping[Site, Any]) -> dict[Site, Edit | Fed]:
    """Edits for a run: interventions (or lists of them) bound to their sites, functions and values as they are.

    Raises:
        InputError: If the units, words or texts of an intervention do not fit the site or the inputs.
    """
    return {site: _edit(runner, arranged, site, value) for site, value in given.items()}


@contextmanager
def explained(changes: Mapping[Site, Edit | Fed]) -> Iterator[None]:
    """Says why a run with these edits failed, where TensorFlow speaks of shapes."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.InvalidArgumentError, ValueError):
        for change in changes.values():
            for place, _, _ in change.steps if isinstance(change, Carried) else ():
                place.explain()
        raise


def _edit(runner: Runner, arranged: Arranged, site: Site, value: Any) -> Edit | Fed:
    several = list(value) if isinstance(value, (list, tuple)) else [value]
    if not several or not any(isinstance(one, Intervention) for one in several):
        edit, wanted = as_edit(value), runner.scan().table.spec(site).shape or ()
        given = () if callable(value) else np.shape(value)
        pairs = zip(given[::-1], wanted[::-1], strict=False)
        if len(given) > len(wanted) or any(n not in (1, m) and m is not None for n, m in pairs):
            raise InputError(f"An array is broadcast to the activation: '{site}' has shape {wanted}. Received: shape {given}")
        return edit
    if not all(isinstance(one, Intervention) for one in several):
        raise InputTypeError(f"A list of edits holds interventions only. Received: {several!r} at '{site}'")
    steps = []
    for one in several:
        place = Place(runner, arranged, site, one.selection)
        steps.append((place, place.chosen, registry.get(one.name)(place, **one.options)))
    return Carried(tuple(steps))
