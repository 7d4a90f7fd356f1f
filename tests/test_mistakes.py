"""The facts on mistakes against what the tiny model's weights say."""

import re

import keras
import numpy as np
import pytest
import tiny

import kerasintrospect as ki
from kerasintrospect.labelled import TrainingSet
from kerasintrospect.mistakes import Case, explain
from kerasintrospect.text import words


@pytest.fixture(scope="module")
def lens():
    return ki.wrap(tiny.model(keras), class_names=tiny.NAMES)


def case(lens, texts, labels, train=True):
    found = lens.predict(texts)
    truth = np.array([tiny.NAMES.index(label) for label in labels])
    train_texts, train_labels = tiny.train()
    known = (
        TrainingSet(train_texts, [tiny.NAMES.index(label) for label in train_labels], 3) if train else None
    )
    scores = found.scores.astype(np.float64)
    return Case(list(texts), tiny.NAMES, truth, found.labels, scores, known, list(range(len(texts))))


def scored(predicted, truth, scores=None):
    truth, predicted = np.array(truth), np.array(predicted)
    scores = np.eye(3)[predicted] if scores is None else np.array(scores)
    return Case(["t"] * len(truth), tiny.NAMES, truth, predicted, scores, None, list(range(len(truth))))


def test_the_worst_has_the_highest_loss_and_equals_keep_their_order():
    scores = [[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.9, 0.05, 0.05], [0.0, 1.0, 0.0]]
    found = scored([0, 1, 0, 0, 1], [1, 1, 1, 2, 0], scores)
    assert found.worst(9) == [4, 3, 0, 2]
    assert found.worst(2) == [4, 3]
    assert found.losses[3] == pytest.approx(-np.log(0.05))
    assert np.isfinite(found.losses).all()


def test_attribution_toward_both_classes_is_what_the_weights_say(lens):
    text, label = "Wicked! so wicked, wicked", "positive"
    (fact,), _, notes = explain(lens, case(lens, [text], [label]), [0], 5, None, "integrated_gradients")
    assert [text[w["start"] : w["end"]] for w in fact["words"]] == [text[a:b] for a, b in words(text)]
    for word in fact["words"]:
        meaning = tiny.MEANING.get(text[word["start"] : word["end"]].lower(), (0, 0, 0, 0))
        assert word["predicted"] == pytest.approx(8 * meaning[0] / 4, abs=1e-4)  # four words, scaled by 8
        assert word["true"] == pytest.approx(8 * meaning[2] / 4, abs=1e-4)
    assert (fact["n_words"], fact["n_unknown"], notes) == (4, 0, [])
    assert abs(fact["delta"]) < 1e-3


def test_unknown_words_are_flagged_where_they_stand(lens):
    text = "zyx qwv hate xkcd"
    (fact,), _, _ = explain(lens, case(lens, [text], ["positive"]), [0], 5, None, "integrated_gradients")
    assert [word["unknown"] for word in fact["words"]] == [True, True, False, True]
    assert (fact["n_words"], fact["n_unknown"]) == (4, 3)
    (fact,), _, _ = explain(lens, case(lens, ["zyx! hate"], ["positive"]), [0], 5, None, "saliency")
    assert [word["unknown"] for word in fact["words"]] == [True, False, False]
    assert (fact["n_words"], fact["n_unknown"]) == (2, 1)


def vector(text):
    return np.mean([tiny.MEANING[word.strip("!,").lower()] for word in text.split()], axis=0)


def distances(text):
    """Cosine distances from a text to every training text, by hand."""
    mine, others = vector(text), [vector(other) for other in tiny.train()[0]]
    return np.array([1 - mine @ other / np.linalg.norm(mine) / np.linalg.norm(other) for other in others])


def test_neighbors_are_those_of_a_plain_loop(lens):
    text, k = "great so happy my cake", 7
    (fact,), site, _ = explain(lens, case(lens, [text], ["neutral"]), [0], k, None, "integrated_gradients")
    train, labels = tiny.train()
    expected = distances(text)
    found = [neighbor["distance"] for neighbor in fact["neighbors"]]
    assert found == pytest.approx(sorted(expected)[:k], abs=1e-5)
    for neighbor in fact["neighbors"]:
        assert expected[neighbor["index"]] == pytest.approx(neighbor["distance"], abs=1e-5)
        assert neighbor["text"] == train[neighbor["index"]]
        assert tiny.NAMES[neighbor["label"]] == labels[neighbor["index"]]
        shared = {neighbor["text"][a:b] for a, b in neighbor["shared"]}
        assert shared == {word for word in neighbor["text"].split() if word in text.split()} - COMMON
    assert fact["neighbor_labels"] == [0, 0, k]
    assert site == "embedding"


COMMON = {"my", "so", "great", "happy", "cake"} & {
    word
    for word in tiny.MEANING
    if sum(word in text.split() for text in tiny.train()[0]) > 0.05 * len(tiny.train()[0])
}


@pytest.mark.parametrize("kind", tiny.wrong())
def test_each_planted_mistake_gets_its_verdict(lens, kind):
    right, labels = tiny.right()
    text, label = tiny.wrong()[kind]
    found = case(lens, [*right, text], [*labels, label])
    assert found.worst(9) == [len(right)]
    (fact,), _, _ = explain(lens, found, found.worst(9), 5, None, "integrated_gradients")
    assert fact["verdict"]["kind"] == kind


def test_near_is_measured_on_texts_that_are_right(lens):
    right, labels = tiny.right()
    text, label = tiny.wrong()["nothing-near"]

    def said(texts, labels):
        found = case(lens, texts, labels)
        (fact,), _, _ = explain(lens, found, found.worst(1), 5, None, "saliency")
        return re.search(r"95 % of the (.*) have one within ([\d.e-]+)\.", fact["verdict"]["text"]).groups()

    def limit(texts):
        """What 95 % of them stay within, twins not counted."""
        return np.percentile([min(d for d in distances(text) if d > 1e-6) for text in texts], 95)

    whose, figure = said([*right, text], [*labels, label])
    assert whose == "texts that the model gets right"
    assert float(figure) == pytest.approx(limit(right), rel=0.02)
    # Where few are right, the training texts themselves are the measure.
    whose, figure = said([text], [label])
    assert whose == "training texts"
    assert float(figure) == pytest.approx(limit(tiny.train()[0]), rel=0.02)


def test_the_site_can_be_chosen(lens):
    text, label = tiny.wrong()["suspect-label"]
    _, site, _ = explain(lens, case(lens, [text], [label]), [0], 5, "classes:in", "saliency")
    assert site == "classes:in"


def test_without_a_training_set_there_are_no_neighbors(lens):
    text, label = tiny.wrong()["suspect-label"]
    (fact,), site, _ = explain(lens, case(lens, [text], [label], train=False), [0], 5, None, "saliency")
    assert (fact["neighbors"], fact["neighbor_labels"], site) == ([], [0, 0, 0], "")
    assert fact["verdict"]["kind"] == "no-training-set"
    assert fact["delta"] is None  # saliency promises no sum


def test_the_teachers_are_those_whose_gradients_agree(lens):
    text, label = "Wicked! so wicked, wicked", "positive"
    found = case(lens, [text], [label])
    (fact,), _, _ = explain(lens, found, [0], 5, None, "saliency", suspects={0, 1})
    scores = lens.influence(*tiny.train(), method="gradient_cosine").scores([text], found.predicted.tolist())[0]
    best = np.argsort(-scores, kind="stable")[:3]
    assert [teacher["influence"] for teacher in fact["teachers"]] == pytest.approx(scores[best], abs=1e-5)
    assert all(teacher["label"] == fact["predicted"] == 0 for teacher in fact["teachers"])
    assert all(teacher["suspect"] == (teacher["index"] in {0, 1}) for teacher in fact["teachers"])
    assert all(teacher["text"] == tiny.train()[0][teacher["index"]] for teacher in fact["teachers"])


def test_a_mistake_taught_by_suspects_is_called_so(lens):
    found = case(lens, ["Wicked! so wicked, wicked"], ["positive"])
    everyone = set(range(len(found.train)))
    (fact,), _, _ = explain(lens, found, [0], 5, None, "saliency", suspects=everyone)
    assert all(teacher["suspect"] for teacher in fact["teachers"]) and len(fact["teachers"]) == 3
    assert fact["verdict"]["kind"] == "taught-by-suspects"
    (fact,), _, _ = explain(lens, found, [0], 5, None, "saliency")
    assert fact["verdict"]["kind"] != "taught-by-suspects"
