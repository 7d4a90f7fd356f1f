"""Words, tokens and the characters they stand on; pooling token values to words."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import accumulate, compress, groupby
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .errors import InputError

__all__ = ["NOWHERE", "Span", "TokenRow", "align", "pool_words", "word_ids", "words"]

How = Literal["sum", "mean", "max_abs"]
Span = tuple[int, int]  # characters [start, end) of the text as the user wrote it
NOWHERE: Span = (-1, -1)


@dataclass(frozen=True)
class TokenRow:
    """The tokens of one text that the model really saw; padding is not there.

    Attributes:
        tokens: As the model's own text front names them.
        spans: Where each stands in the text, `NOWHERE` for those that do not ([CLS]).
        truncated: Whether the text has more tokens than the model saw.
        unknown: Whether the model's vocabulary lacks the token; empty where this is not known.
        placed: Whether anybody knows where the tokens stand; if not, all spans are `NOWHERE`.
    """

    tokens: tuple[str, ...]
    spans: tuple[Span, ...]
    truncated: bool = False
    unknown: tuple[bool, ...] = ()
    placed: bool = True


_HAN = "\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA = "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_EMOJI = "\u00a9\u00ae\u2122\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
_EMOJI += "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_STYLE = "\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"  # presentation, keycap, skin, tags of flags


@cache
def _word_pattern() -> re.Pattern[str]:
    """The kinds of words in the order of trial; repeats are bounded where they could be tried again and again."""
    runs = [list(run) for k, run in groupby(map(chr, range(0x300, 0xFE30)), lambda c: unicodedata.category(c)[0]) if k == "M"]
    marks = "".join(f"{run[0]}-{run[-1]}" for run in runs) + "\u200c\u200d"  # and joiners of letters
    letter = rf"[^\W{_HAN}{_KANA}][{marks}]*"
    address = "[!#-;=?-~\u00c0-\u024f]*[0-9A-Za-z\u00c0-\u024f_/#=&%~+$@-]"
    keycap, amount = "[0-9#*]\ufe0f?\u20e3", r"[$€£¥₹](?=\d)"
    tag = rf"[@＠](?:{letter})+|[#＃](?:\w[{marks}]*)+"
    entity = r"&(?:[A-Za-z]{2,8}|\#\d{1,7}|\#[xX][\da-fA-F]{1,6});"
    emoticon = (
        r"[<>]?[:;=][-o~^'*]{0,2}[()\[\]{}|\\*]+|[:;=]-?/(?!/)|(?<!\w)[:;=]-?[dDpPoO3](?!\w)"
        r"|\([-o']?[:;=](?!\w)|</?3+|\^[_.-]{0,3}\^|-_{1,5}-|>[_.]<|¯\\_\(ツ\)_/¯|\\o/"
    )
    kinds = [
        rf"(?:https?://|www\.){address}|(?:[A-Za-z0-9-]{{1,63}}\.){{1,3}}[A-Za-z]{{2,10}}/{address}",
        r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}",
        rf"{keycap}|[\U0001f1e6-\U0001f1ff]{{2}}|[{_EMOJI}][{_STYLE}]*(?:\u200d[{_EMOJI}][{_STYLE}]*)*",
        rf"{tag}|{entity}|{emoticon}",
        # U.S.A.; don't, 10-year-old, 12:30pm, $3.50, 99%
        r"(?:[^\W\d_]\.){1,8}[^\W\d_]\.?(?!\w)",
        rf"(?:{amount})?(?:{letter})+(?:(?:['’‑-]|(?<=\d)[.,:/](?=\d))(?:{letter})+)*(?:(?<=\d)%)?",
        rf"[{_HAN}]|[{_KANA}]+",
        rf"(?:(?!{keycap}|{tag}|{entity}|{emoticon}|{amount})[^\w\s{_EMOJI}])+|\S",
    ]
    return re.compile("|".join(kinds))


def words(text: str) -> list[Span]:
    """The words that people see, in order; every character but white space is in exactly one.

    URLs, @names, #tags, emoji, emoticons, `don't`, `10-year-old`, Chinese characters, runs of punctuation.

    >>> [text[i:j] for i, j in words(text := "RT @bob: I don't care!!! :)")]
    ['RT', '@bob', ':', 'I', "don't", 'care', '!!!', ':)']
    """
    return [match.span() for match in _word_pattern().finditer(text)]


# What a tokenizer says instead of a part of the text.
_SPECIAL = re.compile(r"(?i:[\[<]/?(?:unk|oov|pad|cls|sep|mask|bos|eos)[\]>]|\[unused\d+\]|</?s>|<\|\w+\|>)")
_PIECE = re.compile(r"^(?:##(?=.)|[▁Ġ]+(?=.))|</w>$", re.S)


@lru_cache(maxsize=8192)
def _folded(char: str) -> str:
    """What is compared of a character: no case, no accents; nothing of punctuation, white space and controls."""
    kept = ""
    for part in unicodedata.normalize("NFKD", char):
        kind = unicodedata.category(part)
        if kind[0] not in "PMZ" and kind not in ("Cc", "Cf") and (kind[0] != "S" or part > "\x7f"):
            kept += part
    return kept.casefold()


class _Folded:
    """A text as it is compared: `text`, the character that each letter of it comes from, and the way back.

    White space is one blank, and there is one at both ends. What standardisers drop is not there or a blank too.
    """

    def __init__(self, source: str, blanks: bool) -> None:
        letters, self.origin, self.at = [" "], [-1], []
        for position, char in enumerate(source):
            self.at.append(len(self.origin))
            folded = _folded(char)
            if folded:
                letters.append(folded)
                self.origin += [position] * len(folded)
            elif letters[-1] != " " and (char.isspace() or (blanks and unicodedata.category(char)[0] != "M")):
                letters.append(" ")
                self.origin.append(position)
        self.at.append(len(self.origin))
        self.text = "".join(letters) + " "
        self.origin.append(len(source))

    def find(self, what: str, start: int) -> Span | None:
        """The characters of the first `what` that begins at a character or later; blanks at its ends do not count."""
        first = self.text.find(what, max(self.at[start] - (what[0] == " "), 0))
        if first < 0:
            return None
        last = first + len(what) - 1 - (what[-1] == " ")
        return self.origin[first + (what[0] == " ")], self.origin[last] + 1


class _Finder:
    """Walks through a text, token by token."""

    def __init__(self, text: str) -> None:
        self.source, self.end = text, 0
        self.joined, self.split = _Folded(text, blanks=False), _Folded(text, blanks=True)
        self.lost: set[str] = set()  # what is not in the rest of the text will not be found later
        self.grams: dict[int, int] = {}  # n-grams overlap: where to look on for those of n words

    def span(self, token: str, key: str, following: Sequence[str]) -> Span:
        gram, hit = " " in key, None
        if key not in self.lost and not _SPECIAL.fullmatch(token):
            hit = self._gram(key) if gram else self._word(key, following) if key else self._mark(token, following)
        if hit is None:
            return NOWHERE
        start, end = self._widened(token, hit, 0 if gram else self.end)
        self.end = self.end if gram else end
        while end < len(self.source) and unicodedata.category(self.source[end])[0] == "M":
            end += 1  # accents belong to their letter, and may be the next token all the same
        return start, end

    def _word(self, key: str, following: Sequence[str]) -> Span | None:
        """In this order: where the walk stands, a whole word farther on, the start of one, anywhere.

        Vocabularies drop words, and standardisers put in words of their own. So a token that is only part of the word
        where the walk stands gives way to a whole one, unless the next token goes on there; and nothing is taken
        that lies beyond one of the tokens that follow.
        """
        here = self._here(key, following)
        if here is not None and here[1]:
            return here[0]
        near, somewhere = here and here[0], self.joined.find(key, self.end)
        if somewhere is None:
            self.lost.add(key)
            return None
        tries = (self._nearest(f" {key} ", self.end), near, self._nearest(f" {key}", self.end), somewhere)
        return next((hit for hit in tries if hit and (hit == near or not self._passes(hit, following))), None)

    def _here(self, key: str, following: Sequence[str]) -> tuple[Span, bool] | None:
        """Where the walk stands, and whether this is as good as can be."""
        text, at = self.joined.text, self.joined.at[self.end]
        at += text.startswith(" ", at)
        if text.startswith(key, at):
            end = at + len(key)
            span = self.joined.origin[at], self.joined.origin[end - 1] + 1
            goes_on = bool(following) and text.startswith(following[0], end)
            return span, goes_on or self.split.text.startswith(" ", self.split.at[span[1]])
        text, at = self.split.text, self.split.at[self.end]
        if " " in text[at - 1 : at + 1]:
            return None
        inside = text.find(key, at, text.find(" ", at))  # in the middle of a word, of which something was dropped
        return ((self.split.origin[inside], self.split.origin[inside + len(key) - 1] + 1), True) if inside > 0 else None

    def _nearest(self, what: str, start: int) -> Span | None:
        return min(filter(None, (self.joined.find(what, start), self.split.find(what, start))), default=None)

    def _passes(self, hit: Span, following: Sequence[str]) -> bool:
        return any((self._nearest(f" {key} ", self.end) or hit)[0] < hit[0] for key in following)

    def _mark(self, token: str, following: Sequence[str]) -> Span | None:
        """Punctuation, white space: nothing but itself."""
        mark = _PIECE.sub("", token.strip() or token)
        start = self.source.find(mark, self.end) if mark else -1
        after = self.joined.find(following[0], self.end) if following else None
        return None if start < 0 or (after and after[0] < start) else (start, start + len(mark))

    def _gram(self, key: str) -> Span | None:
        """Words in sequence, next to each other if possible; later than the last such n-gram began, if possible."""
        parts = key.split(" ")
        for start in (self.grams.get(len(parts), 0), 0):
            hit = self.joined.find(f" {key} ", start) or self._sequence(parts, start) or self.joined.find(key, start)
            if hit is not None:
                self.grams[len(parts)] = hit[0] + 1
                return hit
        self.lost.add(key)
        return None

    def _sequence(self, parts: Sequence[str], start: int) -> Span | None:
        hits: list[Span] = []
        for part in parts:
            hit = self._nearest(f" {part} ", hits[-1][1] if hits else start)
            if hit is None:
                return None
            hits.append(hit)
        return hits[0][0], hits[-1][1]

    def _widened(self, token: str, hit: Span, least: int) -> Span:
        """With the punctuation that the token itself has at its ends."""
        (start, end), token = hit, token.strip() or token
        inner = [position for position, char in enumerate(token) if _folded(char)] or [0, len(token) - 1]
        before, after = token[: inner[0]], token[inner[-1] + 1 :]
        start -= len(before) if self.source.endswith(before, least, start) else 0
        end += len(after) if self.source.startswith(after, end) else 0
        return start, end


def align(text: str, tokens: Sequence[str]) -> list[Span]:
    """Finds tokens in the text that they were made of.

    Each is found at or after the end of the one before, n-grams excepted. Case, accents and punctuation do not count,
    white space does. Tokens may be words, word pieces (`"##ing"`), characters or n-grams. One that is not there, or
    stands for something else (`"[UNK]"`), is `NOWHERE`, and the search goes on from the same place.

    >>> align("Don't stop!!! I'm #happy :)", ["dont", "stop", "im", "happy"])
    [(0, 5), (6, 10), (14, 17), (19, 24)]
    """
    finder, keys = _Finder(text), [_key(token) for token in tokens]
    single = [bool(key) and " " not in key for key in keys]
    row = list(compress(keys, single))
    nexts = (row[done : done + 3] for done in accumulate(single))
    return [finder.span(*step) for step in zip(tokens, keys, nexts, strict=True)]


def _key(token: str) -> str:
    """What is looked for: the letters of a token, its words apart if it has several."""
    parts = ("".join(map(_folded, part)) for part in _PIECE.sub("", token.strip()).split())
    return " ".join(filter(None, parts))


def word_ids(spans: Sequence[Span], word_spans: Sequence[Span]) -> list[int]:
    """For each token the word with which it shares the most characters, the first of equals; -1 for none."""
    ends = [end for _, end in word_spans]
    ids = []
    for start, end in spans:
        best, most = -1, 0
        for word in range(bisect_right(ends, start), len(ends)):
            if word_spans[word][0] >= end:
                break
            shared = min(end, ends[word]) - max(start, word_spans[word][0])
            best, most = (word, shared) if shared > most else (best, most)
        ids.append(best)
    return ids


def pool_words(values: npt.ArrayLike, ids: Sequence[int], n_words: int, how: How = "sum") -> npt.NDArray[Any]:
    """Pools token values to words.

    Args:
        values: (tokens,) or (tokens, units).
        ids: The word of each token, -1 for none, as `word_ids` gives them.
        n_words: The number of words.
        how: `"sum"`, `"mean"`, or `"max_abs"`: the value that is the largest without its sign.

    Returns:
        (n_words,) or (n_words, units) float32; a word without tokens is 0 for `"sum"`, NaN otherwise.
    """
    given, owner = np.asarray(values, np.float64), np.asarray(ids, np.int64)
    if how not in ("sum", "mean", "max_abs"):
        raise InputError(f'`how` has to be "sum", "mean" or "max_abs". Received: how={how!r}.')
    if given.shape[:1] != owner.shape:
        raise InputError(f"Each value needs one word id. Received: {len(given)} values, {len(owner)} ids.")
    if len(owner) and not -1 <= owner.min() <= owner.max() < n_words:
        raise InputError(f"`ids` have to be from -1 to {n_words - 1}. Received: {owner.min()} to {owner.max()}.")
    given, owner = given[owner >= 0], owner[owner >= 0]
    pooled = np.full((n_words, *given.shape[1:]), 0.0 if how == "sum" else np.nan)
    pooled[owner] = 0
    if how == "max_abs":
        for value, word in zip(given, owner, strict=True):
            pooled[word] = np.where(np.abs(value) > np.abs(pooled[word]), value, pooled[word])
    else:
        np.add.at(pooled, owner, given)
    counts = np.bincount(owner, minlength=n_words) if how == "mean" else np.ones(n_words)
    return (pooled.T / np.maximum(counts, 1)).T.astype(np.float32)
