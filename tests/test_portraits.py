"""The neurons of a site on one page: those that the tiny model uses first, its own words beside them, hostile texts escaped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tiny

import kerasintrospect as ki
from kerasintrospect.report.curves import build_curve, ticks_of


@pytest.fixture(scope="module")
def lens() -> Any:
    return ki.wrap(tiny.model(keras), class_names=tiny.NAMES)


@pytest.fixture(scope="module")
def report(lens: Any) -> Any:
    return lens.neuron_report(*tiny.train(), top=4)


def test_what_the_model_ignores_has_no_effect_and_the_right_words(report: Any) -> None:
    units = {one["unit"]: one for one in report.facts["units"]}
    assert set(units) == {0, 1, 2, 3}
    assert units[3]["ranks"]["effect"] == 4 and abs(units[3]["drop"]) < 1e-6 and units[3]["flips"] == 0
    for unit, name in enumerate(tiny.NAMES):  # one axis per class
        assert {word["word"] for word in units[unit]["up"]} & set(tiny.WORDS[unit])
        means = {row["name"]: row["z"] for row in units[unit]["by_class"]}
        assert max(means, key=means.__getitem__) == name
        assert units[unit]["drop"] > 0.05
    assert "wicked" in {word["word"] for word in units[3]["up"]}


def test_effects_are_those_of_the_lens(lens: Any, report: Any) -> None:
    texts, labels = tiny.train()
    drawn = [row["text"] for one in report.facts["units"] for row in one["coloured"]]
    assert set(drawn) <= set(texts)
    whole = lens.neuron_effects(texts, "embedding", labels, ki.ablate(how="mean"))
    found = {one["unit"]: one["drop"] for one in report.facts["units"]}
    for unit, drop in zip(whole.units.tolist(), whole.drop, strict=True):  # all 150 texts are tried, in another order
        assert found[unit] == pytest.approx(drop, abs=1e-6)


def test_words_are_coloured_by_their_own_activation(report: Any) -> None:
    one = next(one for one in report.facts["units"] if one["unit"] == 2)
    values = np.array([tiny.MEANING[w][2] for text in tiny.train()[0] for w in text.lower().split()])
    assert one["middle"] == pytest.approx(np.median(values), abs=1e-5)
    assert one["scale"] == pytest.approx(np.abs(values - np.median(values)).max(), abs=1e-5)
    for row in one["coloured"]:
        for word in row["words"]:
            assert word["word"] == row["text"][word["start"] : word["end"]]
            assert word["value"] == pytest.approx(tiny.MEANING[word["word"].lower()][2], abs=1e-5)


def test_the_highest_word_has_the_deepest_colour(report: Any, tmp_path: Path) -> None:
    page = report.save(tmp_path / "n.html").read_text()
    for one in report.facts["units"]:
        card = page.split(f'id="n{one["unit"]}"')[1].split("</article>")[0]
        assert '<mark class="p4"' in card
    assert '<mark class="p5"' not in page and '<mark class="n5"' not in page


def test_it_is_json_and_a_page_without_a_script(report: Any, tmp_path: Path) -> None:
    assert json.loads(report.to_json()) == json.loads(report.save(tmp_path / "n.json").read_text())
    page = report.save(tmp_path / "n.html").read_text()
    assert page.count("<article") == 4 and "<script" not in page
    assert list(report.units["unit"]) == [one["unit"] for one in report.facts["units"]]
    with pytest.raises(ki.InputError, match="saved as .html or .json"):
        report.save(tmp_path / "n.pdf")


def test_hostile_texts_are_text(lens: Any, tmp_path: Path) -> None:
    texts, labels = tiny.train()
    hostile = [f"{text} <script>alert(1)</script> love" for text in texts[:40]]
    page = lens.neuron_report(hostile, labels[:40], top=2).save(tmp_path / "n.html").read_text()
    assert "<script" not in page and "&lt;script&gt;" in page


def test_a_site_without_tokens_is_read_by_text(lens: Any, tmp_path: Path) -> None:
    found = lens.neuron_report(*tiny.train(), site="classes", top=3)
    assert found.facts["unit"] == "example" and found.facts["other_sites"][0] == "embedding"
    scores = lens.predict(tiny.train()[0]).scores
    for one in found.facts["units"]:
        assert one["formula"] is None and one["contexts"] and not any(row["words"] for row in one["coloured"])
        values = [row["value"] for row in one["coloured"]]
        assert values == sorted(values, reverse=True) and len(values) == 8
        own = scores[:, one["unit"]]
        assert values[0] == pytest.approx(own.max()) and values[-1] == pytest.approx(own.min())
    page = found.save(tmp_path / "n.html").read_text()
    assert page.count("Texts where it is highest") == 3 and "<mark" not in page and "<strong>" not in page
    assert "read on 150 texts." in page


def test_without_labels_the_model_says_what_counts(lens: Any) -> None:
    found = lens.neuron_report(tiny.train()[0], units=[3, 1])
    assert [one["unit"] for one in found.facts["units"]] == [3, 1]
    assert not found.facts["labelled"] and found.facts["curve"]["what"] == "predictions changed"


def test_what_cannot_be_shown_is_said(lens: Any) -> None:
    with pytest.raises(ki.InputError, match="empty texts"):
        lens.neuron_report(["", " "])
    for units in ([], [4], [-1], [0.5], ["a"]):
        with pytest.raises(ki.InputError, match="Units are whole numbers from 0 to 3. Received: units="):
            lens.neuron_report(tiny.train()[0][:9], units=units)
    for edit in ("mean", ki.ablate([1]), 0):
        with pytest.raises(ki.InputError, match="`edit` is done to each neuron in turn"):
            lens.neuron_report(tiny.train()[0][:9], edit=edit)
    few = lens.neuron_report(["love the cake", "hate"], ["positive", "negative"], top=1)
    assert any("words of neurons are not listed" in note for note in few.facts["notes"])
    with pytest.raises(ki.UnsupportedError):
        ki.wrap(lambda texts: np.full((len(texts), 2), 0.5)).neuron_report(["a text"], [0])


def test_the_debug_report_has_them_if_asked(lens: Any, tmp_path: Path) -> None:
    report = lens.debug(*tiny.test(), neurons=True)
    assert len(report.facts["neurons"]["units"]) == 4
    assert "Its neurons" in report.save(tmp_path / "r.html").read_text()


def test_one_neuron_may_be_asked_for_and_none_is_shown_twice(lens: Any) -> None:
    texts = tiny.train()[0][:30]
    assert [one["unit"] for one in lens.neuron_report(texts, units=3).facts["units"]] == [3]
    assert [one["unit"] for one in lens.neuron_report(texts, units=[2, 0, 2]).facts["units"]] == [2, 0]


def test_the_effect_is_that_of_the_edit(lens: Any, tmp_path: Path) -> None:
    texts, labels = tiny.train()
    found = lens.neuron_report(texts, labels, edit=ki.steer(factor=2.0))
    whole = lens.neuron_effects(texts, "embedding", labels, ki.steer(factor=2.0))
    for one in found.facts["units"]:
        assert one["drop"] == pytest.approx(whole.drop[one["unit"]], abs=1e-6)
    page = found.save(tmp_path / "n.html").read_text()
    assert "turned up or down" in page and "set to" not in page and "without it" not in page


def regression(keras: Any) -> Any:
    """The tiny model with one number as its answer: twice the mean of axis 2 less that of axis 0, axes 1 and 3 unused."""
    inputs = keras.Input((), dtype="string")
    ids = keras.layers.TextVectorization(vocabulary=list(tiny.MEANING), output_sequence_length=12)(inputs)
    embedding = keras.layers.Embedding(len(tiny.MEANING) + 2, 4, mask_zero=True, name="embedding")
    pooled = keras.layers.GlobalAveragePooling1D()(embedding(ids))
    dense = keras.layers.Dense(1, name="number")
    made = keras.Model(inputs, dense(pooled))
    embedding.set_weights([np.array([(0,) * 4, (0,) * 4, *tiny.MEANING.values()], np.float32)])
    dense.set_weights([np.array([[-1], [0], [2], [0]], np.float32), np.zeros(1, np.float32)])
    return made


@pytest.mark.parametrize("labelled", [False, True])
def test_a_regression_has_effects_on_its_score_and_no_classes(labelled: bool, tmp_path: Path) -> None:
    texts, lens = tiny.train()[0], ki.wrap(regression(keras))
    scores = lens.predict(texts).scores[:, 0]
    found = lens.neuron_report(texts, scores if labelled else None)
    units = {one["unit"]: one for one in found.facts["units"]}
    assert set(units) == {0, 1, 2, 3} and found.facts["regression"] and found.facts["class_names"] == []
    pooled = lens.activations(texts, "embedding", pool="mean")["embedding"]
    for unit, weight in enumerate((-1, 0, 2, 0)):
        assert units[unit]["drop"] == pytest.approx(float(weight * pooled[:, unit].mean()), abs=1e-5)
        assert units[unit]["flips"] is None and units[unit]["by_class"] == []
    assert {units[2]["ranks"]["probe"], units[0]["ranks"]["probe"]} == {1, 2}  # what the number is made of
    curve = found.facts["curve"]
    assert curve["what"] == "mean score" and curve["lines"]["effect"][0] == pytest.approx(float(scores.mean()), abs=1e-5)
    page = found.save(tmp_path / "n.html").read_text()
    assert "It is a regression" in page and "score without it" in page and "predictions changed" not in page
    assert "mean by class" not in page


def test_labels_of_a_regression_are_numbers() -> None:
    lens = ki.wrap(regression(keras))
    for labels in (["good", "bad"], [0.5, float("nan")]):
        with pytest.raises(ki.InputError, match="numbers"):
            lens.neuron_report(["love the cake", "hate"], labels)


def test_the_page_explains_its_figures_once(report: Any, lens: Any, tmp_path: Path) -> None:
    page = report.save(tmp_path / "n.html").read_text()
    for term in ("Which neurons", "Without it", "Up, down", "Coloured texts", "Histogram", "Mean by class", "In context"):
        assert page.count(f"<dt>{term}</dt>") == 1
    assert ("Fires where" in page) == any(one["formula"] for one in report.facts["units"])
    assert "No site was named, so the page is about embedding: the last layer with a vector per word." in page
    assert "Other sites of this model: global_average_pooling1d" in page
    assert "title=" not in page.replace('class="p', "").split("<article")[0]  # nothing hides in a hover
    named = lens.neuron_report(*tiny.train(), site="embedding", units=[1]).save(tmp_path / "m.html").read_text()
    assert "No site was named" not in named and "Those that were asked for." in named


def test_the_curve_is_drawn_in_its_own_range() -> None:
    lines = {"effect": [0.76, 0.74, 0.5], "effect (bottom)": [0.76, 0.76, 0.5], "random": [0.76, 0.75, 0.5]}
    part = build_curve({"counts": [0, 1, 2], "what": "accuracy", "lines": lines}, "set to 0")
    assert [name for _, name in part.up] == ["0.5", "0.6", "0.7", "0.8"]
    heights = [float(point.split(",")[1]) for point in part.lines[0].points.split()]
    assert heights == pytest.approx([110 * (0.8 - y) / 0.3 for y in (0.76, 0.74, 0.5)], abs=0.06)
    assert [line.name for line in part.lines] == ["first by effect", "last by effect", "random neurons"]


RANGES = [(0, 1), (0.761, 0.764), (-3.2, 12.5), (0.5, 0.5), (0, 0), (1e6, 1.1e6), (-1e-9, 1e-9)]


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_ticks_are_round_and_hold_the_range(low: float, high: float) -> None:
    ticks = ticks_of(low, high)
    assert 2 <= len(ticks) <= 6 and ticks[0] <= low + 1e-6 and ticks[-1] >= high - 1e-6
    assert len(set(np.diff(ticks).round(12))) == 1
