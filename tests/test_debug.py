"""The debug report end to end, on real models of both families."""

import dataclasses
import json
import os
import re

import keras as keras3
import numpy as np
import pytest
import tiny

import kerasintrospect as ki
from kerasintrospect.debug import debug


@pytest.fixture(scope="module")
def lens():
    return ki.wrap(tiny.model(keras3), class_names=tiny.NAMES)


@pytest.fixture(scope="module")
def report(lens):
    return lens.debug(*tiny.test(), *tiny.train())


KEYS = "version created title model class_names site method k n_train overview notes audit neurons errors"
OVERVIEW = "n n_errors n_shown accuracy majority per_class confusion calibration verdicts"
ERROR = "rank index text label predicted scores loss truncated n_unknown n_words words delta verdict"
ERROR += " neighbors teachers neighbor_labels"


def test_the_facts_have_exactly_these_keys(report):
    assert set(report.facts) == set(KEYS.split())
    assert set(report.facts["overview"]) == set(OVERVIEW.split())
    assert {frozenset(error) for error in report.facts["errors"]} == {frozenset(ERROR.split())}
    assert report.facts["n_train"] == len(tiny.train()[0])
    assert report.facts["model"]["parameters"] > 0


def test_both_families_tell_the_same(keras, report):
    found = ki.wrap(tiny.model(keras), class_names=tiny.NAMES).debug(*tiny.test(), *tiny.train())
    mine, other = found.errors, report.errors
    assert mine.drop(columns=["score", "loss", "nearest_distance"]).equals(
        other.drop(columns=["score", "loss", "nearest_distance"])
    )
    for column in ("score", "loss", "nearest_distance"):
        np.testing.assert_allclose(mine[column], other[column], atol=1e-5)


def test_the_table_has_a_row_for_each_error_worst_first(report):
    table = report.errors
    assert set(zip(table["kind"], table["text"], strict=True)) == {
        (k, t) for k, (t, _) in tiny.wrong().items()
    }
    assert table["rank"].tolist() == [1, 2, 3, 4, 5]
    assert table["loss"].is_monotonic_decreasing
    texts, labels = tiny.test()
    assert [texts[i] for i in table["index"]] == table["text"].tolist()
    assert [labels[i] for i in table["index"]] == table["label"].tolist()
    assert set(table.columns) >= {
        "predicted",
        "score",
        "verdict",
        "nearest_text",
        "nearest_label",
        "nearest_distance",
    }
    assert repr(report) == "<DebugReport: 5 of 35 texts misclassified; see .errors and .save(path)>"


def test_json_holds_the_same_facts(report, tmp_path):
    assert json.loads(report.to_json()) == report.facts
    assert json.loads(report.save(tmp_path / "report.json").read_text()) == report.facts


def test_the_page_holds_every_error(report, tmp_path):
    page = report.save(tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<article") == 5
    for error in report.facts["errors"]:
        assert error["verdict"]["title"] in page


def test_indices_and_names_are_the_same_labels(lens, report):
    (texts, labels), (train_texts, train_labels) = tiny.test(), tiny.train()
    to_ids = [np.array([tiny.NAMES.index(label) for label in names]) for names in (labels, train_labels)]
    found = lens.debug(texts, to_ids[0], train_texts, to_ids[1])
    assert found.facts["errors"] == report.facts["errors"]


def test_without_class_names_classes_go_by_their_index():
    lens = ki.wrap(tiny.model(keras3))
    facts = lens.debug(["love", "hate"], [0, 0]).facts
    assert (facts["n_train"], facts["site"], facts["overview"]["n_errors"]) == (None, "", 1)
    with pytest.raises(ki.InputError, match="Labels in words need class names"):
        lens.debug(["love"], ["positive"])


def test_only_the_worst_are_shown(lens):
    facts = lens.debug(*tiny.test(), *tiny.train(), max_errors=2, k=3).facts
    assert (facts["overview"]["n_errors"], facts["overview"]["n_shown"], len(facts["errors"])) == (5, 2, 2)
    assert "Of 5 errors the 2 with the highest loss are shown." in facts["notes"]
    assert {len(error["neighbors"]) for error in facts["errors"]} == {3}
    assert sum(verdict["count"] for verdict in facts["overview"]["verdicts"]) == 2


def test_a_model_without_errors_has_a_report(lens, tmp_path):
    report = lens.debug(*tiny.right(), *tiny.train())
    assert report.facts["errors"] == [] and len(report.errors) == 0
    assert list(report.errors.columns)[:4] == ["rank", "index", "text", "label"]
    assert "every text of the test set" in report.save(tmp_path / "report.html").read_text()


def test_what_the_reader_should_know_is_noted(lens):
    texts = ["", "love the love", "half \ud83d a surrogate", "love " * 30, "bus"]
    labels = ["negative", "positive", "neutral", "neutral", "neutral"]
    facts = lens.debug(texts, labels, ["love the love", "hate"], ["positive", "negative"]).facts
    notes = " ".join(facts["notes"])
    for said in [
        "1 of `texts` is empty.",
        "1 of `texts` is no valid Unicode",
        "No training text carries “neutral”, but texts of the test set do.",
        "1 of the 4 texts can be found in the training set too",
        "The training set has 2 texts: there are fewer than 5 neighbors.",
        "The model reads only a part of texts as long as 1 of those below.",
        "Texts for which the model gives NaN: 1, left out.",  # the mean over no word
    ]:
        assert said in notes, said
    assert len(facts["notes"]) == len(set(facts["notes"]))
    assert [error["index"] for error in facts["errors"] if error["truncated"]] == [3]
    assert {error["verdict"]["kind"] for error in facts["errors"]} == {"class-not-in-training"}


def test_notes_of_others_come_first(report):
    more = report.with_notes(["read this"])
    assert more.facts["notes"] == ["read this", *report.facts["notes"]]
    assert "read this" not in report.facts["notes"]


def test_a_report_is_frozen(report):
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.facts = {}


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([], []), {}, ki.InputError, "at least one text"),
        (("love", [0]), {}, ki.InputTypeError, "a list of texts"),
        ((["love"], [0, 1]), {}, ki.InputError, "1 texts, 2 labels"),
        ((["love"], [3]), {}, ki.InputError, "labels[0]=3"),
        ((["love"], ["meh"]), {}, ki.InputError, "labels[0]='meh'"),
        ((["love"], [0], ["hate"]), {}, ki.InputError, "train_labels=None. Pass both or neither"),
        ((["love"], [0], None, [0]), {}, ki.InputError, "train_texts=None. Pass both or neither"),
        ((["love"], [0], ["hate"], [0, 1]), {}, ki.InputError, "1 train_texts, 2 train_labels"),
        ((["love"], [0], ["hate"], ["meh"]), {}, ki.InputError, "train_labels[0]='meh'"),
        ((["love"], [0]), {"k": 0}, ki.InputError, "k=0"),
        ((["love"], [0]), {"max_errors": -1}, ki.InputError, "max_errors=-1"),
        ((["love"], [0]), {"method": "magic"}, ki.InputError, "'magic'"),
        ((["love"], [0], ["hate"], [0]), {"site": "nowhere"}, ki.SiteError, "'nowhere'"),
        (([""], [0]), {}, ki.InputError, "NaN for each of the texts"),
    ],
)
def test_faults_are_told(lens, arguments, options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        lens.debug(*arguments, **options)


def test_a_regression_is_refused():
    inputs = keras3.Input((), dtype="string")
    ids = keras3.layers.TextVectorization(vocabulary=["a"], output_sequence_length=3)(inputs)
    number = keras3.layers.Dense(2)(keras3.layers.Flatten()(keras3.layers.Embedding(3, 2)(ids)))
    with pytest.raises(ki.UnsupportedError, match=r"Received: raw outputs of shape \(2,\).*pass class_names"):
        debug(ki.wrap(keras3.Model(inputs, number)), ["a"], [0])


def test_two_classes_from_one_sigmoid():
    inputs = keras3.Input((), dtype="string")
    ids = keras3.layers.TextVectorization(vocabulary=["good", "bad"], output_sequence_length=3)(inputs)
    embedding = keras3.layers.Embedding(4, 1, name="embedding")
    score = keras3.layers.Activation("sigmoid")(keras3.layers.Flatten()(embedding(ids))[:, :1])
    model = keras3.Model(inputs, score)
    embedding.set_weights([np.array([[0], [0], [3], [-3]], np.float32)])
    lens = ki.wrap(model, class_names=["no", "yes"])
    report = lens.debug(["good", "bad", ""], ["no", "no", "yes"], ["good", "bad", ""], ["no"] * 3)
    error, empty = report.facts["errors"]
    assert (error["label"], error["predicted"]) == (0, 1)
    assert error["scores"] == pytest.approx([1 / (1 + np.exp(3)), 1 / (1 + np.exp(-3))], abs=1e-5)
    assert error["words"][0]["predicted"] == pytest.approx(-error["words"][0]["true"]) != 0
    assert error["verdict"]["kind"] == "duplicate-with-this-label"
    assert empty["verdict"]["kind"] == "no-words"
    # The lens says so each time it is asked, for the training texts too; the report once.
    assert [note for note in report.facts["notes"] if "no token" in note] == [
        "1 texts hold no token that the model can see, the first at position 2: what it says of them is its answer to "
        "nothing."
    ]


# Files


def test_a_file_is_replaced_whole_or_not_at_all(report, tmp_path, monkeypatch):
    target = tmp_path / "report.html"
    target.write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ki.InputError, match="cannot be written: No space left on device"):
        report.save(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["report", "report.txt", "report.htm"])
def test_the_suffix_says_what_is_written(report, tmp_path, name):
    with pytest.raises(ki.InputError, match="saved as html or json"):
        report.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    assert report.save(tmp_path / name, format="html").read_text().startswith("\n<!doctype") is False
    assert report.save(tmp_path / name, format="json").read_text().startswith("{")


def test_a_folder_that_is_not_there_is_told(report, tmp_path):
    with pytest.raises(ki.InputError, match="No such file or directory"):
        report.save(tmp_path / "nowhere" / "report.html")
