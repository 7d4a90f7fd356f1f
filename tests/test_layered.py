"""Probes at every site, of arrays and of a store."""

import json

import numpy as np
import pytest
from test_storing import ABOUT, DOCUMENTS, LABELS, PER, ROWS, run, stretch

from kerasintrospect import datasets
from kerasintrospect.errors import InputError
from kerasintrospect.layered import probe_sites
from kerasintrospect.probing import probe
from kerasintrospect.store import load_store
from kerasintrospect.storing import Making, Stretch

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
    assert found["layer[1]"].to_dict() == alone.to_dict() and found.notes == ()
    assert json.loads(json.dumps(found.to_dict()))["best"] == "layer[2]" and "layer[2]" in str(found)
    lines = {line.get_label(): line.get_ydata() for line in found.plot().axes[0].get_lines()}
    assert list(lines["probe"]) == frame["score"].tolist() and list(lines["random weights"]) == frame["untrained"].tolist()


def test_some_sites_only():
    X, y, _ = layers()
    for sites in (["layer[2]"], "layer[2]"):
        assert list(probe_sites(X, y, sites=sites, sizes=[1])) == ["layer[2]"]


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


def stores(folder, **changes):
    """One, and the same rows of another model, or what it is changed to."""
    for name in ("trained", "untrained"):
        (folder / name).mkdir()
    run(folder / "trained")
    about = {**ABOUT, "fingerprint": "g", **changes}
    with datasets.locked(folder / "untrained", "store"):
        making = Making(folder / "untrained", None, about, DOCUMENTS, True)
        making.add(stretch(0, DOCUMENTS))
        making.finish()
    return load_store(folder / "trained"), load_store(folder / "untrained")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"texts": "u"}, "a store of other texts, or of texts in another order"),
        ({"unit": "token"}, "a store of another unit"),
        ({"pool": "max"}, "a store pooled in another way"),
        ({"fingerprint": "f"}, "a store of the same weights"),
    ],
)
def test_the_untrained_rows_are_those_of_the_trained_model(tmp_path, changes, said):
    store, other = stores(tmp_path, **changes)
    with pytest.raises(InputError, match=said):
        probe_sites(store, untrained=other)
    with pytest.raises(InputError, match="Received: X itself"):
        probe_sites(store, untrained=store)
    with pytest.raises(InputError, match="a row for each row of the store. Received: 20 rows at 'a'"):
        probe_sites(store, untrained={"a": np.zeros((20, 2))}, sites=["a"])
    for name in ("words", "documents"):
        with pytest.raises(InputError, match=f"`{name}` has to hold one for each row of the store. Received: 1 for 300"):
            probe_sites(store, **{name: ["a"]})


def test_equal_texts_are_in_one_part(tmp_path):
    """Half of the texts are copies of others with the same vectors; random labels must not be found in them."""
    with datasets.locked(tmp_path, "store"):
        making = Making(tmp_path, None, {**ABOUT, "unit": "example"}, 240, True)
        X = np.tile(np.random.default_rng(0).normal(size=(60, 80)), (4, 1)).astype(np.float16)
        ids = np.tile(np.random.default_rng(1).integers(0, 2, 60), 4)
        columns = {"document": np.arange(240), "text": [f"text {i % 60}" for i in range(240)], "label": ids}
        making.add(Stretch(240, columns, [X, X[:, :3].copy()], ids, {}))
        making.finish()
    store = load_store(tmp_path)
    found = probe_sites(store, sites=["a"], sizes=[1])
    assert found.notes == ("180 of 240 texts are equal to another: equal ones are in one part together.",)
    parts = [set((rows % 60).tolist()) for rows in found["a"].rows.values()]
    assert sum(map(len, parts)) == 60 and not found["a"].trusted
    assert probe_sites(store, documents=np.arange(240), sites=["a"], sizes=[1])["a"].score > found["a"].score + 0.2


def test_a_store_brings_labels_words_and_documents(tmp_path):
    store, untrained = stores(tmp_path)
    found = probe_sites(store, sites=["a"], untrained=untrained, sizes=[4])
    rows = np.flatnonzero(LABELS >= 0)  # a third has no label
    words, documents = [f"w{row}\ud800" for row in rows], rows // PER
    X = ROWS[0][rows].astype(np.float32)
    alone = probe(X, np.array(["no", "yes"])[LABELS[rows]], words, documents, X, sizes=[4])
    assert found["a"].facts == alone.facts and found["a"].curve == alone.curve and found["a"].facts["seen"] == 0
    left_out = len(store) - len(rows)
    assert found.notes == (*store.notes, f"{left_out} of {len(store)} rows have no label and are left out.")
    assert found["a"].notes == (*found.notes, *alone.notes) and found.notes[-1] in str(found)
    assert found.to_dict()["notes"] == list(found.notes)
    assert len(probe_sites(store, LABELS == 1, sizes=[1])) == 2
