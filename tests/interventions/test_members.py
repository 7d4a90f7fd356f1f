"""What each intervention puts in, against the tiny model's own numbers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tiny

import kerasintrospect as ki
from interventions.reading import read

TEXTS = ["love the bus", "hate my phone"]


@pytest.fixture(scope="module")
def lens() -> Any:
    return ki.wrap(tiny.model(keras), class_names=tiny.NAMES)


def meaning(text: str) -> np.ndarray:
    return np.array([tiny.MEANING[word] for word in text.split()], np.float32)


def scores(vectors: np.ndarray) -> np.ndarray:
    """What the tiny model says of word vectors, by hand."""
    z = np.exp(8 * vectors.mean(0)[:3])
    return z / z.sum()


def test_zero(lens: Any) -> None:
    vectors = meaning(TEXTS[0])
    vectors[1:, 2] = 0
    found = lens.predict(TEXTS[:1], edits={"embedding": ki.ablate([2], positions=[1, -1])}).scores
    np.testing.assert_allclose(found[0], scores(vectors), atol=1e-6)


def test_mean_is_that_of_tokens_and_not_of_texts(lens: Any) -> None:
    reference = ["hate hate hate", "cake"]
    means = np.concatenate([meaning(text) for text in reference]).mean(0)
    after, _ = read(lens, TEXTS, ki.ablate(how="mean", reference=reference))
    np.testing.assert_allclose(after[0, :3], np.tile(means, (3, 1)), atol=1e-6)
    own, _ = read(lens, TEXTS, ki.ablate(how="mean"))
    np.testing.assert_allclose(own[1, 0], np.concatenate([meaning(text) for text in TEXTS]).mean(0), atol=1e-6)


def test_resample_draws_whole_tokens_of_the_reference(lens: Any) -> None:
    reference = ["hate the cake"]
    after, _ = read(lens, TEXTS * 8, ki.ablate([0, 2], how="resample", reference=reference, seed=3))
    drawn = after[:2, :3, [0, 2]].reshape(-1, 2)
    pool = {tuple(row) for row in meaning(reference[0])[:, [0, 2]].tolist()}
    assert {tuple(row) for row in drawn.astype(float).round(6).tolist()} <= {tuple(np.round(row, 6)) for row in pool}
    other, _ = read(lens, TEXTS * 8, ki.ablate([0, 2], how="resample", reference=reference, seed=4))
    assert (after != other).any()
    again, _ = read(lens, TEXTS * 8, ki.ablate([0, 2], how="resample", reference=reference, seed=3))
    np.testing.assert_array_equal(after, again)


def test_patch_makes_the_answer_of_the_source(lens: Any) -> None:
    found = lens.predict(TEXTS[:1], edits={"embedding": ki.patch("hate the bus", words="love", source_words="hate")}).scores
    np.testing.assert_allclose(found, lens.predict(["hate the bus"]).scores, atol=1e-6)
    each = lens.predict(TEXTS, edits={"embedding": ki.patch(["so so so", "love love bus"])}).scores
    np.testing.assert_allclose(each, lens.predict(["so so so", "love love bus"]).scores, atol=1e-6)


def test_patch_at_a_site_without_positions(lens: Any) -> None:
    pooled = next(row.path for row in lens.sites() if row.class_name == "GlobalAveragePooling1D")
    found = lens.predict(TEXTS, edits={pooled: ki.patch("cake")}).scores
    np.testing.assert_allclose(found, np.tile(lens.predict(["cake"]).scores, (2, 1)), atol=1e-6)


@pytest.mark.parametrize(("how", "vector"), [
    ({"factor": -2.0}, lambda v: [-2 * v[0], v[1], v[2], -2 * v[3]]), ({"value": [0.5, 1]}, lambda v: [0.5, v[1], v[2], 1]),
    ({"add": [0.5, -1]}, lambda v: [v[0] + 0.5, v[1], v[2], v[3] - 1]),
])  # fmt: skip
@pytest.mark.parametrize("units", [[0, 3], [3, 0], [-1, 0]])
def test_steer(lens: Any, how: dict[str, Any], vector: Any, units: list[int]) -> None:
    given = {name: x[::-1] if isinstance(x, list) and units[1] == 0 else x for name, x in how.items()}
    after, _ = read(lens, TEXTS, ki.steer(units, tokens=["phone", "love"], **given))
    np.testing.assert_allclose(after[1, 2], vector(meaning("phone")[0]), atol=1e-6)
    np.testing.assert_allclose(after[0, 0], vector(meaning("love")[0]), atol=1e-6)
    np.testing.assert_allclose(after[0, 1], meaning("the")[0], atol=1e-6)


def test_a_unit_that_is_not_chosen_keeps_what_is_not_finite(lens: Any) -> None:
    """0 * NaN would be NaN, and NaN + 0 too: the others must not be computed at all."""
    table = lens.model.get_layer("embedding")
    (old,) = table.get_weights()
    try:
        broken = old.copy()
        broken[:, 1] = np.inf
        table.set_weights([broken])
        after, mask = read(lens, TEXTS, ki.ablate([1]))
        assert (after[mask][:, 1] == 0).all()
    finally:
        table.set_weights([old])
