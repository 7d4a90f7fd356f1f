"""What a model knows at its layers: its activations exported, those of the untrained model beside them, and probed."""

from __future__ import annotations

import contextlib
import inspect
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .errors import InputError, UnsupportedError
from .exporting import export
from .holdout import missing
from .inputs import Arranged
from .layered import SiteProbes, probe_sites
from .probes.base import registry
from .probes.data import checked_labels
from .probing import check_probe, probe
from .runs import Runner
from .stations import of_tokens, stations
from .tagging import Tagged
from .weights import borrowed, reinitialised

__all__ = ["examine", "token_stations"]


def examine(
    runner: Runner, arrange: Callable[[Any], Arranged], inputs: Any, labels: Any = None, sites: Sequence[str] | None = None,
    unit: str | None = None, pool: str = "mean", untrained: bool = True, path: str | os.PathLike[str] | None = None,
    seed: int = 0, dtype: str = "float16", **options: Any,
) -> SiteProbes:
    """Trains a probe with all its controls at every site, the model with random weights among them.

    Args:
        runner: The model.
        arrange: Makes of inputs what the model takes.
        inputs: Texts, what the model takes, or `Tagged` words, which bring their labels.
        labels: One per text.
        sites: Addresses; None takes those of a forward pass that give one vector per text (of words and tokens: per token).
        unit: `"word"`, `"token"` or `"example"`: a row each; None takes what has labels: of `Tagged` the words, else the texts.
        pool: How tokens become one vector.
        untrained: Whether to run the model with its weights drawn anew, too.
        path: Where to keep the activations: `trained` and `untrained` in this folder; None keeps none of them.
        seed: Of the weights drawn, the held-out rows, the control task and the ranking.
        dtype: Of the activations that are kept: `"float16"`, or `"float32"` where they are beyond 65504.
        **options: Those of `probe`.

    Raises:
        InputError: If labels or options do not fit, which is seen before the model is run, or a site gives no vectors; see
            `probe` and `export`.
        UnsupportedError: If the model is a black box.
    """
    runner.check_open("probe")
    unit = ("word" if isinstance(inputs, Tagged) else "example") if unit is None else unit
    _check(inputs, labels, seed, options)
    if sites is None:
        sites = list(map(str, stations(runner, []))) if unit == "example" else token_stations(runner)
    chosen = [str(site) for site in ([sites] if isinstance(sites, str) else sites)]
    values = reinitialised(runner.adapter, runner.tracer.layers, seed) if untrained else []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()) if path is None else path)
        store = export(runner, arrange, inputs, folder / "trained", chosen, labels, unit, pool, dtype)
        other = None
        if untrained:
            with borrowed(runner.adapter, values):
                other = export(runner, arrange, inputs, folder / "untrained", chosen, labels, unit, pool, dtype)
        return probe_sites(store, untrained=other, seed=seed, **options)


def _check(inputs: Any, labels: Any, seed: int, options: dict[str, Any]) -> None:
    """What would fail after the model has run may as well fail before."""
    known = inspect.signature(probe).parameters
    theirs = {name: value for name, value in options.items() if name not in known}
    own = {name: options.get(name, known[name].default) for name in ("method", "tolerance", "sizes", "l1", "l2")}
    check_probe(seed=seed, options=theirs, **own)
    taken = [name for name in ("X", "y") if name in options]
    if taken:
        raise InputError(f"The activations are those of `inputs`, the labels `labels`. Received: {taken[0]}=...")
    if labels is None and not isinstance(inputs, Tagged):
        raise InputError("A probe takes labels: one per text as `labels`, or words that bring theirs, such as "
                         "ki.tagged(words, labels) or ki.read_conllu(path). Received: labels=None.")  # fmt: skip
    given = [label for row in inputs.labels for label in row] if labels is None else labels
    there = [label for label in given if not missing(label)] if hasattr(given, "__iter__") else given
    _, classes = checked_labels(there, len(there) if isinstance(there, list) else 0, options.get("regression"))
    member = registry.get(own["method"])
    if classes is None and not member.regression:
        raise UnsupportedError(f"{own['method']!r} ranks for classes, and the labels are values. Give another `method`.")


def token_stations(runner: Runner) -> list[str]:
    """The sites of a forward pass that give one vector per token, in forward order; none for models that have none."""
    return list(map(str, of_tokens(runner, stations(runner, []))))
