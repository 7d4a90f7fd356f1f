"""Two texts that a model reads as one, such as a premise and a hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .errors import InputError

__all__ = ["Pair", "apart", "as_pair", "changed", "replaced"]


class Pair(str):
    """As a string, the second text on a line of its own: spans are those of this string.

    Attributes:
        first: The first text.
        second: The second text.
    """

    first: str
    second: str

    def __new__(cls, first: str, second: str) -> Pair:
        made = super().__new__(cls, f"{first}\n{second}")
        made.first, made.second = first, second
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return self.first, self.second

    @property
    def offset(self) -> int:
        """Where the second text begins."""
        return len(self.first) + 1


def as_pair(text: Any) -> Any:
    """A `Pair` of a tuple or list of two strings; anything else as it is."""
    paired = isinstance(text, (tuple, list)) and len(text) == 2 and all(isinstance(part, str) for part in text)
    return Pair(*text) if paired else text


def apart(texts: Sequence[str]) -> list[Any]:
    """Strings, or tuples of two; a tokenizer takes one or the other.

    Raises:
        InputError: if there are both.
    """
    single = next((text for text in texts if not isinstance(text, Pair)), None)
    if single is not None and any(isinstance(text, Pair) for text in texts):
        raise InputError(f"Texts come all in pairs or all alone. Received: pairs, and {single!r}")
    return [(text.first, text.second) if isinstance(text, Pair) else text for text in texts]


def changed(text: str, change: Callable[[str], str]) -> str:
    """The text, or both of a pair, after a change."""
    return Pair(change(text.first), change(text.second)) if isinstance(text, Pair) else change(text)


def replaced(text: str, start: int, end: int, replacement: str) -> str:
    """The text with something else in place of the characters [start, end); a pair stays a pair."""
    if not isinstance(text, Pair):
        return text[:start] + replacement + text[end:]
    if start >= text.offset:
        return Pair(text.first, replaced(text.second, start - text.offset, end - text.offset, replacement))
    first = text.first[:start] + replacement + text.first[end:]
    return Pair(first, text.second[max(end - text.offset, 0) :])
