"""Probes: which neurons know a concept? One file per way to rank them; see `base`."""

from .base import NeuronRanking, rank_neurons, ranking_methods
from .mass import above, by_mass, ordering_of

__all__ = ["NeuronRanking", "above", "by_mass", "ordering_of", "rank_neurons", "ranking_methods"]
