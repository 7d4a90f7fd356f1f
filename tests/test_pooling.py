"""Pooling over what is no padding, and chunks put back in order: against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from kerasintrospect.fronts.base import Encoded
from kerasintrospect.inputs import Arranged
from kerasintrospect.pooling import join, pooled

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(4, 6, 3)).astype("f")
MASK = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]], bool)


def by_hand(how: str) -> np.ndarray:
    rows = []
    for value, mask in zip(VALUES, MASK, strict=True):
        kept = value[mask]
        made = {"mean": lambda k: k.mean(0), "max": lambda k: k.max(0), "first": lambda k: k[0], "last": lambda k: k[-1]}
        rows.append(made[how](kept) if len(kept) else np.zeros(3))
    return np.array(rows)


@pytest.mark.parametrize("how", ["mean", "max", "first", "last"])
@pytest.mark.parametrize("own", [True, False])
def test_padding_is_never_pooled(how: str, own: bool) -> None:
    import tensorflow as tf

    value, mask = tf.constant(VALUES), tf.constant(MASK)
    found, _ = pooled(value, mask if own else None, () if own else mask, how)
    np.testing.assert_allclose(found, by_hand(how), atol=1e-6)


def test_without_a_mask_everything_counts() -> None:
    import tensorflow as tf

    np.testing.assert_allclose(pooled(tf.constant(VALUES), None, (), "mean")[0], VALUES.mean(1), atol=1e-6)
    other = tf.constant(MASK[:, :4])  # a site with positions of its own
    np.testing.assert_allclose(pooled(tf.constant(VALUES), None, other, "mean")[0], VALUES.mean(1), atol=1e-6)
    flat = tf.constant(VALUES[:, 0])
    assert pooled(flat, None, (), "mean")[0] is flat


def test_chunks_come_back_where_they_stood() -> None:
    mask = np.arange(8)[None] < np.array([3, 8, 5])[:, None]
    arranged = Arranged(Encoded(None), [mask.astype("i")], 0, False, None, np.zeros(3, int)).masked(mask)
    parts = [(np.array([0, 2]), np.ones((2, 8, 2))), (np.array([1]), np.full((1, 8, 2), 2.0))]
    notes: list[str] = []
    whole = join(arranged, parts, "h", notes)
    assert whole.shape == (3, 8, 2) and whole[1].min() == 2 and whole[[0, 2]].max() == 1 and not notes
    front = arranged.masked(mask[:, ::-1])
    cut = front.columns(np.array([0]))
    assert (cut.start, cut.stop) == (4, None)
    found = join(front, [(np.array([0]), np.ones((1, 4, 2))), (np.array([1, 2]), np.ones((2, 8, 2)))], "h", notes)
    assert found[0, :4].max() == 0 and found[0, 4:].min() == 1
    odd = join(arranged, [(np.array([0, 2]), np.ones((2, 3, 2))), (np.array([1]), np.ones((1, 5, 2)))], "conv", notes)
    assert odd.shape == (3, 5, 2) and notes and "'conv' has positions of its own" in notes[0]
