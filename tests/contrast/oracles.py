"""Every contrast again, as plain loops over its definition in float64: no search, no blocks, no shortcuts."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

Found = list[list[int]]


def points(vectors: Any, metric: str) -> Any:
    """Where the Euclidean distance ranks as the metric does."""
    wide = np.asarray(vectors, np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True) if metric == "cosine" else wide


def distance(a: Any, b: Any, metric: str) -> float:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if metric == "cosine":
        return float(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    return float(np.linalg.norm(a - b))


def nearest_unlike(x: Any, labels: Any, q: Any, own: int, k: int, metric: str) -> list[int]:
    rows = [i for i in range(len(x)) if labels[i] != own]
    return sorted(rows, key=lambda i: (distance(q, x[i], metric), i))[:k]


def kleor_sim_miss(x: Any, labels: Any, q: Any, own: int, k: int, metric: str, limit: float = np.inf) -> list[int]:
    (miss,) = nearest_unlike(x, labels, q, own, 1, metric)
    rows = [i for i in range(len(x)) if labels[i] == own and distance(q, x[i], metric) < limit]
    return sorted(rows, key=lambda i: (distance(x[miss], x[i], metric), i))[:k]


def kleor_global_sim(x: Any, labels: Any, q: Any, own: int, k: int, metric: str) -> list[int]:
    (miss,) = nearest_unlike(x, labels, q, own, 1, metric)
    return kleor_sim_miss(x, labels, q, own, k, metric, distance(q, x[miss], metric))


def kernel(x: Any, metric: str, gamma: float | None) -> Any:
    p = points(x, metric)
    squares = np.array([[((a - b) ** 2).sum() for b in p] for a in p])
    return np.exp(-squares * (1 / squares.mean() if gamma is None else gamma))


def mmd_critic(x: Any, k: int, metric: str, gamma: float | None, many: int) -> tuple[list[int], Any, list[int]]:
    K = kernel(x, metric, gamma)

    def closeness(some: list[int]) -> float:
        return 2 * K[:, some].mean() - K[np.ix_(some, some)].mean()

    chosen = greedy(len(x), min(k, len(x)), closeness, [])
    witness = np.abs(K.mean(0) - K[chosen].mean(0))

    def surprise(some: list[int]) -> float:
        return witness[some].sum() + np.linalg.slogdet(K[np.ix_(some, some)])[1]

    return chosen, np.full(len(chosen), 1 / len(chosen)), greedy(len(x), min(many, len(x) - len(chosen)), surprise, chosen)


def greedy(m: int, k: int, value: Any, taken: list[int]) -> list[int]:
    chosen: list[int] = []
    for _ in range(k):
        free = [i for i in range(m) if i not in chosen and i not in taken]
        chosen.append(max(free, key=lambda i: value([*chosen, i])))
    return chosen


def protodash(x: Any, k: int, metric: str, gamma: float | None, many: int) -> tuple[list[int], Any, list[int]]:
    K = kernel(x, metric, gamma)
    means, chosen, weights = K.mean(0), [], np.zeros(0)
    for _ in range(min(k, len(x))):
        steepness = means - K[:, chosen] @ weights
        chosen.append(max((i for i in range(len(x)) if i not in chosen), key=lambda i: steepness[i]))
        square, linear = K[np.ix_(chosen, chosen)], means[chosen]
        solved = minimize(lambda w, s=square, b=linear: (w @ s @ w / 2 - w @ b, s @ w - b), np.ones(len(chosen)), jac=True,
                          bounds=[(0, None)] * len(chosen), options={"ftol": 1e-15, "gtol": 1e-12, "maxiter": 999})  # fmt: skip
        weights = solved.x
    return chosen, weights / weights.sum(), []


OF_QUERIES = {f.__name__: f for f in (nearest_unlike, kleor_sim_miss, kleor_global_sim)}
OF_CLASSES = {f.__name__: f for f in (mmd_critic, protodash)}
