"""The contract of every contrast, and a plain loop for each of ours: whoever registers a method is tested by it."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest

from kerasintrospect.contrast import contrast, contrasts, prototypes
from kerasintrospect.contrast.base import registry
from kerasintrospect.errors import InputError, InputTypeError, KerasIntrospectWarning
from kerasintrospect.neighbors import NeighborIndex, Rows

from .oracles import OF_CLASSES, OF_QUERIES, distance, points

NAMES = ["bad", "so so", "good"]
QUERY_METHODS = [name for name in contrasts() if registry.get(name).of == "queries"]
CLASS_METHODS = [name for name in contrasts() if registry.get(name).of == "classes"]
METRICS = ["cosine", "euclidean"]


def data(m: int = 60, units: int = 5, seed: int = 0) -> tuple[Any, Any]:
    """Three overlapping blobs, of which the last has three members only."""
    random = np.random.default_rng(seed)
    labels = np.r_[random.integers(0, 2, m - 3), 2, 2, 2]
    return (random.normal(size=(m, units)) + 0.8 * labels[:, None] + 0.5).astype(np.float32), labels


def index(metric: str, **options: Any) -> NeighborIndex:
    vectors, labels = data()
    return NeighborIndex(vectors, [f"text {i}" for i in range(len(vectors))], labels, metric, class_names=NAMES, **options)


def queries(n: int = 24) -> tuple[Any, Any]:
    vectors, labels = data(n, seed=1)
    return vectors, labels


# Every method


def test_our_methods_are_all_here_and_all_have_an_oracle():
    assert contrasts() == sorted({*OF_QUERIES, *OF_CLASSES})
    assert set(QUERY_METHODS) == set(OF_QUERIES) and set(CLASS_METHODS) == set(OF_CLASSES)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 4, 70])
@pytest.mark.parametrize("method", QUERY_METHODS)
def test_queries_find_what_a_plain_loop_finds(method: str, k: int, metric: str) -> None:
    vectors, labels = data()
    asked, own = queries()
    found = contrast(index(metric), asked, own, method, k)
    assert found.indices.shape == found.distances.shape == found.labels.shape == (len(asked), k)
    assert found.indices.dtype == np.int64 and found.distances.dtype == np.float32
    for i, q in enumerate(asked):
        expected = OF_QUERIES[method](vectors, labels, q, own[i], k, metric)
        there = len(expected)
        assert found.indices[i].tolist() == expected + [-1] * (k - there)
        assert found.labels[i].tolist() == [*labels[expected], *[-1] * (k - there)]
        assert found.texts[i] == [f"text {j}" for j in expected] + [None] * (k - there)
        far = [distance(q, vectors[j], metric) for j in expected]
        np.testing.assert_allclose(found.distances[i, :there], far, atol=1e-6)
        assert np.isnan(found.distances[i, there:]).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("gamma", [None, 0.7])
@pytest.mark.parametrize("method", CLASS_METHODS)
def test_classes_find_what_a_plain_loop_finds(method: str, gamma: float | None, metric: str) -> None:
    vectors, labels = data()
    with pytest.warns(KerasIntrospectWarning, match=re.escape("all of them are given: 'good' (3). Received: k=6.")):
        found = prototypes(index(metric), method, 6, gamma=gamma)
    assert found.classes.tolist() == [0, 1, 2] and found.indices.shape == found.weights.shape == (3, 6)
    for of in range(3):
        rows = np.flatnonzero(labels == of)
        expected, weights, critical = OF_CLASSES[method](vectors[rows], 6, metric, gamma, 6)
        there = len(expected)
        assert found.indices[of].tolist() == rows[expected].tolist() + [-1] * (6 - there)
        np.testing.assert_allclose(found.weights[of, :there], weights, atol=2e-5)
        assert np.isnan(found.weights[of, there:]).all() and np.isnan(found.distances[of, there:]).all()
        assert found.texts[of][there:] == [None] * (6 - there) and (found.labels[of, there:] == -1).all()
        centre = points(vectors[rows], metric).mean(0)
        far = [distance(centre, vectors[j], metric) for j in rows[expected]]
        np.testing.assert_allclose(found.distances[of, :there], far, atol=1e-6)
        if critical:
            assert found.criticisms.indices[of, : len(critical)].tolist() == rows[critical].tolist()


def run(method: str, made: NeighborIndex, k: int = 3) -> Any:
    return prototypes(made, method, k) if method in CLASS_METHODS else contrast(made, *queries(), method, k)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("method", contrasts())
def test_nothing_is_changed_and_nothing_is_drawn(method: str, metric: str) -> None:
    made, (vectors, labels) = index(metric), data()
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    first, again, anew = run(method, made), run(method, made), run(method, index(metric))
    for other in (again, anew):
        np.testing.assert_array_equal(first.indices, other.indices)
        np.testing.assert_array_equal(first.distances, other.distances)
    assert state == np.random.get_state()[1].tolist()  # noqa: NPY002
    np.testing.assert_array_equal(made.vectors, vectors)
    np.testing.assert_array_equal(made.labels, labels)


@pytest.mark.parametrize("method", contrasts())
def test_a_row_hangs_on_nothing_but_itself(method: str) -> None:
    made, (asked, own) = index("euclidean"), queries()
    if method in CLASS_METHODS:
        whole, some = prototypes(made, method, 3).indices, prototypes(made, method, 3, classes=[2, 0]).indices
        np.testing.assert_array_equal(some, whole[[2, 0]])
    else:
        whole, some = contrast(made, asked, own, method).indices, contrast(made, asked[[7, 2]], own[[7, 2]], method).indices
        np.testing.assert_array_equal(some, whole[[7, 2]])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("method", contrasts())
def test_ties_keep_the_order_of_the_training_set(method: str, metric: str) -> None:
    vectors, labels = data(12)
    twice = NeighborIndex(np.r_[vectors, vectors], labels=np.r_[labels, labels], metric=metric)
    found = run(method, twice, 6).indices
    for row in found.tolist():
        for i in range(12):
            assert i + 12 not in row or i in row[: row.index(i + 12)]


@pytest.mark.parametrize("method", CLASS_METHODS)
def test_a_small_class_that_nobody_asked_for_is_no_warning(method: str) -> None:
    assert (prototypes(index("cosine"), method, 6, classes=[0]).indices >= 0).all()


@pytest.mark.parametrize("method", contrasts())
def test_names_of_classes_do_for_indices(method: str) -> None:
    made, (asked, own) = index("cosine"), queries()
    if method in CLASS_METHODS:
        named, numbered = prototypes(made, method, 2, classes=["good", "bad"]), prototypes(made, method, 2, classes=[2, 0])
    else:
        named, numbered = contrast(made, asked, [NAMES[i] for i in own], method), contrast(made, asked, own, method)
    np.testing.assert_array_equal(named.indices, numbered.indices)


@pytest.mark.parametrize("method", contrasts())
def test_unknown_options_are_refused(method: str) -> None:
    call = prototypes if method in CLASS_METHODS else lambda *a, **o: contrast(a[0], *queries(), a[1], **o)
    with pytest.raises(InputError, match=f"'{method}' has other options: .*'depth'"):
        call(index("cosine"), method, k=2, depth=3)


@pytest.mark.parametrize("method", contrasts())
def test_the_index_may_grow(method: str) -> None:
    """What is kept of an index between calls must not outlive its rows."""
    vectors, labels = data()
    made = NeighborIndex(vectors[20:], labels=labels[20:], class_names=NAMES)
    before = run(method, made).indices
    made.add(Rows.checked(vectors[:20], labels=labels[:20]))
    whole = NeighborIndex(np.r_[vectors[20:], vectors[:20]], labels=np.r_[labels[20:], labels[:20]])
    np.testing.assert_array_equal(run(method, made).indices, run(method, whole).indices)
    assert (run(method, made).indices != before).any()


@pytest.mark.parametrize("method", contrasts())
def test_what_the_model_says_may_be_the_class(method: str) -> None:
    vectors, labels = data()
    said = np.where(np.arange(60) % 9 == 0, -1, labels)  # of some rows it says nothing: they are in no class
    of = {"by": "predicted", "k": 3}
    made = NeighborIndex(vectors, labels=(labels + 1) % 3, predicted=said, metric="euclidean", class_names=NAMES)
    some = NeighborIndex(vectors[said >= 0], labels=labels[said >= 0], metric="euclidean")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasIntrospectWarning)
        run(method, made)  # by label: what is kept of that must not answer for the other
        a, b = (prototypes(made, method, **of), prototypes(some, method, 3)) if method in CLASS_METHODS else (
            contrast(made, *queries(), method, **of), contrast(some, *queries(), method, 3))  # fmt: skip
    there = b.indices >= 0
    np.testing.assert_array_equal(a.indices[there], np.flatnonzero(said >= 0)[b.indices[there]])
    assert (a.indices[~there] == -1).all()
    np.testing.assert_array_equal(a.labels[there], made.labels[a.indices[there]])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("method", contrasts())
def test_an_index_on_disk_answers_the_same(method: str, metric: str, tmp_path: Any) -> None:
    made = index(metric)
    made.save(tmp_path / "index")
    stored = NeighborIndex.load(tmp_path / "index", in_memory=False)
    assert stored.path is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasIntrospectWarning)
        here, there = run(method, made, 40), run(method, stored, 40)  # of the third class there are three
    np.testing.assert_array_equal(here.indices, there.indices)
    np.testing.assert_array_equal(here.distances, there.distances)
    assert here.texts == there.texts and here.labels.tolist() == there.labels.tolist()


@pytest.mark.parametrize("method", contrasts())
def test_the_index_has_it_as_a_method(method: str) -> None:
    made = index("cosine")
    called = made.prototypes(method, 3) if method in CLASS_METHODS else made.contrast(*queries(), method, 3)
    np.testing.assert_array_equal(called.indices, run(method, made).indices)


# Records


def test_the_table_of_a_contrast_has_no_rows_for_nothing():
    asked, own = queries()
    found = contrast(index("euclidean"), asked, own, "kleor_global_sim", 5)
    frame = found.to_frame()
    assert 0 < len(frame) == (found.indices >= 0).sum() < found.indices.size
    assert set(frame["label"]) <= set(NAMES)


def test_the_table_of_prototypes():
    found = prototypes(index("euclidean"), k=2, criticisms=1)
    frame = found.to_frame()
    assert frame.columns.tolist() == ["class", "kind", "rank", "index", "distance", "weight", "text"]
    assert frame["class"].tolist() == ["bad", "bad", "so so", "so so", "good", "good", "bad", "so so", "good"]
    assert frame["kind"].tolist() == ["prototype"] * 6 + ["criticism"] * 3
    assert frame["index"].tolist() == [*found.indices.ravel(), *found.criticisms.indices.ravel()]
    assert frame["text"].tolist() == [f"text {i}" for i in frame["index"]]
    assert frame["weight"][:6].tolist() == [0.5] * 6 and frame["weight"][6:].isna().all()
    assert frame.index.tolist() == list(range(9))
    assert [near.index for near in found[1]] == found.indices[1].tolist()


def test_without_texts_and_names():
    vectors, labels = data()
    found = prototypes(NeighborIndex(vectors, labels=labels), "protodash", k=2)
    assert found.texts is None and found.criticisms is None
    assert found.to_frame()["class"].tolist() == [0, 0, 1, 1, 2, 2] and found.to_frame()["text"].isna().all()


# Faults


BARE = NeighborIndex(data()[0])
ONE = NeighborIndex(data()[0], labels=np.ones(60, int), class_names=NAMES)
Q = queries()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: contrast(index("cosine"), *Q, "nearest"), "There is no contrast 'nearest'. .*All: kleor_global_sim, "),
        (lambda: contrast(index("cosine"), *Q, "protodash"), r"of classes: call index.prototypes\(method\).*: kleor_glob"),
        (lambda: prototypes(index("cosine"), "kleor_sim_miss"), r"of queries: call index.contrast\(.*: mmd_critic, protodash"),
        (lambda: contrast(BARE, *Q), r"make the index with labels, lens.neighbors\(texts, labels\)"),
        (lambda: prototypes(BARE), "needs the classes of the examples"),
        (lambda: contrast(index("cosine"), *Q, by="guess"), "`by` has to be .*Received: by='guess'"),
        (lambda: contrast(index("cosine"), *Q, by="predicted"), "Received: by='predicted' on an index without"),
        (lambda: contrast(ONE, *Q), "examples of at least two classes. Received: .* 60 examples are all of class 'so so'"),
        (lambda: prototypes(ONE, classes=["good"]), "no example of class 'good'. It has: 'so so'."),
        (lambda: prototypes(ONE, classes=[]), r"`classes` has to be of shape \(classes,\)"),
        (lambda: contrast(index("cosine"), *Q, k=0), "`k` has to be at least 1. Received: k=0"),
        (lambda: prototypes(index("cosine"), k=-1), "`k` has to be at least 1. Received: k=-1"),
        (lambda: contrast(index("cosine"), Q[0]), "needs the class of each input: .*Received: labels=None"),
        (lambda: contrast(index("cosine"), Q[0], [1]), r"of shape \(n,\), one for each input. .*\(1,\) for 24 inputs"),
        (lambda: contrast(index("cosine"), Q[0], Q[1] + 1), "indices of the 3 class names. Received: from 1 to 3"),
        (lambda: contrast(index("cosine"), Q[0][:, :2], Q[1]), "has to have 5 units, as the index has. Received: 2 units"),
        (lambda: prototypes(index("cosine"), k=2, gamma=0.0), "`gamma` has to be a number above 0. Received: gamma=0.0"),
        (lambda: prototypes(index("cosine"), k=2, criticisms=-1), "`criticisms` has to be at least 0"),
    ],
)
def test_faults_in_words(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: prototypes(index("cosine"), k=2.5), "`k` has to be an integer. Received: k=2.5"),
        (lambda: contrast(index("cosine"), Q[0], ["bad"] * 23 + ["awful"]), "names of .*Received: 'awful'"),
        (lambda: contrast(index("cosine"), Q[0], Q[1] * 0.5), "class indices, or names"),
    ],
)
def test_types_in_words(call: Any, message: str) -> None:
    with pytest.raises(InputTypeError, match=message):
        call()


def test_inputs_without_direction_are_told_of_once() -> None:
    asked, own = queries()
    asked[3] = 0
    with pytest.warns(KerasIntrospectWarning, match="Received: 1 of 24 inputs, the first at 3") as told:
        found = contrast(index("cosine"), asked, own, k=2)
    assert len(told) == 1 and (found.distances[3] == 1).all()
    np.testing.assert_array_equal(found.indices[:3], contrast(index("cosine"), asked[:3], own[:3], k=2).indices)
