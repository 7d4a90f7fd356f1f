"""Products of factors against gradients that are written out."""

import numpy as np
import pytest

from kerasintrospect.factors import Outer, Rows, Tokens, Whole


def examples(n, seed):
    """h, delta of n examples at up to seven positions, some without a gradient, padded with zeros; two of the ids are equal."""
    rng = np.random.default_rng(seed)
    h, delta = rng.normal(size=(n, 7, 4)).astype("float32"), rng.normal(size=(n, 7, 3)).astype("float32")
    delta[np.arange(7) >= rng.integers(0, 8, n)[:, None]] = 0
    return h, delta, rng.integers(0, 5, (n, 7))


def written_out(form, h, delta, ids):
    if form is Rows:
        return np.stack([np.eye(5)[row].T @ d for row, d in zip(ids, delta, strict=True)]).reshape(len(h), -1)
    if form is Outer:
        h, delta = h[:, :1], delta[:, :1]
    return np.concatenate([np.einsum("nti,nto->nio", h, delta).reshape(len(h), -1), delta.sum(1)], 1)


def made(form, h, delta, ids, rng):
    """Built of two chunks of other widths, in another order."""
    rows = rng.permutation(len(h))
    parts = []
    for chunk in (rows[:4], rows[4:]):
        width = max(1, int((delta[chunk] != 0).any((0, 2)).sum()))
        a, b, i = h[chunk, :width], delta[chunk, :width], ids[chunk, :width]
        parts.append({
            Outer: [a[:, 0], b[:, 0]], Tokens: [a, b], Rows: [i, b],
            Whole: [np.concatenate([np.einsum("nti,nto->nio", a, b).reshape(len(a), -1), b.sum(1)], 1)],
        }[form])  # fmt: skip
    return form.join(np.argsort(rows), parts, True)


@pytest.mark.parametrize("form", [Outer, Whole, Tokens, Rows])
def test_a_dot_product_of_factors_is_that_of_the_gradients(form, monkeypatch):
    monkeypatch.setattr("kerasintrospect.factors._CELLS", 2**18)  # so that there are several blocks
    rng = np.random.default_rng(0)
    train, test = examples(60, 1), examples(9, 2)
    mine, theirs = made(form, *test, rng), made(form, *train, rng)
    a, b = written_out(form, *test), written_out(form, *train)
    np.testing.assert_allclose(mine.dot(theirs), a @ b.T, atol=1e-4)
    np.testing.assert_allclose(theirs.squares(), (b**2).sum(1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mine.part(3, 8).dot(theirs.part(10, 50)), a[3:8] @ b[10:50].T, atol=1e-4)
    assert (len(mine), len(mine.part(3, 8))) == (9, 5)


def test_positions_without_a_gradient_are_not_kept():
    h, delta, ids = examples(40, 3)
    kept = np.maximum((delta != 0).any(2).sum(1), 1)
    assert len(made(Tokens, h, delta, ids, np.random.default_rng(0)).h) == kept.sum()


def test_a_layer_without_bias_has_none_in_its_products():
    h, delta = np.array([[1.0, 2.0]], "float32"), np.array([[3.0]], "float32")
    assert Outer(h, delta, False).dot(Outer(h, delta, False)) == 45
    assert Outer(h, delta, True).squares() == 54
    tokens = [Tokens(h, delta, np.array([0, 1]), bias) for bias in (False, True)]
    assert [float(t.squares()[0]) for t in tokens] == [45, 54]
