"""What a probe has to be compared with."""

import re

import numpy as np
import pytest
from probes.planted import cases

from kerasintrospect.controls import by_word, control_labels, doubts, remarks
from kerasintrospect.errors import InputError, InputTypeError

WORDS = [f"w{i % 1000}" for i in range(3000)]
LABELS = np.array([int(i % 1000 % 7 == 0) for i in range(3000)])


@pytest.mark.parametrize("case", cases("control_task"), ids=lambda case: case["id"])
def test_the_control_task_of_neurox(case):
    found = control_labels(WORDS, LABELS, 0, uniform=case["kwargs"]["sample_from"] == "uniform")
    counts = np.bincount(found[:1000], minlength=2)  # of types
    if "min_label_count_below" in case["expected"]:
        assert 90 < counts.min() < case["expected"]["min_label_count_below"]
    else:
        assert counts.max() < case["expected"]["max_label_count_below"]


def test_a_type_has_one_label_that_hangs_on_the_seed():
    found = control_labels(WORDS, LABELS, 0)
    assert (found.reshape(3, 1000) == found[:1000]).all()
    assert (found == control_labels(WORDS, LABELS, 0)).all() and (found != control_labels(WORDS, LABELS, 1)).any()
    assert len(set(control_labels(["To", "to"] * 50, np.arange(100), 0))) == 2
    order = np.random.default_rng(0).permutation(3000)
    assert (control_labels([WORDS[at] for at in order], LABELS[order], 0) == found[order]).all()
    for none in (None, np.nan):
        with pytest.raises(InputError, match=rf"words\[7\]={none}"):
            control_labels([*WORDS[:7], none, *WORDS[8:]], LABELS, 0)
    for wrong in (3, "abc"):
        with pytest.raises(InputTypeError, match="a list with the word of each row"):
            control_labels(wrong, LABELS, 0)
    with pytest.raises(InputError, match="2 words for 3000 rows"):
        control_labels(["a", "b"], LABELS, 0)


def test_a_word_list_by_hand():
    words = ["run", "run", "run", "dog", "the", "run", "cat", "dog"]
    y = np.array([1, 1, 0, 0, 2, 1, 0, 2])
    said, seen = by_word(words, y, np.arange(5), np.arange(5, 8))
    assert said.tolist() == [1, 0, 0]  # run is 1; cat is unknown, so 0, the first of the most frequent; dog is 0
    assert seen == pytest.approx(2 / 3)


FINE = {"metric": "accuracy", "score": 0.9, "error": 0.01, "majority": 0.2, "untrained": 0.6, "control": 0.7, "test": 100,
        "control_error": 0.02, "control_majority": 0.3, "selectivity": 0.2, "word_list": 0.8, "seen": 0.9,
        "units": 40}  # fmt: skip
CURVE = [{"share": 0.1, "top": 0.8, "random": 0.5, "bottom": 0.4, "neurons": 4, "validation": 0.82},
         {"share": 1.0, "top": 0.9, "random": 0.9, "bottom": 0.9, "neurons": 40, "validation": 0.91}]  # fmt: skip
CONCEPTS = [{"concept": "NOUN", "train": 100}]


def test_nothing_speaks_against_a_good_probe():
    assert doubts(FINE, CONCEPTS, CURVE) == []
    unknown = {**FINE, **dict.fromkeys(("untrained", "control", "selectivity", "word_list", "seen"))}
    assert doubts(unknown, CONCEPTS, []) == []


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"majority": 0.895}, "no better than always saying the most frequent class: accuracy 0.900 against 0.895"),
        ({"majority": 0.7, "error": 0.12}, r"Too few test rows \(100\) to tell the probe from .* 0.900 against 0.700"),
        ({"untrained": 0.893}, "random weights does as well: accuracy 0.893 against 0.900"),
        ({"control": 0.87, "selectivity": 0.03}, "drawn at random per word are learned almost as well: 0.870 against 0.900 "
         r"\(always the most frequent of them: 0.300\)"),
        ({"word_list": 0.95}, "A list of the training words .* 0.950 against 0.900; 90% of the test words"),
        ({"metric": "R^2", "majority": 0.9}, "always saying the mean"),
    ],
)
def test_each_doubt_has_its_figures(facts, message):
    (found,) = doubts({**FINE, **facts}, CONCEPTS, CURVE if "error" not in facts else [])
    assert re.search(message, found)
    assert remarks({**FINE, **facts}) == []


def test_random_labels_that_are_mostly_the_same_are_no_memory():
    facts = {**FINE, "control": 0.89, "selectivity": 0.01, "control_majority": 0.87}
    assert doubts(facts, CONCEPTS, CURVE) == []
    assert "score 0.890, no more than always the most frequent of them (0.870)" in remarks(facts)[0]
    assert "selectivity of +0.010 is only that of class sizes" in remarks(facts)[0]


def test_fewer_neurons_that_score_far_better_are_said():
    better = [{**CURVE[0], "top": 0.95, "validation": 0.96}, {**CURVE[1], "validation": 0.9}]
    assert "all 40 neurons overfits: accuracy 0.900, with the first 4 it is 0.950" in doubts(FINE, CONCEPTS, better)[0]
    lucky = [{**CURVE[0], "top": 0.905, "validation": 0.96}]
    assert doubts(FINE, CONCEPTS, lucky) == []


def test_doubts_about_order_and_numbers():
    flat = [{**CURVE[0], "top": 0.505}, {**CURVE[1], "share": 0.5}]  # half of all neurons are not few
    assert "worth no more than random ones: on average +0.005" in doubts(FINE, CONCEPTS, flat)[0]
    unsure = doubts({**FINE, "error": 0.16}, CONCEPTS, CURVE)
    assert unsure == ["Too few test rows (100) to tell whether the neurons ranked first are worth more than random ones: "
                      "on average +0.300 with as many."]  # fmt: skip
    few = [{"concept": "X", "train": 9}, {"concept": "Y", "train": 10}]
    assert doubts(FINE, few, CURVE) == ["Concepts with fewer than 10 training rows, whose neurons are a guess: 'X' (9)."]
    many = [{"concept": at, "train": 1} for at in range(200)]
    assert doubts(FINE, many, CURVE)[0].endswith("8 (1), 9 (1) and 190 more.")
