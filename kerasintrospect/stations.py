"""Where a model is compared with itself: the sites of a whole forward pass that a reader can take in, and their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .closeness import apart, correlation, pairs_within
from .errors import InputError
from .fronts.base import check_texts, is_text
from .inputs import Arranged
from .runs import Runner
from .sites import Site, SiteRow
from .text import words

__all__ = ["check_vectors", "length_bias", "lengths_of", "of_tokens", "read_pooled", "sampled", "stations"]

MOST = 40  # sites that a table of them shows
FLAT = 320  # examples whose values are compared without pooling
ROOM = 2**25  # numbers of them held at once
PASSING = ("Dropout", "Masking", "Identity", "Activity", "GaussianNoise")  # nothing of their own at inference


def stations(runner: Runner, notes: list[str]) -> list[Site]:
    """The first output of every layer call that gives one float vector per example or position, in forward order.

    A layer that has siblings of its class with layers inside (the blocks of a transformer) stands for what is in it. Left
    out are dropout and its like, and what is the same tensor as an earlier site. Of more than 40, evenly many.
    """
    scan = runner.scan()
    blocks, seen, found = _blocks(scan.table.rows), set[int](), list[Site]()
    for (path, call, part), tensors in scan.tensors.items():
        tensor = next(iter(tensors.values()), None)
        if part != "out" or not path or tensor is None or any(path.startswith(f"{block}.") for block in blocks):
            continue
        row = scan.table[path]
        passes = any(word in row.class_name for word in PASSING)
        if passes or id(_source(tensor)) in seen or not _is_vector(row.outputs[call]):
            continue
        seen.add(id(_source(tensor)))
        found.append(scan.table.resolve(Site(path, call if row.calls > 1 else None, "out", row.outputs[call][0].key)))
    if not found:
        raise InputError("No layer of the model gives a float vector per example or token: name sites. Received: sites=None")
    notes.append("Sites: the first output of each layer call that is a float vector per example or token; a repeated block "
                 "stands for the layers in it; dropout and what repeats an earlier site are left out.")  # fmt: skip
    if len(found) > MOST:
        notes.append(f"Of {len(found)} such sites {MOST} are shown, evenly spread; name others by `sites`.")
        found = [found[i] for i in np.linspace(0, len(found) - 1, MOST).round().astype(int)]
    return found


def of_tokens(runner: Runner, sites: Sequence[Site]) -> list[Site]:
    """Those of some sites that may give one vector per token, each where its token stands."""
    scan = runner.scan()
    return [site for site in sites if len(scan.table.spec(site).shape or ()) == 3 and scan.in_order(site)]


def check_vectors(runner: Runner, sites: Sequence[Site]) -> None:
    """Whether each site gives a float vector per example or position.

    Raises:
        InputError: if one does not; it says what is there.
    """
    for site in sites:
        spec = runner.scan().table.spec(site)
        if not _is_vector((spec,)):
            raise InputError(f"A site to compare gives float vectors, (examples, units) or (examples, positions, units). "
                             f"Received: '{site}' with {spec}")  # fmt: skip


def _source(tensor: Any) -> Any:
    while tensor.op.type == "Identity":  # what dropout leaves at inference
        tensor = tensor.op.inputs[0]
    return tensor


def _is_vector(specs: Sequence[Any]) -> bool:
    if not specs or specs[0].shape is None or "float" not in specs[0].dtype:
        return False
    shape = specs[0].shape
    return len(shape) in (2, 3) and shape[0] is None and shape[-1] is not None


def _blocks(rows: Sequence[SiteRow]) -> list[str]:
    """The paths of layers that hold layers and have siblings of their class."""
    holders = [row for row in rows if row.calls and any(other.path.startswith(f"{row.path}.") for other in rows if row.path)]
    kinds = [(row.path.rpartition(".")[0], row.class_name) for row in holders]
    return [row.path for row, kind in zip(holders, kinds, strict=True) if kinds.count(kind) > 1]


def sampled(
    runner: Runner, texts: Any, most: int, draws: np.random.Generator, notes: list[str]
) -> tuple[Arranged, np.ndarray, list[str] | None, int]:
    """A sample in random order without copies and without texts that hold no token; its positions, its texts; of how many."""
    worded = is_text(texts)
    given: Any = check_texts(texts, pairs=True) if worded else runner.arrange(texts)
    order = draws.permutation(len(given))
    if worded:
        first: dict[str, int] = {}
        for position, text in enumerate(given):
            first.setdefault(" ".join(text.casefold().split()), position)
        order = order[np.isin(order, list(first.values()))]
        _note(notes, len(given) - len(order), "are copies of an earlier one and left out")
    order = order[:most]
    arranged = runner.arrange([given[i] for i in order]) if worded else given.subset(order)
    full = np.ones(len(order), bool) if arranged.mask is None else arranged.mask.any(1)
    _note(notes, int((~full).sum()), "hold no token that the model can see and are left out")
    rows = order[full]
    return arranged.subset(np.flatnonzero(full)), rows, ([given[i] for i in rows] if worded else None), len(given)


def lengths_of(arranged: Arranged, texts: list[str] | None, notes: list[str]) -> np.ndarray:
    """In tokens that the model sees; in words where it does not say."""
    if arranged.mask is not None:
        found: np.ndarray = arranged.mask.sum(1)
        return found
    if texts is None:
        notes.append("The inputs have no positions that are known, so there is no length to be biased by.")
        return np.zeros(len(arranged))
    notes.append("The model does not say which positions are padding: length is counted in words.")
    return np.array([len(words(text)) for text in texts])


def read_pooled(
    runner: Runner, arranged: Arranged, sites: Sequence[Site], pool: str, predict: Callable[[Any], Any] | None
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """({site: (n, units) float32}, scores), all in one forward pass."""
    vectors: dict[str, np.ndarray] = {}
    scores: np.ndarray | None = None
    for rows, found, read in runner.forward(arranged, sites, pool, output=predict):
        for name, (value, _) in read.items():
            vectors.setdefault(name, np.zeros((len(arranged), value.shape[-1]), np.float32))[rows] = value.numpy()
        if predict is not None:
            scores = np.zeros((len(arranged), *found.shape[1:]), np.float32) if scores is None else scores
            scores[rows] = found.numpy()
    return vectors, scores


def length_bias(
    runner: Runner, arranged: Arranged, pooled: dict[str, np.ndarray], sites: Sequence[Site], lengths: np.ndarray, cosine: bool
) -> dict[str, tuple[float, float]]:
    """Per site Spearman's correlation between distance and difference in length, pooled and unpooled, over the same pairs.

    Unpooled are all positions in one vector, padding counted, at full length; NaN for sites without positions. The pairs
    are all those within batches of examples in random order, so that no more than a batch of values is held at a time.
    """
    long = [site for site in sites if len(runner.scan().table.spec(site).shape or ()) == 3]
    distances: dict[str, list[np.ndarray]] = {}
    ends: list[np.ndarray] = []
    for rows, flat in _batches(runner, arranged, sites, long):
        first, second = pairs_within(len(rows))
        ends.append(np.stack([rows[first], rows[second]]))
        for name, values in flat.items():
            distances.setdefault(name, []).append(apart(values, first, second, cosine))
    first, second = np.concatenate(ends, 1)
    gaps, found = np.abs(lengths[first] - lengths[second]), {}
    for name, vectors in pooled.items():
        flat_ = correlation(np.concatenate(distances[name]), gaps) if name in distances else float("nan")
        found[name] = (correlation(apart(vectors, first, second, cosine), gaps), flat_)
    return found


def _batches(
    runner: Runner, arranged: Arranged, sites: Sequence[Site], long: Sequence[Site]
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """(rows, {site: (rows, positions x units)}) for a few hundred examples, nothing cut, pooled or masked."""
    import tensorflow as tf

    def body(call: Any, leaves: Any) -> Any:
        _, taps = call(leaves, long)
        return {str(site): tf.reshape(taps.values[site], [tf.shape(taps.values[site])[0], -1]) for site in long}

    table = runner.scan().table
    units = sum((table.spec(site).shape or (1,))[-1] or 1 for site in long)
    step = int(np.clip(ROOM // max(1, units * (arranged.width or 64)), 4, 32))
    few = arranged.subset(np.arange(min(len(arranged), FLAT)))
    for rows, leaves, _ in runner.chunks(few, step, trim=False):
        asked = runner.tracer.ask(("flat", tuple(long)), body, few, [leaves]) if long else {}
        yield rows, {name: value.numpy().astype(np.float32) for name, value in asked.items()}


def _note(notes: list[str], count: int, what: str) -> None:
    if count:
        notes.append(f"{count} texts {what}.")
