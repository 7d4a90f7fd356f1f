"""The contract of every attribution method, and oracles for each: whoever registers a method is tested by it."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import kerasintrospect as ki

TEXTS = ["I loved this film, but the main actor sucks.", "great film", "awful actor and a terrible, terrible plot!",
         "zzz loved it", "the film", "a plot, an actor, a film and the rest of it"]  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {"smoothgrad": {"n_samples": 5}, "vargrad": {"n_samples": 5}}


def classifier(keras: ModuleType) -> Any:
    """A masked BiLSTM on raw strings with random weights of some size."""
    keras.utils.set_random_seed(3)
    vectorize = keras.layers.TextVectorization(max_tokens=40, output_sequence_length=16, name="text_vectorization")
    vectorize.adapt(TEXTS)
    text = keras.Input((1,), dtype="string")
    wide = keras.initializers.RandomNormal(stddev=1.0, seed=1)
    h = keras.layers.Embedding(40, 6, mask_zero=True, embeddings_initializer=wide, name="embedding")(vectorize(text))
    h = keras.layers.Bidirectional(keras.layers.LSTM(5))(h)
    return keras.Model(text, keras.layers.Dense(3, activation="softmax", kernel_initializer=wide, name="dense")(h))


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def lens(request: pytest.FixtureRequest) -> Any:
    return ki.wrap(classifier(importlib.import_module(request.param)), class_names=["bad", "so so", "good"])


@pytest.fixture(params=ki.methods())
def method(request: pytest.FixtureRequest) -> str:
    return request.param


def test_scores_are_finite_signed_and_zero_at_padding(lens: Any, method: str) -> None:
    found = lens.attribute(TEXTS, method, target="good", **OPTIONS.get(method, {}))
    assert found.scores.shape == found.mask.shape == (len(TEXTS), 16)
    assert np.isfinite(found.scores).all()
    assert np.abs(found.scores).max() > 0
    assert not found.scores[~found.mask].any()
    assert [len(item.tokens) for item in found] == found.mask.sum(1).tolist() == [9, 2, 7, 3, 2, 11]


def test_a_row_hangs_on_nothing_but_itself(lens: Any, method: str) -> None:
    options = OPTIONS.get(method, {})
    whole = lens.attribute(TEXTS, method, target=2, **options).scores
    some = lens.attribute([TEXTS[4], TEXTS[0]], method, target=2, **options).scores
    scale = np.abs(whole).max()
    np.testing.assert_allclose(some, whole[[4, 0]], atol=2e-5 * scale + 1e-8, rtol=1e-3)


def test_the_rows_of_one_pass_change_nothing(lens: Any, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = OPTIONS.get(method, {})
    expected = lens.attribute(TEXTS[:3], method, **options).scores
    monkeypatch.setattr(lens._runner, "batch_size", 3)  # as wrap(batch_size=3), with what is compiled already
    found = lens.attribute(TEXTS[:3], method, **options).scores
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max() + 1e-8, rtol=1e-3)


def test_weights_are_as_before(lens: Any, method: str) -> None:
    before = lens.fingerprint("embedding", None)
    lens.attribute(TEXTS[:2], method, **OPTIONS.get(method, {}))
    assert lens.fingerprint("embedding", None) == before


def test_words_hold_the_whole_score(lens: Any, method: str) -> None:
    for item in lens.attribute(TEXTS, method, **OPTIONS.get(method, {})):
        assert sum(word.score for word in item.words()) == pytest.approx(item.scores.sum(), abs=1e-5)
        assert "".join(word.text for word in item.words()) == "".join(item.text.split())


def test_unknown_options_are_named(lens: Any, method: str) -> None:
    with pytest.raises(ki.InputError, match="has other options.*colour"):
        lens.attribute(TEXTS, method, colour="blue")


def test_a_linear_model_is_its_own_explanation(keras: ModuleType) -> None:
    rng = np.random.default_rng(0)
    x = keras.Input((5,))
    layer = keras.layers.Dense(3)
    lens = ki.wrap(keras.Model(x, layer(x)))
    kernel, given = rng.normal(size=(5, 3)).astype("f"), rng.normal(size=(4, 5)).astype("f")
    layer.set_weights([kernel, rng.normal(size=3)])
    expected = given * kernel[:, 1]
    for method in ("integrated_gradients", "input_x_gradient", "occlusion"):
        np.testing.assert_allclose(lens.attribute(given, method, target=1).scores, expected, atol=1e-5)
    np.testing.assert_allclose(lens.attribute(given, "smoothgrad", target=1).scores, np.tile(kernel[:, 1], (4, 1)), atol=1e-5)
    np.testing.assert_allclose(lens.attribute(given, "vargrad", target=1).scores, 0, atol=1e-6)
    norms = np.abs(kernel[:, 1]) / np.abs(kernel[:, 1]).max()
    np.testing.assert_allclose(lens.attribute(given, "gradient_norm", target=1).scores, np.tile(norms, (4, 1)), atol=1e-5)


def quadratic(keras: ModuleType) -> Any:
    """F(x) = sum of x^2, whose gradient is 2x."""

    class Square(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return (x * x) @ np.ones((4, 1), np.float32)

    x = keras.Input((4,))
    return ki.wrap(keras.Model(x, Square()(x)))


def test_smoothgrad_and_vargrad_of_a_quadratic(keras: ModuleType) -> None:
    lens, x = quadratic(keras), np.array([[1.0, -2.0, 0.5, 3.0]], np.float32)
    mean = lens.attribute(x, "smoothgrad", n_samples=4000, stdevs=0.5).scores
    np.testing.assert_allclose(mean, 2 * x, atol=5 * 2 * 0.5 / np.sqrt(4000))
    variance = lens.attribute(x, "vargrad", n_samples=4000, stdevs=0.5).scores
    np.testing.assert_allclose(variance, np.full((1, 4), 4 * 0.25), rtol=0.15)
    relative = lens.attribute(x, "vargrad", n_samples=4000).scores  # 0.15 of the range 5
    np.testing.assert_allclose(relative, np.full((1, 4), 4 * 0.75**2), rtol=0.15)
    again, other = (lens.attribute(x, "smoothgrad", seed=seed).scores for seed in (0, 1))
    assert (lens.attribute(x, "smoothgrad", seed=0).scores == again).all() and (again != other).any()


def test_integrated_gradients_are_complete_and_auto_stops(lens: Any) -> None:
    found = lens.attribute(TEXTS, target="good")
    ends = lens.attribute(TEXTS, target="good", n_steps=1)
    assert np.abs(found.deltas).max() < 1e-5 < np.abs(ends.deltas).max()
    auto = lens.attribute(TEXTS, target="good", n_steps="auto", tolerance=0.01)
    difference = found.scores.sum(1) - found.deltas
    assert (np.abs(auto.deltas) <= 0.01 * np.maximum(np.abs(difference), 0.1) + 1e-7).all()
    for steps in (0, -1, 2.5, "many", True):
        with pytest.raises(ki.InputError, match="n_steps is a positive int or 'auto'"):
            lens.attribute(TEXTS, n_steps=steps)


def test_a_baseline_may_vary_by_unit_position_and_example(lens: Any) -> None:
    """Texts are sorted by length and cut to it: what the user gives is sorted and cut as they are."""
    values = lens.activations(TEXTS, str(lens._runner.scan().embeddings()[0]))
    width, units = values.mask.shape[1], values[next(iter(values))].shape[-1]
    drawn = np.random.default_rng(0).normal(size=(len(TEXTS), width, units))
    for start in (drawn[0, 0], drawn[0], drawn):
        found = lens.attribute(TEXTS, target=1, baseline=start)
        for i, text in enumerate(TEXTS):
            length = int(values.mask[i].sum())
            own = start[i, :length] if start.ndim == 3 else start[:length] if start.ndim == 2 else start
            alone = lens.attribute([text], target=1, baseline=own)
            assert np.allclose(found[i].scores, alone[0].scores, atol=1e-5)


def test_norm_change_is_a_z_score_of_one_step(lens: Any) -> None:
    found = lens.attribute(TEXTS, "norm_change", target="good")
    kept = [scores[mask] for scores, mask in zip(found.scores, found.mask, strict=True)]
    assert all(abs(row.mean()) < 1e-4 and abs(row.std() - 1) < 1e-3 for row in kept)
    acts = lens.activations(TEXTS[:1], "embedding")["embedding"]
    loss = lens.attribute(TEXTS[:1], "input_x_gradient", target="good", score="loss")
    change = -loss.scores[0][:9] / np.linalg.norm(acts[0, :9], axis=-1)
    np.testing.assert_allclose(kept[0], (change - change.mean()) / change.std(), atol=1e-3)


@pytest.mark.parametrize("score", ["logit", "probability", "loss"])
def test_the_explained_number_is_what_its_name_says(lens: Any, score: str) -> None:
    p = lens.predict(TEXTS).scores
    logits = np.asarray(lens.tail("dense:in")(lens.activations(TEXTS, "dense:in")["dense:in"]))
    kernel, bias = lens.model.layers[-1].get_weights()
    np.testing.assert_allclose(p, logits, atol=1e-6)
    z = lens.activations(TEXTS, "dense:in")["dense:in"] @ kernel + bias
    expected = {"logit": z[:, 1], "probability": p[:, 1], "loss": -np.log(p[:, 1])}[score]
    found = lens.attribute(TEXTS, target=1, score=score, site="dense:in", baseline=0.0, n_steps=100)
    share = np.exp(bias[1]) / np.exp(bias).sum()
    start = {"logit": bias[1], "probability": share, "loss": -np.log(share)}[score]
    np.testing.assert_allclose(found.scores.sum(1), expected - start, atol=1e-4)


def test_one_sigmoid_has_two_classes_of_opposite_logits(keras: ModuleType) -> None:
    x = keras.Input((3,))
    layer = keras.layers.Dense(1, activation="sigmoid")
    lens = ki.wrap(keras.Model(x, layer(x)), class_names=["no", "yes"])
    given = np.array([[1.0, 2.0, -1.0], [0.5, -3.0, 1.0]], np.float32)
    kernel = layer.get_weights()[0][:, 0]
    assert lens.predict(given).kind == "binary" and lens.predict(given).scores.shape == (2, 2)
    np.testing.assert_allclose(lens.predict(given).scores.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(lens.attribute(given, target="yes").scores, given * kernel, atol=1e-5)
    np.testing.assert_allclose(lens.attribute(given, target="no").scores, -given * kernel, atol=1e-5)


def test_targets(lens: Any) -> None:
    by_name, by_index = (lens.attribute(TEXTS, "saliency", target=t).scores for t in ("good", 2))
    assert (by_name == by_index).all()
    predicted = lens.predict(TEXTS).labels
    assert (lens.attribute(TEXTS, "saliency").scores == lens.attribute(TEXTS, "saliency", target=predicted).scores).all()
    margin = lens.attribute(TEXTS, "input_x_gradient", target=lambda p: p[:, 2] - p[:, 0], score="probability").scores
    two = [lens.attribute(TEXTS, "input_x_gradient", target=t, score="probability").scores for t in (2, 0)]
    np.testing.assert_allclose(margin, two[0] - two[1], atol=1e-6)
    for target, message in (
        (3, "classes 0 to 2. Received: target=3"),
        ("best", "classes are bad, so so, good. Received: target='best'"),
        ([0, 1], "2 targets for 6 examples"),
        (1.5, "class index or name"),
        ((0, 1), r"is a class\. Received"),
        (lambda p: p, "one number per example"),
    ):
        with pytest.raises((ki.TargetError, TypeError), match=message):
            lens.attribute(TEXTS, "saliency", target=target)


def test_faults_are_named(lens: Any) -> None:
    with pytest.raises(ki.InputError, match="There is no attribution method 'salience'. The nearest: 'saliency'"):
        lens.attribute(TEXTS, "salience")
    with pytest.raises(ki.InputError, match="score is one of logit, probability, loss. Received: score='odds'"):
        lens.attribute(TEXTS, score="odds")
    with pytest.raises(ki.InputError, match=r"baseline is a number, or an array that fits .* Received: shape \(5,\)"):
        lens.attribute(TEXTS, baseline=np.zeros(5))
    with pytest.raises(ki.InputError, match="float activation. Received: site='text_vectorization'"):
        lens.attribute(TEXTS, site="text_vectorization")
    with pytest.raises(ki.InputError, match="stride is at most window"):
        lens.attribute(TEXTS, "occlusion", window=1, stride=2)
    with pytest.raises(ki.InputError, match="n_samples is a positive int"):
        lens.attribute(TEXTS, "smoothgrad", n_samples=0)
    with pytest.raises(ki.InputError, match="There is no text to run"):
        lens.attribute([])
    with pytest.raises(ki.InputTypeError, match="a list of str"):
        lens.attribute("one text")


def test_nan_weights_are_named(keras: ModuleType) -> None:
    model = classifier(keras)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel * np.nan, bias])
    lens = ki.wrap(model)
    with pytest.raises(ki.InputError, match="weights hold NaN or infinity: .*kernel"):
        lens.predict(TEXTS)
    with pytest.raises(ki.InputError, match="NaN"):
        lens.attribute(TEXTS, "saliency", target=0)


def test_the_record_shows_and_plots(lens: Any) -> None:
    found = lens.attribute(TEXTS[:2], target=[0, "good"])
    assert str(found).splitlines()[1].startswith("[good] great(")
    frame = found.to_frame()
    assert frame.columns.tolist() == ["example", "word", "start", "end", "score", "target"] and len(frame) == 13
    axes = found.plot(0)
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["I", "loved"]
    assert found[0].target == 0 and found[1].target_name == "good" and found.sites == ("embedding",)


@pytest.mark.parametrize("n", [5, 9, 17, 257])
def test_the_nested_points_integrate_polynomials(n: int) -> None:
    from kerasintrospect.attribution.integrated_gradients import _clenshaw_curtis

    points, weights = 0.5 * (1 - np.cos(np.pi * np.arange(n) / (n - 1))), _clenshaw_curtis(n)
    for degree in range(min(n, 20)):
        assert weights @ points**degree == pytest.approx(1 / (degree + 1), abs=1e-12)


def test_added_rows_change_no_sum() -> None:
    from kerasintrospect.attribution.points import Points

    points = Points.of(5, np.linspace(0, 1, 50), np.ones(50))
    level, (values,) = points.level([np.arange(5.0)])
    assert len(level) == len(values) == 256 and set(level.owner[250:]) == {255}
    assert (level.owner[:250] == points.owner).all() and (values[:5] == np.arange(5.0)).all()
    assert len(Points.of(64, (1.0,), (1.0,)).level([])[0]) == 64
