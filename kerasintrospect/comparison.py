"""Which layer? What the nearest neighbors of texts have in common at every site of a model, and at an untrained one's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from . import closeness
from .errors import InputError
from .labelled import class_ids, paired, positive, word_set
from .outputs import Output
from .runs import Runner
from .stations import check_vectors, length_bias, lengths_of, read_pooled, sampled, stations
from .weights import borrowed, reinitialised

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["SiteComparison", "compare_sites"]

Facts = dict[str, Any]
CONTROLLED = ("label_agreement", "truth_where_wrong", "word_overlap", "length_bias", "hubness")
NAN = float("nan")


@dataclass(frozen=True)
class SiteComparison:
    """What the nearest neighbors have in common at each site.

    Attributes:
        rows: One dict of figures per site, in the order of the forward pass; NaN where a figure cannot be had.
        recommended: The site where neighbors are best looked for; None if no site has figures.
        reason: Why, with the figures.
        found: Whether a site has the right level by the rule of `closeness.recommend`; None where that cannot be told.
        facts: Number of texts, k, chance, accuracy and so on.
        notes: What should be known about the figures.
        positions: (n,) where each compared text stands in what was given.
        neighbors: Per site (n, k) positions of the nearest, in what was given.
    """

    rows: list[Facts]
    recommended: str | None
    reason: str
    found: bool | None
    facts: Facts
    notes: tuple[str, ...] = ()
    positions: np.ndarray = field(default_factory=lambda: np.zeros(0, int), repr=False)
    neighbors: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    def to_frame(self) -> pandas.DataFrame:
        """One row per site, in the order of the forward pass."""
        import pandas

        return pandas.DataFrame(self.rows)

    def to_dict(self) -> Facts:
        """All figures as JSON can hold them: None for NaN."""
        return {"rows": [_plain(row) for row in self.rows], "recommended": self.recommended, "reason": self.reason,
                "found": self.found, "facts": _plain(self.facts), "notes": list(self.notes)}  # fmt: skip

    def plot(self) -> Figure:
        """Labels, words and length by site, the untrained model beside them."""
        from .report.plots import plot_sites

        return plot_sites(self.rows, self.facts, self.recommended)

    def __str__(self) -> str:
        shown = ["site", "label_agreement", "label_agreement_control", "truth_where_wrong", "predicted_alike", "word_overlap",
                 "word_overlap_matched", "length_bias", "length_bias_unpooled", "hubness"]  # fmt: skip
        return "\n".join([self.to_frame()[shown].round(3).to_string(index=False), self.reason, *self.notes])


def _plain(values: Facts) -> Facts:
    return {key: None if value != value else value for key, value in values.items()}


def compare_sites(
    runner: Runner, output: Output, texts: Any, labels: Any, sites: Sequence[str] | None = None, k: int = 10,
    pool: str = "mean", metric: str = "cosine", seed: int = 0, max_examples: int = 2000, named: bool = True,
) -> SiteComparison:
    """Which layer has the right level of meaningful similarity? By leave-one-out nearest neighbors at every site.

    One forward pass over a sample reads all sites, a second one all sites with re-initialised weights (the control), and a
    small one the values of a few hundred texts without pooling. Give texts that the model was not trained on: it knows
    those by heart, so that late layers look perfect. A text is no neighbor of itself, nor is an exact copy but for case
    and white space: of copies the first is taken. Figures per site:

    - `label_agreement`: share of neighbors with the text's label; `facts["chance"]` is that of random pairs.
    - `prediction_agreement`: share of neighbors whose label is the model's prediction for the text; `predicted_alike`: share
      that the model predicts alike.
    - `truth_where_wrong`: share of neighbors with the true label, of texts that the model gets wrong; `truth_gain`: how far
      that is above the share at the model's output.
    - `word_overlap`: mean Jaccard index of the words; `word_overlap_matched`: of random pairs with the labels of those pairs.
    - `length_bias`: Spearman correlation between distance and difference in length (tokens) over random pairs;
      `length_bias_unpooled`: of the same pairs by all positions in one vector, padding counted.
    - `hubness`: skewness of how often a text is among the nearest of others (Radovanovic et al. 2010).
    - `..._error`: standard error over texts. `..._control`: the same with re-initialised weights.

    Args:
        runner: The model, as `lens.compare_sites` has it.
        output: What its output means.
        texts: Texts, or what the model takes.
        labels: One per text: class indices or names.
        sites: Addresses; None chooses by the rule of `stations`.
        k: Neighbors.
        pool: `"mean"`, `"max"`, `"first"` or `"last"` over the positions that are no padding.
        metric: `"cosine"` or `"euclidean"`.
        seed: Of the sample, the random pairs and the control's weights.
        max_examples: Texts in the sample, at most.
        named: Whether labels may be class names.

    Returns:
        `SiteComparison`; how it recommends a site is said in `closeness.recommend`.

    Raises:
        InputError: if fewer than k + 1 different texts are there, or an option is none of the above.
        UnsupportedError: if the model is a black box, which has no sites between input and output.
    """
    positive(k=k, max_examples=max_examples)
    _one_of("pool", pool, ("mean", "max", "first", "last"))
    _one_of("metric", metric, ("cosine", "euclidean"))
    runner.check_open("compare_sites")
    notes: list[str] = []
    arranged, rows, own, total = sampled(runner, texts, max_examples, np.random.default_rng(seed), notes)
    known = _class_ids(paired(range(total), labels), output, named)
    if len(rows) <= k:
        raise InputError(f"Leave-one-out takes at least k + 1 different texts that hold a token. Received: {len(rows)} of them "
                         f"and k={k}. Give more texts or a smaller k.")  # fmt: skip
    chosen = stations(runner, notes) if sites is None else [runner.site(site, inside=True) for site in dict.fromkeys(sites)]
    check_vectors(runner, chosen)
    cosine = metric == "cosine"
    vectors, scores = read_pooled(runner, arranged, chosen, pool, output.predict if _classifies(output) else None)
    lengths = lengths_of(arranged, own, notes)
    bias = length_bias(runner, arranged, vectors, chosen, lengths, cosine)
    with borrowed(runner.adapter, reinitialised(runner.adapter, runner.tracer.layers, seed)):
        untrained, _ = read_pooled(runner, arranged, chosen, pool, None)
        bias_control = length_bias(runner, arranged, untrained, chosen, lengths, cosine)
    wording = None if own is None else closeness.Wording([word_set(text) for text in own])
    job = _Job(known[rows], _predicted(scores, notes), scores, wording, k, cosine, seed)
    table, near = [], {}
    for site in chosen:
        name, class_name = str(site), runner.scan().table[site.path].class_name
        row, nearest = job.measure(name, vectors[name], bias[name], notes)
        control, _ = job.measure(f"{name} of the control", untrained[name], bias_control[name], notes)
        table.append({"site": name, "layer": class_name, "units": vectors[name].shape[1], **row,
                      **{f"{key}_control": control[key] for key in CONTROLLED}})  # fmt: skip
        near[name] = rows[nearest]
    facts = {**job.facts(), "pool": pool, "metric": metric, "seed": seed}
    return SiteComparison(table, *closeness.recommend(table, facts), facts, tuple(notes), rows, near)


class _Job:
    """What is known of the compared texts, and the measures of one site."""

    def __init__(
        self, labels: np.ndarray, predicted: np.ndarray | None, scores: np.ndarray | None, wording: closeness.Wording | None,
        k: int, cosine: bool, seed: int,
    ) -> None:
        self.labels, self.predicted, self.wording, self.k, self.cosine, self.seed = labels, predicted, wording, k, cosine, seed
        self.wrong = np.zeros(len(labels), bool) if predicted is None else predicted != labels
        self.opinion = np.full(len(labels), NAN)  # share of true labels among the neighbors at the output
        if scores is not None and np.isfinite(scores).all():
            self.opinion = closeness.shares(closeness.leave_one_out(scores, k, cosine), labels, labels)

    def facts(self) -> Facts:
        return {"n": len(self.labels), "k": self.k, "classes": len(np.unique(self.labels)), "wrong": int(self.wrong.sum()),
                "chance": closeness.chance(self.labels),
                "accuracy": NAN if self.predicted is None else float(1 - self.wrong.mean()),
                "truth_where_wrong_at_output": closeness.mean_error(self.opinion[self.wrong])[0]}  # fmt: skip

    def measure(
        self, name: str, vectors: np.ndarray, bias: tuple[float, float], notes: list[str]
    ) -> tuple[Facts, np.ndarray]:
        """The figures of one site and (n, k) neighbors; NaN and none where a value is NaN or infinite."""
        keys = ("label_agreement", "prediction_agreement", "predicted_alike", "truth_where_wrong", "truth_gain", "word_overlap",
                "word_overlap_matched", "word_gain")  # fmt: skip
        row = dict.fromkeys([name for key in keys for name in (key, f"{key}_error")], NAN)
        row |= {"length_bias": bias[0], "length_bias_unpooled": bias[1], "hubness": NAN}
        bad = int((~np.isfinite(vectors).all(1)).sum())
        if bad:
            notes.append(f"'{name}' gives NaN or infinity for {bad} of {len(vectors)} texts, so it has no figures.")
            return row | {"length_bias": NAN, "length_bias_unpooled": NAN}, np.zeros((0, self.k), int)
        empty = int((~vectors.any(1)).sum())
        if empty and self.cosine:
            notes.append(f"'{name}' gives a vector of zeros, which has no direction, for {empty} of {len(vectors)} texts.")
        near = closeness.leave_one_out(vectors, self.k, self.cosine)
        for key, values in zip(keys, self._values(near), strict=True):
            row[key], row[f"{key}_error"] = closeness.mean_error(values)
        return row | {"hubness": closeness.hubness(near)}, near

    def _values(self, near: np.ndarray) -> list[np.ndarray]:
        """One number per text and measure."""
        none, labels = np.full(len(near), NAN), self.labels
        truth = closeness.shares(near, labels, labels)
        said = none if self.predicted is None else closeness.shares(near, labels, self.predicted)
        alike = none if self.predicted is None else closeness.shares(near, self.predicted, self.predicted)
        words = matched = none
        if self.wording is not None:
            drawn = closeness.draw_alike(near, labels, np.random.default_rng(self.seed))
            words, matched = self.wording.overlap(near), self.wording.overlap(drawn)
        gain = truth - self.opinion
        return [truth, said, alike, truth[self.wrong], gain[self.wrong], words, matched, words - matched]


def _classifies(output: Output) -> bool:
    return len(output.shape) == 2 and not (output.kind == "raw" and output.shape[-1] == 1)


def _class_ids(labels: Sequence[Any], output: Output, named: bool) -> np.ndarray:
    if _classifies(output):
        return class_ids(labels, output.class_names, named, "labels")
    found: np.ndarray = np.unique(np.array(labels), return_inverse=True)[1].ravel()
    return found


def _predicted(scores: np.ndarray | None, notes: list[str]) -> np.ndarray | None:
    if scores is None:
        notes.append("The model gives no class per text, so nothing is said of its predictions.")
        return None
    if not np.isfinite(scores).all():
        notes.append("The model predicts NaN for some texts, so nothing is said of its predictions.")
        return None
    found: np.ndarray = scores.argmax(1)
    return found


def _one_of(name: str, value: Any, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InputError(f"`{name}` is one of {', '.join(map(repr, allowed))}. Received: {name}={value!r}.")
