"""Influence: which training examples made the model say this, by the gradients of their loss.

TracIn (Pruthi et al. 2020) adds up, over checkpoints of the training, learning rate x gradient of the loss of a training
example x gradient of the loss of the query: by so much would a step on the one have lowered the loss of the other.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .checkpoints import Checkpoint, read_checkpoints
from .errors import InputError, InputTypeError, StaleIndexError
from .factors import Factors, Outer
from .gradients import gradients
from .inputs import Arranged
from .labelled import class_ids, paired, positive
from .outputs import Output
from .rankings import Influences, Ranked, strongest
from .representer import Fit, fit_last_layer
from .runs import Runner
from .search import singly
from .weighted import Part, parts_of
from .weights import borrowed, digests

__all__ = ["Influence", "influence"]

METHODS = ("tracin", "gradient_dot", "gradient_cosine", "gradient_asymmetric", "representer")
_CELLS = 2**24  # scores at once


class Influence:
    """A training set by its gradients; made by `influence`.

    Attributes:
        method: The method.
        layers: The paths of the layers whose gradients count.
        labels: The labels of the training examples.
        texts: Their texts, or None.
        notes: What should be known about the numbers.
    """

    def __init__(self, source: _Source, train: Arranged, labels: np.ndarray, method: str, checkpoints: list[Checkpoint],
                 l2: float) -> None:  # fmt: skip
        self.method, self.labels, self.texts = method, labels, train.encoded.texts
        self.layers, self.notes = [part.path for part in source.parts], list(source.notes)
        self._source, self._checkpoints, self._fit = source, checkpoints, None
        self._train = list(source.passes(train, labels, checkpoints))
        self._print = source.fingerprint()
        if method == "representer":
            self._fit = self._represent(train, l2)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def self_influence(self) -> np.ndarray:
        """(m,) float32: the influence of each training example on its own loss, sum of rate x |gradient|^2.

        High where the model had to learn an example by heart: wrong labels, odd texts.
        """
        return np.asarray(sum(rate * _squares(found) for rate, found in self._train), np.float32)

    def scores(self, inputs: Any, labels: Any = None) -> np.ndarray:
        """(n, m) float32: the influence of every training example on every query.

        Args:
            inputs: The queries: texts, or what the model takes.
            labels: Whose loss is explained, one per query; None takes the predicted class.
        """
        return np.concatenate([block for _, block in self._blocks(*self._query(inputs, labels))])

    def query(self, inputs: Any, labels: Any = None, k: int = 5) -> Influences:
        """The training examples that pulled most, to either side.

        Args:
            inputs: The queries: texts, or what the model takes.
            labels: Whose loss is explained, one per query; None takes the predicted class.
            k: How many of each side.
        """
        positive(k=k)
        arranged, wanted = self._query(inputs, labels)
        k, found = min(k, len(self)), []
        for _, block in self._blocks(arranged, wanted):
            found.append((*strongest(block, k), *strongest(-block, k), self._by_class(block)))
        first, high, last, low, classes = (np.concatenate(column) for column in zip(*found, strict=True))
        names = self._source.class_names
        by_class = classes if self._source.output.kind != "raw" else None
        return Influences(self._ranked(first, high), self._ranked(last, -low), by_class, wanted, names)

    def _query(self, inputs: Any, labels: Any) -> tuple[Arranged, np.ndarray]:
        if self._print != self._source.fingerprint():
            raise StaleIndexError("The weights of the model have changed since the gradients of the training set were taken: "
                                  "call lens.influence(...) again, or give checkpoints=.")  # fmt: skip
        arranged = self._source.arrange(inputs)
        return arranged, self._source.targets(arranged, labels, "labels")

    def _blocks(self, arranged: Arranged, labels: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """(rows, their scores), a bounded number of rows at once."""
        tests = list(self._source.passes(arranged, labels, self._checkpoints))
        size = max(1, _CELLS // len(self))
        for start in range(0, len(arranged), size):
            rows = slice(start, min(start + size, len(arranged)))
            if self._fit is not None:
                features = next(iter(tests[0][1].values())).part(rows.start, rows.stop)
                yield rows, self._fit.scores(features.h, labels[rows])  # type: ignore[attr-defined]
            else:
                with singly():
                    found = self._products(tests, rows)
                yield rows, found

    def _products(self, tests: list[tuple[float, dict[str, Factors]]], rows: slice) -> np.ndarray:
        found = np.zeros((rows.stop - rows.start, len(self)), np.float32)
        for (rate, queries), (_, train) in zip(tests, self._train, strict=True):
            for path, factors in train.items():
                products = queries[path].part(rows.start, rows.stop).dot(factors)
                products *= np.float32(rate)
                found += products
        if self.method in ("gradient_cosine", "gradient_asymmetric"):
            norms = np.sqrt(self.self_influence)
            other = np.sqrt(_squares(tests[0][1])[rows, None]) if self.method == "gradient_cosine" else norms
            scale = norms * other
            found = np.divide(found, scale, out=np.zeros_like(found), where=scale > 0)
        return found

    def _represent(self, train: Arranged, l2: float) -> Fit:
        ((_, found),) = self._train
        (factors,) = found.values()
        if not isinstance(factors, Outer):
            raise InputError('Representer points need a last Dense layer that reads one vector per example: take '
                             'method="tracin".')  # fmt: skip
        kind = self._source.output.kind
        fit = fit_last_layer(factors.h, self._source.predict(train), kind, l2)
        self.notes.append(fit.note)
        return fit

    def _by_class(self, block: np.ndarray) -> np.ndarray:
        kind, classes = self._source.output.kind, len(self._source.output.class_names)
        if kind == "raw":
            return np.zeros((len(block), 0), np.float32)
        members = self.labels if kind == "multilabel" else np.eye(classes, dtype=np.float32)[self.labels]
        return np.asarray(block @ members, np.float32)

    def _ranked(self, indices: np.ndarray, scores: np.ndarray) -> Ranked:
        texts, labels = None, None
        if self.texts is not None:
            texts = [[self.texts[i] if i >= 0 else None for i in row] for row in indices.tolist()]
        if self.labels.ndim == 1:
            labels = np.where(indices >= 0, self.labels[indices], -1 if self.labels.dtype.kind == "i" else np.nan)
        return Ranked(indices, scores, texts, labels, self._source.class_names)


class _Source:
    """The model, and what of it is asked."""

    def __init__(self, runner: Runner, output: Output, parts: list[Part], notes: list[str], arrange: Callable[[Any], Arranged],
                 named_classes: bool, is_bound: bool) -> None:  # fmt: skip
        self.runner, self.output, self.parts, self.notes, self.arrange = runner, output, parts, notes, arrange
        self._named, self._is_bound = named_classes, is_bound
        self.class_names = None if output.kind == "raw" else output.class_names

    def passes(
        self, arranged: Arranged, labels: np.ndarray, checkpoints: Sequence[Checkpoint]
    ) -> Iterator[tuple[float, dict[str, Factors]]]:
        """(learning rate, gradients by layer) of each checkpoint; one pass each."""
        targets = labels.astype(np.int32)[:, None] if self.output.kind in ("softmax", "binary") else _columns(labels)
        if arranged.mask is not None:
            self.runner.trims(arranged)  # found out with the model's own weights
        for checkpoint in checkpoints:
            values = checkpoint.read()
            with borrowed(self.runner.adapter, values) if len(values) else contextlib.nullcontext():
                yield checkpoint.learning_rate, gradients(self.runner, self.output, self.parts, arranged, targets)

    def predict(self, arranged: Arranged) -> np.ndarray:
        """(n, classes) probabilities, or the output of a regression."""
        return self.runner.outputs(arranged, self.output.predict)

    def targets(self, arranged: Arranged, labels: Any, name: str) -> np.ndarray:
        """(n,) class ids, (n, classes) several labels, or (n,) or (n, units) numbers."""
        kind = self.output.kind
        if labels is None:
            if kind == "raw":
                raise InputError(f"A regression predicts no class whose loss could be explained: give {name}=, one number per "
                                 "example. Received: None")  # fmt: skip
            scores = self.predict(arranged)
            return (scores > 0.5).astype(np.float32) if kind == "multilabel" else scores.argmax(1).astype(np.int64)
        classes, ids = len(self.output.class_names), np.asarray(labels) if isinstance(labels, np.ndarray) else None
        is_class = kind in ("softmax", "binary")
        if is_class and ids is not None and ids.shape == (len(arranged),) and ids.dtype.kind in "iu":
            if ids.min() >= 0 and ids.max() < classes:  # else the message says which is not
                return ids.astype(np.int64)
        given = paired(range(len(arranged)), labels, ("inputs", name))
        if is_class:
            return class_ids(given, self.output.class_names, self._named, name)
        return _numbers(given, self.output, name)

    def fingerprint(self) -> str:
        """Changes with the weights, where gradients are those of the model as it is."""
        return hashlib.sha256(digests(self.runner.adapter) if self._is_bound else b"").hexdigest()


def influence(
    runner: Runner,
    output: Output,
    train: Arranged,
    labels: Any,
    arrange: Callable[[Any], Arranged],
    named_classes: bool,
    method: str = "tracin",
    layers: str | Sequence[str] = "last",
    checkpoints: str | Path | Sequence[Any] | None = None,
    l2: float = 1e-3,
) -> Influence:
    """Takes the gradients of a training set, once per checkpoint.

    Args:
        runner: The model.
        output: Which of its outputs.
        train: The training examples.
        labels: Their labels: class ids or names, 0 and 1 per class where there are several, numbers for regressions.
        arrange: Makes of queries what the model takes.
        named_classes: Whether labels may be names.
        method: `"tracin"` (sum over checkpoints of rate g_query . g_train), `"gradient_dot"` (g_query . g_train),
            `"gradient_cosine"`, `"gradient_asymmetric"` (g_query . g_train / |g_train|^2), or `"representer"` (Yeh et al. 2018:
            alpha h_query . h_train for the class of the query, with the last layer fitted anew).
        layers: `"last"`, `"all"` Dense and embedding layers, or addresses.
        checkpoints: The folder of a `CheckpointKeeper`, a list of (learning rate, weights), or None: the model as it is, at
            a learning rate of 1.
        l2: Weight of the squared norm of the last layer, for `"representer"`.

    Returns:
        `Influence`.

    Raises:
        InputError: If a label, a layer or the checkpoints cannot be used.
        UnsupportedError: If the model is a black box, or gives more than one answer per example.
    """
    _check(method, layers, checkpoints, output)
    parts, notes = parts_of(runner, layers, train.width)
    source = _Source(runner, output, parts, notes, arrange, named_classes, checkpoints is None)
    found = [Checkpoint(1.0, list)] if checkpoints is None else read_checkpoints(checkpoints)
    if labels is None:
        raise InputError("The loss of a training example is that at its label. Received: labels=None")
    return Influence(source, train, source.targets(train, labels, "train_labels"), method, found, l2)


def _check(method: str, layers: Any, checkpoints: Any, output: Output) -> None:
    if method not in METHODS:
        raise InputError(f"The methods are {', '.join(METHODS)}. Received: method={method!r}")
    if method != "tracin" and checkpoints is not None:
        raise InputError(f'Checkpoints go with method="tracin" only. Received: method={method!r}')
    if len(output.shape) != 2:
        raise InputError(f"Influence explains one answer per example. Received: an output of shape {output.shape}")
    if method == "representer" and (layers != "last" or output.kind == "multilabel"):
        raise InputError('Representer points are those of the last layer (layers="last") for one class or number per example. '
                         f"Received: layers={layers!r}, an output of kind {output.kind!r}")  # fmt: skip


def _numbers(given: list[Any], output: Output, name: str) -> np.ndarray:
    units = output.shape[-1] or 0
    try:
        found = np.asarray(given, np.float32)
    except (TypeError, ValueError) as error:
        raise InputTypeError(f"`{name}` holds numbers, {units} per example. Received: {error}") from error
    if found.ndim == 2 and units == 1 and found.shape[1] == 1:
        found = found[:, 0]
    if found.shape != ((len(given),) if units == 1 else (len(given), units)) or not np.isfinite(found).all():
        raise InputError(f"`{name}` holds {units} finite numbers per example. Received: an array of shape {found.shape}")
    if output.kind == "multilabel" and not np.isin(found, (0, 1)).all():
        raise InputError(f"`{name}` holds 0 or 1 per class. Received: other numbers")
    return found


def _columns(labels: np.ndarray) -> np.ndarray:
    return labels[:, None] if labels.ndim == 1 else labels


def _squares(found: dict[str, Factors]) -> np.ndarray:
    return np.asarray(sum(factors.squares() for factors in found.values()), np.float32)
