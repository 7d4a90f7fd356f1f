"""Which tokens make up which word, and their values pooled: arithmetic of spans over many texts at once. Numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from .text import Span, TokenRow

__all__ = ["Pieces", "of_tokens", "of_words", "word_of_each"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Pieces:
    """The tokens of some texts, one after the other, and the rows that they go into.

    Attributes:
        row: (tokens,) the row, -1 for tokens that go nowhere, such as [CLS].
        rank: (tokens,) which of the row's tokens, from 0.
        size: (rows,) tokens of each row.
        offsets: (texts + 1,) where the tokens of each text begin.
        document: (rows,) the text of each row.
        spans: (rows, 2) where it stands there.
        texts: The word or token itself, one per row.
        word: (rows,) the number of its word, over all words that there are; None for tokens.
    """

    row: Array
    rank: Array
    size: Array
    offsets: Array
    document: Array
    spans: Array
    texts: list[str]
    word: Array | None = None

    def __len__(self) -> int:
        return len(self.size)

    def of(self, texts: Array) -> Array:
        """The tokens of some texts, in this order."""
        counts = self.offsets[texts + 1] - self.offsets[texts]
        starts = np.cumsum(counts) - counts
        found: Array = np.repeat(self.offsets[texts] - starts, counts) + np.arange(counts.sum())
        return found

    def pool(self, values: Array, places: Array, tokens: Array, how: str, into: Array) -> None:
        """Writes the rows that these tokens make up.

        Args:
            values: (positions, units).
            places: The position of each token.
            tokens: The tokens; all of a row, or none.
            how: `"first"`, `"last"`, `"mean"` or `"max"` of a row's tokens.
            into: (rows, units).
        """
        row, rank = self.row[tokens], self.rank[tokens]
        if how in ("first", "last"):
            chosen = (row >= 0) & (rank == (0 if how == "first" else self.size[row] - 1))
            into[row[chosen]] = values[places[chosen]]
            return
        first = (row >= 0) & (rank == 0)
        rows, found = row[first], values[places[first]].astype(np.float32, copy=False)
        number = np.zeros(len(self), np.int64)
        number[rows] = np.arange(len(rows))
        for k in range(1, int(rank.max(initial=0)) + 1):  # a row has one token of each rank at most
            chosen = (row >= 0) & (rank == k)
            own, more = number[row[chosen]], values[places[chosen]]
            found[own] = found[own] + more if how == "mean" else np.maximum(found[own], more)
        several = np.flatnonzero(self.size[rows] > 1) if how == "mean" else ()
        if len(several):
            found[several] /= self.size[rows[several], None]
        into[rows] = found


def of_tokens(rows: Sequence[TokenRow]) -> Pieces:
    """Each token is a row of its own."""
    offsets = _offsets([len(row.tokens) for row in rows])
    n = int(offsets[-1])
    return Pieces(np.arange(n), np.zeros(n, np.int64), np.ones(n, np.int64), offsets,
                  np.repeat(np.arange(len(rows)), np.diff(offsets)), _flat([row.spans for row in rows]),
                  [token for row in rows for token in row.tokens])  # fmt: skip


def of_words(rows: Sequence[TokenRow], texts: Sequence[str], words: Sequence[Sequence[Span]]) -> tuple[Pieces, Array, Array]:
    """Each word that the model saw is a row.

    Args:
        rows: The tokens of each text.
        texts: The texts.
        words: The words of each text, ascending, none over another.

    Returns:
        The pieces, the numbers of the words without any token, and those of the words that the length limit cut in two:
        part of a word is not the word.
    """
    offsets, first_word = _offsets([len(row.tokens) for row in rows]), _offsets([len(spans) for spans in words])
    tokens, spans = _flat([row.spans for row in rows]), _flat(words)
    owner = word_of_each(tokens, np.diff(offsets), spans, np.diff(first_word))
    seen = np.zeros(len(spans), bool)
    seen[owner[owner >= 0]] = True
    unseen = np.flatnonzero(~seen)
    cut = np.array([word for i, row in enumerate(rows) if row.truncated
                    for word in _cut(owner, tokens, spans, slice(offsets[i], offsets[i + 1]), first_word[i + 1] - 1)],
                   np.int64)  # fmt: skip
    seen[cut] = False
    row_of_word = np.where(seen, np.cumsum(seen) - 1, -1)
    row = np.where(owner >= 0, row_of_word[owner], -1)
    numbers = np.flatnonzero(seen)
    documents = np.repeat(np.arange(len(rows)), np.diff(first_word))[numbers]
    places = zip(documents.tolist(), spans[numbers].tolist(), strict=True)
    said = [texts[i][a:b] for i, (a, b) in places]
    size = np.bincount(row[row >= 0], minlength=len(numbers))
    return Pieces(row, _ranks(row, size), size, offsets, documents, spans[numbers], said, numbers), unseen, cut


def word_of_each(tokens: Array, n_tokens: Array, words: Array, n_words: Array) -> Array:
    """The word with which each token shares the most characters, the first of equals, -1 for none: `text.word_ids` of many.

    Args:
        tokens: (tokens, 2) spans, of all texts one after the other.
        n_tokens: (texts,) the tokens of each text.
        words: (words, 2) spans, ascending within a text.
        n_words: (texts,) the words of each text.
    """
    longest = int(max(tokens.max(initial=0), words.max(initial=0))) + 1
    base = np.arange(len(n_tokens)) * longest  # all texts on one line
    start, end = (tokens + np.repeat(base, n_tokens)[:, None]).T
    begins, ends = (words + np.repeat(base, n_words)[:, None]).T
    somewhere = tokens[:, 0] >= 0
    first = np.searchsorted(ends, start, "right")
    count = np.where(somewhere, np.searchsorted(begins, end, "left") - first, 0)
    best, most = np.full(len(tokens), -1), np.zeros(len(tokens), np.int64)
    for k in range(int(count.max(initial=0))):
        some = np.flatnonzero(count > k)
        word = first[some] + k
        shared = np.minimum(end[some], ends[word]) - np.maximum(start[some], begins[word])
        more = shared > most[some]
        best[some[more]], most[some[more]] = word[more], shared[more]
    return best


def _cut(owner: Array, tokens: Array, spans: Array, part: slice, final: int) -> list[int]:
    """The last word that the model saw of a text, or the first, if its tokens are not all of it."""
    own = np.flatnonzero(owner[part] >= 0) + part.start
    if not len(own):
        return []
    first, last = int(owner[own].min()), int(owner[own].max())
    is_short = tokens[own[owner[own] == last], 1].max() < spans[last, 1]
    if last < final or is_short:
        return [last] if is_short else []
    return [first] if tokens[own[owner[own] == first], 0].min() > spans[first, 0] else []


def _ranks(row: Array, size: Array) -> Array:
    order = np.argsort(row, kind="stable")
    order = order[np.searchsorted(row[order], 0) :]
    rank = np.zeros(len(row), np.int64)
    rank[order] = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    return rank


def _flat(spans: Sequence[Sequence[Span]]) -> Array:
    every = chain.from_iterable(chain.from_iterable(spans))
    return np.fromiter(every, np.int64).reshape(-1, 2)


def _offsets(counts: Sequence[int]) -> Array:
    return np.concatenate([[0], np.cumsum(np.asarray(counts, np.int64))])
