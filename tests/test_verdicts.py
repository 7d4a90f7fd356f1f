"""Each verdict from evidence written by hand, its figures in its words, and which one wins."""

import pytest

from kerasintrospect.verdicts import KINDS, RULES, Evidence, verdict

NAMES = ["neg", "neu", "pos"]
LIKE_THE_MODEL = {"neighbor_labels": [2, 2, 2, 2, 0], "distances": [0.1] * 5, "wording": [2] * 9 + [0]}


def judge(**more):
    """The verdict on a text labelled neg and predicted pos, with a balanced training set."""
    given = {"label": 0, "predicted": 2, "scores": [0.2, 0.1, 0.7], "class_names": NAMES, "n_words": 8}
    given |= {"train_counts": [50, 50, 50], "limit": 0.3, "limit_of": "texts that the model gets right"}
    return verdict(Evidence(**{**given, **more}))


CASES = {
    "no-words": ({"n_words": 0}, "no words"),
    "duplicate-with-other-label": ({"twins": {2: 2, 1: 1}}, "as “neu” (once) and “pos” (twice)"),
    "duplicate-with-this-label": ({"twins": {0: 3}}, "this very label, “neg” (3 times)"),
    "class-not-in-training": (
        {"train_counts": [0, 9, 9], **LIKE_THE_MODEL},
        "No training text carries the label “neg”",
    ),
    "mostly-unknown-words": ({"n_unknown": 4, **LIKE_THE_MODEL}, "4 of its 8 words are unknown"),
    "no-training-set": ({"train_counts": ()}, "No training set was given"),
    "nothing-near": (
        {**LIKE_THE_MODEL, "distances": [0.31] * 5},
        "at distance 0.31, while 95 % of the texts that the model gets right have one within 0.3",
    ),
    "taught-by-suspects": (
        {"teachers": [2, 2, 2], "suspects": 2, **LIKE_THE_MODEL},
        "Of the 3 training texts whose influence made the model say “pos” most, 2 seem to be labelled wrongly",
    ),
    "common-class": (
        {"train_counts": [5, 5, 90], **LIKE_THE_MODEL},
        "4 of the 5 nearest training texts carry “pos”",
    ),
    "suspect-label": (
        LIKE_THE_MODEL,
        "of the 10 with the most words in common 1 carries “neg”: suspect the label",
    ),
    "neighborhood-agrees-with-model": (
        {**LIKE_THE_MODEL, "wording": [2] * 8 + [0] * 2},
        "but of the 10 with the most words in common 2 carry “neg”",
    ),
    "neighborhood-agrees-with-label": (
        {"neighbor_labels": [0] * 5, "distances": [0.1] * 5},
        "All 5 nearest training texts carry “neg”, as this one does",
    ),
    "neighborhood-elsewhere": (
        {"neighbor_labels": [1, 1, 1, 1, 0], "distances": [0.1] * 5},
        "carry “neu”, neither",
    ),
    "neighborhood-split": (
        {"neighbor_labels": [2, 0, 2, 1, 0], "distances": [0.1] * 5},
        "of the 5 nearest training texts 2 “neg”, 2 “pos”, 1 “neu”.",
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_each_cause_has_its_verdict(kind):
    evidence, said = CASES[kind]
    found = judge(**evidence)
    assert (found.kind, found.title) == (kind, KINDS[kind])
    assert said in found.text


def test_every_kind_has_a_case_here():
    assert list(CASES) == list(KINDS)


def test_what_settles_the_question_comes_first():
    everything = {
        "twins": {2: 1},
        "train_counts": [0, 0, 5],
        "n_unknown": 8,
        **LIKE_THE_MODEL,
        "distances": [9.0] * 5,
    }
    assert judge(**everything).kind == "duplicate-with-other-label"
    assert [kind for kind, _, rule in RULES if rule.__name__ in ("_hole", "_suspect", "_split")] == [
        "nothing-near",
        "suspect-label",
        "neighborhood-split",
    ]


@pytest.mark.parametrize(
    ("votes", "k", "agree"), [(4, 5, True), (3, 5, False), (3, 4, True), (2, 3, False), (1, 1, True)]
)
def test_three_quarters_of_the_neighbors_agree(votes, k, agree):
    labels = [2] * votes + [0] * (k - votes)
    found = judge(neighbor_labels=labels, distances=[0.1] * k, wording=[2] * 10)
    assert (found.kind == "suspect-label") is (agree and k > 1)
    if k == 1:  # one neighbor of a third of the training set is chance
        assert found.kind == "common-class"


def test_neighbors_of_a_common_class_are_no_evidence():
    # Five of five carry a class that four fifths of all texts carry: 0.8 ** 5 = 0.33 by chance.
    five = {"neighbor_labels": [2] * 5, "distances": [0.1] * 5, "wording": [2] * 10}
    assert judge(train_counts=[10, 10, 80], **five).kind == "common-class"
    assert "so do 80 % of all training texts" in judge(train_counts=[10, 10, 80], **five).text
    assert judge(train_counts=[20, 20, 60], **five).kind == "suspect-label"


def test_neighbors_alone_do_not_make_a_label_suspect():
    alone = {**LIKE_THE_MODEL, "wording": []}
    assert judge(**alone).kind == "neighborhood-agrees-with-model"
    assert "none shares a word with it" in judge(**alone).text


@pytest.mark.parametrize(
    ("limit", "kind"), [(None, "suspect-label"), (0.1, "suspect-label"), (0.0999, "nothing-near")]
)
def test_near_is_a_distance_up_to_the_limit(limit, kind):
    assert judge(limit=limit, **LIKE_THE_MODEL).kind == kind


@pytest.mark.parametrize(
    ("neighbors", "lean"),
    [
        ([2, 2, 2, 0, 0], "leans to the prediction"),
        ([0, 0, 0, 2, 2], "leans to the label"),
        ([0, 0, 2, 2, 1], None),
    ],
)
def test_a_split_neighborhood_may_lean(neighbors, lean):
    text = judge(neighbor_labels=neighbors, distances=[0.1] * 5).text
    assert ("leans" in text) == (lean is not None) and (lean or "") in text


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([0.02, 0.0, 0.98], "The model is sure of itself (0.98)."),
        ([0.0, 0.0, 1.0], "The model is sure of itself (0.99)."),
        ([0.41, 0.1, 0.49], "The model itself is undecided (0.49 against 0.41)."),
    ],
)
def test_the_model_s_own_doubt_is_told(scores, said):
    assert judge(scores=scores, **LIKE_THE_MODEL).text.endswith(said)


def test_unknown_words_are_told_when_they_are_few():
    assert judge(n_unknown=1, **LIKE_THE_MODEL).text.endswith("1 of its 8 words is unknown to the model.")
    assert judge(n_unknown=2, **LIKE_THE_MODEL).text.endswith("2 of its 8 words are unknown to the model.")
