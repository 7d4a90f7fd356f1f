"""Semi-factuals on a line, where everybody sees what lies between; and xplique's numbers."""

import numpy as np
import pytest

from kerasintrospect.contrast import contrast
from kerasintrospect.neighbors import NeighborIndex

from .cases import case, classes

# class 0 at 0 1 2 5 6 and class 1 at 4: from 0.2 the border lies behind 2, and 5 is beyond it
LINE = NeighborIndex([[0.0], [1], [2], [5], [6], [4]], labels=[0, 0, 0, 0, 0, 1], metric="euclidean")


def test_sim_miss_looks_at_both_sides_of_the_border():
    found = contrast(LINE, np.array([[0.2]]), [0], "kleor_sim_miss", 3)
    assert found.indices.tolist() == [[3, 2, 4]]  # |5 - 4| = 1, |2 - 4| = 2 = |6 - 4|
    np.testing.assert_allclose(found.distances, [[4.8, 1.8, 5.8]], rtol=1e-6)


def test_global_sim_stays_on_the_querys_side():
    found = contrast(LINE, np.array([[0.2]]), [0], "kleor_global_sim", 4)
    assert found.indices.tolist() == [[2, 1, 0, -1]]
    np.testing.assert_allclose(found.distances, [[1.8, 0.8, 0.2, np.nan]], rtol=1e-6)


def test_as_far_as_the_unlike_neighbor_is_not_between():
    index = NeighborIndex([[1.0], [2], [3]], labels=[0, 1, 0], metric="euclidean")
    assert contrast(index, np.array([[1.5], [2.9]]), [0, 0], "kleor_global_sim", 1).indices.tolist() == [[-1], [2]]
    crowd = NeighborIndex([[1.0], [2], [3], [4], [5], [10], [10]], labels=[0, 0, 0, 0, 0, 0, 1], metric="euclidean")
    assert contrast(crowd, np.array([[0.0]]), [0], "kleor_global_sim", 1).indices.tolist() == [[4]]


@pytest.mark.parametrize("method", ["kleor_sim_miss", "kleor_global_sim"])
def test_a_class_without_examples_has_no_semi_factual(method):
    found = contrast(LINE, np.array([[0.2]]), [7], method, 2)
    assert found.indices.tolist() == [[-1, -1]] and np.isnan(found.distances).all()


@pytest.mark.parametrize("held", [1, 2**22])
@pytest.mark.parametrize("share", [0.002, 0.5])
def test_however_few_lie_between(monkeypatch, share, held):
    """Neither end alone finds all within its first look: 3,000 examples, of which two or half are closer than the NUN."""
    monkeypatch.setattr("kerasintrospect.contrast.kleor._HELD", held)
    random = np.random.default_rng(0)
    mine = random.uniform(1, 2, (3000, 1)) * np.where(random.random((3000, 1)) < share, 1, 100)
    vectors = np.r_[mine, [[60.0]]].astype(np.float32)
    index = NeighborIndex(vectors, labels=[0] * 3000 + [1], metric="euclidean")
    found = contrast(index, np.array([[0.0], [130.0]]), [0, 0], "kleor_global_sim", 5).indices
    for row, q in zip(found, [0.0, 130.0], strict=True):
        between = np.flatnonzero(np.abs(vectors[:3000, 0] - q) < abs(60 - q))
        expected = between[np.argsort(np.abs(vectors[between, 0].astype(float) - 60), kind="stable")][:5]
        assert row.tolist() == [*expected.tolist(), *[-1] * (5 - len(expected))]


def test_xplique_sim_miss():
    numbers = case("xplique-kleor-simmiss")
    given, expected = numbers["given"], numbers["expected"]
    index = NeighborIndex(given["cases"], labels=classes(given["cases_targets_onehot"]), metric="euclidean")
    asked = np.array(given["inputs"]), classes(given["targets_onehot"])
    found = contrast(index, *asked, "kleor_sim_miss", given["k"])
    assert found.indices[:, 0].tolist() == expected["flat indices"]
    np.testing.assert_allclose(index.vectors[found.indices[:, 0]], expected["semi-factual examples"])
    np.testing.assert_allclose(found.distances[:, 0], expected["distance input->semi-factual"], atol=numbers["tolerance"])
    # Global-Sim keeps what is strictly closer than the NUN: 0.707 is not below 0.707, nor 2.121 below 0.707.
    assert contrast(index, *asked, "kleor_global_sim", 1).indices[:, 0].tolist() == [-1, 1, -1]
