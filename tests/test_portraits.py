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
    for row in one["coloured"]:
        for word in row["words"]:
            meaning = tiny.MEANING[row["text"][word["start"] : word["end"]].lower()][2]
            assert word["value"] == pytest.approx(meaning - np.median(values), abs=1e-5)


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


def test_a_site_without_tokens_is_read_by_text(lens: Any) -> None:
    found = lens.neuron_report(*tiny.train(), site="classes", top=3)
    assert found.facts["unit"] == "example"
    assert all(not one["coloured"] and one["formula"] is None and one["contexts"] for one in found.facts["units"])


def test_without_labels_the_model_says_what_counts(lens: Any) -> None:
    found = lens.neuron_report(tiny.train()[0], units=[3, 1])
    assert [one["unit"] for one in found.facts["units"]] == [3, 1]
    assert not found.facts["labelled"] and found.facts["curve"]["what"] == "predictions changed"


def test_what_cannot_be_shown_is_said(lens: Any) -> None:
    with pytest.raises(ki.InputError, match="empty texts"):
        lens.neuron_report(["", " "])
    few = lens.neuron_report(["love the cake", "hate"], ["positive", "negative"], top=1)
    assert any("words of neurons are not listed" in note for note in few.facts["notes"])
    with pytest.raises(ki.UnsupportedError):
        ki.wrap(lambda texts: np.full((len(texts), 2), 0.5)).neuron_report(["a text"], [0])


def test_the_debug_report_has_them_if_asked(lens: Any, tmp_path: Path) -> None:
    report = lens.debug(*tiny.test(), neurons=True)
    assert len(report.facts["neurons"]["units"]) == 4
    assert "Its neurons" in report.save(tmp_path / "r.html").read_text()
