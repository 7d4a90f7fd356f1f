"""The debug report: every misclassified text with the words that count, its neighbors, and a verdict.

One function over the rest of the library. It gathers facts, plain values that go to JSON as they are; how
they look is the matter of `report`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__
from .errors import InputError, KerasIntrospectError, UnsupportedError
from .files import write_whole
from .labelled import TrainingSet, class_ids, paired, positive, strings, warnings_as_notes
from .mistakes import Case, Facts, explain
from .performance import overview
from .verdicts import KINDS

if TYPE_CHECKING:
    import pandas as pd

    from .activations import Predictions
    from .introspector import Introspector

__all__ = ["DebugReport", "debug"]


@dataclass(frozen=True, repr=False)
class DebugReport:
    """What a model gets wrong, and what speaks for which cause.

    Args:
        facts: All that the report knows, in values that JSON can hold.
    """

    facts: Facts = field(hash=False)

    def __repr__(self) -> str:
        wrong, total = self.facts["overview"]["n_errors"], self.facts["overview"]["n"]
        return f"<DebugReport: {wrong} of {total} texts misclassified; see .errors and .save(path)>"

    @property
    def errors(self) -> "pd.DataFrame":
        """One row per misclassified text, the one with the highest loss first."""
        import pandas as pd

        names = self.facts["class_names"]
        rows = [_row(error, names) for error in self.facts["errors"]]
        return pd.DataFrame(rows, columns=list(_COLUMNS))

    def to_json(self) -> str:
        """The facts as JSON."""
        return json.dumps(self.facts, allow_nan=False, indent=1)

    def with_notes(self, notes: Iterable[str]) -> "DebugReport":
        """The same report with more notes to its reader, before its own."""
        return DebugReport({**self.facts, "notes": [*notes, *self.facts["notes"]]})

    def save(self, path: str | Path, format: str | None = None) -> Path:
        """Writes the report to one file, whole or not at all.

        Args:
            path: The file to write.
            format: `"html"` or `"json"`. Defaults to what the suffix of `path` says.

        Returns:
            The path.

        Raises:
            InputError: If the format is neither of the two, or the file cannot be written.
        """
        path = Path(path)
        kind = path.suffix.lower().lstrip(".") if format is None else format
        if kind not in ("html", "json"):
            raise InputError(
                "A report is saved as html or json. Name the file report.html, or pass a format. "
                f"Received: path={str(path)!r}, format={format!r}."
            )
        write_whole(path, self.to_json() if kind == "json" else self._page())
        return path

    def _page(self) -> str:
        from .report import render

        return render(self.facts)


DOUBTED = 0.05  # share of the training texts that the audit suspects

_COLUMNS = (
    *("rank", "index", "text", "label", "predicted", "score", "loss", "kind", "verdict"),
    *("nearest_text", "nearest_label", "nearest_distance"),
)


def debug(
    lens: "Introspector",
    texts: Sequence[str],
    labels: Sequence[Any],
    train_texts: Sequence[str] | None = None,
    train_labels: Sequence[Any] | None = None,
    *,
    k: int = 5,
    site: str | None = None,
    method: str = "integrated_gradients",
    max_errors: int = 500,
    audit: bool = True,
    neurons: bool = False,
    title: str | None = None,
) -> DebugReport:
    """Explains every misclassified text: attribution, nearest training texts, and a verdict in words.

    Examples:

    ```python
    report = lens.debug(test_texts, test_labels, train_texts, train_labels)
    report.errors.head()
    report.save("report.html")
    ```

    Args:
        lens: The wrapped model. It has to take texts.
        texts: List of texts to classify.
        labels: Their labels: class indices, or names out of `lens.class_names`.
        train_texts: List of the texts that the model was trained on. Without them there are no neighbors.
        train_labels: Their labels.
        k: Integer, the number of neighbors to show for each error.
        site: The address where texts are compared. Defaults to the embedding, or to the input of the last
            layer in models with several. The later the site, the more its neighbors repeat the model's opinion.
        method: The attribution method.
        max_errors: Integer, the number of errors to explain; those with the highest loss come first.
        audit: Whether the training set is audited too: a section of its own, and verdicts that know which of the
            training texts are doubted.
        neurons: Whether the neurons that matter most are shown too: what they do to the answers, what they respond to.
        title: The title of the report.

    Returns:
        A `DebugReport`.

    Raises:
        InputError: If texts and labels fit neither each other nor the model.
        InputTypeError: If the texts are no list of strings.
        UnsupportedError: If the model gives anything but one label for each text.
    """
    positive(k=k, max_errors=max_errors)
    notes: list[str] = []
    with warnings_as_notes(notes):
        case = _case(lens, texts, labels, train_texts, train_labels, notes)
        rows = case.worst(max_errors)
        audited, suspects = (
            (None, set[int]()) if not audit or case.train is None else _audit(lens, case, case.train, notes)
        )
        portrayed = _portray(lens, case, notes) if neurons else None
        errors, compared_at, remarks = explain(lens, case, rows, k, site, method, suspects)
    counts = {**overview(case), "n_shown": len(rows), "verdicts": _kinds(errors)}
    return DebugReport(
        {
            "version": __version__,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "title": title or "What the model gets wrong",
            "model": dict(lens.describe()),
            "class_names": case.names,
            "site": compared_at,
            "method": method,
            "k": k,
            "n_train": None if case.train is None else len(case.train),
            "overview": counts,
            "notes": [*dict.fromkeys(notes), *_cautions(case, counts, k), *_remarks(errors), *remarks],
            "audit": audited,
            "neurons": portrayed,
            "errors": errors,
        }
    )


def _case(
    lens: "Introspector",
    texts: Sequence[str],
    labels: Sequence[Any],
    train_texts: Sequence[str] | None,
    train_labels: Sequence[Any] | None,
    notes: list[str],
) -> Case:
    tested = strings(texts, "texts", notes)
    labels = paired(tested, labels)
    if (train_texts is None) != (train_labels is None):
        missing = "train_texts" if train_texts is None else "train_labels"
        raise InputError(
            f"`train_texts` and `train_labels` go together. Received: {missing}=None. Pass both or neither."
        )
    taught = None if train_texts is None else strings(train_texts, "train_texts", notes)
    train_labels = None if taught is None else paired(taught, train_labels, ("train_texts", "train_labels"))
    predictions = lens.predict(tested)
    _classifies(predictions)
    names, named = [str(name) for name in predictions.class_names], lens.class_names is not None
    truth = class_ids(labels, names, named, "labels")
    train = None
    if taught is not None and train_labels is not None:
        train = TrainingSet(taught, class_ids(train_labels, names, named, "train_labels"), len(names))
    scores = np.asarray(predictions.scores, np.float64)
    answered = np.flatnonzero(np.isfinite(scores).all(axis=1))
    if not len(answered):
        raise InputError("The model gives NaN for each of the texts: there is nothing to explain.")
    if len(answered) < len(tested):
        notes.append(f"Texts for which the model gives NaN: {len(tested) - len(answered):,}, left out.")
    predicted = np.asarray(predictions.labels, np.int64)
    kept = [tested[i] for i in answered]
    return Case(kept, names, truth[answered], predicted[answered], scores[answered], train, answered.tolist())


def _audit(
    lens: "Introspector", case: Case, train: TrainingSet, notes: list[str]
) -> tuple[Facts | None, set[int]]:
    """The facts of the audit, and the training texts that it doubts most."""
    try:
        found = lens.audit(train.texts, train.labels, case.texts, case.truth.tolist())
    except KerasIntrospectError as why:
        notes.append(f"The training set is not audited: {why}")
        return None, set()
    first = found.suspects["index"].head(round(DOUBTED * len(train)))
    return found.facts, set(first.tolist())


def _portray(lens: "Introspector", case: Case, notes: list[str]) -> Facts | None:
    """The facts of the neurons that matter most."""
    try:
        return lens.neuron_report(case.texts, case.truth.tolist(), top=6, max_texts=500).facts
    except KerasIntrospectError as why:
        notes.append(f"Its neurons are not shown: {why}")
        return None


def _classifies(predictions: "Predictions") -> None:
    if predictions.kind not in ("softmax", "binary") or np.ndim(predictions.scores) != 2:
        raise UnsupportedError(
            "A debug report needs one class for each text: a model that ends in a softmax or one sigmoid. "
            f"Received: {predictions.kind} outputs of shape {np.shape(predictions.scores)[1:]}. If they are "
            "logits of classes, pass class_names to kerasintrospect.wrap."
        )


def _cautions(case: Case, counts: Facts, k: int) -> list[str]:
    """What the reader should know about the data."""
    notes = []
    if counts["n_shown"] < counts["n_errors"]:
        notes.append(
            f"Of {counts['n_errors']:,} errors the {counts['n_shown']:,} with the highest loss are shown."
        )
    if case.train is None:
        return [*notes, "No training set was given: nothing is said about neighbors."]
    untaught = [case.names[i] for i in np.unique(case.truth) if not case.train.counts[i]]
    if untaught:
        listed = ", ".join(f"“{name}”" for name in untaught)
        notes.append(f"No training text carries {listed}, but texts of the test set do.")
    leaked = sum(bool(case.train.twins(text)) for text in case.texts)
    if leaked:
        share = f"{leaked:,} of the {len(case.texts):,} texts"
        notes.append(f"{share} can be found in the training set too: the accuracy flatters the model.")
    if k > len(case.train):
        notes.append(f"The training set has {len(case.train)} texts: there are fewer than {k} neighbors.")
    return notes


def _remarks(errors: list[Facts]) -> list[str]:
    """What the reader should know about the explanations themselves."""
    cut = sum(error["truncated"] for error in errors)
    remarks = []
    if any(error["text"].strip() and not error["words"] for error in errors):
        remarks.append("Texts below have no colours: it is not known where the tokens of the model stand in them.")
    if cut:
        remarks.append(f"The model reads only a part of texts as long as {cut} of those below.")
    return remarks


def _kinds(errors: list[Facts]) -> list[Facts]:
    """How often each verdict was given, the most frequent first."""
    counts = Counter(error["verdict"]["kind"] for error in errors)
    return [{"kind": kind, "title": KINDS[kind], "count": count} for kind, count in counts.most_common()]


def _row(error: Facts, names: list[str]) -> list[Any]:
    nearest = error["neighbors"][0] if error["neighbors"] else None
    return [
        *(error["rank"], error["index"], error["text"], names[error["label"]], names[error["predicted"]]),
        *(error["scores"][error["predicted"]], error["loss"]),
        *(error["verdict"]["kind"], error["verdict"]["text"]),
        *((nearest["text"], names[nearest["label"]], nearest["distance"]) if nearest else (None, None, None)),
    ]
