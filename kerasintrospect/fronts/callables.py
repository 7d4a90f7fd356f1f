"""Functions: `preprocess` makes the model's inputs, `tokenizer` (optional) names their positions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError, KerasIntrospectWarning
from ..text import NOWHERE, TokenRow, align
from .base import Encoded, Front, fronts

__all__ = ["CallableFront", "locate"]


@fronts.register("callables")
class CallableFront(Front):
    """`preprocess(list of str) -> inputs`, `tokenizer(str) -> list of str`, both the user's own code."""

    def __init__(self, tokenizer: Any, preprocess: Any, adapter: Any, max_length: int | None) -> None:
        if preprocess is None:
            raise InputTypeError(
                "A tokenizer that is a function only names the tokens: pass preprocess= too, the function from a list of "
                "str to model inputs. Received: preprocess=None"
            )
        self._tokenizer: Callable[[str], Sequence[str]] | None = tokenizer
        self._preprocess = preprocess
        if max_length is not None:
            raise InputError(f"preprocess= decides the length itself: leave max_length out. Received: {max_length}")

    @staticmethod
    def claims(tokenizer: Any, preprocess: Any) -> bool:
        return (callable(tokenizer) and not hasattr(tokenizer, "get_vocab")) or tokenizer is None

    def encode(self, texts: Sequence[str]) -> Encoded:
        inputs = self._preprocess(list(texts))
        ids = _ids(inputs)
        if ids is None:
            return Encoded(inputs, None, texts)
        if len(ids) != len(texts):
            raise InputError(f"preprocess gives one row per text. Received: {len(ids)} rows for {len(texts)} texts")
        mask, kept = locate(ids, None)
        return Encoded(inputs, mask, texts, lambda rows: [self._describe(texts[i], ids[i][mask[i]]) for i in rows])

    def identity(self) -> str:
        names = [getattr(f, "__qualname__", type(f).__name__) for f in (self._tokenizer, self._preprocess) if f is not None]
        return "functions " + " ".join(names)

    def _describe(self, text: str, ids: np.ndarray) -> TokenRow:
        if self._tokenizer is None:
            return TokenRow(tuple(f"#{i}" for i in ids.tolist()), (NOWHERE,) * len(ids))
        names = list(self._tokenizer(text))
        if len(names) < len(ids):
            warnings.warn(
                f"The tokenizer gives {len(names)} tokens where the model has {len(ids)}: they cannot be matched, so the "
                f"positions are named by their ids. Text: {text[:80]!r}",
                KerasIntrospectWarning,
                stacklevel=2,
            )
            return TokenRow(tuple(f"#{i}" for i in ids.tolist()), (NOWHERE,) * len(ids))
        return TokenRow(tuple(names[: len(ids)]), tuple(align(text, names)[: len(ids)]), len(names) > len(ids))


def _ids(inputs: Any) -> np.ndarray | None:
    arrays = inputs.values() if isinstance(inputs, dict) else inputs if isinstance(inputs, (list, tuple)) else [inputs]
    first = np.asarray(next(iter(arrays)))
    whole = first.ndim == 2 and (first.dtype.kind in "iu" or (first.dtype.kind == "f" and (first == np.rint(first)).all()))
    return first.astype(np.int64) if whole else None


def locate(inputs: np.ndarray, sequences: Sequence[Sequence[int]] | None) -> tuple[np.ndarray, list[slice]]:
    """Where the tokens stand in padded ids, and which part of each sequence of ids was kept.

    Args:
        inputs: (examples, positions) ids, 0 at padding.
        sequences: The ids before padding and cutting; None to take every non-zero run as it stands.

    Returns:
        mask (examples, positions) bool, and a slice into each sequence.

    Raises:
        InputError: if a row holds other ids than a stretch of its sequence.
    """
    mask, kept = np.zeros(inputs.shape, bool), []
    for i, row in enumerate(inputs):
        filled = np.flatnonzero(row)
        start, end = (int(filled[0]), int(filled[-1]) + 1) if len(filled) else (0, 0)
        mask[i, start:end] = True
        ids = row[start:end].astype(np.int64).tolist()
        offset = 0 if sequences is None else _offset(list(sequences[i]), ids)
        if offset < 0:
            raise InputError(
                f"preprocess gives other ids than the tokenizer for text {i}: {ids[:8]} is no stretch of "
                f"{list(sequences[i])[:8] if sequences is not None else []}"
            )
        kept.append(slice(offset, offset + len(ids)))
    return mask, kept


def _offset(sequence: list[int], ids: list[int]) -> int:
    starts = dict.fromkeys((0, len(sequence) - len(ids), *range(len(sequence) - len(ids) + 1)))
    return next((k for k in starts if k >= 0 and sequence[k : k + len(ids)] == ids), -1)
