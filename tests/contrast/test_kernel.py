"""The kernel in blocks is scikit-learn's, and is never held as a whole."""

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from kerasintrospect.contrast import kernel as room
from kerasintrospect.contrast import prototypes
from kerasintrospect.contrast.examples import examples_of
from kerasintrospect.neighbors import NeighborIndex


def examples(m, units=7, metric="euclidean"):
    index = NeighborIndex(np.random.default_rng(0).normal(size=(m, units)) + 3, labels=np.arange(m) % 2, metric=metric)
    return examples_of(index, "label", index.labels)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize(("double", "atol"), [(4096, 1e-12), (0, 1e-6)], ids=["float64", "float32"])
@pytest.mark.parametrize("block", [2**22, 40**2, 7**2])
def test_means_and_columns(monkeypatch, block, double, atol, metric):
    monkeypatch.setattr(room, "_BLOCK", block)
    monkeypatch.setattr(room, "_DOUBLE", double)
    some = examples(301, metric=metric)
    wide = some.vectors(np.arange(1, 301, 2)).astype(np.float64)
    if metric == "cosine":
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    for gamma in (None, 0.3):
        known = rbf_kernel(wide, gamma=gamma or 1 / (2 * len(wide[0]) * wide.var(0).mean()))
        kernel = room.Kernel(some, 1, gamma)
        assert len(kernel) == 150 and kernel.rows.tolist() == list(range(1, 301, 2))
        np.testing.assert_allclose(kernel.means, known.mean(0), atol=atol)
        np.testing.assert_allclose(kernel.column(17), known[17], atol=1e-12)


def test_gamma_is_one_over_the_mean_squared_distance():
    index = NeighborIndex([[0.0], [2], [5]], labels=[0, 0, 0], metric="euclidean")  # (4 + 25 + 9) * 2 / 9
    given, default = (prototypes(index, "protodash", 3, gamma=g).weights for g in (9 / 76, None))
    np.testing.assert_allclose(given, default, atol=1e-6)
    assert room.Kernel(examples_of(index, "label", index.labels), 0, None).column(0)[1] == pytest.approx(np.exp(-36 / 76))


@pytest.mark.parametrize("method", ["mmd_critic", "protodash"])
def test_memory_grows_with_the_class_and_not_with_its_square(method):
    """6,000 members: their kernel is 144 MB in float32."""
    vectors = np.random.default_rng(0).normal(size=(6000, 8))
    index = NeighborIndex(vectors, labels=np.zeros(6000, int), metric="euclidean")
    tracemalloc.start()
    prototypes(index, method, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
