"""TensorFlow models of Hugging Face: eight families, tiny and fresh, against their own hidden states and logits."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import kerasintrospect as ki

TEXTS = ["I loved this film !", "the end", "i love the actor , this is the end ! the film"]
SIZES = {"vocab_size": 20, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16,
         "max_position_embeddings": 40, "num_labels": 3, "pad_token_id": 0}  # fmt: skip
# name of the classes -> (options of the configuration, path of a block, the embedding site)
FAMILIES: dict[str, tuple[dict[str, Any], str, str]] = {
    "Bert": (SIZES, "bert.encoder.layer[{}]", "bert.embeddings"),
    "DistilBert": (
        {"vocab_size": 20, "dim": 12, "n_layers": 2, "n_heads": 2, "hidden_dim": 16, "num_labels": 3},
        "distilbert.transformer.layer[{}]", "distilbert.embeddings",
    ),
    "Roberta": (SIZES, "roberta.encoder.layer[{}]", "roberta.embeddings"),
    "XLMRoberta": (SIZES, "roberta.encoder.layer[{}]", "roberta.embeddings"),
    "Albert": (
        {**SIZES, "embedding_size": 8, "num_hidden_groups": 2}, "albert.encoder.albert_layer_groups[{}]", "albert.embeddings",
    ),
    "Electra": ({**SIZES, "embedding_size": 12}, "electra.encoder.layer[{}]", "electra.embeddings"),
    "MPNet": (SIZES, "mpnet.encoder.layer[{}]", "mpnet.embeddings"),
    "GPT2": (
        {"vocab_size": 20, "n_embd": 12, "n_layer": 2, "n_head": 2, "n_positions": 40, "num_labels": 3, "pad_token_id": 0},
        "transformer.h[{}]", "transformer.wte",
    ),
}  # fmt: skip


def tokenizer() -> Any:
    from fronts.test_hugging_face import tokenizer

    return tokenizer()


def build(name: str, **options: Any) -> Any:
    transformers = importlib.import_module("transformers")
    importlib.import_module("tf_keras").utils.set_random_seed(1)
    config = getattr(transformers, f"{name}Config")(**FAMILIES[name][0] | options)
    return getattr(transformers, f"TF{name}ForSequenceClassification")(config)


@pytest.fixture(scope="module", params=FAMILIES)
def wrapped(request: pytest.FixtureRequest) -> tuple[str, Any, Any]:
    lens = ki.wrap(build(request.param), tokenizer=tokenizer())
    encoded = dict(tokenizer()(TEXTS, padding=True, return_tensors="tf"))
    encoded.pop("token_type_ids")
    return request.param, lens, lens.model(encoded, training=False, output_hidden_states=True)


def test_predictions_are_the_softmax_of_the_logits(wrapped):
    _, lens, expected = wrapped
    logits = expected.logits.numpy()
    found = lens.predict(TEXTS)
    assert found.kind == "softmax" and found.class_names == ["LABEL_0", "LABEL_1", "LABEL_2"]
    assert np.allclose(found.scores, np.exp(logits) / np.exp(logits).sum(-1, keepdims=True), atol=1e-5)
    assert np.allclose(lens.predict(TEXTS[1:2]).scores, found.scores[1:2], atol=1e-5)  # padding means nothing


def test_blocks_are_the_hidden_states(wrapped):
    name, lens, expected = wrapped
    path = FAMILIES[name][1]
    # GPT-2's last hidden state is the one after its final norm, which stands behind the blocks.
    sites = [path.format(0), "transformer.ln_f" if name == "GPT2" else path.format(1)]
    found = lens.activations(TEXTS, sites, pool=None)
    for site, state in zip(sites, expected.hidden_states[1:], strict=True):
        kept = found.mask
        assert np.allclose(found[site][kept], state.numpy()[:, : kept.shape[1]][kept], atol=1e-5)


def test_gradients_are_those_of_the_logits_by_finite_differences(wrapped):
    name, lens, _ = wrapped
    found = lens.attribute(TEXTS[:1], "saliency", target="LABEL_1", abs=False)
    assert found.sites == (FAMILIES[name][2],)
    made, names = tokenizer()(TEXTS[:1], return_tensors="np"), lens._runner.adapter.input_names()
    encoded, site, step = {key: made[key] for key in names}, FAMILIES[name][2], 1e-2

    def score(shift: float) -> float:
        edits = {site: lambda value: value + shift}
        return float(logit(lens, encoded, edits))

    assert (score(step) - score(-step)) / (2 * step) == pytest.approx(found.scores.sum(), abs=2e-3)


def logit(lens: Any, inputs: dict[str, Any], edits: dict[str, Any]) -> Any:
    from kerasintrospect.sites import Site
    from kerasintrospect.taps import Taps

    with Taps(lens._runner.tracer.layers, (), {Site(path): edit for path, edit in edits.items()}):
        return lens._runner.adapter.call(inputs)[0, 1]


def test_the_words_are_those_of_the_text():
    lens = ki.wrap(build("DistilBert"), tokenizer=tokenizer())
    assert [word.text for word in lens.attribute(TEXTS[:1], "saliency")[0].words()] == ["I", "loved", "this", "film", "!"]
    index = lens.neighbors(TEXTS, ["LABEL_0", "LABEL_2", "LABEL_0"], site="distilbert.transformer.layer[0]")
    assert index.query(TEXTS[:1], k=1).texts == [[TEXTS[0]]]
    assert lens.truncate("distilbert.transformer.layer[1]") is not None


def test_several_labels_and_numbers_are_told_apart():
    several = ki.wrap(build("Bert", problem_type="multi_label_classification"), tokenizer=tokenizer())
    one = ki.wrap(build("Bert", num_labels=1), tokenizer=tokenizer())
    assert (several.predict(TEXTS).kind, one.predict(TEXTS).kind) == ("multilabel", "raw")


def test_a_model_without_a_head_gives_its_last_hidden_state():
    transformers = importlib.import_module("transformers")
    model = transformers.TFBertModel(transformers.BertConfig(**SIZES))
    found = ki.wrap(model, tokenizer=tokenizer()).activations(TEXTS, "bert.encoder.layer[1]", pool=None)
    state = model(dict(tokenizer()(TEXTS, padding=True, return_tensors="tf")), training=False).last_hidden_state.numpy()
    assert np.allclose(found["bert.encoder.layer[1]"][found.mask], state[:, : found.mask.shape[1]][found.mask], atol=1e-5)
