"""An index on disk at size: memory of building, recall and work of the approximate search, against Captum's per query.

A million vectors of 384 units in clusters, drawn block by block, so that they are never in memory together. The memory is
the peak of a process of its own that does nothing else, at a quarter of the rows and at all of them.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kerasintrospect.neighbors import NeighborIndex, Rows

UNITS, BLOCK, CLUSTERS, K = 384, 10_000, 2000, 10


def vectors(rows: int, first_seed: int = 1) -> Iterator[np.ndarray]:
    """Blocks of vectors: clusters of different sizes, stretched along common directions, with noise in all units."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, UNITS), np.float32)
    shares = rng.dirichlet(np.ones(CLUSTERS))
    inner = rng.standard_normal((16, UNITS), np.float32)
    for number, start in enumerate(range(0, rows, BLOCK)):
        draw = np.random.default_rng(first_seed * 1_000_003 + number)
        n = min(BLOCK, rows - start)
        block = centres[draw.choice(CLUSTERS, n, p=shares)] + draw.standard_normal((n, 16), np.float32) @ inner / 16
        yield block + np.float32(0.5) * draw.standard_normal((n, UNITS), np.float32)


def work(folder: str, rows: int) -> None:
    """Builds an index and says what it took: the body of a process of its own."""
    import resource

    start = time.perf_counter()
    index = NeighborIndex.build(folder, (Rows.checked(block) for block in vectors(rows)))
    written = time.perf_counter() - start
    peak_of_writing = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts = index.build_ivf()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"write": written, "ivf": time.perf_counter() - start - written, "peak_of_writing": peak_of_writing,
                      "peak": peak, **facts}))  # fmt: skip


def build(folder: Path, rows: int) -> dict[str, float]:
    code = f"import index; index.work({str(folder)!r}, {rows})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    facts: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"\n{rows:,} rows: written in {facts['write']:.0f} s, IVF with its recall measured in {facts['ivf']:.0f} s")
    print(f"  peak memory: {facts['peak_of_writing']:.0f} MB to write, {facts['peak']:.0f} MB with the IVF index; "
          f"the vectors alone: {4 * rows * UNITS / 2**20:.0f} MB")  # fmt: skip
    print(f"  recall at {facts['k']} {facts['recall']:.3f}, {100 * facts['work']:.2f} % of the work "
          f"({facts['nprobes']} of {facts['cells']} cells)")  # fmt: skip
    return facts


def seconds(index: NeighborIndex, queries: np.ndarray, exact: bool) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        index.query(queries, K, exact=exact)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def compare_searches(folder: Path) -> None:
    index = NeighborIndex.load(folder, in_memory=False)
    queries = next(vectors(256, first_seed=2))
    exact, near = index.query(queries, K, exact=True).indices, index.query(queries, K).indices
    recall = np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(exact, near, strict=True)])
    print(f"  {len(queries)} new queries: recall at {K} {recall:.3f}")
    for n in (1, len(queries)):
        slow, fast = seconds(index, queries[:n], True), seconds(index, queries[:n], False)
        print(f"  {n} queries: exact {1000 * slow:.0f} ms, IVF {1000 * fast:.1f} ms; exact / IVF {slow / fast:.0f}")


def compare_captum(rows: int) -> None:
    """Per query, both with the training activations kept: Captum reads its from disk, one file per batch."""
    import torch
    from captum.influence import SimilarityInfluence

    data = torch.from_numpy(np.concatenate(list(vectors(rows))))
    queries = torch.from_numpy(next(vectors(8, first_seed=2)))
    model = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Linear(UNITS, 2))
    with tempfile.TemporaryDirectory() as folder:
        # With a single layer it fails: the second has 2 units and costs little.
        peer = SimilarityInfluence(model, ["0", "1"], data, folder, "m", batch_size=100)
        peer.influence(queries[:1], top_k=K, load_src_from_disk=True)  # writes the activations
        start = time.perf_counter()
        for query in queries:
            found = peer.influence(query[None], top_k=K, load_src_from_disk=True)["0"][0]
        theirs = (time.perf_counter() - start) / len(queries)
    index = NeighborIndex(data.numpy())
    mine = index.query(queries[-1:].numpy(), K).indices
    assert (np.sort(found.numpy().ravel()) == np.sort(mine.ravel())).all()
    start = time.perf_counter()
    for query in queries.numpy():
        index.query(query[None], K)
    ours = (time.perf_counter() - start) / len(queries)
    print(f"\nCaptum's SimilarityInfluence, {rows:,} rows, per query: {1000 * theirs:.1f} ms, ours {1000 * ours:.2f} ms; "
          f"Captum / ours {theirs / ours:.0f}")  # fmt: skip


def main(quick: bool = False) -> None:
    """Prints the figures."""
    rows = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        quarter = build(Path(folder) / "quarter", rows // 4)
        whole = build(Path(folder) / "whole", rows)
        print(f"  memory at {rows:,} / at {rows // 4:,} rows: {whole['peak'] / quarter['peak']:.2f}")
        compare_searches(Path(folder) / "whole")
    compare_captum(2000)
    if not quick:
        compare_captum(30_000)  # about as many as the demo's training set


if __name__ == "__main__":
    main("--quick" in sys.argv)
