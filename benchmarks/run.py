"""All benchmarks in one run: `make bench`, or `python benchmarks/run.py --quick`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

PARTS = (
    "attribution", "minilm", "activations", "neighbors", "index", "influence", "store",
    "compositional", "probes", "redundancy",
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description="Ratios against the named peers; above 1 we are faster.")
    parser.add_argument("--quick", action="store_true", help="fewer repeats, smaller batches")
    parser.add_argument("--only", choices=PARTS, help="one part")
    chosen = parser.parse_args()
    folder = Path(__file__).parent
    # PyTorch's idle threads spin, and on a busy machine they keep each other from working: Captum gets much slower.
    # TensorFlow gives every big array back to the system by default; with its BFC allocator it keeps them.
    best = {"OMP_WAIT_POLICY": "passive", "TF_CPU_ALLOCATOR_USE_BFC": "1"}
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **best, **os.environ}
    if (load := os.getloadavg()[0]) > 0.5:
        print(f"The machine is busy (load {load:.1f}): of this run only the differences between numbers mean something.")
    failed = 0
    for part in [chosen.only] if chosen.only else PARTS:
        print(f"\n=== {part} ===", flush=True)
        call = f"import {part}; {part}.main({chosen.quick})"  # a process of its own, so that no peer warms another's caches
        failed += subprocess.call([sys.executable, "-c", call], cwd=folder, env=environment) != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
