"""Checkpoints of a training: weights and learning rate at the end of its epochs, kept by a callback and read one at a time.

A folder holds `checkpoints.json` and one npz of arrays per checkpoint, each written whole or not at all, never a pickle.
"""

from __future__ import annotations

import json
import math
import os
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .adapters.base import adapt
from .errors import InputError, InputTypeError
from .weights import named

__all__ = ["Checkpoint", "CheckpointKeeper", "read_checkpoints"]

_INDEX, _FORMAT = "checkpoints.json", "kerasintrospect.checkpoints/1"
_UNREADABLE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError)


@dataclass(frozen=True)
class Checkpoint:
    """The model at one moment of its training.

    Attributes:
        learning_rate: The rate at that moment.
        read: Gives the weights, one array per weight in the order of the model's own.
        name: What it is called in messages.
    """

    learning_rate: float
    read: Callable[[], Sequence[np.ndarray | None]]
    name: str = ""


def _nothing(self: Any, *args: Any, **kwargs: Any) -> None:
    """A hook that does nothing."""


_nothing._is_default = True  # type: ignore[attr-defined]  # Keras 3 asks; what is default may run in any thread


class CheckpointKeeper:
    """A callback that keeps what TracIn needs: `model.fit(..., callbacks=[ki.CheckpointKeeper("checkpoints")])`.

    It works in Keras 3 and in tf_keras. The kept learning rate is that at the end of the epoch, schedules evaluated. TracIn
    takes it for the length of a step of plain gradient descent; the steps of Adam and its like are scaled per weight, so that
    there influence is right up to that scale. Put it before callbacks that change the rate at the end of an epoch.

    Args:
        path: The folder; made if there is none. A folder with other files, or with an earlier training, is refused.
        every: Keep the model after each `every`-th epoch.

    Raises:
        InputError: If the folder is in use, or the optimizer has no learning rate.
    """

    def __init__(self, path: str | Path, every: int = 1) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise InputError(f"`every` has to be an integer of at least 1. Received: every={every!r}.")
        self.path, self.every = Path(path), every
        self.model: Any = None
        self.params: dict[str, Any] = {}
        self._kept: list[dict[str, Any]] = []
        self._epochs = 0
        self._check_folder()

    on_epoch_begin = on_train_end = on_test_begin = on_test_end = on_predict_begin = on_predict_end = _nothing
    on_batch_begin = on_batch_end = on_train_batch_begin = on_train_batch_end = _nothing
    on_test_batch_begin = on_test_batch_end = on_predict_batch_begin = on_predict_batch_end = _nothing

    def _implements_train_batch_hooks(self) -> bool:
        return False  # tf_keras asks

    _implements_test_batch_hooks = _implements_predict_batch_hooks = _implements_train_batch_hooks

    def set_params(self, params: dict[str, Any]) -> None:
        """Called by `fit`."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called by `fit`."""
        self.model = model

    def on_train_begin(self, logs: Any = None) -> None:
        """Called by `fit`: what cannot be kept is said before the training, not after its first epoch."""
        learning_rate(getattr(self.model, "optimizer", None))
        self.path.mkdir(parents=True, exist_ok=True)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Called by `fit`: writes the checkpoint."""
        self._epochs += 1  # the epochs of a second fit() go on from the first
        if self._epochs % self.every:
            return
        weights = list(named(adapt(self.model)))
        name = f"checkpoint-{self._epochs:04d}.npz"
        rate = learning_rate(self.model.optimizer)
        if (self.path / name).exists():
            raise InputError(f"A checkpoint never overwrites a file: give an empty folder. Received: {str(self.path / name)!r}")
        arrays = {str(i): _plain(value) for i, (_, value) in enumerate(weights)}
        self._write(name, lambda file: np.savez(file, allow_pickle=False, **arrays))
        entry = {"file": name, "epoch": self._epochs, "learning_rate": rate, "names": [key for key, _ in weights]}
        index = {"format": _FORMAT, "checkpoints": [*self._kept, entry]}
        self._write(_INDEX, lambda file: file.write(json.dumps(index, indent=1).encode()))
        self._kept.append(entry)

    def _check_folder(self) -> None:
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise InputError(f"`path` has to be a new or an empty folder. Received: path={str(self.path)!r}, which holds "
                             "files already.")  # fmt: skip

    def _write(self, name: str, write: Callable[[Any], Any]) -> None:
        part = self.path / f".{name}.{uuid.uuid4().hex}"
        try:
            with part.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path / name)
        finally:
            part.unlink(missing_ok=True)


def learning_rate(optimizer: Any) -> float:
    """The rate of an optimizer of either family at this moment.

    Raises:
        InputError: If it has none.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of an optimizer that scales the loss
    rate: Any = getattr(inner, "learning_rate", None)
    if callable(rate) and not hasattr(rate, "numpy"):  # a schedule, as the older optimizers of tf_keras give it
        rate = rate(inner.iterations)
    try:
        number = float(rate.numpy() if hasattr(rate, "numpy") else rate)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"TracIn needs the learning rate, so the model has to be compiled with an optimizer that has one. "
                         f"Received: optimizer={type(optimizer).__name__}, learning_rate={rate!r}")  # fmt: skip
    return number


def read_checkpoints(path: str | Path | Sequence[Any]) -> list[Checkpoint]:
    """The checkpoints in a folder; the weights of each are read when they are asked for.

    Args:
        path: The folder of a `CheckpointKeeper`, or a list of (learning rate, weights) with weights as `model.get_weights()`
            gives them.

    Raises:
        InputError: If the folder holds none, or they cannot be read.
    """
    if not isinstance(path, (str, Path)):
        return [_given(i, one) for i, one in enumerate(_listed(path))]
    folder = Path(path)
    try:
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        entries = index["checkpoints"] if index["format"] == _FORMAT else []
        found = [_entry(folder, entry) for entry in entries]
    except _UNREADABLE as error:
        raise InputError(f"`checkpoints` has to be the folder of a CheckpointKeeper, with its {_INDEX}. Received: "
                         f"checkpoints={str(path)!r} ({type(error).__name__}: {error})") from error  # fmt: skip
    if not found:
        raise InputError(f"The folder holds no checkpoint. Received: checkpoints={str(path)!r}")
    return found


def _entry(folder: Path, entry: dict[str, Any]) -> Checkpoint:
    name, rate, names = str(entry["file"]), float(entry["learning_rate"]), list(entry["names"])
    if Path(name).name != name or not math.isfinite(rate):
        raise ValueError(f"an entry that no CheckpointKeeper writes: {name!r}, {rate}")
    return Checkpoint(rate, lambda: list(_arrays(folder / name, len(names))), name)


def _arrays(file: Path, count: int) -> Iterator[np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            yield from [arrays[str(i)] for i in range(count)]
    except _UNREADABLE as error:
        raise InputError(f"The checkpoint cannot be read: keep the folder as it was written. Received: {str(file)!r} "
                         f"({type(error).__name__}: {error})") from error  # fmt: skip


def _listed(checkpoints: Any) -> list[Any]:
    if not isinstance(checkpoints, Sequence) or not len(checkpoints):
        raise InputTypeError("`checkpoints` is the folder of a CheckpointKeeper, or a list of (learning rate, weights). "
                             f"Received: checkpoints={checkpoints!r}")  # fmt: skip
    return list(checkpoints)


def _given(i: int, pair: Any) -> Checkpoint:
    if isinstance(pair, Checkpoint):
        return pair
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not isinstance(pair[0], (int, float, np.number)):
        raise InputTypeError(f"A checkpoint is (learning rate, weights). Received: checkpoints[{i}] of type "
                             f"{type(pair).__name__}")  # fmt: skip
    rate, weights = float(pair[0]), [np.asarray(value) for value in pair[1]]
    if not math.isfinite(rate):
        raise InputError(f"A learning rate is finite. Received: checkpoints[{i}] with {rate}")
    return Checkpoint(rate, lambda: weights, f"checkpoints[{i}]")


def _plain(value: np.ndarray) -> np.ndarray:
    return value if value.dtype.kind in "biufc" else value.astype(np.float32)  # numpy itself knows no bfloat16
