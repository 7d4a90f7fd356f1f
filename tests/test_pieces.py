"""The arithmetic of spans over many texts gives what the loop over one text gives."""

import json
from pathlib import Path

import numpy as np
import pytest

from kerasintrospect.pieces import of_tokens, of_words, word_of_each
from kerasintrospect.text import NOWHERE, TokenRow, word_ids

CASES = json.loads((Path(__file__).parent / "reference/neurox.json").read_text())["cases"]
RNG = np.random.default_rng(0)


def spans(n, length):
    """Ascending spans, none over another."""
    edges = np.sort(RNG.choice(length + 1, 2 * n, replace=False))
    return [tuple(map(int, pair)) for pair in edges.reshape(-1, 2)]


def text(i):
    """(tokens, words): tokens anywhere, over each other, n-grams and nothing among them."""
    words = spans(int(RNG.integers(0, 8)), 40)
    starts, sizes = RNG.integers(0, 39, i % 9).tolist(), RNG.integers(0, 9, i % 9).tolist()
    return [NOWHERE if i % 5 == k else (a, a + n) for k, (a, n) in enumerate(zip(starts, sizes, strict=True))], words


def test_words_of_many_texts_are_those_of_each():
    texts = [text(i) for i in range(200)]
    flat = [np.array([span for pair in texts for span in pair[k]]).reshape(-1, 2) for k in (0, 1)]
    tokens_of, words_of = (np.array([len(pair[k]) for pair in texts]) for k in (0, 1))
    found = word_of_each(flat[0], tokens_of, flat[1], words_of)
    expected, base = [], 0
    for tokens, words in texts:
        expected += [-1 if word < 0 else base + word for word in word_ids(tokens, words)]
        base += len(words)
    assert found.tolist() == expected and max(expected) > 100


HOW = {"first": lambda rows: rows[0], "last": lambda rows: rows[-1],
       "mean": lambda rows: rows.mean(0), "max": lambda rows: rows.max(0)}  # fmt: skip


@pytest.mark.parametrize("how", HOW)
def test_rows_are_pooled_as_by_hand(how):
    said = "unbelievable things happen in unthinkable ways"
    words = [(0, 12), (13, 19), (20, 26), (27, 29), (30, 41), (42, 46)]
    tokens = [NOWHERE, (0, 2), (2, 9), (9, 12), (13, 19), (20, 24), (24, 26), (30, 32), (32, 41), (42, 46), NOWHERE]
    rows = [TokenRow(("x",) * 11, tuple(tokens)), TokenRow((), ()), TokenRow(("x",) * 3, ((0, 2), (2, 9), (9, 12)))]
    pieces, unseen, cut = of_words(rows, [said] * 3, [words, [], words[:1]])
    assert unseen.tolist() == [3] and not len(cut)
    assert pieces.texts == ["unbelievable", "things", "happen", "unthinkable", "ways", "unbelievable"]
    assert pieces.document.tolist() == [0] * 5 + [2] and pieces.spans[4].tolist() == [42, 46]
    values = RNG.standard_normal((40, 3)).astype(np.float32)
    into = np.full((6, 3), np.nan, np.float32)
    for texts in ([2], [1, 0]):  # in chunks, in any order
        own = pieces.of(np.array(texts))
        pieces.pool(values, own + 7, own, how, into)
    members = [[1, 2, 3], [4], [5, 6], [7, 8], [9], [11, 12, 13]]
    expected = np.stack([HOW[how](values[np.array(row) + 7]) for row in members])
    np.testing.assert_allclose(into, expected, rtol=1e-6)


def test_a_word_that_the_limit_cuts_in_two_is_no_word():
    words = [(0, 4), (5, 12), (13, 15)]
    for truncated, tokens, kept, gone in (
        (True, [(0, 4), (5, 8)], [(0, 4)], [1]), (False, [(0, 4), (5, 8)], [(0, 4), (5, 12)], []),
        (True, [(0, 4), (5, 12)], [(0, 4), (5, 12)], []), (True, [(8, 12), (13, 15)], [(13, 15)], [1]),
        (True, [NOWHERE], [], []),
    ):  # fmt: skip
        row = TokenRow(("x",) * len(tokens), tuple(tokens), truncated)
        pieces, _, cut = of_words([row], ["abcd efghijk lm"], [words])
        assert (list(map(tuple, pieces.spans.tolist())), cut.tolist()) == (kept, gone)


def test_tokens_are_rows_themselves():
    pieces = of_tokens([TokenRow(("a", "b"), ((0, 1), NOWHERE)), TokenRow(("c",), ((3, 4),))])
    assert (pieces.texts, pieces.document.tolist()) == (["a", "b", "c"], [0, 0, 1])
    assert pieces.spans.tolist() == [[0, 1], [-1, -1], [3, 4]]
    into = np.zeros((3, 1))
    pieces.pool(np.arange(9.0)[:, None], np.array([5, 1, 2]), pieces.of(np.array([1, 0])), "first", into)
    assert into.ravel().tolist() == [1, 2, 5]


@pytest.mark.parametrize("case", [case for case in CASES if case["id"].startswith("alignment_")], ids=lambda case: case["id"])
def test_the_words_that_neurox_keeps_of_a_long_text_are_kept(case):
    sizes, limit = case["inputs"]["subwords_per_word"], case["inputs"]["limit"] - case["inputs"]["specials"]
    ends = np.cumsum([size + 1 for size in sizes]) - 1
    words = [(int(end - size), int(end)) for end, size in zip(ends, sizes, strict=True)]
    tokens = [(i, i + 1) for a, b in words for i in range(a, b)][:limit]
    row = TokenRow(("x",) * len(tokens), tuple(tokens), truncated=sum(sizes) > limit)
    pieces, unseen, cut = of_words([row], ["x" * int(ends[-1])], [words])
    assert len(pieces) == case["expected"]["words_returned"] and len(pieces) + len(unseen) + len(cut) == len(sizes)


def test_sub_words_are_aggregated_as_in_neurox():
    case = next(case for case in CASES if case["id"] == "aggregate_last")
    state, span = np.arange(24.0).reshape(3, 4, 2), slice(case["kwargs"]["start"], case["kwargs"]["end"] + 1)
    row = TokenRow(("x",) * 3, ((0, 1), (1, 2), (2, 3)))
    pieces, _, _ = of_words([row], ["abc"], [[(0, 3)]])
    for layer, expected in zip(state, case["expected"], strict=True):
        into = np.zeros((1, 2))
        pieces.pool(layer, np.arange(4)[span], np.arange(3), case["kwargs"]["aggregation"], into)
        assert into.tolist() == [expected]
