"""Keras model files of both families, loaded without running anything that they hold."""

from __future__ import annotations

import importlib
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..errors import ModelFileError

__all__ = ["describe", "load"]


def load(path: Path, layers: Callable[[Any], Mapping[str, Any]] = lambda family: {}) -> Any:
    """The model in a file, None if there is none; `layers` gives those that the file takes for known, for its family."""
    described = describe(path)
    if described is None and _is_weights(path):
        raise ModelFileError(f"The file holds weights without a model: build the model as its author does, fill it with "
                             f"load_weights(path), and wrap it. Received: {str(path)!r}")  # fmt: skip
    if described is None:
        return None
    version, config = described
    if '"class_name": "Lambda"' in config:
        raise ModelFileError(
            f"The file holds a Lambda layer, that is Python code, which is never run from a file. Load the model in Python "
            f"yourself if you trust its author, and wrap it. Received: {str(path)!r}"
        )
    family = importlib.import_module("keras" if version.split(".")[0] == "3" else "tf_keras")
    known = layers(family)
    try:
        before = None if zipfile.is_zipfile(path) else _before_reset_after(json.loads(config))
        if before is None:
            return family.saving.load_model(path, known, safe_mode=True, compile=False)
        model = family.models.model_from_config(before)
        model.load_weights(path)
        return model
    except Exception as error:  # the loaders raise anything from KeyError to UnicodeDecodeError on a file that is broken
        foreign = ", ".join(sorted(set(re.findall(r'"registered_name": "(\w+>\w+)"', config)) - {*known}))
        raise ModelFileError(
            f"{family.__name__} {family.__version__} cannot load the file (written by Keras {version}): "
            f"{' '.join(str(error).split())[:300]} If it holds classes that Keras lacks{foreign and f' ({foreign})'}, load it "
            f"in Python with custom_objects and wrap the model. Received: {str(path)!r}"
        ) from error


def _before_reset_after(config: Any) -> Any:
    """The configuration with what early versions of Keras 2 took for granted of a GRU; None if nothing was left out."""
    left_out, stack = False, [config]
    while stack:
        now = stack.pop()
        stack += now.values() if isinstance(now, dict) else now if isinstance(now, list) else ()
        if isinstance(now, dict) and now.get("class_name") == "GRU" and "reset_after" not in now.get("config", ()):
            now["config"], left_out = {**now.get("config", {}), "reset_after": False}, True
    return config if left_out else None


def describe(path: Path) -> tuple[str, str] | None:
    """The Keras version that wrote the file, which is the only sign of the family, and the model's configuration."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                metadata = json.loads(archive.read("metadata.json"))
                return str(metadata["keras_version"]), json.dumps(json.loads(archive.read("config.json")))
        import h5py

        with h5py.File(path) as file:
            return str(file.attrs["keras_version"]), json.dumps(json.loads(file.attrs["model_config"]))
    except (OSError, KeyError, ValueError):
        return None


def _is_weights(path: Path) -> bool:
    try:
        import h5py

        with h5py.File(path) as file:
            return "layer_names" in file.attrs or "layers" in file  # of Keras 2, of Keras 3
    except OSError:
        return False
