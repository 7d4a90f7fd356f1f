"""Contrast: the examples that tell classes apart, and those that stand for one. One file per method; see `base`."""

from .base import Prototypes, contrast, contrasts, prototypes

__all__ = ["Prototypes", "contrast", "contrasts", "prototypes"]
