"""Rows put aside: shares of classes, whole documents, seeds."""

import numpy as np
import pytest
from probes.planted import cases

from kerasintrospect.errors import InputError, InputTypeError
from kerasintrospect.holdout import balanced, held_out

Y = np.repeat([0, 1, 2, 3], [500, 100, 7, 1])


def check(kept, aside, n):
    assert sorted([*kept, *aside]) == list(range(n)) and (np.diff(kept) > 0).all() and (np.diff(aside) > 0).all()


def test_each_class_gives_its_share():
    kept, aside = held_out(Y, 0.3, seed=0)
    check(kept, aside, len(Y))
    assert np.bincount(Y[aside], minlength=4).tolist() == [150, 30, 2, 0]  # a class of one stays
    again, other = held_out(Y, 0.3, seed=0)[1], held_out(Y, 0.3, seed=1)[1]
    assert aside.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("share", [0.2, 0.6])
def test_no_document_is_on_both_sides(share, classes):
    random = np.random.default_rng(0)
    documents = random.integers(0, 60, len(Y))
    y = random.permutation(Y) if classes else random.normal(size=len(Y))
    kept, aside = held_out(y, share, 0, [f"d{i}" for i in documents], classes)
    check(kept, aside, len(Y))
    assert not set(documents[kept]) & set(documents[aside])
    assert abs(len(aside) / len(Y) - share) < 0.08
    if classes and share < 0.5:
        assert abs((y[aside] == 1).mean() - (y == 1).mean()) < 0.03


@pytest.mark.parametrize("seed", range(5))
def test_rare_classes_of_documents_are_shared_out(seed):
    documents = np.arange(600) // 10
    y = np.where(np.arange(600) % 60 == 0, 1, 0)  # ten, each in another document
    _, aside = held_out(y, 0.2, seed, documents)
    assert len(aside) == 120 and y[aside].sum() == 2


def test_values_are_drawn():
    kept, aside = held_out(np.linspace(0, 1, 50), 0.2, 0, classes=False)
    check(kept, aside, 50)
    assert len(aside) == 10


def test_what_cannot_be_split():
    with pytest.raises(InputError, match="above 0 and below 1. Received: 1"):
        held_out(Y, 1, 0)
    with pytest.raises(InputError, match="takes at least 5 of them. Received: 3"):
        held_out(Y, 0.2, 0, np.arange(len(Y)) % 3)
    with pytest.raises(InputError, match=r"Received: shape=\(2,\) for 608 rows"):
        held_out(Y, 0.2, 0, ["a", "b"])
    with pytest.raises(InputError, match="Too few rows to hold some out. Received: 2 rows"):
        held_out(np.array([0, 1]), 0.3, 0)
    with pytest.raises(InputError, match="more than one row each. Received: as many classes as rows, 300"):
        held_out(np.arange(300), 0.2, 0)
    with pytest.raises(InputError, match="Received: 'a'"):
        held_out(Y, "a", 0)
    for none in (None, np.nan):
        with pytest.raises(InputError, match=rf"documents\[1\]={none}. Give each row of no document a name of its own"):
            held_out(Y, 0.2, 0, [1, none, *range(606)])
    for wrong in (3, "abc"):
        with pytest.raises(InputTypeError, match="a list with the document of each row"):
            held_out(Y, 0.2, 0, wrong)


def test_documents_of_several_kinds_are_told_apart():
    mixed = [1, "1x", (1, 2), *range(2, 607)]
    kept, aside = held_out(Y, 0.2, 0, mixed)
    check(kept, aside, len(Y))
    again = held_out(Y, 0.2, 0, [("d", i // 8) for i in range(608)])[1]
    assert len(set(again // 8)) * 8 == len(again)


@pytest.mark.parametrize("case", cases("balance_"), ids=lambda case: case["id"])
def test_balance_as_in_neurox(case):
    y = np.repeat(np.arange(len(case["inputs"]["class_counts"])), case["inputs"]["class_counts"])
    rows = balanced(y, seed=0)
    assert np.bincount(y[rows]).tolist() == case["expected"]["class_counts"] and len(set(rows)) == len(rows)
    assert np.bincount(Y[balanced(Y[:607], seed=0)]).tolist() == [7, 7, 7]
