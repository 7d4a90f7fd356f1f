"""Weights in closed form; and xplique's numbers."""

import numpy as np
import pytest

from kerasintrospect.contrast import prototypes
from kerasintrospect.neighbors import NeighborIndex

from .cases import case


def one_class(vectors, metric="euclidean"):
    return NeighborIndex(vectors, labels=np.zeros(len(vectors), int), metric=metric)


def test_weights_are_the_shares_of_blobs_far_apart():
    """Copies at three far places: the kernel between the places is 0, so that the weights are the shares."""
    index = one_class(np.repeat([[0.0], [90], [900]], [3, 6, 1], 0))
    found = prototypes(index, "protodash", 3, gamma=1.0)
    assert found.indices.tolist() == [[3, 0, 9]]
    np.testing.assert_allclose(found.weights, [[0.6, 0.3, 0.1]], atol=1e-6)


def test_a_copy_of_a_prototype_gets_the_last_place():
    found = prototypes(one_class(np.repeat([[0.0], [90]], [2, 1], 0)), "protodash", 3, gamma=1.0)
    assert found.indices.tolist() == [[0, 2, 1]] and found.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_all_members_weigh_the_same(metric):
    """With S the whole class, K w = mu = K 1/m."""
    vectors = np.random.default_rng(0).normal(size=(12, 6))
    np.testing.assert_allclose(prototypes(one_class(vectors, metric), "protodash", 12).weights, 1 / 12, atol=1e-4)


def test_two_points():
    """Two of three at 0, one at 1: K = [[1, c], [c, 1]] with c = exp(-1), mu = (2 + c, 1 + 2 c) / 3, so w = (2, 1) / 3."""
    found = prototypes(one_class([[0.0], [1], [0]]), "protodash", 2, gamma=1.0)
    assert found.indices.tolist() == [[0, 1]]
    np.testing.assert_allclose(found.weights, [[2 / 3, 1 / 3]], atol=1e-6)


def test_xplique():
    numbers = case("prototypes")
    found = prototypes(one_class(numbers["cases"]), "protodash", k=3, gamma=0.5)
    assert found.indices[0].tolist() == numbers["expected"]["ProtoDash"]["indices"]
    np.testing.assert_allclose(found.weights[0], numbers["expected"]["ProtoDash"]["weights"], atol=numbers["tolerance"])
