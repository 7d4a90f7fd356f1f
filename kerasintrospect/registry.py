"""How a family finds its members: a decorator in the member's file, an entry point in the package that ships it."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from .errors import InputError, InputTypeError

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """The members of one family by name.

    Args:
        group: Entry point group, such as `"kerasintrospect.attribution"`. The value of an entry point is the module
            that registers the member when it is imported; other packages add members in the same way.
        noun: What a member is called in messages.
    """

    def __init__(self, group: str, noun: str) -> None:
        self._group, self._noun = group, noun
        self._members: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: the decorated object becomes the member `name`."""

        def add(member: T) -> T:
            self._members[name] = member
            return member

        return add

    def names(self) -> list[str]:
        """All members, also those whose module is not imported yet, sorted."""
        return sorted({*self._members, *entry_points(group=self._group).names})

    def get(self, name: str) -> T:
        """The member of this name; imports its module when needed.

        Raises:
            InputError: if no member has this name; it names the three nearest.
        """
        if not isinstance(name, str):
            raise InputTypeError(f"The {self._noun} is chosen by its name. Received: {name!r} "
                                 f"(of type {type(name).__name__})")
        if name not in self._members:
            for entry in entry_points(group=self._group, name=name):
                entry.load()
        if name not in self._members:
            near = difflib.get_close_matches(name, self.names(), n=3, cutoff=0.0)
            raise InputError(f"There is no {self._noun} {name!r}. The nearest: {', '.join(map(repr, near))}. "
                             f"All: {', '.join(self.names())}.")
        return self._members[name]
