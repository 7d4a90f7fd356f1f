"""What users give beside activations: checked, or taken from a store."""

from types import SimpleNamespace

import numpy as np
import pytest
from test_storing import DOCUMENTS, PER, ROWS, run

import kerasintrospect as ki
from kerasintrospect.errors import InputError, InputTypeError
from kerasintrospect.readings import Stored, chosen_units, given, read

X = np.arange(8.0).reshape(4, 2)
WORDS = ["a", "b", "c", "d"]


def store(*sites):
    return SimpleNamespace(sites=list(sites) or ["s", "t"], texts=np.array(WORDS, object), documents=np.array([0, 0, 1, 1]),
                           spans=np.zeros((4, 2), int), read=lambda site, rows=None: {"s": X}[site])  # fmt: skip


def test_arrays_and_stores_are_read_alike():
    plain, stored = given(X, None, WORDS, [0, 0, 1, 1]), given(store(), "s", None)
    assert plain.words == stored.words == WORDS and stored.spans.shape == (4, 2) and plain.spans is None
    np.testing.assert_array_equal(plain.values, stored.values)
    np.testing.assert_array_equal(plain.documents, stored.documents)
    assert given(X[:, 0], None, WORDS).values.shape == (4, 1)
    assert given(store(), "s", list("wxyz")).words == list("wxyz")
    np.testing.assert_array_equal(given(store("s"), None, None).values, X)  # the only site needs no name


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((store(), None, None), InputError, "sites s, t: name one"),
        ((X, "s", WORDS), InputError, "goes with an ActivationStore. Received: site='s'"),
        ((X, None, None), InputTypeError, "the word of each row. Received: None"),
        ((X, None, "abcd"), InputTypeError, "Received: 'abcd'"),
        ((X, None, WORDS[1:]), InputError, "Received: 4 rows, 3 words"),
        ((X, None, WORDS, [1]), InputError, "4 words, 1 documents"),
        ((X, None, ["a", "b", 3, "d"]), InputTypeError, r"words\[2\]=3"),
        ((X * [1, np.nan], None, WORDS), InputError, "unit 1"),
        ((np.zeros((0, 2)), None, []), InputError, "at least 2 rows"),
    ],
)
def test_what_cannot_be_used_is_said(args, error, message):
    with pytest.raises(error, match=message):
        given(*args)


def test_units():
    assert chosen_units(None, 3).tolist() == [0, 1, 2] and chosen_units([2, 0, 2], 3).tolist() == [0, 2]
    assert chosen_units(1, 3).tolist() == [1] and read([1, 2], None).tolist() == [1, 2]
    for wrong in ([3], [-1], [], [0.5]):
        with pytest.raises(InputError, match="from 0 to 2"):
            chosen_units(wrong, 3)


def test_a_real_store_gives_what_its_arrays_give(tmp_path):
    run(tmp_path)
    stored, X = ki.load_store(tmp_path), ROWS[0].astype(np.float32)
    assert isinstance(stored, Stored) and not isinstance(X, Stored)
    words, documents = [text[:2] for text in stored.texts], np.repeat(np.arange(DOCUMENTS), PER)
    assert ki.top_words(stored, words, site="a").rows == ki.top_words(X, words).rows
    found = ki.top_contexts(stored, site="a", unit=3)
    assert found.rows == ki.top_contexts(X, stored.texts, documents, stored.spans, unit=3).rows
    assert {row["document"] for row in found.rows} <= set(range(DOCUMENTS))
    concepts = ki.find_concepts(words, stored.labels)
    explained = ki.explain_neurons(stored, concepts, site="a", quantile=0.7)
    assert str(explained) == str(ki.explain_neurons(X, concepts, documents=documents, quantile=0.7))
    with pytest.raises(InputError, match="name one"):
        ki.explain_neurons(stored, concepts)
