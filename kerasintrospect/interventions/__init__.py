"""Changing activations inside the model: one file per idea.

Each member says what takes the place of some units at some positions; the contract is in `base`.
"""

from .base import Intervention, ablate, intervention_methods, patch, steer

__all__ = ["Intervention", "ablate", "intervention_methods", "patch", "steer"]
