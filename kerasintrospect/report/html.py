"""The only place that writes HTML: parts go through a template, which escapes every text in them.

The page is one file that asks for nothing from outside. Its policy forbids every script but its own, by hash,
so that even a text which broke out of the escaping could not run.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from .cards import Scored, build_errors, coloured, visible
from .neurons import build_neurons, build_texts
from .overview import build_overview
from .parts import Colouring, Piece
from .training import build_training

if TYPE_CHECKING:
    from kerasintrospect import Attribution

__all__ = ["coloured_texts", "neuron_texts_fragment", "neuron_texts_page", "render", "render_neurons"]

MOST = 5_000_000  # bytes of a page
LIMITS = (10_000, 2_000, 600, 280, 140)  # characters of a text; the first that keeps the page small enough


def render(facts: Mapping[str, Any]) -> str:
    """Writes the page of a debug report.

    Texts are cut only where the page would otherwise become larger than 5 MB.

    Args:
        facts: `DebugReport.facts`.

    Returns:
        The page as one HTML document.
    """
    overview = build_overview(facts)
    page = ""
    for limit in LIMITS:
        if _least(facts, limit) > MOST and limit != LIMITS[-1]:
            continue  # rendering thousands of long texts in vain takes a minute
        page = _template("page.html").render(
            overview=overview,
            training=build_training(facts["audit"]),
            neurons=None if facts["neurons"] is None else build_neurons(facts["neurons"]),
            errors=build_errors(facts, limit),
            style=_source("page.css") + _source("marks.css") + _source("neurons.css"),
            script=_source("page.js"),
            script_hash=_hash(_source("page.js")),
        )
        if len(page.encode("utf-8")) < MOST:
            break
    return page


def _least(facts: Mapping[str, Any], limit: int) -> int:
    """Bytes that the errors take at the very least: each text twice, and a mark around most of its words."""
    return sum(
        2 * min(len(error["text"]), limit)
        + sum(40 for word in error["words"] if word["start"] < limit and word["predicted"])
        + sum(min(len(neighbor["text"]), limit // 2) for neighbor in error["neighbors"])
        for error in facts["errors"]
    )


def render_neurons(facts: Mapping[str, Any]) -> str:
    """Writes the page of neurons; it runs no script.

    Args:
        facts: `NeuronReport.facts`.
    """
    style = _source("page.css") + _source("marks.css") + _source("neurons.css")
    return _template("neuron_page.html").render(page=build_neurons(facts), style=style)


def neuron_texts_page(facts: Mapping[str, Any]) -> str:
    """Writes texts coloured by a neuron as a page, which runs no script.

    Args:
        facts: `NeuronTexts.to_dict()`.
    """
    style = _source("page.css") + _source("marks.css") + _source("neurons.css")
    return _template("neuron_texts_page.html").render(page=build_texts(facts, LIMITS[0]), style=style)


def neuron_texts_fragment(facts: Mapping[str, Any]) -> str:
    """The same for a notebook: a fragment of HTML."""
    part = build_texts(facts, LIMITS[0])
    return _template("neuron_texts_fragment.html").render(page=part, marks=_source("marks.css"))


def coloured_texts(attributions: "Iterable[Attribution]") -> str:
    """Writes attributions as coloured texts, for a notebook.

    Args:
        attributions: `Attribution`s; each text has a scale of its own.

    Returns:
        A fragment of HTML.
    """
    colourings = [_colouring(attribution) for attribution in attributions]
    return _template("texts.html").render(colourings=colourings, marks=_source("marks.css"))


def _colouring(attribution: "Attribution") -> Colouring:
    words = attribution.words()
    text, top = attribution.text, max((abs(word.score) for word in words), default=0.0)
    if text is None or not attribution.placed:  # the model's tokens are all that there is to show
        text = " ".join(word.text for word in words)
        starts = [sum(len(word.text) + 1 for word in words[:i]) for i in range(len(words))]
        scored = [Scored(at, at + len(word.text), word.score) for at, word in zip(starts, words, strict=True)]
    else:
        scored = [Scored(word.start, word.end, word.score) for word in words]
    pieces: tuple[Piece, ...] = coloured(text, scored, top, LIMITS[0])
    return Colouring(toward=visible(attribution.target_name, 60), role="", pieces=pieces, pro=(), contra=())


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kerasintrospect.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(name)


@cache
def _source(name: str) -> Markup:
    """A file of ours, which may stand in the page as it is."""
    return Markup(files("kerasintrospect.report").joinpath("templates", name).read_text(encoding="utf-8"))


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
