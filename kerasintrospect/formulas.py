"""Formulas over concepts: AND, OR, NOT. Each has one form, so that formulas that are equal are written and hashed alike."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import InputError, InputTypeError

__all__ = ["And", "Concept", "Formula", "Not", "Or", "parse_formula"]

Mask = npt.NDArray[np.bool_]
_TOKEN = re.compile(r'\s*(?:(?P<sign>[()])|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s()"]+))', re.DOTALL)
_PLAIN = re.compile(r'[^\s()"\\]+')
_WORDS = ("AND", "OR", "NOT")


class Formula(ABC):
    """What a unit may stand for. `a & b`, `a | b` and `~a` make formulas; `str` writes them, `parse_formula` reads them.

    Parts of AND and OR are flat, sorted and without repeats; a doubled NOT is none. `len` is the number of concepts.

    >>> str(parse_formula("word:the OR (tag:NOUN AND NOT word:of)"))
    '(tag:NOUN AND NOT word:of) OR word:the'
    """

    @abstractmethod
    def holds(self, mask: Callable[[str], Mask]) -> Mask:
        """Where it holds, given where each concept holds."""

    @abstractmethod
    def names(self) -> list[str]:
        """The concepts in the order in which they are written, repeats included."""

    def __len__(self) -> int:
        return len(self.names())

    def __and__(self, other: Formula) -> Formula:
        return And.of([self, other])

    def __or__(self, other: Formula) -> Formula:
        return Or.of([self, other])

    def __invert__(self) -> Formula:
        return self.part if isinstance(self, Not) else Not(self)


@dataclass(frozen=True)
class Concept(Formula):
    """A concept by its name."""

    name: str

    def holds(self, mask: Callable[[str], Mask]) -> Mask:
        return mask(self.name)

    def names(self) -> list[str]:
        return [self.name]

    def __str__(self) -> str:
        if _PLAIN.fullmatch(self.name) and self.name not in _WORDS:
            return self.name
        return '"' + self.name.replace("\\", "\\\\").replace('"', '\\"') + '"'


@dataclass(frozen=True)
class Not(Formula):
    """Where a formula does not hold."""

    part: Formula

    def holds(self, mask: Callable[[str], Mask]) -> Mask:
        return ~self.part.holds(mask)

    def names(self) -> list[str]:
        return self.part.names()

    def __str__(self) -> str:
        return f"NOT {_wrapped(self.part)}"


@dataclass(frozen=True)
class _Many(Formula):
    parts: tuple[Formula, ...]

    @classmethod
    def of(cls, parts: Iterable[Formula]) -> Formula:
        """The formula of these parts in its one form."""
        flat = [inner for part in parts for inner in (part.parts if isinstance(part, cls) else [part])]
        distinct = {str(part): part for part in flat}
        ordered = sorted(distinct, key=lambda text: (text.startswith("NOT "), text))
        return distinct[ordered[0]] if len(ordered) == 1 else cls(tuple(distinct[text] for text in ordered))

    def names(self) -> list[str]:
        return [name for part in self.parts for name in part.names()]

    def __str__(self) -> str:
        return f" {type(self).__name__.upper()} ".join(_wrapped(part) for part in self.parts)


class And(_Many):
    """Where all parts hold."""

    def holds(self, mask: Callable[[str], Mask]) -> Mask:
        return np.logical_and.reduce([part.holds(mask) for part in self.parts])  # type: ignore[no-any-return]


class Or(_Many):
    """Where any part holds."""

    def holds(self, mask: Callable[[str], Mask]) -> Mask:
        return np.logical_or.reduce([part.holds(mask) for part in self.parts])  # type: ignore[no-any-return]


def _wrapped(part: Formula) -> str:
    return f"({part})" if isinstance(part, _Many) else str(part)


def parse_formula(text: str) -> Formula:
    """Reads a formula: names, AND, OR, NOT and brackets; NOT binds tightest, then AND.

    Args:
        text: Names with blanks, brackets or quotes in them, and those that are AND, OR or NOT, stand in double quotes.

    Raises:
        InputError: if the text is no formula; it says where.
    """
    if not isinstance(text, str):
        raise InputTypeError(f"A formula is read from a str. Received: {text!r}")
    reader = _Reader(text)
    found = reader.read(0)
    if reader.tokens[reader.place :]:
        raise reader.fault("AND, OR or the end")
    return found


class _Reader:
    """Reads by recursive descent; a token is (kind, text, where)."""

    def __init__(self, text: str) -> None:
        self.text, self.place = text, 0
        self.tokens: list[tuple[str, str, int]] = []
        end, stop = 0, len(text.rstrip())
        while end < stop:
            match = _TOKEN.match(text, end)
            if match is None:
                raise InputError(f"A quote is not closed in a formula. Received: {text!r}, at character {end}")
            kind = str(match.lastgroup)
            token, where, end = match[kind], match.start(kind), match.end()
            if kind == "quoted":
                token = re.sub(r"\\(.)", r"\1", token, flags=re.DOTALL)
            elif token in _WORDS:
                kind = "sign"
            self.tokens.append((kind, token, where))

    def read(self, level: int) -> Formula:
        """OR at level 0, AND at level 1, NOT and names below."""
        if level == 2:
            return self._single()
        sign, kind = ("OR", Or) if level == 0 else ("AND", And)
        parts: list[Formula] = [self.read(level + 1)]
        while self._take(sign):
            parts.append(self.read(level + 1))
        return kind.of(parts)

    def _single(self) -> Formula:
        if self._take("NOT"):
            return ~self._single()
        if self._take("("):
            inner = self.read(0)
            if not self._take(")"):
                raise self.fault(")")
            return inner
        if self.place < len(self.tokens) and self.tokens[self.place][0] != "sign":
            self.place += 1
            return Concept(self.tokens[self.place - 1][1])
        raise self.fault("a name")

    def _take(self, sign: str) -> bool:
        taken = self.tokens[self.place : self.place + 1]
        hit = bool(taken) and taken[0][:2] == ("sign", sign)
        self.place += hit
        return hit

    def fault(self, wanted: str) -> InputError:
        """What was expected, and where."""
        there = self.tokens[self.place : self.place + 1]
        where = f"{there[0][1]!r} at character {there[0][2]}" if there else "the end"
        return InputError(f"A formula is made of names, AND, OR, NOT and brackets: {wanted} has to come where {where} is. "
                          f"Received: {self.text!r}")  # fmt: skip


