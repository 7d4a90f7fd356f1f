"""The page of a debug report: facts become typed parts, and parts one self-contained HTML file."""

from .html import coloured_texts as coloured_texts
from .html import render as render

__all__ = ["coloured_texts", "render"]
