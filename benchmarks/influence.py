"""TracIn against Captum's TracInCP and TracInCPFast: same weights, same checkpoints on disk, same data, same numbers.

A whole call each: training set and queries through every checkpoint, then all scores. Captum gets the batch size that is
best for it in a trial, and its default of 1 besides. Peers alternate; figures are medians of one run.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from captum.influence import TracInCP, TracInCPFast
from timing import alternate, seconds
from torch import nn
from torch.utils.data import TensorDataset

import kerasintrospect as ki

UNITS, HIDDEN, CLASSES, QUERIES = 128, 64, 3, 64
SIZES = (64, 256, 1024)


def trained(folder: Path, rows: int) -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """A classifier of vectors in clusters, and the checkpoints of three epochs; the last layer has no bias, because
    TracInCPFast leaves it out."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, CLASSES, rows + QUERIES)
    x = (rng.standard_normal((CLASSES, UNITS))[y] + 2 * rng.standard_normal((len(y), UNITS))).astype("float32")
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((UNITS,)), layers.Dense(HIDDEN, activation="relu"), layers.Dense(HIDDEN, activation="relu"),
        layers.Dense(CLASSES, use_bias=False, activation="softmax"),
    ])  # fmt: skip
    model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy")
    keras.utils.set_random_seed(0)
    model.fit(x[:rows], y[:rows], epochs=3, batch_size=64, verbose=0, callbacks=[ki.CheckpointKeeper(folder / "keras")])
    return model, x, y


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(UNITS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(),
                         nn.Linear(HIDDEN, CLASSES, bias=False))  # fmt: skip


def in_torch(folder: Path) -> list[str]:
    """The same checkpoints as Captum loads them."""
    paths = []
    for file in sorted((folder / "keras").glob("*.npz")):
        with np.load(file) as arrays:
            values = [torch.tensor(arrays[str(i)].T.copy()) for i in range(len(arrays.files))]
        state = dict(zip(network().state_dict(), values, strict=True))
        paths.append(str(folder / f"{file.stem}.pt"))
        torch.save({"model_state_dict": state, "learning_rate": 0.05}, paths[-1])
    return paths


def load(model: Any, path: str) -> float:
    held = torch.load(path, weights_only=True)
    model.load_state_dict(held["model_state_dict"])
    return float(held["learning_rate"])


def ask(peer: Any, queries: tuple[Any, Any]) -> np.ndarray:
    return peer.influence(queries).detach().numpy()  # type: ignore[no-any-return]


def peers(paths: list[str], x: np.ndarray, y: np.ndarray, rows: int) -> dict[str, Callable[[int], Any]]:
    """name -> a call that gives (queries, rows) scores, of a batch size; the queries are the last of all."""
    data, net = TensorDataset(torch.tensor(x[:rows]), torch.tensor(y[:rows])), network().eval()
    queries = torch.tensor(x[-QUERIES:]), torch.tensor(y[-QUERIES:])
    each, added = nn.CrossEntropyLoss(reduction="none"), nn.CrossEntropyLoss(reduction="sum")

    def plain(size: int) -> np.ndarray:
        return ask(TracInCP(net, data, paths, load, loss_fn=each, batch_size=size), queries)

    def samplewise(size: int) -> np.ndarray:
        peer = TracInCP(net, data, paths, load, loss_fn=added, batch_size=size, sample_wise_grads_per_batch=True)
        return ask(peer, queries)

    def fast(size: int) -> np.ndarray:
        return ask(TracInCPFast(net, net[-1], data, paths, load, loss_fn=added, batch_size=size), queries)

    return {"TracInCP": plain, "TracInCP, sample-wise": samplewise, "TracInCPFast": fast}


def compare(name: str, size: int, peer: Callable[[int], Any], mine: Callable[[], Any], repeats: int) -> None:
    """One line."""
    theirs, ours = peer(size), mine()
    spread = np.abs(ours - theirs).max() / np.abs(theirs).max()
    assert spread < 1e-4, f"{name}: Captum and we differ by {spread:.1e} of the largest score"
    took, own = alternate(repeats, lambda: peer(size), mine)
    print(f"  {name + f' (batch {size}) / ours':40} {took / own:8.1f}   ({1000 * took:.0f} ms, ours {1000 * own:.0f} ms; "
          f"largest difference {spread:.1e})", flush=True)  # fmt: skip


def main(quick: bool = False) -> None:
    """Prints the ratios; above 1 we are faster."""
    torch.set_num_threads(2)
    rows, repeats = (1000, 3) if quick else (5000, 7)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model, x, y = trained(folder, rows)
        lens, (queries, answers) = ki.wrap(model, batch_size=1024), (x[rows:], y[rows:])

        def ours(layers: str) -> Callable[[], np.ndarray]:
            taken = {"layers": layers, "checkpoints": folder / "keras"}
            return lambda: lens.influence(x[:rows], y[:rows], **taken).scores(queries, answers)

        paths = in_torch(folder)
        first = {layers: seconds(ours(layers)) for layers in ("all", "last")}
        calls, few = peers(paths, x, y, rows), peers(paths, x, y, SIZES[-1] if not quick else SIZES[1])
        print(f"\n{rows} training examples, {QUERIES} queries, 3 checkpoints, {lens.describe()['parameters']:,} parameters")
        compare("TracInCP, its default", 1, calls["TracInCP"], ours("all"), 1)
        for name, layers in (("TracInCP", "all"), ("TracInCP, sample-wise", "all"), ("TracInCPFast", "last")):
            trials = {size: min(seconds(partial(few[name], size)) for _ in range(2)) for size in SIZES}
            compare(name, min(trials, key=trials.__getitem__), calls[name], ours(layers), 1 if name == "TracInCP" else repeats)
        print(f"  before that, first calls: all layers {first['all']:.2f} s, last layer {first['last']:.2f} s (tracing)")
        held = lens.influence(x[:rows], y[:rows], layers="last")
        again = statistics.median(seconds(lambda: held.query(queries, answers)) for _ in range(repeats))
        print(f"  {QUERIES} queries of a training set that was taken before, last layer, no checkpoints: {1000 * again:.1f} ms")


if __name__ == "__main__":
    main()
