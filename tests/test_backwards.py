"""Layers that go backwards: what stands beside a token or a word is never the vector of another one."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasintrospect as ki

WORDS = ["so", "love", "my", "bus", "hate", "the", "cake"]
TEXTS = ["so love my bus", "hate the", "the cake", "love my cake so hate the bus", "bus", "my bus the cake so"]
REVERSED = ["bi.backward_layer", "back", "after", "after:in"]


@pytest.fixture(scope="module", params=[("keras", True), ("tf_keras", False)], ids=str)
def lens(request: pytest.FixtureRequest) -> Any:
    """Both sorts of layers, one that turns them round again, and the fault of joining both directions as they are."""
    family, masks = request.param
    keras = importlib.import_module(family)
    layers = keras.layers
    keras.utils.set_random_seed(3)
    inputs = keras.Input((), dtype="string")
    ids = layers.TextVectorization(vocabulary=WORDS, output_sequence_length=10, name="ids")(inputs)
    x = layers.Embedding(9, 6, mask_zero=masks, name="embedding")(ids)
    both = layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="bi")(x)
    back = layers.LSTM(5, return_sequences=True, go_backwards=True, name="back")(x)
    after = layers.Dense(3, name="after")(back)
    again = layers.LSTM(4, return_sequences=True, go_backwards=True, name="again")(after)
    end = layers.LSTM(3, go_backwards=True, name="end")(x)
    joined = layers.Concatenate(name="joined")([both, back])
    pools = [layers.GlobalAveragePooling1D()(one) for one in (joined, again)]
    made = layers.Dense(3, activation="softmax", name="classes")(layers.Concatenate(name="all")([*pools, end]))
    return ki.wrap(keras.Model(inputs, made), class_names=["a", "b", "c"])


@pytest.fixture(scope="module")
def values(lens: Any) -> dict[str, np.ndarray]:
    """What the layers give, by the model cut there, at full length."""
    import tensorflow as tf

    return {site: np.asarray(lens.truncate(site)(tf.constant(TEXTS))) for site in ("bi", "bi.backward_layer", "back", "after")}


def test_which_sites_are_reversed(lens: Any) -> None:
    scan, table = lens._runner.scan(), lens.sites()
    found = {site: scan.mirrored(table.resolve(site)) for site in
             ("embedding", "bi", "bi.forward_layer", *REVERSED, "again", "end", "joined", "classes", "back:in")}  # fmt: skip
    assert [site for site, mirrored in found.items() if mirrored] == REVERSED
    for site in found:
        assert scan.in_order(table.resolve(site)) == (site not in [*REVERSED, "joined"])
    with pytest.raises(ki.UnsupportedError, match="'bi.backward_layer' stand in reverse order.* Take 'bi', .*, or pool"):
        scan.check_order(table.resolve("bi.backward_layer"))
    with pytest.raises(ki.UnsupportedError, match="'joined' stand in reverse order for some units, .* sites before it.$"):
        scan.check_order(table.resolve("joined"))


def test_by_hand_they_are(lens: Any, values: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(values["bi"][:, :, 4:], values["bi.backward_layer"][:, ::-1], atol=1e-6)


def test_activations_are_those_of_the_layer_at_its_own_positions(lens: Any, values: dict[str, np.ndarray]) -> None:
    sites = ["bi.backward_layer", "back", "after"]
    found = lens.activations(TEXTS, sites)
    for site in sites:
        for text, own, given in zip(TEXTS, found[site], values[site], strict=True):
            count = len(text.split())
            np.testing.assert_allclose(own[10 - count :], given[10 - count :], atol=1e-5)
            assert not own[: 10 - count].any()
    assert len(found.notes) == 3 and "'after' goes backwards" in found.notes[2]


@pytest.mark.parametrize("pool", ["mean", "max", "first", "last"])
def test_pooling_takes_the_tokens_of_the_text(lens: Any, values: dict[str, np.ndarray], pool: str) -> None:
    how = {"mean": lambda v: v.mean(0), "max": lambda v: v.max(0), "first": lambda v: v[0], "last": lambda v: v[-1]}[pool]
    sites = ["bi.backward_layer", "after"]
    found = lens.activations(TEXTS, sites, pool)
    for site in sites:
        by_hand = [how(given[::-1][: len(text.split())]) for text, given in zip(TEXTS, values[site], strict=True)]
        np.testing.assert_allclose(found[site], by_hand, atol=1e-5)


def test_minimal_pairs_are_pooled_so_too(lens: Any, values: dict[str, np.ndarray]) -> None:
    pairs = lens.rank_by_pairs(TEXTS[:3], TEXTS[3:], "bi.backward_layer", "last")
    by_hand = [given[::-1][len(text.split()) - 1] for text, given in zip(TEXTS, values["bi.backward_layer"], strict=True)]
    np.testing.assert_allclose(pairs.details["difference"], np.mean(by_hand[:3], 0) - np.mean(by_hand[3:], 0), atol=1e-5)


def test_by_default_no_token_has_another_ones_vector(lens: Any) -> None:
    from kerasintrospect.examining import token_stations

    expected = {"embedding", "bi", "bi.forward_layer", "again"}
    assert expected == set(token_stations(lens._runner))
    grid = lens.patch_grid("so love my bus", "so hate my bus")
    assert expected == set(grid.sites) == set(lens.heat_map("so love my bus").sites)


@pytest.mark.parametrize("site", [*REVERSED, "joined"])
def test_asked_for_by_name_it_is_an_error(lens: Any, site: str, tmp_path: Path) -> None:
    asked = [
        lambda: lens.patch_grid("so love my bus", "so hate my bus", [site]),
        lambda: lens.heat_map("so love my bus", [site], unit=0),
        lambda: lens.attribute(TEXTS[:1], "saliency", site=site),
        lambda: lens.export(TEXTS, tmp_path / "store", ["embedding", site], unit="word"),
        lambda: lens.neighbors(TEXTS, site=site, unit="token", pool=None),
        lambda: lens.neighbors(TEXTS, site=site, unit="word"),
    ]
    for ask in asked:
        with pytest.raises(ki.UnsupportedError, match=f"'{site}' stand in reverse order"):
            ask()
    assert not (tmp_path / "store").exists()


def test_words_of_the_layer_around_are_exact(lens: Any, values: dict[str, np.ndarray], tmp_path: Path) -> None:
    store = lens.export(TEXTS, tmp_path / "store", "bi", unit="word", dtype="float32")
    by_hand = np.concatenate([given[: len(text.split())] for text, given in zip(TEXTS, values["bi"], strict=True)])
    np.testing.assert_allclose(store.read("bi"), by_hand, atol=1e-5)
    assert store.texts == " ".join(TEXTS).split()


@pytest.mark.parametrize("turn", ["flip", "slice", "ellipsis"])
def test_texts_that_the_model_turns_round_itself(turn: str) -> None:
    import keras

    turns = {"flip": lambda x: keras.ops.flip(x, 1), "slice": lambda x: x[:, ::-1], "ellipsis": lambda x: x[..., ::-1, :]}
    inputs = keras.Input((), dtype="string")
    ids = keras.layers.TextVectorization(vocabulary=WORDS, output_sequence_length=10)(inputs)
    x = keras.layers.Embedding(9, 6, name="embedding")(ids)
    x = keras.layers.Lambda(turns[turn], output_shape=(10, 6), name="turned")(x)
    x = keras.layers.LSTM(4, return_sequences=True, name="forward")(x)
    x = keras.layers.Lambda(lambda x: x[:, :, ::-1], output_shape=(10, 4), name="units")(x)
    made = keras.layers.Dense(3, activation="softmax", name="classes")(keras.layers.GlobalMaxPooling1D()(x))
    lens = ki.wrap(keras.Model(inputs, made))
    lens.predict(TEXTS)
    scan = lens._runner.scan()
    found = {site: scan.mirrored(lens.sites().resolve(site)) for site in ("embedding", "turned", "forward", "units", "classes")}
    assert found == {"embedding": False, "turned": True, "forward": True, "units": True, "classes": False}
