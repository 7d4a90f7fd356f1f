"""The text preprocessors of ktrain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..errors import InputTypeError
from ..text import TokenRow
from .base import Encoded, Front, fronts

__all__ = ["KtrainFront"]


@fronts.register("ktrain")
class KtrainFront(Front):
    """A `TextPreprocessor`: it encodes as the predictor does, by the front of the tokenizer in it.

    Transformers get no segment ids, as in ktrain (it looks for them in the wrong place and finds none).
    """

    def __init__(self, tokenizer: Any, preprocess: Any, adapter: Any, max_length: int | None) -> None:
        kinds = {base.__name__ for base in type(tokenizer).__mro__}
        self._bert: Any = tokenizer if "BERTPreprocessor" in kinds else None
        length = max_length or getattr(tokenizer, "maxlen", None)  # tables and images have none
        if "TransformersPreprocessor" in kinds:
            self._inner = fronts.get("hugging_face")(tokenizer.get_tokenizer(), None, adapter, length)
        elif "BERTPreprocessor" in kinds:
            self._inner = fronts.get("callables")(_pieces_of(tokenizer), tokenizer.preprocess, adapter, None)
        elif "StandardTextPreprocessor" in kinds and tokenizer.ngram_range == 1:
            self._inner = fronts.get("keras_tokenizer")(tokenizer.tok, tokenizer.preprocess, adapter, length)
        elif "StandardTextPreprocessor" in kinds:
            self._inner = fronts.get("callables")(_names_of(tokenizer), tokenizer.preprocess, adapter, None)
        else:
            raise InputTypeError(f"Of ktrain's preprocessors those of texts can be used. Received: {type(tokenizer).__name__}")

        self.pairs = self._inner.pairs

    @staticmethod
    def claims(tokenizer: Any, preprocess: Any) -> bool:
        modules = {base.__module__.split(".")[0] for base in type(tokenizer).__mro__}
        return "ktrain" in modules and hasattr(tokenizer, "get_classes")

    @property
    def max_length(self) -> int | None:
        return self._inner.max_length

    def encode(self, texts: Sequence[str]) -> Encoded:
        found = self._inner.encode(texts)
        return replace(found, describe=partial(self._marked, found)) if self._bert else found

    def _marked(self, found: Encoded, rows: Sequence[int]) -> list[TokenRow]:
        """The tokens of keras_bert, which stand for too long a text as for one of that length."""
        made = zip(rows, found.describe(rows) if found.describe else (), strict=True)
        tokenize, size = self._bert.tok.tokenize, self._bert.maxlen
        return [replace(row, truncated=len(tokenize((found.texts or ())[i])) > size) for i, row in made]

    def identity(self) -> str:
        return f"ktrain {self._inner.identity()}"


def _pieces_of(preproc: Any) -> Any:
    """The pieces that keras_bert keeps of a text: of too many the first, and the mark at the end."""

    def pieces(text: str) -> list[str]:
        found = preproc.tok.tokenize(text)
        return found if len(found) <= preproc.maxlen else [*found[: preproc.maxlen - 1], found[-1]]

    return pieces


def _names_of(preproc: Any) -> Any:
    """Names of the words and n-grams of a text, in the order of its ids."""
    grams = {i: ids for ids, i in preproc.tok_dct.items()}

    def names(text: str) -> list[str]:
        seen = [int(i) for i in preproc.preprocess([text])[0] if i]
        return [" ".join(preproc.tok.index_word.get(k, f"#{k}") for k in grams.get(i, (i,))) for i in seen]

    return names
