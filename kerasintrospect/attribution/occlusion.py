"""Occlusion (Zeiler and Fergus 2014): F(x) - F(x without it). A black box: it needs no site and no gradient."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from ..errors import InputError, KerasIntrospectWarning
from ..pairs import replaced
from ..text import NOWHERE, word_ids, words
from .base import registry
from .job import Job

__all__ = ["occlusion"]

_ROWS = 4096


@registry.register("occlusion")
def occlusion(job: Job, *, window: int = 1, stride: int = 1) -> None:
    """Slides a window over the words of a text (they are taken out of it) or over the positions of arrays.

    Args:
        window: Words, or positions of an array, that are occluded together. Where windows overlap the scores are averaged;
            the last window is clipped, as in Captum. The tokens of a word share its score equally.
        stride: Steps from one window to the next, at most `window`.

    For arrays the occluded positions become the baseline (0); for texts a baseline string takes the place of the words.
    """
    for name, value in (("window", window), ("stride", stride)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name} is a positive int. Received: {name}={value!r}")
    if stride > window:
        raise InputError(f"stride is at most window, or positions are left out. Received: {stride=}, {window=}")
    if job.arranged.encoded.texts is not None and job.arranged.encoded.describe is not None:
        _texts(job, window, stride)
    else:
        _arrays(job, window, stride)


def _windows(count: int, window: int, stride: int) -> list[slice]:
    starts = range(0, max(0, -(-(count - window) // stride)) * stride + 1, stride)
    return [slice(k, min(k + window, count)) for k in starts] if count else []


def _mean(count: int, slices: Sequence[slice], drops: np.ndarray) -> np.ndarray:
    """(count, ...) mean drop of the windows that cover each position."""
    total, covered = np.zeros((count, *drops.shape[1:]), np.float32), np.zeros(count, np.float32)
    for part, drop in zip(slices, drops, strict=True):
        total[part] += drop
        covered[part] += 1
    return total / np.maximum(covered, 1).reshape(-1, *[1] * (drops.ndim - 1))


def _texts(job: Job, window: int, stride: int) -> None:
    texts, mask, job.by_text = list(job.arranged.encoded.texts or ()), job.arranged.mask, True
    places = [words(text) for text in texts]
    cuts = [_windows(len(spans), window, stride) for spans in places]
    jobs = [(i, replaced(texts[i], places[i][part][0][0], places[i][part][-1][1], job.replacement()))
            for i in range(len(texts)) for part in cuts[i]]  # fmt: skip
    whole, found = job.explain(texts, range(len(texts))), np.zeros(len(jobs), np.float32)
    for k in range(0, len(jobs), _ROWS):
        part = jobs[k : k + _ROWS]
        found[k : k + len(part)] = job.explain([text for _, text in part], [i for i, _ in part])
    if count := int((~np.isfinite(found)).sum()):
        warnings.warn(f"{count} windows leave no token to the model: they score 0.", KerasIntrospectWarning, stacklevel=2)
    described, end = job.arranged.encoded.rows() or [], 0
    if all(span == NOWHERE for row in described for span in row.spans) and any(row.tokens for row in described):
        raise InputError("Where the tokens stand in the text only wrap(model, tokenizer=) can say. Received: preprocess= alone")
    width = max((len(row.tokens) for row in described), default=0)
    for i, row in enumerate(described):
        without, end = found[end : end + len(cuts[i])], end + len(cuts[i])
        drops = np.where(np.isfinite(without), whole[i] - without, 0.0)
        scores = _mean(len(places[i]), cuts[i], drops)
        owner = np.array(word_ids(row.spans, places[i]), int)
        share = np.array([scores[w] / (owner == w).sum() if w >= 0 else 0.0 for w in owner], np.float32)
        kept = mask[i] if mask is not None else np.arange(width) < len(row.tokens)
        line = np.zeros(len(kept), np.float32)
        line[kept] = share
        job.write(0, np.array([i]), line[None], kept[None])


def _arrays(job: Job, window: int, stride: int) -> None:
    leaves = job.arranged.leaves
    starts = job.baselines([leaf.astype(np.float32) for leaf in leaves], np.arange(len(job.arranged)))
    whole = job.explain_leaves(leaves)
    for place, (leaf, start) in enumerate(zip(leaves, starts, strict=True)):
        slices, drops = _windows(count := leaf.shape[1], window, stride), []
        for part in slices:
            changed = leaf.copy()
            changed[:, part] = start[:, part].astype(leaf.dtype)
            drops.append(whole - job.explain_leaves([*leaves[:place], changed, *leaves[place + 1 :]]))
        aligned = job.arranged.mask is not None and job.arranged.width == count
        mask = job.arranged.mask if aligned and job.arranged.mask is not None else np.ones((len(leaf), count), bool)
        job.write(place, np.arange(len(leaf)), _mean(count, slices, np.array(drops)).T, mask)
