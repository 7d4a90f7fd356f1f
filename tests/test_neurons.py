"""Top words against plain loops, a planted word, and what a word seen once must not do."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from kerasintrospect.errors import InputError
from kerasintrospect.neurons import top_words

CASES = json.loads((Path(__file__).parent / "reference/neurox.json").read_text())["cases"]


def planted(n=3000, seed=0):
    """Zipfian words; unit 0 is up at w4 and down at w7, unit 1 is noise."""
    draws = np.random.default_rng(seed)
    share = 1 / np.arange(1, 201)
    words = np.array([f"w{i}" for i in draws.choice(200, n, p=share / share.sum())])
    X = draws.normal(size=(n, 2))
    X[words == "w4", 0] += 3
    X[words == "w7", 0] -= 2
    return X, words


def test_a_planted_word_is_first_in_its_direction():
    X, words = planted()
    found = top_words(X, words, k=3)
    assert found.words(0)[0][0] == "w4" and found.words(0, "down")[0][0] == "w7"
    assert found.words(0)[0][1] > 1 > 0 > -1 > found.words(0, "down")[0][1]
    noise = [abs(score) for direction in ("up", "down") for _, score in found.words(1, direction)]
    assert max(noise, default=0) < 0.2  # a z of rare words, which is above 1, would be
    frame = found.to_frame()
    assert frame.columns.tolist() == ["unit", "direction", "word", "count", "mean", "z", "score", "t"]
    assert len(frame) == len(found.rows)


def test_figures_are_those_of_a_plain_loop():
    X, words = planted(400)
    x = X[:, 0]
    groups = {word: x[words == word] for word in np.unique(words)}
    n, kinds = len(x), len(groups)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups.values()) / (n - kinds)
    spread = sum(len(g) * (g.mean() - x.mean()) ** 2 for g in groups.values()) / (kinds - 1)
    between = (spread - within) / ((n - sum(len(g) ** 2 for g in groups.values()) / n) / (kinds - 1))
    rows = [row for row in top_words(X, words, k=1000, min_count=2).rows if row["unit"] == 0]
    assert sorted(row["word"] for row in rows) == sorted(word for word, g in groups.items() if len(g) > 1)
    for row in rows:
        own, rest = groups[row["word"]], x[words != row["word"]]
        z = (own.mean() - x.mean()) / x.std()
        assert row["z"] == pytest.approx(z) and row["mean"] == pytest.approx(own.mean()) and row["count"] == len(own)
        assert row["score"] == pytest.approx(z * len(own) / (len(own) + within / between))
        assert row["t"] == pytest.approx(stats.ttest_ind(own, rest, equal_var=False).statistic)
        assert row["direction"] == ("up" if row["score"] > 0 else "down")


def test_a_word_seen_once_does_not_lead():
    """In NeuroX it does: its statistic, mean |z| over the largest, knows neither counts nor signs."""
    case = next(one for one in CASES if one["id"] == "top_words")
    x, words = np.array(case["inputs"]["activations"], float), case["inputs"]["tokens"]
    z = np.abs(x - x.mean()) / x.std()
    theirs = {word: np.mean([z[i] for i, other in enumerate(words) if other == word]) for word in words}
    expected = dict(case["expected"])
    assert {word: score / max(theirs.values()) for word, score in theirs.items()} == pytest.approx(expected)
    X, many = planted()
    X[0, 0], many = 8, many.astype(object)
    many[0] = "once"
    (first, _), *others = top_words(X, many, min_count=1).words(0)
    assert first == "w4" and "once" in dict(others) and "once" not in dict(top_words(X, many).words(0))


def test_case_and_units():
    x = np.array([[5.0, 0], [4, 1], [0, 2], [1, 3], [0.5, 1], [4.5, 2]])
    words = ["The", "the", "of", "Of", "of", "THE"]
    assert top_words(x, words, units=[0]).words(0)[0][0] == "the"
    assert {row["unit"] for row in top_words(x, words).rows} <= {0, 1}
    with pytest.raises(InputError, match="No word occurs 4 times.*the most frequent 3 times"):
        top_words(x, words, min_count=4)
    with pytest.raises(InputError, match="No word occurs 2 times"):
        top_words(x, list("abcdef"), min_count=1)


def test_rows_are_such_that_json_holds_them():
    found = top_words(np.repeat([0.0, 1], 10), ["a"] * 10 + ["b"] * 10)
    assert [(row["word"], row["t"]) for row in found.rows] == [("b", None), ("a", None)]
    json.dumps(found.rows, allow_nan=False)
    assert found.to_frame()["t"].isna().all()


def test_units_that_say_nothing_say_so():
    words = ["a", "b"] * 20
    found = top_words(np.stack([np.ones(40), np.repeat([0.0, 1], 20)], 1), words)
    assert found.rows == () and "no more than chance: 0, 1" in found.notes[0]
    assert len(top_words(np.ones(40), ["a"] * 40).rows) == 0
    assert "no more than chance" in str(found) and len(found.to_frame()) == 0
