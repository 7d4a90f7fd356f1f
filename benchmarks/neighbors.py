"""Nearest neighbors against scikit-learn (brute force) and faiss (flat indexes): same vectors, same answers.

Peers alternate; figures are medians of one run, and a ratio is the faster peer's time by ours. Building is not counted,
nor is the scaling to norm 1 that faiss needs for cosines; the scaling of our queries is.
"""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
from sklearn.neighbors import NearestNeighbors

from kerasintrospect.neighbors import NeighborIndex

ROWS, UNITS, K = 35_000, 128, 5


def embeddings(n: int, seed: int) -> np.ndarray:
    """As a layer gives them: not centred, in clusters."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((20, UNITS))
    return np.maximum(centres[rng.integers(20, size=n)] + rng.standard_normal((n, UNITS)), 0).astype(np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def contenders(metric: str, vectors: np.ndarray, queries: np.ndarray) -> dict[str, Callable[[], Any]]:
    """name -> a call that gives (n, k) indices."""
    index = NeighborIndex(vectors, metric=metric)
    sklearn = NearestNeighbors(n_neighbors=K, algorithm="brute", metric=metric).fit(vectors)
    flat = faiss.IndexFlatIP(UNITS) if metric == "cosine" else faiss.IndexFlatL2(UNITS)
    flat.add(unit(vectors) if metric == "cosine" else vectors)
    scaled = unit(queries) if metric == "cosine" else queries
    return {
        "ours": lambda: index.query_vectors(queries, K).indices,
        "scikit-learn": lambda: sklearn.kneighbors(queries, return_distance=True)[1],
        "faiss": lambda: flat.search(scaled, K)[1],
    }


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(metric: str, n: int, repeats: int) -> None:
    calls = contenders(metric, embeddings(ROWS, 1), embeddings(n, 2))
    found = {name: call() for name, call in calls.items()}
    agree = {name: float((rows == found["ours"]).mean()) for name, rows in found.items()}
    assert min(agree.values()) > 0.99, agree  # they rank by float32, and may swap two that are as far
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(seconds(call))
    ms = {name: 1000 * statistics.median(runs) for name, runs in times.items()}
    faster = min((name for name in ms if name != "ours"), key=ms.__getitem__)
    shown = ", ".join(f"{name} {value:.2f} ms" for name, value in ms.items())
    print(f"{metric:9} {n:5} queries: {ms[faster] / ms['ours']:5.2f} x {faster}   ({shown})")


def main(quick: bool = False) -> None:
    print(f"{ROWS} vectors of {UNITS} units, k={K}, faiss with {faiss.omp_get_max_threads()} threads")
    for metric in ("cosine", "euclidean"):
        compare(metric, 1000, 3 if quick else 11)
        compare(metric, 1, 21 if quick else 101)
    vectors, queries = embeddings(ROWS, 1), embeddings(1000, 2)
    print(f"building: {1000 * statistics.median(seconds(lambda: NeighborIndex(vectors)) for _ in range(3)):.0f} ms")
    index = NeighborIndex(vectors)
    tracemalloc.start()
    index.query_vectors(queries, K)
    print(f"memory of 1000 queries: {tracemalloc.get_traced_memory()[1] / 1e6:.0f} MB")
    tracemalloc.stop()


if __name__ == "__main__":
    main()
