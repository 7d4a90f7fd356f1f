"""The two sides of a ranking."""

import numpy as np

from kerasintrospect.rankings import Influences, Ranked, strongest


def test_the_strongest_come_in_order_and_only_of_their_sign():
    scores = np.array([[1.0, -2, 3, 0, 2], [-1, -1, 0, 0, 4], [-1, -2, -3, -4, -5]], "float32")
    indices, values = strongest(scores, 3)
    assert indices.tolist() == [[2, 4, 0], [4, -1, -1], [-1, -1, -1]]
    np.testing.assert_array_equal(values, np.array([[3, 2, 1], [4, np.nan, np.nan], [np.nan] * 3], "float32"))
    assert strongest(-scores, 2)[0].tolist() == [[1, -1], [0, 1], [4, 3]]


def test_equal_scores_keep_the_order_of_the_training_set():
    assert strongest(np.ones((1, 50), "float32"), 50)[0].tolist() == [list(range(50))]


def test_the_table_has_a_row_per_found_example():
    side = Ranked(np.array([[2, -1], [0, 1]]), np.array([[0.5, np.nan], [3, 1]], "float32"),
                  [["c", None], ["a", "b\ud800"]], np.array([[1, -1], [0, 1]]), ["no", "yes"])  # fmt: skip
    other = Ranked(np.array([[1], [-1]]), np.array([[-0.5], [np.nan]], "float32"), None, None, None)
    frame = side.to_frame()
    assert frame["index"].tolist() == [2, 0, 1] and frame["rank"].tolist() == [1, 1, 2]
    assert frame["label"].tolist() == ["yes", "no", "yes"] and frame["text"].tolist() == ["c", "a", "b\ud800"]
    both = Influences(side, other, None, np.array([1, 0]), ["no", "yes"]).to_frame()
    assert both.columns.tolist() == ["query", "side", "rank", "index", "influence", "label", "text"]
    assert both["side"].tolist() == ["proponent", "opponent", "proponent", "proponent"]
    assert both["query"].tolist() == [0, 0, 1, 1]
