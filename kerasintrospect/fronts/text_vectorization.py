"""TextVectorization layers of both families, inside the model or beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..text import NOWHERE, Span, TokenRow, align
from .base import Encoded, Front, fronts

__all__ = ["TextVectorizationFront"]


@fronts.register("text_vectorization")
class TextVectorizationFront(Front):
    """Tokens are what the layer's own standardize and split give; ids are what the layer itself gives."""

    def __init__(self, tokenizer: Any, preprocess: Any, adapter: Any, max_length: int | None) -> None:
        self.layer, self._length = tokenizer, max_length
        self.read = lambda strings: (strings, tokenizer(strings))

    @staticmethod
    def claims(tokenizer: Any, preprocess: Any) -> bool:
        return preprocess is None and any(base.__name__ == "TextVectorization" for base in type(tokenizer).__mro__)

    @property
    def max_length(self) -> int | None:
        return self._length or self.layer.get_config()["output_sequence_length"]

    def encode(self, texts: Sequence[str]) -> Encoded:
        import tensorflow as tf

        strings = tf.constant([text.encode("utf-8", "replace") for text in texts], tf.string)
        standing, ids = self.read(strings)
        values = (ids.to_tensor() if isinstance(ids, tf.RaggedTensor) else ids).numpy()
        values = values[:, : self._length] if self._length else values
        mask = values != 0 if self.layer.get_config()["output_mode"] == "int" else None
        return Encoded(values, mask, texts, lambda rows: self._describe(texts, standing, values, mask, rows))

    def identity(self) -> str:
        words = hashlib.blake2b("\n".join(map(str, self.layer.get_vocabulary())).encode("utf-8", "replace"))
        config = self.layer.get_config()
        kept = {key: str(config[key]) for key in ("standardize", "split", "ngrams", "output_mode", "output_sequence_length")}
        return f"{kept} {words.hexdigest()} {self._length}"

    def _describe(
        self, texts: Sequence[str], strings: Any, ids: np.ndarray, mask: np.ndarray | None, rows: Sequence[int]
    ) -> list[TokenRow]:
        import tensorflow as tf

        pieces = self.layer._preprocess(tf.gather(tf.reshape(strings, [-1]), list(rows)))
        pieces = pieces.to_list() if isinstance(pieces, tf.RaggedTensor) else pieces.numpy().reshape(len(rows), -1).tolist()
        described = []
        for row, tokens in zip(rows, pieces, strict=True):
            names = [token.decode("utf-8", "replace") for token in tokens]
            seen = int(mask[row].sum()) if mask is not None else len(names)
            spans = self._spans(texts[row], names)
            unknown = tuple((ids[row][mask[row]] == 1).tolist()) if mask is not None else ()
            described.append(TokenRow(tuple(names[:seen]), tuple(spans[:seen]), len(names) > seen, unknown))
        return described

    def _spans(self, text: str, names: Sequence[str]) -> list[Span]:
        widths = self.layer.get_config()["ngrams"]
        if widths is None:
            return align(text, names)
        if 1 in (widths if isinstance(widths, (tuple, list)) else range(1, widths + 1)):
            singles = [name for name in names if " " not in name]
            spans = align(text, singles)
            return spans + [_cover(spans, singles, name, k) for k, name in enumerate(names[len(singles) :])]
        return align(text, names)


def _cover(spans: Sequence[Span], singles: Sequence[str], name: str, k: int) -> Span:
    """The span of the k-th n-gram: they come by width, and within a width in the order of their first word."""
    width, first = 2, k
    while first >= len(singles) - width + 1 > 0:
        first, width = first - (len(singles) - width + 1), width + 1
    parts = [span for span in spans[first : first + name.count(" ") + 1] if span != NOWHERE]
    return (parts[0][0], parts[-1][1]) if parts else NOWHERE
