"""What is known at a layer, with the controls without which a probe's score says nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .controls import DRAWS, by_word, control_labels, doubts, remarks
from .errors import InputError
from .fitting import check_penalties
from .probes import NeuronRanking, rank_neurons
from .probes.base import check_options, ranking_of
from .probes.data import ProbeData, activations
from .probes.mass import weighed
from .trials import Bench, Trial, bench_of

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["Probe", "check_probe", "probe"]

Array = npt.NDArray[Any]
Facts = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Probe:
    """A probe's score on test rows, beside everything that it has to be compared with.

    Attributes:
        score: Accuracy, or R^2 for values; of a linear model on all neurons.
        facts: As JSON can hold them, None where a control could not be had: `metric` (`"accuracy"`; `"balanced accuracy"`, the
            mean of the recalls, with balance; `"R^2"` of values), `score` and its standard `error`, `majority` (always
            saying the most frequent class, or the mean), `untrained` (the same on the model with random weights), `control`
            (labels drawn per word, the mean of five draws; `control_spread`, their standard deviation; `control_error`, that
            of one by its test rows; `control_majority`, always the most frequent of them), `selectivity` (score - control),
            `word_list` (the most frequent label of each word) and `seen` (share of test words that were in training), `minimal`
            (how many neurons suffice), `minimal_score`, `minimal_share`, `validation_score`, `pearson` for values, `train`,
            `validation` and `test` (rows), and the settings.
        curve: One dict per number of neurons: `neurons`, `share`, and the test score of probes trained on as many of the `top`,
            the `bottom` and of `random` neurons; `validation` of the top ones.
        concepts: One dict per class: `concept`, `recall`, `precision`, `support` (test rows), `train` (training rows).
        minimal: The fewest first neurons of the ranking whose probe is within `tolerance` of the best one, on all or on one of
            the curve's numbers; chosen on validation rows. Between the numbers of the curve they are searched by halves, to one
            part in twenty: of 100 it may be 96 to 100.
        ranking: Of all neurons, made on training rows.
        warnings: Why the ranking should not be trusted, in words.
        notes: What else should be known.
        rows: `"train"`, `"validation"`, `"test"`: row numbers.
        concept_curve: One dict per number of neurons and class: `neurons`, `concept`, `recall` and `precision` of the probe on
            as many of the top neurons, on test rows; the last on all.
        model: The probe on all neurons, as an estimator of scikit-learn fitted on training rows: `model.predict(X)`, of classes
            `model.predict_proba(X)`. None where the training rows have one label.
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
    concept_curve: list[Facts] = field(default_factory=list, repr=False)
    model: Any = field(default=None, repr=False)

    @property
    def trusted(self) -> bool:
        """Whether nothing speaks against the ranking."""
        return not self.warnings

    @property
    def warning(self) -> str:
        """All warnings in one text; empty if there are none."""
        return " ".join(self.warnings)

    def to_frame(self, of: str = "curve") -> pandas.DataFrame:
        """The `"curve"` (a row per number of neurons), the `"concepts"` (per class), the `"concept_curve"` or the `"facts"`."""
        import pandas

        tables = {"curve": self.curve, "concepts": self.concepts, "concept_curve": self.concept_curve, "facts": [self.facts]}
        if of not in tables:
            raise InputError(f"A probe has tables {', '.join(map(repr, tables))}. Received: of={of!r}.")
        return pandas.DataFrame(tables[of])

    def to_dict(self) -> Facts:
        """Everything that a page shows, as JSON can hold it."""
        named = {name: [{**row, "concept": str(row["concept"])} for row in rows]
                 for name, rows in (("concepts", self.concepts), ("concept_curve", self.concept_curve))}  # fmt: skip
        return {"facts": self.facts, "curve": self.curve, **named, "minimal": self.minimal.tolist(),
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
        tolerance: The share of the best score that fewer neurons may lose.
        regression: Whether the labels are values; None reads it off their type.
        sizes: Numbers of neurons in the curve; by default 1, 2, 4, ... and all.
        balance: Whether every class counts alike: training takes as many rows of each as of the rarest, and every score is the
            mean of the recalls of the classes.
        l1, l2: Penalties of the probes; see the method `linear`.
        **options: Of the ranking.

    Returns:
        `Probe`.

    Raises:
        InputError: if the data cannot be ranked (see `rank_neurons`) or held out, or something is not of the same length.
    """
    check_probe(method, seed, tolerance, sizes, l1, l2, options)
    data, bench = bench_of(X, y, documents, regression, seed, balance, l1, l2)
    counts = _sizes(sizes, data)
    oracle = bench.fit(data.X)
    ranking = _rank(data, bench, method, seed, {"l1": l1, "l2": l2} if method == "linear" else {}, options, oracle)
    facts = _facts(data, bench, oracle) | _controls(data, bench, words, untrained, seed)
    facts |= {"selectivity": None if facts["control"] is None else facts["score"] - facts["control"]}
    facts |= {"method": method, "seed": seed, "tolerance": tolerance, "l1": l1, "l2": l2, "balance": bench.balance,
              "options": {name: _plain(value) for name, value in options.items()}}  # fmt: skip
    curve, tried = _curve(data, bench, ranking, counts, seed)
    best = max([oracle.validation, *(row["validation"] for row in curve)])
    minimal, chosen = _minimal(data, bench, ranking, {**tried, data.units: oracle}, best - tolerance * abs(best))
    facts |= {"minimal": minimal, "minimal_share": minimal / data.units, "minimal_score": chosen.test}
    concepts = _concepts(data, bench, oracle.predicted)
    by_size = [{"neurons": k, **{name: row[name] for name in ("concept", "recall", "precision")}}
               for k, of in [*tried.items(), (data.units, oracle)] for row in _concepts(data, bench, of.predicted)]  # fmt: skip
    said = (*_missing(words, documents, untrained), *remarks(facts), *oracle.notes, *ranking.notes)
    return Probe(facts["score"], facts, curve, concepts, ranking.top(minimal), ranking, tuple(doubts(facts, concepts, curve)),
                 tuple(dict.fromkeys(said)), bench.rows, by_size, _model(oracle, data, l1=l1, l2=l2, seed=seed))  # fmt: skip


def check_probe(
    method: str, seed: int, tolerance: float, sizes: Sequence[int] | None, l1: float, l2: float, options: Mapping[str, Any]
) -> None:
    """Checks what can be checked without data.

    Raises:
        InputError: if an option is none that `probe` takes, or has a value that it cannot have.
    """
    check_options(method, seed, options)
    check_penalties(l1, l2)
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float, np.number)) or not 0 <= tolerance < 1:
        raise InputError(f"`tolerance` has to be at least 0 and below 1. Received: tolerance={tolerance!r}.")
    whole = sizes is None or (hasattr(sizes, "__iter__") and all(isinstance(k, (int, np.integer)) for k in sizes))
    if not whole:
        raise InputError(f"`sizes` have to be integers, from 1 to the number of neurons. Received: sizes={sizes!r}.")


def _rank(
    data: ProbeData, bench: Bench, method: str, seed: int, defaults: dict[str, float], options: dict[str, Any], oracle: Trial
) -> NeuronRanking:
    labels = data.y if data.classes is None else np.asarray(data.classes)[data.y]
    rows = bench.learn
    if method == "linear" and not options and oracle.fitted is not None:  # it would fit the same once more
        learned = ProbeData(data.X[rows], labels[rows], data.classes is None)
        return ranking_of(weighed(oracle.fitted, learned), learned, method)
    return rank_neurons(data.X[rows], labels[rows], method, seed, data.classes is None, **(defaults | options))


def _facts(data: ProbeData, bench: Bench, oracle: Trial) -> Facts:
    true, said = data.y[bench.rows["test"]], oracle.predicted
    facts = {"metric": bench.metric, "score": oracle.test, "error": bench.error(true, said), "majority": bench.simple(),
             "validation_score": oracle.validation, "units": data.units, "pearson": None}  # fmt: skip
    if not bench.classify:
        facts["pearson"] = float(np.corrcoef(true, said)[0, 1]) if said.std() > 0 and true.std() > 0 else 0.0
    return facts | {part: len(rows) for part, rows in bench.rows.items()}


def _controls(data: ProbeData, bench: Bench, words: Sequence[Any] | None, untrained: Any, seed: int) -> Facts:
    facts: Facts = dict.fromkeys(("untrained", "control", "control_error", "control_majority", "control_spread", "word_list",
                                  "seen"))  # fmt: skip
    test = bench.rows["test"]
    if untrained is not None:
        other = activations(untrained, "untrained")
        if len(other) != len(data):
            raise InputError("`untrained` has to hold a row for each row of X. "
                             f"Received: {len(other)} rows for {len(data)}.")  # fmt: skip
        facts["untrained"] = bench.fit(other).test
    if words is not None:
        drawn = [control_labels(words, data.y, DRAWS * seed + at) for at in range(DRAWS)]
        tried = [bench.fit(data.X, labels) for labels in drawn]
        scores = [of.test for of in tried]
        facts |= {"control": float(np.mean(scores)), "control_spread": float(np.std(scores, ddof=1)),
                  "control_majority": float(np.mean([bench.simple(labels) for labels in drawn])),
                  "control_error": float(np.mean([bench.error(labels[test], of.predicted)
                                                  for labels, of in zip(drawn, tried, strict=True)]))}  # fmt: skip
        if bench.classify:
            said, facts["seen"] = by_word(words, data.y, bench.learn, test)
            facts["word_list"] = bench.score(data.y[test], said)
    return facts


def _sizes(sizes: Sequence[int] | None, data: ProbeData) -> list[int]:
    given = [2**power for power in range(30) if 2**power < data.units] if sizes is None else sorted({int(k) for k in sizes})
    if not all(1 <= k <= data.units for k in given):
        raise InputError(f"`sizes` have to be from 1 to the number of neurons, {data.units}. Received: sizes={sizes!r}.")
    return given


def _curve(
    data: ProbeData, bench: Bench, ranking: NeuronRanking, sizes: list[int], seed: int
) -> tuple[list[Facts], dict[int, Trial]]:
    """The rows of the curve, and the probes on the top neurons by their number."""
    drawn = np.random.default_rng(seed).permutation(data.units)
    rows, tried = [], {}
    for k in sizes:
        tried[k] = top = bench.fit(data.X[:, ranking.order[:k]])
        others = {"bottom": ranking.order[-k:], "random": drawn[:k]}
        scores = {name: bench.fit(data.X[:, units]).test for name, units in others.items()}
        rows.append({"neurons": k, "share": k / data.units, "top": top.test, **scores, "validation": top.validation})
    return rows, tried


def _minimal(
    data: ProbeData, bench: Bench, ranking: NeuronRanking, tried: dict[int, Trial], floor: float
) -> tuple[int, Trial]:
    """The first of the sizes that reaches the floor on validation rows, and between it and the one before by halves."""
    found = dict(sorted(tried.items()))
    high = next(k for k, of in found.items() if of.validation >= floor)
    low = max((k for k in found if k < high), default=0)
    while high - low > max(1, high // 20):
        middle = (low + high) // 2
        found[middle] = bench.fit(data.X[:, ranking.order[:middle]])
        low, high = (low, middle) if found[middle].validation >= floor else (middle, high)
    return high, found[high]


def _model(oracle: Trial, data: ProbeData, **options: Any) -> Any:
    from .probes.estimators import estimator_of  # it loads scikit-learn

    return None if oracle.fitted is None else estimator_of(oracle.fitted, data.classes, **options)


def _plain(value: Any) -> Any:
    """As JSON can hold it."""
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


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


def _missing(words: Any, documents: Any, untrained: Any) -> list[str]:
    notes = []
    if documents is None:
        notes.append("Rows of one document may be in training and test; give documents=, unless rows are documents.")
    if untrained is None:
        notes.append("Not compared with the model with random weights; give untrained=.")
    if words is None:
        notes.append("No control task, so that nothing is known of the probe's own memory; give words=, if rows are words.")
    return notes
