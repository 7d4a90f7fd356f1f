"""What an index of neighbors holds, wherever it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy.typing as npt

from . import stored
from .columns import Backend, InMemory, Rows
from .found import Unit

__all__ = ["Held"]

Array = npt.NDArray[Any]


class Held:
    """Rows, in memory or on disk."""

    _backend: Backend
    _says: Callable[[], Array | None] | None = None

    def __len__(self) -> int:
        return len(self._backend)

    @property
    def vectors(self) -> Array:
        """(m, units) float32; of an index on disk all of them are read."""
        return self._whole().vectors

    @property
    def texts(self) -> list[str] | None:
        """The m texts, or None; of an index on disk all of them are read."""
        texts = [text for part in self._backend.texts() for text in part]
        return texts or None

    @property
    def labels(self) -> Array | None:
        """(m,) int64, or None."""
        return self._backend.column("labels")

    @property
    def predicted(self) -> Array | None:
        """(m,) int64, or None; an index that a lens made asks the model now."""
        self._say()
        return self._backend.column("predicted")

    def say_later(self, says: Callable[[], Array | None]) -> None:
        """Gives an index in memory a function for the (m,) predicted classes, which is called when they are needed."""
        self._says = says

    def _say(self) -> None:
        if self._says is not None and isinstance(self._backend, InMemory):
            said, self._says = self._says(), None
            self._backend.rows = replace(self._backend.rows, predicted=said)

    @property
    def columns(self) -> dict[str, Array | None]:
        """name -> (m,) values."""
        return {name: self._backend.column(name) for name in self._backend.names}

    @property
    def places(self) -> Sequence[Unit] | None:
        """The m `Unit` of an index of words or tokens."""
        return self._whole().places

    @property
    def path(self) -> str | None:
        """The folder of an index on disk; None for one in memory."""
        return os.fspath(self._backend.folder) if isinstance(self._backend, stored.Stored) else None

    @property
    def ivf(self) -> dict[str, Any] | None:
        """Of the approximate search: cells, nprobes, recall at k, work (share of vectors compared); None without."""
        return self._backend.facts.ivf if isinstance(self._backend, stored.Stored) else None

    def _whole(self) -> Rows:
        return self._backend.rows if isinstance(self._backend, InMemory) else Rows.together(self._backend.parts())
