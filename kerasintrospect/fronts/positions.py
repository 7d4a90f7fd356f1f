"""Which positions of what a user's function makes are tokens, and which token each of them is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError, InputTypeError
from ..text import Span, align

__all__ = ["arrays", "filled", "named", "positions", "start", "vocabulary"]

_NAMES = 512  # that a function is asked for at once


def arrays(inputs: Any) -> Any:
    """The user's inputs with lists of numbers made arrays."""
    if isinstance(inputs, dict):
        return {key: np.asarray(value) for key, value in inputs.items()}
    several = isinstance(inputs, (list, tuple)) and len(inputs) > 0 and getattr(inputs[0], "ndim", 1) > 1
    return [np.asarray(value) for value in inputs] if several else np.asarray(inputs)


def positions(inputs: Any) -> np.ndarray | None:
    """The (examples, positions, ...) ids, or vectors, that stand for tokens; None if no input does, or more than one.

    Beside ids, an input of zeros and ones is a mask, or says which segment a token is in.
    """
    named = inputs if isinstance(inputs, Mapping) else dict(enumerate(inputs if isinstance(inputs, list) else [inputs]))
    ids = {key: value for key, value in named.items() if value.ndim == 2 and _is_whole(value)}
    found = ids or {key: value for key, value in named.items() if value.ndim > 2}
    ours = [key for key in ids if str(key).endswith("ids") and "type" not in str(key) and "position" not in str(key)]
    if len(found) > 1:
        found = {key: found[key] for key in ours or found if ours or found[key].max(initial=0) > 1}
    if len(found) != 1:
        return None
    value: np.ndarray = next(iter(found.values()))
    return value.astype(np.int64) if ids else value


def filled(values: np.ndarray) -> np.ndarray:
    """(examples, positions) bool: from the first position that is not all zeros to the last."""
    some = (values != 0).reshape(*values.shape[:2], -1).any(-1)
    first, last = some.argmax(1)[:, None], some.shape[1] - some[:, ::-1].argmax(1)[:, None]
    columns = np.arange(some.shape[1])
    return np.asarray((columns >= first) & (columns < last) & some.any(1)[:, None])


def named(tokenizer: Callable[[str], Any], text: str) -> tuple[list[str], list[Span]]:
    """The tokens of a text with their characters, which the tokenizer gives itself or which are looked for."""
    found = list(tokenizer(text))
    if all(isinstance(token, str) for token in found):
        return found, align(text, found)
    for span in found:
        if not isinstance(span, tuple) or len(span) != 2 or not all(isinstance(at, (int, np.integer)) for at in span):
            raise InputTypeError(f"A tokenizer gives a list of str, or of (start, end) characters. Received: {span!r}")
        if not -1 <= span[0] <= span[1] <= len(text) or (span[0] < 0) != (span[1] < 0):
            raise InputError(f"A token stands on the characters 0 to {len(text)} of the text, or on (-1, -1) if on none. "
                             f"Received: {span!r}")  # fmt: skip
    return [text[max(a, 0) : max(b, 0)] for a, b in found], [(int(a), int(b)) for a, b in found]


def vocabulary(preprocess: Callable[[list[str]], Any], names: Sequence[str]) -> dict[str, bytes]:
    """What `preprocess` makes of single tokens, of those that it makes one position of; zeros of those that it leaves out."""
    known: dict[str, bytes] = {}
    for k in range(0, len(names), _NAMES):
        part = list(names[k : k + _NAMES])
        try:
            values = positions(arrays(preprocess(part)))
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
            return {}  # the user's own code was asked with what it need not be made for
        if values is None or len(values) != len(part):
            return {}
        for name, row, kept in zip(part, values, filled(values), strict=True):
            if kept.sum() < 2:
                known[name] = row[kept].tobytes() or np.zeros_like(row[0]).tobytes()
    return known


def start(tokens: Sequence[bytes | None], seen: np.ndarray) -> int | None:
    """The only place in a sequence of tokens where the model's positions can be; None if there is none, or no only one.

    Functions cut at one end, so tokens that the model knows are missing at one end at most.
    """
    wanted, missing = [value.tobytes() for value in seen], [token is not None and any(token) for token in tokens]
    places = range(len(tokens) - len(wanted) + 1) if None not in tokens else ()
    fitting = [k for k in places if list(tokens[k : k + len(wanted)]) == wanted
               and not (any(missing[:k]) and any(missing[k + len(wanted) :]))]  # fmt: skip
    return fitting[0] if len(fitting) == 1 else None


def _is_whole(value: np.ndarray) -> bool:
    return value.dtype.kind in "iu" or (value.dtype.kind == "f" and bool((value == np.rint(value)).all()))
