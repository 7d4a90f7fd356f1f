"""Mutual information: scikit-learn's, in bits."""

import numpy as np
import pytest

from kerasintrospect.errors import InputError
from kerasintrospect.probes import rank_neurons

from .planted import planted


def test_a_neuron_that_is_the_class_tells_one_bit():
    X, y = planted("binary", 1000)
    X[:, 7] += 50 * y
    assert rank_neurons(X, y, "mutual_information").scores[7] == pytest.approx(1, abs=0.02)


def test_a_large_array_is_sampled_and_says_so():
    X, y = planted("binary", 400)
    found = rank_neurons(X, y, "mutual_information", max_examples=200)
    assert "sample of 200 of 400 rows" in found.notes[-1] and found.order[0] == 7
    assert not any("sample" in note for note in rank_neurons(X, y, "mutual_information", max_examples=None).notes)
    with pytest.raises(InputError, match="at least twice `neighbors`"):
        rank_neurons(X, y, "mutual_information", max_examples=3)


def test_linked_but_not_along_a_line():
    X, _ = planted("binary", 1000)
    y = np.abs(X[:, 9]) > 0.67
    assert rank_neurons(X, y, "mutual_information").order[0] == 9
    assert rank_neurons(X, y, "probeless", standardize=True).order[0] != 9
