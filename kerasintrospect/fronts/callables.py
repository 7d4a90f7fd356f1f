"""Functions: `preprocess` makes the model's inputs, `tokenizer` (optional) names their positions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError, KerasIntrospectWarning
from ..text import NOWHERE, Span, TokenRow
from .base import Encoded, Front, fronts
from .positions import arrays, filled, named, positions, start, vocabulary

__all__ = ["CallableFront"]


@fronts.register("callables")
class CallableFront(Front):
    """`preprocess(list of str) -> inputs`, `tokenizer(str) -> list of str or of (start, end)`, both the user's own code."""

    priority = -1

    def __init__(self, tokenizer: Any, preprocess: Any, adapter: Any, max_length: int | None) -> None:
        if preprocess is None:
            raise InputTypeError(
                "A tokenizer that is a function only names the tokens: pass preprocess= too, the function from a list of "
                "str to model inputs. Received: preprocess=None"
            )
        self._tokenizer: Callable[[str], Sequence[Any]] | None = tokenizer
        self._preprocess = preprocess
        if max_length is not None:
            raise InputError(f"preprocess= decides the length itself: leave max_length out. Received: {max_length}")

    @staticmethod
    def claims(tokenizer: Any, preprocess: Any) -> bool:
        theirs = any(hasattr(tokenizer, name) for name in ("get_vocab", "get_vocabulary", "tokenizer"))
        return tokenizer is None or (callable(tokenizer) and not theirs)

    @property
    def max_length(self) -> int | None:
        return None

    def encode(self, texts: Sequence[str]) -> Encoded:
        inputs = arrays(self._preprocess(list(texts)))
        values = positions(inputs)
        if values is None:
            if self._tokenizer is not None:
                _warn("tokenizer= names the positions of one input of ids, or of vectors, and preprocess= gives none or "
                      "several: it is left out, and scores cannot be placed on words")  # fmt: skip
            return Encoded(inputs, None, texts)
        if len(values) != len(texts):
            raise InputError(f"preprocess gives one row per text. Received: {len(values)} rows for {len(texts)} texts")
        if self._tokenizer is None and values.ndim > 2:  # nobody says what is padding
            every = [_nameless(range(values.shape[1]), "")] * len(texts)
            return Encoded(inputs, None, texts, lambda rows: [every[i] for i in rows])
        mask = filled(values)
        return Encoded(inputs, mask, texts, lambda rows: self._describe([texts[i] for i in rows], values[rows], mask[rows]))

    def identity(self) -> str:
        names = [getattr(f, "__qualname__", type(f).__name__) for f in (self._tokenizer, self._preprocess) if f is not None]
        return "functions " + " ".join(names)

    def _describe(self, texts: Sequence[str], values: np.ndarray, mask: np.ndarray) -> list[TokenRow]:
        seen = [row[kept] for row, kept in zip(values, mask, strict=True)]
        if self._tokenizer is None:
            return [_nameless(ids.tolist()) for ids in seen]
        found = [named(self._tokenizer, text) for text in texts]
        more = {name for (names, _), ids in zip(found, seen, strict=True) if len(names) > len(ids) for name in names}
        known = vocabulary(self._preprocess, sorted(more)) if more else {}
        return [_row(text, *both, ids, known) for text, both, ids in zip(texts, found, seen, strict=True)]


def _row(text: str, names: list[str], spans: list[Span], seen: np.ndarray, known: dict[str, bytes]) -> TokenRow:
    first = 0 if len(seen) in (0, len(names)) else start([known.get(name) for name in names], seen)
    if first is None:
        _warn(f"The tokenizer gives {len(names)} tokens where the model has {len(seen)}: they cannot be matched, so the "
              f"positions are named by their ids. Text: {text[:80]!r}")  # fmt: skip
        return _nameless(seen.tolist() if seen.ndim == 1 else range(len(seen)))
    last = first + len(seen)
    cut = any(any(known.get(name, b"")) for name in [*names[:first], *names[last:]])  # others are unknown to the model
    return TokenRow(tuple(names[first:last]), tuple(spans[first:last]), cut)


def _nameless(ids: Sequence[Any], sign: str = "#") -> TokenRow:
    return TokenRow(tuple(f"{sign}{i}" for i in ids), (NOWHERE,) * len(ids), placed=False)


def _warn(what: str) -> None:
    warnings.warn(what, KerasIntrospectWarning, stacklevel=3)
