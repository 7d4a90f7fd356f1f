"""`wrap`: from the model that the user has to the lens on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .adapters.base import adapt
from .errors import InputError, InputTypeError
from .fronts.base import find_front
from .introspector import Introspector
from .runs import Runner

__all__ = ["wrap"]


def wrap(
    model: Any,
    tokenizer: Any = None,
    preprocess: Callable[[list[str]], Any] | None = None,
    class_names: Sequence[str] | None = None,
    max_length: int | None = None,
    output: int | str | None = None,
    batch_size: int = 256,
    jit_compile: bool | str = "auto",
) -> Introspector:
    """Wraps a Keras model; the model itself is never changed.

    Args:
        model: Keras 3, tf_keras or Hugging Face model; of ktrain or AutoKeras; black boxes: SavedModel, TF Lite, function.
        tokenizer: For models that take ids: a `TextVectorization` layer, a tf_keras `Tokenizer`, a Hugging Face fast
            tokenizer, or a function from a text to its tokens, or to their (start, end) characters (then with
            `preprocess`). A `TextVectorization` inside the model is found without it.
        preprocess: Function from a list of str to what the model takes.
        class_names: One per class. Given for a model that ends in neither softmax nor sigmoid, they say that its outputs
            are logits.
        max_length: Longest input in tokens, for tokenizers that do not know it.
        output: Name or position of the output that is meant, for models with several.
        batch_size: Rows in one pass, the steps of a path included; bounds the memory.
        jit_compile: Whether XLA compiles what is run: `"auto"` where much time was spent already, True at once, False never.
            Graphs with loops or strings are never compiled.

    Returns:
        An `Introspector`.

    Raises:
        InputTypeError: if the model or the tokenizer is of no kind that can be wrapped.

    Example:

    >>> ki.wrap(model, class_names=["negative", "positive"]).attribute(["I loved this film, but the main actor sucks."])
    """
    adapter = adapt(model)
    if isinstance(class_names, str):
        raise InputTypeError(f"class_names is a list of str. Received: {class_names!r}")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"batch_size is a positive int. Received: batch_size={batch_size!r}")
    defaults = adapter.defaults()
    if tokenizer is None and preprocess is None:
        tokenizer = defaults.get("tokenizer")
    front = find_front(tokenizer, preprocess, adapter, max_length)
    class_names = defaults.get("class_names") if class_names is None else class_names
    if jit_compile not in ("auto", True, False):
        raise InputError(f"jit_compile is 'auto', True or False. Received: jit_compile={jit_compile!r}")
    return Introspector(Runner(adapter, front, batch_size, jit_compile), class_names, output)
