"""The fewest neurons that say as much as all: planted ones, copies and layers, and data that nothing was chosen by."""

import json

import numpy as np
import pytest
from test_storing import LABELS, PER, ROWS, run

import kerasintrospect as ki
from kerasintrospect.fitting import fit
from kerasintrospect.selecting import fewest


def noise(k, seed, n=1500):
    return np.random.default_rng(seed).normal(size=(n, k)).astype(np.float32)


@pytest.fixture(scope="module")
def planted():
    """Four sites: the first knows a third, the second all, with copies, the others too; labels by three neurons of `block1`."""
    z = noise(3, 0)
    y = np.where(z @ [2, 1.5, -1.5] + 0.3 * noise(1, 1)[:, 0] > 0, "yes", "no")
    copies = np.c_[-3 * z + 0.1 * noise(3, 2), z + 0.1 * noise(3, 3)]
    X = {
        "emb": np.c_[z[:, :1] + noise(1, 4), noise(15, 5)],
        "block1": np.c_[noise(10, 6), z, copies, np.ones(1500, np.float32), noise(10, 7)],
        "block2": np.c_[z + 0.1 * noise(3, 8), noise(20, 9)],
        "block3": np.c_[z, noise(20, 10)],
    }
    return X, y


@pytest.fixture(scope="module")
def found(planted):
    return ki.select_neurons(*planted, tolerance=0.02)


def test_the_lowest_layers_and_the_planted_neurons_are_enough(found):
    assert found.sites == ["emb", "block1"] and list(found.layers) == ["emb", "block1"]
    assert len(found) == 3 and set(found.units) == {"block1"}
    assert sorted((unit - 10) % 3 for unit in found.units["block1"]) == [0, 1, 2]  # one of each and its two copies
    assert all(10 <= unit < 19 for unit in found.units["block1"])


def test_every_stage_has_its_accuracy(found):
    frame = found.to_frame()
    assert frame["stage"].tolist() == ["all", "layers", "clusters", "selection"]
    assert frame["neurons"].tolist() == [92, 46, 39, 3]  # 6 copies and a constant go
    assert frame["sites"].tolist() == [4, 2, 2, 1]
    assert frame["share"].tolist() == pytest.approx([1, 46 / 92, 39 / 92, 3 / 92])
    best = max(frame["validation"][0], *found.sizes.values())
    assert (frame["validation"] >= found.floor).all() and found.floor == pytest.approx(0.98 * best)
    assert (frame["test"] > 0.9).all() and found.baseline < 0.6


def test_rows_are_in_one_part_each_and_nothing_is_chosen_by_test_rows(planted, found):
    X, y = planted
    assert sorted(np.concatenate(list(found.rows.values()))) == list(range(1500))
    assert [len(found.rows[part]) for part in ("train", "validation", "test")] == [900, 300, 300]
    rows = found.rows["test"]
    broken = {site: part.copy() for site, part in X.items()}
    for part in broken.values():
        part[rows] = np.random.default_rng(1).normal(size=(len(rows), part.shape[1]))
    again = ki.select_neurons(broken, y, tolerance=0.02)
    assert again.neurons == found.neurons and again.stages[3]["validation"] == found.stages[3]["validation"]
    assert again.stages[3]["test"] < 0.65


def test_what_is_taken_has_the_score_that_was_reported(planted, found):
    X, y = planted
    taken, ids = found.take(X), (y == "yes").astype(int)
    train, test = found.rows["train"], found.rows["test"]
    assert (fit(taken[train], ids[train], True, l2=1e-2).predict(taken[test]) == ids[test]).mean() == found.stages[3]["test"]
    with pytest.raises(ki.InputError, match=r"without \['block1'\]"):
        found.take({"emb": X["emb"]})


def test_the_number_of_neurons_is_the_least_that_was_tried(found):
    assert found.sizes[3] >= found.floor and all(found.sizes[k] < found.floor for k in found.sizes if k < 3)


@pytest.mark.parametrize("enough", [1, 2, 3, 57, 99, 100])
def test_the_number_is_exact_where_more_is_better_and_few_are_tried(enough):
    tried = []
    found = fewest(100, enough / 100, lambda k: tried.append(k) or k / 100)
    assert found == enough and len(tried) < 25


def test_all_are_taken_where_none_is_enough():
    assert fewest(7, 2.0, lambda k: k / 7) == 7


def test_documents_stay_whole(planted):
    X, y = planted
    documents = np.repeat(np.arange(150), 10)
    rows = ki.select_neurons({"block3": X["block3"]}, y, documents).rows
    parts = [set(documents[rows[part]]) for part in ("train", "validation", "test")]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]


def test_values_are_selected_by_r_squared(planted):
    X, _ = planted
    y = (X["block3"][:, :3] @ [1, 2, 3]).astype(float)
    found = ki.select_neurons(X["block3"], y)
    assert sorted(found.neurons) == [("X", 0), ("X", 1), ("X", 2)] and found.stages[3]["test"] > 0.99


def test_clusters_that_lose_too_much_are_said():
    z = noise(6, 0)
    X = z + 2 * noise(1, 1)  # what they share makes one cluster of them; what tells the label is what they do not
    y = z @ [1, -1, 1, -1, 1, -1] > 0
    found = ki.select_neurons(X, y, threshold=0.9)
    assert found.stages[2]["neurons"] == 1 and "lower `threshold` keeps more" in found.notes[0]
    assert found.floor == pytest.approx(0.99 * found.stages[2]["validation"])


def test_luck_with_few_validation_rows_is_said():
    z = noise(30, 4, 120)
    found = ki.select_neurons(z, z @ np.ones(30) + noise(1, 5, 120)[:, 0] > 0, tolerance=0.1)
    assert found.stages[3]["test"] < 0.9 * found.stages[0]["test"]
    assert "on 24 validation rows are so partly by luck" in found.notes[-1]


def test_it_fits_into_json(found):
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["stages"] == found.stages and [tuple(place) for place in plain["neurons"]] == found.neurons


def test_neurons_that_know_nothing_are_said():
    found = ki.select_neurons(noise(5, 0), np.random.default_rng(3).random(1500) < 0.2)
    assert "no better than the most frequent class" in found.notes[0]


@pytest.mark.parametrize("seed", range(6))
def test_a_lucky_score_of_nothing_is_said_too(seed):
    """Half of the probes on noise are above the most frequent class; none is by more than its test rows can tell."""
    y = np.random.default_rng(seed + 50).integers(0, 2, 600)
    assert "neither they nor the selection say anything" in ki.select_neurons(noise(8, seed, 600), y, seed=seed).notes[0]


def test_the_selection_is_measured_by_the_best_probe_and_not_by_one_that_overfits():
    y = np.random.default_rng(0).integers(0, 9, 1500)
    X = noise(300, 1)
    X[np.arange(1500), y] += 2.5
    found = ki.select_neurons(X, y)
    assert "The probe on all neurons overfits" in found.notes[0] and 7 <= len(found) <= 20
    assert found.stages[3]["test"] > found.stages[0]["test"] + 0.1
    assert found.floor == 0.99 * max(found.sizes[2**power] for power in range(9))


def test_a_store_brings_labels_and_documents(tmp_path):
    run(tmp_path)
    store = ki.load_store(tmp_path)
    rows = np.flatnonzero(LABELS >= 0)
    found = ki.select_neurons(store, threshold=0.9)
    X = {site: values[rows].astype(np.float32) for site, values in zip(store.sites, ROWS, strict=True)}
    alone = ki.select_neurons(X, LABELS[rows] == 1, rows // PER, threshold=0.9)
    assert found.neurons == alone.neurons and found.stages == alone.stages
    assert any("rows have no label" in note for note in found.notes)
    with pytest.raises(ki.InputTypeError, match=r"give X=store.read\(site\), y=store.labels"):
        ki.rank_neurons(store, store.labels)


def test_the_penalties_are_those_of_the_probes(planted):
    X, y = planted
    weak, strong = (ki.select_neurons(X["block3"], y, l2=l2).stages[0]["validation"] for l2 in (1e-4, 1e-2))
    ids, rows = (y == "yes").astype(int), ki.select_neurons(X["block3"], y).rows
    train, part = rows["train"], rows["validation"]
    for l2, score in ((1e-4, weak), (1e-2, strong)):
        assert score == (fit(X["block3"][train], ids[train], True, l2=l2).predict(X["block3"][part]) == ids[part]).mean()


def test_the_picture_shows_both_choices(found):
    left, right = found.plot().axes
    assert left.lines[0].get_ydata().tolist() == list(found.layers.values())
    assert right.lines[0].get_xdata().tolist() == sorted(found.sizes)
    assert "3 of 92" in right.get_title() and "2 of 4" in left.get_title()


Y = np.arange(40) % 2


@pytest.mark.parametrize(
    ("X", "y", "options", "said"),
    [
        ({}, Y, {}, "at least one site"),
        ({"a": np.eye(40), "b": np.eye(39)}, Y, {}, "same rows.*'a': 40, 'b': 39"),
        (np.eye(40), Y[:39], {}, "40"),
        (np.eye(40), np.zeros(40, int), {}, "two classes"),
        (np.eye(40), Y, {"tolerance": 1}, "tolerance=1"),
        ({"a": np.full((40, 2), np.nan)}, Y, {}, r"X\['a'\]"),
        (np.ones((40, 3)), Y, {}, "each with one value in every row"),
        (noise(30, 0, 40), np.arange(40) * 1.5, {}, "tell something of the labels"),
    ],
)
def test_bad_input_is_one_clear_sentence(X, y, options, said):
    with pytest.raises(ki.InputError, match=said):
        ki.select_neurons(X, y, **options)
