"""Effects of units: each equals one run with that unit changed, a unit that decides comes first, an unused one never."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import tiny

import kerasintrospect as ki


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def lens(request: pytest.FixtureRequest) -> Any:
    return ki.wrap(tiny.model(importlib.import_module(request.param)), class_names=tiny.NAMES, batch_size=64)


def transformer(keras: Any) -> Any:
    """Attention with a residual way round it: its output is no cut."""
    keras.utils.set_random_seed(2)
    inputs = keras.Input((), dtype="string")
    ids = keras.layers.TextVectorization(vocabulary=list(tiny.MEANING), output_sequence_length=12)(inputs)
    x = keras.layers.Embedding(len(tiny.MEANING) + 2, 8, mask_zero=True, name="embedding")(ids)
    attended = keras.layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    x = keras.layers.LayerNormalization(name="norm")(keras.layers.Add()([x, attended]))
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Dense(16, activation="relu", name="wide")(x))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax", name="classes")(pooled))
    model.get_layer("classes").set_weights([3 * w for w in model.get_layer("classes").get_weights()])
    return model


@pytest.mark.parametrize("edit", [ki.ablate(), ki.ablate(how="mean"), ki.ablate([1, 2], how="resample", seed=1),
                                  ki.steer(factor=-1.0), ki.ablate(words=["love", "hate"])], ids=repr)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*stay as they are")
def test_each_unit_alone_is_one_run_with_an_edit(lens: Any, edit: Any) -> None:
    texts, labels = tiny.train()
    texts, labels = texts[::5], labels[::5]
    found = lens.neuron_effects(texts, "embedding", labels, edit)
    ids = np.array([tiny.NAMES.index(label) for label in labels])
    plain = lens.predict(texts)
    for unit, drop, flips in zip(found.units, found.drop, found.flips, strict=True):
        one = ki.Intervention(edit.name, type(edit.selection)(**{**vars(edit.selection), "units": (int(unit),)}), edit.options)
        if edit.name == "resample":  # draws both units from one token, as the set of candidates does
            continue
        changed = lens.predict(texts, edits={"embedding": one})
        rows = np.arange(len(texts))
        assert drop == pytest.approx(float((plain.scores - changed.scores)[rows, ids].mean()), abs=1e-5)
        assert flips == pytest.approx(float((plain.labels != changed.labels).mean()))


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
@pytest.mark.parametrize("site", ["attention", "wide", "norm"])
def test_also_where_a_way_leads_round_the_site(family: str, site: str) -> None:
    lens = ki.wrap(transformer(importlib.import_module(family)), class_names=tiny.NAMES, batch_size=48)
    texts = tiny.train()[0][::4]
    found, plain = lens.neuron_effects(texts, site), lens.predict(texts)
    rows = np.arange(len(texts))
    for unit in (0, 3, 7):
        changed = lens.predict(texts, edits={site: ki.ablate([unit])}).scores
        expected = float((plain.scores - changed)[rows, plain.labels].mean())
        assert found.drop[unit] == pytest.approx(expected, abs=2e-6)
    assert np.abs(found.drop).max() > 1e-3


def test_what_the_model_ignores_is_last_though_a_probe_loves_it(lens: Any) -> None:
    """Unit 3 tells "comet" and "wicked" from all other words, and no class looks at it."""
    texts, labels = tiny.train()
    found = lens.neuron_effects(texts, "embedding", labels)
    assert found.ranking.order[-1] == 3
    assert abs(found.drop[3]) < 1e-6
    acts = lens.activations(texts, "embedding", pool="mean")["embedding"]
    probe = ki.rank_neurons(acts, np.array(["wicked" in text for text in texts]), method="average_precision")
    assert probe.order[0] == 3


def test_greedy_takes_the_best_pair_that_has_the_first(lens: Any) -> None:
    texts, labels = tiny.train()
    found = lens.neuron_effects(texts, "embedding", labels, greedy=3)
    units = [unit for unit, _ in found.chosen]
    assert units[0] == found.units[found.drop.argmax()]
    ids, rows = np.array([tiny.NAMES.index(label) for label in labels]), np.arange(len(texts))

    def left(chosen: list[int]) -> float:
        return float(lens.predict(texts, edits={"embedding": ki.ablate(chosen)}).scores[rows, ids].mean())

    assert found.chosen[1][1] == pytest.approx(min(left([units[0], u]) for u in range(4) if u != units[0]), abs=1e-5)
    assert found.chosen[2][1] == pytest.approx(left(units), abs=1e-5)


def test_the_curve_is_that_of_runs_with_edits(lens: Any) -> None:
    texts, labels = tiny.train()
    ids = np.array([tiny.NAMES.index(label) for label in labels])
    ranking = lens.neuron_effects(texts, "embedding", labels).ranking
    curve = lens.ablation_curve(texts, "embedding", {"effect": ranking}, labels, counts=[0, 1, 2, 4], draws=2)
    for i, k in enumerate(curve.counts.tolist()):
        for name, units in (("effect", ranking.order[:k]), ("effect (bottom)", ranking.order[::-1][:k])):
            edits = {"embedding": ki.ablate(units)} if k else None
            said = lens.predict(texts, edits=edits).labels
            assert curve.accuracy[name][i] == pytest.approx(float((said == ids).mean()))
            assert curve.flips[name][i] == pytest.approx(float((said != lens.predict(texts).labels).mean()))
    assert curve.accuracy["effect"][1] < curve.accuracy["random"][1] < curve.accuracy["effect (bottom)"][1]
    kept = lens.ablation_curve(texts, "embedding", {"effect": ranking}, labels, counts=[3], keep=True)
    everything = lens.predict(texts, edits={"embedding": ki.ablate([3])}).labels
    assert kept.accuracy["effect"][0] == pytest.approx(float((everything == ids).mean()))


def test_without_labels_the_predicted_class_counts(lens: Any) -> None:
    texts = tiny.train()[0][:9]
    found = lens.neuron_effects(texts, "embedding")
    same = lens.neuron_effects(texts, "embedding", [tiny.NAMES[i] for i in lens.predict(texts).labels])
    np.testing.assert_allclose(found.drop, same.drop, atol=1e-6)
    assert lens.ablation_curve(texts, "embedding", [3, 0]).accuracy is None


def test_bad_rankings_and_counts(lens: Any) -> None:
    texts = tiny.train()[0][:3]
    for ranking in ([0, 0, 1], [4], [], [0.5]):
        with pytest.raises(ki.InputError, match="different unit indices from 0 to 3"):
            lens.ablation_curve(texts, "embedding", ranking)
    with pytest.raises(ki.InputError, match="numbers of units from 0 to 2"):
        lens.ablation_curve(texts, "embedding", [3, 0], counts=[3])
    with pytest.raises(ki.InputError, match="Received"):
        lens.neuron_effects(texts, "embedding", ["love"] * 3)


def test_a_regression_has_effects_and_no_flips() -> None:
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="hidden"), keras.layers.Dense(1)])
    lens = ki.wrap(model)
    x = np.random.default_rng(0).standard_normal((5, 3)).astype("float32")
    found = lens.neuron_effects(x, "hidden")
    hidden, weights = lens.activations(x, "hidden")["hidden"], model.layers[-1].get_weights()[0][:, 0]
    np.testing.assert_allclose(found.drop, (hidden * weights).mean(0), atol=1e-5)
    assert np.isnan(found.flips).all()


def test_lines_of_a_curve_have_names_of_their_own(lens: Any) -> None:
    texts = tiny.train()[0][:8]
    for taken in ("random", "a"):
        with pytest.raises(ki.InputError, match=f"names of their own.*Received: a ranking called '{taken}'"):
            lens.ablation_curve(texts, "embedding", {taken: [0, 1], "a (bottom)": [1, 0]})
    with pytest.raises(ki.InputError, match=r"changes the units \[0, 1\] only. Received: a ranking 'r' with \[2\] too"):
        lens.ablation_curve(texts, "embedding", {"r": [2, 0]}, edit=ki.ablate([0, 1]))
    with pytest.raises(ki.InputError, match="numbers of units"):
        lens.ablation_curve(texts, "embedding", [0, 1], counts=[0.5, 1])
    effects = lens.neuron_effects(texts, "embedding")
    by_effects = lens.ablation_curve(texts, "embedding", {"r": effects}).score["r"]  # what has a ranking stands for it
    np.testing.assert_array_equal(by_effects, lens.ablation_curve(texts, "embedding", {"r": effects.ranking}).score["r"])


def test_what_is_no_edit_is_named(lens: Any) -> None:
    texts = tiny.train()[0][:8]
    with pytest.raises(ki.InputTypeError, match="edit is ki.ablate.*Received: edit='mean'"):
        lens.neuron_effects(texts, "embedding", edit="mean")
    with pytest.raises(ki.InputError, match="greedy is a number of units"):
        lens.neuron_effects(texts, "embedding", greedy="3")


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_of_independent_labels_the_named_one_counts(family: str) -> None:
    keras = importlib.import_module(family)
    keras.utils.set_random_seed(5)
    x = keras.Input((4,))
    hidden = keras.layers.Dense(3, activation="tanh", name="hidden")(x)
    model = keras.Model(x, keras.layers.Dense(3, activation="sigmoid", kernel_initializer="random_normal")(hidden))
    model.layers[-1].set_weights([w * 60 for w in model.layers[-1].get_weights()])
    lens, given = ki.wrap(model, class_names=["a", "b", "c"]), np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    for labels in (None, np.ones((40, 3), int)):
        with pytest.raises(ki.InputError, match="labels that do not exclude each other"):
            lens.neuron_effects(given, "hidden", labels)
    ids = np.arange(40) % 3
    found, plain = lens.neuron_effects(given, "hidden", ids), lens.predict(given).scores
    for unit in range(3):
        changed = lens.predict(given, edits={"hidden": ki.ablate([unit])}).scores
        own, other = plain[np.arange(40), ids], changed[np.arange(40), ids]
        assert found.drop[unit] == pytest.approx(float((own - other).mean()), abs=1e-6)
        assert found.flips[unit] == pytest.approx(float(((own > 0.5) != (other > 0.5)).mean()))
    assert found.flips.max() > 0
    curve, said = lens.ablation_curve(given, "hidden", [0, 1, 2], ids, counts=[0]), plain[np.arange(40), ids] > 0.5
    assert curve.accuracy is not None and curve.accuracy["ranking"][0] == pytest.approx(said.mean())
