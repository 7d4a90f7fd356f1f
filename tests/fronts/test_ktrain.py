"""ktrain's n-grams are named by their words; everything else of this front is in tests/adapters/test_ktrain.py."""

from __future__ import annotations

import numpy as np

from kerasintrospect.fronts.ktrain import _names_of


class Words:
    index_word = {1: "a", 2: "good", 3: "film"}


class Preproc:
    tok, tok_dct = Words(), {(2, 3): 9}

    def preprocess(self, texts: list[str]) -> np.ndarray:
        return np.array([[0, 0, 1, 2, 3, 9, 7]])


def test_n_grams_are_named_by_their_words():
    assert _names_of(Preproc())("a good film") == ["a", "good", "film", "good film", "#7"]
