"""Export of all layers, end to end, against NeuroX 1.0.9 on the same tweets and weights, and against the bare forward pass.

NeuroX extracts sentence by sentence and writes JSON or HDF5 as it goes; it gets the first tweets only, because it takes so
long. Both pool the last sub-word of each word, and their vectors are compared first. The bare pass is `lens.predict` of the
same model, which no export can be faster than: how far we are ahead of NeuroX hangs on how small the model is. So there are
three: BERT-tiny and BERT-base with random weights, and MiniLM.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import alternate, seconds

import kerasintrospect as ki

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples"))


def peers(folder: Path, texts: list[str], place: Path) -> dict[str, Callable[[], Any]]:
    """kind of file -> NeuroX's own extraction and writing of the texts."""
    from neurox.data.extraction.transformers_extractor import extract_sentence_representations, get_model_and_tokenizer
    from neurox.data.writer import ActivationsWriter

    model, tokenizer = get_model_and_tokenizer(str(folder))

    def write(kind: str) -> None:
        writer, counts = ActivationsWriter.get_writer(str(place / f"neurox.{kind}")), {}  # type: ignore[var-annotated]
        with contextlib.redirect_stdout(io.StringIO()), torch.no_grad():  # it prints a page per sentence
            for i, text in enumerate(texts):
                states, words = extract_sentence_representations(
                    text, model, tokenizer, aggregation="last", tokenization_counts=counts
                )
                writer.write_activations(i, words, states)
        writer.close()

    return {kind: lambda kind=kind: write(kind) for kind in ("json", "hdf5")}


def wrapped(folder: Path) -> tuple[ki.Introspector, list[str]]:
    """The same weights in TensorFlow, and the sites that NeuroX calls layers."""
    from transformers import AutoTokenizer, TFBertForSequenceClassification

    model = TFBertForSequenceClassification.from_pretrained(folder, from_pt=True)
    lens = ki.wrap(model, tokenizer=AutoTokenizer.from_pretrained(folder), max_length=128, jit_compile=False, batch_size=64)
    layers = range(model.config.num_hidden_layers)
    return lens, ["bert.embeddings", *(f"bert.encoder.layer[{i}]" for i in layers)]


def random_bert(folder: Path, layers: int, width: int) -> Path:
    """A BERT of this shape with random weights, and the tokenizer of MiniLM."""
    from transformers import AutoTokenizer, BertConfig, BertModel
    from tweets import find_encoder

    tokenizer = AutoTokenizer.from_pretrained(find_encoder())
    torch.manual_seed(0)
    shape = {"num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": width // 64,
             "intermediate_size": 4 * width}  # fmt: skip
    BertModel(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def compare(name: str, folder: Path, texts: list[str], few: int, repeats: int) -> None:
    """Prints words a second of everybody."""
    lens, sites = wrapped(folder)
    words = ki.tagged([text.split() for text in texts], [[len(word) for word in text.split()] for text in texts])
    n, n_few = sum(map(len, words.words)), sum(map(len, words.words[:few]))
    with tempfile.TemporaryDirectory() as place:
        theirs, path = peers(folder, words.texts[:few], Path(place)), Path(place) / "store"

        def ours() -> ki.ActivationStore:
            shutil.rmtree(path, ignore_errors=True)
            return lens.export(words, path, sites, unit="word", pool="last")

        store = ours()
        took = {kind: seconds(peer) for kind, peer in theirs.items()}
        check(store, sites, ki.read_neurox(Path(place) / "neurox.hdf5"))
        lens.predict(words.texts)
        bare, export = alternate(repeats, lambda: lens.predict(words.texts), ours)
        store = ki.load_store(path)
        print(f"\n{name}: {len(sites)} layers of {store.statistics(sites[0]).units} units; {n} words, NeuroX {n_few} of them")
        for kind, took_one in took.items():
            print(f"  words a second / those of NeuroX, {kind:8} {(n / export) / (n_few / took_one):8.1f}   "
                  f"({n / export:.0f} against {n_few / took_one:.0f})", flush=True)  # fmt: skip
        print(f"  words a second / those of the bare pass      {bare / export:8.2f}   "
              f"({n / export:.0f} against {n / bare:.0f})", flush=True)  # fmt: skip
        read(store, sites[-1], Path(place))


def check(store: ki.ActivationStore, sites: list[str], theirs: ki.NeuroxActivations) -> None:
    """NeuroX numbers words without places: compared where both have all words of a text."""
    rows, kept = [], []
    for i, said in enumerate(theirs.words):
        own = store.where(document=i)
        if len(own) == len(said):
            rows.append(own)
            kept.append(i)
    assert len(kept) > 0.5 * len(theirs), "the words of most texts are not the same"
    for number, site in enumerate(sites):
        expected = np.concatenate([theirs.activations[i][number] for i in kept])
        gap = np.abs(store.read(site, np.concatenate(rows)) - expected).max() / np.abs(expected).max()
        assert gap < 5e-3, f"NeuroX and we differ by {gap:.1e} of the largest value at {site}"


def read(store: ki.ActivationStore, site: str, place: Path) -> None:
    """One site as float32, against the same numbers in a file of NumPy."""
    np.save(place / "site.npy", store.read(site, dtype=None))

    def numpys() -> Any:
        return np.load(place / "site.npy").astype(np.float32)

    theirs, ours = alternate(7, numpys, lambda: store.read(site))
    size = len(store) * store.statistics(site).units / 1e6
    print(f"  np.load(...).astype(float32) / store.read    {theirs / ours:8.2f}   "
          f"({1000 * ours:.0f} ms for {size:.1f} million values: {2 * size / ours:.0f} MB a second)", flush=True)  # fmt: skip


def main(quick: bool = False) -> None:
    """Prints the ratios; above 1 we are faster."""
    from tweets import find_encoder, load_tweets

    torch.set_num_threads(2)
    texts = load_tweets(limit=300 if quick else 2500)["text"].tolist()
    with tempfile.TemporaryDirectory() as folder:
        compare("BERT-tiny, random", random_bert(Path(folder), 2, 128), texts, 20 if quick else 60, 1 if quick else 3)
    compare("MiniLM", find_encoder(), texts, 20 if quick else 60, 1 if quick else 3)
    if not quick:
        with tempfile.TemporaryDirectory() as folder:
            compare("BERT-base, random", random_bert(Path(folder), 12, 768), texts[:400], 20, 3)


if __name__ == "__main__":
    main()
