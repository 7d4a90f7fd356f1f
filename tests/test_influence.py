"""Influence against its definition, pair by pair, and against other libraries' own numbers."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import FAMILIES
from tiny_gradients import MODELS, lens_of, tape_gradients

import kerasintrospect as ki
from kerasintrospect.checkpoints import CheckpointKeeper, read_checkpoints
from kerasintrospect.errors import InputError, InputTypeError, StaleIndexError, UnsupportedError
from kerasintrospect.influence import influence
from kerasintrospect.weighted import parts_of
from kerasintrospect.weights import borrowed, named

CASES = Path(__file__).resolve().parents[2] / "shared/cases"


def of(lens, x, y, **options):
    arranged, named_classes = lens._arrange(x), lens.class_names is not None
    return influence(lens._runner, lens._find_output(), arranged, y, lens._arrange, named_classes, **options)


def labels_of(targets):
    return targets[:, 0].tolist() if targets.shape[1] == 1 else targets


def written(lens, x, targets, layers="all"):
    """(n, weights) gradients, from a tape."""
    parts, _ = parts_of(lens._runner, layers, None)
    return np.concatenate(list(tape_gradients(lens, x, targets, parts).values()), 1)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def other_weights(lens, seed):
    rng = np.random.default_rng(seed)
    return [value + rng.normal(size=value.shape).astype(value.dtype) * 0.1 for _, value in named(lens._runner.adapter)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", MODELS)
def test_tracin_is_the_sum_over_checkpoints_of_products_of_gradients(name, family):
    model, x, targets, _ = MODELS[name](family)
    lens = lens_of(model, x, name)
    own = [value.copy() for _, value in named(lens._runner.adapter)]
    checkpoints = [(0.5, own), (0.1, other_weights(lens, 1))]
    made = of(lens, x, labels_of(targets), layers="all", checkpoints=checkpoints)
    expected = 0.0
    for rate, values in checkpoints:
        with borrowed(lens._runner.adapter, values):
            gradients = written(lens, x, targets)
        expected = expected + rate * gradients @ gradients.T
    close(made.scores(x[:4], labels_of(targets[:4])), expected[:4])
    close(made.self_influence, np.diag(expected))
    for old, (_, new) in zip(own, named(lens._runner.adapter), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.fixture(scope="module")
def tweets():
    """A trained classifier, its lens and its training data; two of the labels are wrong."""
    import keras

    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    x = np.concatenate([rng.integers(1, 4, (90, 3)) + 3 * y[:, None], rng.integers(10, 15, (90, 2))], 1).astype("int32")
    labels = y.copy()
    labels[[5, 40]] = (y[[5, 40]] + 1) % 3
    layers = keras.layers
    model = keras.Sequential([keras.Input((None,), dtype="int32"), layers.Embedding(15, 8, mask_zero=True),
                              layers.GlobalAveragePooling1D(), layers.Dense(3, activation="softmax")])  # fmt: skip
    model.compile(keras.optimizers.SGD(2.0), "sparse_categorical_crossentropy")
    for weight, seed in zip(model.weights, range(3), strict=True):
        weight.assign(np.random.default_rng(seed).normal(size=weight.shape) * 0.1)
    return model, x, labels, y


@pytest.fixture(scope="module")
def kept(tweets, tmp_path_factory):
    """Checkpoints of its training, which is over then."""
    model, x, labels, _ = tweets
    folder = tmp_path_factory.mktemp("run") / "checkpoints"
    model.fit(x, labels, epochs=20, batch_size=30, shuffle=False, verbose=0, callbacks=[CheckpointKeeper(folder, every=5)])
    return folder


def test_wrong_labels_influence_themselves_most(tweets, kept):
    model, x, labels, _ = tweets
    made = of(ki.wrap(model, class_names=list("abc")), x, labels, checkpoints=kept)
    assert set(np.argsort(-made.self_influence)[:2]) == {5, 40}


def test_proponents_are_of_the_class_and_opponents_are_not(tweets, kept):
    model, x, labels, y = tweets
    lens = ki.wrap(model, class_names=list("abc"))
    found = of(lens, x, [list("abc")[i] for i in labels], layers="all", checkpoints=kept).query(x[:30], k=4)
    predicted = lens.predict(x[:30]).labels
    np.testing.assert_array_equal(found.labels, predicted)
    assert (found.proponents.labels == predicted[:, None]).all()
    assert (found.opponents.labels != predicted[:, None]).all()
    np.testing.assert_array_equal(found.by_class.argmax(1), predicted)
    frame = found.to_frame()
    assert len(frame) == 30 * 8 and set(frame["label"]) == set("abc")
    strengths = frame[frame["query"] == 3]["influence"].tolist()
    assert strengths[:4] == sorted(strengths[:4], reverse=True) and strengths[4:] == sorted(strengths[4:])


def test_by_class_is_the_sum_of_the_scores(tweets, kept):
    model, x, labels, _ = tweets
    made = of(ki.wrap(model), x, labels, checkpoints=kept)
    scores, found = made.scores(x[:5], labels[:5]), made.query(x[:5], labels[:5], k=90)
    close(found.by_class, np.stack([scores[:, labels == c].sum(1) for c in range(3)], 1))
    top = np.where(found.proponents.indices >= 0, found.proponents.indices, 0)
    np.testing.assert_array_equal(np.take_along_axis(scores, top, 1)[found.proponents.indices >= 0],
                                  found.proponents.scores[found.proponents.indices >= 0])  # fmt: skip
    signs = (found.proponents.indices >= 0).sum(1), (found.opponents.indices >= 0).sum(1)
    np.testing.assert_array_equal(signs, [(scores > 0).sum(1), (scores < 0).sum(1)])


def test_a_step_on_a_training_example_lowers_the_loss_of_a_query_by_its_influence(tweets):
    """What the number means: finite differences of the loss itself."""
    model, x, labels, _ = tweets
    lens, rate = ki.wrap(model), 1e-3
    weights = [value for _, value in named(lens._runner.adapter)]
    made = of(lens, x[:8], labels[:8], layers="all", checkpoints=[(rate, weights)])
    scores = made.scores(x[8:12], labels[8:12])
    import tensorflow as tf

    def losses():
        return -np.log(lens.predict(x[8:12]).scores[np.arange(4), labels[8:12]].astype("float64"))

    before = losses()
    for i in (0, 5):
        with tf.GradientTape() as tape:
            loss = -tf.math.log(model(x[i : i + 1])[0, int(labels[i])])
        steps = [tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, [w.value for w in model.weights])]
        with borrowed(lens._runner.adapter, [w - rate * 10 * g for w, g in zip(weights, steps, strict=True)]):
            np.testing.assert_allclose((before - losses()) / 10, scores[:, i], atol=0.05 * np.abs(scores).max())


def test_queries_come_in_blocks_of_bounded_size(tweets, kept, monkeypatch):
    model, x, labels, _ = tweets
    made = of(ki.wrap(model), x, labels, checkpoints=kept)
    whole = made.scores(x[:7], labels[:7])
    monkeypatch.setattr("kerasintrospect.influence._CELLS", 180)
    np.testing.assert_allclose(made.scores(x[:7], labels[:7]), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_compiled_functions_see_the_weights_of_each_checkpoint(family):
    model, x, targets, _ = MODELS["relu"](family)
    lens = ki.wrap(model, jit_compile=True)
    one, two = ([(1.0, other_weights(lens, seed))] for seed in (1, 2))
    y = labels_of(targets)
    apart = of(lens, x, y, checkpoints=one).self_influence + of(lens, x, y, checkpoints=two).self_influence
    traced = len(lens._runner.tracer._functions)
    close(of(lens, x, y, checkpoints=one + two).self_influence, apart)
    assert len(lens._runner.tracer._functions) == traced


@pytest.mark.parametrize("family", FAMILIES)
def test_model_and_optimizer_are_left_as_they_were_also_after_an_error(family):
    model, x, targets, _ = MODELS["relu"](family)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, targets, verbose=0)
    lens = ki.wrap(model)
    state = [v.numpy().copy() for v in (*model.weights, *_variables(model.optimizer))]
    rotten = [np.full_like(value, np.nan) for _, value in named(lens._runner.adapter)]
    made = of(lens, x, labels_of(targets), layers="all", checkpoints=[(1.0, other_weights(lens, 0))])
    made.query(x)
    with pytest.raises(InputError, match="NaN or infinity"):
        of(lens, x, labels_of(targets), checkpoints=[(1.0, rotten)])
    with pytest.raises(InputError, match="have to be those of this model"):
        of(lens, x, labels_of(targets), checkpoints=[(1.0, rotten[:-1])])
    for old, new in zip(state, (*model.weights, *_variables(model.optimizer)), strict=True):
        np.testing.assert_array_equal(old, new.numpy())


def _variables(optimizer):
    return optimizer.variables() if callable(optimizer.variables) else optimizer.variables


def test_a_model_that_was_trained_on_is_not_compared_with_old_gradients(tweets):
    model, x, labels, _ = tweets
    lens = ki.wrap(model)
    made = of(lens, x, labels)
    weights = [value for _, value in named(lens._runner.adapter)]
    with borrowed(lens._runner.adapter, [w + 1 for w in weights]), pytest.raises(StaleIndexError, match="have changed"):
        made.query(x[:1])
    assert len(made.query(x[:1])) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_representer_values_add_up_to_the_logits_of_the_fitted_layer(family):
    model, x, targets, _ = MODELS["relu"](family)
    lens = lens_of(model, x, "relu")
    made = of(lens, x, labels_of(targets), method="representer", l2=1e-4)
    logits = np.stack([made.scores(x, [c] * len(x)).sum(1) for c in range(3)], 1)
    assert (logits.argmax(1) == lens.predict(x).labels).mean() > 0.8
    assert "predicts the class of the model for" in made.notes[-1]


def test_a_query_at_the_predicted_class_of_several_labels(keras):
    model, x, targets, _ = MODELS["tokens"](keras.__name__)
    lens = lens_of(model, x, "tokens")
    made = of(lens, x, targets)
    predicted = (lens.predict(x).scores > 0.5).astype("float32")
    found = made.query(x, k=2)
    np.testing.assert_array_equal(found.labels, predicted)
    close(made.scores(x), made.scores(x, predicted))
    close(found.by_class, made.scores(x) @ targets)
    assert found.proponents.labels is None


# What others find


def captum(name):
    path = CASES / "captum_cases.json"
    if not path.exists():
        pytest.skip("the cases of Captum are not beside the checkout")
    return next(case for case in json.loads(path.read_text())["cases"] if case["id"] == name)


def linear(keras, inputs):
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(1, use_bias=False)])
    return ki.wrap(model)


def test_captum_regression_with_one_weight(keras):
    case = captum("tracin_regression_1d")
    x = np.arange(1, 17, dtype="float32")[:, None]
    checkpoints = [(1.0, [np.array([[w]], "float32")]) for w in case["kwargs"]["checkpoints_w"]]
    made = of(linear(keras, 1), x, x[:, 0], checkpoints=checkpoints)
    rows = np.array(case["expected"]["rows_and_cols_for_x_in"]) - 1
    np.testing.assert_allclose(made.scores(x, x[:, 0])[np.ix_(rows, rows)], case["expected"]["values"], rtol=1e-5)


def test_captum_regression_order(keras):
    case = captum("tracin_regression_order")
    x = np.arange(1, 33, dtype="float32")[:, None]
    checkpoints = [(1.0, [np.array([[w]], "float32")]) for w in case["kwargs"]["checkpoints_w"]]
    made = of(linear(keras, 1), x[:16], x[:16, 0], checkpoints=checkpoints)
    assert made.query(x[:16], x[:16, 0], k=1).proponents.indices.ravel().tolist() == [15] * 16
    assert made.query(x[16:], x[16:, 0], k=16).proponents.indices.tolist() == [list(range(15, -1, -1))] * 16


def test_captum_identity(keras):
    captum("tracin_identity")
    rng = np.random.default_rng(0)
    checkpoints = [(1.0, [rng.uniform(0, 100, (7, 1)).astype("float32")]) for _ in range(5)]
    made = of(linear(keras, 7), np.eye(7, dtype="float32"), np.zeros(7), checkpoints=checkpoints)
    found = made.query(np.eye(7, dtype="float32"), np.zeros(7), k=2).proponents
    assert found.indices.tolist() == [[i, -1] for i in range(7)]


@pytest.mark.parametrize("layers", ["all", ["first"]])
def test_captum_xor(keras, layers):
    case = captum("tracin_xor")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, activation="tanh", name="first"),
                              keras.layers.Dense(1, activation="tanh")])  # fmt: skip
    names = ["linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias"]
    checkpoints = [(1.0, [np.array(one[name], "float32").T for name in names])
                   for one in case["model"]["layers"][0]["checkpoints"]]  # fmt: skip
    x = np.array(case["input"]["train_x_before_row_L2_normalisation"], "float32")
    test = np.random.default_rng(0).normal(size=(100, 2)).astype("float32")
    x, test = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, test))
    y, wanted = np.repeat([1.0, -1.0], 12), np.where(test[:, 0] * test[:, 1] > 0, 1.0, -1.0)
    made = of(ki.wrap(model), x, y, layers=layers, checkpoints=checkpoints)
    found = made.query(test, wanted, k=5).proponents
    np.testing.assert_array_equal(found.labels, np.repeat(wanted[:, None], 5, 1))


def test_alibi_gradient_similarity(keras):
    path = CASES / "tf_cases.json"
    if not path.exists():
        pytest.skip("the cases of alibi are not beside the checkout")
    case = next(case for case in json.loads(path.read_text())["cases"] if case["id"] == "mlp-gradient-similarity")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="relu"), keras.layers.Dense(2)])
    model.set_weights([np.array(w, "float32") for w in case["weights"].values()])
    lens = ki.wrap(model, class_names=["0", "1"])
    x, y = np.array(case["train_inputs"], "float32"), case["train_labels"]
    methods = {"grad_dot": "gradient_dot", "grad_cos": "gradient_cosine", "grad_asym_dot": "gradient_asymmetric"}
    for theirs, ours in methods.items():
        scores = of(lens, x, y, method=ours, layers="all").scores(x[:2], y[:2])
        order = np.argsort(-scores, axis=1)
        assert order.tolist() == case["expected"][theirs]["ordered_indices"]
        np.testing.assert_allclose(np.take_along_axis(scores, order, 1), case["expected"][theirs]["scores_sorted"], atol=1e-4)


# Faults


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "hessian"}, InputError, "The methods are tracin, gradient_dot.* Received: method='hessian'"),
        ({"method": "gradient_dot", "checkpoints": [(1.0, [])]}, InputError, 'Checkpoints go with method="tracin" only'),
        ({"method": "representer", "layers": "all"}, InputError, r'of the last layer \(layers="last"\)'),
        ({"method": "representer", "l2": -1}, InputError, "`l2` has to be positive"),
        ({"labels": None}, InputError, "that at its label. Received: labels=None"),
        ({"labels": [0, 1]}, InputError, "Received: 7 inputs, 2 train_labels"),
        ({"labels": [0, 1, 2, 3, 0, 0, 0]}, InputError, r"from 0 to 2. Received: train_labels\[3\]=3"),
        ({"labels": ["a"] * 7}, InputError, "Labels in words need class names"),
        ({"checkpoints": "nowhere"}, InputError, "the folder of a CheckpointKeeper"),
        ({"checkpoints": []}, InputTypeError, "the folder of a CheckpointKeeper, or a list"),
    ],
)
def test_faults_are_said(options, error, message):
    model, x, targets, _ = MODELS["relu"]("keras")
    labels = options.pop("labels", labels_of(targets))
    with pytest.raises(error, match=message):
        of(lens_of(model, x, "relu"), x, labels, **options)


def test_faults_of_queries_are_said(tweets):
    model, x, labels, _ = tweets
    made = of(ki.wrap(model), x, labels)
    with pytest.raises(InputError, match="`k` has to be an integer of at least 1"):
        made.query(x[:2], k=0)
    with pytest.raises(InputError, match="Received: 2 inputs, 1 labels"):
        made.query(x[:2], [0])


def test_faults_of_regressions_are_said(keras):
    model, x, targets, _ = MODELS["shared"](keras.__name__)
    made = of(lens_of(model, x, "shared"), x, targets)
    with pytest.raises(InputError, match="A regression predicts no class"):
        made.query(x)
    with pytest.raises(InputError, match="`labels` holds 1 finite numbers per example"):
        made.query(x, np.full(len(x), np.nan))
    with pytest.raises(InputTypeError, match="`labels` holds numbers, 1 per example"):
        made.query(x, ["much"] * len(x))
    assert made.query(x, targets).by_class is None


def test_an_answer_per_position_is_refused(keras):
    model = keras.Sequential([keras.Input((5, 2)), keras.layers.Dense(3, activation="softmax")])
    with pytest.raises(InputError, match=r"one answer per example. Received: an output of shape \(None, 5, 3\)"):
        of(ki.wrap(model), np.zeros((2, 5, 2), "float32"), [0, 1])


def test_a_black_box_is_refused():
    lens = ki.wrap(lambda texts: np.full((len(texts), 2), 0.5))
    with pytest.raises(UnsupportedError, match="a black box shows none"):
        of(lens, ["a b", "c"], [0, 1])


def test_checkpoints_are_read_one_at_a_time(kept):
    assert [one.name for one in read_checkpoints(kept)] == [f"checkpoint-{i:04d}.npz" for i in (5, 10, 15, 20)]
