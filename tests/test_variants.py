"""Sets of units side by side: each is one run with these units changed, whatever the batch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tiny

import kerasintrospect as ki
from kerasintrospect.interventions.base import Intervention
from kerasintrospect.variants import Variants

TEXTS = ["love the bus", "hate my phone so great the the", "comet", "cake", "so my door is sad"]


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny.model(keras)


def scores(lens: Any, sets: np.ndarray, edit: Intervention) -> np.ndarray:
    runner = lens._runner
    variants = Variants(runner, lens._find_output(), runner.arrange(TEXTS), runner.site("embedding"), edit)
    found = np.zeros((len(sets), len(TEXTS), 3), np.float32)
    for rows, part in variants.predict(sets):
        found[:, rows] = part
    return found


@pytest.mark.parametrize("batch_size", [3, 256])
def test_each_set_is_one_run(model: Any, batch_size: int) -> None:
    lens = ki.wrap(model, class_names=tiny.NAMES, batch_size=batch_size)
    sets = np.random.default_rng(0).random((19, 4)) < 0.5
    found = scores(lens, sets, ki.ablate(how="mean", reference=["hate", "cake"]))
    for units, part in zip(sets, found, strict=True):
        edits = {"embedding": ki.ablate(np.flatnonzero(units), how="mean", reference=["hate", "cake"])} if units.any() else None
        np.testing.assert_allclose(part, lens.predict(TEXTS, edits=edits).scores, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*stay as they are")
def test_words_that_were_not_chosen_stay(model: Any) -> None:
    lens = ki.wrap(model, class_names=tiny.NAMES)
    found = scores(lens, np.ones((1, 4), bool), ki.ablate(words=["love", "sad"]))
    edited = lens.predict(TEXTS, edits={"embedding": ki.ablate(words=["love", "sad"])}).scores
    np.testing.assert_allclose(found[0], edited, atol=1e-6)
    np.testing.assert_allclose(found[0, 1:4], lens.predict(TEXTS[1:4]).scores, atol=1e-6)
