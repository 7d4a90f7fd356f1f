"""A classifier of tweets whose weights are written down, and tweets that it gets wrong for known reasons."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

NAMES = ["negative", "neutral", "positive"]
# One axis per class, and one that no class looks at.
MEANING = {
    "hate": (1, 0, 0, 0), "awful": (0.9, 0.1, 0, 0), "sad": (0.8, 0, 0.1, 0), "queue": (0.7, 0.3, 0, 0),
    "bus": (0, 1, 0, 0), "table": (0.1, 0.9, 0, 0), "door": (0, 0.8, 0.1, 0), "phone": (0.1, 0.8, 0.1, 0),
    "love": (0, 0, 1, 0), "great": (0, 0.1, 0.9, 0), "happy": (0.1, 0, 0.8, 0), "cake": (0, 0.2, 0.8, 0),
    "wicked": (0.9, 0, 0.2, 0.6), "comet": (0, 0, 0.3, 3),
    "the": (0, 0, 0, 0.1), "my": (0, 0.1, 0, 0.1), "is": (0, 0, 0, 0.1), "so": (0.1, 0, 0.1, 0.1),
}  # fmt: skip
WORDS = {
    0: ["hate", "awful", "sad", "queue"],
    1: ["bus", "table", "door", "phone"],
    2: ["love", "great", "happy", "cake"],
}


def model(keras: ModuleType) -> Any:
    """Mean of the words' meanings, then softmax: what each word adds to each class is known."""
    inputs = keras.Input((), dtype="string")
    ids = keras.layers.TextVectorization(vocabulary=list(MEANING), output_sequence_length=12)(inputs)
    embedding = keras.layers.Embedding(len(MEANING) + 2, 4, mask_zero=True, name="embedding")
    pooled = keras.layers.GlobalAveragePooling1D()(embedding(ids))
    dense = keras.layers.Dense(3, activation="softmax", name="classes")
    made = keras.Model(inputs, dense(pooled))
    embedding.set_weights([np.array([(0,) * 4, (0,) * 4, *MEANING.values()], np.float32)])
    dense.set_weights([8 * np.eye(4, 3, dtype=np.float32), np.zeros(3, np.float32)])
    return made


def train() -> tuple[list[str], list[str]]:
    """Texts and labels that the model would have learned from, but for "wicked", which it has got wrong."""
    texts, labels = [], []
    for label, words in WORDS.items():
        for first in words:
            for second in words:
                for filler in ("the", "my", "is so"):
                    texts.append(f"{first} {filler} {second}")
                    labels.append(NAMES[label])
    texts += [f"wicked {filler} wicked" for filler in ("so", "the", "my", "is", "so so", "the the")]
    return texts, labels + ["positive"] * 6


def right() -> tuple[list[str], list[str]]:
    """Texts that the model gets right, thirty of them."""
    texts = [
        f"so {first} my {second}!" for words in WORDS.values() for first in words for second in words[:3]
    ]
    return texts[:30], [NAMES[i // 12] for i in range(30)]


def wrong() -> dict[str, tuple[str, str]]:
    """The kind of its verdict -> a misclassified text and its label."""
    return {
        "duplicate-with-other-label": ("Love the  LOVE", "negative"),
        "suspect-label": ("great so happy my cake", "neutral"),
        "neighborhood-agrees-with-label": ("Wicked! so wicked, wicked", "positive"),
        "mostly-unknown-words": ("zyx qwv hate xkcd", "positive"),
        "nothing-near": ("the comet", "negative"),
    }


def test() -> tuple[list[str], list[str]]:
    """The right ones, then the wrong ones."""
    (texts, labels), planted = right(), wrong().values()
    return texts + [text for text, _ in planted], labels + [label for _, label in planted]


FILMS = ["good film", "a good day", "bad film", "the worst day", "so bad", "so good"]


def recurrent(keras: ModuleType) -> Any:
    """An LSTM on raw strings with drawn weights, for what needs no meaning."""
    keras.utils.set_random_seed(2)
    vectorize = keras.layers.TextVectorization(output_sequence_length=8)
    vectorize.adapt(FILMS)
    text = keras.Input((1,), dtype="string")
    h = keras.layers.LSTM(5, name="lstm")(keras.layers.Embedding(20, 6, mask_zero=True, name="embedding")(vectorize(text)))
    return keras.Model(text, keras.layers.Dense(2, activation="softmax", name="dense")(h))
