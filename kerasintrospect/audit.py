"""The faults of a training set: labels that nothing supports, near copies, leaks, holes and templates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import duplicates, suspicion
from .errors import InputError, KerasIntrospectError, UnsupportedError
from .findings import Seen, conflicts, holes, leaks, suspects, templates
from .labelled import class_ids, paired, positive, strings, warnings_as_notes
from .sites import Site

if TYPE_CHECKING:
    import pandas as pd

    from .introspector import Introspector

__all__ = ["Audit", "audit"]

Array = npt.NDArray[Any]
Facts = dict[str, Any]
SHOWN = 100  # rows of a table in the facts
TYPICAL = 95  # percentile of the distances that count as usual
COUNTED = ("model", "held_out")  # the witnesses that make the ranking better


@dataclass(frozen=True, repr=False)
class Audit:
    """What is wrong with a training set, as tables.

    Attributes:
        suspects: Every training text, the most suspicious label first: index, text, label, suggested (the class that model
            and held-out wording give the most; the label itself if that is it), suspicion, then one column per witness, and
            the reason in words. `model`, `held_out` and `neighbors` are probabilities of the given label, `self_influence`
            is a percentile. Only `model` and `held_out` count: the others made the ranking worse.
        duplicates: The texts of each group of near copies with different labels, the largest group first.
        leakage: The test texts that have a near copy in the training set, the nearest first.
        holes: The test errors that are farther from every training text than is usual, the farthest first.
        templates: Groups of near copies after numbers, links and mentions are masked, the largest first.
        scores: (m,) float64 in (0, 1), the suspicion of each training text in the order that was given: the mean of the
            percentiles of its losses, -log(p(label)), under both witnesses that count. It ranks; it is no probability.
        notes: What a reader should know.
        facts: The same in values that JSON can hold, the first 100 rows of each table.
    """

    suspects: pd.DataFrame
    duplicates: pd.DataFrame
    leakage: pd.DataFrame
    holes: pd.DataFrame
    templates: pd.DataFrame
    scores: Array
    notes: list[str]
    facts: Facts = field(hash=False)

    def to_frame(self) -> pd.DataFrame:
        """The table of suspects."""
        return self.suspects

    def __repr__(self) -> str:
        counts = self.facts["counts"]
        return (
            f"<Audit of {len(self.scores):,} training texts: {counts['duplicates']} groups of near copies with different "
            f"labels, {counts['leakage']} leaks, {counts['holes']} holes, {counts['templates']} templates; "
            "see .suspects, .duplicates, .leakage, .holes, .templates>"
        )


def audit(
    lens: Introspector,
    train_texts: Sequence[str],
    train_labels: Sequence[Any],
    test_texts: Sequence[str] | None = None,
    test_labels: Sequence[Any] | None = None,
    k: int = 10,
    site: str | None = None,
    seed: int = 0,
) -> Audit:
    """Looks for the faults of a training set: wrong labels, near copies, leaks, holes, templates.

    Two witnesses rank the labels: the model, which has learned from them, and a logistic regression on the wording, which
    has learned from the other four fifths (near copies on one side). The suspicion is the mean of the percentiles of their
    losses. The shares of the labels among the nearest texts, and the self-influence at the last layer (TracIn), stand beside
    it. Near copies share 70 % of their words and pairs of words, links and mentions aside.

    Examples:

    ```python
    found = lens.audit(train_texts, train_labels, test_texts, test_labels)
    found.suspects.head(20)
    ```

    Args:
        lens: The wrapped model. It has to take texts and to give one class for each.
        train_texts: List of the texts that the model was trained on.
        train_labels: Their labels: class indices, or names out of `lens.class_names`.
        test_texts: List of other texts; without them nothing is said about leakage and holes.
        test_labels: Their labels; without them nothing is said about holes.
        k: Integer, the number of neighbors of each text.
        site: The address where texts are compared. Defaults to the embedding, or to the input of the last layer in models
            with several.
        seed: Integer, deals the texts out to the folds.

    Returns:
        An `Audit`.

    Raises:
        InputError: If texts and labels fit neither each other nor the model, all labels are equal, or all texts are.
        InputTypeError: If the texts are no list of strings.
        UnsupportedError: If the model gives anything but one label for each text.
    """
    positive(k=k)
    if test_texts is None and test_labels is not None:
        raise InputError("`test_labels` are those of `test_texts`. Received: test_texts=None. Pass both.")
    notes: list[str] = []
    with warnings_as_notes(notes):
        taught = strings(train_texts, "train_texts", notes)
        lens.sites(taught[:1])  # for models that have not seen any input
        names, place = _classes(lens), _place(lens, site)
        train = _seen(lens, names, place, taught, train_labels, "train", notes)
        labels = _several(train, names, notes)
        test = None if test_texts is None else _seen(lens, names, place, test_texts, test_labels, "test", notes)
        groups = duplicates.group(train.texts)
        nearest, distances = suspicion.nearest_others(train.vectors, groups, min(k, len(train.texts) - 1))
        pull = _self_influence(lens, train, labels, notes)
        scores, ranked = _ranked(train, labels, names, groups, nearest, pull, seed)
        tested, limit = test or _none(train), _limit(distances, notes)
        tables = {
            "suspects": ranked,
            "duplicates": conflicts(train.texts, labels, names, groups),
            "leakage": leaks(train, tested, names),
            "holes": holes(train, tested if test_labels is not None else _none(train), names, limit),
            "templates": templates(train.texts, labels, names),
        }
    notes = [*dict.fromkeys(notes), *_remarks(test_texts, test_labels)]
    given = {"n_train": len(train.texts), "n_test": 0 if test is None else len(test.texts), "class_names": names}
    facts = {**given, "site": str(place), "k": k, "seed": seed, "notes": notes, **_facts(tables)}
    return Audit(**tables, scores=scores, notes=notes, facts=facts)


def _none(train: Seen) -> Seen:
    """No text at all."""
    return Seen([], np.zeros(0, int), train.vectors[:0], train.scores[:0])


def _limit(distances: Array, notes: list[str]) -> float:
    """The distance to the nearest other text, near copies left out, that 95 % of the training texts stay within."""
    nearest = distances[:, 0][np.isfinite(distances[:, 0])]
    if len(nearest):
        return float(np.percentile(nearest, TYPICAL))
    notes.append("No training text has a neighbor that is no near copy: nothing is said about holes.")
    return math.inf


def _remarks(test_texts: Any, test_labels: Any) -> list[str]:
    if test_texts is None:
        return ["No test set was given: nothing is said about leakage and holes."]
    return ["The test set has no labels: nothing is said about holes."] if test_labels is None else []


def _classes(lens: Introspector) -> list[str]:
    output = lens._find_output()
    if output.kind not in ("softmax", "binary") or len(output.shape) != 2:
        raise UnsupportedError(
            "An audit needs one class for each text: a model that ends in a softmax or one sigmoid. "
            f"Received: {output.kind} outputs of shape {output.shape[1:]}. If they are logits of classes, pass class_names "
            "to kerasintrospect.wrap."
        )
    return [str(name) for name in output.class_names]


def _place(lens: Introspector, site: str | None) -> Site:
    """The embedding, if there is one: later sites repeat the opinion of the model."""
    embedding = lens.describe()["embedding_site"]
    if site is None and embedding and "," not in embedding:
        site = embedding
    return lens._site(site) if site is not None else lens._runner.summary()


def _seen(
    lens: Introspector, names: list[str], place: Site, texts: Any, labels: Any, which: str, notes: list[str]
) -> Seen:
    """Texts and labels, checked, after one pass through the model."""
    checked = strings(texts, f"{which}_texts", notes)
    ids = None
    if labels is not None or which == "train":
        given = paired(checked, labels, (f"{which}_texts", f"{which}_labels"))
        ids = class_ids(given, names, lens.class_names is not None, f"{which}_labels")
    vectors, scores = _forward(lens, checked, place)
    broken = ~np.isfinite(scores).all(1)
    if broken.all():
        raise InputError(f"The model gives NaN for each of `{which}_texts`: there is nothing to audit.")
    if broken.any():
        notes.append(f"Of `{which}_texts` {broken.sum():,} get NaN from the model: it is no witness of their labels.")
    scores[broken] = np.nan
    vectors[~np.isfinite(vectors).all(1)] = 0
    return Seen(checked, ids, vectors, scores)


def _forward(lens: Introspector, texts: list[str], place: Site) -> tuple[Array, Array]:
    """(vectors, probabilities), from one pass."""
    whole: dict[str, Array] = {}
    output = lens._find_output().predict
    for rows, scores, read in lens._runner.forward(lens._arrange(texts), [place], "mean", output=output):
        for name, value in (("scores", scores), ("vectors", read[str(place)][0])):
            flat = value.numpy().reshape(len(rows), -1).astype(np.float32)
            whole.setdefault(name, np.zeros((len(texts), flat.shape[1]), np.float32))[rows] = flat
    return whole["vectors"], whole["scores"].astype(np.float64)


def _self_influence(lens: Introspector, train: Seen, labels: Array, notes: list[str]) -> Array | None:
    """(m,) at the last layer, where the model has one whose gradients are known."""
    try:
        return np.asarray(lens.influence(train.texts, labels.tolist()).self_influence, np.float64)
    except KerasIntrospectError as why:
        notes.append(f"Nothing is said about self-influence: {why}")
        return None


def _several(train: Seen, names: list[str], notes: list[str]) -> Array:
    """The labels, if they are of several classes."""
    labels = np.zeros(0, int) if train.labels is None else train.labels
    counts = np.bincount(labels, minlength=len(names))
    if (counts > 0).sum() < 2:
        raise InputError(
            "`train_labels` has to hold at least two classes: one label cannot be told from another by it alone. "
            f"Received: {len(labels)} times {names[int(counts.argmax())]!r}."
        )
    missing = [f"“{name}”" for name, count in zip(names, counts, strict=True) if not count]
    if missing:
        notes.append(f"No training text carries {', '.join(missing)}: only the model can suggest it.")
    return labels


def _ranked(
    train: Seen, labels: Array, names: list[str], groups: Array, nearest: Array, pull: Array | None, seed: int
) -> tuple[Array, pd.DataFrame]:
    """The suspicion of each label, and the table of suspects."""
    witnesses = {
        "model": train.scores,
        "held_out": suspicion.held_out(train.texts, labels, groups, len(names), seed),
        "neighbors": suspicion.neighborhood(nearest, labels, len(names)),
    }
    rows = np.arange(len(labels))
    losses = {name: -np.log(np.clip(witnesses[name][rows, labels], 1e-7, 1)) for name in COUNTED}
    scores = suspicion.combined(losses)
    return scores, suspects(train.texts, labels, names, scores, witnesses, pull)


def _facts(tables: Mapping[str, pd.DataFrame]) -> Facts:
    """Counts, and the first rows of each table; as many groups of near copies."""
    groups = tables["duplicates"]["group"]
    counts = {name: len(table) for name, table in tables.items()} | {"duplicates": int(groups.nunique())}
    shown = {name: table.head(SHOWN) for name, table in tables.items()}
    rows = {name: [_plain(row) for row in table.to_dict("records")] for name, table in shown.items()}
    return {"counts": counts, "counted": list(COUNTED), **rows}


def _plain(value: Any) -> Any:
    """As JSON holds it: None for NaN, six digits."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value[:SHOWN] if isinstance(value, list) else value
