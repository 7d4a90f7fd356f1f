"""Every registered intervention, in both Keras families: it changes what was chosen, and nothing else."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest
import tiny

import kerasintrospect as ki
from interventions.reading import read

TEXTS = ["love the bus", "hate my phone so great the the", "comet"]
# What each member is asked for; a member of another package would add its own line.
ASKED = {
    "zero": lambda **where: ki.ablate(**where),
    "mean": lambda **where: ki.ablate(how="mean", reference=["hate the queue", "my"], **where),
    "resample": lambda **where: ki.ablate(how="resample", reference=["hate", "queue awful"], **where),
    "patch": lambda **where: ki.patch(["sad is sad", "sad sad is is sad sad sad", "sad"], **where),
    "steer": lambda **where: ki.steer(add=0.5, **where),
}


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def lens(request: pytest.FixtureRequest) -> Any:
    return ki.wrap(tiny.model(pytest.importorskip(request.param)), class_names=tiny.NAMES)


def test_every_member_is_asked() -> None:
    assert sorted(ASKED) == ki.intervention_methods()


@pytest.mark.parametrize("name", sorted(ASKED))
def test_only_chosen_units_change(lens: Any, name: str) -> None:
    before, mask = read(lens, TEXTS, None)
    after, _ = read(lens, TEXTS, ASKED[name](units=[0, 2]))
    np.testing.assert_array_equal(after[..., [1, 3]], before[..., [1, 3]])
    assert (after[mask][:, [0, 2]] != before[mask][:, [0, 2]]).any()
    np.testing.assert_array_equal(after[~mask], before[~mask])


@pytest.mark.parametrize("name", sorted(set(ASKED) - {"patch"}))
@pytest.mark.filterwarnings("ignore:.*stay as they are")
def test_only_chosen_words_change(lens: Any, name: str) -> None:
    before, _ = read(lens, TEXTS, None)
    after, _ = read(lens, TEXTS, ASKED[name](words="the"))
    changed = (after != before).any(-1)
    assert set(zip(*np.nonzero(changed), strict=True)) == {(0, 1), (1, 5), (1, 6)}


@pytest.mark.parametrize("name", sorted(ASKED))
def test_a_text_does_not_hang_on_its_batch(lens: Any, name: str) -> None:
    made = ASKED[name](units=[0, 1, 3])
    whole = lens.predict(TEXTS, edits={"embedding": made}).scores
    alone = made
    if name == "patch":  # one source per input
        alone = ki.patch("sad sad is is sad sad sad", units=[0, 1, 3])
    one = lens.predict(TEXTS[1:2], edits={"embedding": alone}).scores
    np.testing.assert_allclose(whole[1], one[0], atol=1e-6)


@pytest.mark.parametrize("name", sorted(ASKED))
def test_other_numbers_need_no_new_trace_and_leave_the_model_alone(lens: Any, name: str) -> None:
    weights, plain = [w.copy() for w in lens.model.get_weights()], lens.predict(TEXTS).scores
    lens.predict(TEXTS, edits={"embedding": ASKED[name](units=[1])})
    functions = len(lens._runner.tracer._functions)
    lens.predict(TEXTS, edits={"embedding": ASKED[name](units=[2, 3])})
    assert len(lens._runner.tracer._functions) == functions
    np.testing.assert_array_equal(lens.predict(TEXTS).scores, plain)
    for old, new in zip(weights, lens.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_several_at_one_site_come_one_after_the_other(lens: Any) -> None:
    both = [ki.steer([0], value=1.0), ki.steer([0], factor=3.0, words="love")]
    after, mask = read(lens, TEXTS[:1], both)
    np.testing.assert_array_equal(after[0, :3, 0], [3, 1, 1])
    turned, _ = read(lens, TEXTS[:1], both[::-1])
    np.testing.assert_array_equal(turned[0, :3, 0], [1, 1, 1])


BAD = [
    (lambda: ki.ablate([4]), "has the units 0 to 3. Received: units=[4]"),
    (lambda: ki.ablate(words="absent"), "None of the texts has a position"),
    (lambda: ki.ablate(words="the", tokens="the"), "chosen in one way"),
    (lambda: ki.ablate([]), "has to choose something"),
    (lambda: ki.ablate(how="nothing"), "how is one of 'zero', 'mean', 'resample'"),
    (lambda: ki.ablate([1.5]), "`units` has to be of int"),
    (lambda: ki.steer([0], factor=2, value=1), "One of factor=, value= and add="),
    (lambda: ki.steer([0, 1], value=[1, 2, 3]), "one for each of the 2 chosen units"),
    (lambda: ki.steer([0], value=float("nan")), "finite numbers"),
    (lambda: ki.patch("love"), "as many positions on both sides"),
    (lambda: ki.patch(["love", "hate"]), "one text, or one per input"),
    (lambda: [ki.ablate([0]), 3.0], "holds interventions only"),
    (lambda: ki.steer([0, 0], value=[1, 2]), "A unit is steered by one number. Received: [1, 2] for units=[0, 0]"),
    (lambda: ki.steer([0], value=1e39), "finite numbers that float32 holds"),
    (lambda: ki.ablate([0], how="mean", reference=[""]), "`reference` holds no token"),
    (lambda: ki.ablate([0], refernce=TEXTS), "'zero' has the options none. Received: refernce"),
    (lambda: ki.ablate([0], how="mean", seed=3), "'mean' has the options reference. Received: seed"),
    (lambda: ki.ablate(tokens="Love"), "Tokens are named as lens.activations(...).tokens shows them"),
    (lambda: "zero", "An edit is ki.ablate(...)"), (lambda: None, "An edit is ki.ablate(...)"),
    (lambda: [], "An edit is ki.ablate(...)"),
    (lambda: np.zeros(3), "broadcast to the activation: 'embedding' has shape (None, 12, 4). Received: shape (3,)"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input(lens: Any, make: Any, message: str) -> None:
    with pytest.raises((ki.InputError, ki.InputTypeError)) as caught:
        with warnings.catch_warnings():  # of the embedding of an empty reference
            warnings.filterwarnings("ignore", ".*hold no token")
            lens.predict(TEXTS, edits={"embedding": make()})
    assert message in str(caught.value)


def test_words_need_tokens(lens: Any) -> None:
    with pytest.raises(ki.InputError, match="has no vector per token"):
        lens.predict(TEXTS, edits={"classes": ki.ablate(words="the")})
    with pytest.raises(ki.UnsupportedError, match="An intervention changes units"):
        lens.predict(TEXTS, edits={":in": ki.ablate()})


def test_words_that_occur_nowhere_are_named_beside_others(lens: Any) -> None:
    with pytest.warns(ki.KerasIntrospectWarning, match=r"No example has a position that fits \['zebra'\]"):
        lens.predict(TEXTS[:1], edits={"embedding": ki.ablate([0], words=["love", "zebra"])})


def test_a_site_is_named_once_and_edits_are_a_dict(lens: Any) -> None:
    with pytest.raises(ki.InputError, match="Edits of one site come as a list.*'embedding' twice"):
        lens.predict(TEXTS, edits={"embedding": ki.ablate([1]), "embedding:out": ki.steer([0], value=4.0)})
    with pytest.raises(ki.InputTypeError, match="edits is a dict of site -> edit"):
        lens.predict(TEXTS, edits=[ki.ablate([0])])


def test_a_function_and_a_number_are_edits_as_before(lens: Any) -> None:
    zeros = lens.predict(TEXTS, edits={"embedding": 0.0}).scores
    np.testing.assert_allclose(lens.predict(TEXTS, edits={"embedding": lambda x: x * 0}).scores, zeros, atol=1e-7)
    np.testing.assert_allclose(lens.predict(TEXTS, edits={"embedding": ki.ablate()}).scores, zeros, atol=1e-7)


def test_texts_without_the_words_are_named(lens: Any) -> None:
    said = re.escape("1 of 3 examples have no position that fits {'words': ('the',)} in what the model sees of them, and stay "
                     "as they are; the first is number 2, 'comet'.")  # fmt: skip
    with pytest.warns(ki.KerasIntrospectWarning, match=said):
        found = lens.predict(TEXTS, edits={"embedding": ki.steer(0, add=1.0, words="the")}).scores
    plain = lens.predict(TEXTS).scores
    assert (found[:2] != plain[:2]).any() and (found[2] == plain[2]).all()


@pytest.mark.parametrize("stride", [2, 100])
@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_positions_that_are_no_tokens_are_named(family: str, stride: int) -> None:
    keras = pytest.importorskip(family)
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(12, 4, mask_zero=True, name="embedding")(ids)
    x = keras.layers.Conv1D(4, 1, strides=stride, padding="same", name="conv")(x)  # 100: one position, which would be broadcast
    out = keras.layers.Dense(2, activation="softmax")(keras.layers.GlobalAveragePooling1D()(x, mask=None))
    lens, given = ki.wrap(keras.Model(ids, out)), np.array([[1, 2, 3, 4, 5, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8]])
    said = f"The positions of 'conv' are no tokens: there are {-(-8 // stride)} for 8"
    with pytest.raises(ki.UnsupportedError, match=said):
        lens.predict(given, edits={"conv": ki.ablate(1)})
    with pytest.raises(ki.UnsupportedError, match=said):
        lens.neuron_effects(given, "conv")
    lens.predict(given, edits={"conv": lambda x: x * 0})


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_a_model_that_reads_its_padding_is_changed_there_too(family: str) -> None:
    keras = pytest.importorskip(family)
    keras.utils.set_random_seed(0)
    ids = keras.layers.TextVectorization(vocabulary=["love", "bus"], output_sequence_length=6)
    strings = keras.Input((), dtype="string")
    x = keras.layers.Embedding(12, 4)(ids(strings))
    x = keras.layers.Dense(4, activation="relu", bias_initializer="ones", name="hidden")(x)
    pooled = keras.layers.GlobalAveragePooling1D()(x)
    lens = ki.wrap(keras.Model(strings, keras.layers.Dense(3, activation="softmax")(pooled)))
    given = ["love bus"]
    assert np.abs(lens.predict(given).scores - 1 / 3).max() > 0.01
    np.testing.assert_allclose(lens.predict(given, edits={"hidden": ki.ablate()}).scores, np.full((1, 3), 1 / 3), atol=1e-6)
    curve = lens.ablation_curve(given, "hidden", [0, 1, 2, 3])
    assert curve.score["ranking"][-1] == pytest.approx(1 / 3, abs=1e-6)


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_positions_in_reverse_order_are_changed_together_and_not_chosen(family: str) -> None:
    keras = pytest.importorskip(family)
    keras.utils.set_random_seed(0)
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(12, 4, mask_zero=True, name="embedding")(ids)
    back = keras.layers.LSTM(3, go_backwards=True, return_sequences=True, name="back")(x)
    out = keras.layers.Dense(2, activation="softmax")(keras.layers.LSTM(3, name="last")(back))
    model, given = keras.Model(ids, out), np.array([[1, 2, 3, 4, 5, 6, 7, 8]])
    lens = ki.wrap(model)
    with pytest.raises(ki.UnsupportedError, match="'back' stand in reverse order"):
        lens.predict(given, edits={"back": ki.ablate(positions=0)})
    padded = np.array([[1, 2, 3, 0, 0, 0, 0, 0]])
    vectors = np.concatenate([np.asarray(model.get_layer("back")(model.get_layer("embedding")(np.array([row])))[0])
                              for row in ([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3])])  # fmt: skip
    mean = np.tile(vectors.mean(0), (1, 8, 1)).astype(np.float32)
    expected = model.layers[-1](model.get_layer("last")(mean))
    found = lens.predict(given, edits={"back": ki.ablate(how="mean", reference=np.concatenate([given, padded]))}).scores
    np.testing.assert_allclose(found, expected, atol=1e-6)
    zeros = model.layers[-1](model.get_layer("last")(np.zeros((1, 8, 3), np.float32)))
    np.testing.assert_allclose(lens.predict(given, edits={"back": ki.ablate()}).scores, zeros, atol=1e-6)
