"""Text fronts: what turns a user's text into what the model takes, and says where each token stands in the text."""

from .base import Encoded, Front, find_front

__all__ = ["Encoded", "Front", "find_front"]
