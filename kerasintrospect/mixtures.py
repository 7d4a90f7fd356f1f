"""Mixtures of tokens: what the model's embedding makes of each token at each position, and a weighted sum of it fed instead.

Nothing is asked of the text front but to encode: a token is what stands alone in the given texts, and its vector is what the
embedding gives when a text holds nothing else. So position vectors and norms inside an embedding are in it too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InputError, UnsupportedError
from .inputs import Arranged
from .runs import Runner
from .sites import Site
from .taps import Edit
from .text import NOWHERE, TokenRow

__all__ = ["Mixture", "edits", "mixture"]

Array = npt.NDArray[Any]
READ = 5000  # texts whose tokens are counted


@dataclass(frozen=True)
class Mixture:
    """Tokens that can stand at the free positions of a text.

    Attributes:
        tokens: As they are written.
        named: As the model's text front names them.
        joiner: What stands between them.
        sites: The embeddings.
        tables: Per embedding (positions, tokens, units): the vector of each token at each free position.
        arranged: A text of as many tokens, which the mixture goes into.
        free: The positions of the cut rows where tokens stand.
        notes: What should be known about them.
    """

    tokens: list[str]
    named: list[str]
    joiner: str
    sites: list[Site]
    tables: list[Array]
    arranged: Arranged
    leaves: list[Array]
    mask: Array
    free: Array
    notes: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """Free positions."""
        return len(self.free)

    def write(self, chosen: Array) -> str:
        """The text of some tokens."""
        return self.joiner.join(self.tokens[k] for k in chosen)

    def reads(self, arranged: Arranged, chosen: Array) -> Array:
        """(n,) bool: whether the tokens of encoded texts are those that were chosen."""
        rows = arranged.encoded.rows() or []
        wanted = [[self.named[k] for k in row] for row in chosen]
        return np.array([_placed(row) == one for row, one in zip(rows, wanted, strict=True)])

    def fixed(self, rows: int) -> list[Any]:
        """What every step of an ascent takes: leaves and mask for as many rows, tables, and where the free positions are."""
        import tensorflow as tf

        places = np.zeros((self.mask.shape[1], self.length), np.float32)
        places[self.free, np.arange(self.length)] = 1
        leaves = [tf.constant(np.repeat(leaf, rows, 0)) for leaf in self.leaves]
        mask, tables = tf.constant(np.repeat(self.mask, rows, 0)), [tf.constant(one) for one in self.tables]
        return [leaves, mask, tables, tf.constant(places)]


def edits(sites: Sequence[Site], weights: Any, tables: Sequence[Any], places: Any) -> dict[Site, Edit]:
    """What puts mixtures in the place of embedded tokens.

    Args:
        sites: The embeddings.
        weights: (rows, free positions, tokens).
        tables: As `Mixture.fixed` gives them.
        places: (positions, free positions) ones where they meet.
    """
    return {site: partial(_put, weights, table, places) for site, table in zip(sites, tables, strict=True)}


def _put(weights: Any, table: Any, places: Any, tensor: Any) -> Any:
    import tensorflow as tf

    mixed = tf.einsum("tl,rld->rtd", places, tf.einsum("rlv,lvd->rld", weights, table))
    return tf.where(tf.reduce_any(places > 0, 1)[None, :, None], tf.cast(mixed, tensor.dtype), tensor)


def mixture(
    runner: Runner, arrange: Callable[[Any], Arranged], texts: Sequence[str], length: int, most: int
) -> Mixture:
    """The tokens of texts, and what the embeddings make of each at each of the first positions.

    Args:
        runner: The model.
        arrange: What makes its inputs of texts.
        texts: Where the tokens are from.
        length: Free positions.
        most: Of the tokens the most frequent that are taken.

    Raises:
        InputError: if no token of the texts can be written alone, as many times.
        UnsupportedError: if the model looks up no tokens, or nobody knows where its tokens stand.
    """
    sites = runner.scan().embeddings()
    if not sites:
        raise UnsupportedError("The model has no Embedding layer that looks up its input, so there are no tokens to be mixed.")
    for site in sites:
        runner.scan().check_order(site)
    found = _surfaces(arrange, texts, most)
    tries = [(joiner, *_alone(arrange, found, joiner, length)) for joiner in (" ", "") if found]
    joiner, arranged, rows, kept = max(tries, key=lambda one: len(one[3]), default=("", None, [], np.zeros(0, int)))
    if arranged is None or not len(kept):
        raise InputError(f"No token of the texts stands alone {length} times in a row as the model reads texts: give more "
                         f"texts, or a smaller length. Received: {len(texts)} texts, length={length}")  # fmt: skip
    part = arranged.subset(kept)
    vectors, free, leaves, mask = _vectors(runner, part, sites, rows[kept[0]])
    _, first = np.unique(np.round(np.concatenate([one[0] for one in vectors], 1), 6), axis=0, return_index=True)
    order = np.sort(first)  # tokens that differ in case only, where the model sees none
    named = [_placed(rows[kept[k]])[0] for k in order]
    note = f"{len(order)} of {len(found)} kinds of tokens in the texts stand alone, differ for the model, and are mixed."
    tables = [np.ascontiguousarray(one[:, order]) for one in vectors]
    made = Mixture([found[kept[k]] for k in order], named, joiner, sites, tables, part, leaves, mask, free, (note,))
    _check(runner, arrange, made)
    return made


def _surfaces(arrange: Callable[[Any], Arranged], texts: Sequence[str], most: int) -> list[str]:
    """The tokens as they stand in the texts, the most frequent first."""
    shown = list(texts[:READ])
    rows = arrange(shown).encoded.rows()
    if rows is None or not any(row.placed and row.spans for row in rows):
        raise UnsupportedError("It is not known where the model's tokens stand in the texts, so texts cannot be written of "
                               "them: give wrap the tokenizer= too.")  # fmt: skip
    counts = Counter(
        text[start:end]
        for text, row in zip(shown, rows, strict=True)
        for k, (start, end) in enumerate(row.spans)
        if (start, end) != NOWHERE and not (row.unknown and row.unknown[k])
    )
    return [surface for surface, _ in counts.most_common(most)]


def _alone(
    arrange: Callable[[Any], Arranged], surfaces: Sequence[str], joiner: str, length: int
) -> tuple[Arranged, list[TokenRow], Array]:
    """Texts of one token over and over, their tokens, and which of them read as that."""
    arranged = arrange([joiner.join([surface] * length) for surface in surfaces])
    rows = arranged.encoded.rows() or []
    good = [len(set(_placed(row))) == 1 and len(_placed(row)) == length and not any(row.unknown) for row in rows]
    if arranged.mask is None or not any(good):
        return arranged, rows, np.zeros(0, int)
    shapes = Counter((row.spans.count(NOWHERE), mask.tobytes()) for row, mask, ok in
                     zip(rows, arranged.mask, good, strict=True) if ok)  # fmt: skip
    usual = shapes.most_common(1)[0][0]
    same = [(row.spans.count(NOWHERE), mask.tobytes()) == usual for row, mask in zip(rows, arranged.mask, strict=True)]
    return arranged, rows, np.flatnonzero(np.array(good) & np.array(same))


def _placed(row: TokenRow) -> list[str]:
    return [token for token, span in zip(row.tokens, row.spans, strict=True) if span != NOWHERE]


def _vectors(
    runner: Runner, arranged: Arranged, sites: list[Site], row: TokenRow
) -> tuple[list[Array], Array, list[Array], Array]:
    """Per site (free positions, rows, units); the free positions; leaves and mask of the first row, cut as they ran."""
    parts: list[tuple[Array, dict[str, Array]]] = []
    for rows, _, read in runner.forward(arranged, sites):
        parts.append((rows, {name: value.numpy() for name, (value, _) in read.items()}))
    (_, leaves, mask), *_ = runner.chunks(arranged.subset(np.arange(1)))
    if mask is None:
        raise UnsupportedError("It is not known which positions of the input are tokens: give wrap the tokenizer= too.")
    free = np.flatnonzero(mask[0])[[span != NOWHERE for span in row.spans]]
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))
    found = []
    for site in map(str, sites):
        if any(read[site].ndim != 3 or read[site].shape[1] != mask.shape[1] for _, read in parts):
            raise UnsupportedError(f"'{site}' does not give one vector per token, so tokens cannot be mixed there.")
        whole = np.concatenate([read[site][:, free] for _, read in parts])[order]
        found.append(np.ascontiguousarray(whole.swapaxes(0, 1).astype(np.float32)))
    return found, free, leaves, mask


def _check(runner: Runner, arrange: Callable[[Any], Arranged], made: Mixture) -> None:
    """Whether tokens in company have the vectors that they have alone."""
    chosen = np.random.default_rng(0).integers(len(made.tokens), size=(8, made.length))
    arranged = arrange([made.write(row) for row in chosen])
    same = np.flatnonzero(made.reads(arranged, chosen))
    if not len(same):
        return
    row = (arranged.encoded.rows() or [])[int(same[0])]
    found = _vectors(runner, arranged.subset(same), made.sites, row)[0]
    for site, table, values in zip(made.sites, made.tables, found, strict=True):
        expected = np.stack([table[k, chosen[same, k]] for k in range(made.length)])
        if not np.allclose(values, expected, rtol=1e-3, atol=1e-4):
            raise UnsupportedError(f"At '{site}' the vector of a token hangs on its neighbors: tokens cannot be mixed there.")
