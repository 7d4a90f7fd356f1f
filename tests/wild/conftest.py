"""A published package, unpacked once in a session; its tests skip where it cannot be fetched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .published import UnavailableError, unpacked


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Name -> folder with the files of the package."""
    made: dict[str, Path | UnavailableError] = {}

    def get(name: str) -> Path:
        if name not in made:
            try:
                made[name] = unpacked(name, tmp_path_factory.mktemp(name))
            except UnavailableError as error:
                made[name] = error
        found = made[name]
        if isinstance(found, UnavailableError):
            pytest.skip(f"{name} cannot be fetched: {found}")
        return found

    return get
