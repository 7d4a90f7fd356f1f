"""What a model knows at its layers: its activations exported, those of the untrained model beside them, and probed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .exporting import export
from .inputs import Arranged
from .layered import SiteProbes, probe_sites
from .runs import Runner
from .stations import of_tokens, stations
from .weights import borrowed, reinitialised

__all__ = ["examine", "token_stations"]


def examine(
    runner: Runner, arrange: Callable[[Any], Arranged], inputs: Any, labels: Any = None, sites: Sequence[str] | None = None,
    unit: str = "word", pool: str = "mean", untrained: bool = True, path: str | os.PathLike[str] | None = None, seed: int = 0,
    **options: Any,
) -> SiteProbes:
    """Trains a probe with all its controls at every site, the model with random weights among them.

    Args:
        runner: The model.
        arrange: Makes of inputs what the model takes.
        inputs: Texts, what the model takes, or `Tagged` words, which bring their labels.
        labels: One per text.
        sites: Addresses; None takes those of a forward pass that give one vector per text (of words and tokens: per token).
        unit: `"word"`, `"token"` or `"example"`: what has a label.
        pool: How tokens become one vector.
        untrained: Whether to run the model with its weights drawn anew, too.
        path: Where to keep the activations: `trained` and `untrained` in this folder, float16; None keeps none of them.
        seed: Of the weights drawn, the held-out rows, the control task and the ranking.
        **options: Those of `probe`.

    Raises:
        InputError: If labels do not fit, or a site gives no vectors; see `probe` and `export`.
        UnsupportedError: If the model is a black box.
    """
    runner.check_open("probe")
    if sites is None:
        sites = list(map(str, stations(runner, []))) if unit == "example" else token_stations(runner)
    chosen = [str(site) for site in sites]
    values = reinitialised(runner.adapter, runner.tracer.layers, seed) if untrained else []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()) if path is None else path)
        store = export(runner, arrange, inputs, folder / "trained", chosen, labels, unit, pool)
        other = None
        if untrained:
            with borrowed(runner.adapter, values):
                other = export(runner, arrange, inputs, folder / "untrained", chosen, labels, unit, pool)
        return probe_sites(store, untrained=other, seed=seed, **options)


def token_stations(runner: Runner) -> list[str]:
    """The sites of a forward pass that give one vector per token, in forward order; none for models that have none."""
    return list(map(str, of_tokens(runner, stations(runner, []))))
