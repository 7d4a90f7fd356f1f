"""Planted units are explained by exactly what was planted; noise does not survive on rows that were held out."""

import numpy as np
import pytest

from kerasintrospect.compositional import explain_neurons
from kerasintrospect.concepts import find_concepts
from kerasintrospect.errors import InputError, InputTypeError
from kerasintrospect.formulas import parse_formula


def corpus(n=3000, seed=0):
    draws = np.random.default_rng(seed)
    share = 1 / np.arange(1, 101)
    words = [f"w{i}" for i in draws.choice(100, n, p=share / share.sum())]
    return find_concepts(words, draws.choice(["NOUN", "VERB", "DET"], n).tolist(), {"few": ["w1", "w2", "w3"]}), draws


PLANTED = ["word:w3", "label:NOUN", "label:NOUN AND NOT word:w0", "label:VERB AND word:w1", "label:VERB OR lexicon:few"]


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_unit_is_explained_by_what_was_planted(planted):
    found, draws = corpus()
    mask = found.mask(parse_formula(planted))
    activation = draws.normal(size=len(mask)) + 20 * mask
    for X, quantile in ((mask, 0.9), (activation, 1 - mask.mean()), (activation.astype(np.float16) - 10, None)):
        (one,) = explain_neurons(X, found, quantile=quantile)
        assert str(one.formula) == planted and one.formula == parse_formula(planted)
        assert one.iou > 0.96 and one.held_out_iou > 0.94 > one.chance_iou + 0.2
        assert one.single_iou == one.iou if len(one.formula) == 1 else one.single_iou < one.iou


def test_noise_does_not_survive_on_held_out_rows():
    found, draws = corpus()
    X = draws.normal(size=(3000, 20))
    frame = explain_neurons(X, found, max_length=5, length_penalty=1.0).to_frame()
    assert (frame["length"] > 1).all() and (frame.iou > 1.25 * frame.held_out_iou).mean() > 0.8
    assert frame.held_out_iou.mean() == pytest.approx(frame.chance_iou.mean(), rel=0.15)
    assert (frame.iou >= frame.single_iou).all()


def test_figures_are_those_of_the_masks():
    found, draws = corpus(800)
    documents = np.arange(800) // 8
    X = draws.normal(size=(800, 3))
    X[:, 0] += 3 * found.mask("word:w0")
    explained = explain_neurons(X, found, documents=documents, held_out=0.25, quantile=0.9)
    assert "Searched in 600 rows; 200 rows held out." in explained.notes
    both = set()
    for k, one in enumerate(explained):  # which documents were searched is found again by the figures
        fires, mask = X[:, k] > one.threshold, found.mask(one.formula)
        counts = [((mask & fires)[rows].sum(), (mask | fires)[rows].sum()) for rows in (slice(None),)]
        assert one.rows == 60 and 0 < fires.sum() - one.rows < 40
        both.add(counts[0][0] / counts[0][1] <= max(one.iou, one.held_out_iou))
    assert both == {True}
    (whole,) = explain_neurons(X, found, units=[0], held_out=0, quantile=0.9)
    fires, mask = X[:, 0] > whole.threshold, found.mask(whole.formula)
    assert whole.iou == pytest.approx((mask & fires).sum() / (mask | fires).sum()) and np.isnan(whole.held_out_iou)


def test_documents_are_held_out_whole():
    """A word that is in one document only cannot explain anything on held-out rows."""
    n = 600
    words = [f"d{i // 20}" for i in range(n)]
    found = find_concepts(words)
    fires = np.isin(np.arange(n) // 20, np.arange(0, 30, 2))
    (one,) = explain_neurons(fires, found, documents=np.arange(n) // 20, max_length=5)
    assert one.iou > 0.2 and one.held_out_iou == 0
    (row,) = explain_neurons(fires, found, max_length=5)
    assert row.held_out_iou > 0.2


def test_units_that_fire_too_seldom_are_skipped_with_the_reason():
    found, draws = corpus(500)
    X = np.stack([np.zeros(500, bool), np.ones(500, bool), np.arange(500) < 20, draws.random(500) < 0.4], 1)
    explained = explain_neurons(X, found)
    reasons = [one.reason for one in explained]
    assert "0 of 350 rows, fewer than min_rows=30" in reasons[0] and "all 350 rows" in reasons[1] and reasons[3] == ""
    assert "3 of 4 units were skipped." in explained.notes and explained[0].formula is None
    assert explained.to_frame()["formula"].notna().tolist() == [False, False, False, True]
    assert "unit 1: it fires" in str(explained)
    constant = explain_neurons(np.full((500, 1), 3.0), found)
    assert "0 of 350" in constant[0].reason
    (apart,) = explain_neurons(np.arange(500) < 200, find_concepts(masks={"a": np.arange(500) >= 300}), held_out=0)
    assert "no concept holds in any of the 200 rows" in apart.reason


def test_many_units_are_searched_as_each_alone():
    found, draws = corpus(600)
    X = draws.normal(size=(600, 7))
    together = explain_neurons(X, found)
    for k in (0, 6):
        assert str(explain_neurons(X, found, units=[k])[0]) == str(together[k])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"quantile": 1.0}, "quantile is between 0 and 1"), ({"beam": 0}, "'beam': 0"), ({"max_length": 0}, "'max_length': 0"),
     ({"length_penalty": 1.5}, "length_penalty above 0"), ({"held_out": 1.0}, "held_out=1.0"), ({"units": [1]}, "from 0 to 0"),
     ({"documents": [0]}, "1 documents for 500 rows"), ({"held_out": 0.9, "documents": [0] * 500}, "Something has to be left"),
     ({"site": "x"}, "goes with an ActivationStore")],
)  # fmt: skip
def test_what_cannot_be_used_is_said(options, message):
    found, draws = corpus(500)
    with pytest.raises(InputError, match=message):
        explain_neurons(draws.normal(size=500), found, **options)


def test_activations_and_concepts_have_to_be_of_the_same_rows():
    found, draws = corpus(500)
    with pytest.raises(InputError, match="400 rows of X, 500 of concepts"):
        explain_neurons(draws.normal(size=400), found)
    with pytest.raises(InputError, match="unit 0"):
        explain_neurons(np.where(np.arange(500) == 3, np.nan, 1.0), found)
    with pytest.raises(InputTypeError, match="an object of type dict"):
        explain_neurons(np.ones(500), {"a": np.ones(500, bool)})
