"""What users give: arrays, lists, dicts, datasets; and what is wrong with the rest, in one sentence."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zoo

import kerasintrospect as ki
from kerasintrospect.fronts.base import Encoded
from kerasintrospect.inputs import arrange, gather


@pytest.fixture(scope="module")
def tf() -> ModuleType:
    import tensorflow

    return tensorflow


def lengths(*counts: int, width: int = 40) -> np.ndarray:
    return np.array([[True] * n + [False] * (width - n) for n in counts])


def arranged(tf: ModuleType, mask: np.ndarray, **leaves: Any) -> Any:
    ids = np.arange(1, mask.size + 1, dtype="int32").reshape(mask.shape) * mask
    given = {"ids": ids, **leaves}
    spec = {name: tf.TensorSpec([None, *value.shape[1:]], value.dtype) for name, value in given.items()}
    return arrange(Encoded(given, mask), spec, False)


# Cutting


def test_a_chunk_is_cut_to_its_longest_row_rounded_up(tf):
    found = arranged(tf, lengths(3, 9, 40, 0))
    for rows, width in (([0], 4), ([0, 1], 12), ([2, 3], 40), ([3], 4)):
        (ids,), mask = found.take(np.array(rows), True)
        assert ids.shape == mask.shape == (len(rows), width)
        assert np.array_equal(ids, found.leaves[0][rows][:, :width]) and np.array_equal(mask, found.mask[rows][:, :width])
    assert found.take(np.array([0]), False)[0][0].shape == (1, 40)


def test_padding_in_front_is_cut_in_front(tf):
    found = arranged(tf, lengths(3, 9)[:, ::-1])
    (ids,), mask = found.take(np.array([0]), True)
    assert found.front_padded and mask.tolist() == [[False, True, True, True]]
    assert np.array_equal(ids, found.leaves[0][:1, -4:])


def test_padding_on_both_sides_is_not_cut(tf):
    mask = np.stack([lengths(5)[0], lengths(5)[0, ::-1]])
    found = arranged(tf, mask)
    assert found.take(np.array([0]), True)[0][0].shape == (1, 40) and not len(found.shorter())


def test_what_has_no_positions_is_not_cut(tf):
    extra = np.full((2, 40), 0.5, "float32")
    images = np.ones((2, 40, 3), "float32")
    found = arranged(tf, lengths(3, 9), extra=extra, images=images)
    cut = dict(zip(("extra", "ids", "images"), found.take(np.array([0]), True)[0], strict=True))
    assert cut["extra"].shape == (1, 40) and cut["ids"].shape == (1, 4) and cut["images"].shape == (1, 4, 3)


def test_rows_that_lose_columns_come_shortest_first(tf):
    assert arranged(tf, lengths(39, 9, 40, 3, 37)).shorter().tolist() == [3, 1]


def test_padding_is_what_is_zero_in_every_input_of_ids(tf):
    short, long = np.array([[1, 2, 0, 0, 0]]), np.array([[1, 2, 3, 4, 0]])
    for first, second in ((short, long), (long, short)):
        made = arrange(Encoded([first, second]), [tf.TensorSpec([None, 5], "int32")] * 2, False)
        assert made.filled().tolist() == [[True, True, True, True, False]]


def test_an_input_that_is_called_a_mask_says_what_is_padding(tf):
    given = {"attention_mask": np.array([[1, 1, 0]]), "input_ids": np.array([[5, 6, 1]])}  # RoBERTa pads with 1
    made = arrange(Encoded(given), {name: tf.TensorSpec([None, 3], "int32") for name in given}, False)
    assert made.filled().tolist() == [[True, True, False]]


# Gathering


@pytest.mark.parametrize(
    "given",
    [
        lambda tf, x: x.tolist(),
        lambda tf, x: list(x),
        lambda tf, x: tf.constant(x),
        lambda tf, x: pd.DataFrame(x),
        lambda tf, x: tf.data.Dataset.from_tensor_slices(x).batch(2),
        lambda tf, x: tf.data.Dataset.from_tensor_slices((x, x, x)).batch(4),
    ],
)
def test_one_input_may_come_as(tf, given, case):
    kind, lens = case("sequential_not_built", "keras")
    assert np.allclose(lens.predict(given(tf, kind.inputs)).scores, zoo.softmax(kind.at("logits")), atol=1e-5)


@pytest.mark.parametrize(
    "given",
    [
        lambda tf, x: dict(reversed(x.items())),
        lambda tf, x: {name: tf.constant(value) for name, value in x.items()},
        lambda tf, x: {name: value.tolist() for name, value in x.items()},
        lambda tf, x: {name: value.astype("int64") for name, value in x.items()},
        lambda tf, x: tf.data.Dataset.from_tensor_slices(x).batch(5),
        lambda tf, x: tf.data.Dataset.from_tensor_slices((x, x["body"])).batch(2),
    ],
)
@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_a_dict_of_inputs_may_come_as(tf, given, case, family):
    kind, lens = case("dict_inputs", family)
    assert np.allclose(lens.predict(given(tf, kind.inputs)).scores, zoo.softmax(kind.at("logits")), atol=1e-5)


def test_a_list_of_inputs_may_go_by_the_names_of_the_inputs(case):
    for family in ("keras", "tf_keras"):
        kind, lens = case("list_inputs", family)
        named = dict(zip(("left_input", "right_input"), kind.inputs, strict=True))
        for given in (named, dict(reversed(named.items())), tuple(kind.inputs)):
            assert np.allclose(lens.predict(given).scores, zoo.softmax(kind.at("logits")), atol=1e-5)


def test_strings_may_come_as(tf, case):
    kind, lens = case("raw_strings", "keras")
    texts = list(kind.inputs)
    expected = zoo.softmax(kind.at("logits"))
    for given in (texts, tuple(texts), np.array(texts), np.array(texts, object)[:, None], pd.Series(texts, index=range(9, 15)),
                  [text.encode() for text in texts], tf.constant(texts),
                  tf.data.Dataset.from_tensor_slices(texts).batch(4)):  # fmt: skip
        assert np.allclose(lens.predict(given).scores, expected, atol=1e-5)
    assert np.allclose(lens.predict(texts[:1]).scores, expected[:1], atol=1e-5)


# What cannot be used


@pytest.mark.parametrize(
    ("kind", "given", "error", "says"),
    [
        ("functional", lambda tf: [], ki.InputError, "There is no text to run. Received: an empty list"),
        ("functional", lambda tf: np.zeros((0, 7), int), ki.InputError, "There is no example to run. Received: empty inputs"),
        ("functional", lambda tf: np.zeros((2, 8), int), ki.InputError,
         "The model takes arrays of shape (None, 7). Received: shape (2, 8)"),
        ("functional", lambda tf: np.zeros(7, int), ki.InputError,
         "The model takes arrays of shape (None, 7). Received: shape (7,)"),
        ("functional", lambda tf: np.zeros((2, 7, 1), int), ki.InputError,
         "The model takes arrays of shape (None, 7). Received: shape (2, 7, 1)"),
        ("functional", lambda tf: np.full((2, 7), 0.5), ki.InputTypeError,
         "The model takes int32. Received: float64 with fractions, such as 0.5"),
        ("functional", lambda tf: np.full((2, 7), np.nan), ki.InputTypeError,
         "The model takes int32. Received: float64 with fractions, such as nan"),
        ("functional", lambda tf: ["a text"], ki.InputTypeError,
         "The model takes int32 of shape [None, 7]. Received: texts: was a tokenizer= or preprocess= forgotten?"),
        ("functional", lambda tf: [np.zeros((2, 7)), np.zeros((2, 7))], ki.InputError, "The model takes 1 inputs. Received: 2"),
        ("functional", lambda tf: [[1, 2, 3], [4, 5]], ki.InputError,
         "The rows of an input have one length: pad them. Received: rows of different lengths"),
        ("functional", lambda tf: 3, ki.InputTypeError, "Inputs hold one row per example. Received: 3"),
        ("functional", lambda tf: None, ki.InputTypeError,
         "Inputs are arrays, a list or dict of arrays, a tf.data.Dataset, or, when the model has a text front, a list of str. "
         "Received: an object of type NoneType"),
        ("functional", lambda tf: {"ids": np.zeros((2, 7)), "more": np.zeros((2, 7))}, ki.InputError,
         "The model takes inputs named ['ids']. Received: ['ids', 'more']"),
        ("functional", lambda tf: tf.data.Dataset.from_tensor_slices(zoo.numbers()), ki.InputError,
         "The model takes arrays of shape (None, 7). Received: shape (42,)"),
        ("functional", lambda tf: tf.data.Dataset.from_tensor_slices(zoo.numbers()).batch(2).take(0), ki.InputError,
         "There is no example to run. Received: an empty tf.data.Dataset"),
        ("dict_inputs", lambda tf: {"title": np.zeros((2, 3))}, ki.InputError,
         "The model takes inputs named ['body', 'title']. Received: ['title']"),
        ("dict_inputs", lambda tf: np.zeros((2, 7)), ki.InputError,
         "The model takes a dict with the keys ['body', 'title']. Received: no dict"),
        ("dict_inputs", lambda tf: {"title": np.zeros((2, 3)), "body": np.zeros((3, 7))}, ki.InputError,
         "All inputs hold the same number of examples. Received: [3, 2]"),
        ("list_inputs", lambda tf: np.zeros((2, 4)), ki.InputError, "The model takes 2 inputs. Received: 1"),
        ("raw_strings", lambda tf: "one text", ki.InputTypeError,
         "Texts come as a list of str, also a single one. Received: 'one text'"),
        ("raw_strings", lambda tf: ["a", None], ki.InputTypeError,
         "Texts come as a list of str. Received: inputs[1]=None (of type NoneType)"),
        ("raw_strings", lambda tf: ["a", float("nan")], ki.InputTypeError, "Received: inputs[1]=nan (of type float)"),
        ("raw_strings", lambda tf: [], ki.InputError, "There is no text to run. Received: an empty list"),
        ("raw_strings", lambda tf: np.zeros((2, 1)), ki.InputTypeError,
         "The model takes string of shape [None, 1]. Received: numbers, but the model takes strings"),
        ("raw_strings", lambda tf: tf.data.Dataset.from_tensor_slices(["a", "b"]), ki.InputError,
         "A tf.data.Dataset gives batches: call .batch(n) on it. Received: single examples"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_what_cannot_be_used_says_so(tf, case, kind, given, error, says, family):
    with pytest.raises(error) as found:
        case(kind, family).lens.predict(given(tf))
    assert says in str(found.value)


def test_batches_of_different_widths_are_refused(tf):
    rows = tf.TensorSpec([1, None], tf.int32)
    batches = tf.data.Dataset.from_generator(lambda: iter([[[1, 2]], [[1, 2, 3]]]), output_signature=rows)
    with pytest.raises(ki.InputError, match="different widths: pad them to one"):
        gather(batches)


def test_inputs_are_not_changed(case):
    kind, lens = case("masked_lstm", "keras")
    given = kind.inputs.copy()
    lens.attribute(given, "occlusion")
    lens.predict(given)
    assert np.array_equal(given, kind.inputs)
