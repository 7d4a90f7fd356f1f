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
from .effects import AblationCurve
from .errors import InputError, KerasIntrospectError
from .examining import token_stations
from .files import write_whole
from .health import dead_neurons
from .interventions.base import ablate
from .labelled import class_ids, paired, positive, strings, warnings_as_notes
from .neurons import top_words
from .probes.base import NeuronRanking, rank_neurons
from .store import ActivationStore

if TYPE_CHECKING:
    import pandas

    from .introspector import Introspector

__all__ = ["NeuronReport", "portray"]

Facts = dict[str, Any]
TRIED = 300  # texts on which every unit is ablated
COLOURED = 3  # texts at the top of a unit; one at its bottom stands beside them
LISTED = 8  # words of a unit, up and down


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
        path = Path(path)
        kind = path.suffix.lower()
        if kind not in (".html", ".json"):
            raise InputError(f"A page is saved as .html or .json. Received: path={str(path)!r}.")
        write_whole(path, self.to_json() if kind == ".json" else self._page())
        return path

    def _page(self) -> str:
        from .report import render_neurons

        return render_neurons(self.facts)

    def __repr__(self) -> str:
        return f"<NeuronReport: {len(self.facts['units'])} of {self.facts['count']} neurons of {self.facts['site']}>"


def portray(
    lens: Introspector, texts: Sequence[str], labels: Any = None, site: str | None = None, units: Sequence[int] | None = None,
    top: int = 8, max_texts: int = 1000, seed: int = 0,
) -> NeuronReport:
    """Ranks the neurons of a site by their effect on the answers and by what they tell of the labels, and shows the first.

    The effect of a neuron is how far the score of the label (or of the predicted class) falls when it is set to its mean.
    What it responds to is read off words, where the site has a vector per token, and else off whole texts.

    Args:
        lens: The wrapped model. It has to take texts.
        texts: Texts, better not those that the model was trained on.
        labels: One per text: class indices or names; None takes what the model says.
        site: The address; None takes the last layer with a vector per token, or else the input of the last layer.
        units: Which neurons to show; None takes the first of both rankings in turn.
        top: How many.
        max_texts: Texts that are read; more are drawn from.
        seed: Of all draws.

    Returns:
        `NeuronReport`.

    Raises:
        InputError: If texts and labels fit neither each other nor the model.
        UnsupportedError: If the model is a black box, or gives no single answer per text.
    """
    positive(top=top, max_texts=max_texts)
    lens._runner.check_open("neurons")
    notes: list[str] = []
    with warnings_as_notes(notes), tempfile.TemporaryDirectory() as folder:
        chosen, truth = _sample(lens, texts, labels, max_texts, seed, notes)
        place = _place(lens, site)
        unit = "word" if place in token_stations(lens._runner) else "example"
        store = lens.export(chosen, Path(folder) / "store", [place], unit=unit, dtype="float32")
        values = store.read(place)
        notes += store.notes
        tried, wanted, edit = lens._arrange(chosen[:TRIED]), None if labels is None else truth[:TRIED], ablate(how="mean")
        effect = lens.neuron_effects(tried, place, wanted, edit)
        rankings = {"effect": effect.ranking}
        means = _by_text(values, store.documents, len(chosen))
        probed = _probe(means, truth, seed, notes)
        rankings |= {} if probed is None else {"probe": probed}
        shown = _turns(rankings, top) if units is None else [int(unit) for unit in units]
        facts = _units(store, values, means, truth, shown, effect, rankings, lens, notes, seed)
        curve = _curve(lens.ablation_curve(tried, place, rankings, wanted, edit=edit, seed=seed))
    return NeuronReport({
        "version": __version__, "title": f"The neurons of {place}", "model": dict(lens.describe()), "site": place,
        "unit": unit, "count": values.shape[1], "rows": len(values), "texts": len(chosen), "tried": min(TRIED, len(chosen)),
        "class_names": list(lens._find_output().class_names), "labelled": labels is not None, "units": facts, "curve": curve,
        "silent": dead_neurons(values).units.tolist(), "notes": list(dict.fromkeys(notes)),
        "rankings": {name: [int(u) for u in one.order[:50]] for name, one in rankings.items()},
    })  # fmt: skip


def _sample(
    lens: Introspector, texts: Sequence[str], labels: Any, most: int, seed: int, notes: list[str]
) -> tuple[list[str], np.ndarray]:
    """Texts that the model sees something of, with their labels, or what the model says."""
    given = strings(texts, "texts", notes)
    names, named = list(lens._find_output().class_names), lens.class_names is not None
    ids = None if labels is None else class_ids(paired(given, labels), names, named, "labels")
    order = np.random.default_rng(seed).permutation([i for i, text in enumerate(given) if text.strip()])[:most]
    if not len(order):
        raise InputError("`texts` has to hold a text with words. Received: empty texts.")
    chosen = [given[i] for i in order]
    return chosen, np.asarray(lens.predict(chosen).labels) if ids is None else ids[order]


def _place(lens: Introspector, site: str | None) -> str:
    if site is not None:
        return str(lens._site(site, inside=True))
    found = token_stations(lens._runner)
    return found[-1] if found else str(lens._runner.summary())


def _curve(found: AblationCurve) -> Facts:
    lines = found.flips if found.accuracy is None else found.accuracy
    return {"counts": found.counts.tolist(), "what": "accuracy" if found.accuracy else "predictions changed",
            "lines": {name: [float(x) for x in line] for name, line in lines.items()}}  # fmt: skip


def _by_text(values: np.ndarray, documents: np.ndarray, count: int) -> np.ndarray:
    """(texts, units) means over the rows of each text; NaN for texts without any."""
    sums, sizes = np.zeros((count, values.shape[1])), np.bincount(documents, minlength=count)
    np.add.at(sums, documents, values)
    return np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], np.nan)


def _probe(means: np.ndarray, truth: np.ndarray, seed: int, notes: list[str]) -> NeuronRanking | None:
    """The ranking of a linear probe of the labels; None where there is nothing to tell apart."""
    kept = np.isfinite(means).all(1) & (truth >= 0)
    try:
        return rank_neurons(means[kept].astype(np.float32), truth[kept].astype(int), "linear", seed)
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
    store: ActivationStore, values: np.ndarray, means: np.ndarray, truth: np.ndarray, shown: list[int], effect: Any,
    rankings: dict[str, NeuronRanking], lens: Introspector, notes: list[str], seed: int,
) -> list[Facts]:  # fmt: skip
    """The facts of each neuron shown."""
    said, spans, documents = store.texts or [], store.spans, store.documents
    lists = _words(values, said, shown, notes) if store.unit == "word" else {}
    formulas = _formulas(values, said, documents, shown, notes, seed) if store.unit == "word" else {}
    ranks = {name: {int(u): i + 1 for i, u in enumerate(one.order)} for name, one in rankings.items()}
    row_of = {int(unit): i for i, unit in enumerate(effect.units)}
    names, found = list(lens._find_output().class_names), []
    for unit in shown:
        contexts = top_contexts(values, said, documents.tolist(), spans, unit=unit, k=4, seed=seed)
        i = row_of[unit]
        found.append({
            "unit": unit, "drop": float(effect.drop[i]), "flips": None if np.isnan(effect.flips[i]) else float(effect.flips[i]),
            "ranks": {name: places.get(unit) for name, places in ranks.items()}, "up": lists.get((unit, "up"), []),
            "down": lists.get((unit, "down"), []), **formulas.get(unit, {"formula": None, "iou": None, "held_out_iou": None}),
            "by_class": _by_class(means[:, unit], truth, names), "distribution": contexts.distribution,
            "bins": list(contexts.bins), "contexts": list(contexts.rows), "coloured": _coloured(store, values[:, unit], unit),
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
        found = explain_neurons(values, find_concepts(words=said), units=shown, documents=documents.tolist(), seed=seed)
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


def _coloured(store: ActivationStore, values: np.ndarray, unit: int) -> list[Facts]:
    """The texts where a neuron is highest, and the one where it is lowest, with its value at each word from its median."""
    whole, documents, spans = store.document_texts or [], store.documents, store.spans
    if spans is None:
        return []
    centred = values - np.median(values)
    highest, lowest = np.argsort(-centred, kind="stable"), int(np.argmin(centred))
    order = list(dict.fromkeys([*dict.fromkeys(documents[highest].tolist())][:COLOURED] + [int(documents[lowest])]))
    rows = []
    for document in order:
        own = np.flatnonzero(documents == document)
        places = zip(spans[own].tolist(), centred[own].tolist(), strict=True)
        words = [{"start": start, "end": end, "value": value} for (start, end), value in places]
        rows.append({"text": whole[document], "words": words, "top": float(np.abs(centred).max())})
    return rows
