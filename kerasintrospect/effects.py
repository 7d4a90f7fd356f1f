"""What units do to the answers of the model: each alone, the strongest together, and how fast a ranking takes it apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError, InputTypeError
from .inputs import Arranged
from .interventions.base import Intervention, ablate
from .labelled import class_ids, paired, positive
from .outputs import Output
from .probes.base import NeuronRanking
from .runs import Runner
from .sites import Site
from .variants import Variants

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

__all__ = ["AblationCurve", "NeuronEffects", "ablation_curve", "neuron_effects"]

_SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, eq=False)
class NeuronEffects:
    """What changing each unit alone does to the answers.

    Attributes:
        site: Where the units are.
        edit: What was done to them, in words.
        units: (u,) the unit indices.
        drop: (u,) by how much the score of the target falls, mean over the examples; the score is its probability, or the
            number that a regression gives.
        flips: (u,) share of the examples whose predicted class changes (of independent labels: whether the one that counts is
            above 0.5); NaN for regressions.
        count: How many units the site has.
        examples: How many examples.
        chosen: Units that `greedy=` found, best first, each with the mean score of the target without it and all before it.
        class_names: The classes.
    """

    site: str
    edit: str
    units: np.ndarray
    drop: np.ndarray
    flips: np.ndarray
    count: int
    examples: int
    chosen: list[tuple[int, float]]
    class_names: list[str]

    @property
    def ranking(self) -> NeuronRanking:
        """The units by |drop|, the strongest first; those that were not changed come last, with a score of 0."""
        scores = np.zeros(self.count)
        scores[self.units] = np.abs(self.drop)
        return NeuronRanking(np.argsort(-scores, kind="stable"), scores, {}, f"effect of {self.edit}")

    def to_frame(self) -> pandas.DataFrame:
        """One row per unit: unit, drop, flips; the strongest first."""
        import pandas

        frame = pandas.DataFrame({"unit": self.units, "drop": self.drop, "flips": self.flips})
        return frame.iloc[np.argsort(-np.abs(self.drop), kind="stable")].reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class AblationCurve:
    """How the model's answers fall as more and more units of a ranking are changed.

    Attributes:
        site: Where the units are.
        edit: What was done to them, in words.
        counts: (k,) how many units.
        score: Name of a ranking, "... (bottom)" or "random" -> (k,) mean score of the target.
        flips: The same -> (k,) share of the examples whose predicted class differs from that of the whole model.
        accuracy: The same -> (k,) share of right answers; None without labels.
        spread: (k,) standard deviation of the mean score over the random draws.
    """

    site: str
    edit: str
    counts: np.ndarray
    score: dict[str, np.ndarray]
    flips: dict[str, np.ndarray]
    accuracy: dict[str, np.ndarray] | None
    spread: np.ndarray

    def to_frame(self) -> pandas.DataFrame:
        """One row per ranking and count: ranking, units, score, flips and accuracy (if labels were given)."""
        import pandas

        rows: dict[str, Any] = {"ranking": np.repeat(list(self.score), len(self.counts)),
                                "units": np.tile(self.counts, len(self.score))}  # fmt: skip
        rows |= {"score": np.concatenate(list(self.score.values())), "flips": np.concatenate(list(self.flips.values()))}
        if self.accuracy is not None:
            rows["accuracy"] = np.concatenate(list(self.accuracy.values()))
        return pandas.DataFrame(rows)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Lines of the flips, or of the accuracy where labels were given; the band of the random sets is their spread."""
        from .report.effects import draw_curve

        return draw_curve(self, ax)


def neuron_effects(
    runner: Runner, output: Output, arranged: Arranged, site: Site, labels: Any = None, edit: Intervention | None = None,
    greedy: int = 0, named: bool = False,
) -> NeuronEffects:
    """Changes every unit alone: by how much does the score of the target fall, and how many predictions change?

    Args:
        runner: The model.
        output: Which of its outputs.
        arranged: The examples.
        site: Where the units are.
        labels: Class ids or names whose probability counts, one per example; None takes the predicted class. A model of
            independent labels needs them; a regression has none.
        edit: What is done to a unit; `ki.ablate()` by default. Its units are those that are tried.
        greedy: How many units to choose one after the other, each the one whose change, with those before, takes the most
            away from the target.
        named: Whether labels may be names.

    Raises:
        InputError: If a label or a unit does not exist.
        UnsupportedError: If the site has no units, or the model opens nowhere.
    """
    if isinstance(greedy, bool) or not isinstance(greedy, (int, np.integer)) or greedy < 0:
        raise InputError(f"greedy is a number of units, 0 or more. Received: greedy={greedy!r}")
    asked = _Asked(runner, output, arranged, site, labels, edit, named)
    alone, count = np.eye(asked.units, dtype=bool)[asked.variants.units], len(asked.variants.units)
    scores, flips, _ = asked.ask(np.concatenate([np.zeros((1, asked.units), bool), alone]))
    chosen: list[tuple[int, float]] = []
    current = np.zeros(asked.units, bool)
    for _ in range(min(greedy, count)):
        left = [unit for unit in asked.variants.units.tolist() if not current[unit]]
        tried = current | np.eye(asked.units, dtype=bool)[left]
        found = asked.ask(tried)[0]
        best = int(found.argmin())
        current = tried[best]
        chosen.append((left[best], float(found[best])))
    drop = scores[0] - scores[1:]
    return NeuronEffects(str(site), asked.edit, asked.variants.units, drop, flips[1:], asked.units, len(arranged), chosen,
                         output.class_names)  # fmt: skip


def ablation_curve(
    runner: Runner, output: Output, arranged: Arranged, site: Site, rankings: Any, labels: Any = None,
    edit: Intervention | None = None, counts: Sequence[int] | None = None, keep: bool = False, draws: int = 3, seed: int = 0,
    named: bool = False,
) -> AblationCurve:
    """Changes the first k units of rankings, the last k, and k random ones, for growing k.

    A ranking that knows what the model uses takes it apart faster than random units do, and its bottom slower.

    Args:
        runner: The model.
        output: Which of its outputs.
        arranged: The examples.
        site: Where the units are.
        rankings: A `NeuronRanking`, an array of unit indices, best first, or a dict of name -> either.
        labels: As in `neuron_effects`; with them, `accuracy` is known too.
        edit: What is done to the units; `ki.ablate()` by default.
        counts: Which k; by default 0, 1, 2, 5, 10, 20, 50 and 100 percent of the units.
        keep: Whether all other units are changed instead, so that k of them are kept.
        draws: How many random sets of each size.
        seed: Of the draws.
        named: Whether labels may be names.

    Raises:
        InputError: If a ranking names units that the site does not have, or a count is out of range.
    """
    positive(draws=draws)
    asked = _Asked(runner, output, arranged, site, labels, edit, named)
    orders = _orders(rankings, asked.units)
    changed = asked.variants.units.tolist()
    for name, order in orders.items():
        if left := sorted(set(order.tolist()) - set(changed)):
            raise InputError(f"The edit changes the units {changed} only. Received: a ranking {name!r} with {left[:5]} too. "
                             "Leave units= out of the edit.")  # fmt: skip
    sizes = _sizes(counts, min(map(len, orders.values())))
    rng = np.random.default_rng(seed)
    lines = {}
    for name, order in orders.items():
        lines[name], lines[f"{name} (bottom)"] = order, order[::-1]
    everyone = np.unique(np.concatenate(list(orders.values())))
    lines |= {f"random {i}": rng.permutation(everyone) for i in range(draws)}
    sets = np.stack([_first(line, k, asked.units, keep, everyone) for line in lines.values() for k in sizes])
    parts = [None if part is None else part.reshape(len(lines), len(sizes)) for part in asked.ask(sets)]
    score, flips, right = (None if part is None else _averaged(dict(zip(lines, part, strict=True)), draws) for part in parts)
    spread = np.asarray(parts[0])[-draws:].std(0)
    return AblationCurve(str(site), asked.edit, np.array(sizes), score or {}, flips or {}, right, spread)


class _Asked:
    """Examples with targets, and what changed units do to them."""

    def __init__(self, runner: Runner, output: Output, arranged: Arranged, site: Site, labels: Any, edit: Intervention | None,
                 named: bool) -> None:  # fmt: skip
        if len(output.shape) != 2:
            raise InputError(f"Effects are those on one answer per example. Received: an output of shape {output.shape}")
        edit = ablate() if edit is None else edit
        if not isinstance(edit, Intervention):
            raise InputTypeError(f"edit is ki.ablate(...), ki.patch(...) or ki.steer(...). Received: edit={edit!r}")
        self.edit = repr(edit)
        self.variants = Variants(runner, output, arranged, site, edit)
        self.units = self.variants.place.units
        self._is_number = output.kind == "raw" and output.shape[-1] == 1
        self._is_several = output.kind == "multilabel"
        self._labels = None
        if self._is_number and labels is not None:
            raise InputError("A regression has no classes: effects are those on its number. Leave labels= out.")
        if self._is_several and (labels is None or np.ndim(labels) > 1):
            raise InputError("The outputs of this model are labels that do not exclude each other: labels= names one per "
                             "example, whose probability counts. "
                             f"Received: labels={'None' if labels is None else 'several per example'}")  # fmt: skip
        if labels is not None:
            given = paired(range(len(arranged)), labels, ("inputs", "labels"))
            self._labels = class_ids(given, output.class_names, named, "labels")
        self._whole = self._predict(np.zeros((1, self.units), bool))[0]
        self._said = self._whole.argmax(-1)
        self._targets = self._said if self._labels is None else self._labels

    def _predict(self, sets: np.ndarray) -> np.ndarray:
        """(sets, examples, classes)."""
        found: np.ndarray | None = None
        for rows, scores in self.variants.predict(sets):
            if found is None:
                found = np.zeros((len(sets), len(self.variants.arranged), scores.shape[-1]), np.float32)
            found[:, rows] = scores
        if found is None or not np.isfinite(found).all():
            raise InputError("With these units changed the model gives NaN or infinity: see lens.predict(inputs, edits=...).")
        return found

    def ask(self, sets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Per set of units: the mean score of the targets, the share of flips, and the accuracy, if there are labels."""
        parts = [self._facts(self._predict(sets[k : k + 512])) for k in range(0, len(sets), 512)]
        scores, flips, right = (np.concatenate(column) for column in zip(*parts, strict=True))
        return scores, flips, None if self._labels is None else right

    def _facts(self, found: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        targets = np.zeros_like(self._targets) if self._is_number else self._targets
        score = np.take_along_axis(found, targets[None, :, None], -1)[..., 0].mean(1, dtype=np.float64)
        if self._is_several:
            said, before = (np.take_along_axis(x, targets[None, :, None], -1)[..., 0] > 0.5 for x in (found, self._whole[None]))
            return score, (said != before).mean(1), said.mean(1)
        said = found.argmax(-1)
        flips = np.full(len(found), np.nan) if self._is_number else (said != self._said).mean(1)
        return score, flips, (said == targets).mean(1)


def _orders(rankings: Any, units: int) -> dict[str, np.ndarray]:
    """Name -> unit indices, best first."""
    given = rankings if isinstance(rankings, Mapping) else {getattr(rankings, "method", "ranking"): rankings}
    ranked = {str(name): getattr(one, "ranking", one) for name, one in given.items()}
    found = {name: np.asarray(getattr(one, "order", one)) for name, one in ranked.items()}
    if not found:
        raise InputError("`rankings` has to hold a ranking. Received: none")
    taken = [name for name in found if name == "random" or f"{name} (bottom)" in found]
    if taken:
        raise InputError("The lines of random units and of the bottom of each ranking have names of their own: give a dict "
                         f"with other names. Received: a ranking called {taken[0]!r}")  # fmt: skip
    for name, order in found.items():
        fits: Any = order.ndim == 1 and order.dtype.kind in "iu" and len(order) and 0 <= order.min() <= order.max() < units
        if not fits or len(np.unique(order)) != len(order):
            raise InputError(f"A ranking holds different unit indices from 0 to {units - 1}. Received: {name}={order!r}")
    return found


def _sizes(counts: Sequence[int] | None, most: int) -> list[int]:
    given = np.array([round(share * most) for share in _SHARES] if counts is None else list(counts))
    sizes = given.tolist() if given.ndim == 1 and given.dtype.kind in "iu" else []
    if not sizes or min(sizes) < 0 or max(sizes) > most:
        raise InputError(f"`counts` holds numbers of units from 0 to {most}. Received: counts={counts!r}")
    return sorted(set(sizes))


def _first(order: np.ndarray, k: int, units: int, keep: bool, everyone: np.ndarray) -> np.ndarray:
    """(units,) bool: the first k of an order; with `keep`, all that are ranked but these."""
    found = np.zeros(units, bool)
    found[everyone] = keep
    found[order[:k]] = not keep
    return found


def _averaged(lines: dict[str, np.ndarray], draws: int) -> dict[str, np.ndarray]:
    """The random lines as their mean."""
    names = list(lines)
    return {**{name: lines[name] for name in names[:-draws]},
            "random": np.mean([lines[name] for name in names[-draws:]], axis=0)}  # fmt: skip
