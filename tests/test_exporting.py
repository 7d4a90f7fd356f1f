"""What an export stores is what the model computes, in both families; whatever is killed goes on where it was."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny

import kerasintrospect as ki
from kerasintrospect import exporting
from kerasintrospect.errors import InputError, InputTypeError, StaleIndexError
from kerasintrospect.storing import read_facts
from kerasintrospect.text import pool_words, word_ids, words

FAMILIES = ("keras", "tf_keras")
TEXTS, LABELS = tiny.test()
WORDS = ki.tagged([text.replace("!", " !").split() for text in TEXTS[:20]],
                  [[f"{len(word)}" for word in text.replace("!", " !").split()] for text in TEXTS[:20]])  # fmt: skip


def export(lens, inputs, path, sites=("embedding", "classes"), *args, **options):
    return exporting.export(lens._runner, lens._arrange, inputs, path, sites, *args, **options)


@pytest.fixture(scope="module", params=FAMILIES)
def lens(request):
    import importlib

    return ki.wrap(tiny.model(importlib.import_module(request.param)))


@pytest.fixture
def small(monkeypatch):
    """Many blocks and stretches of few documents."""
    monkeypatch.setattr(exporting, "_BLOCK", 8)
    monkeypatch.setattr(exporting, "_BYTES", 4 * 20 * 7)


@pytest.mark.parametrize("pool", ["mean", "max", "first", "last"])
def test_texts_are_stored_as_the_lens_reads_them(pool, lens, small, tmp_path):
    store = export(lens, TEXTS, tmp_path / "a" / "b", labels=LABELS, pool=pool, dtype="float32")
    expected = lens.activations(TEXTS, ["embedding", "classes"], pool)
    for site in expected:
        np.testing.assert_allclose(store.read(site), expected[site], atol=1e-6)
    assert (store.texts, store.labels.tolist(), store.classes) == (TEXTS, LABELS, sorted({*LABELS}))
    assert (store.pool, store.unit, store.dtype, store.finished, store.notes) == (pool, "example", "float32", True, ())
    assert store.documents.tolist() == list(range(len(TEXTS))) and store.versions["numpy"] == np.__version__
    assert ki.load_store(store.path, lens).fingerprint == lens.fingerprint(store.sites[0], pool, "example")


@pytest.mark.parametrize("pool", ["mean", "first"])
def test_words_are_pooled_by_their_spans(pool, lens, small, tmp_path):
    store = export(lens, TEXTS, tmp_path, ["embedding"], unit="word", pool=pool, labels=LABELS)
    acts = lens.activations(TEXTS, "embedding")
    expected, places = [], []
    for i, (text, row) in enumerate(zip(TEXTS, acts.rows, strict=True)):
        own, seen = words(text), acts["embedding"][i][acts.mask[i]]
        ids = word_ids(row.spans, own)
        for j in sorted({*ids} - {-1}):
            members = seen[[k for k, word in enumerate(ids) if word == j]]
            expected.append(members[0] if pool == "first" else pool_words(members, [0] * len(members), 1, "mean")[0])
            places.append((i, *own[j]))
    np.testing.assert_allclose(store.read("embedding"), np.stack(expected), atol=2e-3)
    assert [(d, *span) for d, span in zip(store.documents.tolist(), map(tuple, store.spans.tolist()), strict=True)] == places
    assert store.texts == [TEXTS[i][a:b] for i, a, b in places] and store.document_texts == TEXTS
    assert store.labels.tolist() == [LABELS[i] for i, _, _ in places]
    assert re.match(r"\d+ words have no row, because the model saw nothing of them.*'!' in document 0", store.notes[0])


def test_tagged_words_and_tokens_carry_their_labels(lens, small, tmp_path):
    store = export(lens, WORDS, tmp_path / "words", ["embedding"], unit="word")
    token = export(lens, WORDS, tmp_path / "tokens", ["embedding"], unit="token")
    assert store.labels.tolist() == [f"{len(word)}" for word in store.texts] and store.document_texts == WORDS.texts
    assert token.labels.tolist() == store.labels.tolist() and token.unit == "token"  # whole words are the tokens here
    np.testing.assert_array_equal(token.read("embedding"), store.read("embedding"))
    assert store.statistics("embedding").classes == store.classes
    found = lens.activations(WORDS.texts, "embedding")
    np.testing.assert_allclose(token.read("embedding"), found["embedding"][found.mask], atol=2e-3)


def test_arrays_go_in_as_they_are(keras, tmp_path):
    layers = keras.layers
    lens = ki.wrap(keras.Sequential([layers.Input((3,)), layers.Dense(4, activation="relu", name="inner"), layers.Dense(2)]))
    x = np.random.default_rng(0).standard_normal((50, 3)).astype("float32")
    store = export(lens, x, tmp_path, "inner", labels=x[:, 0], dtype="float32")
    np.testing.assert_allclose(store.read("inner"), lens.activations(x, "inner")["inner"], atol=1e-6)
    assert store.texts is None and store.classes is None
    np.testing.assert_allclose(store.labels, x[:, 0])
    with pytest.raises(InputError, match='needs texts.*unit="example"'):
        export(lens, x, tmp_path / "b", "inner", unit="word")
    with pytest.raises(InputError, match="other texts"):
        export(lens, x + 1, tmp_path, "inner", labels=x[:, 0], dtype="float32")


def test_what_was_broken_off_goes_on_and_is_equal(lens, small, tmp_path, monkeypatch):
    whole = export(lens, TEXTS, tmp_path / "whole", ["embedding"], labels=LABELS, unit="word")
    real, calls = exporting.Making.add, []

    def stops(self, stretch):
        calls.append(stretch.documents)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(self, stretch)

    monkeypatch.setattr(exporting.Making, "add", stops)
    with pytest.raises(KeyboardInterrupt):
        export(lens, TEXTS, tmp_path / "half", ["embedding"], labels=LABELS, unit="word")
    assert read_facts(tmp_path / "half").documents == calls[1] < calls[2]
    half = export(lens, TEXTS, tmp_path / "half", ["embedding"], labels=LABELS, unit="word")
    assert calls[3] == calls[2]  # the same stretch again
    same(half, whole)


def same(one, other):
    assert one.finished and one.to_frame().equals(other.to_frame()) and one.notes == other.notes
    for site in one.sites:
        np.testing.assert_array_equal(one.read(site, dtype=None), other.read(site, dtype=None))
        np.testing.assert_allclose(one.statistics(site).class_sums, other.statistics(site).class_sums, rtol=1e-12)


CHILD = """
import sys, time
sys.path.insert(0, {tests!r})
import keras, tiny, test_exporting as t
import kerasintrospect as ki
from kerasintrospect import exporting
exporting._BLOCK, exporting._BYTES = 8, 4 * 20 * 7
t.export(ki.wrap(tiny.model(keras)), t.TEXTS * 20, {path!r}, ["embedding"], labels=t.LABELS * 20, unit="word")
"""


def test_a_killed_process_loses_and_repeats_nothing(small, tmp_path):
    """The child's model has the weights of ours, so that we go on where it was killed."""
    import keras

    path = tmp_path / "killed"
    code = CHILD.format(tests=os.path.dirname(__file__), path=str(path))
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (path / "store.json").exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(child.pid, signal.SIGKILL)
    _, said = child.communicate()
    assert (path / "store.json").exists(), said
    assert 0 < read_facts(path).documents < 20 * len(TEXTS)
    lens = ki.wrap(tiny.model(keras))
    killed = export(lens, TEXTS * 20, path, ["embedding"], labels=LABELS * 20, unit="word")
    same(killed, export(lens, TEXTS * 20, tmp_path / "whole", ["embedding"], labels=LABELS * 20, unit="word"))


def test_a_store_of_a_model_with_other_layers_is_of_another_model(lens, keras, tmp_path):
    export(lens, TEXTS, tmp_path)
    with pytest.raises(StaleIndexError, match="another model"):
        ki.load_store(tmp_path, ki.wrap(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="out")])))
    with pytest.raises(StaleIndexError, match="another model"):
        ki.load_store(tmp_path, ki.wrap(lambda texts: np.ones((len(texts), 2), "float32")))


def test_another_model_texts_or_labels_are_refused(lens, keras, tmp_path):
    export(lens, TEXTS, tmp_path, labels=LABELS)
    other = tiny.model(keras)
    other.set_weights([weights + 1 if weights.dtype == "float32" else weights for weights in other.get_weights()])
    with pytest.raises(StaleIndexError, match="another model"):
        ki.load_store(tmp_path, ki.wrap(other))
    with pytest.raises(StaleIndexError, match="another model"):
        export(ki.wrap(other), TEXTS, tmp_path, labels=LABELS)
    with pytest.raises(InputError, match="of other texts"):
        export(lens, TEXTS[::-1], tmp_path, labels=LABELS)
    with pytest.raises(InputError, match="with other labels"):
        export(lens, TEXTS, tmp_path, labels=LABELS[::-1])
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert len(export(lens, TEXTS, tmp_path, labels=LABELS)) == len(TEXTS)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == made  # opened, not made again
    again = export(lens, TEXTS[:3], tmp_path, labels=LABELS[:3], overwrite=True)
    assert len(again) == 3 and len(list(tmp_path.glob("*.lance"))) == 1


@pytest.mark.parametrize(("changes", "kind", "said"), [
    ({"labels": LABELS[:-1]}, InputError, "one label per text. Received: 35 texts, 34 labels"),
    ({"inputs": []}, InputError, "no text to run"), ({"inputs": ["a", 3]}, InputTypeError, r"inputs\[1\]=3"),
    ({"unit": "sentence"}, InputError, "`unit` has to be one of 'example', 'token', 'word'"),
    ({"pool": None}, InputError, "`pool`"),
    ({"dtype": "int8"}, InputError, "`dtype`"), ({"sites": []}, InputError, "one site or more"),
    ({"sites": ["embedding", "embedding"]}, InputError, "each once"), ({"sites": ["nowhere"]}, InputError, "nowhere"),
    ({"sites": ["classes"], "unit": "word"}, InputError, "needs a site with one vector per token. Received: site='classes'"),
    ({"inputs": WORDS}, InputError, 'unit="word"'), ({"inputs": ["?!", ""], "unit": "word"}, InputError, "There is no row"),
])  # fmt: skip
def test_bad_input_is_one_sentence_and_makes_no_store(changes, kind, said, lens, tmp_path):
    given = {"inputs": TEXTS, "sites": ["embedding"], **changes}
    with pytest.raises(kind, match=said):
        export(lens, given.pop("inputs"), tmp_path / "a", given.pop("sites"), **given)
    assert not (tmp_path / "a").exists()


def test_numbers_of_words_may_be_missing(lens, tmp_path):
    values = [[len(word) / 2 if len(word) > 2 else None for word in row] for row in WORDS.words]
    store = export(lens, ki.tagged(WORDS.words, values), tmp_path, ["embedding"], unit="word")
    expected = [len(word) / 2 if len(word) > 2 else np.nan for word in store.texts]
    assert store.classes is None and 0 < np.isnan(expected).sum() < len(expected)
    np.testing.assert_array_equal(store.labels, expected)
    store.check()


def test_a_path_that_is_none_is_named(lens, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputTypeError, match="`path` has to name a folder. Received: path=None"):
        export(lens, TEXTS, None)
    with pytest.raises(InputError, match=r"place that can be written. Received: path='.*file/a'"):
        export(lens, TEXTS, tmp_path / "file" / "a", ["embedding"])


def test_empty_texts_are_told_of(lens, tmp_path):
    with pytest.raises(InputError, match="Received: nan at unit 0 of 'classes' in document 1, '': leave it out"):
        export(lens, ["love", "", "?!"], tmp_path / "texts")  # a mean over nothing
    store = export(lens, ["love", "", "?!"], tmp_path / "texts", ["embedding"])
    assert len(store) == 3 and store.notes == ("2 documents hold no token that the model can see; the first is number 1.",)
    store = export(lens, ["", "love cake"], tmp_path / "words", ["embedding"], unit="word")
    assert store.texts == ["love", "cake"] and store.documents.tolist() == [1, 1] and store.document_texts == ["", "love cake"]


def test_large_and_missing_numbers_are_named(keras, tmp_path):
    layers = keras.layers
    model = keras.Sequential([layers.Input((2,)), layers.Dense(2, name="inner", use_bias=False, kernel_initializer="identity")])
    lens, x = ki.wrap(model), np.array([[1, 2], [3, 70000]], np.float32)
    with pytest.raises(InputError, match=r'use dtype="float32". Received: unit 1 of \'inner\' in document 1'):
        export(lens, x, tmp_path / "a", "inner")
    assert export(lens, x, tmp_path / "a", "inner", dtype="float32").read("inner")[1, 1] == 70000
    with pytest.raises(InputError, match="Received: nan at unit 0 of 'inner' in document 0"):
        export(lens, x * [np.nan, 1], tmp_path / "b", "inner")
