"""Runs: buckets, order, memory, traces, and models whose padding matters."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki

WIDTH, N = 40, 30


def ragged(front: bool = False, seed: int = 0) -> np.ndarray:
    """Token ids of many lengths, none among them, in no order."""
    random = np.random.default_rng(seed)
    ids = np.zeros((N, WIDTH), "int32")
    for row, length in zip(ids, random.permutation([*range(1, N), WIDTH]), strict=True):
        row[WIDTH - length if front else 0 : WIDTH if front else length] = random.integers(1, zoo.VOCABULARY, length)
    return ids


def classifier(keras: ModuleType, *middle: Any, mask_zero: bool = True) -> Any:
    keras.utils.set_random_seed(5)
    x = inputs = keras.Input((WIDTH,), dtype="int32")
    x = keras.layers.Embedding(zoo.VOCABULARY, zoo.UNITS, mask_zero=mask_zero, name="embed",
                               embeddings_initializer="normal")(x)  # fmt: skip
    for layer in middle:
        x = layer(x)
    return keras.Model(inputs, keras.layers.Dense(zoo.CLASSES, "softmax", name="out")(x))


def dense(keras: ModuleType) -> Any:
    return keras.layers.Dense(5, "tanh", name="hidden")


def pool(keras: ModuleType) -> Any:
    return keras.layers.GlobalAveragePooling1D(name="pool")


def lstm(keras: ModuleType) -> Any:
    return keras.layers.LSTM(5, name="hidden", return_sequences=True)


def conv(keras: ModuleType) -> Any:
    return keras.layers.Conv1D(5, 3, padding="same", name="hidden")


def flat(keras: ModuleType) -> Any:
    return keras.layers.Flatten(name="pool")


def widths(lens: Any, ids: np.ndarray) -> set[int]:
    """The widths in which a run goes through the model."""
    return {chunk[1][0].shape[1] for chunk in lens._runner.chunks(lens._runner.arrange(ids))}


@pytest.fixture(scope="module")
def recurrent() -> Callable[[str], tuple[Any, Any]]:
    """(model, lens) of a masked recurrent classifier, once per family."""
    import importlib

    made: dict[str, tuple[Any, Any]] = {}

    def get(family: str) -> tuple[Any, Any]:
        if family not in made:
            keras = importlib.import_module(family)
            model = classifier(keras, lstm(keras), pool(keras))
            made[family] = model, ki.wrap(model, batch_size=8)
        return made[family]

    return get


# Buckets


@pytest.mark.parametrize("front", [False, True], ids=["padded behind", "padded in front"])
@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_buckets_give_what_full_length_gives(recurrent, family, front):
    model, lens = recurrent(family)
    ids = ragged(front)
    assert len(widths(lens, ids)) >= 3 and max(widths(lens, ids)) == WIDTH
    assert np.allclose(lens.predict(ids).scores, model(ids), atol=1e-6)
    whole = lens.truncate("hidden")(ids).numpy()
    found = lens.activations(ids, "hidden")
    assert np.array_equal(found.mask, ids != 0)
    assert np.allclose(found["hidden"][ids != 0], whole[ids != 0], atol=1e-6)
    pooled = (whole * (ids != 0)[..., None]).sum(1) / (ids != 0).sum(1, keepdims=True)
    assert np.allclose(lens.activations(ids, "hidden", pool="mean")["hidden"], pooled, atol=1e-6)
    scores = lens.attribute(ids, "input_x_gradient", target=1)
    assert not scores.scores[ids == 0].any() and np.array_equal(scores.mask, ids != 0)
    for i in (0, 11):
        alone = lens.attribute(ids[i : i + 1], "input_x_gradient", target=1).scores
        assert np.allclose(scores.scores[i], alone[0], atol=1e-6)


@pytest.mark.parametrize("method", ["integrated_gradients", "smoothgrad", "norm_change", "occlusion"])
def test_attribution_is_the_same_at_full_length(recurrent, method, monkeypatch):
    _, lens = recurrent("keras")
    ids = ragged()[:12]
    options = {"integrated_gradients": {"n_steps": 8}, "smoothgrad": {"n_samples": 5}}.get(method, {})
    found = lens.attribute(ids, method, target=0, **options)
    assert lens._runner._trims
    monkeypatch.setattr(lens._runner, "_trims", False)
    expected = lens.attribute(ids, method, target=0, **options)
    assert np.allclose(found.scores, expected.scores, atol=2e-5)
    assert np.allclose(found.deltas, expected.deltas, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize(
    ("make", "mask_zero", "cut"),
    [
        ((dense, pool), False, False),  # a mean over padding too
        ((conv, pool), True, False),  # Conv1D drops the mask
        ((dense, flat), False, False),  # one width only
        ((lstm,), True, True),
        ((dense, pool), True, True),
    ],
    ids=["mean over padding", "convolution", "flatten", "masked lstm", "masked mean"],
)
def test_padding_is_cut_only_where_it_does_not_matter(keras, make, mask_zero, cut):
    layers = [layer(keras) for layer in make]
    if make == (lstm,):
        layers = [keras.layers.LSTM(5, name="hidden")]
    model = classifier(keras, *layers, mask_zero=mask_zero)
    lens, ids = ki.wrap(model, batch_size=8), ragged()
    assert np.allclose(lens.predict(ids).scores, model.predict(ids, verbose=0), atol=1e-6)
    assert (len(widths(lens, ids)) > 1) == cut
    if make[-1] is flat:
        one = lens.attribute(ids[:4], "integrated_gradients", target=0, n_steps=10)
        assert np.abs(one.deltas).max() < 1e-3


def test_the_check_compares_rows_that_are_really_cut(keras):
    """A first batch whose rows all fill the last bucket shows nothing; short rows that come later must not be cut."""
    model = classifier(keras, dense(keras), pool(keras), mask_zero=False)
    lens, ids = ki.wrap(model), ragged()
    nearly = ids[:4].copy()
    nearly[:, : WIDTH - 1] = np.maximum(nearly[:, : WIDTH - 1], 1)
    nearly[:, WIDTH - 1] = 0
    lens.predict(nearly)
    assert np.allclose(lens.predict(ids).scores, model(ids), atol=1e-6)


def test_two_texts_of_one_width_are_cut_together(keras):
    left, right = (keras.Input((WIDTH,), dtype="int32", name=name) for name in ("left", "right"))
    embed = keras.layers.Embedding(zoo.VOCABULARY, zoo.UNITS, mask_zero=True, name="embed")
    lower, upper = keras.layers.LSTM(3, name="lower"), keras.layers.LSTM(3, name="upper")
    joined = keras.layers.Concatenate()([lower(embed(left)), upper(embed(right))])
    model = keras.Model([left, right], keras.layers.Dense(3, "softmax")(joined))
    short, long = ragged(), ragged(seed=1)
    short[:, 6:] = 0
    long[:16, 4:] = 0  # what the check would see
    lens = ki.wrap(model, batch_size=8)
    assert np.allclose(lens.predict([short, long]).scores, model([short, long]), atol=1e-6)
    scores = lens.attribute([short, long], "input_x_gradient", target=0).scores[20].reshape(2, WIDTH)
    assert sorted((scores != 0).tolist()) == sorted([(short[20] != 0).tolist(), (long[20] != 0).tolist()])


def test_positions_of_its_own_are_not_taken_for_tokens(keras):
    """A site with as many rows as a bucket has columns."""
    grid = keras.layers.Reshape((4, 2), name="grid")
    own = keras.layers.Dense(8, "tanh", name="own")
    model = classifier(keras, pool(keras), own, grid, keras.layers.Flatten())
    ids, lens = ragged()[:, :WIDTH], ki.wrap(model)
    ids[:, 4:] = 0
    found = lens.activations(ids, "grid")["grid"]
    whole = lens.truncate("grid")(ids).numpy()
    assert np.allclose(found, whole, atol=1e-6)
    assert np.allclose(lens.activations(ids, "grid", pool="mean")["grid"], whole.mean(1), atol=1e-6)


def test_a_layer_that_moves_the_positions_moves_the_mask(keras):
    class Reverse(keras.layers.Layer):
        supports_masking = True

        def call(self, inputs: Any) -> Any:
            return inputs[:, ::-1]

        def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
            return None if mask is None else mask[:, ::-1]

    lens, ids = ki.wrap(classifier(keras, Reverse(name="reverse"), pool(keras))), ragged()
    vectors = np.asarray(lens.model.get_layer("embed").get_weights()[0])[ids]
    expected = (vectors * (ids != 0)[..., None]).sum(1) / (ids != 0).sum(1, keepdims=True)
    assert np.allclose(lens.activations(ids, "reverse", pool="mean")["reverse"], expected, atol=1e-6)
    for pool_, place in (("first", np.zeros(len(ids), int)), ("last", (ids != 0).sum(1) - 1)):  # of the text
        found = lens.activations(ids, "reverse", pool=pool_)["reverse"]
        assert np.allclose(found, vectors[np.arange(len(ids)), place], atol=1e-6)


def test_zeros_inside_a_row_are_kept(recurrent):
    model, lens = recurrent("keras")
    ids = ragged()
    ids[:, 2] = 0
    assert np.allclose(lens.predict(ids).scores, model(ids), atol=1e-6)


# Order and memory


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_the_size_of_a_batch_changes_nothing(recurrent, family):
    model, many = recurrent(family)  # whose eight rows hold all that is asked at once
    ids, one = ragged()[:5], ki.wrap(model, batch_size=1)
    assert np.allclose(one.predict(ids).scores, many.predict(ids).scores, atol=1e-6)
    assert np.allclose(one.activations(ids, "hidden")["hidden"], many.activations(ids, "hidden")["hidden"], atol=1e-6)
    found, expected = (each.attribute(ids[:2], n_steps=4, target=0) for each in (one, many))
    assert np.allclose(found.scores, expected.scores, atol=1e-5)
    assert np.allclose(found.deltas, expected.deltas, atol=1e-5)
    found, expected = (each.attribute(ids[:2], "smoothgrad", target=0, n_samples=3, seed=3) for each in (one, many))
    assert np.allclose(found.scores, expected.scores, atol=1e-5)


def test_no_pass_has_more_rows_than_the_batch_size(keras):
    rows: list[int] = []

    class Spy(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            import tensorflow as tf

            def note(x: np.ndarray) -> np.ndarray:
                rows.append(len(x))
                return x

            return tf.ensure_shape(tf.numpy_function(note, [inputs], "float32", stateful=False), inputs.shape)

    inputs = keras.Input((WIDTH,), dtype="int32")
    x = keras.layers.Embedding(zoo.VOCABULARY, zoo.UNITS, name="embed")(inputs)
    x = pool(keras)(keras.layers.Dense(3, name="hidden")(Spy(name="spy")(x)))
    lens = ki.wrap(keras.Model(inputs, keras.layers.Dense(3, "softmax")(x)), batch_size=7)
    ids = np.random.default_rng(0).integers(1, zoo.VOCABULARY, (15, WIDTH))
    lens.predict(ids)
    lens.activations(ids, "hidden", pool="mean")
    lens.neighbors(ids)
    assert max(rows) <= 7 and sum(rows) == 45
    rows.clear()
    lens.attribute(ids, n_steps=20, target=0, site="hidden")
    assert max(rows) <= 7
    # What stands before the site runs a few times per example, whatever the number of steps.
    assert sum(rows) <= 15 * 3


# Traces


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_one_trace_serves_all_batch_shapes(family):
    import importlib

    keras, traces = importlib.import_module(family), []

    class Counting(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            traces.append(inputs.shape)
            return inputs * 1.0

        def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
            return mask

        supports_masking = True

    lens = ki.wrap(classifier(keras, Counting(name="count"), pool(keras)), batch_size=8)
    ids = ragged()
    asked: dict[str, Callable[[np.ndarray], Any]] = {
        "predict": lens.predict,
        "activations": lambda x: lens.activations(x, "pool"),
        "mean": lambda x: lens.activations(x, "count", pool="mean"),
        "saliency": lambda x: lens.attribute(x, "saliency", target=0),
        "integrated gradients": lambda x: lens.attribute(x, target=0, n_steps=3),
    }
    for name, ask in asked.items():
        ask(ids)
        traces.clear()
        for rows in (1, 2, 7, 9, 20):
            ask(ids[:rows])
            ask(ids[rows:])
        assert traces == [], name
    assert len(lens._runner.tracer._functions) <= 12


def test_an_edit_that_is_a_new_function_each_time_does_not_pile_up(recurrent):
    _, lens = recurrent("keras")
    lens.activations(ragged()[:2], "out")
    for k in range(3):
        lens.predict(ragged()[:2], edits={"pool": lambda x, k=k: x * k})
    assert len(lens._runner.tracer._functions) <= 64


# A model that is shown a wrong batch first


def test_a_wrong_first_batch_is_forgotten(keras):
    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.out = keras.layers.Dense(4), keras.layers.Dense(3)

        def call(self, inputs: Any) -> Any:
            import tensorflow as tf

            return self.out(self.hidden(tf.ensure_shape(inputs, (None, zoo.UNITS))))

    lens = ki.wrap(Model())
    with pytest.raises(Exception, match="not compatible|incompatible|shape"):
        lens.predict(np.zeros((2, 9), "float32"))
    assert lens.predict(zoo.floats()).scores.shape == (zoo.EXAMPLES, 3)


# Progress


def test_no_bar_for_short_work_and_nothing_is_printed(recurrent, capsys, caplog):
    _, lens = recurrent("keras")
    with caplog.at_level(logging.WARNING, logger="kerasintrospect"):
        lens.predict(ragged())
    found = capsys.readouterr()
    assert (found.out, found.err) == ("", "") and not caplog.records
