"""Neurons in random order: what any ranking has to beat."""

from __future__ import annotations

import numpy as np

from .base import Found, method
from .data import ProbeData


@method("random", regression=True, sums=True)
def random(data: ProbeData, seed: int) -> Found:
    """A permutation; the score is uniform in (0, 1]."""
    scores = np.random.default_rng(seed).permutation(data.units) + 1.0
    return Found(scores / data.units)
