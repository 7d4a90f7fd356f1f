"""An index answers like brute force, knows its model, and survives the disk; numbers of other libraries agree."""

import json
import os
import re
import warnings
import zipfile

import numpy as np
import pytest

from kerasintrospect.errors import InputError, InputTypeError, KerasIntrospectWarning, StaleIndexError
from kerasintrospect.neighbors import Neighbor, NeighborIndex

TEXTS = ["good 😂", "bad <script>", "fine", "awful é\ud800", "good 😂"]
VECTORS = np.array([[1, 0], [0, 1], [2, 0.5], [-1, 1], [1, 0]], np.float32)
LABELS = [1, 0, 1, 0, 1]


def embed(texts):
    """A model's stand-in: the vector of a training text, else one of its length."""
    return np.array([VECTORS[TEXTS.index(text)] if text in TEXTS else [len(text), 1] for text in texts], np.float32)


@pytest.fixture
def index():
    return NeighborIndex(VECTORS, TEXTS, LABELS, "euclidean", "f1", "dense", "max", ["neg", "pos"], embed)


# Answers


def test_a_query_gives_the_records_of_the_nearest(index):
    found = index.query(["fine", "bad <script>"], k=2)
    assert found.indices.tolist() == [[2, 0], [1, 3]] and found.indices.dtype == np.int64
    np.testing.assert_allclose(found.distances, [[0, np.sqrt(1.25)], [0, 1]])
    assert found.distances.dtype == np.float32
    assert found.texts == [["fine", "good 😂"], ["bad <script>", "awful é\ud800"]]
    assert found.labels.tolist() == [[1, 1], [0, 0]] and found.class_names == ["neg", "pos"]
    assert len(found) == 2 and found[1][0] == Neighbor(1, 0.0, "bad <script>", 0)
    assert [[near.index for near in row] for row in found] == found.indices.tolist()


def test_the_table(index):
    frame = index.query(["fine", "bad <script>"], k=2).to_frame()
    assert frame.columns.tolist() == ["query", "rank", "index", "distance", "label", "text"]
    rows = [(0, 1, 2, "pos", "fine"), (0, 2, 0, "pos", "good 😂"), (1, 1, 1, "neg", "bad <script>"),
            (1, 2, 3, "neg", "awful é\ud800")]  # fmt: skip
    assert list(frame.drop(columns="distance").itertuples(index=False, name=None)) == rows


def test_without_texts_labels_and_names():
    index = NeighborIndex(VECTORS)
    found = index.query(VECTORS[:1], k=1)
    assert found.texts is None and found.labels is None and found[0] == [Neighbor(0, 0.0)]
    assert found.to_frame()[["label", "text"]].isna().all(None)
    labelled = NeighborIndex(VECTORS, labels=LABELS).query(VECTORS[:1], k=1)
    assert labelled.to_frame()["label"].tolist() == [1]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_an_index_equals_brute_force(metric):
    rng = np.random.default_rng(0)
    vectors, queries = rng.standard_normal((500, 6)), rng.standard_normal((20, 6))
    found = NeighborIndex(vectors, metric=metric).query_vectors(queries, k=9)
    vectors, queries = vectors.astype(np.float32).astype(float), queries.astype(np.float32).astype(float)
    if metric == "cosine":
        product = queries @ vectors.T
        every = 1 - product / np.linalg.norm(vectors, axis=1) / np.linalg.norm(queries, axis=1, keepdims=True)
    else:
        every = np.linalg.norm(queries[:, None] - vectors, axis=2)
    assert found.indices.tolist() == np.argsort(every, 1, kind="stable")[:, :9].tolist()
    np.testing.assert_allclose(found.distances, np.sort(every, 1)[:, :9], rtol=1e-6, atol=1e-7)


def test_the_index_keeps_what_it_was_given(index):
    assert (len(index), index.site, index.pool, index.metric, index.fingerprint) == (5, "dense", "max", "euclidean", "f1")
    assert repr(index) == "NeighborIndex(5 examples, euclidean, site='dense', pool='max')"
    given = VECTORS.copy()
    mine = NeighborIndex(given)
    given[:] = 7
    assert mine.query_vectors(VECTORS[1:2], k=1).indices.tolist() == [[1]]


# Leaving the query itself out


def test_every_text_of_the_training_set_is_left_out_of_its_own_answer(index):
    found = index.query(TEXTS, k=4, exclude_self=True)
    assert all(i not in row for i, row in enumerate(found.indices.tolist()))
    assert found.indices[0, 0] == 4 and found.indices[4, 0] == 0  # the copy stays
    everything = index.query(TEXTS, k=5)
    assert [[i for i in row if i != q] for q, row in enumerate(everything.indices.tolist())] == found.indices.tolist()


def test_a_text_in_another_row_is_left_out_once(index):
    assert index.query(["unseen", "good 😂"], k=2, exclude_self=True).indices[1].tolist() == [4, 2]
    assert index.query(["unseen"], k=2, exclude_self=True).indices.tolist() == index.query(["unseen"], k=2).indices.tolist()


def test_a_text_is_left_out_even_if_its_vector_is_no_longer_quite_the_same():
    index = NeighborIndex(VECTORS, TEXTS, metric="euclidean", embed=lambda texts: embed(texts) + np.float32(1e-6))
    assert index.query(["fine"], k=1, exclude_self=True).indices.tolist() == [[0]]
    assert index.query(["fine"], k=1).indices.tolist() == [[2]]


def test_vectors_are_left_out_when_they_are_the_same():
    index = NeighborIndex(VECTORS, metric="euclidean")
    assert index.query(VECTORS, k=1, exclude_self=True).indices.ravel().tolist() == [4, 3, 0, 1, 0]
    assert index.query(VECTORS[[3, 2]], k=1, exclude_self=True).indices.ravel().tolist() == [1, 0]
    many = NeighborIndex(np.ones((50, 3)), metric="euclidean")
    assert many.query(np.ones((50, 3)), k=2, exclude_self=True).indices[[0, 1, 49]].tolist() == [[1, 2], [0, 2], [0, 1]]


def test_one_example_has_no_neighbor_but_itself():
    index = NeighborIndex([[1.0, 2.0]])
    with pytest.warns(KerasIntrospectWarning, match="only 0 examples"):
        found = index.query(np.ones((2, 2)), k=3, exclude_self=True)
    assert found.indices.shape == (2, 0) and found[0] == [] and found.to_frame().empty


# Numbers of others


def test_xplique_knn():
    """xplique tests/example_based/test_knn.py::test_knn_kneighbors, ascending."""
    found = NeighborIndex([[1.0], [2.0], [3.0], [4.0], [5.0]], metric="euclidean").query_vectors([[1.5], [2.5], [4.5]], k=2)
    assert found.indices.tolist() == [[0, 1], [1, 2], [3, 4]]
    np.testing.assert_allclose(found.distances, [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]], atol=1e-5)


def test_xplique_cross_distance():
    """xplique tests/example_based/test_knn.py::test_knn_compute_distances."""
    found = NeighborIndex([[7, 8], [9, 10]], metric="euclidean").query_vectors([[1, 2], [3, 4], [5, 6]], k=2)
    expected = [8.48528137423857, 11.313708498984761, 5.656854249492381, 8.48528137423857, 2.8284271247461903, 5.6568542494924]
    np.testing.assert_allclose(found.distances.ravel(), expected, rtol=1e-6)


def test_lit_nearest_neighbors():
    """PAIR-code/lit lit_nlp/components/nearest_neighbors_test.py."""
    index = NeighborIndex([[0, 0, 0, 0], [1, 1, 1, 0], [5, 8, -10, 0]], metric="euclidean")
    np.testing.assert_allclose(index.query_vectors([[0, 0, 0, 0]], k=2).distances, [[0.0, 1.7320508075688772]], atol=1e-6)


@pytest.mark.parametrize("units", [5, 1])
def test_captum_similarity(units):
    """captum tests/influence/_core/test_similarity_influence.py::test_correct_influences_standard, at relu1 and fc2."""

    def activations(rows):
        relu1 = np.maximum(np.array(rows, float)[:, None] * np.ones((1, 4)) @ np.full((4, 5), 0.02), 0)
        return relu1 if units == 5 else relu1 @ np.full((5, 1), 0.02)

    found = NeighborIndex(activations(range(16)), metric="euclidean").query_vectors(activations([1, 8, 14]), k=3)
    assert [set(row) for row in found.indices.tolist()] == [{1, 0, 2}, {8, 7, 9}, {14, 15, 13}]


def test_captums_faults_are_not_ours():
    """SimilarityInfluence ranks a row of zeros first (cosine 4.0), and fails where the last batch has fewer rows than k."""
    index = NeighborIndex([[0, 0, 0], [1, 2, 3], [-1, 0, 0]])
    with pytest.warns(KerasIntrospectWarning):
        found = index.query_vectors([[1, 2, 3]], k=4)
    assert found.indices.tolist() == [[1, 2, 0]] and found.distances[0, -1] == 2


# The model of an index


def test_attach_binds_to_the_model_that_made_it(index):
    index.attach(lambda texts: np.zeros((len(texts), 2)) + [0, 1], "f1")
    assert index.query(["whatever"], k=1).indices.tolist() == [[1]]
    message = (
        "The weights, the site or the text front changed since this index was made. Required: fingerprint='f1'. "
        "Received: fingerprint='f2'. Make a new index with lens.neighbors(texts)."
    )
    with pytest.raises(StaleIndexError, match=f"^{re.escape(message)}$"):
        index.attach(embed, "f2")
    assert index.query(["whatever"], k=1).indices.tolist() == [[1]]  # the old one stays


class Lens:
    def __init__(self, fingerprint):
        self.fingerprint, self.asked = fingerprint, None

    def embedder(self, site, pool):
        self.asked = site, pool
        return embed, self.fingerprint


def test_a_loaded_index_asks_the_lens(index, tmp_path):
    index.save(tmp_path / "index.npz")
    lens = Lens("f1")
    loaded = NeighborIndex.load(tmp_path / "index.npz", lens)
    assert lens.asked == ("dense", "max")
    assert loaded.query(["fine"], k=2).texts == [["fine", "good 😂"]]
    with pytest.raises(StaleIndexError):
        NeighborIndex.load(tmp_path / "index.npz", Lens("f2"))


def test_without_a_model_only_vectors_are_queries(index, tmp_path):
    index.save(tmp_path / "index.npz")
    loaded = NeighborIndex.load(tmp_path / "index.npz")
    assert loaded.query(VECTORS, k=1).indices.ravel().tolist() == [0, 1, 2, 3, 0]
    message = (
        "This index has no model to make vectors of inputs, so they have to be an array (n, units). "
        "Received: inputs=['fine']. Load the index with NeighborIndex.load(path, lens)."
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        loaded.query(["fine"])


# The file


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("full", [True, False])
def test_a_saved_index_is_the_same(tmp_path, metric, full):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((30, 4)).astype(np.float32)
    texts = [f"text\x00 {i} 😂 \ud83d \n" for i in range(30)]
    rest = {"texts": texts, "labels": rng.integers(0, 2, 30), "class_names": ["a", "é"], "site": "s#1:in", "pool": None}
    index = NeighborIndex(vectors, metric=metric, fingerprint="f", **(rest if full else {}))
    path = tmp_path / "no suffix"
    index.save(path)
    loaded = NeighborIndex.load(str(path))
    for name in ("metric", "fingerprint", "site", "pool", "class_names", "texts"):
        assert getattr(loaded, name) == getattr(index, name)
    np.testing.assert_array_equal(loaded.vectors, vectors)
    assert (loaded.labels is None) == (not full) and (not full or (loaded.labels == index.labels).all())
    a, b = index.query_vectors(vectors, k=7), loaded.query_vectors(vectors, k=7)
    assert a.indices.tolist() == b.indices.tolist() and a.distances.tolist() == b.distances.tolist()
    assert os.listdir(tmp_path) == ["no suffix"]


def test_the_file_holds_no_pickle_and_follows_the_umask(index, tmp_path):
    index.save(tmp_path / "index.npz")
    (tmp_path / "other").touch()
    with zipfile.ZipFile(tmp_path / "index.npz") as file:
        assert sorted(file.namelist()) == ["labels.npy", "record.npy", "vectors.npy"]
    with np.load(tmp_path / "index.npz", allow_pickle=False) as file:
        assert [file[name].dtype for name in ("labels", "record", "vectors")] == [np.int64, np.uint8, np.float32]
    assert (tmp_path / "index.npz").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_file_stays_whole_when_saving_fails(index, tmp_path, monkeypatch):
    path = tmp_path / "index.npz"
    index.save(path)
    before = path.read_bytes()

    def fails(file, **arrays):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez", fails)
    with pytest.raises(OSError, match="no space"):
        index.save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["index.npz"]


def broken(kind, path, index):
    """Writes a file that is no index."""
    index.save(path)
    whole = path.read_bytes()
    record = {"format": "kerasintrospect.neighbors/1", "metric": "cosine"}
    match kind:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("hello")
        case "folder":
            path.unlink()
            path.mkdir()
        case "cut":
            path.write_bytes(whole[: len(whole) // 2])
        case "flipped":
            path.write_bytes(whole[:200] + bytes(255 - byte for byte in whole[200:260]) + whole[260:])
        case "one array":
            with path.open("wb") as file:
                np.save(file, VECTORS)
        case "other arrays":
            np.savez(path, a=VECTORS)
        case "pickle":
            np.savez(path, vectors=np.array([{}], object), record=np.array([object()]))
        case "another format":
            np.savez(path, vectors=VECTORS, record=np.frombuffer(json.dumps({"format": "x"}).encode(), np.uint8))
        case "no json":
            np.savez(path, vectors=VECTORS, record=np.frombuffer(b"{]", np.uint8))
        case "a list":
            np.savez(path, vectors=VECTORS, record=np.frombuffer(b"[1]", np.uint8))
        case "more fields":
            np.savez(path, vectors=VECTORS, record=np.frombuffer(json.dumps({**record, "x": 1}).encode(), np.uint8))
        case "bad vectors":
            np.savez(path, vectors=VECTORS * np.nan, record=np.frombuffer(json.dumps(record).encode(), np.uint8))


@pytest.mark.parametrize(
    "kind", ["missing", "empty", "text", "folder", "cut", "flipped", "one array", "other arrays", "pickle", "another format",
             "no json", "a list", "more fields", "bad vectors"]
)  # fmt: skip
def test_a_file_that_is_no_index_is_named_in_one_sentence(kind, index, tmp_path):
    path = tmp_path / "index.npz"
    broken(kind, path, index)
    with pytest.raises(InputError) as caught:
        NeighborIndex.load(path)
    start = f"`path` has to name a file that NeighborIndex.save() wrote. Received: path={str(path)!r} ("
    assert str(caught.value).startswith(start) and "\n" not in str(caught.value) and len(str(caught.value)) < len(start) + 120


def test_any_damage_is_an_input_error_or_none(index, tmp_path):
    index.save(tmp_path / "index.npz")
    whole = (tmp_path / "index.npz").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 3):
            damaged[place] = rng.integers(256)
        (tmp_path / "damaged").write_bytes(damaged)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                NeighborIndex.load(tmp_path / "damaged")
        except InputError:
            pass


# Faults


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"metric": "dot"}, InputError, """`metric` has to be "cosine" or "euclidean". Received: metric='dot'."""),
        ({"vectors": np.zeros((0, 3))}, InputError, "`vectors` has to hold numbers. Received: vectors.shape=(0, 3)."),
        ({"vectors": np.zeros((3, 0))}, InputError, "`vectors` has to hold numbers. Received: vectors.shape=(3, 0)."),
        ({"texts": ["a", "b"]}, InputError, "`texts` has to hold 5 strings, one per vector. Received: 2 str."),
        ({"texts": ["a", 1, "c", None, "e"]}, InputError,
         "`texts` has to hold 5 strings, one per vector. Received: 5 NoneType, int, str."),
        ({"labels": [0, 1]}, InputError, "`labels` has to be of shape (5,), one for each vector. Received: (2,)."),
        ({"labels": ["a"] * 5}, InputTypeError,
         "`labels` has to hold class indices. Received: labels=['a', 'a', 'a', 'a', 'a']."),
        ({"labels": [0, 1, 2, 3, 0], "class_names": ["a", "b"]}, InputError,
         "`labels` has to hold indices of the 2 class names. Received: labels from 0 to 3."),
        ({"labels": [0, 1, -1, 1, 0], "class_names": ["a", "b"]}, InputError,
         "`labels` has to hold indices of the 2 class names. Received: labels from -1 to 1."),
    ],
)  # fmt: skip
def test_what_makes_no_index_is_named(arguments, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        NeighborIndex(**{"vectors": VECTORS, **arguments})


@pytest.mark.parametrize(
    ("queries", "k", "kind", "message"),
    [
        (VECTORS, 0, InputError, "`k` has to be at least 1. Received: k=0."),
        (VECTORS, True, InputError, "`k` has to be at least 1. Received: k=True."),
        (VECTORS, 2.0, InputTypeError, "`k` has to be an integer. Received: k=2.0."),
        (np.zeros((1, 3)), 1, InputError, "A query has to have 2 units, as the index has. Received: 3 units."),
        (VECTORS[0], 1, InputError, "`vectors` has to be of shape (n, units). Received: shape=(2,)."),
    ],
)
def test_what_is_no_query_is_named(index, queries, k, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        index.query_vectors(queries, k)


def test_a_model_whose_vectors_are_no_numbers_is_named(index):
    index.attach(lambda texts: np.full((len(texts), 2), np.nan), "f1")
    with pytest.raises(InputError, match=r"^`embed\(inputs\)` has to be finite"):
        index.query(["x"])


def test_more_neighbors_than_examples_are_all_there_are(index):
    with pytest.warns(KerasIntrospectWarning, match=r"^There are only 5 examples to find: all are given. Received: k=9.$"):
        found = index.query(["fine"], k=9)
    assert sorted(found.indices[0].tolist()) == [0, 1, 2, 3, 4]
    assert index.query(["fine"], k=np.int64(5)).indices.shape == (1, 5)
