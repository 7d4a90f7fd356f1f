"""One compiled function per question, whatever the shapes; the store of functions is bounded."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

import kerasintrospect as ki
from kerasintrospect import tracing


def test_one_trace_serves_every_batch_and_length(keras: ModuleType) -> None:
    calls = []

    class Counted(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x):  # type: ignore[no-untyped-def]
            calls.append(1)
            return x

    ids = keras.Input((None,), dtype="int32")
    h = Counted()(keras.layers.Embedding(20, 4, mask_zero=True)(ids))
    model = keras.Model(ids, keras.layers.Dense(2, activation="softmax")(keras.layers.LSTM(3)(h)))
    lens = ki.wrap(model)
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 30, 40)
    batch = np.where(np.arange(30) < lengths[:, None], rng.integers(1, 20, (40, 30)), 0)
    lens.attribute(batch[:3], target=0)
    calls.clear()
    for n in (1, 7, 40):
        lens.attribute(batch[:n], target=0)
    assert calls == []


def test_functions_of_the_user_do_not_pile_up(keras: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_KEPT", 3)
    x = keras.Input((4,))
    lens = ki.wrap(keras.Model(x, keras.layers.Dense(2)(x)))
    for k in range(6):
        found = lens.attribute(np.ones((2, 4)), "saliency", target=lambda y, k=k: k * y[:, 0], abs=False).scores
        kernel = lens.model.get_weights()[0]
        np.testing.assert_allclose(found, np.tile(k * kernel[:, 0], (2, 1)), atol=1e-5)
    assert len(lens._runner.tracer._functions) <= 3


def test_a_model_that_never_said_what_it_takes_asks_for_a_batch(keras: ModuleType) -> None:
    class Model(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.out = keras.layers.Dense(2)

        def call(self, x):  # type: ignore[no-untyped-def]
            return self.out(x)

    lens = ki.wrap(Model())
    with pytest.raises(ki.InputError, match="has not said yet what it takes"):
        lens.sites()
    assert lens.sites(np.ones((3, 4)))["out"].outputs[0][0].shape == (None, 2)
