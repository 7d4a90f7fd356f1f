"""A store in the making is whole after any kill, and what cannot be written is said in one sentence."""

import os
import random
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from kerasintrospect import datasets
from kerasintrospect.errors import InputError, InputTypeError, StaleIndexError
from kerasintrospect.store import load_store
from kerasintrospect.storing import Making, Stretch, begun, read_facts

DOCUMENTS, PER, UNITS = 60, 5, (16, 3)
RNG = np.random.default_rng(0)
ROWS = [RNG.standard_normal((DOCUMENTS * PER, units)).astype(np.float16) for units in UNITS]
FILES = ["", ".json", ".lance", ".npz"]  # the lock, what counts, rows, sums: nothing else is left
LABELS = RNG.integers(-1, 2, DOCUMENTS * PER)
ABOUT = {"fingerprint": "f", "model": "m", "sites": ["a", "b.c[0]"], "asked": ["a", "b"], "unit": "word", "pool": "mean",
         "dtype": "float16", "texts": "t", "labels": "l", "classes": ["no", "yes"], "versions": {}}  # fmt: skip


def stretch(start, end, **changes):
    part = slice(start * PER, end * PER)
    documents = np.repeat(np.arange(start, end), PER)
    texts = [f"w{i}\ud800" for i in range(part.start, part.stop)]
    context = [f"text {d}" if i % PER == 0 else None for i, d in enumerate(documents)]
    columns = {"document": documents, "start": documents * 0, "end": documents * 0 + 3, "text": texts, "context": context,
               "label": LABELS[part]}  # fmt: skip
    vectors = [rows[part].copy() for rows in ROWS]
    return Stretch(**{"documents": end, "columns": columns, "vectors": vectors, "label_ids": LABELS[part],
                      "counts": {"unseen": [end - start, f"'x' in document {start}"]}, **changes})  # fmt: skip


def run(folder, size=3, until=DOCUMENTS):
    """An export of rows that are known."""
    with datasets.locked(folder, "store"):
        making = Making(folder, begun(folder, ABOUT, DOCUMENTS, False), ABOUT, DOCUMENTS, True)
        for start in range(making.documents, until, size):
            making.add(stretch(start, start + size))
        if until == DOCUMENTS:
            making.finish()
    return making


def check(store):
    """Every row once, and equal to those of an uninterrupted run."""
    assert store.finished and len(store) == DOCUMENTS * PER
    assert store.documents.tolist() == np.repeat(range(DOCUMENTS), PER).tolist()
    assert store.texts == [f"w{i}\ud800" for i in range(len(store))]
    assert store.document_texts == [f"text {d}" for d in range(DOCUMENTS)]
    assert store.label_ids.tolist() == LABELS.tolist() and store.labels[LABELS < 0].tolist() == [None] * (LABELS < 0).sum()
    for site, rows in zip(store.sites, ROWS, strict=True):
        np.testing.assert_array_equal(store.read(site, dtype=None), rows)
        found = store.statistics(site)
        np.testing.assert_allclose(found.sums, rows.astype(float).sum(0), rtol=1e-12)
        assert (found.count, found.counts.tolist()) == (len(rows), [(LABELS == 0).sum(), (LABELS == 1).sum()])
    assert store.notes[0].startswith("60 words have no row") and "'x' in document 0" in store.notes[0]
    return sorted(path.suffix for path in store.path.iterdir())


def test_a_store_is_what_was_written(tmp_path):
    run(tmp_path)
    assert check(load_store(tmp_path)) == FILES


def kill(folder, wait):
    """A process that writes, and dies after a while; gives the seconds that it took."""
    start, child = time.perf_counter(), os.fork()
    if not child:
        run(folder)
        os._exit(0)
    if wait is not None:
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)  # its id is its own until it is waited for
    os.waitpid(child, 0)
    return time.perf_counter() - start


def kills(folder, n):
    """In a process that uses none of Lance's threads itself, so that its children can."""
    import lance  # noqa: F401
    import pyarrow  # noqa: F401

    rng, halves, number = random.Random(0), 0, 0
    folder.joinpath("whole").mkdir()
    whole = kill(folder / "whole", None)
    for _ in range(n):
        place = folder / f"store {number}"
        place.mkdir(exist_ok=True)
        kill(place, rng.uniform(0, 0.7) * whole)
        facts = read_facts(place) if (place / "store.json").exists() else None
        halves += facts is not None and not facts.finished
        number += facts is not None and facts.finished
    if facts is None or not facts.finished:
        kill(place, None)
    return halves


def test_after_twenty_kills_every_row_is_there_once(tmp_path):
    code = f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); from pathlib import Path; import test_storing; "
    asked = subprocess.run([sys.executable, "-c", f"{code}print(test_storing.kills(Path({str(tmp_path)!r}), 20))"],
                           capture_output=True, text=True, timeout=300)  # fmt: skip
    assert asked.returncode == 0 and "Traceback" not in asked.stderr, asked.stderr
    assert int(asked.stdout) >= 5  # died on the way
    for folder in tmp_path.iterdir():
        check(load_store(folder))


def test_what_was_begun_is_shown_and_gone_on_with(tmp_path):
    run(tmp_path, until=30)
    with pytest.warns(UserWarning, match="30 of 60 documents are there: the same call to export goes on"):
        store = load_store(tmp_path)
    assert not store.finished and len(store) == 150 and "30 of 60" in repr(store)
    np.testing.assert_array_equal(store.read("a", dtype=None), ROWS[0][:150])
    run(tmp_path, size=5)
    assert check(load_store(tmp_path)) == FILES
    np.testing.assert_array_equal(store.read("a", dtype=None), ROWS[0][:150])  # a store that is open stays what it was
    assert store.statistics("a").count == 150


@pytest.mark.parametrize(("name", "value", "kind", "said"), [
    ("fingerprint", "g", StaleIndexError, "another model"), ("sites", ["a", "d"], InputError, "at other sites"),
    ("texts", "u", InputError, "of other texts"), ("labels", "m", InputError, "with other labels"),
    ("unit", "token", InputError, "of another unit"), ("pool", "max", InputError, "pooled in another way"),
    ("dtype", "float32", InputError, "of another dtype"),
])  # fmt: skip
def test_another_thing_is_no_continuation(name, value, kind, said, tmp_path):
    run(tmp_path, until=30)
    with pytest.raises(kind, match=f"{said}.*overwrite=True.*path="):
        begun(tmp_path, {**ABOUT, name: value}, DOCUMENTS, False)
    assert begun(tmp_path, {**ABOUT, name: value}, DOCUMENTS, True) is None
    assert begun(tmp_path, ABOUT, DOCUMENTS, False).documents == 30


def test_a_finished_store_is_not_made_again_by_accident(tmp_path):
    run(tmp_path)
    assert begun(tmp_path, ABOUT, DOCUMENTS, False).finished
    with datasets.locked(tmp_path, "store"):
        making = Making(tmp_path, begun(tmp_path, ABOUT, DOCUMENTS, True), ABOUT, DOCUMENTS, True)
        check(load_store(tmp_path))  # still there, until the new one has a row
        making.add(stretch(0, 3))
    with pytest.warns(UserWarning, match="3 of 60"):
        assert len(load_store(tmp_path)) == 15


def test_folders_of_others_are_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="new or empty folder.*letter.txt"):
        begun(tmp_path, ABOUT, DOCUMENTS, True)
    with pytest.raises(InputError, match="a file"):
        begun(tmp_path / "letter.txt", ABOUT, DOCUMENTS, True)
    assert begun(tmp_path / "new", ABOUT, DOCUMENTS, False) is None and not (tmp_path / "new").exists()


def test_a_folder_in_which_nothing_was_written_does_not_stay(tmp_path):
    for folder in (tmp_path, tmp_path / "new" / "store"):
        with pytest.raises(ZeroDivisionError), datasets.made(folder, "store"):
            1 / 0  # noqa: B018
    assert [path.name for path in tmp_path.rglob("*")] == ["new"]
    with pytest.raises(ZeroDivisionError), datasets.made(tmp_path / "store", "store"):
        (tmp_path / "store" / "rows").touch()
        1 / 0  # noqa: B018
    assert {path.name for path in (tmp_path / "store").iterdir()} == {".lock", "rows"}


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"place that can be written. Received: path='.*file/store' \(NotADirectory"):
        with datasets.made(tmp_path / "file" / "store", "store"):
            pass
    for path in (None, 3):
        with pytest.raises(InputTypeError, match=f"`path` has to name a folder. Received: path={path}"):
            load_store(path)


@pytest.mark.parametrize(("value", "dtype", "said"), [
    (np.nan, "float16", r"finite numbers. Received: nan at unit 2 of 'b.c\[0\]' in document 31"),
    (1e5, "float16", r"ends at 65504: use dtype=\"float32\". Received: unit 2 of 'b.c\[0\]' in document 31"),
    (-np.inf, "float32", r"finite numbers. Received: -inf at unit 2 of 'b.c\[0\]' in document 31"),
])  # fmt: skip
def test_numbers_that_are_none_are_named_and_nothing_is_lost(value, dtype, said, tmp_path):
    making = run(tmp_path, until=30)
    with np.errstate(over="ignore"):
        broken = [rows[150:165].astype(dtype) for rows in ROWS]
        broken[1][7, 2] = value
    with pytest.raises(InputError, match=said):
        making.add(stretch(30, 33, vectors=broken))
    run(tmp_path)
    check(load_store(tmp_path))


def test_all_documents_of_a_stretch_whose_numbers_are_none_are_named_at_once(tmp_path):
    making = run(tmp_path, until=30)
    broken = [rows[150:200].astype(np.float32) for rows in ROWS]
    broken[0][7, 2] = np.inf  # document 31
    broken[1][[8, 20, 21], 0] = np.nan  # 31, 34 and 34
    with pytest.raises(InputError, match=r"document 31, 'w157.*: leave it out, and 1 more of documents 30 to 39: 34\.$"):
        making.add(stretch(30, 40, vectors=broken))
    broken[1][::5, 1] = np.nan
    with pytest.raises(InputError, match=r"and 9 more of documents 30 to 39: 30, 32, 33, 34, 35, \.\.\.\.$"):
        Making(tmp_path, making.facts, ABOUT, DOCUMENTS, True).add(stretch(30, 40, vectors=broken))


def test_a_full_disk_is_one_sentence_and_nothing_is_lost(tmp_path):
    making = run(tmp_path, until=30)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
        with pytest.raises(InputError, match=r"cannot be written: .* 30 of 60 documents are safe: the same call goes on"):
            making.add(stretch(30, 60))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    run(tmp_path)
    check(load_store(tmp_path))


def test_no_row_at_all_is_no_store(tmp_path):
    making = Making(tmp_path, None, ABOUT, DOCUMENTS, True)
    making.add(stretch(0, 0, documents=DOCUMENTS))
    with pytest.raises(InputError, match="no row: the inputs hold no word"):
        making.finish()
    assert list(tmp_path.iterdir()) == []


def test_documents_without_rows_at_the_end_count_too(tmp_path):
    making = Making(tmp_path, None, ABOUT, 5, True)
    for part in (stretch(0, 3), stretch(3, 3, documents=5)):
        making.add(part)
    making.finish()
    store = load_store(tmp_path)
    assert store.finished and store.document_texts == ["text 0", "text 1", "text 2", "", ""]
