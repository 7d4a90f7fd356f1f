"""ktrain's n-grams are named by their words; everything else of this front is in tests/adapters/test_ktrain.py."""

from __future__ import annotations

import importlib

from kerasintrospect.fronts.ktrain import _names_of


def test_n_grams_are_named_by_their_words():
    text, known, labels = importlib.import_module("ktrain").text, ["a good film", "a bad film"], ["p", "n"]
    *_, preproc = text.texts_from_array(
        known, labels, known, labels, maxlen=8, preprocess_mode="standard", ngram_range=2, verbose=0
    )
    assert _names_of(preproc)("a good film") == ["a", "good", "film", "a good", "good film"]
