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


def keract(model: Any, ids: np.ndarray, name: str) -> str:
    """What becomes of keract on this Keras."""
    from keract import get_activations

    try:
        get_activations(model, ids[:2], layer_names=name)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # it reads private attributes of Keras 2
        return f"cannot run on Keras {keras.__version__} ({type(error).__name__}: {error})"
    return "runs"


def compare(title: str, model: Any, site: str, ids: np.ndarray, ragged: bool, repeats: int) -> None:
    """One scenario; above 1 we are faster."""
    lens = ki.wrap(model, class_names=["a", "b", "c"], batch_size=ROWS)
    head = keras.Model(model.input, model.get_layer(site).output)
    found = lens.activations(ids[:64], site, pool="first")[site]
    expected = np.asarray(head(ids[:64]))
    np.testing.assert_allclose(found, expected if expected.ndim == 2 else expected[:, 0], atol=1e-4)
    peers = [bare(model, ids), lambda: head.predict(ids, batch_size=ROWS, verbose=0)]
    for peer in peers:
        peer()
    forward, predict, ours = alternate(repeats, *peers, lambda: lens.activations(ids, site, pool="mean"))
    print(f"\n{title}, {len(ids)} rows of {'ragged' if ragged else 'equal'} length, pooled at '{site}'")
    print(f"  bare forward pass / ours {forward / ours:6.2f}   ({forward:.2f} s, ours {ours:.2f} s)")
    print(f"  predict of a head / ours {predict / ours:6.2f}   ({predict:.2f} s, and nothing is pooled)")


def main(quick: bool = False) -> None:
    """Prints the ratios."""
    for title, model, site in (("BiLSTM", bilstm(), "bilstm"), ("6-layer encoder", encoder(), "norm2_2")):
        for ragged in (False, True):
            ids, _ = batch(TEXTS // 4 if quick else TEXTS, 40, ragged)
            compare(title, model, site, ids, ragged, repeats=3 if quick else 9)
        print(f"\nkeract on it: {keract(model, ids, site)}")


if __name__ == "__main__":
    main()
