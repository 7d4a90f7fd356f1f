"""Windows of a planted unit from its whole distribution; ties, copies, borders of texts."""

import json

import numpy as np
import pytest

from kerasintrospect.contexts import top_contexts
from kerasintrospect.errors import InputError, InputTypeError


def planted(n=4000, seed=0):
    """Texts of ten words; the unit is up at "fire"."""
    draws = np.random.default_rng(seed)
    words = draws.choice(["fire", *"abcdefghijklmnopqrstuvwxyz"], n, p=[0.02, *[0.98 / 26] * 26])
    return draws.normal(size=n) * 0.1 + 3 * (words == "fire"), words.tolist(), np.arange(n) // 10


def test_a_planted_word_is_on_top_and_the_rest_is_there_too():
    x, words, documents = planted()
    found = top_contexts(x, words, documents, k=4)
    names = [part["bin"] for part in found.bins]
    assert names == ["99-100 %", "90-99 %", "75-90 %", "50-75 %", "25-50 %", "10-25 %", "1-10 %", "0-1 %"]
    assert sum(part["count"] for part in found.bins) == len(x)
    frame = found.to_frame()
    assert (frame[frame.bin == names[0]].word == "fire").all() and (frame[frame.bin != names[0]].word != "fire").sum() > 20
    assert frame[frame.bin == names[0]].value.tolist() == np.sort(x)[::-1][:4].tolist()
    assert frame[frame.bin == names[-1]].value.tolist() == np.sort(x)[:4].tolist()
    for part in found.bins:
        inside = frame[frame.bin == part["bin"]].value
        assert ((inside >= part["low"]) & (inside <= part["high"])).all() and len(inside) == 4
    assert (frame.value.to_numpy() == x[frame.row]).all() and (frame.document.to_numpy() == documents[frame.row]).all()


def test_the_distribution():
    x, words, documents = planted(500)
    found = top_contexts(np.stack([x * 0, x], 1), words, documents, unit=1).distribution
    assert found["mean"] == pytest.approx(x.mean()) and found["std"] == pytest.approx(x.std())
    assert found["share_above_zero"] == (x > 0).mean() and (found["min"], found["max"]) == (x.min(), x.max())
    assert found["quantiles"]["0.9"] == pytest.approx(np.quantile(x, 0.9))
    assert sum(found["histogram"]["counts"]) == found["count"] == 500
    json.dumps(top_contexts(x, words, documents).to_dict())


def test_windows_end_where_texts_end_and_keep_their_blanks():
    text = ["I", "do", "n't", "care", "!", "You", "do"]
    spans = [(0, 1), (2, 4), (4, 7), (8, 12), (12, 13), (0, 3), (4, 6)]
    x = np.array([0.0, 0, 9, 0, 0, 0, -9])
    rows = top_contexts(x, text, [0] * 5 + [1] * 2, spans, window=3).rows
    (top,), (low,) = ([row for row in rows if row["row"] == i] for i in (2, 6))
    assert (top["before"], top["word"], top["after"]) == ("I do", "n't", "care!")
    assert (low["before"], low["word"], low["after"], low["document"]) == ("You", "do", "", 1)
    nowhere = [(-1, -1), *spans[1:4], (-1, -1), *spans[5:]]
    (top,) = (row for row in top_contexts(x, text, [0] * 5 + [1] * 2, nowhere, window=3).rows if row["row"] == 2)
    assert (top["before"], top["after"]) == ("I do", "care !")
    assert [row for row in top_contexts(x, text, window=1).rows if row["row"] == 6][0]["before"] == "You"
    assert [row for row in top_contexts(x, text, window=0).rows if row["row"] == 6][0]["before"] == ""


def test_copies_are_counted_and_shown_once():
    words = ["so", "Good", "today", "so", "good", "today", "so", "good", "now"] * 10
    x = np.array([0.0, 2, 0, 0, 2, 0, 0, 2, 0] * 10) + np.linspace(0, 0.01, 90)
    found = top_contexts(x, words, np.arange(90) // 3, window=1, k=5)
    shown = [(row["word"].lower(), row["after"], row["copies"]) for row in found.rows if row["value"] > 1.9]
    assert sum(copies for *_, copies in shown) == 30
    for part in found.bins:
        windows = [(row["before"], row["word"].lower(), row["after"]) for row in found.rows if row["bin"] == part["bin"]]
        assert len(set(windows)) == len(windows)


def test_ties_share_a_bin_and_are_drawn_by_the_seed():
    x, words, documents = planted()
    found = top_contexts(np.maximum(x, 0), words, documents, k=3)
    assert found.bins[-1]["low"] == found.bins[-1]["high"] == 0
    assert found.bins[-1]["count"] == int((x <= 0).sum())
    same, other = (top_contexts(np.maximum(x, 0), words, documents, k=3, seed=seed) for seed in (0, 1))
    assert same.rows == found.rows != other.rows
    (only,) = top_contexts(np.ones(50), words[:50]).bins
    assert only["count"] == 50 and "one value, 1" in top_contexts(np.ones(50), words[:50]).notes[0]
    assert "one value" in str(top_contexts(np.ones(50), words[:50]))


def test_what_cannot_be_used_is_said():
    x, words, documents = planted(50)
    for options, message in (({"unit": 1}, "from 0 to 0"), ({"k": 0}, "k is at least 1"), ({"window": -1}, "window=-1")):
        with pytest.raises(InputError, match=message):
            top_contexts(x, words, documents, **options)
    for options in ({"unit": [1, 2]}, {"unit": "0"}, {"unit": True}, {"k": 2.5}, {"window": "6"}):
        with pytest.raises(InputTypeError, match="contexts are of one unit"):
            top_contexts(x, words, documents, **options)
    with pytest.raises(InputError, match="NaN or infinity"):
        top_contexts(np.where(x > 0, np.inf, x), words, documents)
