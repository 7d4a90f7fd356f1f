"""The wrapped model: a facade whose methods are one call each."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import indexing
from .activations import Activations, Predictions
from .attribution.base import Attributions, attribute
from .comparison import SiteComparison, compare_sites
from .effects import AblationCurve, NeuronEffects, ablation_curve, neuron_effects
from .errors import InputError, KerasIntrospectWarning
from .grids import PatchGrid, patch_grid
from .influence import Influence, influence
from .inputs import Arranged
from .interventions.base import Intervention, edits_of
from .neighbors import NeighborIndex
from .outputs import Output, Target, describe_output
from .runs import Runner
from .sites import Site, SiteTable
from .submodels import Tail, truncate
from .weights import named

if TYPE_CHECKING:
    from .audit import Audit
    from .debug import DebugReport

__all__ = ["Introspector", "Predictions"]

POOLS = ("mean", "max", "first", "last", None)


class Introspector:
    """A wrapped model. Made by `wrap`."""

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
        changes = edits_of(self._runner, arranged, {self._site(site): value for site, value in (edits or {}).items()})
        found = [np.zeros(0)] * len(arranged)
        for rows, scores, _ in self._runner.forward(arranged, edits=changes, output=output.predict):
            for i, row in zip(rows, scores.numpy(), strict=True):
                found[i] = row
        scores = np.stack(found)
        if not np.isfinite(scores).all():
            self._explain_nan(scores)
        return Predictions(scores, output.kind, output.class_names, arranged.encoded.texts)

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

    def attribute(
        self,
        inputs: Any,
        method: str = "integrated_gradients",
        target: Target = None,
        site: str | Sequence[str] | None = None,
        score: str = "logit",
        baseline: Any = None,
        seed: int = 0,
        **options: Any,
    ) -> Attributions:
        """Why this prediction: a signed score per token (or unit) of every example.

        Args:
            inputs: A list of str, or what the model takes.
            method: One of `ki.methods()`.
            target: None (the predicted class), a class index or name, a list of either (one per example), or a function
                from the model's outputs to (n,) numbers; for sequence outputs (position, class).
            site: Where scores are taken; None finds the embedding outputs, or the float inputs themselves.
            score: `"logit"` (before a final softmax or sigmoid), `"probability"`, or `"loss"` of the target.
            baseline: None (zeros), a number, or an array per unit, per position too, or per example too; one per site.
            seed: For methods that draw.
            options: Those of the method, such as `n_steps=50`.

        Returns:
            `Attributions`, a sequence of `Attribution`.
        """
        arranged, output = self._arrange(inputs), self._find_output()
        chosen = [site] if isinstance(site, (str, Site)) else site
        sites = None if chosen is None else [self._site(one, inside=True) for one in chosen]
        return attribute(self._runner, output, arranged, method, target, sites, score, baseline, seed, **options)

    def neighbors(
        self, texts: Any, labels: Any = None, site: str | None = None, pool: str | None = "mean", metric: str = "cosine",
        unit: str = "example", columns: Mapping[str, Any] | None = None, path: str | os.PathLike[str] | None = None,
    ) -> NeighborIndex:
        """An index of training examples, or of their words, by their activations at a site.

        Args:
            texts: The training texts, or what the model takes.
            labels: One per text: class indices or names.
            site: Address; None takes the input of the last layer, the model's own summary of the text.
            pool: As in `activations`; for words, over the tokens of one.
            metric: `"cosine"` or `"euclidean"`.
            unit: `"example"`, or `"word"` or `"token"` for one row each: where else does this word mean this?
            columns: Name -> one value per text, to filter by.
            path: A folder to keep the index in, for training sets that outgrow the memory; None keeps it in memory.
        """
        place = self._site(site) if site is not None else self._runner.summary()
        return indexing.index(self._runner, self._arrange, texts, labels, place, pool, metric, self.class_names, unit, columns,
                              path, self._find_output)  # fmt: skip

    def fingerprint(self, site: str | Site, pool: str | None, unit: str = "example") -> str:
        """A string that changes with the weights, the site, the pooling, the unit and the text front."""
        return indexing.fingerprint(self._runner, self._site(site), pool, unit)

    def embedder(self, site: str, pool: str | None, unit: str = "example") -> tuple[Any, str]:
        """(inputs -> vectors, fingerprint) for an index that was loaded from a file."""
        place = self._site(site)
        embed = indexing.embedder(self._runner, self._arrange, place, pool, unit)
        return embed, indexing.fingerprint(self._runner, place, pool, unit)

    def influence(
        self, texts: Any, labels: Any, method: str = "tracin", layers: str | Sequence[str] = "last", checkpoints: Any = None,
        l2: float = 1e-3,
    ) -> Influence:
        """Which training examples made the model answer as it does, by their gradients: see `kerasintrospect.influence`.

        Args:
            texts: The training texts, or what the model takes.
            labels: One per text: class indices or names; numbers for a regression.
            method: `"tracin"`, `"gradient_dot"`, `"gradient_cosine"`, `"gradient_asymmetric"` or `"representer"`.
            layers: `"last"`, `"all"` Dense and Embedding layers, or addresses.
            checkpoints: The folder of a `CheckpointKeeper`, or (learning rate, weights) pairs; None is the model as it is.
            l2: For `"representer"`: what the squared norm of the last layer counts.

        Returns:
            `Influence`, with `query`, `scores` and `self_influence`.
        """
        arranged, output = self._arrange(texts), self._find_output()
        return influence(self._runner, output, arranged, labels, self._arrange, self._names is not None, method,
                         layers, checkpoints, l2)  # fmt: skip

    def debug(self, texts: Any, labels: Any, train_texts: Any = None, train_labels: Any = None, **options: Any) -> DebugReport:
        """The misclassified texts with all of the above beside them: see `kerasintrospect.debug.debug`."""
        from .debug import debug

        return debug(self, texts, labels, train_texts, train_labels, **options)

    def compare_sites(self, texts: Any, labels: Any, sites: Sequence[str] | None = None, **options: Any) -> SiteComparison:
        """At which layer are like texts near each other? See `kerasintrospect.comparison.compare_sites`."""
        named_classes = self._names is not None
        return compare_sites(self._runner, self._find_output(), texts, labels, sites, named=named_classes, **options)

    def neuron_effects(
        self, inputs: Any, site: str, labels: Any = None, edit: Intervention | None = None, greedy: int = 0
    ) -> NeuronEffects:
        """What every unit of a site does to the answers, changed alone: see `kerasintrospect.effects.neuron_effects`."""
        arranged, named_classes = self._arrange(inputs), self._names is not None
        return neuron_effects(self._runner, self._find_output(), arranged, self._site(site, inside=True), labels, edit, greedy,
                              named_classes)  # fmt: skip

    def ablation_curve(self, inputs: Any, site: str, rankings: Any, labels: Any = None, **options: Any) -> AblationCurve:
        """How fast rankings of units take the model apart: see `kerasintrospect.effects.ablation_curve`."""
        arranged, named_classes = self._arrange(inputs), self._names is not None
        return ablation_curve(self._runner, self._find_output(), arranged, self._site(site, inside=True), rankings, labels,
                              named=named_classes, **options)  # fmt: skip

    def patch_grid(
        self, text: Any, source: Any, sites: Sequence[str] | None = None, target: Target = None, score: str = "logit"
    ) -> PatchGrid:
        """Which token at which layer makes the difference between two texts: see `kerasintrospect.grids.patch_grid`."""
        chosen = None if sites is None else [self._site(site, inside=True) for site in sites]
        return patch_grid(self._runner, self._find_output(), text, source, chosen, target, score)

    def audit(
        self, train_texts: Any, train_labels: Any, test_texts: Any = None, test_labels: Any = None, **options: Any
    ) -> Audit:
        """What is wrong with the training set itself: see `kerasintrospect.audit.audit`."""
        from .audit import audit

        return audit(self, train_texts, train_labels, test_texts, test_labels, **options)

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
        floats = ((name, value) for name, value in named(self._runner.adapter) if value.dtype.kind == "f")
        broken = [name for name, value in floats if not np.isfinite(value).all()]
        rows = np.flatnonzero(~np.isfinite(scores).reshape(len(scores), -1).all(1))
        if broken:
            raise InputError(f"The model gives NaN, because these weights hold NaN or infinity: {', '.join(broken[:5])}.")
        warnings.warn(f"The model gives NaN for {len(rows)} examples, the first at position {rows[0]}, though its weights "
                      "are finite (a mean over no token?): their label is -1.", KerasIntrospectWarning, stacklevel=3)
