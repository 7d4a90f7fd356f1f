"""Words, tokens and where they stand in the user's own text; token values pooled to words. No framework here.

A span is a pair of character positions [start, end) of the text as the user gave it, whatever a tokenizer made of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .errors import InputError

__all__ = ["NOWHERE", "Span", "TokenRow", "align", "pool_words", "word_ids", "words"]

Span = tuple[int, int]
NOWHERE: Span = (-1, -1)  # [CLS], or a token that the text does not hold

_WORDS = re.compile(
    r"""(?:https?://|www\.)\S+                        # addresses
    | [@\#]\w+                                         # names and tags
    | <3+ | [:;=8xX][-'^o]?[)(\]\[DPpOo/\\|3*]+(?!\w)  # emoticons
    | \d+(?:[.,:]\d+)*%?                               # numbers, times
    | [^\W\d_](?:[\w]|[\u0300-\u036f])*(?:['’\-][^\W_][\w]*)*   # words with apostrophes and hyphens inside
    | \w+
    | [^\w\s]+?(?=[\w\s@\#]|$)                         # runs of punctuation and of emoji
    | \S                                               # never leave a character out
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class TokenRow:
    """The tokens of one text that the model really saw; padding is not among them.

    Attributes:
        tokens: Their names.
        spans: Where each stands in the text; `NOWHERE` for none.
        truncated: Whether the model saw only a part of the text.
        unknown: Per token whether the model's vocabulary lacks it; empty when that is not known.
    """

    tokens: tuple[str, ...]
    spans: tuple[Span, ...]
    truncated: bool = False
    unknown: tuple[bool, ...] = ()


def words(text: str) -> list[Span]:
    """The words that people see: together they hold every character but white space, once and in order.

    >>> [text[a:b] for a, b in words(text := "@ann I don't :) https://t.co/x")]
    ['@ann', 'I', "don't", ':)', 'https://t.co/x']
    """
    return [found.span() for found in _WORDS.finditer(text)]


def align(text: str, tokens: Sequence[str]) -> list[Span]:
    """Where the tokens of a tokenizer stand in the text.

    Each token is looked for behind the one before it, character by character and case folded, over characters that the
    tokenizer dropped (punctuation, accents), never over white space inside a token. A token with white space inside (an
    n-gram) is the span from its first to its last word.

    Args:
        text: The user's text.
        tokens: In the order of the text.

    Returns:
        One span per token; `NOWHERE` for a token that is not found, and the search goes on from the same place.
    """
    letters, places = _folded(text)
    chunks = [m.span() for m in re.finditer(r"\S+", letters)]
    spans, start = [], 0
    for token in tokens:
        pieces = _folded(token)[0].split()
        found = [span for piece in pieces if (span := _find(letters, chunks, piece, start)) is not None][: len(pieces)]
        if not found:
            spans.append(NOWHERE)
            continue
        start = found[0][1] if len(pieces) == 1 else start
        spans.append((places[found[0][0]], places[found[-1][1] - 1] + 1))
    return spans


def _folded(text: str) -> tuple[str, list[int]]:
    """The text case folded and without accents, and for each of its characters the position in the text."""
    letters, places = [], []
    for place, character in enumerate(text):
        for piece in unicodedata.normalize("NFKD", character.casefold()).casefold():
            if not unicodedata.combining(piece):
                letters.append(piece)
                places.append(place)
    return "".join(letters), places


def _find(letters: str, chunks: list[Span], piece: str, start: int) -> Span | None:
    """The first place at or behind `start` where the piece stands, whole or with characters in between."""
    first = _chunk_at(chunks, start)
    for begin, end in chunks[first : first + 64]:  # a token stands near the one before it
        span = _within(letters, piece, max(begin, start), end)
        if span is not None:
            return span
    place = letters.find(piece, start)
    return None if place < 0 or not piece else (place, place + len(piece))


def _chunk_at(chunks: list[Span], start: int) -> int:
    low, high = 0, len(chunks)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if chunks[middle][1] <= start else (low, middle)
    return low


def _within(letters: str, piece: str, begin: int, end: int) -> Span | None:
    """The piece inside one run without white space: whole if it stands so, else with dropped characters in between."""
    place = letters.find(piece, begin, end)
    if place >= 0:
        return place, place + len(piece)
    position, first = begin, -1
    for character in piece:
        found = letters.find(character, position, end)
        if found < 0 or any(c.isalnum() for c in letters[position:found]):
            return None  # letters and digits are never dropped
        first = found if first < 0 else first
        position = found + 1
    return (first, position) if first >= 0 else None


def word_ids(spans: Sequence[Span], word_spans: Sequence[Span]) -> list[int]:
    """For each token the word that it shares the most characters with; -1 for none."""
    ids, first = [], 0
    for start, end in spans:
        while first and (first >= len(word_spans) or word_spans[first][0] > start):
            first -= 1
        while first < len(word_spans) and word_spans[first][1] <= start:
            first += 1
        best, most = -1, 0
        for k in range(first, len(word_spans)):
            if word_spans[k][0] >= end or start < 0:
                break
            shared = min(end, word_spans[k][1]) - max(start, word_spans[k][0])
            best, most = (k, shared) if shared > most else (best, most)
        ids.append(best)
    return ids


def pool_words(
    values: np.ndarray, ids: Sequence[int], n_words: int, how: Literal["sum", "mean", "max_abs"] = "sum"
) -> np.ndarray:
    """Token values pooled to words.

    Args:
        values: (tokens,) or (tokens, units).
        ids: For each token its word, -1 for none, as `word_ids` gives them.
        n_words: Number of words.
        how: `"sum"`, `"mean"`, or `"max_abs"`: the value that is largest without its sign.

    Returns:
        (n_words,) or (n_words, units) float32; a word without tokens is 0 for `"sum"` and NaN otherwise.
    """
    values = np.asarray(values, np.float32)
    if len(values) != len(ids):
        raise InputError(f"There is one word id per token. Received: {len(ids)} ids for {len(values)} values")
    if how not in ("sum", "mean", "max_abs"):
        raise InputError(f"how is 'sum', 'mean' or 'max_abs'. Received: how={how!r}")
    pooled = np.full((n_words, *values.shape[1:]), 0.0 if how == "sum" else np.nan, np.float32)
    owner = np.asarray(ids, int)
    for word in np.unique(owner[owner >= 0]):
        part = values[owner == word]
        if how == "max_abs":
            pooled[word] = np.take_along_axis(part, np.abs(part).argmax(0)[None], 0)[0]
        else:
            pooled[word] = part.sum(0) if how == "sum" else part.mean(0)
    return pooled
