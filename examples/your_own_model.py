"""A model that nobody knows: subclassed, with a tokenizer and an encoding of your own. Two functions are all that is asked.

python examples/your_own_model.py
"""

import os
import re
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from tweets import CLASS_NAMES, load_tweets, split_tweets

import kerasintrospect as ki

BUCKETS, LENGTH = 5000, 24


def tokens(text: str) -> list[str]:
    """What your tokenizer makes of a text, in order."""
    return re.findall(r"[#@]?\w+|[^\w\s]", text.lower())[:LENGTH]


def encode(texts: list[str]) -> np.ndarray:
    """What your model takes: here hashed words, 0 for padding."""
    ids = np.zeros((len(texts), LENGTH), np.int32)
    for row, text in zip(ids, texts, strict=True):
        found = [1 + sum(ord(c) * 31**i for i, c in enumerate(word)) % (BUCKETS - 1) for word in tokens(text)]
        row[: len(found)] = found
    return ids


class Gated(keras.Model):
    """A mean of word vectors, weighed by a gate; no graph that could be cut."""

    def __init__(self) -> None:
        super().__init__()
        self.words = keras.layers.Embedding(BUCKETS, 32)
        self.gate = keras.layers.Dense(1, activation="sigmoid")
        self.hidden = keras.layers.Dense(32, activation="relu")
        self.classes = keras.layers.Dense(len(CLASS_NAMES), activation="softmax")

    def call(self, ids: Any) -> Any:
        x = self.words(ids)
        weight = self.gate(x) * keras.ops.cast(ids != 0, x.dtype)[..., None]
        return self.classes(self.hidden(keras.ops.sum(x * weight, 1) / (keras.ops.sum(weight, 1) + 1e-6)))


def main() -> None:
    keras.utils.set_random_seed(0)
    train, test = split_tweets(load_tweets(limit=3000), seed=0)
    texts, labels = train["text"].tolist(), train["label"].to_numpy()
    model = Gated()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(encode(texts), labels, epochs=8, verbose=0)

    lens = ki.wrap(model, tokenizer=tokens, preprocess=encode, class_names=CLASS_NAMES)
    tried, truth = test["text"].tolist(), test["label"].to_numpy()
    found = lens.predict(tried)
    print(f"Accuracy on {len(tried)} test tweets: {(found.labels == truth).mean():.1%}\n")
    print(lens.sites(), "\n")
    wrong = [tried[i] for i in np.flatnonzero(found.labels != truth)[:2]]
    print(lens.attribute(wrong, n_steps="auto"), "\n")
    near = lens.neighbors(texts, labels, site="hidden").query(wrong, k=1)
    for text, (other,), (label,) in zip(wrong, near.texts, near.labels, strict=True):
        print(f"{text}\n  is nearest to a training tweet labelled {CLASS_NAMES[label]}: {other}\n")


if __name__ == "__main__":
    main()
