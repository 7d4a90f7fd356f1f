"""The neurons of a site on one page: which matter to the answers, which tell of the labels, and what each responds to."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__
from .compositional import explain_neurons
from .concepts import find_concepts
from .contexts import top_contexts
from .effects import AblationCurve, NeuronEffects
from .errors import InputError, KerasIntrospectError
from .examining import token_stations
from .files import write_page
from .health import dead_neurons
from .highlights import Facts, grain, rows_of
from .interventions.base import Intervention, ablate
from .labelled import positive, warnings_as_notes
from .neurons import top_words
from .probes.base import NeuronRanking, rank_neurons
from .readings import chosen_units
from .sampling import Sample, sample
from .stations import stations
from .store import ActivationStore

if TYPE_CHECKING:
    import pandas

    from .introspector import Introspector

__all__ = ["NeuronReport", "portray"]

TRIED = 300  # texts on which every unit is ablated
COLOURED = 3  # texts at the top of a unit; one at its bottom stands beside them
LISTED = 8  # words of a unit, up and down
FIRES = 0.95  # a neuron fires above this quantile


@dataclass(frozen=True, repr=False)
class NeuronReport:
    """The neurons of one site.

    Attributes:
        facts: All that the page shows, in values that JSON can hold.
    """

    facts: Facts = field(hash=False)

    @property
    def units(self) -> pandas.DataFrame:
        """One row per neuron shown: unit, drop, flips, the ranks, its words up and down, its formula."""
        import pandas

        rows = [{"unit": one["unit"], "drop": one["drop"], "flips": one["flips"], "effect_rank": one["ranks"]["effect"],
                 "probe_rank": one["ranks"].get("probe"), "up": ", ".join(w["word"] for w in one["up"]),
                 "down": ", ".join(w["word"] for w in one["down"]), "formula": one["formula"], "iou": one["held_out_iou"]}
                for one in self.facts["units"]]  # fmt: skip
        return pandas.DataFrame(rows)

    def to_frame(self) -> pandas.DataFrame:
        """`units`."""
        return self.units

    def to_json(self) -> str:
        """The facts as JSON."""
        return json.dumps(self.facts, allow_nan=False, indent=1)

    def save(self, path: str | Path) -> Path:
        """Writes the page (.html) or the facts (.json), whole or not at all.

        Raises:
            InputError: If the suffix is another one, or the file cannot be written.
        """
        return write_page(path, self._page, self.to_json)

    def _page(self) -> str:
        from .report import render_neurons

        return render_neurons(self.facts)

    def __repr__(self) -> str:
        return f"<NeuronReport: {len(self.facts['units'])} of {self.facts['count']} neurons of {self.facts['site']}>"


def portray(
    lens: Introspector, texts: Sequence[str], labels: Any = None, site: str | None = None,
    units: Sequence[int] | int | None = None, top: int = 8, max_texts: int = 1000, seed: int = 0,
    edit: Intervention | None = None,
) -> NeuronReport:  # fmt: skip
    """Ranks the neurons of a site by their effect on the answers and by what they tell of the labels, and shows the first.

    The effect of a neuron is how far the score of the label (or of the predicted class) falls when it is set to its mean; of
    a regression, how far the number that it gives falls. What it responds to is read off words, where the site has a vector
    per token, and else off whole texts.

    Args:
        lens: The wrapped model. It has to take texts.
        texts: Texts, better not those that the model was trained on.
        labels: One per text: class indices or names, of a regression numbers; None takes what the model says.
        site: The address; None takes the last layer with a vector per token, or else the input of the last layer.
        units: Which neurons to show; None takes the first of both rankings in turn.
        top: How many.
        max_texts: Texts that are read; more are drawn from.
        seed: Of all draws.
        edit: What is done to a neuron for its effect. None is `ki.ablate(how="mean")`, with the mean over the texts tried; for
            a regression it is `ki.ablate()`, as a neuron at its mean leaves the mean of the numbers nearly where it was.

    Returns:
        `NeuronReport`.

    Raises:
        InputError: If texts and labels fit neither each other nor the model, or there is no such neuron.
        UnsupportedError: If the model is a black box, or gives no single answer per text.
    """
    positive(top=top, max_texts=max_texts)
    lens._runner.check_open("neurons")
    _check(edit)
    notes: list[str] = []
    with warnings_as_notes(notes), tempfile.TemporaryDirectory() as folder:
        drawn, place = sample(lens, texts, labels, max_texts, seed, notes), _place(lens, site)
        edit = (ablate() if drawn.is_regression else ablate(how="mean")) if edit is None else edit
        by = grain(lens._runner, drawn.texts, lens._site(place))
        store = lens.export(drawn.texts, Path(folder) / "store", [place], unit=by, dtype="float32")
        values = store.read(place)
        chosen = None if units is None else _chosen(units, values.shape[1])
        notes += [drawn.in_own_numbers(note) for note in store.notes]
        tried, wanted = drawn.tried(TRIED, seed)
        arranged = lens._arrange(tried)
        effect = lens.neuron_effects(arranged, place, wanted, edit)
        rankings = {"effect": effect.ranking}
        means = _by_text(values, store.documents, len(drawn.texts))
        probed = _probe(means, drawn, seed, notes)
        rankings |= {} if probed is None else {"probe": probed}
        shown = _turns(rankings, top) if chosen is None else chosen
        facts = _units(store, values, means, drawn, shown, effect, rankings, notes, seed)
        curve = _curve(lens.ablation_curve(arranged, place, rankings, wanted, edit=edit, seed=seed))
    return NeuronReport({
        "version": __version__, "title": f"The neurons of {place}", "model": dict(lens.describe()), "site": place,
        "site_given": site is not None, "other_sites": _others(lens, place), "units_given": units is not None,
        "edit": edit.name, "unit": by, "count": values.shape[1], "rows": len(values), "texts": len(drawn.texts),
        "tried": len(tried), "regression": drawn.is_regression, "measure": drawn.measure, "class_names": drawn.names,
        "labelled": labels is not None, "fires": 1 - FIRES, "units": facts, "curve": curve,
        "silent": dead_neurons(values).units.tolist(), "notes": list(dict.fromkeys(notes)),
        "rankings": {name: [int(u) for u in one.order[:50]] for name, one in rankings.items()},
    })  # fmt: skip


def _check(edit: Any) -> None:
    if edit is not None and (not isinstance(edit, Intervention) or edit.selection.units is not None):
        raise InputError("`edit` is done to each neuron in turn: ki.ablate(how=...) or ki.steer(...) without units. "
                         f"Received: edit={edit!r}.")  # fmt: skip


def _chosen(units: Any, count: int) -> list[int]:
    chosen_units(units, count)
    return list(dict.fromkeys(np.ravel(units).tolist()))


def _place(lens: Introspector, site: str | None) -> str:
    if site is not None:
        return str(lens._site(site, inside=True))
    found = token_stations(lens._runner)
    return found[-1] if found else str(lens._runner.summary())


def _others(lens: Introspector, place: str) -> list[str]:
    """Further sites of a forward pass that the page could be about."""
    try:
        return [str(site) for site in stations(lens._runner, []) if str(site) != place]
    except InputError:
        return []


def _curve(found: AblationCurve) -> Facts:
    what, lines = "accuracy", found.accuracy
    if lines is None:
        is_number = all(np.isnan(line).all() for line in found.flips.values())
        what, lines = ("mean score", found.score) if is_number else ("predictions changed", found.flips)
    return {"counts": found.counts.tolist(), "what": what,
            "lines": {name: [float(x) for x in line] for name, line in lines.items()}}  # fmt: skip


def _by_text(values: np.ndarray, documents: np.ndarray, count: int) -> np.ndarray:
    """(texts, units) means over the rows of each text; NaN for texts without any."""
    sums, sizes = np.zeros((count, values.shape[1])), np.bincount(documents, minlength=count)
    np.add.at(sums, documents, values)
    return np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], np.nan)


def _probe(means: np.ndarray, drawn: Sample, seed: int, notes: list[str]) -> NeuronRanking | None:
    """The ranking of a linear probe of the labels; None where there is nothing to tell apart."""
    kept = np.isfinite(means).all(1) & (drawn.is_regression | (drawn.truth >= 0))
    kind = float if drawn.is_regression else int
    try:
        return rank_neurons(means[kept].astype(np.float32), drawn.truth[kept].astype(kind), "linear", seed)
    except KerasIntrospectError as why:
        notes.append(f"The neurons are not ranked by a probe: {why}")
        return None


def _turns(rankings: dict[str, NeuronRanking], top: int) -> list[int]:
    """The first of each ranking in turn, none twice."""
    found: dict[int, None] = {}
    for place in range(max(map(len, rankings.values()))):
        for one in rankings.values():
            if len(found) < top and place < len(one):
                found.setdefault(int(one.order[place]))
    return list(found)


def _units(
    store: ActivationStore, values: np.ndarray, means: np.ndarray, drawn: Sample, shown: list[int], effect: NeuronEffects,
    rankings: dict[str, NeuronRanking], notes: list[str], seed: int,
) -> list[Facts]:  # fmt: skip
    """The facts of each neuron shown."""
    said, spans, documents = store.texts or [], store.spans, store.documents
    lists = {} if store.unit == "example" else _words(values, said, shown, notes)
    formulas = {} if store.unit == "example" else _formulas(values, said, documents, shown, notes, seed)
    ranks = {name: {int(u): i + 1 for i, u in enumerate(one.order)} for name, one in rankings.items()}
    row_of = {int(unit): i for i, unit in enumerate(effect.units)}
    found = []
    for unit in shown:
        contexts = top_contexts(values, said, documents.tolist(), spans, unit=unit, k=4, seed=seed)
        i = row_of[unit]
        found.append({
            "unit": unit, "drop": float(effect.drop[i]), "flips": _number(effect.flips[i]),
            "ranks": {name: places.get(unit) for name, places in ranks.items()}, "up": lists.get((unit, "up"), []),
            "down": lists.get((unit, "down"), []), **formulas.get(unit, {"formula": None, "iou": None, "held_out_iou": None}),
            "by_class": _by_class(means[:, unit], drawn.truth, drawn.names), "distribution": contexts.distribution,
            "bins": list(contexts.bins), "contexts": list(contexts.rows), **_coloured(store, values[:, unit], drawn.texts),
        })  # fmt: skip
    return found


def _words(values: np.ndarray, said: list[str], shown: list[int], notes: list[str]) -> dict[Any, list[Facts]]:
    found: dict[Any, list[Facts]] = {}
    try:
        for row in top_words(values, said, units=shown, k=LISTED).rows:
            found.setdefault((row["unit"], row["direction"]), []).append(row)
    except InputError as why:
        notes.append(f"The words of neurons are not listed: {why}")
    return found


def _formulas(
    values: np.ndarray, said: list[str], documents: np.ndarray, shown: list[int], notes: list[str], seed: int
) -> dict[int, Facts]:
    try:
        found = explain_neurons(values, find_concepts(words=said), units=shown, quantile=FIRES,
                                documents=documents.tolist(), seed=seed)  # fmt: skip
    except InputError as why:
        notes.append(f"No formulas are looked for: {why}")
        return {}
    return {one.unit: {"formula": None if one.formula is None else str(one.formula), "iou": _number(one.iou),
                       "held_out_iou": _number(one.held_out_iou)} for one in found}  # fmt: skip


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _by_class(means: np.ndarray, truth: np.ndarray, names: list[str]) -> list[Facts]:
    """The mean of a neuron over the texts of each class, in standard deviations from its mean over all."""
    known = np.isfinite(means)
    spread = means[known].std() or 1.0
    rows = []
    for label, name in enumerate(names):
        those = means[known & (truth == label)]
        rows.append({"name": name, "count": len(those),
                     "z": float((those.mean() - means[known].mean()) / spread) if len(those) else None})  # fmt: skip
    return rows


def _coloured(store: ActivationStore, values: np.ndarray, whole: Sequence[str]) -> Facts:
    """The texts where a neuron is highest, and those where it is lowest, with its value at each word; what is in between."""
    values = values.astype(np.float64)
    documents, middle = store.documents, float(np.median(values))
    order, few = np.argsort(-values, kind="stable"), COLOURED if store.spans is not None else LISTED // 2
    highest = list(dict.fromkeys(documents[order].tolist()))[:few]
    lowest = list(dict.fromkeys(documents[order[::-1]].tolist()))[: 1 if store.spans is not None else few]
    chosen = dict.fromkeys([*highest, *reversed(lowest)])
    return {"coloured": rows_of(store, values, list(chosen), whole), "middle": middle,
            "scale": float(np.abs(values - middle).max())}  # fmt: skip
