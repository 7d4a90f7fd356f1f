"""Near copies among texts: exact in what they find, and fast, since only rare words are compared first.

Two texts are near copies when the Jaccard similarity of their words and pairs of words is at least `least`: the shared
part of the two sets over their union. A text of n such shingles can be that near to another only if the two share one of
its n - ceil(least n) + 1 rarest (prefix filter: Bayardo, Ma and Srikant 2007), so only those are joined, and what is found
is counted in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LEAST", "essence", "group", "links", "shingles", "template"]

Array = npt.NDArray[Any]
LEAST = 0.7  # of the words and pairs of words of two near copies, the share that both have
_BITS = 20
_JOINED = 2**22  # products of one block
_WHO = re.compile(r"https?:?\S*|www\.\S+|@\w+:?|\brt\b", re.IGNORECASE)
_MASKS = ((re.compile(r"https?:?\S*|www\.\S+", re.IGNORECASE), " LINK "), (re.compile(r"@\w+"), " MENTION "),
          (re.compile(r"\d+(?:[.,:]\d+)*"), " NUMBER "))  # fmt: skip
_MARKS = {"LINK", "MENTION", "NUMBER"}


def essence(text: str) -> str:
    """What a text says: its words without links, mentions, RT, case and punctuation; never less than its words."""
    return _words(_WHO.sub(" ", text)) or _words(text) or " ".join(text.split())


def template(text: str) -> str:
    """The words of a text with LINK, MENTION and NUMBER in the place of such; a run of the same counts once."""
    for pattern, mark in _MASKS:
        text = pattern.sub(mark, text)
    found = [word if word in _MARKS else word.casefold() for word in re.findall(r"\w+", text)]
    return " ".join(word for i, word in enumerate(found) if i == 0 or word not in _MARKS or word != found[i - 1])


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def shingles(texts: Sequence[str], key: Callable[[str], str] = essence) -> Any:
    """(m, 2^20) sparse: the words and pairs of neighboring words of each text, hashed; an empty text has none."""
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import HashingVectorizer

    if not len(texts):  # which the vectorizer does not take
        return csr_array((0, 2**_BITS), dtype=np.float32)
    vectorizer = HashingVectorizer(
        n_features=2**_BITS, ngram_range=(1, 2), token_pattern=r"\S+", lowercase=False, binary=True, norm=None,
        alternate_sign=False, dtype=np.float32,
    )  # fmt: skip
    return csr_array(vectorizer.transform([key(text) for text in texts]))


def links(left: Any, right: Any, least: float = LEAST) -> Iterator[tuple[Array, Array, Array]]:
    """All pairs of a row of `left` and a row of `right` that are near copies, block by block.

    Args:
        left: (n, features) sparse, from `shingles`.
        right: (m, features) sparse.
        least: The Jaccard similarity that counts as near.

    Yields:
        (rows of left, rows of right, similarities), sorted by row.
    """
    counts = np.bincount(left.indices, minlength=left.shape[1]) + np.bincount(right.indices, minlength=right.shape[1])
    rare_left, rare_right = _rarest(left, counts, least), _rarest(right, counts, least).T.tocsr()
    sizes = np.diff(left.indptr), np.diff(right.indptr)
    work = rare_left @ np.diff(rare_right.indptr)
    for start, stop in _blocks(work):
        pairs = (rare_left[start:stop] @ rare_right).tocoo()
        rows, columns = pairs.row + start, pairs.col
        near = np.minimum(sizes[0][rows], sizes[1][columns]) >= least * np.maximum(sizes[0][rows], sizes[1][columns])
        rows, columns = rows[near], columns[near]
        shared = _shared(left, right, rows, columns)
        similarity = shared / (sizes[0][rows] + sizes[1][columns] - shared)
        kept = np.flatnonzero(similarity >= least)
        kept = kept[np.lexsort((columns[kept], rows[kept]))]
        yield rows[kept], columns[kept], similarity[kept]


def _rarest(sets: Any, counts: Array, least: float) -> Any:
    """Only the rarest shingles of each row, as many as two near copies cannot both be without."""
    from scipy.sparse import csr_array

    sizes = np.diff(sets.indptr)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((sets.indices, counts[sets.indices], rows))
    place = np.arange(len(order)) - np.repeat(sets.indptr[:-1], sizes)
    kept = order[place < np.repeat(sizes - np.ceil(least * sizes - 1e-9) + 1, sizes)]
    return csr_array((np.ones(len(kept), np.int64), (rows[kept], sets.indices[kept])), shape=sets.shape)


def _blocks(work: Array) -> Iterator[tuple[int, int]]:
    """Stretches of rows, one row at least, whose products are few enough to be held at once."""
    ends, start = np.cumsum(work), 0
    while start < len(work):
        done = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, done + _JOINED, side="right")), start + 1)
        yield start, stop
        start = stop


def _shared(left: Any, right: Any, rows: Array, columns: Array, step: int = 2**16) -> Array:
    parts = [left[rows[i : i + step]].multiply(right[columns[i : i + step]]).sum(1) for i in range(0, len(rows), step)]
    return np.concatenate([np.asarray(part).ravel() for part in parts]) if parts else np.empty(0)


def group(texts: Sequence[str], key: Callable[[str], str] = essence, least: float = LEAST) -> Array:
    """A number per text, the same for near copies and for near copies of near copies; (m,) int.

    The number 0 is that of the first text, 1 that of the first with another number. Empty texts stand alone.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    made = [key(text) for text in texts]
    whole, first, own = np.unique(np.array(made, object), return_index=True, return_inverse=True)
    sets = shingles(whole.tolist(), str)
    label = np.arange(len(whole))
    for rows, columns, _ in links(sets, sets, least):
        joined = coo_array((np.ones(len(rows), bool), (label[rows], label[columns])), shape=(len(whole),) * 2)
        label = connected_components(joined, directed=False)[1][label]
    groups = label[own]
    blank = np.array([not text.strip() for text in made])
    groups[blank] = len(whole) + np.arange(int(blank.sum()))
    _, first, number = np.unique(groups, return_index=True, return_inverse=True)
    numbered: Array = np.argsort(np.argsort(first))[number]
    return numbered
