"""The pipeline that AutoKeras 3 keeps beside a text model."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError
from ..text import TokenRow
from .base import Encoded, Front, fronts

__all__ = ["AutoKerasFront"]


@fronts.register("autokeras")
class AutoKerasFront(Front):
    """`clf.tuner.get_best_pipeline()`, or the path of the `best_pipeline` file in the folder of the search, which is JSON.

    Tokens are what stands between white space. Words that the vocabulary lacks have the id of the padding, 0.
    """

    def __init__(self, tokenizer: Any, preprocess: Any, adapter: Any, max_length: int | None) -> None:
        config = _read(Path(tokenizer)) if isinstance(tokenizer, (str, Path)) else _config(tokenizer)
        steps = [[step["class_name"] for step in steps] for steps in config["inputs"]]
        if steps != [["CastToString", "TextTokenizer"]]:
            raise InputTypeError(f"Of AutoKeras' pipelines those of a single text can be used. Received: inputs {steps}")
        kept = config["inputs"][0][1]["config"]
        self._ids, self._length = {str(word): int(i) for word, i in kept["vocab"].items()}, int(kept["max_len"])
        if max_length not in (None, self._length):
            raise InputError(f"AutoKeras' pipeline sets the length itself: leave max_length out. Received: {max_length=}")

    @staticmethod
    def claims(tokenizer: Any, preprocess: Any) -> bool:
        roots = {base.__module__.split(".")[0] for base in type(tokenizer).__mro__}
        return preprocess is None and (isinstance(tokenizer, (str, Path)) or "autokeras" in roots)

    @property
    def max_length(self) -> int | None:
        return self._length

    def encode(self, texts: Sequence[str]) -> Encoded:
        inputs, mask = np.zeros((len(texts), self._length), np.int32), np.zeros((len(texts), self._length), bool)
        for i, text in enumerate(texts):
            words = text.rstrip("\0").split()[: self._length]  # the arrays of str that AutoKeras makes end at a last NUL
            inputs[i, : len(words)], mask[i, : len(words)] = [self._ids.get(word, 0) for word in words], True
        return Encoded(inputs, mask, texts, lambda rows: [self._describe(texts[i]) for i in rows])

    def identity(self) -> str:
        words = json.dumps(self._ids, sort_keys=True).encode()
        return f"autokeras {hashlib.blake2b(words).hexdigest()} {self._length}"

    def _describe(self, text: str) -> TokenRow:
        found = list(re.finditer(r"\S+", text.rstrip("\0")))
        seen = found[: self._length]
        names = tuple(match[0] for match in seen)
        return TokenRow(names, tuple(match.span() for match in seen), len(found) > len(seen),
                        tuple(name not in self._ids for name in names))  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {"inputs": list(config["inputs"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"A path as tokenizer= is that of the best_pipeline file of AutoKeras; any other tokenizer is given as the object "
            f"itself. Received: {str(path)!r}, which is no such file ({type(error).__name__})"
        ) from error


def _config(tokenizer: Any) -> dict[str, Any]:
    if not hasattr(tokenizer, "transform_x"):
        raise InputTypeError(f"Of AutoKeras give the pipeline, clf.tuner.get_best_pipeline(), or the path of its file, "
                             f"best_pipeline. Received: {type(tokenizer).__name__}")  # fmt: skip
    config: dict[str, Any] = tokenizer.get_config()
    return config
