"""Formulas: what is equal is written alike, what is written is read back, and a formula holds where logic says."""

import itertools

import numpy as np
import pytest

from kerasintrospect.errors import InputError, InputTypeError
from kerasintrospect.formulas import Concept, parse_formula

A, B, C = (Concept(name) for name in ("word:a", "label:B", 'odd "name" (of) \\it'))


def test_equal_formulas_are_one():
    assert (A | B) | C == C | (B | A) == parse_formula(str(B | (C | A)))
    assert hash(A & ~B) == hash(~B & A) and ~~A == A and (A | A) == A
    assert (A & B) != (A | B) and len((A & ~B) | C) == 3
    assert str((A | B) & ~C) == '(label:B OR word:a) AND NOT "odd \\"name\\" (of) \\\\it"'


def random_formula(draws, depth):
    if depth == 0 or draws.random() < 0.2:
        return [A, B, C, Concept("AND"), Concept("ünïcode😀")][draws.integers(5)]
    kind = draws.integers(3)
    one, two = random_formula(draws, depth - 1), random_formula(draws, depth - 1)
    return [~one, one & two, one | two][kind]


@pytest.mark.parametrize("seed", range(40))
def test_what_is_written_is_read_back(seed):
    formula = random_formula(np.random.default_rng(seed), 4)
    assert parse_formula(str(formula)) == formula
    assert str(parse_formula(str(formula))) == str(formula)


def test_it_holds_where_logic_says():
    table = np.array(list(itertools.product([False, True], repeat=3)))
    masks = dict(zip(("a", "b", "c"), table.T, strict=True))
    formula = parse_formula("a OR NOT b AND (c OR NOT a)")
    assert formula.holds(masks.__getitem__).tolist() == [a or (not b and (c or not a)) for a, b, c in table]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "a name has to come where the end is"), ("a OR", "a name has to come where the end"), ("(a AND b", r"\) has to come"),
     ("a b", "where 'b' at character 2 is"), ('"a', "quote is not closed"), ("AND a", "where 'AND' at character 0"),
     ("a)", r"where '\)' at character 1"), ("a AND NOT", "a name")],
)  # fmt: skip
def test_what_is_no_formula_is_said(text, message):
    with pytest.raises(InputError, match=message):
        parse_formula(text)
    with pytest.raises(InputTypeError, match="Received: 3"):
        parse_formula(3)
