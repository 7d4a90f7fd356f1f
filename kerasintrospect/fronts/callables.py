"""Functions: `preprocess` makes the model's inputs, `tokenizer` (optional) names their positions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError, KerasIntrospectWarning
from ..text import NOWHERE, TokenRow, align
from .base import Encoded, Front, fronts, locate

__all__ = ["CallableFront"]


@fronts.register("callables")
class CallableFront(Front):
    """`preprocess(list of str) -> inputs`, `tokenizer(str) -> list of str`, both the user's own code."""

    priority = -1

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
        theirs = any(hasattr(tokenizer, name) for name in ("get_vocab", "get_vocabulary", "tokenizer"))
        return tokenizer is None or (callable(tokenizer) and not theirs)

    @property
    def max_length(self) -> int | None:
        return None

    def encode(self, texts: Sequence[str]) -> Encoded:
        inputs = _arrays(self._preprocess(list(texts)))
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


def _arrays(inputs: Any) -> Any:
    """The user's inputs with lists of numbers made arrays."""
    if isinstance(inputs, dict):
        return {key: np.asarray(value) for key, value in inputs.items()}
    several = isinstance(inputs, (list, tuple)) and len(inputs) > 0 and getattr(inputs[0], "ndim", 1) > 1
    return [np.asarray(value) for value in inputs] if several else np.asarray(inputs)


def _ids(inputs: Any) -> np.ndarray | None:
    arrays = list(inputs.values()) if isinstance(inputs, dict) else inputs if isinstance(inputs, list) else [inputs]
    named = [value for key, value in inputs.items() if key.endswith("ids")] if isinstance(inputs, dict) else []
    first = (named or arrays)[0]
    whole = first.ndim == 2 and (first.dtype.kind in "iu" or (first.dtype.kind == "f" and (first == np.rint(first)).all()))
    return first.astype(np.int64) if whole else None
