"""Nearest training examples: what the model has seen that looks alike to it. No framework here, so that tests need no model."""

from .columns import Rows
from .found import Neighbor, Neighbors, Unit
from .index import NeighborIndex

__all__ = ["Neighbor", "NeighborIndex", "Neighbors", "Rows", "Unit"]
