"""Training examples through a model into an index of neighbors, and the fingerprint that ties the two together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .inputs import Arranged
from .labelled import class_ids
from .neighbors import NeighborIndex
from .runs import Runner
from .sites import Site
from .weights import named

__all__ = ["embedder", "fingerprint", "index"]

Arrange = Callable[[Any], Arranged]


def index(
    runner: Runner, arrange: Arrange, inputs: Any, labels: Any, site: Site, pool: str | None, metric: str,
    class_names: Sequence[str] | None,
) -> NeighborIndex:
    """See `Introspector.neighbors`."""
    arranged = arrange(inputs)
    if labels is not None and any(isinstance(label, str) for label in labels):
        labels = class_ids(list(labels), class_names or (), class_names is not None, "labels")
    mark = fingerprint(runner, site, pool)
    found = NeighborIndex(_vectors(runner, arranged, site, pool), arranged.encoded.texts, labels, metric, fingerprint=mark,
                          site=str(site), pool=pool, class_names=class_names)  # fmt: skip
    found.attach(embedder(runner, arrange, site, pool), mark)
    return found


def embedder(runner: Runner, arrange: Arrange, site: Site, pool: str | None) -> Callable[[Any], np.ndarray]:
    """From inputs to their vectors at the site, (n, units) float32."""
    return lambda inputs: _vectors(runner, arrange(inputs), site, pool)


def fingerprint(runner: Runner, site: Site, pool: str | None) -> str:
    """A string that changes with the weights, the site, the pooling and the text front."""
    digest = hashlib.blake2b(digest_size=16)
    front = runner.front
    digest.update(f"{site} {pool} {front.identity() if front is not None else ''}".encode())
    for name, value in named(runner.adapter):
        digest.update(f"{name}{value.shape}{value.dtype}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _vectors(runner: Runner, arranged: Arranged, site: Site, pool: str | None) -> np.ndarray:
    found = runner.activations(arranged, {"site": site}, pool)["site"]
    return found.reshape(len(found), -1).astype(np.float32)
