"""Which layer? `lens.compare_sites` on the model of the demo and on MiniLM, and an outside judge of meaning beside it.

    python examples/demo_tweets.py --out demo && python benchmarks/which_layer.py demo

Writes which_layer.png and the tables of docs/which_layer.md. MiniLM is fine-tuned as in examples/huggingface_tweets.py,
or read from the folder given by --minilm. The judge is MiniLM as published, which was trained to put sentences of like
meaning close together and knows nothing of the labels: its mean cosine between a text and the neighbors of each site.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
sys.path.append(str(Path(__file__).resolve().parents[1] / "examples"))

import numpy as np
import pandas as pd
from tweets import CLASS_NAMES, find_encoder, load_tweets, split_tweets

import kerasintrospect as ki

COLUMNS = ["site", "label_agreement", "label_agreement_control", "prediction_agreement", "predicted_alike", "truth_where_wrong",
           "truth_where_wrong_control", "word_overlap", "word_overlap_matched", "judge", "judge_matched", "length_bias",
           "length_bias_unpooled", "hubness", "hubness_control"]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Which layer has the right level of meaningful similarity?")
    parser.add_argument("demo", type=Path, help="folder that examples/demo_tweets.py wrote")
    parser.add_argument("--minilm", type=Path, help="folder for the fine-tuned MiniLM; trained if it is empty")
    parser.add_argument("--out", type=Path, default=Path("."))
    parser.add_argument("--limit", type=int, default=2000, help="texts compared")
    args = parser.parse_args()
    judge = sentence_encoder()
    demo = ki.wrap(ki.load_model(args.demo / "model.keras"), class_names=CLASS_NAMES)
    show("demo", demo, pd.read_csv(args.demo / "test.csv"), judge, args)
    train, test = split_tweets(load_tweets(limit=6000), seed=0)
    show("minilm", minilm(args.minilm, train.head(2000)), test, judge, args)


def show(name: str, lens: ki.Introspector, test: pd.DataFrame, judge: Any, args: argparse.Namespace) -> None:
    """Prints the tables and saves the plot of one model."""
    texts = test["text"].tolist()
    found = lens.compare_sites(texts, test["label"].tolist(), max_examples=args.limit)
    frame = found.to_frame()
    vectors = judge([texts[i] for i in found.positions])
    place = {int(position): i for i, position in enumerate(found.positions)}
    labels, draws = test["label"].to_numpy(), np.random.default_rng(0)
    pools = {label: found.positions[labels[found.positions] == label] for label in np.unique(labels)}
    for i, site in enumerate(frame["site"]):
        near = found.neighbors[site]
        alike = np.array([[draws.choice(pools[labels[j]]) for j in row] for row in near])
        for column, chosen in (("judge", near), ("judge_matched", alike)):
            rows = np.vectorize(place.__getitem__)(chosen)
            frame.loc[i, column] = float(np.einsum("nu,nku->nk", vectors, vectors[rows]).mean())
    print(f"\n{name}: {found.facts}\n{frame[COLUMNS].round(3).to_string(index=False)}\n{found.reason}", *found.notes, sep="\n")
    print(frame[["site", "truth_gain", "truth_gain_error", "length_bias_control"]].round(4).to_string(index=False))
    found.plot().savefig(args.out / f"which_layer_{name}.png", dpi=75)


def sentence_encoder() -> Any:
    """(texts) -> unit vectors of MiniLM as published: the mean over the tokens of its last layer."""
    from transformers import AutoTokenizer, TFAutoModel

    model, tokenizer = TFAutoModel.from_pretrained(find_encoder()), AutoTokenizer.from_pretrained(find_encoder())
    lens = ki.wrap(model, tokenizer=tokenizer, max_length=64, batch_size=64, jit_compile=False)

    def encode(texts: list[str]) -> np.ndarray:
        vectors = lens.activations(texts, "bert.encoder.layer[5]", "mean")["bert.encoder.layer[5]"]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return encode


def minilm(folder: Path | None, train: pd.DataFrame) -> ki.Introspector:
    """MiniLM, fine-tuned whole for two epochs on 2,000 tweets."""
    from huggingface_tweets import fine_tune
    from transformers import AutoTokenizer, TFAutoModelForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(find_encoder())
    if folder is not None and (folder / "config.json").exists():
        model = TFAutoModelForSequenceClassification.from_pretrained(folder)
    else:
        model = fine_tune(tokenizer, train, epochs=2)
        if folder is not None:
            model.save_pretrained(folder)
    return ki.wrap(model, tokenizer=tokenizer, class_names=CLASS_NAMES, max_length=40, batch_size=64, jit_compile=False)


if __name__ == "__main__":
    main()
