"""TextVectorization layers of both families, inside the model or beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..text import NOWHERE, Span, TokenRow, align
from .base import Encoded, Front, fronts, width_of

__all__ = ["TextVectorizationFront"]


@fronts.register("text_vectorization")
class TextVectorizationFront(Front):
    """Tokens are what the layer's own standardize and split give; ids are what the layer itself gives."""

    def __init__(self, tokenizer: Any, preprocess: Any, adapter: Any, max_length: int | None) -> None:
        if len(tokenizer.get_vocabulary()) < 3:
            raise InputError("The TextVectorization layer knows no words yet: call its adapt() on the training texts.")
        self.layer, self._width = tokenizer, width_of(adapter)
        self._length = max_length or self._width
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
        missing = max(0, (self._width or 0) - values.shape[1])
        values = np.pad(values, ((0, 0), (0, missing))) if missing else values
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
            names = [token.decode("utf-8", "replace") for token in tokens if token]  # an empty one is padding, id 0
            seen = int(mask[row].sum()) if mask is not None else len(names)
            spans = self._spans(texts[row], names)
            unknown = tuple((ids[row][mask[row]] == 1).tolist()) if mask is not None else ()
            described.append(TokenRow(tuple(names[:seen]), tuple(spans[:seen]), len(names) > seen, unknown))
        return described

    def _spans(self, text: str, names: Sequence[str]) -> list[Span]:
        ngrams = self.layer.get_config()["ngrams"]
        if ngrams is None:
            return align(text, names)
        return _spans_of_ngrams(text, names, tuple(range(1, ngrams + 1)) if isinstance(ngrams, int) else tuple(ngrams))


def _spans_of_ngrams(text: str, names: Sequence[str], widths: tuple[int, ...]) -> list[Span]:
    """N-grams come by width, and within a width in the order of their first word."""
    n = next(n for n in range(len(names) + max(widths)) if sum(max(n - w + 1, 0) for w in widths) >= len(names))
    least, start = min(widths), sum(max(n - w + 1, 0) for w in widths[: widths.index(min(widths))])
    parts = [name.split(" ") for name in names[start : start + max(n - least + 1, 0)]]
    spans = align(text, [part[0] for part in parts] + (parts[-1][1:] if parts else []))
    covered = [[span for span in spans[i : i + w] if span != NOWHERE] for w in widths for i in range(n - w + 1)]
    return [(found[0][0], found[-1][1]) if found else NOWHERE for found in covered]
