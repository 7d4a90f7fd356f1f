"""See why a trained Keras text model is wrong.

    import kerasintrospect as ki
    lens = ki.wrap(model)

This is the door: every public name, each imported when it is first used, so that `import kerasintrospect`
takes milliseconds and loads no TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kerasintrospect.activations import Activations, Predictions
    from kerasintrospect.adapters import load_model
    from kerasintrospect.attribution import Attribution, Attributions, methods
    from kerasintrospect.audit import Audit
    from kerasintrospect.checkpoints import CheckpointKeeper
    from kerasintrospect.comparison import SiteComparison
    from kerasintrospect.compositional import Explanations, explain_neurons
    from kerasintrospect.concepts import Concepts, find_concepts
    from kerasintrospect.contexts import Contexts, top_contexts
    from kerasintrospect.contrast import Prototypes, contrasts
    from kerasintrospect.debug import DebugReport
    from kerasintrospect.effects import AblationCurve, NeuronEffects
    from kerasintrospect.errors import (
        CutError,
        InputError,
        InputTypeError,
        KerasIntrospectError,
        KerasIntrospectWarning,
        MissingDependencyError,
        ModelFileError,
        SiteError,
        StaleIndexError,
        TargetError,
        UnreachedSiteError,
        UnsupportedError,
    )
    from kerasintrospect.factorizing import NeuronFactors, factorize
    from kerasintrospect.formulas import parse_formula
    from kerasintrospect.generating import Generated
    from kerasintrospect.grids import HeatMap, PatchGrid
    from kerasintrospect.health import NeuronHealth, dead_neurons
    from kerasintrospect.highlights import NeuronTexts
    from kerasintrospect.influence import Influence
    from kerasintrospect.interventions import Intervention, ablate, intervention_methods, patch, steer
    from kerasintrospect.introspector import Introspector
    from kerasintrospect.layered import SiteProbes, probe_sites
    from kerasintrospect.mapping import NeuronMap, map_neurons
    from kerasintrospect.neighbors import NeighborIndex, Neighbors
    from kerasintrospect.neurons import TopWords, top_words
    from kerasintrospect.neurox import NeuroxActivations, read_neurox, write_neurox
    from kerasintrospect.portraits import NeuronReport
    from kerasintrospect.probes import NeuronRanking, rank_neurons, ranking_methods
    from kerasintrospect.probing import Probe, probe
    from kerasintrospect.rankings import Influences
    from kerasintrospect.redundancy import NeuronClusters, cluster_neurons
    from kerasintrospect.selecting import NeuronSelection, select_neurons
    from kerasintrospect.similarity import Similarity, compare_activations
    from kerasintrospect.sites import SiteTable
    from kerasintrospect.statistics import Gram, Statistics
    from kerasintrospect.store import ActivationStore, load_store
    from kerasintrospect.synthetic import PhraseRanking, fill_templates, rank_pairs
    from kerasintrospect.tagging import Tagged, read_columns, read_conllu, tagged
    from kerasintrospect.voting import agreement, vote
    from kerasintrospect.wrapping import wrap

__version__ = "0.1.0"

__all__ = [
    "AblationCurve",
    "ActivationStore",
    "Activations",
    "Attribution",
    "Attributions",
    "Audit",
    "CheckpointKeeper",
    "Concepts",
    "Contexts",
    "CutError",
    "DebugReport",
    "Explanations",
    "Generated",
    "Gram",
    "HeatMap",
    "Influence",
    "Influences",
    "InputError",
    "InputTypeError",
    "Intervention",
    "Introspector",
    "KerasIntrospectError",
    "KerasIntrospectWarning",
    "MissingDependencyError",
    "ModelFileError",
    "NeighborIndex",
    "Neighbors",
    "NeuronClusters",
    "NeuronEffects",
    "NeuronFactors",
    "NeuronHealth",
    "NeuronMap",
    "NeuronRanking",
    "NeuronReport",
    "NeuronSelection",
    "NeuronTexts",
    "NeuroxActivations",
    "PatchGrid",
    "PhraseRanking",
    "Predictions",
    "Probe",
    "Prototypes",
    "Similarity",
    "SiteComparison",
    "SiteError",
    "SiteProbes",
    "SiteTable",
    "StaleIndexError",
    "Statistics",
    "Tagged",
    "TargetError",
    "TopWords",
    "UnreachedSiteError",
    "UnsupportedError",
    "__version__",
    "ablate",
    "agreement",
    "cluster_neurons",
    "compare_activations",
    "contrasts",
    "dead_neurons",
    "explain_neurons",
    "factorize",
    "fill_templates",
    "find_concepts",
    "intervention_methods",
    "load_model",
    "load_store",
    "map_neurons",
    "methods",
    "parse_formula",
    "patch",
    "probe",
    "probe_sites",
    "rank_neurons",
    "rank_pairs",
    "ranking_methods",
    "read_columns",
    "read_conllu",
    "read_neurox",
    "select_neurons",
    "steer",
    "tagged",
    "top_contexts",
    "top_words",
    "vote",
    "wrap",
    "write_neurox",
]

_ROOMS = {
    "activations": ("Activations", "Predictions"),
    "adapters": ("load_model",),
    "attribution": ("Attribution", "Attributions", "methods"),
    "audit": ("Audit",),
    "checkpoints": ("CheckpointKeeper",),
    "comparison": ("SiteComparison",),
    "compositional": ("Explanations", "explain_neurons"),
    "concepts": ("Concepts", "find_concepts"),
    "contexts": ("Contexts", "top_contexts"),
    "contrast": ("Prototypes", "contrasts"),
    "debug": ("DebugReport",),
    "effects": ("AblationCurve", "NeuronEffects"),
    "factorizing": ("NeuronFactors", "factorize"),
    "formulas": ("parse_formula",),
    "generating": ("Generated",),
    "grids": ("HeatMap", "PatchGrid"),
    "health": ("NeuronHealth", "dead_neurons"),
    "influence": ("Influence",),
    "interventions": ("Intervention", "ablate", "intervention_methods", "patch", "steer"),
    "highlights": ("NeuronTexts",),
    "introspector": ("Introspector",),
    "mapping": ("NeuronMap", "map_neurons"),
    "layered": ("SiteProbes", "probe_sites"),
    "neighbors": ("NeighborIndex", "Neighbors"),
    "neurons": ("TopWords", "top_words"),
    "probes": ("NeuronRanking", "rank_neurons", "ranking_methods"),
    "probing": ("Probe", "probe"),
    "neurox": ("NeuroxActivations", "read_neurox", "write_neurox"),
    "rankings": ("Influences",),
    "redundancy": ("NeuronClusters", "cluster_neurons"),
    "selecting": ("NeuronSelection", "select_neurons"),
    "similarity": ("Similarity", "compare_activations"),
    "portraits": ("NeuronReport",),
    "sites": ("SiteTable",),
    "statistics": ("Gram", "Statistics"),
    "store": ("ActivationStore", "load_store"),
    "synthetic": ("PhraseRanking", "fill_templates", "rank_pairs"),
    "tagging": ("Tagged", "read_columns", "read_conllu", "tagged"),
    "voting": ("agreement", "vote"),
    "wrapping": ("wrap",),
}
_HOMES = {name: room for room, names in _ROOMS.items() for name in names}
_HOMES.update({name: "errors" for name in __all__ if name.endswith(("Error", "Warning"))})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
