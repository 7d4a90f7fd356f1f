"""Tasks and backbones of KerasHub: tiny and fresh, against their own layers and logits."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasintrospect as ki

pytest.importorskip("keras_hub", reason="the extra kerashub is not installed")

TEXTS = ["I loved this film !", "the end", "i love the actor !"]
IDS = np.array([[2, 11, 7, 8, 12, 6, 15, 3], [2, 5, 14, 3, 0, 0, 0, 0], [2, 9, 10, 5, 7, 3, 0, 0]], "int32")
WIDTH, WORDS = 8, 20
SIZES = {"vocabulary_size": WORDS + 2 * WIDTH, "num_layers": 2, "num_heads": 2, "hidden_dim": WIDTH, "intermediate_dim": 12,
         "max_sequence_length": 16}  # fmt: skip
# family -> (more options of its backbone, two sites inside it, its embedding site)
FAMILIES: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "Bert": ({}, ["transformer_layer_0", "pooled_dense"], "token_embedding"),
    "DistilBert": ({}, ["transformer_layer_0", "transformer_layer_1"], "token_and_position_embedding.token_embedding"),
    "Roberta": ({}, ["embeddings_layer_norm", "transformer_layer_1"], "embeddings.token_embedding"),
    "Albert": ({"embedding_dim": WIDTH}, ["group_0_inner_layer_0", "pooled_dense"], "token_embedding"),
    "DebertaV3": ({"bucket_size": 4}, ["disentangled_attention_encoder_layer_0", "embeddings_layer_norm"], "token_embedding"),
    "GPT2": ({}, ["transformer_layer_0", "transformer_layer_1"], "token_embedding"),
}


def backbone(name: str = "Bert", layers: int = 2) -> Any:
    """With weights that are not next to nothing, as fresh ones are."""
    importlib.import_module("keras").utils.set_random_seed(1)
    kind = getattr(importlib.import_module("keras_hub").models, f"{name}Backbone")
    made = kind(**SIZES | {"num_layers": layers}, **FAMILIES[name][0])
    drawn = np.random.default_rng(0)
    for weight in made.trainable_weights:
        weight.assign(weight + drawn.normal(0, 0.3, weight.shape))
    return made


def build(name: str = "Bert", preprocessor: Any = None, layers: int = 2, **options: Any) -> Any:
    kind = getattr(importlib.import_module("keras_hub").models, f"{name}TextClassifier")
    made = kind(backbone(name, layers), **{"num_classes": 3} | options, preprocessor=preprocessor)
    made.get_layer("logits").kernel.assign(np.random.default_rng(1).normal(size=made.get_layer("logits").kernel.shape))
    return made


def arrays(model: Any, ids: np.ndarray = IDS) -> dict[str, np.ndarray]:
    given = {"token_ids": ids, "padding_mask": ids != 0, "segment_ids": np.zeros_like(ids)}
    return {name: given[name] for name in model.input}


def preprocessor(family: str = "Bert", length: int = 8) -> Any:
    from fronts.test_keras_hub import word_pieces

    return word_pieces(length, family)


def cut(graph: Any, sites: list[str]) -> Any:
    return importlib.import_module("keras").Model(graph.input, [graph.get_layer(site).output for site in sites])


def softmax(logits: Any) -> np.ndarray:
    powers = np.exp(np.asarray(logits))
    return powers / powers.sum(-1, keepdims=True)


@pytest.fixture(scope="module", params=["Bert", "DistilBert", "Roberta"])
def wrapped(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return request.param, ki.wrap(build(request.param), jit_compile=False)


def test_predictions_are_the_softmax_of_the_logits(wrapped):
    _, lens = wrapped
    found = lens.predict(arrays(lens.model))
    assert found.kind == "softmax" and np.allclose(found.scores, softmax(lens.model(arrays(lens.model))), atol=1e-5)
    assert np.ptp(found.scores, axis=0).max() > 1e-3
    for i, row in enumerate(IDS):  # in a batch a text is what it is alone, without padding
        alone = lens.model(arrays(lens.model, row[row != 0][None]))
        assert np.allclose(found.scores[i], softmax(alone)[0], atol=1e-5)


def test_layers_inside_give_what_a_model_cut_by_hand_gives(wrapped):
    check_layers(*wrapped)


def check_layers(name: str, lens: Any) -> None:
    inner, sites = lens.model.backbone, FAMILIES[name][1]
    found = lens.activations(arrays(lens.model), [f"{inner.name}.{site}" for site in sites])
    for site, value in zip(sites, cut(inner, sites)(arrays(lens.model)), strict=True):
        kept = IDS != 0 if len(value.shape) == 3 else slice(None)
        assert np.allclose(found[f"{inner.name}.{site}"][kept], np.asarray(value)[kept], atol=1e-5)
    assert np.array_equal(found.mask, IDS != 0)


def test_the_head_is_the_model_up_to_the_layer(wrapped):
    name, lens = wrapped
    inner, site = lens.model.backbone, FAMILIES[name][1][0]
    given = arrays(lens.model)
    head = lens.truncate(f"{inner.name}.{site}")
    found = lens.activations(given, f"{inner.name}.{site}")[f"{inner.name}.{site}"]
    assert np.allclose(np.asarray(head(given))[IDS != 0], found[IDS != 0], atol=1e-5)
    last = lens.tail("logits:in")(lens.activations(given, "logits:in")["logits:in"])
    assert np.allclose(last, lens.model(given), atol=1e-5)


def test_gradients_are_at_the_words_and_those_of_finite_differences(wrapped):
    check_gradients(*wrapped)


@pytest.mark.parametrize("name", ["Albert", "DebertaV3"])
def test_other_families_are_read_at_their_layers_and_explained_at_their_words(name):
    lens = ki.wrap(build(name, layers=1), jit_compile=False)
    check_layers(name, lens)
    check_gradients(name, lens)


def test_a_shared_block_is_read_at_each_of_its_calls():
    model = build("Albert", layers=2)
    block, name = model.backbone.get_layer("group_0_inner_layer_0"), model.backbone.name
    found = ki.wrap(model).activations(arrays(model), [f"{name}.{block.name}#{k}" for k in range(2)])
    mask = (IDS != 0).astype("int32")
    again = np.asarray(block(found[f"{name}.{block.name}#0"], padding_mask=mask))
    assert np.allclose(found[f"{name}.{block.name}#1"][IDS != 0], again[IDS != 0], atol=1e-5)


def test_a_language_model_is_read_and_explained():
    model = backbone("GPT2")
    lens, sites = ki.wrap(model), FAMILIES["GPT2"][1]
    found = lens.activations(arrays(model), sites)
    for site, value in zip(sites, cut(model, sites)(arrays(model)), strict=True):
        assert np.allclose(found[site][IDS != 0], np.asarray(value)[IDS != 0], atol=1e-5)
    slopes = lens.attribute(arrays(model), "saliency", target=lambda states: states[:, 2, 1])
    assert slopes.sites == ("token_embedding",)
    assert slopes.scores[:, :3].all() and not slopes.scores[:, 3:].any()  # a state knows nothing of later words


def check_gradients(name: str, lens: Any) -> None:
    found = lens.attribute(arrays(lens.model), "saliency", target=1)
    inner, site = lens.model.backbone, FAMILIES[name][2]
    assert found.sites == (f"{inner.name}.{site}",) == (lens.describe()["embedding_site"],)
    table = lens._runner.tracer.layers[found.sites[0]].embeddings
    changes = 5e-3 * np.concatenate([np.eye(WIDTH), -np.eye(WIDTH)])  # the words behind WORDS are word 5, a unit changed
    table.assign(np.concatenate([table[:WORDS], table[5] + changes]))
    ids = np.array([[2, WORDS + k, 14, 3] for k in range(2 * WIDTH)], "int32")
    ends = np.asarray(lens.model(arrays(lens.model, ids)))[:, 1].reshape(2, WIDTH)
    slopes = np.abs(ends[0] - ends[1]) / 1e-2
    assert found[1].scores[1] == pytest.approx(slopes.sum(), rel=0.02) and slopes.sum() > 0.01


def test_texts_pass_the_preprocessor_of_the_task():
    model = build("Bert", preprocessor(), layers=1)
    lens = ki.wrap(model, class_names=["good", "bad", "dull"], jit_compile=False)
    assert np.allclose(lens.predict(TEXTS).scores, softmax(model.predict(TEXTS, verbose=0)), atol=1e-5)
    (found,) = lens.attribute(TEXTS[:1], "saliency", target="bad")
    assert [word.text for word in found.words()] == ["I", "loved", "this", "film", "!"]
    assert found.tokens[0] == "[CLS]" and found.tokens[-1] == "[SEP]" and found.target_name == "bad"
    index = lens.neighbors(TEXTS, ["good", "dull", "good"])
    assert index.query(TEXTS[:1], k=1).texts == [[TEXTS[0]]]
    assert lens.describe()["text_front"] == "KerasHub" and lens.describe()["max_length"] == 8


def test_attention_inside_a_block_is_a_site():
    lens = ki.wrap(build(layers=1))
    given, block = arrays(lens.model), lens.model.backbone.get_layer("transformer_layer_0")
    inner = lens.model.backbone.name
    site, below = f"{inner}.transformer_layer_0._self_attention_layer", f"{inner}.embeddings_dropout"
    found = lens.activations(given, [site, below])
    before, mask = found[below], (IDS != 0)[:, None, :]
    expected = np.asarray(block._self_attention_layer(before, before, attention_mask=mask))
    assert np.allclose(found[site][IDS != 0], expected[IDS != 0], atol=1e-5)


def test_a_backbone_takes_texts_too():
    model = backbone(layers=1)
    lens = ki.wrap(model, tokenizer=preprocessor(), output="pooled_output")
    given = preprocessor()(TEXTS)
    found = lens.activations(TEXTS, "transformer_layer_0")
    state = np.asarray(model(given)["sequence_output"])[:, : found.mask.shape[1]]
    assert np.allclose(found["transformer_layer_0"][found.mask], state[found.mask], atol=1e-5)
    assert lens.describe()["embedding_site"] == "token_embedding"
    assert np.allclose(lens.predict(TEXTS).scores, model(given)["pooled_output"], atol=1e-5)


def test_a_head_of_ones_own_on_a_backbone():
    import keras

    inner = backbone(layers=1)
    scores = keras.layers.Dense(2, activation="softmax")(inner(inner.input)["pooled_output"])
    lens = ki.wrap(keras.Model(inner.input, scores), tokenizer=preprocessor())
    assert lens.describe()["embedding_site"] == f"{inner.name}.token_embedding"
    assert np.allclose(lens.predict(TEXTS).scores, lens.model(preprocessor()(TEXTS)), atol=1e-5)


def test_what_the_scores_are_is_told_apart():
    def kind(model: Any) -> str:
        return str(ki.wrap(model)._find_output().kind)

    inner = backbone(layers=1)
    make = importlib.import_module("keras_hub").models.BertTextClassifier
    assert kind(make(inner, 3)) == kind(make(inner, 3, compile=False)) == "softmax"
    assert ki.wrap(make(inner, 3, activation="softmax"))._find_output().applied  # the model itself ends in it
    assert kind(make(inner, 1)) == "raw" and kind(make(inner, 3, activation="sigmoid")) == "multilabel"
    numbers = make(inner, 3)
    numbers.compile("adam", "mse")
    assert kind(numbers) == "raw"


def test_a_task_in_a_file_brings_its_preprocessor(tmp_path: Path):
    model = build("DistilBert", preprocessor("DistilBert"), layers=1)
    model.save(tmp_path / "task.keras")
    lens, again = ki.wrap(model), ki.wrap(ki.load_model(tmp_path / "task.keras"))
    assert np.allclose(again.predict(TEXTS).scores, lens.predict(TEXTS).scores, atol=1e-6)
    assert again.fingerprint("logits", None) == lens.fingerprint("logits", None)


def test_a_preprocessor_that_hides_words_is_left_alone():
    models = importlib.import_module("keras_hub").models
    hiding = models.BertMaskedLMPreprocessor(preprocessor().tokenizer, sequence_length=8, mask_selection_length=2)
    assert ki.wrap(models.BertMaskedLM(backbone(layers=1), preprocessor=hiding)).describe()["text_front"] is None


# Files


def test_a_preset_and_a_file_are_loaded_with_their_preprocessor(tmp_path):
    task = build(preprocessor=preprocessor())
    task.save_to_preset(str(tmp_path / "preset"))
    task.save(tmp_path / "task.keras")
    expected = ki.wrap(task).predict(TEXTS).scores
    for path in (tmp_path / "preset", tmp_path / "task.keras"):
        assert np.allclose(ki.wrap(ki.load_model(path)).predict(TEXTS).scores, expected, atol=1e-6)


def test_a_backbone_is_loaded_from_its_preset(tmp_path):
    model = backbone(layers=1)
    model.save_to_preset(str(tmp_path / "preset"))
    found = ki.load_model(tmp_path / "preset")
    assert np.allclose(found(arrays(model))["sequence_output"], model(arrays(model))["sequence_output"], atol=1e-6)


def test_without_keras_hub_its_files_say_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "task.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(ki.ModelFileError, match=r"pip install 'kerasintrospect\[kerashub\]'"):
        ki.load_model(tmp_path)
