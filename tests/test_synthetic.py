"""Minimal pairs against scipy and planted units; phrases alone against what a known model makes of them."""

import numpy as np
import pytest
import tiny
from scipy import stats

import kerasintrospect as ki
from kerasintrospect.synthetic import fill_templates, rank_by_pairs, rank_pairs, rank_phrases


def test_templates():
    assert fill_templates(["{} ran", "so {}!"], [("he", "she"), ("a", "b")]) == (
        ["he ran", "a ran", "so he!", "so a!"], ["she ran", "b ran", "so she!", "so b!"])  # fmt: skip
    for templates, pairs, message in ((["ran"], [("a", "b")], "one place"), ("{}", [("a", "b")], "come as lists"),
                                      (["{} {}"], [("a", "b")], "one place"), ([], [("a", "b")], "come as lists")):  # fmt: skip
        with pytest.raises(ki.InputError, match=message):
            fill_templates(templates, pairs)
    with pytest.raises(ki.InputTypeError, match="Received: 'ab'"):
        fill_templates(["{}"], ["ab"])


def test_a_planted_unit_is_first_with_its_sign():
    """Unit 3 is lower with the concept by little but surely; unit 1 varies much with the sentence, in both alike."""
    draws = np.random.default_rng(0)
    Y = draws.normal(size=(60, 8)) * [1, 50, 1, 1, 1, 1, 1, 1]
    X = Y + draws.normal(size=(60, 8)) * 0.3
    X[:, 3] -= 0.5
    found = rank_pairs(X, Y)
    assert found.top(1).tolist() == [3] and found.details["direction"][3] == -1
    expected = stats.ttest_rel(X, Y)
    np.testing.assert_allclose(found.details["t"], expected.statistic)
    np.testing.assert_allclose(found.details["p"], np.minimum(expected.pvalue * 8, 1))
    assert found.order.tolist() == np.argsort(-np.abs(expected.statistic)).tolist()
    assert found.details["agreement"][3] == (X[:, 3] < Y[:, 3]).mean() and "1 of 8 units differ beyond chance" in found.notes[0]
    plain = stats.ttest_ind(X, Y).statistic
    assert np.abs(plain[3]) < np.abs(expected.statistic[3]) / 2  # what the pairs are for


def test_differences_that_never_vary_and_those_that_are_none():
    Y = np.random.default_rng(1).normal(size=(10, 3))
    X = Y + [0.25, 0, 2]
    found = rank_pairs(X, Y)
    assert found.order.tolist() == [2, 0, 1] and found.scores == pytest.approx([1, 0, 1])
    assert found.details["agreement"].tolist() == [1, 0, 1] and found.details["p"][1] == 1
    with pytest.raises(ki.InputError, match="Y of shape"):
        rank_pairs(X, Y[:5])
    with pytest.raises(ki.InputError, match="`Y` holds finite"):
        rank_pairs(X, Y * [1, 1, np.nan])


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def lens(request):
    return ki.wrap(tiny.model(__import__(request.param)))


def test_pairs_through_a_model(lens):
    first, second = fill_templates(["my {} is the bus", "so {}", "{} cake"], [("hate", "love"), ("sad", "happy")])
    found = rank_by_pairs(lens._runner, lens._arrange, first, second, lens._site("classes:in"))
    assert set(found.top(2).tolist()) == {0, 2} and found.details["direction"][[0, 2]].tolist() == [1, -1]
    expected = [np.mean([tiny.MEANING[word][0] for word in text.split()]) for text in (first[0], second[0])]
    gap = lens.activations([first[0], second[0]], "classes:in")["classes:in"][:, 0]
    assert gap == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ki.InputError, match="6 texts and 5 partners"):
        rank_by_pairs(lens._runner, lens._arrange, first, second[1:], lens._site("classes:in"))


def test_phrases_alone(lens):
    """A mean over words: a phrase that is repeated has the mean of its own words."""
    texts = tiny.train()[0]
    found = rank_phrases(lens._runner, lens._arrange, texts, lens._site("classes:in"), 2, k=4, longest=2)
    assert found.rows[0]["phrase"] == "love" and found.rows[0]["activation"] == pytest.approx(1, abs=1e-6)
    values = [np.mean([tiny.MEANING[word][2] for word in text.split()]) for text in texts]
    for row in found.rows:
        assert row["activation"] == pytest.approx(np.mean([tiny.MEANING[w][2] for w in row["phrase"].split()]), abs=1e-6)
        assert row["z"] == pytest.approx((row["activation"] - np.mean(values)) / np.std(values), abs=1e-4)
        assert row["count"] == sum(f" {row['phrase']} " in f" {text} " for text in texts) > 0
        assert len(row["text"].split()) in (2, 3, 4)
    down = rank_phrases(lens._runner, lens._arrange, texts, lens._site("classes:in"), 2, k=2, direction="down")
    assert down.rows[0]["activation"] <= down.rows[-1]["activation"] and len(down.to_frame()) == len(down.rows)
    for options, message in (({"k": 0}, "k=0"), ({"direction": "out"}, "direction='out'"), ({"pool": "sum"}, "pool='sum'")):
        with pytest.raises(ki.InputError, match=message):
            rank_phrases(lens._runner, lens._arrange, texts, lens._site("classes:in"), 2, **options)
    with pytest.raises(ki.InputError, match="units 0 to 3"):
        rank_phrases(lens._runner, lens._arrange, texts, lens._site("classes:in"), 9)


def test_phrases_without_a_token_are_left_out_and_said(lens, recwarn):
    texts = ["love !!! love", "hate the bus", "so ??? love"]
    found = lens.rank_phrases(texts, "classes:in", 2, k=3, longest=2)
    assert not recwarn and {row["phrase"] for row in found.rows} >= {"love", "love !!!"} and found.rows[0]["phrase"] == "love"
    assert not {"!!!", "???"} & {row["phrase"] for row in found.rows}
    assert "phrases hold no token that the model sees and are left out, such as ['!!!']" in found.notes[0]
    assert found.notes[0] in str(found)
    with pytest.raises(ki.InputTypeError, match="options k, longest, direction, pool. Received: top=3"):
        lens.rank_phrases(texts, "classes:in", 2, top=3)
    with pytest.raises(ki.InputTypeError, match="`k` is a whole number"):
        lens.rank_phrases(texts, "classes:in", 2, k=2.5)


def test_only_the_first_phrases_are_printed(lens):
    found = lens.rank_phrases(tiny.train()[0], "classes:in", 2, k=20)
    assert len(found.rows) > 25 and len(str(found).splitlines()) == 22
    assert f"... and {len(found.rows) - 20} more phrases" in str(found)
