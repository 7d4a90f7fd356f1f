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
    wide = {"initializer_range": 0.3}  # by default nothing makes a difference
    config = getattr(transformers, f"{name}Config")(**FAMILIES[name][0] | wide | options)
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
    encoded, site, step = {key: made[key] for key in names}, FAMILIES[name][2], 1e-3

    def score(shift: float) -> float:
        edits = {site: lambda value: value + shift}
        return float(logit(lens, encoded, edits))

    assert (score(step) - score(-step)) / (2 * step) == pytest.approx(found.scores.sum(), rel=1e-2, abs=2e-3)


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


# Pairs of texts

PAIRS = [("I loved this film !", "the actor"), ("the end", "i love the actor , this is the end !"), ("this\nfilm", "the film")]


@pytest.fixture(scope="module")
def nli() -> Any:
    return ki.wrap(build("Bert"), tokenizer=tokenizer())


def test_pairs_are_encoded_with_their_segments(nli):
    encoded = dict(tokenizer()(PAIRS, padding=True, return_tensors="tf"))
    assert encoded["token_type_ids"].numpy().any()
    logits = nli.model(encoded, training=False).logits.numpy()
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    assert np.allclose(nli.predict(PAIRS).scores, expected, atol=1e-5)
    assert np.allclose(nli.predict([list(pair) for pair in PAIRS]).scores, expected, atol=1e-5)
    assert np.allclose(nli.predict(np.array(PAIRS, object)).scores, expected, atol=1e-5)
    joined = nli.predict([" ".join(pair) for pair in PAIRS]).scores
    assert np.abs(joined - expected).max() > 1e-4


def test_the_words_of_a_pair_stand_in_both_texts(nli):
    found = nli.attribute(PAIRS, "saliency")
    for record, (first, second) in zip(found, PAIRS, strict=True):
        assert record.text == f"{first}\n{second}"
        assert [word.text for word in record.words()] == f"{first} {second}".split()
        assert all(word.score > 0 for word in record.words())


def test_occlusion_takes_words_out_of_the_text_that_holds_them(nli):
    whole = nli.predict(PAIRS[:1]).scores[0]
    label = int(whole.argmax())
    found = nli.attribute(PAIRS[:1], "occlusion", score="probability")[0].words()
    without = nli.predict([("I this film !", "the actor"), ("I loved this film !", "the ")]).scores[:, label]
    assert found[1].score == pytest.approx(whole[label] - without[0], abs=1e-6)
    assert found[-1].score == pytest.approx(whole[label] - without[1], abs=1e-6)
    across = nli.attribute(PAIRS[:1], "occlusion", score="probability", window=2, stride=2)[0].words()
    both = nli.predict([("I loved this film ", " actor")]).scores[0, label]  # "!" and "the"
    assert across[4].score + across[5].score == pytest.approx(2 * (whole[label] - both), abs=1e-6)


def test_pairs_are_debugged_and_compared(nli):
    labels = [(int(label) + 1) % 3 for label in nli.predict(PAIRS).labels]
    report = nli.debug(PAIRS, labels, PAIRS, labels, k=2)
    assert len(report.errors) == 3
    index = nli.neighbors(PAIRS, labels)
    assert index.query(PAIRS[:1], k=1).texts == [["I loved this film !\nthe actor"]]


def test_pairs_that_nobody_can_encode_are_refused(nli):
    with pytest.raises(ki.InputError, match="all in pairs or all alone.*the end"):
        nli.predict([PAIRS[0], "the end"])
    keras = importlib.import_module("keras")
    layer = keras.layers.TextVectorization(vocabulary=["the", "end"])
    model = keras.Sequential([keras.Input((1,), dtype="string"), layer, keras.layers.Embedding(4, 2), keras.layers.Flatten()])
    with pytest.raises(ki.InputTypeError, match=r"Hugging Face tokenizer.*inputs\[0\]=\('I loved this film !', 'the actor'\)"):
        ki.wrap(model).predict(PAIRS)


# Folders


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model and its tokenizer, as `save_pretrained` writes them."""
    folder = tmp_path_factory.mktemp("saved")
    model = build("Bert", id2label={0: "no", 1: "maybe", 2: "yes"})
    model.build_in_name_scope()
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder, model


def test_a_folder_brings_the_model_its_tokenizer_and_its_classes(saved):
    folder, model = saved
    lens = ki.wrap(ki.load_model(folder))
    expected = ki.wrap(model, tokenizer=tokenizer()).predict(TEXTS)
    assert np.allclose(lens.predict(TEXTS).scores, expected.scores, atol=1e-6)
    assert lens.class_names == ["no", "maybe", "yes"] and lens.describe()["text_front"] == "HuggingFace"


def test_another_version_of_transformers_is_named(saved, monkeypatch):
    for version in ("5.1.0", "4.57.6"):
        monkeypatch.setattr("importlib.metadata.version", lambda name, found=version: found)
        with pytest.raises(ki.ModelFileError, match=rf"'transformers>=4.53,<4.55' tf_keras.*transformers {version}"):
            ki.load_model(saved[0])


def test_a_folder_without_weights_for_tensorflow_says_so(saved, tmp_path):
    (tmp_path / "config.json").write_bytes((saved[0] / "config.json").read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ki.ModelFileError, match="holds model.safetensors or tf_model.h5"):
        ki.load_model(tmp_path)


def test_a_pytorch_model_is_told_what_to_load_instead():
    torch = pytest.importorskip("torch", reason="only who has PyTorch can wrap one of its models by mistake")
    with pytest.raises(ki.InputTypeError, match="PyTorch model.*TFAutoModelFor.*transformers>=4.53,<4.55"):
        ki.wrap(torch.nn.Linear(2, 2))


LIMITS = {"Bert": 40, "DistilBert": 512, "Roberta": 38, "XLMRoberta": 38, "Albert": 40, "Electra": 40, "MPNet": 38, "GPT2": 40}


@pytest.mark.parametrize("name", LIMITS)
def test_texts_that_are_longer_than_the_table_of_positions_are_cut_there(name):
    """One more position is more than the model itself can take; the tokenizer tells no length."""
    lens, limit = ki.wrap(build(name), tokenizer=tokenizer()), LIMITS[name]
    assert lens.describe()["max_length"] == limit
    texts = ["the film " * 400, "the film"]
    found = lens.activations(texts, FAMILIES[name][2])
    assert found.mask.shape[1] == limit and found.truncated.tolist() == [True, False]
    np.testing.assert_allclose(lens.predict(texts).scores[1:], lens.predict(texts[1:]).scores, atol=1e-5)
    made = {key: value[:, : limit + 1] for key, value in tokenizer()(texts[:1], return_tensors="np").items()}
    tf = importlib.import_module("tensorflow")
    with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
        lens.model({key: made[key] for key in lens._runner.adapter.input_names()}, training=False)
    assert ki.wrap(lens.model, tokenizer=tokenizer(), max_length=8).describe()["max_length"] == 8
    with pytest.raises(ki.InputError, match=f"has positions for {limit} tokens. Received: max_length=600"):
        ki.wrap(lens.model, tokenizer=tokenizer(), max_length=600)


def test_relative_positions_have_no_limit():
    """A config may tell one all the same."""
    transformers = importlib.import_module("transformers")
    config = transformers.XLNetConfig(vocab_size=20, d_model=12, n_layer=1, n_head=2, d_inner=16, num_labels=3, pad_token_id=0)
    lens = ki.wrap(transformers.TFXLNetForSequenceClassification(config), tokenizer=tokenizer())
    assert lens.describe()["max_length"] is None
    deberta = transformers.DebertaV2Config(**SIZES, relative_attention=True, position_biased_input=False)
    lens = ki.wrap(transformers.TFDebertaV2ForSequenceClassification(deberta), tokenizer=tokenizer())
    assert lens.describe()["max_length"] is None
    assert np.isfinite(lens.predict(["the film " * 40]).scores).all()
