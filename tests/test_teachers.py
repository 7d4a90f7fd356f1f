"""Teachers are the proponents of the library's own influence; a model that has none is noted."""

import keras
import numpy as np
import pytest
import tiny

import kerasintrospect as ki
from kerasintrospect.labelled import TrainingSet
from kerasintrospect.teachers import METHOD, teachers

TEXTS, LABELS = tiny.train()
IDS = [tiny.NAMES.index(label) for label in LABELS]
TRAIN = TrainingSet(TEXTS, IDS, 3)


def test_they_are_the_strongest_proponents_of_the_prediction():
    lens = ki.wrap(tiny.model(keras), class_names=tiny.NAMES)
    (found,), notes = teachers(lens, TRAIN, ["hate the queue"], np.array([0]), {3, 4}, k=5)
    expected = lens.influence(TEXTS, LABELS, method=METHOD).query(["hate the queue"], ["negative"], k=5).proponents
    assert [fact["index"] for fact in found] == expected.indices[0].tolist() and notes == []
    assert [fact["influence"] for fact in found] == pytest.approx(expected.scores[0], abs=1e-6)
    assert [fact["suspect"] for fact in found] == [fact["index"] in {3, 4} for fact in found]


def test_a_model_without_gradients_is_noted():
    lens = ki.wrap(lambda texts: np.full((len(texts), 3), 1 / 3), class_names=tiny.NAMES)
    found, (note,) = teachers(lens, TRAIN, ["hate"], np.array([0]), ())
    assert found == [[]] and note.startswith("No influence of training texts is shown:")
