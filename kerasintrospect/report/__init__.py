"""The pages of reports: facts become typed parts, and parts one self-contained HTML file."""

from .html import coloured_texts as coloured_texts
from .html import neuron_texts_fragment as neuron_texts_fragment
from .html import neuron_texts_page as neuron_texts_page
from .html import render as render
from .html import render_neurons as render_neurons

__all__ = ["coloured_texts", "neuron_texts_fragment", "neuron_texts_page", "render", "render_neurons"]
