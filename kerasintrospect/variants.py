"""The model with different sets of units changed, many sets in one pass.

The network before the site runs once per text; what is behind it runs once per text and set, in batches of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .inputs import Arranged
from .interventions.base import Intervention, registry
from .interventions.place import Place
from .outputs import Output
from .runs import Runner
from .sites import Site

__all__ = ["Variants"]

_BESIDE = 16  # sets of units that run side by side, where there are as many


class Variants:
    """A model whose units at one site can be changed in sets.

    Args:
        runner: The model.
        output: Which of its outputs.
        arranged: The examples.
        site: Where.
        intervention: What happens to a unit of a set; its own units are all that can be in one.
    """

    def __init__(self, runner: Runner, output: Output, arranged: Arranged, site: Site, intervention: Intervention) -> None:
        self.runner, self.output, self.arranged, self.site = runner, output, arranged, site
        self.place = Place(runner, arranged, site, intervention.selection)
        self.units = self.place.chosen
        self._change = registry.get(intervention.name)(self.place, **intervention.options)

    def predict(self, sets: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(row numbers, (sets, rows, classes) float32 scores) of each chunk of the examples.

        Args:
            sets: (sets, units of the site) bool, True for units that are changed.
        """
        beside = min(_BESIDE, len(sets), self.runner.batch_size)
        for rows, leaves, mask in self.runner.progress(
            self.runner.chunks(self.arranged, max(1, self.runner.batch_size // beside)), len(self.arranged)
        ):
            (value,) = self.runner.tracer.ask(("read", self.site), self._read, self.arranged, [leaves])
            where, changed = self._changed(rows, mask, value.numpy())
            found = []
            for start in range(0, len(sets), beside):
                part = sets[np.minimum(np.arange(start, start + beside), len(sets) - 1)]  # as many in the last, for one shape
                found.append(self._ask(leaves, value, changed, where, part))
            yield rows, np.concatenate(found)[: len(sets)]

    def _read(self, call: Any, leaves: Any) -> Any:
        return (call(leaves, [self.site])[1].values[self.site],)

    def _changed(self, rows: np.ndarray, mask: Any, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(where, values with every unit changed)."""
        where, changed = self.place.where(rows, mask), value.astype(np.float32)
        if value.ndim == 3:
            self.place.check_positions(value.shape[1], where)
        scale, shift = (np.asarray(term, np.float32) for term in self._change(rows, where))
        scale, shift = (t[:, None] if t.ndim == 2 and changed.ndim == 3 else t for t in (scale, shift))
        scaled = np.where(scale == 0, np.float32(0), changed[..., self.units] * scale)
        changed[..., self.units] = scaled + shift
        return where, changed.astype(value.dtype)

    def _ask(self, leaves: Any, value: Any, changed: np.ndarray, where: np.ndarray, sets: np.ndarray) -> np.ndarray:
        """(sets, rows, classes): the rows of the chunk, once for each set."""
        import tensorflow as tf

        owner = np.tile(np.arange(len(where)), len(sets))
        of_set = np.repeat(np.arange(len(sets)), len(where))
        many = [leaf[owner] for leaf in leaves]

        def body(call: Any, leaves: Any, value: Any, changed: Any, where: Any, owner: Any, sets: Any) -> Any:
            units = sets if value.shape.rank == 2 else sets[:, None]
            chosen = tf.logical_and(tf.gather(where, owner)[..., None], units)
            new = tf.where(chosen, tf.gather(changed, owner), tf.gather(value, owner))
            return self.output.predict(call(leaves, (), {self.site: lambda _: new})[0])

        scores = self.runner.tracer.ask(("variants", self.site, self.output.place), body, self.arranged,
                                        [many, value, changed, where, owner, sets[of_set]])  # fmt: skip
        found: np.ndarray = scores.numpy()
        return found.reshape(len(sets), len(where), -1)
