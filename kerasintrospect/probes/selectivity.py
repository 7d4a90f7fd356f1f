"""Selectivity, also mean select: how far is the mean of a class from that of the rest? (Na et al. 2019)"""

from __future__ import annotations

import numpy as np

from .base import Found, method
from .data import ProbeData


@method("selectivity", sums=True)
def selectivity(data: ProbeData, seed: int) -> Found:
    """|mean of class c - mean of all other rows| / (max - min); over all classes the greatest. Scale has no part in it.

    `details["signed"]`, (classes, units), has the sign: negative where the class lowers the neuron.
    """
    counts, means = data.counts[:, None], data.means
    total = (counts * means).sum(0)
    others = (total - counts * means) / (counts.sum() - counts)
    spread = np.where(data.constant, 1.0, data.high.astype(np.float64) - data.low)
    signed = np.where(data.constant, 0.0, (means - others) / spread)
    return Found(np.abs(signed).max(0), np.abs(signed), details={"signed": signed})
