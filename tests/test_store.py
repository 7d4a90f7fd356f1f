"""A store reads what was written, by site, row, label and text; a damaged one is named in one sentence."""

import contextlib
import json
import re
import shutil

import numpy as np
import pytest
from test_storing import ABOUT, DOCUMENTS, LABELS, ROWS, run, stretch

import kerasintrospect as ki
from kerasintrospect import datasets, statistics
from kerasintrospect.errors import InputError, InputTypeError
from kerasintrospect.storing import Making, Stretch, read_facts

WIDE = [rows.astype(np.float32) for rows in ROWS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("store")
    run(place)
    return place


@pytest.fixture(scope="module")
def store(folder):
    return ki.load_store(str(folder))


def test_sites_are_read_whole_and_by_rows(store):
    assert store.sites == ["a", "b.c[0]"] and len(store) == 300 and "300 words, 2 sites, float16" in repr(store)
    for site, rows in zip(store.sites, WIDE, strict=True):
        assert store.read(site).dtype == np.float32
        np.testing.assert_array_equal(store.read(site), rows)
        chosen = [299, 3, 3, 0]
        np.testing.assert_array_equal(store.read(site, chosen), rows[chosen])
        np.testing.assert_array_equal(store.read(site, LABELS == 1), rows[LABELS == 1])
        assert store.read(site, []).shape == (0, rows.shape[1])
    np.testing.assert_array_equal(store.read("b"), WIDE[1])  # as the user called it
    with pytest.raises(InputError, match=r"holds the sites a, b.c\[0\]. Received: site='c'"):
        store.read("c")
    with pytest.raises(InputError, match="rows are 0 to 299"):
        store.read("a", [300])
    with pytest.raises(InputTypeError, match=r"row numbers, or a mask of shape \(300,\). Received: .* of shape \(\), rows='a'"):
        store.read("a", "a")
    np.testing.assert_array_equal(store.read("a", slice(3, 99, 2)), WIDE[0][3:99:2])


def test_numbers_are_given_in_no_dtype_that_loses_any(store):
    for dtype in ("float64", np.float32, "float16", None):
        np.testing.assert_array_equal(store.read("b", dtype=dtype), ROWS[1].astype(dtype or "float16"), strict=True)
    for dtype in ("int8", "text", 3):
        with pytest.raises(InputError, match=f"'float16', 'float32', 'float64', or None for .* Received: dtype={dtype}"):
            store.read("a", dtype=dtype)


def test_streams_are_the_rows_in_order(store):
    parts = list(store.stream("a", 37))
    assert len(parts) > 7 and max(map(len, parts)) <= 37
    np.testing.assert_array_equal(np.concatenate(parts), WIDE[0])
    both = list(store.stream(["b", "a"]))
    assert list(both[0]) == ["b", "a"]
    np.testing.assert_array_equal(np.concatenate([values["b"] for values in both]), WIDE[1])
    with pytest.raises(InputError, match="at least 1"):
        next(store.stream("a", -1))


def test_rows_are_found_by_label_text_and_document(store):
    assert store.where(label="yes").tolist() == np.flatnonzero(LABELS == 1).tolist()
    assert store.where(label=["yes", "no"]).tolist() == np.flatnonzero(LABELS >= 0).tolist()
    assert store.where(text="w7\ud800").tolist() == [7]
    assert store.where(text=re.compile("^w1.\ud800")).tolist() == [*range(10, 20)]
    assert store.where(document=[2, 3], text=["w10\ud800", "w40\ud800"]).tolist() == [10]
    with pytest.raises(InputError, match=r"labels are \['no', 'yes'\]. Received: label='maybe'"):
        store.where(label="maybe")


def test_sums_and_products_are_those_of_the_rows(store, monkeypatch):
    found = store.statistics("a")
    np.testing.assert_allclose(found.means, WIDE[0].mean(0, np.float64))
    np.testing.assert_allclose(found.class_means[1], WIDE[0][LABELS == 1].mean(0, np.float64))
    monkeypatch.setattr(statistics, "_BLOCK", 100)
    np.testing.assert_allclose(store.gram("a").correlation(), np.corrcoef(WIDE[0].T), atol=1e-6)


def test_a_table_shows_the_rows(store):
    frame = store.to_frame()
    assert list(frame.columns) == ["document", "start", "end", "text", "label"] and len(frame) == 300
    assert frame.label[LABELS == 1].tolist() == ["yes"] * (LABELS == 1).sum()


def test_sums_of_very_many_labels_are_taken_when_asked(tmp_path):
    making = Making(tmp_path, None, ABOUT, DOCUMENTS, False)
    making.add(stretch(0, DOCUMENTS))
    store = ki.load_store(tmp_path)
    np.testing.assert_allclose(store.statistics("a").class_means[0], WIDE[0][LABELS == 0].mean(0, np.float64))


def test_texts_with_numbers_for_labels_or_with_none(tmp_path):
    for name, label in (("numbers", np.arange(4.0)), ("none", None)):
        about = {**ABOUT, "unit": "example", "classes": None}
        columns = {"document": np.arange(4), "text": list("abcd")} | ({} if label is None else {"label": label})
        (tmp_path / name).mkdir()
        Making(tmp_path / name, None, about, 4, True).add(Stretch(4, columns, [rows[:4] for rows in ROWS], None, {}))
        store = ki.load_store(tmp_path / name)
        assert (store.spans, store.texts, store.document_texts) == (None, list("abcd"), list("abcd"))
        assert (None if store.labels is None else store.labels.tolist()) == (None if label is None else [0, 1, 2, 3])
        with pytest.raises(InputError, match="has no classes. Received: " + ("labels=None" if label is None else "numbers")):
            store.label_ids  # noqa: B018
    with pytest.raises(InputError, match="has no labels"):
        store.where(label="a")


def broken(kind, path):
    """Makes a folder that is no store."""
    record = json.loads((path / "store.json").read_text())
    data = path / record["data"]

    def write(**changes):
        (path / "store.json").write_text(json.dumps({**record, **changes}))

    match kind:
        case "missing":
            shutil.rmtree(path)
        case "empty":
            shutil.rmtree(path)
            path.mkdir()
        case "no data":
            shutil.rmtree(data)
        case "cut rows":
            file = next((data / "data").iterdir())
            file.write_bytes(file.read_bytes()[:-100])
        case "a file less":
            next((data / "data").iterdir()).unlink()
        case "cut manifest":
            file = next((data / "_versions").glob("*.manifest"))
            file.write_bytes(file.read_bytes()[:-10])
        case "flipped":
            file = next((data / "data").iterdir())
            whole = bytearray(file.read_bytes())
            whole[100] ^= 255
            file.write_bytes(whole)
        case "no sums":
            (path / record["sums"]).unlink()
        case "no json":
            (path / "store.json").write_text("{]")
        case "an index":
            write(format="kerasintrospect.index/1")
        case "another count":
            write(count=5)
        case "another version":
            write(version=7777)
        case "a path outside":
            write(data="../" + record["data"])
        case "files outside":
            write(files={"../../etc": [1, 1]})
        case "no sites":
            write(about={**record["about"], "sites": []})


DAMAGED = ("no data", "cut rows", "a file less", "cut manifest", "flipped", "no sums")
KINDS = ("missing", "empty", "no data", "cut rows", "a file less", "cut manifest", "flipped", "no sums", "no json", "an index",
         "another count", "another version", "a path outside", "files outside", "no sites")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_is_no_store_is_named_in_one_sentence(kind, folder, tmp_path):
    path = tmp_path / "store"
    shutil.copytree(folder, path)
    broken(kind, path)
    with pytest.raises(InputError) as caught:
        ki.load_store(path)
    assert str(caught.value).startswith(f"`path` has to name a folder that lens.export() wrote. Received: path={str(path)!r} (")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert ("damaged" in str(caught.value) and "bring it back from a copy" in str(caught.value)) == (kind in DAMAGED)


def everything(store):
    """Whatever can be read."""
    numbers = [store.documents, store.spans, store.label_ids]
    for site in store.sites:
        numbers += [store.read(site), store.read(site, slice(0, 300, 7)), *store.stream(site, 50)]
        numbers += [store.statistics(site).variances]
    return numbers, store.texts, store.document_texts


def test_another_byte_is_said_and_never_read_as_another_number(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "_SMALL", 0)  # as of large files, of which opening looks at the size only
    numbers, *texts = everything(ki.load_store(folder))
    rng, found = np.random.default_rng(0), {"opened": 0, "read": 0}
    path = tmp_path / "store"
    shutil.copytree(folder, path)
    for file in rng.choice(sorted((path / read_facts(path).data / "data").iterdir()), 60):
        sound = file.read_bytes()
        place = rng.integers(len(sound))
        file.write_bytes(sound[:place] + bytes([sound[place] ^ 4]) + sound[place + 1 :])
        with contextlib.suppress(InputError):
            store = ki.load_store(path)
            found["opened"] += 1
            with pytest.raises(InputError, match=f"damaged, other bytes in data-.*{file.name}: bring it back from a copy"):
                store.check()
            again, *said = everything(store)
            found["read"] += 1
            for one, other in zip(numbers, again, strict=True):
                np.testing.assert_array_equal(one, other)
            assert said == texts
        file.write_bytes(sound)
    assert found["opened"] > 40 and found["read"] < 30  # what is left are bytes that count for nothing
    ki.load_store(path).check()
