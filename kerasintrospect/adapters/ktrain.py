"""What ktrain makes: predictors and learners around a model, and folders with both."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import KerasIntrospectWarning, ModelFileError
from .base import Adapter, Wrapping, adapt, adapters

__all__ = ["KtrainAdapter"]


@adapters.register("ktrain")
class KtrainAdapter(Wrapping):
    """A ktrain `Predictor`, with the preprocessor and the class names that it holds, or a `Learner`, which has neither."""

    priority = 2

    @classmethod
    def of(cls, model: Any) -> Adapter:
        return cls(model, adapt(model.model))

    @staticmethod
    def claims(model: Any) -> bool:
        names = {base.__name__ for base in type(model).__mro__ if base.__module__.split(".")[0] == "ktrain"}
        return bool(names & {"Predictor", "Learner"}) and hasattr(model, "model")

    @staticmethod
    def load(path: Path, trust: bool = False) -> Any:
        if not (path / "tf_model.preproc").is_file():
            return None
        if not trust:
            raise ModelFileError(
                f"A ktrain folder holds a pickle (tf_model.preproc), which can run any code when it is loaded: pass trust=True "
                f"if you trust its author. Received: {str(path)!r}"
            )
        warnings.warn(
            f"ktrain loads a pickle, which can run any code: {str(path / 'tf_model.preproc')!r}", KerasIntrospectWarning,
            stacklevel=3,
        )  # fmt: skip
        try:
            import ktrain
        except ImportError as error:
            raise ModelFileError(
                f"ktrain cannot be imported ({' '.join(str(error).split())[:200]}). It needs pip install "
                f"'kerasintrospect[ktrain]', and TF_USE_LEGACY_KERAS=1 in the environment before TensorFlow is imported. "
                f"Received: {str(path)!r}"
            ) from error
        return ktrain.load_predictor(str(path))

    def logits(self) -> str | None:
        several = getattr(getattr(self.outer, "preproc", None), "multilabel", False)
        return "sigmoid" if self.inner.logits() and several else self.inner.logits()

    def defaults(self) -> Mapping[str, Any]:
        preproc = getattr(self.outer, "preproc", None)
        if preproc is None:
            return {}
        names = [str(name) for name in preproc.get_classes() or []]
        return {"tokenizer": preproc, **({"class_names": names} if len(names) > 1 else {})}
