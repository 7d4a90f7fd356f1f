"""The contract of an attribution method, and the record that every method gives.

A method is a function `(job, **options) -> None | (n,) deltas` that writes signed scores, one per token (or unit), with
`job.write`; see `job.Job` for what it may call. It never sees padding, targets or batches. Conventions for all methods:

- the score of a token is the sum over its units; the score of a word is the sum over its tokens; padding scores 0;
- signs are those of the explained number (`score`): positive pushes it up;
- `delta` is the sum of the scores minus F(x) - F(baseline), for methods that promise completeness.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, KerasIntrospectWarning
from ..inputs import Arranged
from ..outputs import SCORES, Output, Target
from ..registry import Registry
from ..runs import Runner
from ..sites import Site
from ..text import NOWHERE, Span, TokenRow, pool_words, word_ids, words

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

__all__ = ["Attribution", "Attributions", "Method", "Word", "attribute", "methods", "registry"]

Method = Callable[..., np.ndarray | None]
registry: Registry[Method] = Registry("kerasintrospect.attribution", "attribution method")


def methods() -> list[str]:
    """The names of all attribution methods, also those of other packages."""
    return registry.names()


@dataclass(frozen=True)
class Word:
    """One word of the user's text with its score: the sum over the tokens that lie in it."""

    text: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Attribution:
    """The scores of one example.

    Attributes:
        text: The user's text; None for arrays.
        tokens: What the model saw, one name per score.
        spans: Where each token stands in the text; (-1, -1) for none.
        scores: (tokens,) float32, signed.
        target: The explained class (int), (position, class), or None for a function.
        target_name: The same in words.
        prediction: The predicted class; None for regressions and per-position outputs.
        delta: Sum of scores minus F(x) - F(baseline); None for methods without completeness.
        truncated: Whether the model saw only a part of the text.
        unknown: Per token, whether the model's vocabulary lacks it; empty when that is not known.
        placed: Whether anybody knows where the tokens stand in the text.
    """

    text: str | None
    tokens: tuple[str, ...]
    spans: tuple[Span, ...]
    scores: np.ndarray
    target: int | tuple[int, ...] | None
    target_name: str
    prediction: int | None
    delta: float | None
    truncated: bool
    unknown: tuple[bool, ...]
    placed: bool = True

    def words(self) -> list[Word]:
        """The words of the text with their scores; the tokens, for arrays and where nobody knows where these stand."""
        if self.text is None or not self.placed:
            return [Word(name, -1, -1, float(s)) for name, s in zip(self.tokens, self.scores, strict=True)]
        places = words(self.text)
        sums = pool_words(self.scores, word_ids(self.spans, places), len(places), "sum")
        return [Word(self.text[a:b], a, b, float(s)) for (a, b), s in zip(places, sums, strict=True)]

    def __str__(self) -> str:
        return f"[{self.target_name}] " + " ".join(f"{word.text}({word.score:+.3g})" for word in self.words())


@dataclass(frozen=True)
class Attributions(Sequence[Attribution]):
    """The attributions of a batch: a sequence of `Attribution`, and the same as padded arrays.

    Attributes:
        items: One per example.
        scores: (n, tokens) float32, 0 at padding.
        mask: (n, tokens) bool, False at padding.
        method: Name of the method.
        sites: Where the scores were taken.
    """

    items: tuple[Attribution, ...]
    scores: np.ndarray
    mask: np.ndarray
    method: str
    sites: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self.items[index]

    def __iter__(self) -> Iterator[Attribution]:
        return iter(self.items)

    @property
    def deltas(self) -> np.ndarray:
        """(n,) float32; NaN for methods without completeness."""
        return np.array([np.nan if item.delta is None else item.delta for item in self.items], np.float32)

    def to_frame(self) -> pandas.DataFrame:
        """One row per word: example, word, start, end, score, target."""
        import pandas

        rows = [
            (i, word.text, word.start, word.end, word.score, item.target_name)
            for i, item in enumerate(self.items)
            for word in item.words()
        ]
        return pandas.DataFrame(rows, columns=["example", "word", "start", "end", "score", "target"])

    def plot(self, example: int = 0, ax: Axes | None = None) -> Axes:
        """Bars of the word scores of one example."""
        from matplotlib import pyplot

        found = self.items[example].words()
        ax = ax or pyplot.subplots(figsize=(6, 0.3 * len(found) + 1.2))[1]
        ax.barh(range(len(found)), [w.score for w in found], color=["#1f6fb4" if w.score > 0 else "#c8600a" for w in found])
        ax.set_yticks(range(len(found)), [w.text.replace("$", r"\$") for w in found])
        ax.invert_yaxis()
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set_xlabel(f"{self.method} towards {self.items[example].target_name}".replace("$", r"\$"))
        return ax

    def __str__(self) -> str:
        return "\n".join(map(str, self.items))

    def _repr_html_(self) -> str:
        from ..report import coloured_texts

        return str(coloured_texts(self))


def attribute(
    runner: Runner,
    output: Output,
    arranged: Arranged,
    method: str = "integrated_gradients",
    target: Target = None,
    sites: Sequence[Site] | None = None,
    score: str = "logit",
    baseline: Any = None,
    seed: int = 0,
    **options: Any,
) -> Attributions:
    """See `Introspector.attribute`."""
    from .job import Job

    member = registry.get(method)
    if score not in SCORES:
        raise InputError(f"score is one of {', '.join(SCORES)}. Received: score={score!r}")
    if score == "loss" and output.kind == "raw":
        raise InputError("The loss needs class probabilities, and the model ends in no softmax or sigmoid: pass class_names "
                         "to wrap if its outputs are logits. Received: score='loss'")  # fmt: skip
    job = Job(runner, output, arranged, target, sites, score, baseline, seed)
    try:
        deltas = member(job, **options)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise InputError(f"The method {method!r} has other options: {error}") from None
    return _record(job, method, deltas)


def _record(job: Any, method: str, deltas: np.ndarray | None) -> Attributions:
    scores, mask = job.result()
    predicted = job.predicted_or_none()
    rows, texts = job.rows(mask), job.arranged.encoded.texts
    targets = [job.target_of(i) for i in range(len(scores))]
    own = job.arranged.encoded.rows() or []
    nobody_knows = texts is not None and not (job.runner.knows_tokens or job.by_text)
    if nobody_knows or any(row is given and row.tokens and not row.placed for row, given in zip(rows, own, strict=False)):
        warnings.warn("It is not known where the tokens stand in the texts, so words() gives the positions of the model. A "
                      "tokenizer= of wrap says it: a function from a text to as many tokens as the model sees, or to their "
                      "(start, end) characters.", KerasIntrospectWarning, stacklevel=4)  # fmt: skip
    items = [
        Attribution(
            None if texts is None else texts[i],
            rows[i].tokens,
            rows[i].spans,
            scores[i][mask[i]],
            targets[i][0],
            targets[i][1],
            None if predicted is None else int(predicted[i]),
            None if deltas is None else float(deltas[i]),
            rows[i].truncated,
            rows[i].unknown,
            rows[i].placed,
        )
        for i in range(len(scores))
    ]
    return Attributions(tuple(items), scores, mask, method, tuple(job.site_names()))


def unnamed(mask: np.ndarray, names: Sequence[str]) -> list[TokenRow]:
    """Token rows for inputs that came as arrays: positions go by their names."""
    return [
        TokenRow(tuple(name for name, kept in zip(names, row, strict=True) if kept), (NOWHERE,) * int(row.sum()), placed=False)
        for row in mask
    ]
