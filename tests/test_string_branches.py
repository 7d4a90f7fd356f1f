"""Models whose strings reach the outputs by more ways than through one TextVectorization layer."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import kerasintrospect as ki

TEXTS = ["love the bus", "a b c d e f g and much more that is long", "bus"]


def branching(keras: Any, second: str) -> Any:
    """Strings into a TextVectorization layer, and past it."""
    import tensorflow as tf

    class Length(keras.layers.Layer):
        def call(self, strings: Any) -> Any:
            return tf.cast(tf.strings.length(strings), tf.float32)[:, None] / 20

    ids = keras.layers.TextVectorization(output_sequence_length=6)
    ids.adapt(TEXTS)
    strings = keras.Input((), dtype="string")
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(30, 4, name="embedding")(ids(strings)))
    if second == "length":
        other = Length()(strings)
    else:
        sparse = keras.layers.TextVectorization(output_mode="multi_hot")
        sparse.adapt(TEXTS)
        other = keras.layers.Dense(3)(sparse(strings))
    return keras.Model(strings, keras.layers.Dense(2, activation="softmax")(keras.layers.Concatenate()([pooled, other])))


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def family(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(request.param)


@pytest.mark.parametrize("second", ["length", "another layer"])
def test_predictions_are_those_of_the_model(family: Any, second: str) -> None:
    import tensorflow as tf

    model = branching(family, second)
    lens = ki.wrap(model, class_names=["no", "yes"])
    expected = np.asarray(model(tf.constant(TEXTS)))
    np.testing.assert_allclose(lens.predict(TEXTS).scores, expected, atol=1e-6)
    np.testing.assert_allclose(lens.predict(TEXTS, edits={"embedding": lambda x: x}).scores, expected, atol=1e-6)

    found = lens.attribute(TEXTS, "occlusion", target="yes", score="probability")
    alone = np.asarray(model(tf.constant([" the bus", "love  bus", "love the "])))[:, 1]
    assert [word.text for word in found[0].words()] == ["love", "the", "bus"]
    np.testing.assert_allclose([word.score for word in found[0].words()], expected[0, 1] - alone, atol=1e-6)


def test_the_models_own_tokens_stay_unknown(family: Any) -> None:
    lens = ki.wrap(branching(family, "length"), class_names=["no", "yes"])
    with pytest.warns(ki.KerasIntrospectWarning, match="not known where the tokens stand"):
        found = lens.attribute(TEXTS, "input_x_gradient", target="yes", site="embedding")
    assert found[0].tokens == ("0", "1", "2", "3", "4", "5")
    assert lens.activations(TEXTS, "embedding").tokens is None
    with pytest.raises(ki.InputError, match="has no vector per token"):
        lens.predict(TEXTS, edits={"embedding": ki.ablate(words="bus")})


@pytest.mark.parametrize("site", [":in", "lower", "lower:in", "ids:in"])
def test_nothing_goes_through_what_stands_before_the_text_front(family: Any, site: str) -> None:
    import tensorflow as tf

    class Lower(family.layers.Layer):
        def call(self, strings: Any) -> Any:
            return tf.strings.lower(strings)

    ids = family.layers.TextVectorization(output_sequence_length=6, name="ids")
    ids.adapt(TEXTS)
    strings = family.Input((), dtype="string")
    vectors = family.layers.Embedding(30, 4, name="embedding")(ids(Lower(name="lower")(strings)))
    model = family.Model(strings, family.layers.Dense(2)(family.layers.GlobalAveragePooling1D()(vectors)))
    lens = ki.wrap(model)
    with pytest.raises(ki.UnsupportedError, match=f"nothing goes through '{site}' any more. Choose 'ids'"):
        lens.predict(TEXTS, edits={site: lambda x: x})
    with pytest.raises(ki.UnsupportedError, match=f"nothing goes through '{site}' any more"):
        lens.activations(TEXTS, site)
    same = lens.predict(TEXTS[:1], edits={"ids": lambda x: x}).scores
    np.testing.assert_allclose(same, lens.predict(TEXTS[:1]).scores, atol=1e-6)
    others = lens.predict(TEXTS[:1], edits={"ids": lambda x: tf.reverse(x, [1]) * 0 + 1}).scores
    np.testing.assert_allclose(others, np.asarray(model(tf.constant(["unknown " * 6]))), atol=1e-6)
