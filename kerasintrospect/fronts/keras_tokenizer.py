"""The `Tokenizer` of tf_keras with or without the user's own padding."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..text import TokenRow, align
from .base import Encoded, Front, fronts, locate, width_of

__all__ = ["KerasTokenizerFront"]


@fronts.register("keras_tokenizer")
class KerasTokenizerFront(Front):
    """Ids by `texts_to_sequences`; padding and cutting in front, as `pad_sequences` does, unless `preprocess` does it.

    Words that the Tokenizer does not know are dropped by it (or become its `oov_token`), so they are no tokens.
    """

    def __init__(self, tokenizer: Any, preprocess: Any, adapter: Any, max_length: int | None) -> None:
        self._tokenizer, self._preprocess, length = tokenizer, preprocess, max_length or width_of(adapter)
        if preprocess is None and length is None:
            raise InputError(
                "A Tokenizer does not know how long the model's inputs are: pass max_length=, or preprocess= with your own "
                "pad_sequences. Received: max_length=None"
            )
        self._length = length or 0

    @staticmethod
    def claims(tokenizer: Any, preprocess: Any) -> bool:
        return hasattr(tokenizer, "texts_to_sequences") and hasattr(tokenizer, "word_index")

    @property
    def max_length(self) -> int | None:
        return self._length or None

    def encode(self, texts: Sequence[str]) -> Encoded:
        sequences = self._tokenizer.texts_to_sequences(list(texts))
        if self._preprocess is not None:
            inputs = np.asarray(self._preprocess(list(texts)))
        else:
            inputs = np.zeros((len(texts), self._length), np.int32)
            for row, ids in zip(inputs, sequences, strict=True):
                row[len(row) - min(len(ids), len(row)) :] = ids[-len(row) :]
        mask, kept = locate(inputs, sequences)
        return Encoded(inputs, mask, texts, lambda rows: [self._describe(texts[i], sequences[i], kept[i]) for i in rows])

    def identity(self) -> str:
        config = repr(sorted(self._tokenizer.get_config().items()))
        return f"{hashlib.blake2b(config.encode('utf-8', 'replace')).hexdigest()} {self._length}"

    def _describe(self, text: str, ids: Sequence[int], kept: slice) -> TokenRow:
        names = [self._tokenizer.index_word[i] for i in ids]
        oov = self._tokenizer.oov_token
        spans = align(text, names)
        seen = names[kept]
        return TokenRow(tuple(seen), tuple(spans[kept]), len(seen) < len(names), tuple(name == oov for name in seen))
