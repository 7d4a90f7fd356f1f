"""Adapters: what differs between the kinds of models that people have. See `base` for the contract."""

from .base import Adapter, adapt, load_model

__all__ = ["Adapter", "adapt", "load_model"]
