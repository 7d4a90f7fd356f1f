"""A pair is one string whose halves are known."""

import copy
import pickle

import pytest

from kerasintrospect.pairs import Pair, as_pair, changed, replaced

PAIR = Pair("a cat sits", "an animal\nsits")


def test_a_pair_is_a_string_of_two_lines():
    assert PAIR == "a cat sits\nan animal\nsits"
    assert (PAIR.first, PAIR.second) == ("a cat sits", "an animal\nsits")
    assert PAIR[PAIR.offset :] == PAIR.second


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_copies_know_their_halves(copied):
    assert (copied(PAIR).first, copied(PAIR).second) == (PAIR.first, PAIR.second)


@pytest.mark.parametrize("given", [("a cat sits", "an animal\nsits"), ["a cat sits", "an animal\nsits"], PAIR])
def test_tuples_and_lists_of_two_strings_are_pairs(given):
    assert isinstance(as_pair(given), Pair) and as_pair(given) == PAIR


@pytest.mark.parametrize("given", ["ab", ("a",), ("a", "b", "c"), ("a", 1), None])
def test_anything_else_stays_what_it_is(given):
    assert as_pair(given) is given


def test_both_halves_change():
    assert changed(PAIR, str.upper).second == "AN ANIMAL\nSITS"
    assert changed("a", str.upper) == "A"


@pytest.mark.parametrize(("start", "end", "first", "second"), [
    (2, 5, "a X sits", "an animal\nsits"), (0, 10, "X", "an animal\nsits"), (11, 13, "a cat sits", "X animal\nsits"),
    (14, 25, "a cat sits", "an X"), (6, 13, "a cat X", " animal\nsits"), (10, 11, "a cat sitsX", "an animal\nsits"),
])  # fmt: skip
def test_what_is_replaced_is_replaced_in_its_half(start, end, first, second):
    found = replaced(PAIR, start, end, "X")
    assert (found.first, found.second) == (first, second)
    assert replaced(str(PAIR), start, end, "X") == str(PAIR)[:start] + "X" + str(PAIR)[end:]
