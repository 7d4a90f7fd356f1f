"""What a sentiment model likes and dislikes in one sentence, by every attribution method.

    python examples/loved_and_sucks.py [--quick] [--keras tf_keras]

Trains a small model on the negative and positive tweets of the demo, then asks it about a sentence that is both.
"""

import argparse
import importlib
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tweets import load_tweets

import kerasintrospect as ki

SENTENCE = "I loved this film, but the main actor sucks."


def train(family: str, limit: int | None) -> object:
    """An embedding and a BiLSTM on raw strings, ending in one sigmoid."""
    keras = importlib.import_module(family)
    import tensorflow as tf

    keras.utils.set_random_seed(7)
    tweets = load_tweets(limit)
    tweets = tweets[tweets["label"] != 1]
    texts, labels = tf.constant(tweets["text"].tolist())[:, None], (tweets["label"] == 2).to_numpy().astype("float32")
    vectorize = keras.layers.TextVectorization(max_tokens=10_000, output_sequence_length=40)
    vectorize.adapt(texts)
    given = keras.Input((1,), dtype="string")
    h = keras.layers.Embedding(10_000, 64, mask_zero=True)(vectorize(given))
    h = keras.layers.Bidirectional(keras.layers.LSTM(32))(keras.layers.Dropout(0.3)(h))
    model = keras.Model(given, keras.layers.Dense(1, activation="sigmoid")(h))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"], jit_compile=False)
    ones = labels.mean()
    model.fit(texts, labels, batch_size=256, epochs=3, verbose=0, class_weight={0: ones, 1: 1 - ones})
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="train on a part of the tweets")
    parser.add_argument("--keras", default="keras", choices=["keras", "tf_keras"])
    chosen = parser.parse_args()
    print(f"Training on the negative and positive tweets ({chosen.keras}) ...")
    lens = ki.wrap(train(chosen.keras, 8_000 if chosen.quick else None), class_names=["negative", "positive"])
    scores = lens.predict([SENTENCE]).scores[0]
    print(f"{SENTENCE!r}: negative {scores[0]:.2f}, positive {scores[1]:.2f}\n")
    columns = [word.text for word in lens.attribute([SENTENCE], "saliency")[0].words()]
    print(f"{'towards positive':22s}" + "".join(f"{word:>8s}" for word in columns))
    for method in ki.methods():
        found = lens.attribute([SENTENCE], method, target="positive")[0]
        print(f"{method:22s}" + "".join(f"{word.score:8.2f}" for word in found.words()))
    words = {word.text: word.score for word in lens.attribute([SENTENCE], "norm_change", target="positive")[0].words()}
    print(f"\nOne step of training towards 'positive' would change 'loved' by {words['loved']:+.1f} and 'sucks' by "
          f"{words['sucks']:+.1f} standard deviations: the model wants more of the one and less of the other.")
    if not words["loved"] > 0 > words["sucks"]:
        raise SystemExit("The model likes 'sucks' better than 'loved': it has not learnt the words.")


if __name__ == "__main__":
    main()
