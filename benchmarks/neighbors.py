"""Nearest neighbors against scikit-learn (brute force) and faiss (flat indexes): same vectors, same answers.

Peers take turns, each after a rest in which the threads of the one before stop spinning; figures are medians of one run.
Building is not counted, nor is the scaling to norm 1 that faiss needs for cosines; that of our queries is.
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

import kerasintrospect as ki

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
    index = ki.NeighborIndex(vectors, metric=metric)
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
            time.sleep(0.3)
            times[name].append(seconds(call))
    ours, *peers = (1000 * statistics.median(runs) for runs in times.values())
    print(f"\n{metric}, {n} queries of {UNITS} units in {ROWS:,} rows, k={K}: ours {ours:.1f} ms")
    for name, peer in zip(list(times)[1:], peers, strict=True):
        print(f"  {name + ' / ours':19} {peer / ours:6.2f}")


def main(quick: bool = False) -> None:
    """Prints the ratios; above 1 we are faster."""
    for metric in ("cosine", "euclidean"):
        compare(metric, 1000, 3 if quick else 11)
        compare(metric, 1, 11 if quick else 31)
    vectors, queries = embeddings(ROWS, 1), embeddings(1000, 2)
    building = statistics.median(seconds(lambda: ki.NeighborIndex(vectors)) for _ in range(3))
    print(f"\nbuilding an index: {1000 * building:.0f} ms")
    index = ki.NeighborIndex(vectors)
    tracemalloc.start()
    index.query_vectors(queries, K)
    print(f"memory of 1000 queries: {tracemalloc.get_traced_memory()[1] / 1e6:.0f} MB")
    tracemalloc.stop()


if __name__ == "__main__":
    main()
