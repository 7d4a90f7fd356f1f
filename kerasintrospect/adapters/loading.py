"""Keras model files of both families, loaded without running anything that they hold."""

from __future__ import annotations

import importlib
import json
import zipfile
from pathlib import Path
from typing import Any

from ..errors import ModelFileError

__all__ = ["load"]


def load(path: Path) -> Any:
    described = _describe(path)
    if described is None:
        return None
    version, config = described
    if '"class_name": "Lambda"' in config:
        raise ModelFileError(
            f"The file holds a Lambda layer, that is Python code, which is never run from a file. Load the model in Python "
            f"yourself if you trust its author, and wrap it. Received: {str(path)!r}"
        )
    family = importlib.import_module("keras" if version.split(".")[0] == "3" else "tf_keras")
    try:
        return family.saving.load_model(path, safe_mode=True, compile=False)
    except Exception as error:  # the loaders raise anything from KeyError to UnicodeDecodeError on a file that is broken
        raise ModelFileError(
            f"{family.__name__} {family.__version__} cannot load the file (written by Keras {version}): "
            f"{' '.join(str(error).split())[:300]} If it holds classes of your own, load it in Python with "
            f"custom_objects and wrap the model. Received: {str(path)!r}"
        ) from error


def _describe(path: Path) -> tuple[str, str] | None:
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
