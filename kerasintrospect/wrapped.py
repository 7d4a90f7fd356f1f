"""The wrapped model itself: its sites, what it says, what goes through it, and the model cut in two."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .activations import Activations, Predictions
from .errors import InputError, InputTypeError, KerasIntrospectWarning
from .inputs import Arranged
from .interventions.base import edits_of, explained
from .outputs import Output, describe_output
from .runs import Runner
from .sites import Site, SiteTable
from .submodels import Tail, truncate
from .weights import check_finite

__all__ = ["Wrapped"]

POOLS = ("mean", "max", "first", "last", None)


class Wrapped:
    """A model, its texts and its classes; `Introspector` adds the questions."""

    def __init__(self, runner: Runner, class_names: Sequence[str] | None, output: int | str | None) -> None:
        self._runner, self._choice = runner, output
        self._names = None if class_names is None else list(class_names)
        self._output: Output | None = None

    @property
    def model(self) -> Any:
        """The user's model."""
        return self._runner.adapter.model

    @property
    def family(self) -> str:
        """`"keras"` or `"tf_keras"`; `"tensorflow"` for SavedModels, TF Lite and functions."""
        return self._runner.adapter.family

    @property
    def class_names(self) -> list[str] | None:
        """The class names that were given to `wrap`."""
        return self._names

    def describe(self) -> dict[str, Any]:
        """Name, family, kind, number of parameters, embedding site, text front and length of the model."""
        embeddings = self._runner.scan().embeddings()
        front = self._runner.front
        return {
            "name": self._runner.adapter.name,
            "family": self.family,
            "kind": self._runner.adapter.kind,
            "parameters": self._runner.adapter.parameters(),
            "embedding_site": ", ".join(map(str, embeddings)) or None,
            "text_front": None if front is None else type(front).__name__.removesuffix("Front"),
            "max_length": None if front is None else front.max_length,
        }

    def sites(self, inputs: Any = None) -> SiteTable:
        """Every place where an activation can be read or written, from one shape-only trace.

        Args:
            inputs: One batch, for models that do not know yet what they take; ignored otherwise.
        """
        return self._runner.scan(None if inputs is None else self._runner.encode(inputs).inputs).table

    def predict(self, inputs: Any, edits: Mapping[str, Any] | None = None) -> Predictions:
        """Class scores.

        Args:
            inputs: A list of str (or of pairs of str, for models that read two texts), or what the model takes.
            edits: Per site what takes the place of its activation: `ki.ablate(...)`, `ki.patch(...)`, `ki.steer(...)` or a
                list of them; a function of the tensor; or a number or array that is broadcast to it.

        Returns:
            `Predictions` with `.scores` (n, classes) float32 and `.labels` (n,) int.

        Raises:
            InputError: if weights hold NaN; it names them.
        """
        arranged, output = self._arrange(inputs), self._find_output()
        changes = edits_of(self._runner, arranged, self._placed(edits or {}))
        with explained(changes):
            scores = self._runner.outputs(arranged, output.predict, changes)
        if not np.isfinite(scores).all():
            self._explain_nan(scores)
        return Predictions(scores, output.kind, output.class_names, arranged.encoded.texts)

    def _placed(self, edits: Mapping[str, Any]) -> dict[Site, Any]:
        if not isinstance(edits, Mapping):
            raise InputTypeError(f"edits is a dict of site -> edit. Received: an object of type {type(edits).__name__}")
        placed: dict[Site, Any] = {}
        for name, value in edits.items():
            site = self._site(name)
            if site in placed:
                raise InputError(f"Edits of one site come as a list, in order. Received: '{site}' twice, as {list(edits)}")
            placed[site] = value
        return placed

    def truncate(self, site: str) -> Any:
        """The model up to a site, as a model of its own family; the weights are shared.

        Functional and Sequential graphs (nested and shared layers included) give a functional model that can be saved
        and loaded; subclassed models give one with `call`, `predict` and `export`.
        """
        return truncate(self._runner, self._site(site, inside=True))

    def tail(self, site: str) -> Tail:
        """The model behind a site: `tail(site)(truncate(site)(x)) == model(x)`.

        Raises:
            CutError: if the site is no cut of the graph; it names what leads round it.
        """
        return Tail(self._runner, self._site(site, inside=True))

    def activations(self, inputs: Any, sites: str | Sequence[str], pool: str | None = None) -> Activations:
        """What goes through the sites, in one forward pass without what lies behind the last of them.

        Args:
            inputs: A list of str, or what the model takes.
            sites: One address or several.
            pool: `"mean"`, `"max"`, `"first"` or `"last"` over the positions that are no padding; None keeps them.

        Returns:
            `Activations`: `acts[site]` of shape (n, units), or (n, tokens, units) padded with 0.
        """
        if pool not in POOLS:
            raise InputError(f"pool is one of {', '.join(map(repr, POOLS))}. Received: pool={pool!r}")
        arranged = self._arrange(inputs)
        names = [sites] if isinstance(sites, (str, Site)) else list(sites)
        return self._runner.activations(arranged, {str(name): self._site(name) for name in names}, pool)

    def _arrange(self, inputs: Any) -> Arranged:
        if isinstance(inputs, Arranged):
            return inputs
        arranged = self._runner.arrange(inputs)
        if arranged.encoded.texts is not None and arranged.mask is not None:
            empty = np.flatnonzero(~arranged.mask.any(1))
            if len(empty):
                warnings.warn(f"{len(empty)} texts hold no token that the model can see, the first at position {empty[0]}: "
                              "what it says of them is its answer to nothing.", KerasIntrospectWarning, stacklevel=3)
        return arranged

    def _site(self, address: str | Site, inside: bool = False) -> Site:
        return self._runner.site(address, inside)

    def _find_output(self) -> Output:
        if self._output is None:
            self._output = describe_output(self._runner.scan(), self._runner.adapter, self._names, self._choice)
        return self._output

    def _explain_nan(self, scores: np.ndarray) -> None:
        check_finite(self._runner.adapter)
        rows = np.flatnonzero(~np.isfinite(scores).reshape(len(scores), -1).all(1))
        warnings.warn(f"The model gives NaN for {len(rows)} examples, the first at position {rows[0]}, though its weights "
                      "are finite (a mean over no token?): their label is -1.", KerasIntrospectWarning, stacklevel=3)
