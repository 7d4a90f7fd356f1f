"""What AutoKeras makes: fitted classifiers, the folders that they leave, and exported models with its own layers."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, KerasIntrospectWarning, UnsupportedError
from .base import Adapter, Wrapping, adapt, adapters
from .loading import describe, load

__all__ = ["AutoKerasAdapter", "Project"]

_ITS_LAYERS = re.compile(r'"autokeras\.keras_layers"|"class_name": "Custom>(ExpandLastDim|CastToFloat32)"')


@dataclass(frozen=True)
class Project:
    """The folder that a search of AutoKeras leaves: `best_model.keras` and, for its inputs, the JSON file `best_pipeline`."""

    model: Any
    pipeline: Path


@adapters.register("autokeras")
class AutoKerasAdapter(Wrapping):
    """A fitted `AutoModel`, such as a `TextClassifier`, or a `Project`, with vocabulary and class names beside the model."""

    priority = 2

    @classmethod
    def of(cls, model: Any) -> Adapter:
        return cls(model, adapt(model.model if isinstance(model, Project) else _export(model)))

    @staticmethod
    def claims(model: Any) -> bool:
        names = {base.__name__ for base in type(model).__mro__ if base.__module__.split(".")[0] == "autokeras"}
        return isinstance(model, Project) or "AutoModel" in names

    @staticmethod
    def load(path: Path, trust: bool = False) -> Any:
        best, pipeline = path / "best_model.keras", path / "best_pipeline"
        if best.is_file() and pipeline.is_file():
            return Project(load(best, _layers), pipeline)
        return load(path, _layers) if _ITS_LAYERS.search((describe(path) or ("", ""))[1]) else None

    def defaults(self) -> Mapping[str, Any]:
        path = self.outer.pipeline if isinstance(self.outer, Project) else Path(self.outer.tuner.best_pipeline_path)
        inputs, outputs = _steps(path, "inputs"), _steps(path, "outputs")
        changes = [step["class_name"] for steps in inputs for step in steps]
        if changes and (len(inputs) > 1 or "TextTokenizer" not in changes):
            raise UnsupportedError(
                f"AutoKeras changes the inputs of this model before it sees them, and only a text alone is followed there: "
                f"wrap clf.export_model(), or .model of a loaded folder, and give it what transform_x of "
                f"clf.tuner.get_best_pipeline() makes. Received: {', '.join(changes)}")  # fmt: skip
        labels = [step["config"]["labels"] for step in outputs[0] if "labels" in step["config"]]
        return {"tokenizer": path if changes else None, "class_names": labels[0] if labels and len(outputs) == 1 else None}


def _export(model: Any) -> Any:
    """The model that `predict` of AutoKeras asks."""
    path, folder = Path(model.tuner.best_pipeline_path), model.tuner.project_dir
    if not path.is_file():
        raise InputError(f"AutoKeras has no model yet: call fit(). Received: {type(model).__name__} without {str(path)!r}")
    try:
        made, best = model.export_model(), model.tuner.oracle.get_best_trials(1)[0].trial_id
    except ValueError as error:
        raise InputError(f"AutoKeras makes its model in the process of fit() only ({error}). Wrap the folder, "
                         f"ki.load_model({folder!r}). Received: {type(model).__name__}") from error  # fmt: skip
    if _steps(Path(model.tuner.get_trial_dir(best)) / "pipeline", "inputs") != _steps(path, "inputs"):
        warnings.warn(
            f"AutoKeras predicts with the weights of its best trial, but the vocabulary of its final fit, where words have "
            f"other numbers: these are its predictions, and they are wrong. Give validation_data= to fit(), or wrap "
            f"ki.load_model({folder!r}), where both are of the final fit.", KerasIntrospectWarning, stacklevel=5)  # fmt: skip
    return made


def _steps(path: Path, side: str) -> list[list[dict[str, Any]]]:
    return list(json.loads(path.read_text(encoding="utf-8"))[side])


def _layers(keras: Any) -> dict[str, Any]:
    """The layers of AutoKeras by the names in its files, made anew, so that its package is not needed."""
    import tensorflow as tf

    def cast(layer: Any, inputs: Any) -> Any:
        return tf.strings.to_number(inputs) if inputs.dtype == "string" else tf.cast(inputs, "float32")

    def expand(layer: Any, inputs: Any) -> Any:
        return tf.expand_dims(inputs, -1)

    made = {name: type(name, (keras.layers.Layer,), {"call": call, "__module__": "autokeras.keras_layers"})
            for name, call in (("CastToFloat32", cast), ("ExpandLastDim", expand))}  # fmt: skip
    return made | {f"Custom>{name}": kind for name, kind in made.items()}
