"""The questions to a wrapped model: a facade whose methods are one call each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import indexing
from .attribution.base import Attributions, attribute
from .comparison import SiteComparison, compare_sites
from .effects import AblationCurve, NeuronEffects, ablation_curve, neuron_effects
from .examining import examine
from .exporting import export
from .generating import Generated, generate
from .grids import HeatMap, PatchGrid, heat_map, patch_grid
from .highlights import NeuronTexts, neuron_texts
from .influence import Influence, influence
from .interventions.base import Intervention
from .layered import SiteProbes
from .neighbors import NeighborIndex
from .outputs import Target
from .probes.base import NeuronRanking
from .sites import Site
from .store import ActivationStore
from .synthetic import PhraseRanking, rank_by_pairs, rank_phrases
from .wrapped import Wrapped

if TYPE_CHECKING:
    from .audit import Audit
    from .debug import DebugReport
    from .portraits import NeuronReport

__all__ = ["Introspector"]


class Introspector(Wrapped):
    """A wrapped model and the questions to it. Made by `wrap`."""

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

    def export(
        self, inputs: Any, path: str | os.PathLike[str], sites: str | Sequence[str], labels: Any = None, unit: str = "example",
        pool: str = "mean", dtype: str = "float16", overwrite: bool = False,
    ) -> ActivationStore:
        """Activations of all texts at all sites into a folder, in one pass; see `kerasintrospect.exporting.export`.

        Args:
            inputs: A list of str, what the model takes, or `Tagged` words.
            path: The folder. An export of the same that was killed goes on there; one that is finished is opened.
            sites: One address or several.
            labels: One per text; None for none, and for `Tagged`, which has them.
            unit: `"example"`, `"word"` or `"token"` for one row each.
            pool: Over the tokens of a text or word: `"mean"`, `"max"`, `"first"` or `"last"`.
            dtype: `"float16"` or `"float32"`.
            overwrite: Whether a store that is there may go.
        """
        return export(self._runner, self._arrange, inputs, path, sites, labels, unit, pool, dtype, overwrite)

    def probe(
        self, inputs: Any, labels: Any = None, sites: Sequence[str] | None = None, unit: str | None = None, **options: Any
    ) -> SiteProbes:
        """What is known at which layer, with the controls that such a score needs: see `kerasintrospect.examining.examine`."""
        return examine(self._runner, self._arrange, inputs, labels, sites, unit, **options)

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

    def rank_phrases(self, texts: Sequence[str], site: str, unit: int, **options: Any) -> PhraseRanking:
        """What the phrases of a unit's strongest texts do alone: see `kerasintrospect.synthetic.rank_phrases`."""
        return rank_phrases(self._runner, self._arrange, texts, self._site(site, inside=True), unit, **options)

    def rank_by_pairs(self, first: Sequence[str], second: Sequence[str], site: str, pool: str = "mean") -> NeuronRanking:
        """Neurons that tell the texts of minimal pairs apart: see `kerasintrospect.synthetic.rank_pairs`."""
        return rank_by_pairs(self._runner, self._arrange, first, second, self._site(site, inside=True), pool)

    def heat_map(self, text: Any, sites: Sequence[str] | None = None, unit: int | None = None) -> HeatMap:
        """How strong each token of a text is at each layer: see `kerasintrospect.grids.heat_map`."""
        return heat_map(self._runner, text, None if sites is None else [self._site(site, inside=True) for site in sites], unit)

    def neuron_report(self, texts: Any, labels: Any = None, site: str | None = None, **options: Any) -> NeuronReport:
        """The neurons that matter most at a site, and what each responds to: see `kerasintrospect.portraits.portray`."""
        from .portraits import portray

        return portray(self, texts, labels, site, **options)

    def neuron_texts(self, texts: Sequence[str], site: str, unit: int, **options: Any) -> NeuronTexts:
        """Your own texts, coloured by a unit: see `kerasintrospect.highlights.neuron_texts`."""
        return neuron_texts(self._runner, self._arrange, texts, self._site(site, inside=True), unit, **options)

    def generate(self, texts: Sequence[str], site: str, unit: int, **options: Any) -> Generated:
        """Texts that drive a unit up or down: see `kerasintrospect.generating.generate`."""
        return generate(self._runner, self._arrange, texts, self._site(site, inside=True), unit, **options)

    def audit(
        self, train_texts: Any, train_labels: Any, test_texts: Any = None, test_labels: Any = None, **options: Any
    ) -> Audit:
        """What is wrong with the training set itself: see `kerasintrospect.audit.audit`."""
        from .audit import audit

        return audit(self, train_texts, train_labels, test_texts, test_labels, **options)
