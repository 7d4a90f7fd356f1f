"""Activations at a middle site against the bare compiled forward pass, and against keract and `predict` of a sub-model."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from attribution import alternate
from models import batch, bilstm, encoder

import kerasintrospect as ki

TEXTS, ROWS = 1024, 256


def bare(model: Any, ids: np.ndarray) -> Any:
    """The forward pass of the whole model, compiled, on the same chunks."""
    forward = tf.function(lambda x: model(x, training=False), input_signature=[tf.TensorSpec([None, None], tf.int32)])
    return lambda: [forward(ids[k : k + ROWS]).numpy() for k in range(0, len(ids), ROWS)]


def keract(model: Any, ids: np.ndarray, name: str) -> tuple[Any, str]:
    """(the peer, "") or (None, why it cannot run)."""
    try:
        from keract import get_activations

        get_activations(model, ids[:2], layer_names=name)
    except Exception as error:  # keract reads private attributes of Keras 2, so anything may come
        return None, f"{type(error).__name__}: {error}"
    return lambda: get_activations(model, ids, layer_names=name), ""


def main(quick: bool = False) -> None:
    """Prints the ratios; above 1 we are faster."""
    repeats = 3 if quick else 9
    for title, model, site in (("BiLSTM", bilstm(), "bilstm"), ("6-layer encoder", encoder(), "norm2_2")):
        for ragged in (False, True):
            ids, _ = batch(TEXTS // 4 if quick else TEXTS, 40, ragged)
            lens = ki.wrap(model, class_names=["a", "b", "c"], batch_size=ROWS)
            head = keras.Model(model.input, model.get_layer(site).output)
            np.testing.assert_allclose(
                lens.activations(ids[:64], site, pool="first")[site].reshape(64, -1)[:, :8],
                np.asarray(head(ids[:64])).reshape(64, -1)[:, :8], atol=1e-4,
            )  # fmt: skip
            peers = [bare(model, ids), lambda: head.predict(ids, batch_size=ROWS, verbose=0)]
            for peer in peers:
                peer()
            forward, predict, ours = alternate(repeats, *peers, lambda: lens.activations(ids, site, pool="mean"))
            print(f"\n{title}, {len(ids)} rows of {'ragged' if ragged else 'equal'} length, pooled at '{site}'")
            print(f"  bare forward pass / ours {forward / ours:6.2f}   ({forward:.2f} s, ours {ours:.2f} s)")
            print(f"  predict of a head / ours {predict / ours:6.2f}   ({predict:.2f} s, and nothing is pooled)")
    peer, why = keract(model, ids, "norm2_2")
    print("\nkeract: " + (why and f"cannot run on Keras {keras.__version__} ({why})" or "runs"))


if __name__ == "__main__":
    main()
