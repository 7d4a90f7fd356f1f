"""Exact search equals a plain loop in double precision, whatever the rows are like, and its memory is bounded."""

import contextlib
import re
import threading
import tracemalloc

import joblib
import numpy as np
import pytest
import threadpoolctl

from kerasintrospect import search
from kerasintrospect.errors import InputError, InputTypeError, KerasIntrospectWarning
from kerasintrospect.search import Search, matrix

METRICS = pytest.mark.parametrize("cosine", [True, False], ids=["cosine", "euclidean"])


def brute(vectors, queries, cosine):
    """All distances, in double precision."""
    vectors, queries = vectors.astype(np.float64), queries.astype(np.float64)
    if cosine:
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    squares = np.stack([((vectors - query) ** 2).sum(1) for query in queries])
    return squares / 2 if cosine else np.sqrt(squares)


def check(vectors, queries, k, cosine):
    """The k least distances there are; and in the order of a stable sort, wherever the loop can tell two rows apart."""
    indices, distances = Search(vectors, cosine).nearest(queries, k)
    every = brute(vectors, queries, cosine)
    order = np.argsort(every, axis=1, kind="stable")[:, :k]
    least = np.take_along_axis(every, order, 1)
    assert indices.dtype == np.int64 and distances.dtype == np.float32
    assert all(len(set(row)) == k for row in indices.tolist())
    np.testing.assert_allclose(np.take_along_axis(every, indices, 1), least, rtol=1e-12, atol=1e-17)
    np.testing.assert_allclose(distances, least, rtol=1e-6, atol=1e-17)
    return (indices == order).mean()


@METRICS
@pytest.mark.parametrize("seed", range(60))
def test_search_equals_a_loop(seed, cosine):
    rng = np.random.default_rng(seed)
    m, units, n = rng.integers(1, 3000), rng.integers(2, 40), rng.integers(1, 20)
    vectors = rng.standard_normal((m, units)).astype(np.float32)
    queries = rng.standard_normal((n, units)).astype(np.float32)
    assert check(vectors, queries, min(m, int(rng.choice([1, 5, 50, m]))), cosine) == 1


@METRICS
@pytest.mark.parametrize("scale", [1e-37, 1e-20, 1e-3, 1e4, 1e18, 1e37])
@pytest.mark.parametrize("reach", [1e-3, 1, 1e4])
def test_scale_does_not_matter(scale, reach, cosine):
    rng = np.random.default_rng(0)
    vectors = (scale * rng.standard_normal((2000, 12))).astype(np.float32)
    queries = np.clip(scale * reach * rng.standard_normal((9, 12)), -1e38, 1e38).astype(np.float32)
    assert check(vectors, queries, 6, cosine) == 1


def awkward(name):
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((5000, 24))
    match name:
        case "far from the origin":
            rows = 1000 + noise
        case "all but one direction":
            rows = rng.standard_normal(24) + 1e-5 * noise
        case "two tight clusters":
            rows = rng.standard_normal((2, 24))[np.arange(5000) % 2] + 3e-7 * noise
        case "one far row":
            rows = np.vstack([noise, 1e5 * noise[:1]])
        case "nearest last":
            rows = noise[np.argsort(-np.linalg.norm(noise - noise[0], axis=1))]
        case "probabilities":
            logits = 12 * rng.standard_normal((5000, 3))
            rows = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        case "dead units":
            rows = np.maximum(noise - 1.5, 0)[(noise > 1.5).any(1)]
        case "uneven norms":
            rows = noise * 10.0 ** rng.uniform(-6, 6, (5000, 1))
    return rows.astype(np.float32)


AWKWARD = ["far from the origin", "all but one direction", "two tight clusters", "one far row", "nearest last", "probabilities",
           "dead units", "uneven norms"]  # fmt: skip


@METRICS
@pytest.mark.parametrize("name", AWKWARD)
def test_search_equals_a_loop_on_awkward_rows(name, cosine, monkeypatch):
    monkeypatch.setattr(search, "_BLOCK", 2**15)  # many blocks
    monkeypatch.setattr(search, "_FLOOD", 2**11)
    rows = awkward(name)
    others = np.random.default_rng(1).standard_normal((10, rows.shape[1])).astype(np.float32)
    queries = np.concatenate([rows[::500], others])
    assert check(rows, queries, 7, cosine) > 0.9


def test_float64_takes_over_where_float32_sees_no_difference(monkeypatch):
    kinds = []
    floor = Search._floor

    def watched(self, least, reach, shrink):
        kinds.append(least.dtype)
        return floor(self, least, reach, shrink)

    monkeypatch.setattr(Search, "_floor", watched)
    monkeypatch.setattr(search, "_FLOOD", 2**11)
    rows = awkward("two tight clusters")
    Search(rows, False).nearest(rows[:50], 3)
    assert np.dtype(np.float64) in kinds
    kinds.clear()
    Search(awkward("far from the origin"), False).nearest(awkward("far from the origin")[:50], 3)
    assert set(kinds) == {np.dtype(np.float32)}


@METRICS
def test_threads_share_many_queries(cosine, monkeypatch):
    rows = np.random.default_rng(0).standard_normal((2000, 9)).astype(np.float32)
    queries = np.concatenate([rows[:300], np.zeros((1, 9), np.float32)])
    found, threads = [], []
    block = Search._block

    def watched(self, *args):
        threads.append(threading.get_ident())
        assert blas() == {1} or cores == 1
        return block(self, *args)

    def blas():
        return {library["num_threads"] for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"}

    monkeypatch.setattr(Search, "_block", watched)
    with threadpoolctl.threadpool_limits(2, "blas"):  # a worker of the tests has one
        for cores in (1, 3):
            monkeypatch.setattr(joblib, "cpu_count", lambda n=cores: n)
            with pytest.warns(KerasIntrospectWarning, match="300") if cosine else contextlib.nullcontext():
                found.append(Search(rows, cosine).nearest(queries, 4))
        assert blas() == {2}
    np.testing.assert_array_equal(*(indices for indices, _ in found))
    assert len(threads) == 4 and threading.get_ident() not in threads[1:]


# Ties


@METRICS
def test_equal_rows_have_equal_distances_and_keep_their_order(cosine, monkeypatch):
    monkeypatch.setattr(search, "_BLOCK", 2**12)
    rng = np.random.default_rng(0)
    some = rng.standard_normal((40, 9)).astype(np.float32)
    which = rng.integers(0, 40, 2000)
    indices, distances = Search(some[which], cosine).nearest(some, 60)
    for query in range(40):
        own = np.flatnonzero(which == query)
        assert indices[query, : len(own)].tolist() == own[:60].tolist()
        assert (distances[query, : len(own)] == 0).all()
        for distance in np.unique(distances[query]):
            run = indices[query][distances[query] == distance]
            assert (np.diff(run) > 0).all() and len(set(which[run])) == 1


def test_signed_zeros_are_equal():
    rows = np.array([[0.0, 1.0], [-0.0, 1.0], [0.0, 1.0]], np.float32)
    for cosine in (True, False):
        indices, distances = Search(matrix("rows", rows), cosine).nearest(matrix("rows", rows[1:2]), 3)
        assert indices.tolist() == [[0, 1, 2]] and distances.tolist() == [[0, 0, 0]]


def test_equal_directions_are_equal_to_the_cosine():
    rows = np.array([[3, 6], [1, 2], [-1, 2], [0.1, 0.2], [7e20, 14e20], [1e-30, 2e-30]], np.float32)
    indices, distances = Search(rows, True).nearest(np.array([[5, 10]], np.float32), 6)
    assert indices.tolist() == [[0, 1, 3, 4, 5, 2]]
    assert distances[0, :5].tolist() == [0] * 5


def test_multiples_of_a_vector_are_one_direction():
    rng = np.random.default_rng(0)
    some = rng.integers(-1000, 1000, (200, 9)).astype(np.float32)
    rows = np.concatenate([factor * some for factor in (1, 3, 0.5, 7, 11)]).astype(np.float32)
    indices, distances = Search(rows, True).nearest((13 * some).astype(np.float32), 5)
    assert indices.tolist() == [[i, i + 200, i + 400, i + 600, i + 800] for i in range(200)]
    assert (distances == 0).all()


def test_symmetric_distances_are_ties():
    rows = np.array([[3, 4], [4, 3], [-5, 0], [0, 5], [1, 0]], np.float32)
    indices, distances = Search(rows, False).nearest(np.zeros((1, 2), np.float32), 5)
    assert indices.tolist() == [[4, 0, 1, 2, 3]] and distances.tolist() == [[1, 5, 5, 5, 5]]


# Zeros


def test_rows_of_zeros_come_last_and_farthest():
    rows = np.array([[0, 0], [-1, 0], [0, 0], [0, 1], [1, 0]], np.float32)
    indices, distances = Search(rows, True).nearest(np.array([[2, 0]], np.float32), 5)
    assert indices.tolist() == [[4, 3, 1, 0, 2]]
    np.testing.assert_allclose(distances, [[0, 1, 2, 2, 2]])


def test_a_query_of_zeros_is_as_far_from_everything_and_says_so():
    rows = np.array([[0, 0], [-1, 0], [0, 1]], np.float32)
    message = "A vector of zeros has no direction: every distance from it is 1. Received: 1 of 2 queries, the first at 1."
    with pytest.warns(KerasIntrospectWarning, match=f"^{re.escape(message)}$"):
        indices, distances = Search(rows, True).nearest(np.array([[0, 1], [0, 0]], np.float32), 3)
    assert indices.tolist() == [[2, 1, 0], [1, 2, 0]] and distances.tolist() == [[0, 1, 2], [1, 1, 1]]


@pytest.mark.filterwarnings("ignore:A vector of zeros")
def test_nothing_but_zeros():
    rows = np.zeros((3, 4), np.float32)
    assert Search(rows, False).nearest(rows[:1], 3)[1].tolist() == [[0, 0, 0]]
    indices, distances = Search(rows, True).nearest(np.eye(4, dtype=np.float32)[:1], 3)
    assert indices.tolist() == [[0, 1, 2]] and distances.tolist() == [[2, 2, 2]]
    assert Search(rows, True).nearest(rows[:1], 2)[1].tolist() == [[1, 1]]


# The ends of float32


def test_the_largest_and_smallest_numbers():
    big = np.finfo(np.float32).max
    rows = np.array([[big, big], [-big, -big], [1e-45, 0], [0, 0]], np.float32)
    indices, distances = Search(rows, False).nearest(rows, 4)
    assert indices[:, 0].tolist() == [0, 1, 2, 3] and distances[:, 0].tolist() == [0] * 4
    assert np.isfinite(distances).all()
    tiny = np.array([[1e-45, 0], [0, 1e-45], [3e-45, 0]], np.float32)
    assert Search(tiny, False).nearest(tiny, 3)[0].tolist() == [[0, 2, 1], [1, 0, 2], [2, 0, 1]]


def test_no_queries():
    indices, distances = Search(np.eye(3, dtype=np.float32), True).nearest(np.zeros((0, 3), np.float32), 2)
    assert indices.shape == distances.shape == (0, 2)


# Bounds


@METRICS
@pytest.mark.parametrize("k", [5, 5000])
@pytest.mark.parametrize("name", ["plain", "two tight clusters", "copies"])
def test_memory_is_bounded(name, k, cosine):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((35_000, 16)).astype(np.float32)
    if name == "copies":
        rows = rows[rng.integers(0, 50, 35_000)]
    elif name != "plain":
        rows = (rows[:2][np.arange(35_000) % 2] + 3e-7 * rows).astype(np.float32)
    index = Search(rows, cosine)
    tracemalloc.start()
    index.nearest(rows[:300] if k == 5 else rows[:30], k)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64e6


# What is no matrix


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        ([1.0, 2.0], InputError, "`x` has to be of shape (n, units). Received: shape=(2,)."),
        (np.zeros((2, 3, 4)), InputError, "`x` has to be of shape (n, units). Received: shape=(2, 3, 4)."),
        (3.0, InputError, "`x` has to be of shape (n, units). Received: shape=()."),
        ([[1.0, np.nan], [1.0, 2.0], [np.inf, 0.0]], InputError,
         "`x` has to be finite in float32. Received: NaN, infinity or beyond 3.4e38 in 2 of 3 rows: 0, 2. "
         "Drop these rows, or look for the layer that makes them."),
        ([[1e39]], InputError,
         "`x` has to be finite in float32. Received: NaN, infinity or beyond 3.4e38 in 1 of 1 rows: 0. "
         "Drop these rows, or look for the layer that makes them."),
        (np.full((12, 1), np.nan), InputError,
         "`x` has to be finite in float32. Received: NaN, infinity or beyond 3.4e38 in 12 of 12 rows: 0, 1, 2, 3, 4, 5, 6, 7, "
         "8, 9, .... Drop these rows, or look for the layer that makes them."),
        (["a", "b"], InputTypeError,
         "`x` has to be an array of numbers, (n, units). Received: x of type list (could not convert string to float: 'a')."),
    ],
)  # fmt: skip
def test_what_is_no_matrix_is_named(values, kind, message):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        matrix("x", values)


def test_unequal_rows_are_no_matrix():
    with pytest.raises(InputTypeError, match=r"^`x` has to be an array of numbers, \(n, units\). Received: x of type list"):
        matrix("x", [[1.0], [1.0, 2.0]])


def test_a_matrix_is_a_float32_copy():
    given = np.arange(6).reshape(2, 3)
    checked = matrix("x", given)
    assert checked.dtype == np.float32 and checked.tolist() == [[0, 1, 2], [3, 4, 5]]
    floats = np.asfortranarray(np.ones((2, 3), np.float32))
    assert not np.signbit(matrix("x", [[-0.0]]))
    assert matrix("x", floats) is not floats and matrix("x", floats).flags.c_contiguous
