"""Concepts of words and of texts, against plain Python."""

import numpy as np
import pytest

from kerasintrospect.concepts import find_concepts
from kerasintrospect.errors import InputError, InputTypeError
from kerasintrospect.formulas import parse_formula

WORDS = ["The", "dog", "saw", "the", "Cat", "and", "the", "dog"]
TAGS = ["DET", "NOUN", "VERB", "DET", "NOUN", None, "DET", "NOUN"]


def test_concepts_of_words():
    found = find_concepts(WORDS, TAGS, {"animal": ["dog", "cat", "emu"]}, {"late": np.arange(8) > 5}, min_count=2)
    assert found.names == ("word:the", "word:dog", "label:DET", "label:NOUN", "lexicon:animal", "late")
    assert found.notes == ("4 concepts that hold in fewer than 2 rows are left out.",)
    for name, held in {"word:the": [0, 3, 6], "label:NOUN": [1, 4, 7], "lexicon:animal": [1, 4, 7], "late": [6, 7]}.items():
        assert np.flatnonzero(found.mask(name)).tolist() == held
    assert np.flatnonzero(found.mask(parse_formula("label:NOUN AND NOT word:dog"))).tolist() == [4]
    assert found.to_frame()["count"].tolist() == [3, 2, 3, 3, 3, 2]


def test_concepts_of_texts():
    texts = [["a", "b", "a"], ["b"], [], ("A", "c")]
    found = find_concepts(texts, [["x"], ["x", "y"], None, "y"], min_count=1)
    assert dict(zip(found.names, map(list, found.members), strict=True)) == {
        "word:a": [0, 3], "word:b": [0, 1], "word:c": [3], "label:x": [0, 1], "label:y": [1, 3]}  # fmt: skip
    assert "word:A" in find_concepts(texts, min_count=1, ignore_case=False).names
    assert find_concepts(texts, min_count=1, max_words=1).names == ("word:a",)


def test_some_of_the_rows():
    draws = np.random.default_rng(0)
    found = find_concepts(draws.choice(list("abcd"), 50).tolist(), min_count=1)
    rows = draws.permutation(50)[:20]
    for name in found.names:
        np.testing.assert_array_equal(found.take(rows).mask(name), found.mask(name)[rows])


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, InputError, "none of them"),
        ({"words": []}, InputError, "0 words"),
        ({"words": WORDS, "labels": TAGS[1:]}, InputError, "8 words, 7 labels"),
        ({"words": "The dog"}, InputTypeError, "one entry per row. Received: one str"),
        ({"labels": TAGS, "lexicons": {"a": ["x"]}}, InputError, "give words="),
        ({"words": WORDS, "lexicons": {"a": "x"}}, InputTypeError, "A lexicon is a list of words"),
        ({"masks": {"m": [1, 0]}}, InputTypeError, r"\(n,\) bool. Received: masks\['m'\] of dtype int64"),
        ({"words": WORDS, "masks": {"word:dog": np.ones(8, bool)}, "min_count": 1}, InputError, "two that are called 'word:do"),
        ({"words": WORDS, "min_count": 9}, InputError, "smaller min_count. Received: 5 concepts over 8 rows, min_count=9"),
    ],
)
def test_what_cannot_be_used_is_said(given, error, message):
    with pytest.raises(error, match=message):
        find_concepts(**given)
    with pytest.raises(InputError, match="no such concept"):
        find_concepts(WORDS, min_count=1).mask("word:emu")
