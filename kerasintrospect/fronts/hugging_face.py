"""Hugging Face tokenizers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import compress, pairwise
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError
from ..pairs import Pair, apart
from ..text import NOWHERE, TokenRow
from .base import Encoded, Front, fronts, length_of, width_of

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
        self._length, self._said = length_of(adapter, max_length), max_length or self._width
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
        made = self._tokenizer(apart(texts), padding=pad, return_offsets_mapping=True, return_tensors="np", **cut)
        mask = made["attention_mask"].astype(bool)
        names = self._adapter.input_names()
        arrays = {key: value for key, value in made.items() if key != "offset_mapping"}
        if "token_type_ids" in names and "token_type_ids" not in arrays:
            arrays["token_type_ids"] = np.zeros_like(arrays["input_ids"])  # what the model itself takes when none are given
        inputs: Any = {key: arrays[key] for key in arrays if key in names} if names else arrays
        if len(names) == 1 and not inputs:
            inputs = made["input_ids"]
        return Encoded(inputs, mask, texts, lambda rows: self._describe(texts, made, mask, np.asarray(rows, np.int64)))

    def identity(self) -> str:
        vocabulary, backend = self._tokenizer.get_vocab(), self._tokenizer.backend_tokenizer
        words = sorted(vocabulary, key=vocabulary.__getitem__)
        digest = hashlib.sha256(json.dumps(words).encode())
        digest.update(np.array([vocabulary[word] for word in words], np.int64).tobytes())
        for part in (backend.normalizer, backend.pre_tokenizer, backend.post_processor):
            digest.update(type(part).__name__.encode())
            with suppress(Exception):  # there is none, or it is written in Python and cannot be told from another
                digest.update(part.__getstate__())
        return f"{type(self._tokenizer).__name__} {digest.hexdigest()} {self._said}"

    def _describe(self, texts: Sequence[str], made: Any, mask: np.ndarray, rows: np.ndarray) -> list[TokenRow]:
        """The tokens of these texts, described as one run of tokens and then cut apart."""
        seen = mask[rows]
        ids, offsets = made["input_ids"][rows][seen], made["offset_mapping"][rows][seen]
        unknown_id = self._tokenizer.unk_token_id
        special = sorted({*self._tokenizer.all_special_ids} - {unknown_id})
        nowhere = np.isin(ids, special) | (offsets[:, 0] == offsets[:, 1])
        ends = np.cumsum(seen.sum(1)).tolist()
        parts = [(i, slice(*part)) for i, part in zip(rows.tolist(), pairwise([0, *ends]), strict=True)]
        for i, part in parts:
            if isinstance(texts[i], Pair):
                second = np.array([number or 0 for number in compress(made.sequence_ids(i), mask[i])])
                offsets[part] += texts[i].offset * second[:, None]
        offsets[nowhere] = NOWHERE
        spans, unknown = list(zip(*offsets.T.tolist(), strict=True)), (ids == unknown_id).tolist()
        return [TokenRow(tuple(compress(made.encodings[i].tokens, mask[i].tolist())), tuple(spans[part]),
                         self._is_cut(texts[i], ids[part], offsets[part]), tuple(unknown[part]))
                for i, part in parts]  # fmt: skip

    def _is_cut(self, text: str, ids: np.ndarray, spans: np.ndarray) -> bool:
        """Whether the text has more tokens than these."""
        if not self._length or len(ids) < self._length:
            return False
        full = self._tokenizer(apart([text]), truncation=False, verbose=False)["input_ids"][0]
        return len(full) > len(ids) and int(spans[:, 1].max(initial=0)) <= len(text)
