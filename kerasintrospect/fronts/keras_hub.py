"""Preprocessors of KerasHub."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError
from ..text import NOWHERE, Span, TokenRow, align, words
from .base import Encoded, Front, fronts

__all__ = ["KerasHubFront"]


@fronts.register("keras_hub")
class KerasHubFront(Front):
    """A preprocessor such as `BertTextClassifierPreprocessor`, at its own `sequence_length`.

    The inputs are those of its arrays that the model has inputs for by name, or for a model with one input the ids.
    """

    def __init__(self, tokenizer: Any, preprocess: Any, adapter: Any, max_length: int | None) -> None:
        if getattr(tokenizer, "tokenizer", None) is None or hasattr(tokenizer, "mask_selection_rate"):
            raise InputTypeError(f"Of KerasHub give a preprocessor that packs texts, such as task.preprocessor, and that hides "
                                 f"no words by chance. Received: {type(tokenizer).__name__}")
        if max_length not in (None, tokenizer.sequence_length):
            raise InputError(f"A KerasHub preprocessor sets the length itself: leave max_length out, or set "
                             f"preprocessor.sequence_length. Received: max_length={max_length}")
        self._preprocessor, self._tokenizer, self._names = tokenizer, tokenizer.tokenizer, adapter.input_names()
        self._lost = {"<unk>", "[UNK]", getattr(self._tokenizer, "oov_token", None)}
        self._special = set(self._tokenizer.special_token_ids)

    @staticmethod
    def claims(tokenizer: Any, preprocess: Any) -> bool:
        return preprocess is None and any(base.__module__.split(".")[0] == "keras_hub" for base in type(tokenizer).__mro__)

    @property
    def max_length(self) -> int | None:
        return int(self._preprocessor.sequence_length)

    def encode(self, texts: Sequence[str]) -> Encoded:
        clean = [text.encode("utf-8", "replace").decode() for text in texts]
        made = self._preprocessor(clean)
        made = made[0] if isinstance(made, tuple) else made  # of a language model, with what it should say
        arrays = {key: np.asarray(value) for key, value in made.items()}
        ids, mask = arrays["token_ids"], arrays["padding_mask"].astype(bool)
        inputs: Any = {key: arrays[key] for key in arrays if key in self._names} if self._names else arrays
        inputs = ids if len(self._names) == 1 and not inputs else inputs
        return Encoded(inputs, mask, texts, lambda rows: [self._describe(clean[i], ids[i][mask[i]].tolist()) for i in rows])

    def identity(self) -> str:
        parts, learned = (self._preprocessor, self._tokenizer), ("vocabulary", "merges", "proto")
        kept = [{key: value for key, value in part.get_config().items() if key not in ("name", "tokenizer", "dtype")}
                | {key: getattr(part, key, None) for key in learned} for part in parts]  # fmt: skip
        state = json.dumps([kept, list(self._tokenizer.get_vocabulary())], sort_keys=True, default=repr)
        return f"{type(self._preprocessor).__name__} {hashlib.blake2b(state.encode('utf-8', 'replace')).hexdigest()}"

    def _describe(self, text: str, ids: list[int]) -> TokenRow:
        names = [str(self._tokenizer.id_to_token(i)) for i in ids]
        unknown = tuple(name in self._lost for name in names)
        inside = [k for k, i in enumerate(ids) if i not in self._special or unknown[k]]
        pieces = [names[k] for k in inside]
        found = _align_bytes(text, pieces) if hasattr(self._tokenizer, "merges") else align(text, pieces)
        spans = [NOWHERE] * len(ids)
        for k, span in zip(inside, _fill(text, found, [unknown[k] for k in inside]), strict=True):
            spans[k] = span
        full = [int(i) for i in self._tokenizer(text)] if len(ids) >= (self.max_length or 0) else []
        truncated = sum(i not in self._special for i in full) > sum(i not in self._special for i in ids)
        return TokenRow(tuple(names), tuple(spans), truncated, unknown)


def _align_bytes(text: str, pieces: Sequence[str]) -> list[Span]:
    """Of byte-level pieces: those that only together make a letter stand where it stands."""
    decode, groups = importlib.import_module("tokenizers.decoders").ByteLevel().decode, [list[str]()]
    for piece in pieces:
        groups[-1].append(piece)
        if "\ufffd" not in decode(groups[-1]) or len(groups[-1]) == 4:
            groups.append([])
    spans = align(text, list(map(decode, groups)))
    return [span for span, group in zip(spans, groups, strict=True) for _ in group]


def _fill(text: str, spans: list[Span], unknown: Sequence[bool]) -> list[Span]:
    """Unknown tokens take the words that are left between those that were found, if they are as many."""
    filled, stops, end = list(spans), [*spans, (len(text), 0)], 0
    for lost, run in groupby(range(len(spans)), key=lambda k: spans[k] == NOWHERE):
        places = list(run)
        takers, left = [k for k in places if unknown[k]], words(text[end : stops[places[-1] + 1][0]])
        if lost and len(left) == len(takers):
            for k, (start, stop) in zip(takers, left, strict=True):
                filled[k] = (end + start, end + stop)
        end = end if lost else spans[places[-1]][1]
    return filled
