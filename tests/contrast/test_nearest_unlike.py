"""On a line, where everybody sees who is nearest; and xplique's numbers."""

import numpy as np
import pytest

from kerasintrospect.contrast import contrast
from kerasintrospect.neighbors import NeighborIndex

from .cases import case, classes

LINE = NeighborIndex([[0.0], [1], [2], [3], [4], [10]], labels=[0, 0, 1, 0, 2, 1], metric="euclidean")


def test_other_classes_only():
    found = contrast(LINE, np.array([[0.4], [2.2], [9.0]]), [0, 1, 1], k=2)
    assert found.indices.tolist() == [[2, 4], [3, 1], [4, 3]]
    np.testing.assert_allclose(found.distances, [[1.6, 3.6], [0.8, 1.2], [5, 6]], rtol=1e-6)
    assert found.labels.tolist() == [[1, 2], [0, 0], [2, 0]]


def test_a_class_without_examples_is_unlike_all():
    assert contrast(LINE, np.array([[2.2]]), [7], k=6).indices.tolist() == [[2, 3, 1, 4, 0, 5]]


def test_fewer_than_k_are_filled_up():
    found = contrast(LINE, np.array([[5.0]]), [0], k=5)
    assert found.indices.tolist() == [[4, 2, 5, -1, -1]] and np.isnan(found.distances[0, 3:]).all()


def test_directions_are_what_cosine_sees():
    """Copies of a direction tie whatever their length, and a vector of zeros is the last."""
    vectors = [[0, 0], [3, 6], [1, 2], [2, 1], [0.1, 0.2]]
    index = NeighborIndex(vectors, labels=[1, 1, 0, 1, 1])
    found = contrast(index, np.array([[5.0, 10]]), [0], k=4)
    assert found.indices.tolist() == [[1, 4, 3, 0]]
    np.testing.assert_allclose(found.distances, [[0, 0, 0.2, 2]], atol=1e-6)


def test_xplique_kleor():
    numbers = case("xplique-kleor-simmiss")
    given, expected = numbers["given"], numbers["expected"]
    index = NeighborIndex(given["cases"], labels=classes(given["cases_targets_onehot"]), metric="euclidean")
    found = contrast(index, np.array(given["inputs"]), classes(given["targets_onehot"]), k=1)
    np.testing.assert_allclose(index.vectors[found.indices[:, 0]], expected["nearest unlike neighbours"])
    np.testing.assert_allclose(found.distances[:, 0], expected["distance input->NUN"], atol=numbers["tolerance"])


def test_xplique_knn():
    """The cases of one class and the inputs of another: then the nearest unlike are the nearest."""
    numbers = case("xplique-knn-1d")
    given, expected = numbers["given"], numbers["expected"]["ascending"]
    vectors = [*given["cases"], [1e6]]
    index = NeighborIndex(vectors, labels=[0] * len(given["cases"]) + [1], metric="euclidean")
    found = contrast(index, np.array(given["inputs"]), [1] * len(given["inputs"]), k=given["k"])
    assert found.indices.tolist() == expected["flat indices"]
    np.testing.assert_allclose(found.distances, expected["distances"], atol=numbers["tolerance"])


def test_xplique_cross_distance():
    numbers = case("xplique-knn-cross-distance")
    given = numbers["given"]
    index = NeighborIndex([*given["x2"], [1e6, 1e6]], labels=[0, 0, 1], metric="euclidean")
    found = contrast(index, np.array(given["x1"], float), [1] * len(given["x1"]), k=2)
    by_row = np.take_along_axis(found.distances, np.argsort(found.indices, 1), 1)
    np.testing.assert_allclose(by_row, numbers["expected"]["matrix"], atol=numbers["tolerance"])


@pytest.mark.parametrize("many", [2, 40])
def test_many_classes(many):
    """Merged over the searches of all classes: the order is that of the distances, not of the classes."""
    random = np.random.default_rng(many)
    vectors, labels = random.normal(size=(300, 4)).astype(np.float32), random.integers(0, many, 300)
    found = contrast(NeighborIndex(vectors, labels=labels, metric="euclidean"), vectors[:20], labels[:20], k=9)
    for i in range(20):
        far = np.linalg.norm(vectors[i].astype(float) - vectors, axis=1) + np.where(labels == labels[i], np.inf, 0)
        assert found.indices[i].tolist() == np.argsort(far)[:9].tolist()
