"""Probeless: how far apart are the means of the classes? (Antverg and Belinkov 2022)"""

from __future__ import annotations

import numpy as np

from .base import Found, method
from .data import ProbeData


@method("probeless", sums=True)
def probeless(data: ProbeData, seed: int, standardize: bool = False) -> Found:
    """Sum over pairs of classes of |mean_a - mean_b|; for class c the sum over the pairs that c is in.

    A neuron of twice the range scores twice as much: `standardize=True` divides by the neuron's standard deviation.
    """
    means = data.means / data.deviations if standardize else data.means
    per_class = np.stack([np.abs(means - mean).sum(0) for mean in means])
    return Found(per_class.sum(0) / 2, per_class)
