"""How long peers take, in turn, so that a busy moment hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def alternate(repeats: int, *peers: Callable[[], Any]) -> list[float]:
    """Median seconds of each, run in turn."""
    rounds = [[seconds(peer) for peer in peers] for _ in range(repeats)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]
