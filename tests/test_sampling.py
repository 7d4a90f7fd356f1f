"""The texts that a page of neurons reads keep the numbers that they have in the user's list."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tiny

import kerasintrospect as ki
from kerasintrospect.sampling import sample


@pytest.fixture(scope="module")
def lens() -> Any:
    return ki.wrap(tiny.model(keras), class_names=tiny.NAMES)


def test_a_note_names_the_text_of_the_user(lens: Any) -> None:
    texts = ["phone", "", "so sad", "happy ... !!! cake", "love"] * 6
    report = lens.neuron_report(texts, units=0)
    said = [note for note in report.facts["notes"] if "have no row" in note]
    assert len(said) == 1 and said[0].endswith("the first is '...' in text 3.")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_of_more_texts_those_drawn_keep_labels_and_numbers(lens: Any, seed: int) -> None:
    texts = [f"{word} my {other}" for word in tiny.MEANING for other in tiny.MEANING]
    labels = [i % 3 for i in range(len(texts))]
    drawn = sample(lens, texts, labels, 40, seed, [])
    assert len(drawn.texts) == 40 and drawn.texts == [texts[i] for i in drawn.numbers]
    assert drawn.truth.tolist() == [labels[i] for i in drawn.numbers]
    tried, wanted = drawn.tried(15, seed)
    assert len(tried) == 15 and [labels[texts.index(text)] for text in tried] == wanted.tolist()
    assert drawn.in_own_numbers("the first is 'x' in document 7.") == f"the first is 'x' in text {drawn.numbers[7]}."


def test_texts_without_a_token_are_left_out_and_named(lens: Any) -> None:
    notes: list[str] = []
    drawn = sample(lens, ["love", "", "!!! ...", "hate"], None, 10, 0, notes)
    assert drawn.texts == ["love", "hate"] and drawn.truth.tolist() == lens.predict(["love", "hate"]).labels.tolist()
    assert any("1 texts hold no token" in note and "text 2, '!!! ...'" in note for note in notes)
    with pytest.raises(ki.InputError, match="a text with words that the model sees"):
        sample(lens, ["!!!", "..."], None, 10, 0, [])


def test_labels_are_checked_before_anything_runs(lens: Any) -> None:
    with pytest.raises(ki.InputError, match="same length"):
        sample(lens, ["love", "hate"], [1], 10, 0, [])
    with pytest.raises(ki.InputError, match="0.5"):
        sample(lens, ["love", "hate"], np.array([0.5, 1]), 10, 0, [])
