"""`compare_sites` on models whose answer is planted: what is in the words, what training adds, what length confounds."""

import importlib
import json

import numpy as np
import pytest

import kerasintrospect as ki
from kerasintrospect.closeness import leave_one_out
from kerasintrospect.comparison import compare_sites

TOPICS = [[f"{stem}{i}" for i in range(40)] for stem in ("sad", "bus", "fun")]
FILLERS = [f"the{i}" for i in range(30)]


def draw(n, seed, longest=14):
    """Texts of a few words of one topic among fillers, few of them in common."""
    draws = np.random.default_rng(seed)
    labels = draws.integers(3, size=n)
    texts = []
    for label in labels:
        words = [*draws.choice(TOPICS[label], 2), *draws.choice(FILLERS, draws.integers(1, longest))]
        texts.append(" ".join(draws.permutation(words)))
    return texts, labels


def build(keras):
    """Embedding in which each topic has its axis, mean, a dense layer, classes: what is learned here is written down."""
    keras.utils.set_random_seed(2)
    words = [word for topic in TOPICS for word in topic] + FILLERS
    inputs = keras.Input((), dtype="string")
    ids = keras.layers.TextVectorization(vocabulary=words, output_sequence_length=18)(inputs)
    embedding = keras.layers.Embedding(len(words) + 2, 16, mask_zero=True, name="embedding")
    x = keras.layers.GlobalAveragePooling1D(name="mean")(embedding(ids))
    hidden = keras.layers.Dense(8, name="hidden")
    made = keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="classes")(hidden(x)))
    table = np.random.default_rng(1).normal(size=(len(words) + 2, 16)).astype(np.float32)
    table[:, :3], table[0] = 0, 3
    for axis in range(3):
        table[2 + 40 * axis : 42 + 40 * axis, axis] = 6
    embedding.set_weights([table])
    kernel = np.zeros((16, 8), np.float32)
    kernel[:3, :3], kernel[3:8, 3:8] = np.eye(3), 0.2 * np.eye(5)
    hidden.set_weights([kernel, np.zeros(8, np.float32)])
    made.get_layer("classes").set_weights([4 * np.eye(8, 3, dtype=np.float32), np.zeros(3, np.float32)])
    return made


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def lens(request):
    return ki.wrap(build(importlib.import_module(request.param)), class_names=["sad", "bus", "fun"])


def compare(lens, texts, labels, **options):
    return compare_sites(lens._runner, lens._find_output(), texts, labels, **options)


def by_site(found):
    return {row["site"]: row for row in found.rows}


def test_figures_are_those_of_the_neighbors_that_an_index_finds(lens):
    texts, labels = draw(80, 5)
    found = compare(lens, texts, labels, k=4)
    assert [row["site"] for row in found.rows] == ["embedding", "mean", "hidden", "classes"]
    predicted = lens.predict(texts).labels
    index = lens.neighbors(texts, labels, site="hidden")
    for row, position in enumerate(found.positions):
        near = [j for j in index.query([texts[position]], k=5).indices[0] if j != position][:4]
        assert found.neighbors["hidden"][row].tolist() == near
    near, own = found.neighbors["hidden"], found.positions[:, None]
    figures = by_site(found)["hidden"]
    assert figures["label_agreement"] == pytest.approx((labels[near] == labels[own]).mean())
    assert figures["prediction_agreement"] == pytest.approx((labels[near] == predicted[own]).mean())
    assert figures["predicted_alike"] == pytest.approx((predicted[near] == predicted[own]).mean())


def test_training_shows_against_the_control_and_the_weights_come_back(lens):
    texts, labels = draw(200, 6)
    before = [weight.numpy().copy() for weight in lens.model.weights if hasattr(weight, "numpy")]
    found = compare(lens, texts, labels)
    hidden = by_site(found)["hidden"]
    assert hidden["label_agreement"] > 0.9
    assert abs(hidden["label_agreement_control"] - found.facts["chance"]) < 0.15
    assert found.recommended == "embedding"  # the earliest that has it: what is meant was written there
    assert found.found is None and "texts wrong" in found.reason  # it makes too few errors
    for weight, value in zip(before, [w.numpy() for w in lens.model.weights if hasattr(w, "numpy")], strict=True):
        np.testing.assert_array_equal(weight, value)


def test_counted_padding_is_a_length_bias_and_masked_pooling_has_none(lens):
    texts, labels = draw(300, 7)
    figures = by_site(compare(lens, texts, labels))["embedding"]
    assert figures["length_bias_unpooled"] > 0.4
    assert abs(figures["length_bias"]) < 0.2


def test_labels_against_the_words_are_found_where_the_model_is_wrong(lens):
    """A third of the texts is labelled otherwise than the model says; nothing in it knows, so nothing may be found."""
    texts, labels = draw(240, 8)
    noisy = labels.copy()
    noisy[::3] = (labels[::3] + 1) % 3
    found = compare(lens, texts, noisy)
    assert found.facts["wrong"] > 60
    assert found.found is False and "opinion" in found.reason
    scores = lens.predict(texts).scores[found.positions]
    label, wrong = noisy[found.positions], scores.argmax(1) != noisy[found.positions]
    at_output = (label[leave_one_out(scores, 10, True)] == label[:, None]).mean(1)[wrong]
    truth = (noisy[found.neighbors["hidden"]] == label[:, None]).mean(1)[wrong]
    assert by_site(found)["hidden"]["truth_where_wrong"] == pytest.approx(truth.mean())
    assert by_site(found)["hidden"]["truth_gain"] == pytest.approx((truth - at_output).mean())


def test_the_record_is_a_frame_a_dict_and_a_figure(lens):
    texts, labels = draw(60, 9)
    found = compare(lens, texts, ["sad bus fun".split()[label] for label in labels], k=3)
    frame = found.to_frame()
    assert frame["site"].tolist() == [row["site"] for row in found.rows]
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["rows"][0]["site"] == "embedding" and told["rows"][1]["length_bias_unpooled"] is None
    figure = found.plot()
    assert len(figure.axes) == 3
    drawn = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_array_equal(drawn, frame["label_agreement"])
    assert found.reason in str(found)


def test_the_same_seed_gives_the_same_and_max_examples_bounds_the_sample(lens):
    texts, labels = draw(120, 10)
    first, again, other = (compare(lens, texts, labels, max_examples=50, seed=seed) for seed in (1, 1, 2))
    assert first.to_dict() == again.to_dict() and first.facts["n"] == 50
    assert sorted(first.positions) != sorted(other.positions)


def test_copies_are_no_neighbors(lens):
    texts, labels = draw(40, 11)
    found = compare(lens, texts + [text.upper() for text in texts], [*labels, *labels], k=3)
    assert found.facts["n"] == 40 and found.positions.max() < 40
    assert any("40 texts are copies" in note for note in found.notes)


def test_a_site_that_gives_nan_has_a_note_and_no_figures(lens):
    texts, labels = draw(40, 12)
    layer = lens.model.get_layer("hidden")
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel, np.where(np.arange(8) == 7, np.nan, bias)])
    try:
        found = compare(lens, texts, labels, k=3)
    finally:
        layer.set_weights([kernel, bias])
    assert np.isnan(by_site(found)["hidden"]["label_agreement"]) and np.isfinite(by_site(found)["mean"]["label_agreement"])
    assert any("'hidden' gives NaN" in note for note in found.notes)
    assert any("predicts NaN" in note for note in found.notes)


def test_one_class_only_has_no_recommendation(lens):
    texts, _ = draw(40, 13)
    found = compare(lens, texts, [1] * 40, k=3)
    assert (found.recommended, found.found) == (None, None) and "same label" in found.reason


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 40}, r"at least k \+ 1 different texts.*40 of them and k=40"),
        ({"k": 0}, "`k` has to be an integer"),
        ({"pool": None}, "`pool` is one of"),
        ({"metric": "dot"}, "`metric` is one of 'cosine', 'euclidean'"),
        ({"sites": ["hiden"]}, "no site 'hiden'"),
    ],
)
def test_what_cannot_be_compared_is_said(lens, change, message):
    texts, labels = draw(40, 14)
    with pytest.raises(ki.InputError, match=message):
        compare(lens, texts, labels, **change)


def test_labels_have_to_be_one_per_text_and_classes(lens):
    texts, labels = draw(40, 15)
    with pytest.raises(ki.InputError, match="same length"):
        compare(lens, texts, labels[:-1])
    with pytest.raises(ki.InputError, match="class index from 0 to 2"):
        compare(lens, texts, [7] * 40)


def test_a_black_box_has_no_sites_to_compare():
    box = ki.wrap(lambda texts: np.eye(2, dtype=np.float32)[[len(text) % 2 for text in texts]])
    box.predict(["a", "bb"])
    with pytest.raises(ki.UnsupportedError, match="black box"):
        compare(box, ["a", "bb", "ccc"], [0, 1, 1], k=1)
