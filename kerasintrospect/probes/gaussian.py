"""Gaussian probe: which few neurons together tell most of the class? (Torroba Hennigen, Williams and Cotterell 2020)"""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from ..holdout import held_out
from .base import Found, method
from .data import ProbeData, whole
from .densities import Densities


@method("gaussian")
def gaussian(
    data: ProbeData, seed: int, neurons: int = 30, candidates: int = 100, validation: float = 0.3, max_examples: int = 2000,
    covariance: str = "mean",
) -> Found:  # fmt: skip
    """Greedy: each next neuron is the one that adds most mutual information, in bits, with a Gaussian per class.

    First in the order are the chosen, then the others by what each tells alone, which is the score: I = H(C) + mean log2 p(c|h)
    over held-out rows, with the classes' shares of the training rows as prior. Scale has no part in it.
    `details`: `"chosen"`; `"information"`, bits after each; `"error"`, 1.96 standard errors of these.

    Args:
        data: The activations.
        seed: Of the rows that are held out.
        neurons: How many are chosen greedily.
        candidates: Among how many, the best by themselves.
        validation: Share of rows that neurons are chosen by, and not fitted on; 0 does both on all, which flatters.
        max_examples: Rows that neurons are chosen by, at most.
        covariance: Of the posterior (normal-inverse-Wishart; the prior's mean and variances are the class's, with the weight of
            one row): its `"mean"`, or its `"mode"` over all units, as in the paper, which is too narrow where units outnumber
            rows.
    """
    whole(neurons=neurons, candidates=candidates, max_examples=max_examples)
    if covariance not in ("mean", "mode"):
        raise InputError(f'`covariance` is "mean" or "mode". Received: covariance={covariance!r}.')
    learn = judge = np.arange(len(data))
    if validation:
        learn, judge = held_out(data.y, validation, seed)
        judge = np.sort(np.random.default_rng(seed).permutation(judge)[:max_examples])
    model = Densities(data, learn, judge, covariance)
    alone = np.concatenate([model.alone(units) for units in model.blocks()])
    first = np.argsort(-np.where(data.constant, -np.inf, alone), kind="stable")
    best = np.sort(first[: min(max(candidates, neurons), int((~data.constant).sum()))])
    chosen, bits, error = model.greedy(best, min(neurons, len(best)))
    order = np.concatenate([chosen, first[~np.isin(first, chosen)]])
    return Found(alone, None, order, details={"chosen": chosen, "information": bits, "error": error})
