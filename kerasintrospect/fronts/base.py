"""The contract of a text front, and the record that it makes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from ..errors import InputError, InputTypeError
from ..pairs import Pair, as_pair
from ..registry import Registry
from ..sites import Site
from ..text import NOWHERE, TokenRow, words

__all__ = ["Encoded", "Front", "by_words", "check_texts", "find_front", "fronts", "is_text", "length_of", "locate"]

fronts: Registry[type[Front]] = Registry("kerasintrospect.fronts", "text front")


@dataclass(frozen=True)
class Encoded:
    """Inputs of a model, one row per example.

    Attributes:
        inputs: Nest of arrays as the model (or the site of the front) takes them, examples first.
        mask: (examples, positions) bool, False at padding; None where the inputs have no token positions.
        texts: The user's texts; None when the inputs were arrays.
        describe: Makes the tokens of the given rows; called only when somebody looks.
    """

    inputs: Any
    mask: np.ndarray | None = None
    texts: Sequence[str] | None = None
    describe: Callable[[Sequence[int]], list[TokenRow]] | None = None
    _rows: dict[int, TokenRow] = field(default_factory=dict, repr=False)

    def rows(self) -> list[TokenRow] | None:
        """The tokens that the model saw of each text, in the order of the columns where `mask` is True."""
        if self.describe is None or self.texts is None:
            return None
        missing = [i for i in range(len(self.texts)) if i not in self._rows]
        self._rows.update(zip(missing, self.describe(missing) if missing else (), strict=True))
        return [self._rows[i] for i in range(len(self.texts))]

    def masked(self, mask: np.ndarray | None) -> Encoded:
        """The same inputs with another mask."""
        return replace(self, mask=mask)


class Front(ABC):
    """From texts to model inputs."""

    priority: ClassVar[int] = 0  # fronts for one kind of tokenizer are asked before those for functions
    pairs: bool = False  # whether it takes two texts as one
    site: Site | None = None  # where the model takes what `encode` gives; None: as its own input
    read: Callable[[Any], tuple[Any, Any]]  # for a front inside the model: from strings to (strings, ids) at the site

    @property
    @abstractmethod
    def max_length(self) -> int | None:
        """The most tokens that the model sees of a text; None if there is no limit, or it is not known."""

    @staticmethod
    @abstractmethod
    def claims(tokenizer: Any, preprocess: Any) -> bool:
        """Whether this front is made for what the user gave; must not import a framework."""

    @abstractmethod
    def __init__(self, tokenizer: Any, preprocess: Any, adapter: Any, max_length: int | None) -> None: ...

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Encoded:
        """Encodes texts in one go, padded to one length."""

    @abstractmethod
    def identity(self) -> str:
        """What the fingerprint of an index holds of the front: equal strings encode equally."""


def find_front(tokenizer: Any, preprocess: Any, adapter: Any, max_length: int | None) -> Front | None:
    """The front for what the user gave to `wrap`; None when nothing was given.

    Raises:
        InputTypeError: if no front knows the tokenizer.
    """
    if tokenizer is None and preprocess is None:
        if max_length is not None:
            raise InputError(f"max_length goes with tokenizer=. A layer or a function that the model's texts pass first sets "
                             f"the length itself. Received: max_length={max_length}")
        return None
    if preprocess is not None and not callable(preprocess):
        raise InputTypeError(f"preprocess is a function from a list of str to model inputs. Received: {preprocess!r}")
    for member in sorted((fronts.get(name) for name in fronts.names()), key=lambda member: -member.priority):
        if member.claims(tokenizer, preprocess):
            return member(tokenizer, preprocess, adapter, max_length)
    raise InputTypeError(
        f"tokenizer is a TextVectorization layer, a tf_keras Tokenizer, a Hugging Face tokenizer, an AutoKeras pipeline, or a "
        f"function from a text to its tokens together with preprocess=. Received: an object of type {type(tokenizer).__name__}"
    )


def width_of(adapter: Any) -> int | None:
    """The number of tokens that the model takes; None where it is open, or not known before the first batch."""
    tensors = [t for t in getattr(adapter.model, "inputs", None) or [] if len(t.shape) == 2 and "string" not in str(t.dtype)]
    widths = {tensor.shape[1] for tensor in tensors}
    return widths.pop() if len(widths) == 1 else None


def length_of(adapter: Any, asked: int | None) -> int | None:
    """The most tokens of a text: as asked, or what the model has inputs or positions for; None where neither is known.

    Raises:
        InputError: if more are asked for than the model has positions for.
    """
    limit = _positions_of(adapter)
    if asked and limit and asked > limit:
        raise InputError(f"The model has positions for {limit} tokens. Received: max_length={asked}")
    return asked or width_of(adapter) or limit


def _positions_of(adapter: Any) -> int | None:
    """The tokens that the table of positions of a Hugging Face model is made for; None without such a table.

    A config may tell a number without a table, as those of relative positions do. RoBERTa and its like count from behind
    the id of the padding.
    """
    count = getattr(getattr(adapter.model, "config", None), "max_position_embeddings", None)
    if not isinstance(count, int) or count < 1 or not adapter.input_names():  # which builds the model
        return None
    tables = [weight for weight in adapter.weights() if len(weight.shape) == 2 and weight.shape[0] >= count]
    if not any("position" in weight.name or "wpe" in weight.name for weight in tables):
        return None
    late = [layer.padding_idx for _, layer in adapter.walk() if hasattr(layer, "create_position_ids_from_input_ids")]
    return count - max((first + 1 for first in late), default=0)


def is_text(inputs: Any) -> bool:
    """Whether the user gave texts, or what should have been some, and not arrays."""
    if isinstance(inputs, np.ndarray) or hasattr(inputs, "iloc"):
        return np.asarray(inputs).dtype.kind in "OUS"
    if isinstance(inputs, (str, bytes)):
        return True
    first = inputs[0] if isinstance(inputs, (list, tuple)) and inputs else ""
    return isinstance(inputs, (list, tuple)) and (first is None or isinstance(as_pair(first), (str, bytes)))


def check_texts(inputs: Any, pairs: bool = False) -> list[str]:
    """A list of str, or of `Pair`, from what the user gave as texts.

    Raises:
        InputTypeError: if it is one bare string, or holds something else than strings, or pairs that nobody can encode.
    """
    if isinstance(inputs, (str, bytes)):
        raise InputTypeError(f"Texts come as a list of str, also a single one. Received: {inputs!r}")
    if not hasattr(inputs, "__iter__"):
        raise InputTypeError(f"Texts come as a list of str. Received: an object of type {type(inputs).__name__}")
    texts = np.asarray(inputs, dtype=object).tolist() if hasattr(inputs, "shape") else list(inputs)
    for i, text in enumerate(texts):
        text = texts[i] = as_pair(text[0] if isinstance(text, list) and len(text) == 1 else text)
        if isinstance(text, Pair) and not pairs:
            raise InputTypeError("Pairs of texts go with a model that has a Hugging Face tokenizer. Received: "
                                 f"inputs[{i}]={(text.first, text.second)!r}")
        if isinstance(text, bytes):
            texts[i] = text.decode("utf-8", "replace")
        elif not isinstance(text, str):
            raise InputTypeError(f"Texts come as a list of str. Received: inputs[{i}]={text!r} "
                                 f"(of type {type(text).__name__})")
    return texts


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


def by_words(encoded: Encoded, texts: Sequence[str]) -> Encoded:
    """Texts with their words for tokens, if nobody says where tokens stand: what a black box makes of a text is unknown."""
    rows = [] if encoded.describe is None else encoded.describe(range(min(len(texts), 8)))
    if any(span != NOWHERE for row in rows for span in row.spans):
        return encoded

    def describe(chosen: Sequence[int]) -> list[TokenRow]:
        spans = [words(texts[i]) for i in chosen]
        return [TokenRow(tuple(texts[i][a:b] for a, b in row), tuple(row)) for i, row in zip(chosen, spans, strict=True)]

    return Encoded(encoded.inputs, None, texts, describe)
