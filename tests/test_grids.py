"""Patch grids: every cell equals one run with that token of the source put in."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import tiny
from test_effects import transformer

import kerasintrospect as ki

TEXT, SOURCE = "so love my bus", "so hate my door"


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def lens(request: pytest.FixtureRequest) -> Any:
    return ki.wrap(transformer(importlib.import_module(request.param)), class_names=tiny.NAMES, batch_size=5)


def test_every_cell_is_one_patch(lens: Any) -> None:
    grid = lens.patch_grid(TEXT, SOURCE, ["embedding", "attention", "wide"], score="probability", target="positive")
    target = tiny.NAMES.index("positive")
    np.testing.assert_allclose([grid.text_score, grid.source_score], lens.predict([TEXT, SOURCE]).scores[:, target], atol=1e-6)
    for i, site in enumerate(grid.sites):
        for position in range(4):
            one = lens.predict([TEXT], edits={site: ki.patch(SOURCE, positions=position)}).scores[0, target]
            assert grid.scores[i, position] == pytest.approx(one, abs=1e-6)
    assert grid.tokens == [("so", "so"), ("love", "hate"), ("my", "my"), ("bus", "door")]


def test_of_words_that_are_the_same_nothing_changes_at_the_embedding(lens: Any) -> None:
    grid = lens.patch_grid(TEXT, SOURCE, ["embedding"])
    np.testing.assert_allclose(grid.recovered[0, [0, 2]], 0, atol=1e-5)
    assert abs(grid.recovered[0, 1]) > 0.05
    assert len(grid.to_frame()) == 4


def test_by_default_all_layers_with_a_vector_per_token(lens: Any) -> None:
    assert {"embedding", "norm", "wide"} <= set(lens.patch_grid(TEXT, SOURCE).sites)


def test_the_target_is_what_the_source_is(lens: Any) -> None:
    said = tiny.NAMES[lens.predict([SOURCE]).labels[0]]
    assert lens.patch_grid(TEXT, SOURCE, ["norm"]).target_name == said


def test_a_heat_map_is_norms_over_their_mean_and_one_unit_is_itself(lens: Any) -> None:
    found = lens.heat_map(TEXT, ["embedding", "wide"])
    vectors = lens.activations([TEXT], "wide")["wide"][0][:4]
    norms = np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(found.values[1], norms / norms.mean(), atol=1e-5)
    assert found.tokens == TEXT.split() and len(found.to_frame()) == 8
    np.testing.assert_allclose(lens.heat_map(TEXT, ["wide"], unit=3).values[0], vectors[:, 3], atol=1e-6)
    with pytest.raises(ki.InputError, match="units 0 to 15"):
        lens.heat_map(TEXT, ["wide"], unit=16)
    with pytest.raises(ki.InputError, match="tokens that the model sees"):
        lens.heat_map("")
    assert found.plot().get_figure() is not None and lens.patch_grid(TEXT, SOURCE, ["wide"]).plot().get_title()


def test_bad_grids(lens: Any) -> None:
    with pytest.raises(ki.InputError, match="as many tokens. Received: 4 and 2"):
        lens.patch_grid(TEXT, "so hate")
    with pytest.raises(ki.InputError, match="one vector per token. Received: 'classes'"):
        lens.patch_grid(TEXT, SOURCE, ["embedding", "classes"])
    with pytest.raises(ki.InputError, match="score is"):
        lens.patch_grid(TEXT, SOURCE, score="loss")


@pytest.fixture(scope="module")
def strided() -> Any:
    """Texts of open length, and every other position convolved: what stands there is no token."""
    import keras

    inputs = keras.Input((), dtype="string")
    ids = keras.layers.TextVectorization(vocabulary=TEXT.split() + ["hate", "door"], name="ids")(inputs)
    x = keras.layers.Embedding(8, 6, name="embedding")(ids)
    x = keras.layers.Conv1D(4, 2, strides=2, padding="same", name="conv")(x)
    x = keras.layers.GlobalMaxPooling1D(name="pool")(x)
    return ki.wrap(keras.Model(inputs, keras.layers.Dense(2, activation="softmax", name="classes")(x)))


def test_a_site_of_open_length_whose_positions_are_no_tokens(strided: Any) -> None:
    assert strided.patch_grid(TEXT, SOURCE).sites == strided.heat_map(TEXT).sites == ["embedding"]
    for ask in (lambda: strided.patch_grid(TEXT, SOURCE, ["conv"]), lambda: strided.heat_map(TEXT, ["embedding", "conv"])):
        with pytest.raises(ki.UnsupportedError, match="positions of 'conv' are no tokens: there are 2 for 4"):
            ask()
    with pytest.raises(ki.InputError, match="A heat map needs one vector per token. Received: 'pool'"):
        strided.heat_map(TEXT, ["pool"])


def test_a_model_that_gives_nan_says_why(strided: Any) -> None:
    import keras

    made = keras.models.clone_model(strided.model)
    made.set_weights(strided.model.get_weights())
    table = made.get_layer("embedding").get_weights()[0]
    made.get_layer("embedding").set_weights([np.where(np.arange(len(table))[:, None] == 3, np.nan, table)])
    lens = ki.wrap(made)
    with pytest.raises(ki.InputError, match="these weights hold NaN or infinity: .*embedding") as said:
        lens.predict([TEXT])
    for ask in (lambda: lens.patch_grid(TEXT, SOURCE), lambda: lens.heat_map(TEXT)):
        with pytest.raises(ki.InputError) as found:
            ask()
        assert str(found.value) == str(said.value)


def test_one_text_at_a_time(lens: Any) -> None:
    for ask in (lambda: lens.patch_grid([TEXT], [SOURCE]), lambda: lens.patch_grid(TEXT, [SOURCE, TEXT, TEXT]),
                lambda: lens.heat_map([TEXT])):  # fmt: skip
        with pytest.raises(ki.InputTypeError, match="is one text, a str, and no list"):
            ask()
    with pytest.raises(ki.InputTypeError, match="unit='3'"):
        lens.heat_map(TEXT, unit="3")
    assert lens.patch_grid(TEXT, SOURCE, ["norm"], score="probability").score == "probability"
