"""Files of NeuroX: what its writer writes is read, what we write is what its writer writes."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from test_storing import ROWS, run

import kerasintrospect as ki
from kerasintrospect.errors import InputError

CASES = {case["id"]: case for case in json.loads((Path(__file__).parent / "reference/neurox.json").read_text())["cases"]}
RNG = np.random.default_rng(0)


def sentences(texts, layers=3, units=4):
    words = [text.split(" ") for text in texts]
    return [(row, RNG.standard_normal((layers, len(row), units)).astype(np.float32)) for row in words]


@pytest.mark.parametrize("kind", ["json", "hdf5"])
def test_what_is_written_is_read(kind, tmp_path):
    given = sentences(["This is it", "é 😂", "x"])
    assert ki.write_neurox(given, tmp_path / f"a.{kind}") == 3
    found = ki.read_neurox(tmp_path / f"a.{kind}")
    assert found.words == [words for words, _ in given] and len(found) == 3
    for (_, expected), values in zip(given, found.activations, strict=True):
        np.testing.assert_allclose(values, expected, atol=1e-8 if kind == "json" else 0)
    np.testing.assert_array_equal(found.layer(1), np.concatenate([values[1] for values in found.activations]))
    assert found.matrix().shape == (6, 12)
    np.testing.assert_array_equal(found.matrix()[:, 4:8], found.layer(1))
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{kind}"]


def test_json_is_as_neurox_writes_it(tmp_path):
    (words, values), *_ = given = sentences(["a b"])
    ki.write_neurox(given, tmp_path / "a.json")
    (line,) = (tmp_path / "a.json").read_text().splitlines()
    by_neurox = {"linex_index": 0, "features": [
        {"token": word, "layers": [{"index": i, "values": [round(x.item(), 8) for x in values[i, j]]} for i in range(3)]}
        for j, word in enumerate(words)]}  # fmt: skip
    assert json.loads(line) == by_neurox and list(json.loads(line)) == list(by_neurox)


def test_equal_sentences_have_names_of_their_own_in_hdf5(tmp_path):
    case = CASES["writer_duplicate_sentences"]
    given = sentences(case["inputs"]["sentences"])
    ki.write_neurox(given, tmp_path / "a.hdf5")
    with h5py.File(tmp_path / "a.hdf5") as file:
        assert sorted(file) == sorted(case["expected"]["datasets"])
        assert list(json.loads(file["sentence_to_index"][0])) == case["expected"]["keys"]
        assert file["1"].shape == (3, 5, 4) and file["1"].dtype == np.float32
    assert ki.read_neurox(tmp_path / "a.hdf5").words == [words for words, _ in given]


@pytest.mark.parametrize("kind", ["json", "hdf5"])
def test_documents_of_a_store_become_sentences(kind, tmp_path):
    from kerasintrospect import store as room

    run(tmp_path)
    store = ki.load_store(tmp_path)
    with pytest.raises(InputError, match="equal numbers of units"):
        ki.write_neurox(store, tmp_path / "a.json")
    before, room._BATCH = room._BATCH, 16 * 37  # batches that end inside sentences
    try:
        if kind == "json":  # whose words may be anything
            assert ki.write_neurox(store, tmp_path / "a.json", ["a"]) == 60
        else:
            assert ki.write_neurox(store, tmp_path / "a.hdf5", ["a", "a"]) == 60
    finally:
        room._BATCH = before
    found = ki.read_neurox(tmp_path / f"a.{kind}")
    assert len(found) == 60
    np.testing.assert_allclose(found.layer(len(found.activations[0]) - 1), ROWS[0].astype(np.float32), atol=1e-8)


def test_words_with_blanks_need_json(tmp_path):
    given = [(["New York"], np.zeros((1, 1, 2)))]
    with pytest.raises(InputError, match="write JSON. Received: 'New York' in sentence 0"):
        ki.write_neurox(given, tmp_path / "a.hdf5")
    assert ki.write_neurox(given, tmp_path / "a.json") == 1 and ki.read_neurox(tmp_path / "a.json").words == [["New York"]]
    with pytest.raises(InputError, match=r"2 words and shape \(1, 1, 2\) in sentence 0"):
        ki.write_neurox([(["a", "b"], np.zeros((1, 1, 2)))], tmp_path / "b.json")
    with pytest.raises(InputError, match=r"named \*.json or \*.hdf5"):
        ki.write_neurox(given, tmp_path / "a.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


LINE = {"features": [{"token": "a", "layers": [{"index": 0, "values": [1.0, 2.0]}]}]}


@pytest.mark.parametrize(("lines", "said"), [
    ([json.dumps(LINE), "{]"], "JSONDecodeError.*in line 2"), ([json.dumps({"x": 1})], "KeyError: 'features', in line 1"),
    ([json.dumps(LINE).replace(", 2.0", ""), json.dumps(LINE)], "shape .* after .*in line 2"), ([], "holds no sentence"),
    ([json.dumps({"features": []})], "0 words and activations of shape .*in line 1"),
    ([json.dumps(LINE).replace("[1.0, 2.0]", '["x"]')], "ValueError.*in line 1"),
])  # fmt: skip
def test_faults_of_json_are_named_with_their_line(lines, said, tmp_path):
    (tmp_path / "a.json").write_text("\n".join(lines))
    with pytest.raises(InputError, match=said):
        ki.read_neurox(tmp_path / "a.json")


def test_faults_of_hdf5_are_named(tmp_path):
    path = tmp_path / "a.hdf5"
    ki.write_neurox(sentences(["a b", "c"]), path)
    with h5py.File(path, "a") as file:
        del file["1"]
    with pytest.raises(InputError, match="KeyError.*in sentence 1"):
        ki.read_neurox(path)
    with h5py.File(path, "w") as file:
        file["0"] = np.zeros((1, 2, 3))
    with pytest.raises(InputError, match="in sentence_to_index"):
        ki.read_neurox(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="is no HDF5"):
        ki.read_neurox(path)
    for name in ("b.hdf5", "b.json"):
        with pytest.raises(InputError, match="Received: path="):
            ki.read_neurox(tmp_path / name)
