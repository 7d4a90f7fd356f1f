"""What a probe has to be compared with."""

import re

import numpy as np
import pytest
from probes.planted import cases

from kerasintrospect.controls import by_word, control_labels, doubts
from kerasintrospect.errors import InputError

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
    with pytest.raises(InputError, match="2 words for 3000 rows"):
        control_labels(["a", "b"], LABELS, 0)


def test_a_word_list_by_hand():
    words = ["run", "run", "run", "dog", "the", "run", "cat", "dog"]
    y = np.array([1, 1, 0, 0, 2, 1, 0, 2])
    accuracy, seen = by_word(words, y, np.arange(5), np.arange(5, 8))
    assert accuracy == seen == pytest.approx(2 / 3)  # run is 1; cat is unknown, so 0, the first of the most frequent; dog is 0
    assert by_word(words, y, np.arange(5), np.array([5]))[0] == 1


FINE = {"metric": "accuracy", "score": 0.9, "error": 0.01, "majority": 0.2, "untrained": 0.6, "control": 0.7,
        "selectivity": 0.2, "word_list": 0.8, "seen": 0.9}  # fmt: skip
CURVE = [{"share": 0.1, "top": 0.8, "random": 0.5, "bottom": 0.4}, {"share": 1.0, "top": 0.9, "random": 0.9, "bottom": 0.9}]
CONCEPTS = [{"concept": "NOUN", "train": 100}]


def test_nothing_speaks_against_a_good_probe():
    assert doubts(FINE, CONCEPTS, CURVE) == []
    unknown = {**FINE, **dict.fromkeys(("untrained", "control", "selectivity", "word_list", "seen"))}
    assert doubts(unknown, CONCEPTS, []) == []


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"majority": 0.885}, "no better than always saying the most frequent class: accuracy 0.900 against 0.885"),
        ({"untrained": 0.893}, "random weights does as well: accuracy 0.893 against 0.900"),
        ({"control": 0.87, "selectivity": 0.03}, "drawn at random per word are learned almost as well: 0.870 against 0.900"),
        ({"word_list": 0.95}, "A list of the training words .* 0.950 against 0.900; 90% of the test words"),
        ({"metric": "R^2", "majority": 0.9}, "always saying the mean"),
    ],
)
def test_each_doubt_has_its_figures(facts, message):
    (found,) = doubts({**FINE, **facts}, CONCEPTS, CURVE)
    assert re.search(message, found)


def test_doubts_about_order_and_numbers():
    flat = [{"share": 0.1, "top": 0.505, "random": 0.5, "bottom": 0.4}]
    flat.append({"share": 0.5, "top": 0.9, "random": 0.5, "bottom": 0.4})  # half of all neurons are not few
    assert "worth no more than random ones: on average +0.005" in doubts(FINE, CONCEPTS, flat)[0]
    few = [{"concept": "X", "train": 9}, {"concept": "Y", "train": 10}]
    assert doubts(FINE, few, CURVE) == ["Concepts with fewer than 10 training rows, whose neurons are a guess: 'X' (9)."]
