"""The command line on a saved model and CSV files: reports, and one sentence for whatever is wrong."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import keras
import pytest
import tiny
from typer.testing import CliRunner

import kerasintrospect as ki
from kerasintrospect.cli import app

BOTH = ["--model", "model.keras", "--test", "test.csv", "--train", "train.csv"]


def write(path, rows, header=("text", "label")):
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    tiny.model(keras).save(path)
    return path


@pytest.fixture
def folder(tmp_path, model, monkeypatch):
    """The current folder: a model, a training file and a test file."""
    monkeypatch.chdir(tmp_path)
    Path("model.keras").symlink_to(model)
    write("train.csv", zip(*tiny.train(), strict=True))
    write("test.csv", zip(*tiny.test(), strict=True))
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_debug_writes_a_page_and_says_what_matters(folder):
    done = run("debug", *BOTH, "--out", "out.html")
    assert (done.exit_code, done.stderr) == (0, "")
    assert Path("out.html").read_text().count("<article") == 5
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Accuracy 85.7 % on 35 texts, 40.0 % by always saying")
    assert "negative -> positive: The same text stands in the training set as “positive”" in done.stdout
    assert sum(" -> " in line for line in lines) == 3
    assert lines[-1] == "Written: out.html"
    assert sorted(p.name for p in folder.iterdir()) == ["model.keras", "out.html", "test.csv", "train.csv"]


def test_json_holds_the_facts_of_the_library(folder):
    done = run("debug", *BOTH, "--out", "out.json", "--k", 3, "--max-errors", 2)
    assert done.exit_code == 0
    facts = json.loads(Path("out.json").read_text())
    lens = ki.wrap(tiny.model(keras), class_names=tiny.NAMES)
    expected = lens.debug(*tiny.test(), *tiny.train(), k=3, max_errors=2).facts
    assert facts["errors"] == expected["errors"]
    assert facts["overview"] == expected["overview"]


def test_json_goes_to_standard_output_without_a_file(folder):
    done = run("debug", *BOTH, "--format", "json")
    assert json.loads(done.stdout)["overview"]["n"] == 35
    assert "Accuracy" in done.stderr and "Written" not in done.stderr


def test_the_format_wins_over_the_suffix(folder):
    assert run("debug", *BOTH, "--out", "report.page", "--format", "html").exit_code == 0
    assert "<article" in Path("report.page").read_text()


def test_the_order_of_guessed_names_is_told(folder):
    note = "alphabetical order of the labels: negative, neutral, positive"
    assert note in run("debug", *BOTH).stdout
    assert note in Path("report.html").read_text()
    named = run("debug", *BOTH, "--class-names", "negative, neutral, positive")
    assert named.exit_code == 0 and "alphabetical" not in named.stdout


@pytest.mark.parametrize("label", ["2", "2.0", " 2 "])
def test_labels_may_be_indices(folder, label):
    write("test.csv", [("love", label), ("hate", label)])
    done = run("debug", "--model", "model.keras", "--test", "test.csv", "--out", "out.json")
    assert done.exit_code == 0
    facts = json.loads(Path("out.json").read_text())
    assert [(e["text"], e["label"], e["predicted"]) for e in facts["errors"]] == [("hate", 2, 0)]
    assert "No training set was given" in done.stdout


def test_columns_have_names(folder):
    write("test.csv", [("x", "love", "2")], header=["id", "tweet", "class"])
    done = run(
        "debug",
        "--model",
        "model.keras",
        "--test",
        "test.csv",
        "--text-column",
        "tweet",
        "--label-column",
        "class",
    )
    assert done.exit_code == 0 and "0 errors" in done.stdout


def test_rows_without_a_text_or_a_label_are_left_out_and_told(folder):
    write("test.csv", [("love", "2"), ("", "1"), ("   ", "1"), ("bus", ""), ("NA", "1"), ("null", "0")])
    done = run("debug", "--model", "model.keras", "--test", "test.csv", "--out", "out.json")
    assert "Rows of test.csv without a text or without a label: 3, left out." in done.stdout
    assert json.loads(Path("out.json").read_text())["overview"]["n"] == 3


def test_a_byte_order_mark_and_multiline_texts_are_read(folder):
    Path("test.csv").write_bytes('\ufefftext,label\n"love,\nlove ""love""",2\n'.encode())
    done = run("debug", "--model", "model.keras", "--test", "test.csv", "--out", "out.json")
    assert done.exit_code == 0 and json.loads(Path("out.json").read_text())["overview"]["accuracy"] == 1.0


def test_nothing_in_a_text_steers_the_terminal(folder):
    write("test.csv", [("hate \x1b[2J\u202e\x07\n\nawful", "2")])
    done = run("debug", "--model", "model.keras", "--test", "test.csv")
    assert done.exit_code == 0 and "hate" in done.stdout
    assert not {"\x1b", "\u202e", "\x07"} & set(done.stdout)


def test_sites_are_listed(folder):
    done = run("sites", "--model", "model.keras")
    assert done.exit_code == 0 and "embedding" in done.stdout
    rows = json.loads(run("sites", "--model", "model.keras", "--format", "json").stdout)
    assert {"embedding", "classes"} <= {row["address"] for row in rows}


FAULTS = {
    "no model": (
        ["--model", "nowhere.keras"],
        None,
        "The model file does not exist. Received: 'nowhere.keras'",
    ),
    "not a model": (["--model", "test.csv"], None, "The file holds no Keras model"),
    "no file": (["--test", "nowhere.csv"], None, "No such file or directory. Received: nowhere.csv"),
    "a folder": (["--test", "."], None, "Is a directory. Received: ."),
    "no train file": (["--train", "nowhere.csv"], None, "Received: nowhere.csv"),
    "no column": (
        ["--text-column", "tweet"],
        None,
        "the column 'tweet'. Received: the columns 'text', 'label'",
    ),
    "no label column": (
        ["--label-column", "y"],
        None,
        "the column 'y'. Received: the columns 'text', 'label'. Name",
    ),
    "empty file": ([], b"", "a header line and rows. Received: an empty file"),
    "no rows": ([], b"text,label\n", "has to have rows with a text and a label. Received: 0 rows without"),
    "only gaps": ([], b"text,label\n,1\nlove,\n", "Received: 2 rows without"),
    "not UTF-8": ([], b"text,label\ncaf\xe9,1\n", "has to be UTF-8. Received: the byte 0xe9"),
    "no CSV": ([], b'text,label\na,"b\nc', "has to be a CSV file"),
    "commas without quotes": ([], b"text,label\na,b,c,1\nd,2\n", "has to be a CSV file"),
    "commas in every row": ([], b"text,label\na,b,1\n", "has to be a CSV file"),
    "unknown label": (
        ["--class-names", "negative,neutral,positive"],
        b"text,label\na,meh\n",
        "labels[0]='meh'",
    ),
    "label too large": ([], b"text,label\na,3\n", "Received: labels[0]=3"),
    "too few names": (["--class-names", "no,yes"], None, "The model has 3 classes. Received: 2 class_names"),
    "no method": (["--method", "magic"], None, "'magic'"),
    "no site": (["--site", "nowhere"], None, "'nowhere'"),
    "no neighbors": (["--k", "0"], None, "`k` has to be an integer of at least 1. Received: k=0"),
    "no folder": (["--out", "nowhere/out.html"], None, "The folder of --out has to exist"),
    "out is a folder": (["--out", ".", "--format", "html"], None, "--out has to be a file"),
    "no format": (["--out", "out.txt"], None, "--out has to end in .html or .json"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_sentence_and_leaves_no_file(folder, fault):
    arguments, content, message = FAULTS[fault]
    if content is not None:
        Path("test.csv").write_bytes(content)
    before = sorted(folder.iterdir())
    done = run("debug", *BOTH, "--out", "out.html", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_labels_in_words_need_names_when_training_does_not_give_them(folder):
    alone = run("debug", "--model", "model.keras", "--test", "test.csv")
    assert (alone.exit_code, "need --class-names" in alone.stderr) == (2, True)
    write("train.csv", [("love", "positive"), ("hate", "negative")])
    two = run("debug", *BOTH)
    assert two.exit_code == 2
    assert "a model with 3 outputs and 2 different labels in the training file" in two.stderr


def test_options_that_are_missing_are_asked_for():
    done = run("debug")
    assert done.exit_code == 2 and "--model" in done.stderr


def test_the_module_runs_and_knows_its_version(folder):
    def start(*arguments):
        source = str(Path(ki.__file__).parents[1])
        command = [sys.executable, "-m", "kerasintrospect", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": source})

    assert start("--version").stdout == f"{ki.__version__}\n"
    # Also the C++ of TensorFlow says nothing.
    done = start("sites", "--model", "test.csv")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_layers_are_compared_as_the_library_does(folder):
    done = run("layers", "--model", "model.keras", "--test", "train.csv", "--k", 3, "--plot", "layers.png", "--format", "json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    expected = ki.wrap(ki.load_model("model.keras"), class_names=tiny.NAMES).compare_sites(*tiny.train(), k=3).to_dict()
    assert found["rows"] == expected["rows"] and len(found["rows"]) >= 2 and found["recommended"] == expected["recommended"]
    assert Path("layers.png").read_bytes().startswith(b"\x89PNG")
    assert run("layers", "--model", "model.keras", "--test", "train.csv", "--plot", "x.gif").exit_code == 2


def test_an_index_is_kept_and_asked(folder):
    done = run("index", "--model", "model.keras", "--train", "train.csv", "--out", "kept")
    assert done.exit_code == 0 and "Written: kept" in done.stdout, done.stderr
    ask = ["neighbors", "--model", "model.keras", "--index", "kept", "--text", "hate the queue", "--format", "json"]
    found = json.loads(run(*ask, "--k", 4).stdout)
    lens = ki.wrap(tiny.model(keras), class_names=tiny.NAMES)
    expected = lens.neighbors(*tiny.train()).query(["hate the queue"], k=4)
    assert [row["text"] for row in found] == expected.texts[0] and {row["label"] for row in found} == {"negative"}
    others = json.loads(run(*ask, "--label", "positive", "--exclude-duplicates").stdout)
    assert {row["label"] for row in others} == {"positive"}
    wrong = json.loads(run(*ask, "--wrong", "--k", 2).stdout)
    assert all("wicked" in row["text"] for row in wrong)
    refused = run(*ask, "--label", "nobody")
    assert refused.exit_code == 2 and "nobody" in refused.stderr
    assert "hate" in run(*ask[:-2]).stdout  # as a table


def test_an_audit_names_the_labels_to_look_at(folder):
    done = run("audit", "--model", "model.keras", "--train", "train.csv", "--test", "test.csv", "--out", "suspects.csv")
    assert done.exit_code == 0, done.stderr
    assert "Labels to look at first:" in done.stdout and "wicked" in done.stdout.split("first:")[1][:300]
    with Path("suspects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(tiny.train()[0]) and "wicked" in rows[0]["text"]
    facts = json.loads(run("audit", "--model", "model.keras", "--train", "train.csv", "--format", "json").stdout)
    assert facts["suspects"][0]["text"] == rows[0]["text"] and facts["n_test"] == 0


def test_a_report_without_an_audit(folder):
    assert run("debug", *BOTH, "--out", "out.json", "--no-audit").exit_code == 0
    assert json.loads(Path("out.json").read_text())["audit"] is None


def test_neurons_are_listed_and_written(folder):
    done = run("neurons", "--model", "model.keras", "--texts", "train.csv", "--top", 2, "--out", "neurons.html")
    assert done.exit_code == 0, done.stderr
    assert "2 of 4 neurons of embedding" in done.stdout and "Written: neurons.html" in done.stdout
    assert Path("neurons.html").read_text().count("<article") == 2
    assert run("neurons", "--model", "model.keras", "--texts", "train.csv", "--unit", 9).exit_code == 2


def test_neurons_need_no_labels_and_take_an_edit(folder):
    texts, labels = tiny.train()
    write("texts.csv", [(text,) for text in texts], ("text",))
    done = run("neurons", "--model", "model.keras", "--texts", "texts.csv", "--how", "zero", "--out", "n.json")
    assert done.exit_code == 0, done.stderr
    assert "Note: texts.csv has no column 'label': what the model says takes its place" in done.stderr
    facts = json.loads(Path("n.json").read_text())
    assert not facts["labelled"] and facts["edit"] == "zero"
    whole = ki.wrap(ki.load_model("model.keras")).neuron_effects(texts, "embedding", None, ki.ablate())
    for one in facts["units"]:
        assert one["drop"] == pytest.approx(whole.drop[one["unit"]], abs=1e-6)
    named = run("neurons", "--model", "model.keras", "--texts", "texts.csv", "--label-column", "kind")
    assert named.exit_code == 2 and "has to have the column 'kind'" in named.stderr
    write("texts.csv", zip(texts, labels, strict=True), ("text", "kind"))
    done = run("neurons", "--model", "model.keras", "--texts", "texts.csv", "--label-column", "kind", "--out", "n.json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(Path("n.json").read_text())["labelled"]


def test_neurons_of_a_regression_take_numbers(folder):
    inputs = keras.Input((), dtype="string")
    ids = keras.layers.TextVectorization(vocabulary=list(tiny.MEANING), output_sequence_length=12)(inputs)
    vectors = keras.layers.Embedding(len(tiny.MEANING) + 2, 4, mask_zero=True, name="embedding")(ids)
    number = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(vectors))
    keras.Model(inputs, number).save("number.keras")
    write("numbers.csv", [(text, f"{i / 7:.3f}") for i, text in enumerate(tiny.train()[0])])
    done = run("neurons", "--model", "number.keras", "--texts", "numbers.csv", "--out", "n.json")
    assert done.exit_code == 0, done.stderr
    facts = json.loads(Path("n.json").read_text())
    assert facts["regression"] and facts["labelled"] and facts["edit"] == "zero"


def test_messages_speak_of_options(folder):
    export = ["export", "--model", "model.keras", "--texts", "train.csv", "--out", "store"]
    assert run(*export, "--site", "embedding").exit_code == 0
    again = run(*export, "--site", "classes")
    assert again.exit_code == 2 and "--overwrite" in again.stderr and "overwrite=True" not in again.stderr
    lost = run("neurons", "--model", "model.keras", "--texts", "train.csv", "--site", "nowhere")
    assert lost.exit_code == 2 and "`kerasintrospect sites`" in lost.stderr and "lens." not in lost.stderr
    said = " ".join(run("neurons", "--help").stdout.replace("│", " ").split())
    assert "Where the neurons are" in said and "texts are compared" not in said


def test_the_probe_says_that_its_best_site_is_the_answer(folder):
    both = ["--site", "embedding", "--site", "classes"]
    done = run("probe", "--model", "model.keras", "--texts", "train.csv", "--no-untrained", *both, "--plot", "p.png")
    assert done.exit_code == 0, done.stderr
    is_last = "\nBest: classes\n" in done.stdout
    assert ("classes is as wide as the model's answer and comes last. The best before it: embedding." in done.stderr) == is_last
    assert Path("p.png").stat().st_size > 10_000


def test_activations_of_tagged_words_are_exported_and_probed(folder):
    kinds = {word: "NOUN" if word in tiny.WORDS[1] else "X" for word in tiny.MEANING}
    sentences = (enumerate(text.split(), 1) for text in tiny.train()[0])
    rows = ("\n".join(f"{i}\t{word}\t_\t{kinds[word]}" + "\t_" * 6 for i, word in row) for row in sentences)
    Path("words.conllu").write_text("\n\n".join(rows) + "\n\n")
    done = run("export", "--model", "model.keras", "--texts", "words.conllu", "--site", "embedding", "--out", "store")
    assert done.exit_code == 0, done.stderr
    store = ki.load_store("store")
    assert store.unit == "word" and set(store.labels) == {"NOUN", "X"} and "Written: store" in done.stdout
    done = run("probe", "--model", "model.keras", "--texts", "words.conllu", "--site", "embedding", "--format", "json")
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)["probes"]["embedding"]["facts"]
    assert facts["metric"] == "accuracy" and facts["untrained"] is not None and facts["control"] is not None
    broken = run("probe", "--model", "model.keras", "--texts", "words.conllu", "--tag", "nothing")
    assert broken.exit_code == 2 and "nothing" in broken.stderr


def test_a_concept_of_ones_own_is_exported_and_probed(folder):
    texts = tiny.train()[0]
    kinds = ["short" if len(text.split()) < 4 else "long" for text in texts]  # neither number nor names of the model's classes
    write("kinds.csv", zip(texts, kinds, strict=True), ("text", "kind"))
    write("lengths.csv", [(text, len(text) / 7) for text in texts], ("text", "length"))
    shared = ["--model", "model.keras", "--site", "embedding"]
    done = run("export", *shared, "--texts", "kinds.csv", "--label-column", "kind", "--out", "store")
    assert done.exit_code == 0, done.stderr
    assert set(ki.load_store("store").labels) == {"short", "long"}
    for file, column, metric in (("kinds", "kind", "accuracy"), ("lengths", "length", "R^2")):
        named = ["--texts", f"{file}.csv", "--label-column", column, "--no-untrained", "--format", "json"]
        done = run("probe", *shared, *named)
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["probes"]["embedding"]["facts"]["metric"] == metric
