"""What is known at a layer, with the controls without which a probe's score says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .controls import by_word, control_labels, doubts
from .errors import InputError
from .probes import NeuronRanking, rank_neurons
from .probes.data import ProbeData, activations
from .trials import Bench, bench_of

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["Probe", "probe"]

Array = npt.NDArray[Any]
Facts = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Probe:
    """A probe's score on test rows, beside everything that it has to be compared with.

    Attributes:
        score: Accuracy, or R^2 for values; of a linear model on all neurons.
        facts: As JSON can hold them, None where a control could not be had: `score` and its standard `error`, `majority`
            (always saying the most frequent class, or the mean), `untrained` (the same on the model with random weights),
            `control` (labels drawn per word) and `selectivity` (score - control), `word_list` (the most frequent label of each
            word) and `seen` (share of test words that were in training), `minimal` (how many neurons suffice),
            `minimal_score`, `minimal_share`, `validation_score`, `pearson` for values, `train`, `validation` and `test` (rows),
            and the settings.
        curve: One dict per number of neurons: `neurons`, `share`, and the test score of probes trained on as many of the `top`,
            the `bottom` and of `random` neurons; `validation` of the top ones.
        concepts: One dict per class: `concept`, `recall`, `precision`, `support` (test rows), `train` (training rows).
        minimal: The fewest first neurons of the ranking whose probe matches that on all; chosen on validation rows.
        ranking: Of all neurons, made on training rows.
        warnings: Why the ranking should not be trusted, in words.
        notes: What else should be known.
        rows: `"train"`, `"validation"`, `"test"`: row numbers.
    """

    score: float
    facts: Facts
    curve: list[Facts]
    concepts: list[Facts]
    minimal: Array
    ranking: NeuronRanking = field(repr=False)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    rows: Mapping[str, Array] = field(default_factory=dict, repr=False)

    @property
    def trusted(self) -> bool:
        """Whether nothing speaks against the ranking."""
        return not self.warnings

    @property
    def warning(self) -> str:
        """All warnings in one text; empty if there are none."""
        return " ".join(self.warnings)

    def to_frame(self, of: str = "curve") -> pandas.DataFrame:
        """The `"curve"` (a row per number of neurons), the `"concepts"` (a row per class) or the `"facts"` (one row)."""
        import pandas

        tables = {"curve": self.curve, "concepts": self.concepts, "facts": [self.facts]}
        if of not in tables:
            raise InputError(f"A probe has tables {', '.join(map(repr, tables))}. Received: of={of!r}.")
        return pandas.DataFrame(tables[of])

    def to_dict(self) -> Facts:
        """Everything that a page shows, as JSON can hold it."""
        concepts = [{**row, "concept": str(row["concept"])} for row in self.concepts]
        return {"facts": self.facts, "curve": self.curve, "concepts": concepts, "minimal": self.minimal.tolist(),
                "ranking": self.ranking.to_dict(), "warnings": list(self.warnings), "notes": list(self.notes)}  # fmt: skip

    def plot(self) -> Figure:
        """Score against number of neurons with the controls, and recall per concept."""
        from .report.probes import plot_probe

        return plot_probe(self)

    def __str__(self) -> str:
        facts = self.facts
        kept = ("majority", "untrained", "control", "selectivity", "word_list")
        beside = ", ".join(f"{name.replace('_', ' ')} {facts[name]:.3f}" for name in kept if facts[name] is not None)
        return "\n".join([f"{facts['metric']} {self.score:.3f} on {facts['test']} test rows; {beside}",
                          f"{facts['minimal']} of {facts['units']} neurons ({facts['minimal_share']:.1%}) have "
                          f"{facts['minimal_score']:.3f}", *self.warnings, *self.notes])  # fmt: skip


def probe(
    X: Any, y: npt.ArrayLike, words: Sequence[Any] | None = None, documents: Sequence[Any] | None = None,
    untrained: Any = None, method: str = "linear", seed: int = 0, tolerance: float = 0.01, regression: bool | None = None,
    sizes: Sequence[int] | None = None, balance: bool = False, l1: float = 0.0, l2: float = 1e-2, **options: Any,
) -> Probe:  # fmt: skip
    """Trains a linear probe, and everything that its score has to be compared with.

    Ranking and probes see training rows (60 %); how many neurons suffice is chosen by validation rows (20 %); what is reported
    is of test rows (20 %) that neither has seen. Of each class every part has its share.

    Args:
        X: (n, units) activations, one row per text, word or token.
        y: (n,) labels: ints, strings or bools are classes, floats are values.
        words: (n,) the word of each row, for the control task and the word list.
        documents: (n,) the document of each row: none is in two parts. Words of one text belong together.
        untrained: (n, units) activations of the same rows by the model with random weights.
        method: Of the ranking; one of `ranking_methods()`.
        seed: Of the parts, the control task, the random neurons and the ranking.
        tolerance: The share of the score on all neurons that fewer neurons may lose.
        regression: Whether the labels are values; None reads it off their type.
        sizes: Numbers of neurons in the curve; by default 1, 2, 4, ... and all.
        balance: Whether to train on as many rows of each class as of the rarest.
        l1, l2: Penalties of the probes; see the method `linear`.
        **options: Of the ranking.

    Returns:
        `Probe`.

    Raises:
        InputError: if the data cannot be ranked (see `rank_neurons`) or held out, or something is not of the same length.
    """
    data, bench = bench_of(X, y, documents, regression, seed, balance, l1, l2)
    if not 0 <= tolerance < 1:
        raise InputError(f"`tolerance` has to be at least 0 and below 1. Received: tolerance={tolerance!r}.")
    oracle, predicted, notes = bench.fit(data.X)
    ranking = _rank(data, bench, method, seed, {"l1": l1, "l2": l2} if method == "linear" else {}, options)
    facts = _facts(data, bench, predicted) | {"method": method, "seed": seed, "tolerance": tolerance, "l1": l1, "l2": l2}
    facts |= _controls(data, bench, words, untrained, seed)
    facts["validation_score"] = oracle["validation"]
    facts["selectivity"] = None if facts["control"] is None else facts["score"] - facts["control"]
    curve = _curve(data, bench, ranking, _sizes(sizes, data), seed)
    floor = oracle["validation"] - tolerance * abs(oracle["validation"])
    minimal, scores = _minimal(data, bench, ranking, curve, floor)
    facts |= {"minimal": minimal, "minimal_share": minimal / data.units, "minimal_score": scores["test"]}
    concepts = _concepts(data, bench, predicted)
    said = (*_missing(words, documents, untrained, data), *notes, *ranking.notes)
    return Probe(facts["score"], facts, curve, concepts, ranking.top(minimal), ranking, tuple(doubts(facts, concepts, curve)),
                 tuple(dict.fromkeys(said)), bench.rows)  # fmt: skip


def _rank(
    data: ProbeData, bench: Bench, method: str, seed: int, defaults: dict[str, float], options: dict[str, Any]
) -> NeuronRanking:
    labels = data.y if data.classes is None else np.asarray(data.classes)[data.y]
    rows = bench.learn
    return rank_neurons(data.X[rows], labels[rows], method, seed, data.classes is None, **(defaults | options))


def _facts(data: ProbeData, bench: Bench, predicted: Array) -> Facts:
    test, train = bench.rows["test"], bench.rows["train"]
    true = data.y[test]
    score = bench.score(true, predicted)
    facts = {"metric": "accuracy" if bench.classify else "R^2", "score": score, "units": data.units, "pearson": None}
    facts |= {part: len(rows) for part, rows in bench.rows.items()}
    if bench.classify:
        majority = np.full(len(test), np.bincount(data.y[train]).argmax())
        return facts | {"error": float(np.sqrt(score * (1 - score) / len(test))), "majority": bench.score(true, majority)}
    errors, spread = (true - predicted) ** 2, true.var()
    facts["pearson"] = float(np.corrcoef(true, predicted)[0, 1]) if predicted.std() > 0 and spread > 0 else 0.0
    error = float(errors.std() / np.sqrt(len(test)) / spread) if spread > 0 else 0.0
    return facts | {"error": error, "majority": bench.score(true, np.full(len(test), data.y[train].mean()))}


def _controls(data: ProbeData, bench: Bench, words: Sequence[Any] | None, untrained: Any, seed: int) -> Facts:
    facts: Facts = dict.fromkeys(("untrained", "control", "word_list", "seen"))
    if untrained is not None:
        other = activations(untrained)
        if len(other) != len(data):
            raise InputError("`untrained` has to hold a row for each row of X. "
                             f"Received: {len(other)} rows for {len(data)}.")  # fmt: skip
        facts["untrained"] = bench.fit(other)[0]["test"]
    if words is not None:
        facts["control"] = bench.fit(data.X, control_labels(words, data.y, seed))[0]["test"]
        if bench.classify:
            facts["word_list"], facts["seen"] = by_word(words, data.y, bench.rows["train"], bench.rows["test"])
    return facts


def _sizes(sizes: Sequence[int] | None, data: ProbeData) -> list[int]:
    given = [2**power for power in range(30) if 2**power < data.units] if sizes is None else sorted({int(k) for k in sizes})
    if not all(1 <= k <= data.units for k in given):
        raise InputError(f"`sizes` have to be from 1 to the number of neurons, {data.units}. Received: sizes={sizes!r}.")
    return given


def _curve(data: ProbeData, bench: Bench, ranking: NeuronRanking, sizes: list[int], seed: int) -> list[Facts]:
    drawn = np.random.default_rng(seed).permutation(data.units)
    rows = []
    for k in sizes:
        top = bench.fit(data.X[:, ranking.order[:k]])[0]
        others = {"bottom": ranking.order[-k:], "random": drawn[:k]}
        scores = {name: bench.fit(data.X[:, units])[0]["test"] for name, units in others.items()}
        rows.append({"neurons": k, "share": k / data.units, "top": top["test"], **scores, "validation": top["validation"]})
    return rows


def _minimal(
    data: ProbeData, bench: Bench, ranking: NeuronRanking, curve: list[Facts], floor: float
) -> tuple[int, dict[str, float]]:
    """The first size of the curve that reaches the floor on validation rows, and between it and the one before by halves."""
    found = {row["neurons"]: {"validation": row["validation"], "test": row["top"]} for row in curve}
    high = next((row["neurons"] for row in curve if row["validation"] >= floor), data.units)
    low = max((row["neurons"] for row in curve if row["neurons"] < high), default=0)
    while high - low > max(1, high // 20):
        middle = (low + high) // 2
        found[middle] = bench.fit(data.X[:, ranking.order[:middle]])[0]
        low, high = (low, middle) if found[middle]["validation"] >= floor else (middle, high)
    return high, found[high] if high in found else bench.fit(data.X[:, ranking.order[:high]])[0]


def _concepts(data: ProbeData, bench: Bench, predicted: Array) -> list[Facts]:
    if data.classes is None:
        return []
    true, train = data.y[bench.rows["test"]], np.bincount(data.y[bench.learn], minlength=len(data.classes))
    rows = []
    for of, concept in enumerate(data.classes):
        hits, there, said = int(((true == of) & (predicted == of)).sum()), int((true == of).sum()), int((predicted == of).sum())
        rows.append({"concept": concept, "recall": hits / there if there else None, "precision": hits / said if said else None,
                     "support": there, "train": int(train[of])})  # fmt: skip
    return rows


def _missing(words: Any, documents: Any, untrained: Any, data: ProbeData) -> list[str]:
    notes = []
    if documents is None:
        notes.append("Rows of one document may be in training and test; give documents=, unless rows are documents.")
    if untrained is None:
        notes.append("Not compared with the model with random weights; give untrained=.")
    if words is None:
        notes.append("No control task, so that nothing is known of the probe's own memory; give words=, if rows are words.")
    return notes
