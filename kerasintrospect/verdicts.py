"""Why is the prediction wrong? A verdict in words, from the neighborhood of the text in the training set.

A verdict is the first rule of `RULES` that has something to say. A rule is a pure function of `Evidence`; it
returns one plain sentence with its figures, or None. The order goes from what settles the question (the same
text stands in the training set) to what only hints (its neighbors are split).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["KINDS", "Evidence", "Verdict", "verdict"]

AGREEMENT = 0.75  # share of the neighbors that makes them speak with one voice: 4 of 5, 3 of 4
MOSTLY = 0.5  # share of unknown words from which on the model has not really read the text
CHANCE = 0.2  # neighbors that agree this easily by the frequency of a class alone are no evidence
CLOSE_CALL = 0.1  # difference of two probabilities below which the model has not decided
SURE = 0.9
DOUBTED = 0.6  # share of the most influential training texts whose labels are doubted: 2 of 3
STRAY = 0.1  # share of a label among the texts of like wording up to which it looks out of place there


@dataclass(frozen=True)
class Verdict:
    """What to suspect: a `kind` to filter by, its `title` for people, and a `text` with the figures."""

    kind: str
    title: str
    text: str


@dataclass(frozen=True)
class Evidence:
    """All that a verdict on one misclassified text may look at.

    Args:
        label: The label in the test set.
        predicted: The predicted class.
        scores: Probabilities, one per class.
        class_names: Names, one per class.
        n_words: The number of words in the text.
        n_unknown: The number of them that the model has no entry for.
        train_counts: How many training texts carry each class. Empty: there is no training set.
        neighbor_labels: Labels of the nearest training texts, nearest first.
        distances: Their distances.
        limit: The distance beyond which nothing is near, None where that cannot be said.
        limit_of: Whose distances made the limit: 95 % of them are within it.
        wording: Labels of the training texts that share the most words with it, whatever the model makes of them.
        twins: How often the very same text stands in the training set, by label.
        teachers: Labels of the training texts that taught the prediction most, by influence; strongest first.
        suspects: How many of them the audit of the training set takes for wrongly labelled.
    """

    label: int
    predicted: int
    scores: Sequence[float]
    class_names: Sequence[str]
    n_words: int
    n_unknown: int = 0
    train_counts: Sequence[int] = ()
    neighbor_labels: Sequence[int] = ()
    distances: Sequence[float] = ()
    limit: float | None = None
    limit_of: str = "training texts"
    wording: Sequence[int] = ()
    twins: Mapping[int, int] = field(default_factory=dict)
    teachers: Sequence[int] = ()
    suspects: int = 0

    def name(self, label: int) -> str:
        return f"“{self.class_names[label]}”"

    def votes(self, label: int) -> int:
        return sum(1 for other in self.neighbor_labels if other == label)

    def agree(self, label: int) -> bool:
        return bool(self.neighbor_labels) and self.votes(label) >= AGREEMENT * len(self.neighbor_labels)

    def base_rate(self, label: int) -> float:
        return self.train_counts[label] / max(sum(self.train_counts), 1)


def verdict(evidence: Evidence) -> Verdict:
    """Says in words what the evidence suggests about one misclassified text.

    Examples:

    >>> verdict(Evidence(0, 1, [0.05, 0.95], ["neg", "pos"], n_words=4)).kind
    'no-training-set'
    >>> verdict(Evidence(0, 1, [0.05, 0.95], ["neg", "pos"], n_words=4, train_counts=[50, 50], limit=0.2,
    ...                  neighbor_labels=[1, 1, 1, 1, 0], distances=[0.1] * 5, wording=[1] * 10)).title
    'Suspect the label'

    Args:
        evidence: `Evidence` on one misclassified text.

    Returns:
        The `Verdict` of the first rule that applies.
    """
    kind, title, sentence = next(
        (kind, title, sentence) for kind, title, rule in RULES if (sentence := rule(evidence)) is not None
    )
    return Verdict(kind, title, " ".join([sentence, *_asides(evidence, kind)]))


def _asides(e: Evidence, kind: str) -> list[str]:
    label, predicted = e.scores[e.label], e.scores[e.predicted]
    asides = []
    if predicted - label < CLOSE_CALL:
        asides.append(f"The model itself is undecided ({predicted:.2f} against {label:.2f}).")
    elif predicted >= SURE:
        asides.append(f"The model is sure of itself ({min(predicted, 0.99):.2f}).")
    if e.n_unknown and kind != "mostly-unknown-words":
        asides.append(f"{_unknown_words(e)} unknown to the model.")
    return asides


def _no_words(e: Evidence) -> str | None:
    return "The text has no words: the model can only answer out of habit." if e.n_words == 0 else None


def _other_twin(e: Evidence) -> str | None:
    others = {label: count for label, count in e.twins.items() if label != e.label and count}
    if not others:
        return None
    listed = " and ".join(f"{e.name(label)} ({_times(count)})" for label, count in sorted(others.items()))
    own = f", and {_times(e.twins[e.label])} as {e.name(e.label)}" if e.twins.get(e.label) else ""
    return f"The same text stands in the training set as {listed}{own}: the labels contradict each other."


def _same_twin(e: Evidence) -> str | None:
    if not e.twins.get(e.label):
        return None
    return (
        f"The same text stands in the training set with this very label, {e.name(e.label)}"
        f" ({_times(e.twins[e.label])}), and the model says {e.name(e.predicted)}: it has not learned it."
    )


def _untaught(e: Evidence) -> str | None:
    if not e.train_counts or e.train_counts[e.label]:
        return None
    return f"No training text carries the label {e.name(e.label)}: the model could not learn it."


def _unknown(e: Evidence) -> str | None:
    if e.n_unknown < MOSTLY * e.n_words:
        return None
    return f"{_unknown_words(e)} unknown to the model: it hardly read the text."


def _no_training_set(e: Evidence) -> str | None:
    if e.neighbor_labels:
        return None
    return (
        "No training set was given, so nothing can be said about its neighborhood: "
        f"look at the words that speak for {e.name(e.predicted)}."
    )


def _hole(e: Evidence) -> str | None:
    if e.limit is None or e.distances[0] <= e.limit:
        return None
    return (
        f"Nothing in training is near: the nearest text is at distance {e.distances[0]:.3g}, "
        f"while 95 % of the {e.limit_of} have one within {e.limit:.3g}."
    )


def _taught(e: Evidence) -> str | None:
    if len(e.teachers) < 2 or e.suspects < DOUBTED * len(e.teachers):
        return None
    return (
        f"Of the {len(e.teachers)} training texts whose influence made the model say {e.name(e.predicted)} most, "
        f"{e.suspects} seem to be labelled wrongly themselves: look at the training set first."
    )


def _common(e: Evidence) -> str | None:
    rate = e.base_rate(e.predicted)
    if not e.agree(e.predicted) or _chance(e.votes(e.predicted), len(e.neighbor_labels), rate) < CHANCE:
        return None
    return (
        f"{_voices(e, e.predicted)}, as the model predicts, but so do {100 * rate:.0f} % of all training "
        "texts: the neighborhood says little, and the model may just follow the common class."
    )


def _suspect(e: Evidence) -> str | None:
    # A trained model puts like labels side by side: its neighbors agree with it nearly always, and alone prove little.
    # The wording is a witness that does not know the model.
    strays = sum(label == e.label for label in e.wording)
    if not e.agree(e.predicted) or not e.wording or strays > STRAY * len(e.wording):
        return None
    return f"{_voices(e, e.predicted)}, as the model predicts, and {_of_like_wording(e, strays)}: suspect the label."


def _seconded(e: Evidence) -> str | None:
    if not e.agree(e.predicted):
        return None
    strays = sum(label == e.label for label in e.wording)
    but = f"but {_of_like_wording(e, strays)}" if e.wording else "but none shares a word with it"
    return f"{_voices(e, e.predicted)}, as the model predicts, {but}: either of the two may be wrong."


def _ignored(e: Evidence) -> str | None:
    if not e.agree(e.label):
        return None
    return (
        f"{_voices(e, e.label)}, as this one does: the model goes against its neighborhood. "
        f"Look at the words that speak for {e.name(e.predicted)}."
    )


def _elsewhere(e: Evidence) -> str | None:
    third = next((label for label in sorted(set(e.neighbor_labels)) if e.agree(label)), None)
    if third is None:
        return None
    return (
        f"{_voices(e, third)}, neither the label nor the prediction: look whether it fits better than both."
    )


def _split(e: Evidence) -> str | None:
    voters = sorted(set(e.neighbor_labels), key=lambda label: (-e.votes(label), label))
    listed = ", ".join(f"{e.votes(label)} {e.name(label)}" for label in voters)
    own, said = e.votes(e.label), e.votes(e.predicted)
    lean = "" if own == said else f"; it leans to the {'label' if own > said else 'prediction'}"
    return (
        f"The neighborhood is split: of the {len(e.neighbor_labels)} nearest training texts {listed}{lean}."
    )


# (kind, title, rule) in the order in which they are asked; the last one always answers.
RULES: tuple[tuple[str, str, Callable[[Evidence], str | None]], ...] = (
    ("no-words", "No words", _no_words),
    ("duplicate-with-other-label", "Same text, other label in training", _other_twin),
    ("duplicate-with-this-label", "Seen in training, still wrong", _same_twin),
    ("class-not-in-training", "Class missing from training", _untaught),
    ("mostly-unknown-words", "Mostly unknown words", _unknown),
    ("no-training-set", "No training set", _no_training_set),
    ("nothing-near", "Nothing near in training", _hole),
    ("taught-by-suspects", "Taught by suspect labels", _taught),
    ("common-class", "Follows the common class", _common),
    ("suspect-label", "Suspect the label", _suspect),
    ("neighborhood-agrees-with-model", "Neighbors agree with the model", _seconded),
    ("neighborhood-agrees-with-label", "Goes against its neighborhood", _ignored),
    ("neighborhood-elsewhere", "Neighborhood of a third class", _elsewhere),
    ("neighborhood-split", "Split neighborhood", _split),
)
KINDS: dict[str, str] = {kind: title for kind, title, _ in RULES}


def _voices(e: Evidence, label: int) -> str:
    votes, total = e.votes(label), len(e.neighbor_labels)
    if total == 1:
        return f"The nearest training text carries {e.name(label)}"
    share = f"All {total}" if votes == total else f"{votes} of the {total}"
    return f"{share} nearest training texts carry {e.name(label)}"


def _of_like_wording(e: Evidence, strays: int) -> str:
    total, own = (
        len(e.wording),
        f"{strays or 'none'} {'carries' if strays <= 1 else 'carry'} {e.name(e.label)}",
    )
    return (
        f"of the {total} with the most words in common {own}"
        if total > 1
        else f"of the one with like words {own}"
    )


def _chance(votes: int, total: int, rate: float) -> float:
    """How likely at least `votes` of `total` neighbors carry a class by its frequency alone."""
    return sum(math.comb(total, n) * rate**n * (1 - rate) ** (total - n) for n in range(votes, total + 1))


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _unknown_words(e: Evidence) -> str:
    words = f"{e.n_words} word{'' if e.n_words == 1 else 's'}"
    return f"{e.n_unknown} of its {words} {'is' if e.n_unknown == 1 else 'are'}"
