"""Probes at every site, of arrays and of a store."""

import json

import numpy as np
import pytest
from test_storing import LABELS, PER, ROWS, run

from kerasintrospect.errors import InputError
from kerasintrospect.layered import probe_sites
from kerasintrospect.probing import probe
from kerasintrospect.store import load_store

N = 400


def layers():
    """The deeper, the more it knows."""
    random = np.random.default_rng(0)
    y = random.integers(0, 2, N)
    X = {}
    for depth in range(3):
        X[f"layer[{depth}]"] = random.normal(size=(N, 12)).astype(np.float32)
        X[f"layer[{depth}]"][:, 3] += depth * y
    return X, np.array(["no", "yes"])[y], np.arange(N) // 4


def test_a_row_per_site_and_each_is_its_own_probe():
    X, y, documents = layers()
    untrained = {site: values[:, ::-1] * 2 for site, values in X.items()}
    found = probe_sites(X, y, documents=documents, untrained=untrained, sizes=[2])
    frame = found.to_frame()
    assert frame["site"].tolist() == list(X) == list(found) and found.best == "layer[2]"
    assert (np.diff(frame["score"]) > 0).all() and frame["trusted"].tolist()[0] is False
    alone = probe(X["layer[1]"], y, documents=documents, untrained=untrained["layer[1]"], sizes=[2])
    assert found["layer[1]"].to_dict() == alone.to_dict()
    assert json.loads(json.dumps(found.to_dict()))["best"] == "layer[2]" and "layer[2]" in str(found)
    lines = {line.get_label(): line.get_ydata() for line in found.plot().axes[0].get_lines()}
    assert list(lines["probe"]) == frame["score"].tolist() and list(lines["random weights"]) == frame["untrained"].tolist()


def test_some_sites_only():
    X, y, _ = layers()
    assert list(probe_sites(X, y, sites=["layer[2]"], sizes=[1])) == ["layer[2]"]


def test_what_is_not_there():
    X, y, _ = layers()
    with pytest.raises(InputError, match=r"no activations of 'layer\[9\]'. There are: \['layer\[0\]', "):
        probe_sites(X, y, sites=["layer[9]"])
    with pytest.raises(InputError, match="Received: y=None"):
        probe_sites(X)
    with pytest.raises(InputError, match="Probes need a site"):
        probe_sites({}, y)
    with pytest.raises(InputError, match=r"no activations of 'layer\[1\]'. There are: \['layer\[0\]'\]"):
        probe_sites(X, y, untrained={"layer[0]": X["layer[0]"]}, sites=["layer[1]"])


def test_a_store_brings_labels_words_and_documents(tmp_path):
    run(tmp_path)
    store = load_store(tmp_path)
    found = probe_sites(store, sites=["a"], untrained=store, sizes=[4])
    rows = np.flatnonzero(LABELS >= 0)  # a third has no label
    words, documents = [f"w{row}\ud800" for row in rows], rows // PER
    X = ROWS[0][rows].astype(np.float32)
    alone = probe(X, np.array(["no", "yes"])[LABELS[rows]], words, documents, X, sizes=[4])
    assert found["a"].to_dict() == alone.to_dict() and found["a"].facts["seen"] == 0
    assert len(probe_sites(store, LABELS == 1, sizes=[1])) == 2
