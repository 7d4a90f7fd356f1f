"""Clusters of 9,984 neurons (all layers of a BERT) against NeuroX's: same activations, same partition; seconds and memory.

Each peer runs in a process of its own, in turn, so that the most memory it ever took is its own.
"""

from __future__ import annotations

import multiprocessing
import statistics
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score
from timing import seconds

ROWS, UNITS, THRESHOLD = 5_000, 9_984, 0.3


def activations(rows: int, units: int) -> np.ndarray:
    """Noisy copies, also negated, of a third as many units: float32."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal((rows, units // 3), np.float32)
    of = rng.integers(units // 3, size=units)
    spread = rng.uniform(0.1, 1.5, units).astype(np.float32)
    return base[:, of] * rng.choice([-1, 1], units).astype(np.float32) + spread * rng.standard_normal((rows, units), np.float32)


def ours(X: np.ndarray) -> Any:
    import kerasintrospect as ki

    return ki.cluster_neurons(X, THRESHOLD).labels


def neurox(X: np.ndarray) -> Any:
    from neurox.interpretation.clustering import create_correlation_clusters

    return create_correlation_clusters(X, clustering_threshold=THRESHOLD)


def memory() -> float:
    """The most this process ever took, in GB: of Linux's own record, since that of getrusage starts with the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def measure(peer: str, path: Path, found: Any) -> None:
    call = {"ours": ours, "neurox": neurox}[peer]
    X = np.load(path)
    with redirect_stdout(None):  # the peer prints
        call(X[:100, :50])  # imports are not counted
        before, kept = memory(), []
        took = seconds(lambda: kept.append(call(X)))
    found.put((took, memory() - before, np.asarray(kept[0])))


def alone(peer: str, path: Path) -> tuple[float, float, np.ndarray]:
    """(seconds, GB above what the activations took, labels), measured in a process of its own."""
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    process = context.Process(target=measure, args=(peer, path, found))
    process.start()
    result = found.get()
    process.join()
    return result


def main(quick: bool) -> None:
    rows, units = (2_000, 2_496) if quick else (ROWS, UNITS)
    print(f"{units:,} neurons, {rows:,} rows, float32, threshold {THRESHOLD}")
    runs: dict[str, list[tuple[float, float, np.ndarray]]] = {"ours": [], "neurox": []}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "activations.npy"
        np.save(path, activations(rows, units))
        for _ in range(1 if quick else 3):
            for peer, done in runs.items():
                done.append(alone(peer, path))
    took = {peer: statistics.median(run[0] for run in done) for peer, done in runs.items()}
    for peer, done in runs.items():
        clusters = len(np.unique(done[0][2]))
        print(f"  {peer:<7} {took[peer]:6.1f} s  {max(run[1] for run in done):5.2f} GB  {clusters:,} clusters")
    same = adjusted_rand_score(runs["ours"][0][2], runs["neurox"][0][2])
    print(f"  ratio {took['neurox'] / took['ours']:.1f}; the partitions agree: adjusted Rand index {same:.6f}")
