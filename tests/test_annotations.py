"""Labels come as classes in their order or as numbers, per text or per word."""

import numpy as np
import pytest

from kerasintrospect.annotations import Labels
from kerasintrospect.errors import InputError, InputTypeError
from kerasintrospect.tagging import tagged


@pytest.mark.parametrize(("given", "values", "classes"), [
    (["b", "a", None, "b"], [1, 0, -1, 1], ["a", "b"]), ([3, 1, 3, 10], [1, 0, 1, 2], [1, 3, 10]),
    (np.array([True, False, True, True]), [1, 0, 1, 1], [False, True]), ([0.5, 1, 2.0, np.float32(3)], [0.5, 1, 2, 3], None),
])  # fmt: skip
def test_labels_of_texts(given, values, classes):
    found = Labels.of(4, given, "example")
    assert (found.values.tolist(), found.classes) == (values, classes)
    assert found.take(np.array([3, 3, 0]), None).tolist() == [values[3], values[3], values[0]]
    assert found.digest() == Labels.of(4, list(given), "word").digest() != Labels.of(4, None, "word").digest()


def test_labels_of_words_go_to_the_words_and_tokens_where_they_stand():
    found = Labels.of(tagged([["ab", "c"], ["def"]], [["N", None], ["V"]]), None, "token")
    documents, spans = np.array([0, 0, 0, 0, 1]), np.array([(0, 1), (1, 2), (3, 4), (-1, -1), (0, 2)])
    assert found.classes == ["N", "V"] and found.take(documents, spans).tolist() == [0, 0, -1, -1, 1]
    assert found.take(documents[4:], spans[4:]).tolist() == [1] and not len(found.take(documents[:0], spans[:0]))


@pytest.mark.parametrize(("labels", "kind", "said"), [
    (["a"], InputError, "2 texts, 1 labels"), ("ab", InputTypeError, "one label per text"),
    (["a", 1], InputTypeError, "int, str"),
    ([None, None], InputTypeError, "only None"), ([0.5, float("inf")], InputError, "finite.*Received: inf at position 1"),
    ([0.5, float("nan")], InputError, "None where there is none. Received: nan at position 1"),
    ([["a"], ["b"]], InputTypeError, "list"),
])  # fmt: skip
def test_what_are_no_labels(labels, kind, said):
    with pytest.raises(kind, match=said):
        Labels.of(2, labels, "example")


def test_a_number_may_be_missing_as_a_class_may():
    found = Labels.of(tagged([["ab", "c"], ["def"]], [[0.5, None], [2]]), None, "token")
    documents, spans = np.array([0, 0, 0, 1]), np.array([(0, 1), (3, 4), (-1, -1), (0, 2)])
    np.testing.assert_array_equal(found.take(documents, spans), [0.5, np.nan, np.nan, 2])
    assert found.classes is None and Labels.of(2, [None, 1.5], "example").values[1] == 1.5


def test_words_have_one_kind_of_labels():
    words = tagged([["a"]], [["x"]])
    with pytest.raises(InputError, match="labelled already"):
        Labels.of(words, ["x"], "word")
    with pytest.raises(InputError, match='unit="word"'):
        Labels.of(words, None, "example")
