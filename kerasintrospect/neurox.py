"""Files of NeuroX, JSON and HDF5: read into arrays, and written from stores or arrays, one sentence at a time."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .datasets import short
from .errors import InputError
from .store import ActivationStore

__all__ = ["NeuroxActivations", "read_neurox", "write_neurox"]

Array = npt.NDArray[Any]
Path_ = str | os.PathLike[str]
_OCCURRENCE = re.compile(r" \(Occurrence \d+\)$")


@dataclass(frozen=True, eq=False)
class NeuroxActivations:
    """What a file of NeuroX holds.

    Attributes:
        words: Per sentence its words.
        activations: Per sentence (layers, words, units) float32.
    """

    words: list[list[str]]
    activations: list[Array]

    def __len__(self) -> int:
        return len(self.words)

    def layer(self, number: int) -> Array:
        """(all words, units) of a layer."""
        return np.concatenate([values[number] for values in self.activations])

    def matrix(self) -> Array:
        """(all words, layers * units), the layers side by side, as NeuroX's loader gives them."""
        return np.concatenate([values.transpose(1, 0, 2).reshape(values.shape[1], -1) for values in self.activations])


def read_neurox(path: Path_) -> NeuroxActivations:
    """Reads a file that NeuroX, or `write_neurox`, wrote.

    Args:
        path: A file named *.json or *.hdf5.

    Raises:
        InputError: if the file is damaged, or its words and vectors do not align; it names the line or the sentence.
    """
    reader = _read_json if _kind(path) == "json" else _read_hdf5
    words: list[list[str]] = []
    activations: list[Array] = []
    for place, said, values in reader(path):
        if values.ndim != 3 or values.shape[1] != len(said):
            raise _fault(path, place, f"{len(said)} words and activations of shape {values.shape}")
        if activations and (values.shape[0], values.shape[2]) != (activations[0].shape[0], activations[0].shape[2]):
            raise _fault(path, place, f"layers and units of shape {values.shape} after {activations[0].shape}")
        words.append(said)
        activations.append(values)
    if not words:
        raise InputError(f"The file holds no sentence. Received: path={os.fspath(path)!r}.")
    return NeuroxActivations(words, activations)


def write_neurox(
    source: ActivationStore | Iterable[tuple[Sequence[str], npt.ArrayLike]], path: Path_, sites: Sequence[str] | None = None
) -> int:
    """Writes a file that NeuroX reads.

    JSON holds eight decimal places. HDF5 holds the words of a sentence with blanks between them, so no word has one.

    Args:
        source: A store of words or tokens; or (words, activations (layers, words, units)) per sentence.
        path: A file named *.json or *.hdf5.
        sites: The sites of the store that become layers, in this order; None takes all.

    Returns:
        The number of sentences; documents without rows are none.

    Raises:
        InputError: if sites have different numbers of units, or a word cannot be written.
    """
    sentences = _of_store(source, sites) if isinstance(source, ActivationStore) else source
    writer = _json if _kind(path) == "json" else _hdf5
    part, count = Path(f"{os.fspath(path)}.part"), 0
    try:
        with writer(part) as put:
            for said, values in sentences:
                array = np.asarray(values, np.float32)
                if array.ndim != 3 or array.shape[1] != len(said):
                    raise InputError("Activations of a sentence are of shape (layers, words, units). "
                                     f"Received: {len(said)} words and shape {array.shape} in sentence {count}.")  # fmt: skip
                put(count, list(said), array)
                count += 1
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _of_store(store: ActivationStore, sites: Sequence[str] | None) -> Iterator[tuple[list[str], Array]]:
    """The documents of a store, some rows in memory at a time."""
    chosen = list(sites or store.sites)
    if store.unit == "example" or store.texts is None:
        raise InputError(f"NeuroX has words: export with unit=\"word\". Received: a store with unit={store.unit!r}.")
    units = {site: store.statistics(site).units for site in chosen}
    if len({*units.values()}) > 1:
        raise InputError(f"The layers of NeuroX have equal numbers of units: name such `sites`. Received: {units}.")
    ends = np.append(np.flatnonzero(np.diff(store.documents)) + 1, len(store))
    held, start, number = np.empty((len(chosen), 0, units[chosen[0]]), np.float32), 0, 0
    for values in store.stream(chosen):
        held = np.concatenate([held, np.stack([values[site] for site in chosen])], 1)
        done = start
        while number < len(ends) and ends[number] <= start + held.shape[1]:
            end = int(ends[number])
            yield store.texts[done:end], held[:, done - start : end - start]
            done, number = end, number + 1
        held, start = held[:, done - start :], done


def _kind(path: Path_) -> str:
    kind = Path(path).suffix.lstrip(".")
    if kind not in ("json", "hdf5"):
        raise InputError(f"Files of NeuroX are named *.json or *.hdf5. Received: path={os.fspath(path)!r}.")
    return kind


Put = Callable[[int, list[str], Array], None]


@contextmanager
def _json(path: Path) -> Iterator[Put]:
    with path.open("w", encoding="utf-8") as file:

        def put(number: int, words: list[str], values: Array) -> None:
            rounded = np.round(values.astype(np.float64), 8).transpose(1, 0, 2).tolist()
            features = [{"token": word, "layers": [{"index": i, "values": layer} for i, layer in enumerate(layers)]}
                        for word, layers in zip(words, rounded, strict=True)]  # fmt: skip
            file.write(json.dumps({"linex_index": number, "features": features}) + "\n")

        yield put


@contextmanager
def _hdf5(path: Path) -> Iterator[Put]:
    import h5py

    numbers: dict[str, str] = {}
    with h5py.File(path, "w") as file:

        def put(number: int, words: list[str], values: Array) -> None:
            blank = next((word for word in words if word.split(" ") != [word] or not word), None)
            if blank is not None:
                raise InputError(f"NeuroX's HDF5 has no blank in a word: write JSON. Received: {blank!r} in sentence {number}.")
            file.create_dataset(str(number), data=values)
            sentence = key = " ".join(words)
            counter = 1
            while key in numbers:
                counter += 1
                key = f"{sentence} (Occurrence {counter})"
            numbers[key] = str(number)

        yield put
        index = file.create_dataset("sentence_to_index", (1,), dtype=h5py.special_dtype(vlen=str))
        index[0] = json.dumps(numbers)


def _read_json(path: Path_) -> Iterator[tuple[str, list[str], Array]]:
    if not Path(path).is_file():
        raise InputError(f"There is no such file. Received: path={os.fspath(path)!r}.")
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            try:
                features = json.loads(line)["features"]
                layers = [[layer["values"] for layer in feature["layers"]] for feature in features]
                values = np.array(layers, np.float32)
                words = [str(feature["token"]) for feature in features]
            except (ValueError, KeyError, TypeError) as error:
                raise _fault(path, f"line {number}", f"{type(error).__name__}: {short(str(error))}") from error
            yield f"line {number}", words, values.transpose(1, 0, 2) if values.ndim == 3 else values


def _read_hdf5(path: Path_) -> Iterator[tuple[str, list[str], Array]]:
    with _opened(path) as file:
        try:
            numbers = json.loads(file["sentence_to_index"][0])
            order = sorted(numbers.items(), key=lambda item: int(item[1]))
        except (ValueError, KeyError, TypeError) as error:
            raise _fault(path, "sentence_to_index", f"{type(error).__name__}: {short(str(error))}") from error
        for key, number in order:
            base = _OCCURRENCE.sub("", key)
            try:
                values = np.asarray(file[number][...], np.float32)
            except (KeyError, OSError, ValueError) as error:
                raise _fault(path, f"sentence {number}", f"{type(error).__name__}: {short(str(error))}") from error
            yield f"sentence {number}", (base if base in numbers else key).split(" "), values


def _opened(path: Path_) -> AbstractContextManager[Any]:
    import h5py

    try:
        return h5py.File(path, "r")  # type: ignore[no-any-return]
    except OSError as error:
        raise InputError(f"The file is no HDF5. Received: path={os.fspath(path)!r} ({short(str(error))}).") from error


def _fault(path: Path_, place: str, received: str) -> InputError:
    return InputError(f"The file has to be as NeuroX writes it. Received: {received}, in {place} of {os.fspath(path)!r}.")
