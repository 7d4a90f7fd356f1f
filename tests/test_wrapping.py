"""`wrap` says what it takes."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

import kerasintrospect as ki


def test_what_cannot_be_wrapped_says_so(keras: ModuleType) -> None:
    for thing in (3, "model", keras.layers.Dense(2), keras):
        with pytest.raises(ki.InputTypeError, match=r"wrap\(\) takes a Keras 3 or tf_keras Model"):
            ki.wrap(thing)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ki.InputTypeError, match="class_names is a list of str. Received: 'yes'"):
        ki.wrap(model, class_names="yes")
    with pytest.raises(ki.InputError, match="batch_size is a positive int. Received: batch_size=0"):
        ki.wrap(model, batch_size=0)
    with pytest.raises(ki.InputTypeError, match="tokenizer is a TextVectorization layer"):
        ki.wrap(model, tokenizer=5)
    with pytest.raises(ki.InputError, match="pool is one of 'mean', 'max', 'first', 'last', None. Received: pool='sum'"):
        ki.wrap(model).activations(np.ones((2, 3)), "dense", pool="sum")
    with pytest.raises(ki.InputTypeError, match="texts: was a tokenizer= or preprocess= forgotten"):
        ki.wrap(model).predict(["a text"])
