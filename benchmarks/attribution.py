"""Integrated gradients on tweets against Captum's LayerIntegratedGradients: same weights, same steps, same numbers.

Captum gets the internal_batch_size that is best for it in a trial. Peers alternate; figures are medians of one run.
`n_steps="auto"` is also held against Captum with the fewest steps that reach the tolerance, which nobody knows beforehand.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients
from models import TorchBiLSTM, TorchEncoder, batch, bilstm, encoder
from timing import alternate, seconds

import kerasintrospect as ki

TEXTS, STEPS = 64, 50
TOLERANCES = (0.05, 0.01)  # our default, which is what the paper of the method calls enough, and a strict one
SIZES = (64, 128, 256, 512, 1024)


def captum(
    network: Any, ids: np.ndarray, lengths: np.ndarray, rows: int | None, steps: int = STEPS
) -> tuple[np.ndarray, np.ndarray]:
    """(n, tokens) scores and (n,) deltas of the class that the network predicts."""
    given, lengths_ = torch.tensor(ids.astype("int64")), torch.tensor(lengths)
    with torch.no_grad():
        target = network(given, lengths_).argmax(-1)
    found, delta = LayerIntegratedGradients(network, network.embedding).attribute(
        given, torch.zeros_like(given), target=target, additional_forward_args=(lengths_,), n_steps=steps,
        internal_batch_size=rows, return_convergence_delta=True,
    )  # fmt: skip
    return found.sum(-1).detach().numpy(), delta.detach().numpy()


def best_size(network: Any, ids: np.ndarray, lengths: np.ndarray) -> int:
    """The internal_batch_size with which Captum is fastest: the better of two calls each, after one to warm up."""
    ids, lengths = ids[:24], lengths[:24]  # 1,200 rows, more than any of the sizes
    captum(network, ids, lengths, 256)
    found = {size: min(seconds(lambda n=size: captum(network, ids, lengths, n)) for _ in range(2)) for size in SIZES}
    return min(found, key=found.__getitem__)


def as_exact(network: Any, ids: np.ndarray, lengths: np.ndarray, rows: int, size: np.ndarray, error: float) -> int:
    """The fewest steps with which no delta of Captum's is above `error`; `STEPS` if they do not reach it."""
    for steps in (2, 3, 5, 10, 20, 35):
        if np.max(np.abs(captum(network, ids, lengths, rows, steps)[1]) / size) <= error:
            return steps
    return STEPS


def compare(name: str, model: Any, network: Any, width: int, ragged: bool, repeats: int, options: dict[str, Any]) -> None:
    """One scenario; prints a line per fact."""
    ids, lengths = batch(TEXTS, width, ragged)
    np.testing.assert_allclose(
        np.asarray(model(ids)), network(torch.tensor(ids.astype("int64")), torch.tensor(lengths)).detach(), atol=1e-4
    )
    rows = best_size(network, ids, lengths)
    plain = ki.wrap(model, class_names=["a", "b", "c"])
    untuned = seconds(lambda: plain.attribute(ids, n_steps=STEPS))
    lens = ki.wrap(model, class_names=["a", "b", "c"], **options)
    autos = [{"n_steps": "auto", "tolerance": tolerance} for tolerance in TOLERANCES]
    first = seconds(lambda: lens.attribute(ids, n_steps=STEPS))
    auto_first = seconds(lambda: [lens.attribute(ids, **auto) for auto in autos])
    ours, (theirs, delta) = lens.attribute(ids, n_steps=STEPS), captum(network, ids, lengths, rows)
    spread = np.abs(ours.scores - theirs).max() / np.abs(theirs).max()
    assert spread < 1e-3, f"{name}: Captum and we differ by {spread:.1e} of the largest score"
    size = np.maximum(np.abs(ours.scores.sum(1) - ours.deltas), 0.1)
    peer, mine, *mine_auto = alternate(
        repeats, lambda: captum(network, ids, lengths, rows), lambda: lens.attribute(ids, n_steps=STEPS),
        *(lambda auto=auto: lens.attribute(ids, **auto) for auto in autos),
    )  # fmt: skip
    kind = f"ragged tweets, mean length {lengths.mean():.1f}" if ragged else "equal length"
    settings = ", ".join(f"{key}={value}" for key, value in options.items())
    print(f"\n{name}, {kind} of {width}, {TEXTS} texts, {STEPS} steps; ours with {settings}")
    print(f"  Captum / ours             {peer / mine:6.2f}   (its best batch size {rows}; {peer:.2f} s, ours {mine:.2f} s)")
    for auto, took in zip(autos, mine_auto, strict=True):
        error = np.max(np.abs(lens.attribute(ids, **auto).deltas) / size)
        few = as_exact(network, ids, lengths, rows, size, max(error, auto["tolerance"]))
        again = min(seconds(partial(captum, network, ids, lengths, rows, few)) for _ in range(2))
        goal = f"{auto['tolerance']:.0%}"
        print(f"  Captum / ours, auto to {goal} {peer / took:6.2f}   (ours {took:.2f} s, largest |delta| {error:.1e})")
        print(f"  Captum / ours, its fewest {again / took:6.2f}   ({few} steps, with which it is as exact; {again:.2f} s)")
    print(f"  same numbers               largest difference {spread:.1e} of the largest score")
    print(f"  largest |delta|            {np.max(np.abs(delta) / size):.1e} (Captum; of F(x) - F(baseline), or of 0.1)")
    print(f"  before that                first call {first:.1f} s, auto {auto_first:.1f} s more: tracing, and XLA")
    print(f"  as wrapped by default      first call {untuned:.1f} s")


def one_text(name: str, model: Any, network: Any) -> None:
    """What a person waits for."""
    ids, lengths = batch(1, 40, True, seed=3)
    lens = ki.wrap(model, class_names=["a", "b", "c"])
    first = seconds(lambda: lens.attribute(ids, n_steps=STEPS))
    peer, mine = alternate(7, lambda: captum(network, ids, lengths, None), lambda: lens.attribute(ids, n_steps=STEPS))
    print(f"\n{name}, one text of {lengths[0]} words: first call {first:.2f} s, then {1000 * mine:.0f} ms "
          f"(Captum {1000 * peer:.0f} ms)")  # fmt: skip


def main(quick: bool = False) -> None:
    """Prints the ratios."""
    torch.set_num_threads(2)
    repeats, width = (2, 24) if quick else (5, 40)
    # What a user would set: more rows where a loop gains by them, XLA at once where "auto" would first wait and see.
    scenes = (
        ("BiLSTM", bilstm, TorchBiLSTM, {"batch_size": 512}),
        ("6-layer encoder", encoder, TorchEncoder, {"jit_compile": True}),
    )
    for name, make, peer, options in scenes:
        model = make()
        network = peer(model).eval()
        for ragged in (True, False):
            compare(name, model, network, width, ragged, repeats, options)
        one_text(name, model, network)


if __name__ == "__main__":
    main()
