"""Maps of neurons; umap-learn is an extra, so that most of this runs only where it is installed."""

import importlib.util
import sys

import numpy as np
import pytest

import kerasintrospect as ki
from kerasintrospect.mapping import NeuronMap

needs_umap = pytest.mark.skipif(importlib.util.find_spec("umap") is None, reason='needs pip install "kerasintrospect[umap]"')


@pytest.fixture(scope="module")
def planted():
    """60 units in three groups, and a constant one."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(3), 20)
    X = rng.normal(size=(300, 3))[:, groups] * rng.choice([-1, 1], 60) + 0.4 * rng.normal(size=(300, 60))
    return np.c_[X, np.ones(300)], groups


def test_without_umap_the_command_is_named(monkeypatch, planted):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(ki.MissingDependencyError, match=r'pip install "kerasintrospect\[umap\]"'):
        ki.map_neurons(planted[0])


@pytest.mark.slow  # the first map of a process compiles
@needs_umap
def test_what_correlates_lies_together_and_a_seed_gives_one_map(planted):
    X, groups = planted
    found = ki.map_neurons(X)
    assert found.constant.tolist() == [60] and np.isnan(found.points[60]).all() and found.points.shape == (61, 2)
    far = np.linalg.norm(found.points[:60, None] - found.points[:60], axis=2)
    np.fill_diagonal(far, np.inf)
    assert (groups[far.argmin(1)] == groups).all()
    assert np.array_equal(ki.map_neurons(X).points, found.points, equal_nan=True)


@pytest.mark.slow
@needs_umap
def test_a_few_units_will_do_and_fewer_will_not(planted):
    assert np.isfinite(ki.map_neurons(planted[0][:, :4]).points).all()
    with pytest.raises(ki.InputError, match="at least four units.*3"):
        ki.map_neurons(planted[0][:, :3])


def test_the_picture_has_each_unit_in_its_colour():
    points = np.random.default_rng(0).normal(size=(30, 2))
    found = NeuronMap(points, np.zeros(0, int))
    assert found.to_frame()[["x", "y"]].to_numpy().tolist() == points.tolist()
    axis = found.plot(np.repeat(["emb", "block$1"], 15)).axes[0]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == [r"block\$1", "emb"]
    assert np.array_equal(axis.collections[1].get_offsets(), points[:15])
    assert np.array_equal(found.plot(points[:, 0]).axes[0].collections[0].get_array(), points[:, 0])
    with pytest.raises(ki.InputError, match="2 for 30 units"):
        found.plot([1, 2])
