"""TextVectorization inside and outside the model: splits, n-grams, lengths, ragged output, standardisation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zoo

import kerasintrospect as ki
from kerasintrospect.text import NOWHERE

TEXT = "I loved, THIS film"


def inside(keras: Any, **options: Any) -> Any:
    """A mean over the tokens' vectors; the layer stands inside the model."""
    made, vectorizer = zoo.layers(keras, mask_zero=True), zoo.vectorizer(keras, **options)
    x = inputs = keras.Input((), dtype="string")
    for layer in (vectorizer, *made.all):
        x = layer(x)
    return keras.Model(inputs, x)


def outside(keras: Any, **options: Any) -> tuple[Any, Any]:
    return zoo.graph(keras, zoo.layers(keras, mask_zero=True), None), zoo.vectorizer(keras, **options)


def row(lens: Any, text: str = TEXT) -> Any:
    return lens._runner.encode([text]).rows()[0]


def spelled(found: Any, text: str = TEXT) -> list[str | None]:
    return [None if span == NOWHERE else text[slice(*span)] for span in found.spans]


def same_inside_and_outside(keras: Any, **options: Any) -> Any:
    """The row of tokens, which is the same for a layer inside the model and beside it."""
    within = ki.wrap(inside(keras, **options))
    within.sites()
    model, vectorizer = outside(keras, **options)
    beside = ki.wrap(model, tokenizer=vectorizer)
    within.predict([TEXT])
    assert row(within) == row(beside)
    assert np.allclose(within.predict([TEXT, "film"]).scores, beside.predict([TEXT, "film"]).scores, atol=1e-6)
    return row(within)


def test_words(keras):
    found = same_inside_and_outside(keras)
    assert found.tokens == ("i", "loved", "this", "film") and spelled(found) == ["I", "loved", "THIS", "film"]
    assert found.unknown == (False,) * 4 and not found.truncated


def test_characters(keras):
    found = same_inside_and_outside(keras, split="character")
    assert "".join(found.tokens) == "i loved this film" and spelled(found)[:4] == ["I", " ", "l", "o"]


def test_no_standardisation_keeps_the_words_as_they_are(keras):
    found = same_inside_and_outside(keras, standardize=None)
    assert found.tokens == ("I", "loved,", "THIS", "film") and spelled(found) == ["I", "loved,", "THIS", "film"]
    assert found.unknown == (True, True, True, False)


def test_functions_of_the_user(keras):
    import tensorflow as tf

    def clean(strings: Any) -> Any:
        return tf.strings.regex_replace(tf.strings.lower(strings), r"@\w+|https?://\S+", " ")

    text, options = "@me loved http://t.co/film film", {"standardize": clean, "split": lambda s: tf.strings.split(s, " ")}
    lens = ki.wrap(inside(keras, **options))
    lens.predict([text])
    found = row(lens, text)  # spaces split into empty tokens, which the layer counts as padding
    assert found.tokens == ("loved", "film") and found.spans[0] == (4, 9)
    assert text[slice(*found.spans[1])] == "film"


@pytest.mark.parametrize("ngrams", [2, (1, 2), (2,), 3])
def test_ngrams_span_their_words(keras, ngrams):
    model, vectorizer = outside(keras, ngrams=ngrams)
    found = row(ki.wrap(model, tokenizer=vectorizer))
    whole = {"i loved": "I loved", "loved this": "loved, THIS", "this film": "THIS film", "i": "I", "this": "THIS",
             "i loved this": "I loved, THIS", "loved this film": "loved, THIS film"}  # fmt: skip
    whole |= {"loved": "loved", "film": "film"}
    assert spelled(found) == [whole[token] for token in found.tokens]
    assert ("i loved this" in found.tokens) == (ngrams == 3) and ("i" in found.tokens) == (ngrams != (2,))


def test_a_fixed_length_cuts_and_says_so(keras):
    found = same_inside_and_outside(keras, output_sequence_length=3)
    assert found.tokens == ("i", "loved", "this") and found.truncated
    lens = ki.wrap(inside(keras, output_sequence_length=6))
    acts = lens.activations([TEXT, "film"], "embed")
    assert acts["embed"].shape == (2, 6, zoo.UNITS) and acts.mask.sum(1).tolist() == [4, 1]
    assert acts.truncated.tolist() == [False, False] and acts.tokens == [("i", "loved", "this", "film"), ("film",)]


def test_a_ragged_layer_beside_the_model_is_padded(keras):
    model, _ = outside(keras)
    plain, ragged = (zoo.vectorizer(keras, ragged=ragged) for ragged in (False, True))
    found, expected = (ki.wrap(model, tokenizer=layer).predict([TEXT, "film"]).scores for layer in (ragged, plain))
    assert np.allclose(found, expected, atol=1e-6)


def test_a_ragged_layer_inside_the_model_is_run_as_it_is():
    import tensorflow as tf
    import tf_keras

    inputs = tf_keras.Input((), dtype="string")
    ids = zoo.vectorizer(tf_keras, ragged=True)(inputs)
    vectors = tf_keras.layers.Embedding(zoo.VOCABULARY, zoo.UNITS)(ids)
    pooled = tf_keras.layers.Lambda(lambda x: tf.reduce_mean(x, 1))(vectors)
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(3, "softmax", name="out")(pooled))
    lens, texts = ki.wrap(model), [TEXT, "film"]
    assert np.allclose(lens.predict(texts).scores, model(tf.constant(texts)), atol=1e-6)
    assert lens.activations(texts, "out:in")["out:in"].shape == (2, zoo.UNITS)


def test_counts_of_words_have_no_positions(keras):
    vectorizer = zoo.vectorizer(keras, output_mode="multi_hot")
    inputs = keras.Input((), dtype="string")
    counts = keras.layers.Rescaling(1.0, name="counts")(vectorizer(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax", name="out")(counts))
    lens = ki.wrap(model)
    import tensorflow as tf

    texts = [TEXT, "film film"]
    assert np.allclose(lens.predict(texts).scores, model(tf.constant(texts)), atol=1e-6)
    found = lens.attribute(texts, "input_x_gradient", target=0, site="out:in")
    weights = np.array(model.get_layer("out").get_weights()[0])[:, 0]
    assert np.allclose(found.scores, np.asarray(vectorizer(tf.constant(texts))) * weights, atol=1e-6)


def test_the_vocabulary_and_the_length_are_in_the_identity(keras):
    fronts = [ki.wrap(outside(keras)[0], tokenizer=layer)._runner.front for layer in (
        zoo.vectorizer(keras), zoo.vectorizer(keras), zoo.vectorizer(keras, split="character"),
        keras.layers.TextVectorization(vocabulary=[*zoo.WORDS, "more"]),
        zoo.vectorizer(keras, output_sequence_length=3))]  # fmt: skip
    names = [front.identity() for front in fronts]
    assert names[0] == names[1] and len(set(names)) == 4


def test_max_length_cuts_what_the_layer_does_not(keras):
    model, vectorizer = outside(keras)
    lens = ki.wrap(model, tokenizer=vectorizer, max_length=2)
    assert row(lens).tokens == ("i", "loved") and row(lens).truncated
    assert np.allclose(lens.predict([TEXT]).scores, model(np.array([[6, 4]])), atol=1e-6)


def test_texts_are_padded_to_the_width_of_the_model(keras):
    model = zoo.graph(keras, zoo.layers(keras, mask_zero=True), 9)
    lens = ki.wrap(model, tokenizer=zoo.vectorizer(keras))
    ids = np.zeros((1, 9), int)
    ids[0, :4] = [6, 4, 7, 3]
    assert np.allclose(lens.predict([TEXT]).scores, model(ids), atol=1e-6)
    assert row(lens, "film " * 12).truncated


def test_a_nested_text_model_is_found(keras):
    text_model = inside(keras, output_sequence_length=5)
    inputs = keras.Input((), dtype="string")
    model = keras.Model(inputs, keras.layers.Dense(2, "softmax")(text_model(inputs)))
    lens = ki.wrap(model)
    found = lens.attribute([TEXT], "saliency")[0]
    assert found.tokens == ("i", "loved", "this", "film") and lens.describe()["max_length"] == 5


def test_strings_may_be_changed_before_the_layer(keras):
    import tensorflow as tf

    class Trim(keras.layers.Layer):
        def call(self, strings: Any) -> Any:
            return tf.strings.regex_replace(strings, "^RT ", "")

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

        def compute_output_spec(self, strings: Any) -> Any:
            return keras.KerasTensor(strings.shape, "string")

    made = zoo.layers(keras, mask_zero=True)
    x = inputs = keras.Input((), dtype="string")
    for layer in (Trim(), zoo.vectorizer(keras), *made.all):
        x = layer(x)
    model = keras.Model(inputs, x)
    lens, text = ki.wrap(model), "RT the film"
    lens.predict([text])
    found = row(lens, text)
    assert found.tokens == ("the", "film") and spelled(found, text) == ["the", "film"]
    assert np.allclose(lens.predict([text]).scores, model(tf.constant([text])), atol=1e-6)


def test_max_length_without_a_tokenizer_is_refused(keras):
    with pytest.raises(ki.InputError, match="max_length goes with tokenizer=. .* Received: max_length=3"):
        ki.wrap(inside(keras), max_length=3)


def test_a_layer_without_a_vocabulary_is_no_tokenizer_yet(keras):
    model, _ = outside(keras)
    with pytest.raises(ki.InputError, match="adapt"):
        ki.wrap(model, tokenizer=keras.layers.TextVectorization()).predict(["a text"])
