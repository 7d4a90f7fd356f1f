"""An index answers like brute force, filters what it answers, and knows its model; numbers of other libraries agree."""

import re

import numpy as np
import pytest

from kerasintrospect.errors import InputError, InputTypeError, KerasIntrospectWarning, StaleIndexError
from kerasintrospect.neighbors import Neighbor, NeighborIndex, Rows, Unit

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


# Filters


def brute(queries, rows, k):
    """Rows of a subset by a plain loop over all distances."""
    far = np.linalg.norm(queries[:, None].astype(float) - BIG[rows].astype(float), axis=2)
    return [[rows[i] for i in order] for order in np.argsort(far, 1, kind="stable")[:, :k].tolist()]


BIG = np.random.default_rng(0).standard_normal((400, 6)).astype(np.float32)
TRUE = np.random.default_rng(1).integers(0, 3, 400)
SAID = np.where(np.random.default_rng(2).random(400) < 0.7, TRUE, (TRUE + 1) % 3)
SOURCE = np.random.default_rng(3).choice(["web", "mail", "é"], 400).tolist()


@pytest.fixture(scope="module")
def filtered():
    texts = [f"text {i}" for i in range(400)]
    columns = {"source": SOURCE, "length": range(400), "weight": np.arange(400) / 8, "ok": [i % 2 == 0 for i in range(400)]}
    return NeighborIndex(BIG, texts, TRUE, "euclidean", class_names=["a", "b", "c"], predicted=SAID, columns=columns)


FILTERS = [
    ({"label": 1}, TRUE == 1),
    ({"label": "b"}, TRUE == 1),
    ({"label": ["a", 2]}, TRUE != 1),
    ({"predicted": "c"}, SAID == 2),
    ({"correct": True}, SAID == TRUE),
    ({"correct": False, "label": 0}, (SAID != TRUE) & (TRUE == 0)),
    ({"where": {"source": "é"}}, np.array(SOURCE) == "é"),
    ({"where": {"source": ["web", "mail"], "ok": True}}, (np.array(SOURCE) != "é") & (np.arange(400) % 2 == 0)),
    ({"where": {"length": [3, 4, 5, 200], "weight": np.arange(100)}}, np.isin(np.arange(400), [200])),
    ({"exclude": range(10, 400)}, np.arange(400) < 10),
    ({"exclude": ["TEXT  7", "text 8 "], "label": 0}, (TRUE == 0) & ~np.isin(np.arange(400), [7, 8])),
    ({"where": {"source": "web"}, "predicted": 0, "label": 0}, (np.array(SOURCE) == "web") & (SAID == 0) & (TRUE == 0)),
]


@pytest.mark.parametrize(("filters", "mask"), FILTERS, ids=[str(filters)[:40] for filters, _ in FILTERS])
def test_filters_answer_like_brute_force_over_the_rows_that_pass(filtered, filters, mask):
    queries = np.random.default_rng(5).standard_normal((12, 6)).astype(np.float32)
    rows = np.flatnonzero(mask).tolist()
    found = filtered.query(queries, k=12, **filters)
    expected = brute(queries, rows, 12)
    assert found.indices.tolist() == [row + [-1] * (12 - len(row)) for row in expected]
    empty = found.indices < 0
    assert np.isnan(found.distances[empty]).all() and np.isfinite(found.distances[~empty]).all()
    assert (found.labels == np.where(empty, -1, TRUE[found.indices])).all()
    assert [[text is None for text in row] for row in found.texts] == empty.tolist()
    assert len(found[0]) == min(12, len(rows)) and len(found.to_frame()) == 12 * min(12, len(rows))


def test_duplicates_of_the_query_are_left_out():
    texts = ["Good  film", "good film", "bad film", "GOOD FILM ", "so so"]
    vectors = np.array([[1, 0], [1, 0.1], [0, 1], [1, 0.2], [1, 1]], np.float32)
    index = NeighborIndex(vectors, texts, embed=lambda asked: np.array([[1, 0]] * len(asked)))
    assert index.query(["good film"], k=2, exclude="duplicates").indices.tolist() == [[4, 2]]
    assert index.query(["unseen"], k=2, exclude="duplicates").indices.tolist() == [[1, 3]]  # 0 is at distance 0
    found = index.query(["good film", "unseen"], k=5, exclude="duplicates")
    assert found.indices.tolist() == [[4, 2, -1, -1, -1], [1, 3, 4, 2, -1]]


def test_many_duplicates_do_not_hide_the_rest():
    vectors = np.concatenate([np.ones((300, 3)), [[1, 2, 3], [3, 2, 1], [-1, 0, 0]]])
    found = NeighborIndex(vectors).query(np.ones((2, 3)), k=3, exclude="duplicates")
    assert found.indices.tolist() == [[300, 301, 302]] * 2


@pytest.mark.parametrize(
    ("filters", "kind", "message"),
    [
        ({"label": "x"}, InputError, "`label` has to be a class of the index: 0, 1, 2 (a, b, c). Received: label=x."),
        ({"predicted": [0, 3]}, InputError,
         "`predicted` has to be a class of the index: 0, 1, 2 (a, b, c). Received: predicted=3."),
        ({"where": {"sauce": 1}}, InputError,
         "`where` names a column of the index: ['source', 'length', 'weight', 'ok']. Received: where={'sauce': 1}."),
        ({"correct": 1}, InputTypeError, "`correct` has to be True, False or None. Received: correct=1."),
        ({"exclude": "twins"}, InputError,
         """`exclude` has to be "duplicates", or a list of row numbers or texts. Received: exclude='twins'."""),
        ({"exclude": [400]}, InputError,
         "`exclude` has to hold row numbers from 0 to 399. Received: row numbers from 400 to 400."),
        ({"exclude": [0.5]}, InputTypeError, "`exclude` has to hold row numbers or texts. Received: exclude=[0.5]."),
        ({"where": {"source": "post"}}, InputError,
         "The filters leave none of the 400 rows. Received: filters that leave 0 rows each."),
    ],
)  # fmt: skip
def test_filters_that_cannot_be_are_named(filtered, filters, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        filtered.query(BIG[:1], **filters)


def test_filters_by_what_the_index_lacks_are_named(index):
    with pytest.raises(InputError, match="`predicted` filters by the predicted of the index, and it has none"):
        index.query(["fine"], predicted=0)
    with pytest.raises(InputError, match="`exclude` holds texts, and the index has none"):
        NeighborIndex(VECTORS).query(VECTORS, exclude=["fine"])


def test_no_exclusions_are_no_filter(index):
    assert index.query(["fine"], k=5, exclude=[]).indices.tolist() == index.query(["fine"], k=5).indices.tolist()


# More rows


def test_rows_are_added_after_the_others(index):
    index.add(Rows.checked([[0, 2], [5, 5]], ["new", "newer"], [0, 1], class_names=["neg", "pos"]), "f1")
    assert len(index) == 7 and index.texts[5:] == ["new", "newer"] and index.labels.tolist() == [*LABELS, 0, 1]
    whole = NeighborIndex(index.vectors, metric="euclidean")
    queries = np.random.default_rng(0).standard_normal((9, 2))
    assert index.query_vectors(queries, 7).indices.tolist() == whole.query_vectors(queries, 7).indices.tolist()


def test_rows_of_another_model_or_shape_are_not_added(index):
    with pytest.raises(StaleIndexError):
        index.add(Rows.checked(VECTORS, TEXTS, LABELS), "f2")
    for rows in (Rows.checked(VECTORS, TEXTS), Rows.checked(VECTORS[:, :1], TEXTS, LABELS)):
        with pytest.raises(InputError, match="^All rows of an index have to hold the same. Required: 2 units, texts, labels"):
            index.add(rows)
    assert len(index) == 5


# Words


def test_words_show_in_their_texts():
    told = ["the river bank", "my bank is shut " * 9]
    places = [Unit(0, 10, 14, "bank", told[0]), Unit(1, 3, 7, "bank", told[1]), Unit(0, -1, -1, "[CLS]", told[0])]
    vectors = np.array([[1, 0], [0, 1], [1, 1]], np.float32)

    def words(texts):
        return Rows(vectors[:1], ["bank"], places=[Unit(0, 2, 6, "bank", texts[0])])

    index = NeighborIndex(vectors, [p.word for p in places], [0, 1, 0], "euclidean", embed=words, unit="word", places=places)
    found = index.query(["a bank"], k=3)
    assert found.units == [[places[0], places[2], places[1]]]
    assert found.queries == [Unit(0, 2, 6, "bank", "a bank")] and found[0][0].unit == places[0]
    frame = found.to_frame()
    assert frame.columns.tolist() == ["query", "query_word", "query_context", "rank", "index", "distance", "label", "word",
                                      "context", "document"]  # fmt: skip
    assert frame["context"].tolist() == ["the river [bank]", "[[CLS]] the river bank",
                                         "my [bank] is shut my bank is shut my bank is shut…"]  # fmt: skip
    assert frame["query_context"].tolist() == ["a [bank]"] * 3
    near = index.query(["the RIVER bank"], k=3, exclude="duplicates")
    assert near.indices.tolist() == [[1, -1, -1]]  # no word of the same text


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
    index.save(tmp_path / "index")
    lens = Lens("f1")
    loaded = NeighborIndex.load(tmp_path / "index", lens)
    assert lens.asked == ("dense", "max")
    assert loaded.query(["fine"], k=2).texts == [["fine", "good 😂"]]
    with pytest.raises(StaleIndexError):
        NeighborIndex.load(tmp_path / "index", Lens("f2"))


def test_without_a_model_only_vectors_are_queries(index, tmp_path):
    index.save(tmp_path / "index")
    loaded = NeighborIndex.load(tmp_path / "index")
    assert loaded.query(VECTORS, k=1).indices.ravel().tolist() == [0, 1, 2, 3, 0]
    message = (
        "This index has no model to make vectors of inputs, so they have to be an array (n, units). "
        "Received: inputs=['fine']. Load the index with NeighborIndex.load(path, lens)."
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        loaded.query(["fine"])


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
