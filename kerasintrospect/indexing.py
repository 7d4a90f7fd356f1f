"""Training examples through a model into an index of neighbors, and the fingerprint that ties the two together."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .errors import InputError
from .inputs import Arranged
from .labelled import class_ids
from .neighbors import NeighborIndex, Rows, Unit
from .outputs import Output
from .runs import Runner
from .sites import Site
from .text import pool_words, word_ids, words
from .weights import digests

__all__ = ["embedder", "fingerprint", "index"]

Arrange = Callable[[Any], Arranged]
UNITS = ("example", "token", "word")
_EXAMPLES, _TEXTS = 8192, 512  # in one part: of whole texts, of texts whose tokens are kept


def index(
    runner: Runner, arrange: Arrange, inputs: Any, labels: Any, site: Site, pool: str | None, metric: str,
    class_names: Sequence[str] | None, unit: str = "example", columns: Mapping[str, Any] | None = None,
    path: str | os.PathLike[str] | None = None, output: Callable[[], Output] | None = None,
) -> NeighborIndex:  # fmt: skip
    """See `Introspector.neighbors`.

    What the model predicts is known of every row: at once on disk, and in memory when somebody asks.
    """
    _check_unit(unit, pool)
    arranged = arrange(inputs)
    if labels is not None and any(isinstance(label, str) for label in labels):
        labels = class_ids(list(labels), class_names or (), class_names is not None, "labels")
    # Checked as the columns of the texts; a text's words share them.
    told = Rows.checked(np.ones((len(arranged), 1)), None, labels, None, columns, None, class_names)
    pool = None if unit == "token" else pool
    about: dict[str, Any] = {"metric": metric, "fingerprint": fingerprint(runner, site, pool, unit), "site": str(site),
                             "pool": pool, "class_names": class_names, "unit": unit}  # fmt: skip
    if path is not None:
        says = None if output is None else lambda part: _says(runner, output(), part)
        found = NeighborIndex.build(path, _parts(runner, arranged, site, pool, unit, told, says), **about)
    else:
        rows = Rows.together(_parts(runner, arranged, site, pool, unit, told))
        found = NeighborIndex.of_rows(rows, **about)
        if output is not None:
            documents = None if rows.places is None else [place.document for place in rows.places]
            found.say_later(lambda: _of_rows(_says(runner, output(), arranged), documents))
    found.attach(embedder(runner, arrange, site, pool, unit), about["fingerprint"])
    return found


def embedder(
    runner: Runner, arrange: Arrange, site: Site, pool: str | None, unit: str = "example"
) -> Callable[[Any], np.ndarray | Rows]:
    """From inputs to their vectors at the site, (n, units) float32; of words and tokens to `Rows` with their places."""
    if unit == "example":
        return lambda inputs: _vectors(runner, arrange(inputs), site, pool)

    def embed(inputs: Any) -> Rows:
        arranged = arrange(inputs)
        told = Rows(np.ones((len(arranged), 1), np.float32))
        return Rows.together(_parts(runner, arranged, site, pool, unit, told))

    return embed


def fingerprint(runner: Runner, site: Site, pool: str | None, unit: str = "example") -> str:
    """A string that changes with the weights, the site, the pooling and the text front."""
    runner.find_front()  # else an index that was loaded before the first text would miss it
    digest, front = hashlib.sha256(), runner.front
    digest.update(f"{site} {pool} {front.identity() if front is not None else ''}".encode())
    digest.update(b"" if unit == "example" else unit.encode())
    digest.update(digests(runner.adapter))
    return digest.hexdigest()[:32]


def _check_unit(unit: str, pool: str | None) -> None:
    if unit not in UNITS:
        raise InputError(f"`unit` has to be one of {', '.join(map(repr, UNITS))}. Received: unit={unit!r}.")
    if unit == "word" and pool != "mean":
        raise InputError(f"A word is the mean of its tokens: `pool` has to be 'mean'. Received: pool={pool!r}.")


def _parts(
    runner: Runner, arranged: Arranged, site: Site, pool: str | None, unit: str, told: Rows,
    says: Callable[[Arranged], np.ndarray | None] | None = None,
) -> Iterator[Rows]:  # fmt: skip
    """The rows of the index, some texts at a time, so that the activations of all tokens are never held at once."""
    whole, step = replace(arranged, encoded=replace(arranged.encoded, describe=None)), _EXAMPLES if says else len(arranged)
    step = step if unit == "example" else _TEXTS
    for start in range(0, len(arranged), step):
        numbers = np.arange(start, min(start + step, len(arranged)))
        part = whole if len(numbers) == len(arranged) else whole.subset(numbers)
        said = None if says is None else says(part)
        if unit == "example":
            texts = None if arranged.encoded.texts is None else [arranged.encoded.texts[i] for i in numbers.tolist()]
            rows, documents = Rows(_vectors(runner, part, site, pool), texts), numbers
        else:
            rows = _units(runner, arranged, part, site, unit, numbers)
            documents = np.array([place.document for place in rows.places or ()], int)
            said = _of_rows(said, (documents - start).tolist())
        if len(documents):
            more = {name: values[documents] for name, values in told.columns.items()}
            labels = None if told.labels is None else told.labels[documents]
            yield replace(rows, labels=labels, predicted=said, columns=more)


def _units(runner: Runner, arranged: Arranged, part: Arranged, site: Site, unit: str, numbers: np.ndarray) -> Rows:
    """The words or tokens of some texts: what the model saw of them, never the padding."""
    encoded = arranged.encoded
    if encoded.describe is None or encoded.texts is None or part.mask is None:
        raise InputError(f'unit={unit!r} needs texts, and a text front that knows their tokens. Use unit="example".')
    runner.scan().check_order(site)
    values = runner.activations(part, {"site": site}, None)["site"]
    if values.ndim != 3 or values.shape[1] != part.mask.shape[1]:
        raise InputError(f"unit={unit!r} needs a site with one vector per token. Received: site='{site}', which gives "
                         f"{values.shape[1:]} for {part.mask.shape[1]} tokens. See lens.sites().")  # fmt: skip
    vectors, places = [np.zeros((0, values.shape[2]), np.float32)], []
    for i, row in enumerate(encoded.describe(numbers.tolist())):
        seen, text, number = values[i][part.mask[i]].astype(np.float32), str(encoded.texts[numbers[i]]), int(numbers[i])
        if len(seen) != len(row.tokens):
            raise InputError(f"The text front names {len(row.tokens)} tokens where the model sees {len(seen)}: {text!r}.")
        if unit == "token":
            vectors.append(seen)
            places += [Unit(number, *span, token, text) for token, span in zip(row.tokens, row.spans, strict=True)]
            continue
        if not row.placed:
            raise InputError('The text front does not know where tokens stand in the text. Use unit="token".')
        spans = words(text)
        ids = word_ids(row.spans, spans)
        known = sorted({*ids} - {-1})  # words that the model saw something of
        vectors.append(pool_words(seen, ids, len(spans), "mean")[known])
        places += [Unit(number, *spans[j], text[slice(*spans[j])], text) for j in known]
    return Rows(np.concatenate(vectors), [place.word for place in places], places=places)


def _vectors(runner: Runner, arranged: Arranged, site: Site, pool: str | None) -> np.ndarray:
    bare = replace(arranged, encoded=replace(arranged.encoded, describe=None))  # nobody looks at the tokens
    found = runner.activations(bare, {"site": site}, pool)["site"]
    return found.reshape(len(found), -1).astype(np.float32)


def _says(runner: Runner, output: Output, arranged: Arranged) -> np.ndarray | None:
    """(n,) predicted classes, -1 for NaN; None if the model gives no classes, or one per position."""
    if len(output.shape) != 2 or (output.kind == "raw" and output.shape[-1] == 1):
        return None
    scores = runner.outputs(arranged, output.predict)
    return np.where(np.isfinite(scores).all(-1), scores.argmax(-1), -1)


def _of_rows(said: np.ndarray | None, documents: Sequence[int] | None) -> np.ndarray | None:
    """What is said of texts, for their words."""
    return said if said is None or documents is None else said[np.asarray(documents, int)]
