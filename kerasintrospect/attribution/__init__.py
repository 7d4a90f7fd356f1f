"""Attribution: why this prediction. One file per method; see `base` for the contract and `job` for what a method is given."""

from .base import Attribution, Attributions, Word, attribute, methods

__all__ = ["Attribution", "Attributions", "Word", "attribute", "methods"]
