"""Labelled texts: every fault of theirs is told in one sentence, and what a training set knows of a text is right."""

import re

import numpy as np
import pandas as pd
import pytest

from kerasintrospect.errors import InputError, InputTypeError
from kerasintrospect.labelled import TrainingSet, class_ids, paired, positive, strings

NAMES = ["neg", "pos"]


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        ([], InputError, "at least one text. Received: texts=[]"),
        ("one text", InputTypeError, "a list of texts. Received: texts='one text'"),
        (None, InputTypeError, "a list of texts. Received: texts=None"),
        (["a", None], InputTypeError, "texts[1]=None (of type NoneType)"),
        (["a", float("nan")], InputTypeError, "texts[1]=nan (of type float)"),
        (["a", b"b"], InputTypeError, "texts[1]=b'b' (of type bytes)"),
    ],
)
def test_texts_are_a_list_of_strings(texts, error, message):
    with pytest.raises(error, match=re.escape(message)):
        strings(texts, "texts", [])


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series])
def test_any_sequence_of_strings_will_do(kind):
    assert strings(kind(["a", "b"]), "texts", []) == ["a", "b"]


def test_empty_and_broken_texts_are_kept_and_told():
    notes = []
    assert strings(["", " \n", "half \ud83d", "whole 👍"], "texts", notes) == [
        "",
        " \n",
        "half \ufffd",
        "whole 👍",
    ]
    assert notes == [
        "2 of `texts` are empty.",
        "1 of `texts` is no valid Unicode; half characters were replaced by \ufffd.",
    ]


def test_there_is_one_label_for_each_text():
    assert paired(["a", "b"], np.array([0, 1])) == [0, 1]
    with pytest.raises(InputError, match="Received: 2 texts, 1 labels"):
        paired(["a", "b"], [0])
    with pytest.raises(InputTypeError, match="Received: labels=None"):
        paired(["a"], None)


@pytest.mark.parametrize(
    "labels", [[0, 1, 1], np.array([0, 1, 1], np.uint8), [0.0, 1.0, True], ["neg", "pos", "pos"]]
)
def test_labels_are_indices_or_names(labels):
    ids = class_ids(labels, NAMES, True, "labels")
    assert ids.dtype == np.int64 and ids.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (2, "from 0 to 1 or one of 'neg', 'pos'. Received: labels[1]=2."),
        (-1, "Received: labels[1]=-1."),
        (0.5, "Received: labels[1]=0.5."),
        (float("nan"), "Received: labels[1]=nan."),
        (None, "Received: labels[1]=None."),
        ([0, 1], "Received: labels[1]=[0, 1]."),
        ("meh", "one of 'neg', 'pos'. Received: labels[1]='meh'."),
        ("x" * 500, "xxx...."),
    ],
)
def test_a_label_that_is_no_class_is_named_with_its_place(label, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        class_ids([0, label], NAMES, True, "labels")
    assert len(str(caught.value)) < 250


def test_labels_in_words_need_class_names():
    with pytest.raises(
        InputError, match=r"Labels in words need class names.*wrap\(model, class_names=\[...\]\)"
    ):
        class_ids(["neg"], ["0", "1"], False, "labels")


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "5", None])
def test_counts_are_positive(number):
    with pytest.raises(InputError, match=f"`k` has to be an integer of at least 1. Received: k={number!r}"):
        positive(k=number)
    positive(k=1, other=np.int64(3))


def test_twins_are_found_whatever_their_case_and_white_space():
    train = TrainingSet(["So  Happy", "so happy", "so happy!", "SO HAPPY\n"], [0, 1, 0, 1], 2)
    assert train.twins(" so happy ") == {0: 1, 1: 2}
    assert train.twins("unhappy") == {}
    assert (len(train), train.counts) == (4, [2, 2])


def test_shared_words_are_those_that_not_everybody_uses():
    texts = ["the #Cake is a lie", *(f"the number {i} is it" for i in range(200))]
    train = TrainingSet(texts, [0] * 201, 1)
    spans = train.shared("The cake, the LIE!", 0)
    assert [texts[0][a:b] for a, b in spans] == ["#Cake", "lie"]


def test_in_a_small_training_set_few_words_are_common():
    train = TrainingSet(["the cake", "the pie"], [0, 1], 2)
    assert train.shared("the cake", 0) == [(0, 3), (4, 8)]


def test_punctuation_is_not_shared():
    assert TrainingSet(["why ?!"], [0], 1).shared("what ?!", 0) == []


def test_texts_of_like_wording_come_in_the_order_of_their_cosine():
    train = TrainingSet(["red apple", "red apple pie", "blue sky", "red", "!!"], [0, 1, 2, 3, 4], 5)
    assert train.of_like_wording(["red apple", "sky", "green", ""]) == [[0, 1, 3], [2], [], []]
    assert train.of_like_wording(["red apple"], k=2) == [[0, 1]]
    assert train.of_like_wording([]) == []


def test_a_training_set_without_words_has_no_like_wording():
    assert TrainingSet(["!!", ""], [0, 1], 2).of_like_wording(["a", "!!"]) == [[], []]
