"""ktrain: the numbers of `predict_proba`, tokens on the text, and folders that are loaded only on trust."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kerasintrospect as ki

GOOD = ["a good film", "what a good day", "i loved it", "so good , so fine", "fine day"]
BAD = ["a bad film", "what a bad day", "i hated it", "so bad , so sad", "sad day"]
TEXTS, LABELS = (GOOD + BAD) * 4, (["fine"] * 5 + ["poor"] * 5) * 4


def standard(name: str, ngrams: int = 1, labels: list[Any] = LABELS, mode: str = "standard") -> tuple[Any, Any]:
    """A trained learner and its preprocessor."""
    ktrain = importlib.import_module("ktrain")
    importlib.import_module("tf_keras").utils.set_random_seed(0)
    train, _, preproc = ktrain.text.texts_from_array(
        TEXTS, labels, TEXTS[:10], labels[:10], maxlen=8, max_features=60, preprocess_mode=mode, ngram_range=ngrams,
        lang="en", verbose=0,
    )  # fmt: skip
    make = ktrain.text.text_classifier if isinstance(labels[0], str) else ktrain.text.text_regression_model
    model = make(name, train, preproc=preproc, verbose=0)
    learner = ktrain.get_learner(model, train_data=train, batch_size=8)
    learner.fit(0.02, 2, verbose=0)
    return learner, preproc


def google_bert(place: Path) -> None:
    """A BERT as Google published it, tiny and fresh, where ktrain looks for it before it downloads it."""
    import tensorflow as tf

    place.mkdir(parents=True)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({word for text in TEXTS for word in text.split()})]
    (place / "vocab.txt").write_text("\n".join(pieces) + "\n")
    config = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
              "hidden_act": "gelu", "vocab_size": len(pieces), "max_position_embeddings": 40, "type_vocab_size": 2}  # fmt: skip
    (place / "bert_config.json").write_text(json.dumps(config))
    embeddings = {"word": len(pieces), "position": 40, "token_type": 2}
    shapes = {f"bert/embeddings/{name}_embeddings": (size, 16) for name, size in embeddings.items()}
    shapes |= {"cls/predictions/output_bias": (len(pieces),), "cls/seq_relationship/output_weights": (2, 16),
               "cls/seq_relationship/output_bias": (2,)}  # fmt: skip
    dense, norms = {"bert/pooler/dense": (16, 16), "cls/predictions/transform/dense": (16, 16)}, ["bert/embeddings"]
    for block in (f"bert/encoder/layer_{i}" for i in range(2)):
        dense |= {f"{block}/attention/{name}": (16, 16) for name in ("self/query", "self/key", "self/value", "output/dense")}
        dense |= {f"{block}/intermediate/dense": (16, 32), f"{block}/output/dense": (32, 16)}
        norms += [f"{block}/attention/output", f"{block}/output"]
    for name, shape in dense.items():
        shapes |= {f"{name}/kernel": shape, f"{name}/bias": shape[1:]}
    for name in (*norms, "cls/predictions/transform"):
        shapes |= {f"{name}/LayerNorm/{part}": (16,) for part in ("gamma", "beta")}
    rng = np.random.default_rng(0)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        values = {name: rng.normal(name.endswith("gamma"), 0.3, shape).astype("float32") for name, shape in shapes.items()}
        variables = [tf.compat.v1.get_variable(name, initializer=value) for name, value in values.items()]
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver(variables).save(session, str(place / "bert_model.ckpt"))


def published(place: Path) -> Path:
    """A DistilBERT as people have it on disk, tiny and fresh, whose weights make a difference."""
    transformers, tokenizers = importlib.import_module("transformers"), importlib.import_module("tokenizers")
    importlib.import_module("tf_keras").utils.set_random_seed(1)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({word for text in TEXTS for word in text.split()})]
    made = tokenizers.BertWordPieceTokenizer({piece: i for i, piece in enumerate(pieces)})
    names = {f"{name.lower()}_token": f"[{name}]" for name in ("PAD", "UNK", "CLS", "SEP", "MASK")}
    transformers.DistilBertTokenizerFast(tokenizer_object=made._tokenizer, **names).save_pretrained(place)
    sizes = {"vocab_size": len(pieces), "dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32, "num_labels": 2}
    config = transformers.DistilBertConfig(**sizes, initializer_range=0.3)
    model = transformers.TFDistilBertForSequenceClassification(config)
    model.build_in_name_scope()
    model.save_pretrained(place)
    return place


def fine_tuned(folder: Path) -> Any:
    """The predictor of a `Transformer` from a folder."""
    ktrain = importlib.import_module("ktrain")
    preproc = ktrain.text.Transformer(str(folder), maxlen=12, class_names=["fine", "poor"])
    train = preproc.preprocess_train(TEXTS, [int(label == "poor") for label in LABELS], verbose=0)
    learner = ktrain.get_learner(preproc.get_classifier(), train_data=train, batch_size=8)
    learner.fit(1e-3, 1, verbose=0)
    return ktrain.get_predictor(learner.model, preproc=preproc)


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return fine_tuned(published(tmp_path_factory.mktemp("distilbert")))


@pytest.mark.parametrize(
    ("name", "ngrams"), [("fasttext", 1), ("fasttext", 2), ("nbsvm", 1), ("logreg", 1), ("standard_gru", 1), ("bigru", 1)]
)
def test_standard_classifiers(name, ngrams, tmp_path, monkeypatch):
    if name == "bigru":  # ktrain takes word vectors from a file in the home folder, which it downloads if there is none
        monkeypatch.setenv("HOME", str(tmp_path))
        vectors = np.random.default_rng(0).standard_normal((30, 300)).round(3)
        names = sorted({word for text in TEXTS for word in text.split()})
        (tmp_path / "ktrain_data").mkdir()
        lines = [" ".join([word, *map(str, vector)]) for word, vector in zip(names, vectors, strict=False)]
        (tmp_path / "ktrain_data" / "cc.en.300.vec").write_text("\n".join(lines) + "\n")
    learner, preproc = standard(name, ngrams)
    predictor = importlib.import_module("ktrain").get_predictor(learner.model, preproc)
    lens, texts = ki.wrap(predictor), [*GOOD, *BAD]
    found = lens.predict(texts)
    assert np.allclose(found.scores, predictor.predict_proba(texts), atol=1e-6) and found.class_names == ["fine", "poor"]
    scores = lens.attribute(["what a bad day"], "input_x_gradient", target="poor")[0]
    assert [word.text for word in scores.words()] == ["what", "a", "bad", "day"]
    assert sum(abs(word.score) for word in scores.words()) > 0
    both = ki.wrap(learner, tokenizer=preproc)
    assert np.array_equal(both.predict(texts).scores, found.scores)


def test_the_bert_of_keras_bert(tmp_path, monkeypatch):
    pytest.importorskip("keras_bert", reason="ktrain's preprocess_mode='bert' needs the package keras_bert")
    monkeypatch.setenv("HOME", str(tmp_path))
    google_bert(tmp_path / "ktrain_data" / "uncased_L-12_H-768_A-12")
    learner, preproc = standard("bert", mode="bert")
    predictor = importlib.import_module("ktrain").get_predictor(learner.model, preproc)
    lens, texts = ki.wrap(predictor), ["what a good day", "i loved it so so so much"]
    assert np.allclose(lens.predict(texts).scores, predictor.predict_proba(texts), atol=1e-6)
    found = lens.attribute(texts, "integrated_gradients", target="poor")
    assert found.sites == ("Embedding-Token:out[0]", "Embedding-Segment") and np.abs(found.deltas).max() < 1e-3
    assert [word.text for word in found[0].words()] == ["what", "a", "good", "day"]
    assert [record.truncated for record in found] == [False, True]
    assert [word.text for word in found[1].words() if word.score] == ["i", "loved", "it", "so", "so", "so"]


def test_regression_gives_the_predictors_numbers():
    learner, preproc = standard("fasttext", labels=[float(len(text)) for text in TEXTS])
    predictor = importlib.import_module("ktrain").get_predictor(learner.model, preproc)
    lens, texts = ki.wrap(predictor), [*GOOD, *BAD]
    found = lens.predict(texts)
    assert found.kind == "raw" and np.allclose(found.scores.ravel(), np.ravel(predictor.predict(texts)), rtol=1e-5)
    scores = lens.attribute(texts, "integrated_gradients")
    assert [word.text for word in scores[1].words()] == ["what", "a", "good", "day"]
    assert np.ptp(found.scores) > 1e-4 and np.isfinite(scores.deltas).all()


def test_a_transformer_is_cut_and_searched_at_each_of_its_layers(transformer):
    lens = ki.wrap(transformer)
    found = lens.predict(TEXTS[:10])
    assert np.allclose(found.scores, transformer.predict_proba(TEXTS[:10]), atol=1e-6) and found.kind == "softmax"
    encoded = dict(transformer.preproc.get_tokenizer()(TEXTS[:10], padding=True, return_tensors="tf"))
    states = lens.model({key: encoded[key] for key in ("input_ids", "attention_mask")}, output_hidden_states=True).hidden_states
    mask = encoded["attention_mask"].numpy()[..., None]
    for k in range(2):
        site = f"distilbert.transformer.layer[{k}]"
        pooled = (states[k + 1].numpy() * mask).sum(1) / mask.sum(1)
        assert np.allclose(lens.activations(TEXTS[:10], site, pool="mean")[site], pooled, atol=1e-5)
        near = lens.neighbors(TEXTS[:10], LABELS[:10], site=site).query(["a bad film"], k=1)
        assert near.texts == [["a bad film"]] and near.labels.tolist() == [[1]]


def test_a_folder_is_loaded_only_on_trust(transformer, tmp_path):
    transformer.save(str(tmp_path / "saved"))
    with pytest.raises(ki.ModelFileError, match="holds a pickle.*pass trust=True"):
        ki.load_model(tmp_path / "saved")
    with pytest.warns(ki.KerasIntrospectWarning, match="a pickle, which can run any code"):
        loaded = ki.load_model(tmp_path / "saved", trust=True)
    assert np.allclose(ki.wrap(loaded).predict(GOOD).scores, transformer.predict_proba(GOOD), atol=1e-6)


def test_a_preprocessor_of_something_else_says_so():
    keras, vision = (importlib.import_module(name) for name in ("tf_keras", "ktrain.vision.preprocessor"))
    images = vision.ImagePreprocessor(keras.preprocessing.image.ImageDataGenerator(), ["a", "b"])
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ki.InputTypeError, match="Of ktrain's preprocessors those of texts.*ImagePreprocessor"):
        ki.wrap(model, tokenizer=images)


TOO_LATE = """import os, sys
import tensorflow as tf
tf.keras.layers
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import kerasintrospect as ki
ki.load_model(sys.argv[1], trust=True)"""


def test_the_variable_for_ktrain_set_too_late_is_named(tmp_path):
    (tmp_path / "tf_model.preproc").touch()
    env = {**os.environ, "TF_USE_LEGACY_KERAS": "0"}
    done = subprocess.run([sys.executable, "-c", TOO_LATE, str(tmp_path)], env=env, capture_output=True, text=True)
    assert done.returncode and "ModelFileError: ktrain cannot be imported" in done.stderr
    assert "TF_USE_LEGACY_KERAS=1 in the environment before TensorFlow is imported" in done.stderr
