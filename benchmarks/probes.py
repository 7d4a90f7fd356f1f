"""Rankings of neurons against NeuroX's and scikit-learn's: same activations and weights, same orders.

The ordering is timed given the same trained weights: that is where NeuroX's time goes. Its release has no Gaussian probe, and
the one in its repository calls `torch.eig`, which PyTorch 2 has no more: ours is timed alone.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from neurox.interpretation import linear_probe, probeless
from sklearn.metrics import average_precision_score
from timing import alternate, seconds

import kerasintrospect as ki
from kerasintrospect.probes import ordering_of

CLASSES, NEURONS = 40, 9_984  # 13 layers of a BERT


def ordering(classes: int, neurons: int, repeats: int) -> None:
    """All neurons by weight mass: ours exactly, NeuroX's in 100 steps with any order inside a step."""
    weights = np.random.default_rng(0).laplace(size=(classes, neurons)).astype(np.float32)
    probe = SimpleNamespace(parameters=lambda: iter([torch.from_numpy(weights)]))
    names = {f"class{i}": i for i in range(classes)}
    order, scores = ordering_of(weights)
    theirs, cutoffs = linear_probe.get_neuron_ordering(probe, names)
    for p, end in enumerate(cutoffs[1:], 1):  # float32 sums of NeuroX may move a neuron on the edge of a step
        assert len(set(theirs[:end]) ^ set(np.flatnonzero(scores > 1 - p / 100).tolist())) <= 2, p
    assert len(theirs) == len(order)
    ours, neurox = alternate(repeats, lambda: ordering_of(weights), lambda: linear_probe.get_neuron_ordering(probe, names))
    print(f"\nordering, {classes} classes x {neurons:,} neurons: ours {1000 * ours:.0f} ms"
          f"\n  NeuroX / ours       {neurox / ours:6.1f}")  # fmt: skip


def ranking(classes: int, neurons: int, rows: int, repeats: int) -> None:
    """The whole of `rank_neurons`, training included, against NeuroX's ordering alone."""
    X, y = data(rows, neurons, classes)
    took = min(seconds(lambda: ki.rank_neurons(X, y, "linear")) for _ in range(repeats))
    print(f"linear, training included, {rows:,} rows: ours {took:.1f} s")


def data(rows: int, neurons: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    y = rng.integers(classes, size=rows)
    X = rng.standard_normal((rows, neurons), np.float32)
    X[:, :classes] += 2 * np.eye(classes, dtype=np.float32)[y]
    return X, y


def precision(rows: int, neurons: int, repeats: int) -> None:
    """Average precision of every neuron, as NeuroX's `iou_probe` has it: a loop over scikit-learn's."""
    X, y = data(rows, neurons, 2)

    def loop() -> np.ndarray:
        return np.array([average_precision_score(y, X[:, unit]) for unit in range(neurons)])

    def all_at_once() -> np.ndarray:
        return ki.rank_neurons(X, y, "average_precision", signed=True).per_class[1][1]

    np.testing.assert_allclose(all_at_once(), loop(), atol=1e-12)
    ours, sklearn = alternate(repeats, all_at_once, loop)
    print(f"\naverage precision, {rows:,} rows x {neurons} neurons: ours {1000 * ours:.0f} ms"
          f"\n  loop / ours         {sklearn / ours:6.1f}")  # fmt: skip


def means(rows: int, neurons: int, classes: int, repeats: int) -> None:
    """Probeless, with the order of every class."""
    X, y = data(rows, neurons, classes)
    names = {i: i for i in range(classes)}
    ours, neurox = alternate(repeats, lambda: ki.rank_neurons(X, y, "probeless"),
                             lambda: probeless.get_neuron_ordering_for_all_tags(X, y, names))  # fmt: skip
    order = ki.rank_neurons(X, y, "probeless").order
    theirs = np.array(probeless.get_neuron_ordering_for_all_tags(X, y, names)[0])
    assert set(order[:classes]) == set(theirs[:classes])
    print(f"\nprobeless, {rows:,} rows x {neurons} neurons, {classes} classes: ours {1000 * ours:.0f} ms"
          f"\n  NeuroX / ours       {neurox / ours:6.1f}")  # fmt: skip


def gaussian(rows: int, neurons: int, classes: int, chosen: int) -> None:
    X, y = data(rows, neurons, classes)
    took = seconds(lambda: ki.rank_neurons(X, y, "gaussian", neurons=chosen))
    print(f"\nGaussian, the best {chosen} of {neurons:,} neurons, {classes} classes, {rows:,} rows: ours {took:.1f} s")


def main(quick: bool = False) -> None:
    """Prints the ratios; above 1 we are faster."""
    repeats = 1 if quick else 5
    ordering(CLASSES, NEURONS, repeats)
    means(5_000, 768, CLASSES, repeats)
    precision(10_000, 768, repeats)
    gaussian(5_000, 768, 17, 30)
    if not quick:
        ranking(CLASSES, NEURONS, 5_000, 1)


if __name__ == "__main__":
    main()
