"""Hugging Face tokenizers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import compress
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError
from ..pairs import Pair
from ..text import NOWHERE, TokenRow
from .base import Encoded, Front, fronts, width_of

__all__ = ["HuggingFaceFront"]


@fronts.register("hugging_face")
class HuggingFaceFront(Front):
    """A fast tokenizer (`transformers.PreTrainedTokenizerFast`): it alone knows the character offsets of its tokens.

    The inputs are those of its arrays that the model has inputs for by name, or for a model with one input the ids.
    """

    pairs = True

    def __init__(self, tokenizer: Any, preprocess: Any, adapter: Any, max_length: int | None) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise InputTypeError(
                f"Only fast Hugging Face tokenizers know where a token stands in the text: load it with use_fast=True. "
                f"Received: {type(tokenizer).__name__}"
            )
        self._tokenizer, self._adapter, self._width = tokenizer, adapter, width_of(adapter)
        self._length = max_length or self._width
        if tokenizer.pad_token_id is None:
            raise InputError("The tokenizer has no padding token: set tokenizer.pad_token. Received: pad_token=None")

    @staticmethod
    def claims(tokenizer: Any, preprocess: Any) -> bool:
        return preprocess is None and hasattr(tokenizer, "get_vocab") and hasattr(tokenizer, "pad_token_id")

    @property
    def max_length(self) -> int | None:
        return self._length

    def encode(self, texts: Sequence[str]) -> Encoded:
        cut = {"truncation": True, "max_length": self._length} if self._length else {"truncation": False}
        pad: Any = "max_length" if self._width else True
        made = self._tokenizer(_given(texts), padding=pad, return_offsets_mapping=True, return_tensors="np", **cut)
        mask = made["attention_mask"].astype(bool)
        names = self._adapter.input_names()
        arrays = {key: value for key, value in made.items() if key != "offset_mapping"}
        if "token_type_ids" in names and "token_type_ids" not in arrays:
            arrays["token_type_ids"] = np.zeros_like(arrays["input_ids"])  # what the model itself takes when none are given
        inputs: Any = {key: arrays[key] for key in arrays if key in names} if names else arrays
        if len(names) == 1 and not inputs:
            inputs = made["input_ids"]
        unknown_id = self._tokenizer.unk_token_id  # looked up by a slow __getattr__: once, not per text
        special = np.array(sorted({*self._tokenizer.all_special_ids} - {unknown_id}), np.int64)
        return Encoded(inputs, mask, texts, lambda rows: [self._describe(texts[i], made, mask, i, unknown_id, special)
                                                         for i in rows])  # fmt: skip

    def identity(self) -> str:
        words = json.dumps(self._tokenizer.get_vocab(), sort_keys=True).encode()
        return f"{type(self._tokenizer).__name__} {hashlib.blake2b(words).hexdigest()} {self._length}"

    def _describe(
        self, text: str, made: Any, mask: np.ndarray, i: int, unknown_id: int | None, special: np.ndarray
    ) -> TokenRow:
        ids, offsets = made["input_ids"][i][mask[i]], made["offset_mapping"][i][mask[i]]
        nowhere = (ids[:, None] == special).any(1) | (offsets[:, 0] == offsets[:, 1])
        if isinstance(text, Pair):
            parts = np.array([part or 0 for part in compress(made.sequence_ids(i), mask[i])])
            offsets = offsets + text.offset * parts[:, None]
        spans = tuple(map(tuple, np.where(nowhere[:, None], NOWHERE, offsets).tolist()))
        end = max((stop for _, stop in spans), default=0)
        long = self._length and len(ids) >= self._length
        full = self._tokenizer(_given([text]), truncation=False)["input_ids"][0] if long else ids
        unknown = tuple((ids == unknown_id).tolist()) if unknown_id is not None else (False,) * len(ids)
        names = tuple(compress(made.encodings[i].tokens, mask[i]))
        return TokenRow(names, spans, len(full) > len(ids) and end <= len(text), unknown)


def _given(texts: Sequence[str]) -> list[Any]:
    """Strings or tuples, of which a tokenizer takes one or the other."""
    single = next((text for text in texts if not isinstance(text, Pair)), None)
    if single is not None and any(isinstance(text, Pair) for text in texts):
        raise InputError(f"Texts come all in pairs or all alone. Received: pairs, and {single!r}")
    return [(text.first, text.second) if isinstance(text, Pair) else text for text in texts]
