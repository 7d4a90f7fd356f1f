"""Prototypes and criticisms where one knows them: blobs with an outlier; and xplique's numbers."""

import numpy as np

from kerasintrospect.contrast import prototypes
from kerasintrospect.neighbors import NeighborIndex

from .cases import case


def one_class(vectors, metric="euclidean"):
    return NeighborIndex(vectors, labels=np.zeros(len(vectors), int), metric=metric)


def test_a_prototype_for_each_blob_and_a_criticism_of_what_they_leave():
    """Tight blobs of 45, 45 and 9: two prototypes stand for a half each, and leave 9/99 where no prototype is."""
    random = np.random.default_rng(0)
    places = np.repeat([[0.0, 0], [9, 9], [-9, 9]], [45, 45, 9], 0)
    found = prototypes(one_class(places + 0.05 * random.normal(size=(99, 2))), k=2, gamma=0.1, criticisms=3)
    assert sorted(found.indices[0] // 45) == [0, 1]
    assert sorted(found.criticisms.indices[0] // 45) == [0, 1, 2] and found.criticisms.indices[0, 0] >= 90
    assert found.criticisms.weights is None


def test_copies():
    """Ten copies at 0, four at 9, one at 50, too far apart for the kernel.

    With one at 0 and one at 9, a second at 0 gives 2/3 (24/15) - 5/9 = 0.51, and one at 50 gives 2/3 - 1/3.
    """
    index = one_class(np.repeat([[0.0], [9], [50]], [10, 4, 1], 0))
    found = prototypes(index, k=3, gamma=1.0, criticisms=0)
    assert found.indices.tolist() == [[0, 10, 1]] and found.criticisms is None
    # One prototype at 0 leaves 10/15 - 1 there, 4/15 at 9, 1/15 at 50; the determinant takes no copies.
    assert prototypes(index, k=1, gamma=1.0).criticisms.indices.tolist() == [[1]]
    assert prototypes(index, k=1, gamma=1.0, criticisms=3).criticisms.indices.tolist() == [[1, 10, 14]]


def test_all_alike():
    found = prototypes(one_class(np.ones((5, 3))), k=2)
    assert found.indices.tolist() == [[0, 1]] and found.criticisms.indices.tolist() == [[2, 3]]


def test_criticisms_avoid_prototypes_and_run_out():
    found = prototypes(one_class(np.random.default_rng(0).normal(size=(7, 3))), k=5, criticisms=4)
    assert found.criticisms.indices[0, 2:].tolist() == [-1, -1] and np.isnan(found.criticisms.distances[0, 2:]).all()
    assert sorted([*found.indices[0], *found.criticisms.indices[0, :2]]) == list(range(7))


def test_xplique():
    numbers = case("prototypes")
    found = prototypes(one_class(numbers["cases"]), k=3, gamma=0.5)
    assert found.indices[0].tolist() == numbers["expected"]["MMDCritic"]["indices"]
    np.testing.assert_allclose(found.weights[0], numbers["expected"]["MMDCritic"]["weights"], atol=numbers["tolerance"])
