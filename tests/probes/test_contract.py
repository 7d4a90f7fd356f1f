"""The contract of every ranking method: whoever registers one is tested by it."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pandas
import pytest

from kerasintrospect.errors import InputError, InputTypeError, UnsupportedError
from kerasintrospect.probes import NeuronRanking, rank_neurons, ranking_methods
from kerasintrospect.probes.base import registry
from kerasintrospect.statistics import Statistics

from .planted import CONSTANT, PLANTED, UNITS, planted

METHODS = ranking_methods()
ABLE = [name for name in METHODS if name != "random"]  # what should find anything
FOR_VALUES = [name for name in METHODS if registry.get(name).regression]
BY_SUMS = [name for name in METHODS if registry.get(name).sums]
KINDS = {"binary": METHODS, "classes": METHODS, "names": METHODS, "values": FOR_VALUES}
EACH = [(method, kind) for kind, methods in KINDS.items() for method in methods]
OPTIONS: dict[str, dict[str, Any]] = {"forest": {"trees": 25}}  # enough for 30 neurons
SCALED = {"probeless"}  # where a neuron of twice the range scores twice as much
DRAWN = {"random", "forest"}  # where the draws hang on the place of a neuron


def ranked(X: Any, y: Any, method: str, seed: int = 0) -> NeuronRanking:
    return rank_neurons(X, y, method, seed, **OPTIONS.get(method, {}))


def test_our_methods_are_all_here():
    assert METHODS == ["average_precision", "forest", "gaussian", "iou", "linear", "mutual_information", "probeless", "random",
                       "selectivity"]  # fmt: skip


@pytest.mark.parametrize(("method", "kind"), EACH)
def test_planted_neurons_are_first_and_the_constant_one_is_last(method: str, kind: str) -> None:
    X, y = planted(kind)
    found = ranked(X, y, method)
    assert sorted(found.order.tolist()) == list(range(UNITS))
    assert found.order[-1] == CONSTANT and found.scores[CONSTANT] == 0 and "same in every row" in found.notes[0]
    if method in ABLE:
        assert set(found.top(len(PLANTED[kind])).tolist()) == PLANTED[kind]


@pytest.mark.parametrize("method", ABLE)
def test_each_class_has_its_own_neuron_first(method: str) -> None:
    X, y = planted("names")
    found = ranked(X, y, method)
    assert found.classes == ["noun", "other", "verb"]
    if not found.per_class:
        found = {name: ranked(X, y == name, method) for name in found.classes}
        assert {name: one.order[0] for name, one in found.items()} == {"noun": 7, "other": 20, "verb": 11}
        return
    assert {name: order[0] for name, (order, _) in found.per_class.items()} == {"noun": 7, "other": 20, "verb": 11}
    for order, scores in found.per_class.values():
        assert order[-1] == CONSTANT and scores[CONSTANT] == 0 and sorted(order.tolist()) == list(range(UNITS))
        assert (np.diff(scores[order[:-1]]) <= 0).all()


@pytest.mark.parametrize(("method", "kind"), EACH)
def test_nothing_is_changed_and_the_same_seed_gives_the_same(method: str, kind: str) -> None:
    X, y = planted(kind, 120)
    copies, state = (X.copy(), y.copy()), np.random.get_state()[1].tolist()  # noqa: NPY002
    X.setflags(write=False)
    first, again = ranked(X, y, method, seed=3), ranked(X, y, method, seed=3)
    np.testing.assert_array_equal(first.order, again.order)
    np.testing.assert_array_equal(first.scores, again.scores)
    np.testing.assert_array_equal(X, copies[0])
    np.testing.assert_array_equal(y, copies[1])
    assert state == np.random.get_state()[1].tolist()  # noqa: NPY002


@pytest.mark.parametrize(("method", "kind"), EACH)
def test_the_place_of_a_neuron_tells_nothing(method: str, kind: str) -> None:
    X, y = planted(kind)
    places = np.random.default_rng(1).permutation(UNITS)
    here, there = ranked(X, y, method), ranked(X[:, places], y, method)
    if method in ABLE:
        k = len(PLANTED[kind])
        assert set(places[there.top(k)].tolist()) == set(here.top(k).tolist())
    if method not in DRAWN:
        np.testing.assert_allclose(there.scores, here.scores[places], atol=2e-3 if method == "linear" else 1e-9)


@pytest.mark.parametrize("method", [name for name in METHODS if name not in {"random"}])
def test_scale_matters_where_the_method_says_so(method: str) -> None:
    X, y = planted("classes")
    scales = np.random.default_rng(2).uniform(0.2, 5, UNITS)
    plain, scaled = ranked(X, y, method), ranked(X * scales + 1, y, method)
    if method in SCALED:
        np.testing.assert_allclose(scaled.scores, plain.scores * scales, atol=1e-9)
    else:
        tolerance = {"linear": 2e-3, "mutual_information": 1e-3, "forest": 3e-2}.get(method, 1e-6)
        np.testing.assert_allclose(scaled.scores, plain.scores, atol=tolerance)


@pytest.mark.parametrize("method", METHODS)
def test_every_kind_of_number_does(method: str) -> None:
    X, y = planted("classes", 200)
    whole = np.round(X * 4)
    expected = ranked(whole, y, method).scores
    for dtype in (np.float16, np.float32, np.int8):
        np.testing.assert_allclose(ranked(whole.astype(dtype), y, method).scores, expected, atol=2e-3)
    np.testing.assert_allclose(ranked(np.asfortranarray(whole), y.tolist(), method).scores, expected, atol=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_class_of_one_row_is_no_obstacle(method: str) -> None:
    X, y = planted("classes", 300)
    y[0] = 3
    found = ranked(X, y, method)
    assert np.isfinite(found.scores).all() and "fewer than 10 rows" in " ".join(found.notes)
    if method in ABLE:
        assert {7, 11, 20} <= set(found.top(6).tolist())


@pytest.mark.parametrize("method", BY_SUMS)
def test_sums_give_what_the_activations_give(method: str) -> None:
    X, y = planted("names")
    sums = Statistics(UNITS, ["never seen", "noun", "other", "verb"])
    for part in np.array_split(np.arange(len(X)), 7):
        sums.add(X[part], y[part])
    whole, found = ranked(X, y, method), rank_neurons(sums, method=method)
    np.testing.assert_array_equal(found.order, whole.order)
    np.testing.assert_allclose(found.scores, whole.scores)
    assert found.classes == whole.classes


@pytest.mark.parametrize("method", sorted(set(METHODS) - set(BY_SUMS)))
def test_who_needs_more_than_sums_says_so(method: str) -> None:
    X, y = planted("classes")
    with pytest.raises(UnsupportedError, match=f"'{method}' needs the activations; sums do for: probeless, random, selec"):
        rank_neurons(Statistics(UNITS, [0, 1, 2]).add(X, y), method=method)


@pytest.mark.parametrize("method", sorted(set(METHODS) - set(FOR_VALUES)))
def test_who_has_no_meaning_for_values_says_so(method: str) -> None:
    with pytest.raises(UnsupportedError, match="values have no classes. For values: forest, linear, mutual_information, rand"):
        rank_neurons(*planted("values"), method)


@pytest.mark.parametrize("method", METHODS)
def test_unknown_options_are_refused(method: str) -> None:
    with pytest.raises(InputError, match=f"'{method}' has other options: .*'depth'"):
        rank_neurons(*planted("binary", 50), method, depth=3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("hole", [np.nan, np.inf])
def test_holes_are_refused_and_named(method: str, hole: float) -> None:
    X, y = planted("binary", 50)
    X[3, 5] = hole
    with pytest.raises(InputError, match="NaN or infinity in row 3 and unit 5 of X"):
        ranked(X, y, method)


# What is asked


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(20, int), "labels of at least two classes. Received: 20 times 0"),
        (np.arange(19), "one label for each of the 20 rows .* shape=\\(19,\\)"),
        (np.ones((20, 1), int), "shape=\\(20, 1\\)"),
        (None, "Received: y=None"),
        (np.arange(20.0), "Floats that are whole numbers may be classes or values. Received: y of dtype float64"),
        (np.r_[np.nan, np.arange(19.0)], r"finite. Received: y\[0\]=nan"),
        (np.full(20, 0.5), "have to differ. Received: 20 times 0.5"),
    ],
)
def test_labels_that_cannot_be_probed_for(y: Any, message: str) -> None:
    X, _ = planted("binary", 20)
    with pytest.raises(InputError, match=message):
        rank_neurons(X, y)


@pytest.mark.parametrize("method", METHODS)
def test_a_small_range_changes_nothing(method: str) -> None:
    """scikit-learn splits no neuron whose values are within 1e-7, and parts equal ones by a noise of 1e-10."""
    X, y = planted("classes", 200)
    X = X.astype(np.float32)
    plain = ranked(X, y, method)
    for scale in (1e-7, 1e-15):
        small = ranked(X * np.float32(scale), y, method)
        if method != "linear":
            np.testing.assert_allclose(small.scores / (scale if method in SCALED else 1), plain.scores, atol=1e-3)
        assert set(small.order[:3].tolist()) == set(plain.order[:3].tolist())


@pytest.mark.parametrize(
    "y",
    [np.array([3, 7, 7, 3] * 50, object), [np.int64(3), 7, 7, 3] * 50, (value for value in [3, 7, 7, 3] * 50),
     pandas.Series([3, 7, 7, 3] * 50, index=range(200, 0, -1), dtype=object), pandas.Series([3, 7, 7, 3] * 50, dtype="Int64")],
    ids=["objects", "kinds of int", "generator", "series", "nullable"],
)  # fmt: skip
def test_labels_of_every_container(y: Any) -> None:
    X, _ = planted("binary", 200)
    found, plain = rank_neurons(X, y, "probeless"), rank_neurons(X, [3, 7, 7, 3] * 50, "probeless")
    assert found.classes == [3, 7]
    np.testing.assert_array_equal(found.scores, plain.scores)


def test_many_rare_classes_are_not_all_listed():
    X, _ = planted("binary", 200)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # that there are many classes is for us to say
        for method in ("linear", "forest", "mutual_information"):
            (note,) = [note for note in ranked(X, np.arange(200) % 150, method).notes if "fewer than 10 rows" in note]
            assert note.endswith("and 140 more.")


def test_labels_of_a_wrong_type():
    X, _ = planted("binary", 20)
    for odd, name in ((None, "NoneType"), (np.nan, "float"), (3, "int")):  # numpy would make "nan" of NaN
        for labels in (["a", odd] * 10, np.array(["a", odd] * 10, object)):
            with pytest.raises(InputTypeError, match=rf"Received: y\[1\]={odd} \(of type {name}\)"):
                rank_neurons(X, labels)
    with pytest.raises(InputTypeError, match=r"Received: y\[2\]=None .* keep = pandas.notna\(y\)"):
        rank_neurons(X, np.array([1, 2, None, 4] * 5, object))
    with pytest.raises(InputTypeError, match=r"Received: y\[1\]=1 \(of type int\)"):  # numpy would make one of True and 1
        rank_neurons(X, [True, 1] * 10)
    for y, name in ((set(range(20)), "set"), (3, "int"), ("ab" * 10, "str"), ({0: 1}, "dict")):
        with pytest.raises(InputTypeError, match=f"in the order of the rows. Received: y of type {name}"):
            rank_neurons(X, y)
    with pytest.raises(InputError, match="Values have to be numbers. Received: regression=True"):
        rank_neurons(X, ["a", "b"] * 10, regression=True)
    with pytest.raises(InputError, match="regression=False. For classes put them into bins"):
        rank_neurons(X, np.linspace(0.1, 1, 20), regression=False)


def test_whole_numbers_are_classes_or_values_as_one_says():
    X, y = planted("classes")
    assert rank_neurons(X, y.astype(float), regression=False).classes == [0.0, 1.0, 2.0]
    assert rank_neurons(X, y, regression=True).classes is None
    assert rank_neurons(X, y == 1).classes == [False, True]


def test_activations_of_a_wrong_shape():
    with pytest.raises(InputError, match=r"Received: X of shape \(2, 3, 4\)"):
        rank_neurons(np.zeros((2, 3, 4)), [0, 1])
    with pytest.raises(InputError, match="at least 2 rows"):
        rank_neurons(np.zeros((1, 4)), [0])


def test_an_unknown_method_names_the_nearest():
    with pytest.raises(InputError, match="no ranking method 'probless'. The nearest: 'probeless'"):
        rank_neurons(*planted("binary"), "probless")


def test_sums_that_cannot_be_ranked():
    with pytest.raises(InputError, match="rows of at least two classes. Received: Statistics with rows of 1"):
        rank_neurons(Statistics(2, ["a", "b"]).add([[1.0, 2.0]], ["a"]), method="probeless")
    whole = Statistics(2, ["a", "b"]).add([[1.0, 2.0], [3.0, 1.0]], ["a", "b"])
    with pytest.raises(InputError, match="Leave out y"):
        rank_neurons(whole, [0, 1], method="probeless")
    holed = Statistics(2, ["a", "b"]).add([[1.0, np.nan], [3.0, 1.0]], ["a", "b"])
    with pytest.raises(InputError, match=r"NaN or infinity in units \[1\]"):
        rank_neurons(holed, method="probeless")


def test_the_record():
    X, y = planted("names")
    found = rank_neurons(X, y, "selectivity")
    frame = found.to_frame()
    assert frame["neuron"].tolist() == found.order.tolist() and frame["rank"].tolist() == list(range(1, UNITS + 1))
    assert frame["score of verb"].tolist() == found.per_class["verb"][1][found.order].tolist()
    assert json.loads(json.dumps(found.to_dict()))["order"] == found.order.tolist()
    assert len(found) == UNITS and "selectivity" in str(found)
    for k in (31, -1, 2.5, "a"):
        with pytest.raises(InputError, match=f"Received: k={k!r}"):
            found.top(k)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("forest", {"trees": 0}), ("forest", {"trees": 2.5}), ("forest", {"max_depth": 0}), ("iou", {"threshold": np.nan}),
        ("iou", {"threshold": "a"}), ("iou", {"quantile": "a"}), ("average_precision", {"threshold": "a"}),
        ("average_precision", {"threshold": np.inf}), ("mutual_information", {"neighbors": 0}),
        ("mutual_information", {"max_examples": 2.5}), ("linear", {"l1": "x"}), ("linear", {"max_iter": 0}),
        ("gaussian", {"validation": "a"}),
    ],
)  # fmt: skip
def test_options_that_mean_nothing(method: str, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"Received: .*{next(iter(options.values()))!r}"):
        rank_neurons(*planted("binary", 50), method, **options)


def test_too_few_rows_for_neighbors():
    with pytest.raises(InputError, match="more rows than neighbors, and a class with two rows. Received: 2 rows, neighbors=3"):
        rank_neurons(np.eye(2), [0, 1], "mutual_information")
