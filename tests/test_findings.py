"""The tables of an audit, on texts whose faults were planted."""

import numpy as np
import pytest

from kerasintrospect.duplicates import group
from kerasintrospect.findings import Seen, conflicts, holes, leaks, suspects, templates

NAMES = ["no", "yes"]


def seen(texts, labels, vectors=None, scores=None):
    vectors = np.ones((len(texts), 2)) if vectors is None else np.array(vectors)
    scores = np.full((len(texts), 2), 0.5) if scores is None else np.array(scores, float)
    return Seen(texts, None if labels is None else np.array(labels), vectors.astype(np.float32), scores)


def test_suspects_say_who_contradicts():
    witnesses = {
        "model": np.array([[0.9, 0.1], [0.2, 0.8], [np.nan, np.nan]]),
        "held_out": np.array([[0.7, 0.3], [0.1, 0.9], [0.3, 0.7]]),
        "neighbors": np.array([[0.5, 0.5], [0.25, 0.75], [np.nan, np.nan]]),
    }
    table = suspects(["a", "b", "c"], np.array([0, 0, 0]), NAMES, np.array([0.1, 0.9, 0.5]), witnesses, np.array([1, 9, 5]))
    assert table["index"].tolist() == [1, 2, 0] and table["suggested"].tolist() == ["yes", "yes", "no"]
    assert table["model"].tolist()[::2] == [0.2, 0.9] and np.isnan(table["model"][1])
    assert table["self_influence"].tolist() == [0.75, 0.5, 0.25]
    assert table["reason"].tolist() == [
        "The model gives it 20 % and “yes” 80 %; by its wording, the other texts give it 10 % and “yes” 90 %; "
        "of its nearest texts 25 % carry it and 75 % “yes”.",
        "By its wording, the other texts give it 30 % and “yes” 70 %.",
        "",
    ]


def test_copies_with_other_labels():
    texts = ["the bus is late again", "a b", "The bus is late again!", "so so", "RT @x: the bus is late again", "A B", "a b"]
    labels = np.array([1, 0, 0, 1, 1, 0, 1])
    table = conflicts(texts, labels, NAMES, group(texts))
    assert table["index"].tolist() == [0, 2, 4, 1, 5, 6] and table["group"].tolist() == [0, 0, 0, 1, 1, 1]
    assert table["label"].tolist() == ["yes", "no", "yes", "no", "no", "yes"]
    assert table["majority"].tolist() == ["yes"] * 3 + ["no"] * 3 and table["share"].tolist() == [2 / 3] * 6
    assert len(conflicts(texts, np.zeros(7, int), NAMES, group(texts))) == 0


def test_leaks_name_the_nearest_copy():
    train = seen(["one two three four five six", "one two three four five", "nothing else"], [0, 1, 1])
    test = seen(["who knows", "RT @me: one two three four five!", "one two three four"], None)
    table = leaks(train, test, NAMES)
    assert table["index"].tolist() == [1, 2] and table["train_index"].tolist() == [1, 1]
    assert table["similarity"].tolist() == pytest.approx([1, 7 / 9])
    assert table["train_label"].tolist() == ["yes", "yes"] and table["label"].tolist() == [None, None]


def test_holes_are_errors_far_from_all():
    train = seen(["a", "b"], [0, 1], [[1, 0], [0, 1]])
    wrong, right = [0.9, 0.1], [0.1, 0.9]
    vectors = [[-1, 0.1], [-1, -1], [1, 0.1], [-1, 0], [1, -1]]
    test = seen(list("vwxyz"), [1] * 5, vectors, [wrong, wrong, wrong, [np.nan] * 2, right])
    table = holes(train, test, NAMES, 0.5)
    assert table["index"].tolist() == [1, 0]  # the third is near, the fourth has no answer, the fifth is right
    assert table["distance"].tolist() == pytest.approx([1 + np.sqrt(0.5), 1 - 0.1 / np.sqrt(1.01)], abs=1e-6)
    assert table["nearest_text"].tolist() == ["a", "b"] and table["predicted"].tolist() == ["no", "no"]
    assert len(holes(train, test, NAMES, np.inf)) == 0


def test_templates_are_counted_with_their_labels():
    texts = [f"@user{i} get {i * 7} coins here http://t.co/{i}" for i in range(8)] + ["a", "b", "c"] * 2
    table = templates(texts, np.array([0, 1] * 7), NAMES)
    assert table["template"].tolist() == ["MENTION get NUMBER coins here LINK"]
    row = table.iloc[0]
    assert (row["count"], row["share"], row["n_no"], row["n_yes"]) == (8, 8 / 14, 4, 4)
    assert row["indices"] == list(range(8)) and row["example"] == texts[0]
    assert len(templates(["a", "b"], np.array([0, 1]), NAMES)) == 0
