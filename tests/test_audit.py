"""An audit of the tiny model's training set with planted faults, in both Keras families."""

import importlib
import json

import numpy as np
import pytest
import tiny

import kerasintrospect as ki
from kerasintrospect.audit import audit
from kerasintrospect.errors import InputError, InputTypeError, UnsupportedError
from kerasintrospect.suspicion import percentiles

FLIPPED = {3: 1, 20: 2, 60: 2, 75: 0, 110: 0, 130: 1}  # row of tiny.train() -> a wrong class
COPIES = ["my queue is so awful the queue is sad", "My QUEUE is so awful: the queue is sad! https://t.co/x"]
OFFER = [f"@user{i} get the cake {i} times, great: http://t.co/{i}" for i in range(6)]
LEAK = "RT @you: the phone is so my door so bus"


def planted():
    """(texts, labels) of the training set: wrong labels, a copy with another label, a template."""
    texts, labels = tiny.train()
    texts, ids = texts[:144], [tiny.NAMES.index(label) for label in labels[:144]]
    for row, wrong in FLIPPED.items():
        ids[row] = wrong
    return [*texts, *COPIES, *OFFER, LEAK[9:]], [*ids, 0, 1, *[2] * 6, 1]


def tested():
    return [*tiny.right()[0], LEAK, "the comet", "zyx"], [*tiny.right()[1], "neutral", "negative", "positive"]


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def lens(request):
    return ki.wrap(tiny.model(importlib.import_module(request.param)), class_names=tiny.NAMES)


@pytest.fixture(scope="module")
def found(lens):
    return audit(lens, *planted(), *tested(), k=5)


def test_wrong_labels_come_first(found):
    table, (texts, labels) = found.suspects, planted()
    first = table.head(len(FLIPPED) + 1)
    assert set(first["index"]) == {*FLIPPED, 145}
    for row in first.to_dict("records"):
        truth = 0 if row["index"] == 145 else row["index"] // 48
        assert (row["label"], row["suggested"]) == (tiny.NAMES[labels[row["index"]]], tiny.NAMES[truth])
        assert row["reason"].startswith("The model gives it ") and f"“{tiny.NAMES[truth]}”" in row["reason"]
    assert sorted(table["index"]) == list(range(len(texts))) and found.to_frame() is table
    np.testing.assert_array_equal(found.scores[table["index"]], table["suspicion"])
    assert (np.diff(table["suspicion"]) <= 0).all() and found.scores.min() > 0 and found.scores.max() < 1


def test_the_witnesses_are_what_they_say(found, lens):
    texts, labels = planted()
    table = found.suspects.sort_values("index")
    own = lens.predict(texts).scores[np.arange(len(texts)), labels]
    np.testing.assert_allclose(table["model"], own, atol=1e-6)
    both = [percentiles(-np.log(np.clip(table[name], 1e-7, 1)).to_numpy()) for name in ("model", "held_out")]
    np.testing.assert_allclose(np.mean(both, 0), found.scores)
    vectors = lens.activations(texts, "embedding", pool="mean")["embedding"].astype(float)
    scaled = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for i in (0, 60, 100):
        distances = 1 - scaled @ scaled[i]
        distances[i] = np.inf
        limit = np.sort(distances)[4]  # of equals the first are taken
        nearest = np.lexsort((np.arange(len(texts)), np.round(distances, 9)))[:5]
        assert distances[nearest].max() == pytest.approx(limit)
        assert table["neighbors"].iloc[i] == np.mean(np.array(labels)[nearest] == labels[i])


def test_self_influence_is_that_of_the_last_layer(found, lens):
    import tensorflow as tf

    texts, labels = planted()
    dense = lens.model.get_layer("classes")
    norms = []
    for h, label in zip(lens.activations(texts, "classes:in")["classes:in"], labels, strict=True):
        with tf.GradientTape() as tape:
            loss = -tf.math.log(tf.cast(dense(h[None])[0, label], tf.float64))
        parts = tape.gradient(loss, dense.trainable_weights)
        norms.append(sum(float(tf.reduce_sum(part**2)) for part in parts))
    mine = found.suspects.sort_values("index")["self_influence"]
    high = np.array(norms) > 1e-3  # below, the probability is 1 in float32
    np.testing.assert_allclose(mine[high], percentiles(np.array(norms))[high], atol=0.03)  # near ties
    assert high.sum() > 10


def test_the_other_tables_hold_what_was_planted(found):
    assert found.duplicates["index"].tolist() == [144, 145]
    assert found.duplicates["label"].tolist() == ["negative", "neutral"]
    assert (30, 152, 1.0) in found.leakage[["index", "train_index", "similarity"]].itertuples(index=False, name=None)
    assert found.holes["index"].tolist() == [32, 31]  # of the first the model knows no word
    assert (found.holes["distance"] > found.holes["limit"]).all()
    assert found.templates["indices"][0] == list(range(146, 152)) and found.templates["n_positive"][0] == 6
    assert found.templates["template"][0] == "MENTION get the cake NUMBER times great LINK"


def test_facts_are_json(found):
    facts = json.loads(json.dumps(found.facts, allow_nan=False))
    assert facts == found.facts
    assert facts["counts"] == {"suspects": 153, "duplicates": 1, "leakage": len(found.leakage), "holes": 2, "templates": 1}
    assert len(facts["suspects"]) == 100 and facts["suspects"][0]["index"] == found.suspects["index"][0]
    assert (facts["n_train"], facts["n_test"], facts["site"], facts["k"]) == (153, 33, "embedding", 5)
    assert facts["notes"] == found.notes and facts["counted"] == ["model", "held_out"]
    assert "153 training texts: 1 groups of near copies" in repr(found)


def test_the_same_seed_gives_the_same(lens, found):
    again = audit(lens, *planted(), *tested(), k=5)
    np.testing.assert_array_equal(found.scores, again.scores)
    other = audit(lens, *planted(), k=5, seed=1)
    assert not np.array_equal(found.scores, other.scores)
    assert {*FLIPPED, 145} == set(other.suspects["index"][:7])


# What cannot be said is told. One family is enough: no tensor is involved.


@pytest.fixture(scope="module")
def keras():
    return importlib.import_module("keras")


@pytest.fixture(scope="module")
def one(keras):
    return ki.wrap(tiny.model(keras), class_names=tiny.NAMES)


def test_without_a_test_set(one):
    found = audit(one, *planted())
    assert len(found.leakage) == len(found.holes) == 0
    assert "No test set was given: nothing is said about leakage and holes." in found.notes
    found = audit(one, *planted(), tested()[0])
    assert len(found.leakage) and len(found.holes) == 0 and found.leakage["label"].isna().all()
    assert "The test set has no labels: nothing is said about holes." in found.notes
    with pytest.raises(InputError, match="`test_labels` are those of `test_texts`. Received: test_texts=None"):
        audit(one, *planted(), test_labels=[0])


def test_empty_texts_and_a_class_that_nobody_has(one):
    texts = ["", "hate the awful", "hate my sad", "bus table", "bus so door", " ", "phone"]
    found = audit(one, texts, [0, 0, 0, 1, 1, 1, 1])
    assert np.isfinite(found.scores).all() and len(found.duplicates) == 0
    assert "2 of `train_texts` are empty." in found.notes
    assert "No training text carries “positive”: only the model can suggest it." in found.notes
    assert any("hold no token" in note for note in found.notes)


def test_two_texts_are_enough(one):
    found = audit(one, ["hate", "bus"], ["neutral", "negative"])
    assert found.suspects["suggested"].tolist() and np.isfinite(found.scores).all()


def test_errors_say_what_is_required(one):
    with pytest.raises(InputError, match="at least two classes.*Received: 2 times 'negative'"):
        audit(one, ["hate", "sad"], [0, 0])
    with pytest.raises(InputError, match="one of 'negative', 'neutral', 'positive'.*'angry'"):
        audit(one, ["hate", "sad"], ["angry", "negative"])
    with pytest.raises(InputError, match="same length"):
        audit(one, ["hate", "sad"], [0])
    with pytest.raises(InputTypeError, match="`train_labels` has to be a list"):
        audit(one, ["hate", "sad"], None)
    with pytest.raises(InputError, match="`k` has to be an integer of at least 1"):
        audit(one, *planted(), k=0)
    with pytest.raises(InputError, match="all near copies of one another"):
        audit(one, ["hate the bus", "Hate the bus!"], [0, 1])


def test_models_that_are_no_classifiers(keras):
    made = tiny.model(keras)
    inner = keras.Model(made.inputs, made.get_layer("classes").input)
    with pytest.raises(UnsupportedError, match="one class for each text.*Received: raw outputs"):
        audit(ki.wrap(inner), ["hate", "bus"], [0, 1])


def test_texts_for_which_the_model_gives_nan(keras):
    inputs = keras.Input((), dtype="string")
    made = tiny.model(keras)
    probabilities = made(inputs)
    broken = keras.layers.Lambda(lambda p: keras.ops.where(p[:, 2:] > 0.9, p * np.nan, p), name="broken")(probabilities)
    lens = ki.wrap(keras.Model(inputs, keras.layers.Softmax()(broken)), class_names=tiny.NAMES)
    found = audit(lens, *planted())
    assert found.suspects["model"].isna().sum() > 10 and np.isfinite(found.scores).all()
    assert any("get NaN from the model: it is no witness" in note for note in found.notes)
    with pytest.raises(InputError, match="NaN for each of `train_texts`"):
        audit(lens, ["love great", "great happy"], [0, 1])


def test_black_boxes_have_no_last_layer(keras):
    made = tiny.model(keras)

    def scores(texts):
        return made.predict(np.array(texts, object), verbose=0)

    lens = ki.wrap(scores, class_names=tiny.NAMES)
    found = audit(lens, *planted(), *tested())
    assert found.suspects["self_influence"].isna().all()
    assert set(FLIPPED) <= set(found.suspects["index"][:7])


def test_one_sigmoid_is_two_classes(keras):
    made = tiny.model(keras)
    pooled = made.get_layer("classes").input
    dense = keras.layers.Dense(1, activation="sigmoid", name="yes")
    model = keras.Model(made.inputs, dense(pooled))
    dense.set_weights([np.array([[-8], [0], [8], [0]], np.float32), np.zeros(1, np.float32)])
    texts, labels = planted()
    rows = [i for i in range(144) if i // 48 != 1]
    found = audit(ki.wrap(model), [texts[i] for i in rows], [int(i >= 96) ^ (i in (3, 110)) for i in rows])
    assert {rows[i] for i in found.suspects["index"][:2]} == {3, 110}
    assert found.suspects["self_influence"][:2].min() > 0.9
