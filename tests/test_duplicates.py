"""Near copies against a plain loop over all pairs."""

import numpy as np
import pytest

from kerasintrospect import duplicates
from kerasintrospect.duplicates import essence, group, links, shingles, template


def random_texts(n, seed, words=12, length=9):
    """Few words, so that many texts are alike; some are copies with one word changed, some are blank."""
    rng = np.random.default_rng(seed)
    vocabulary = [f"w{i}" for i in range(words)]
    texts = [" ".join(rng.choice(vocabulary, rng.integers(1, length))) for _ in range(n)]
    texts += [text.replace("w1", "w2") + " w3" for text in texts[: n // 3]]
    return [*texts, "", "  ", *texts[:5]]


def plain_sets(texts):
    made = [essence(text).split() for text in texts]
    return [{*words, *zip(words, words[1:], strict=False)} for words in made]


def plain_pairs(left, right, least):
    found = {}
    for i, a in enumerate(plain_sets(left)):
        for j, b in enumerate(plain_sets(right)):
            if a and b and len(a & b) / len(a | b) >= least:
                found[i, j] = len(a & b) / len(a | b)
    return found


@pytest.mark.parametrize("least", [0.3, 0.5, 0.7, 0.9, 1.0])
def test_every_near_copy_is_found_and_nothing_else(least):
    left, right = random_texts(60, 0), random_texts(80, 1)
    blocks = list(links(shingles(left), shingles(right), least))
    found = {(i, j): s for rows, columns, similar in blocks for i, j, s in zip(rows, columns, similar, strict=True)}
    expected = plain_pairs(left, right, least)
    assert found.keys() == expected.keys() and len(expected) > 3
    assert found == pytest.approx(expected)


def test_blocks_change_nothing(monkeypatch):
    sets = shingles(random_texts(60, 2))
    whole = list(links(sets, sets, 0.5))
    monkeypatch.setattr(duplicates, "_JOINED", 50)
    parts = list(links(sets, sets, 0.5))
    assert len(parts) > 10 > len(whole)
    for one, other in zip(zip(*whole, strict=True), zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(one), np.concatenate(other))


@pytest.mark.parametrize("joined", [50, 2**22])
def test_groups_are_those_that_pairs_connect(monkeypatch, joined):
    monkeypatch.setattr(duplicates, "_JOINED", joined)
    texts = random_texts(70, 3)
    expected = list(range(len(texts)))
    for i, j in plain_pairs(texts, texts, 0.7):
        expected = [expected[i] if label == expected[j] else label for label in expected]
    found = group(texts)
    together = found[:, None] == found
    np.testing.assert_array_equal(together, np.array(expected)[:, None] == np.array(expected))
    assert 1 < together.sum(1).max() < len(texts) and set(found) == set(range(found.max() + 1))


@pytest.mark.parametrize("texts", [[""], ["", " "], ["!", "?"], ["a"], ["a", "b"]])
def test_few_texts(texts):
    assert group(texts).tolist() == list(range(len(texts)))


def test_what_a_text_says():
    assert essence("RT @me: Look, HERE! https://t.co/x1 @you") == "look here"
    assert essence("@me https://t.co/x") == "me https t co x"  # there is nothing else
    assert essence("<3") == "3" and essence(" :) ") == ":)"
    assert group(["RT @a: it is so, here https://t.co/1", "It is so here! @b", "it is not so here"]).tolist() == [0, 0, 1]


def test_templates_mask_what_varies():
    assert template("@a @b I made 3 cakes, 4.50 each: http://t.co/x http://t.co/y") == (
        "MENTION i made NUMBER cakes NUMBER each LINK"
    )
    assert template("HA HA link") == "ha ha link"
    assert template("") == ""
