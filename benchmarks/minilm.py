"""Integrated gradients of a fine-tuned MiniLM on tweets: ours on the TensorFlow model, Captum's on the same weights in PyTorch.

Both start at zero vectors in place of the embeddings' output, with 50 steps; Captum with its best internal_batch_size. The
tweets are ragged as in attribution.py: padded to three times their mean length; and again padded to the longest of them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attribution import alternate, seconds
from captum.attr import IntegratedGradients

import kerasintrospect as ki

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples"))
STEPS = 50


def main(quick: bool = False) -> None:
    """Prints the ratios."""
    from huggingface_tweets import fine_tune
    from transformers import AutoTokenizer, BertForSequenceClassification
    from transformers.modeling_tf_pytorch_utils import load_tf2_model_in_pytorch_model
    from tweets import CLASS_NAMES, find_encoder, load_tweets, split_tweets

    torch.set_num_threads(2)
    train, test = split_tweets(load_tweets(limit=160 if quick else 600), seed=0)
    tokenizer = AutoTokenizer.from_pretrained(find_encoder())
    model = fine_tune(tokenizer, train, epochs=1)
    network = BertForSequenceClassification(model.config)
    network = load_tf2_model_in_pytorch_model(network, model, allow_missing_keys=True).eval()
    texts = test["text"].tolist()[: 6 if quick else 16]
    lengths = [len(ids) for ids in tokenizer(texts)["input_ids"]]
    length = max(*lengths, round(3 * np.mean(lengths)))
    # XLA gains nothing here: almost all of the time goes into matrix products.
    lens = ki.wrap(model, tokenizer=tokenizer, class_names=CLASS_NAMES, max_length=length, jit_compile=False, batch_size=64)
    print(f"\nMiniLM (6 layers, 384 wide), {len(texts)} tweets of mean length {np.mean(lengths):.1f}, {STEPS} steps")
    for padded in (length, max(lengths)):
        compare(lens, network, tokenizer, texts, padded, quick)


def compare(lens: ki.Introspector, network: Any, tokenizer: Any, texts: list[str], length: int, quick: bool) -> None:
    """Prints the ratios where the peer's texts are padded to one length; ours cuts padding off by itself."""
    made = tokenizer(texts, padding="max_length", max_length=length, return_tensors="pt")
    with torch.no_grad():
        logits = network(**made).logits
    target, mask = logits.argmax(-1), made["attention_mask"]
    np.testing.assert_allclose(lens.predict(texts).scores, torch.softmax(logits, -1), atol=1e-4)

    def peer(rows: int) -> np.ndarray:
        return captum(network, made, mask, target, rows)

    def mine(**options: Any) -> Any:
        return lens.attribute(texts, target=target.tolist(), **options)

    first, ours = seconds(lambda: mine(n_steps=STEPS)), mine(n_steps=STEPS)
    auto_first = seconds(lambda: mine(n_steps="auto"))
    tried = {rows: seconds(lambda n=rows: peer(n)) for rows in (64, 128, 256)}
    rows = min(tried, key=tried.__getitem__)
    theirs = peer(rows)
    width = ours.scores.shape[1]
    spread = np.abs(ours.scores - theirs[:, :width]).max() / np.abs(theirs).max()
    assert spread < 1e-3, f"Captum and we differ by {spread:.1e} of the largest score"
    other, own, auto = alternate(
        2 if quick else 3, lambda: peer(rows), lambda: mine(n_steps=STEPS), lambda: mine(n_steps="auto")
    )
    print(f"  padded to {length} tokens")
    print(f"  Captum / ours        {other / own:6.2f}   (its best batch size {rows}; {other:.1f} s, ours {own:.1f} s)")
    print(f"  Captum / ours, auto  {other / auto:6.2f}   (ours {auto:.1f} s)")
    print(f"  same numbers         largest difference {spread:.1e} of the largest score")
    print(f"  first calls          {first:.1f} s, auto {auto_first:.1f} s")


def captum(network: Any, made: Any, mask: torch.Tensor, target: torch.Tensor, rows: int) -> np.ndarray:
    """(n, tokens) scores at the output of the embeddings."""

    def forward(hidden: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        seen = network.bert.get_extended_attention_mask(kept, kept.shape)
        return network.classifier(network.bert.pooler(network.bert.encoder(hidden, attention_mask=seen)[0]))

    with torch.no_grad():
        hidden = network.bert.embeddings(made["input_ids"], token_type_ids=made["token_type_ids"])
    found = IntegratedGradients(forward).attribute(
        hidden, torch.zeros_like(hidden), target=target, additional_forward_args=(mask,), n_steps=STEPS,
        internal_batch_size=rows,
    )  # fmt: skip
    return np.where(mask.numpy() == 1, found.sum(-1).detach().numpy(), 0.0)


if __name__ == "__main__":
    main()
