"""Exact neighbors against scikit-learn's brute force and faiss's flat index: same answers, one run, peers in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
from attribution import alternate
from sklearn.neighbors import NearestNeighbors

import kerasintrospect as ki

ROWS, UNITS, K = 35_000, 128, 5


def peers(metric: str, vectors: np.ndarray) -> dict[str, Callable[[np.ndarray], Any]]:
    """The searches by name, built once, as ours is."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if metric == "cosine" else vectors
    flat = faiss.IndexFlatIP(UNITS) if metric == "cosine" else faiss.IndexFlatL2(UNITS)
    flat.add(unit)
    brute = NearestNeighbors(n_neighbors=K, algorithm="brute", metric=metric).fit(vectors)
    ours = ki.NeighborIndex(vectors, metric=metric)

    def normal(queries: np.ndarray) -> np.ndarray:
        return queries / np.linalg.norm(queries, axis=1, keepdims=True) if metric == "cosine" else queries

    return {
        "scikit-learn": lambda queries: brute.kneighbors(queries)[1],
        "faiss": lambda queries: flat.search(normal(queries), K)[1],
        "ours": lambda queries: ours.query_vectors(queries, k=K).indices,
    }


def main(quick: bool = False) -> None:
    """Prints the ratios; above 1 we are faster."""
    faiss.omp_set_num_threads(2)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(ROWS, UNITS)).astype("float32")
    for metric in ("cosine", "euclidean"):
        searches = peers(metric, vectors)
        for n in (1000, 1):
            queries = rng.normal(size=(n, UNITS)).astype("float32")
            answers = [search(queries) for search in searches.values()]
            assert (answers[0] == answers[2]).mean() > 0.999 and (answers[1] == answers[2]).mean() > 0.999
            calls = [lambda search=search, queries=queries: search(queries) for search in searches.values()]
            brute, flat, ours = alternate(3 if quick else (7 if n > 1 else 25), *calls)
            print(f"\n{metric}, {n} queries of {UNITS} units in {ROWS:,} rows, k={K}: ours {1000 * ours:.1f} ms")
            print(f"  scikit-learn / ours {brute / ours:6.2f}\n  faiss / ours        {flat / ours:6.2f}")


if __name__ == "__main__":
    main()
