"""The matrix {frameworks} x {what the library does}: every cell against the framework's own numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from frameworks import FRAMEWORKS, NO_CUT, TARGET, Box, Framework, make
from test_matrix import PAGE, close_to, table

import kerasintrospect as ki

INSIDE = "it is known by inputs and outputs only: what needs its layers or gradients is refused, and the error says what works"
ENDS = "its own input and output, and nothing else"
OUTSIDE = "occlusion, against predictions of the texts without the word; every method that needs a gradient is refused"
OUTPUTS = "compared by the scores"


class Cell(NamedTuple):
    """What a cell of the table says."""

    mark: str = "yes"
    note: str = ""


class Row(NamedTuple):
    own: Framework | Box
    lens: Any


def close(found: Any, expected: Any, atol: float = 2e-5) -> None:
    close_to(found, expected, atol, atol)


def sites(row: Row) -> Cell:
    """The blocks are listed with the shapes of the framework's own hidden states, and the word vectors are found."""
    own, lens = row
    if isinstance(own, Box):
        (only,) = lens.sites()
        assert only.path == "" and fits(only.inputs[0][0].shape, own.given)
        assert fits(only.outputs[0][0].shape, own.own(own.texts))
        return Cell(note=ENDS)
    listed = {line.path: line.outputs[0][0].shape for line in lens.sites() if not line.reason}
    for site, state in own.states.items():
        assert fits(listed[site], state), (site, listed[site], state.shape)
    assert lens.describe()["embedding_site"] == next(iter(own.states))
    return Cell()


def fits(shape: tuple[int | None, ...], array: np.ndarray) -> bool:
    """A listed shape leaves the number of texts open, and says the units."""
    same = [n in (None, size) for n, size in zip(shape, array.shape, strict=True)]
    return all(same) and shape[0] is None and (shape[-1] is not None or array.ndim == 2)


def truncate(row: Row) -> Cell:
    """The model up to a block gives the framework's own hidden state for the same arrays."""
    own, lens = row
    if isinstance(own, Box):
        return refused(lambda: lens.truncate("words"), lambda: lens.truncate(":out"))
    head = lens.truncate(own.site)
    for found in (head(own.given), head.predict(own.given, verbose=0)):
        kept = keep(own, own.states[own.site])
        close(np.asarray(found)[kept], own.states[own.site][kept])
    return Cell()


def keep(own: Framework, state: np.ndarray) -> np.ndarray:
    """Where a hidden state is that of a token, or everywhere if its positions are no tokens."""
    return own.mask if state.shape[:2] == own.mask.shape else np.ones(state.shape[: min(2, state.ndim - 1)], bool)


def tail(row: Row) -> Cell:
    """The model behind a block, given the framework's hidden state, gives the framework's outputs; at a block where something
    leads round it, the error names it."""
    own, lens = row
    if isinstance(own, Box):
        return refused(lambda: lens.tail("words"), lambda: lens.tail(":in"))
    for site, way in own.detours.items():
        with pytest.raises(ki.CutError, match=f"cut at '{re.escape(site)}.*': .*{way}.* leads round it"):
            lens.tail(site)
    if own.cut is None:
        for path in [line.path for line in lens.sites() if line.path and not line.reason]:
            with pytest.raises(ki.CutError, match="leads round it"):
                lens.tail(path)
        return Cell("no", NO_CUT)
    close(lens.tail(own.cut)(own.states[own.cut]), own.outputs)
    return Cell()


def activations(row: Row) -> Cell:
    """The record of the texts holds the framework's own hidden states at every token that is no padding, and their mask; the
    scores are the framework's own."""
    own, lens = row
    if isinstance(own, Box):
        close(lens.predict(own.texts).scores, own.own(own.texts))
        found = lens.activations(own.texts, [":in", ":out"])
        assert np.array_equal(found[":in"], own.given) and np.allclose(found[":out"], own.own(own.texts), atol=1e-6)
        return refused(lambda: lens.activations(own.texts, "words"))
    found = lens.activations(own.texts, list(own.states))
    width = found.mask.shape[1]
    assert np.array_equal(found.mask, own.mask[:, :width]) and not own.mask[:, width:].any()
    for site, state in own.states.items():
        tokens = state.shape[:2] == own.mask.shape
        close(found[site][found.mask] if tokens else found[site], state[own.mask] if tokens else state)
        assert np.ptp(state[keep(own, state)], axis=0).max() > 1e-2  # or the wrong token would do as well
    close(lens.predict(own.texts).scores, own.scores)
    return Cell()


def attribute(row: Row) -> Cell:
    """Input x gradient of a logit at the word vectors: the gradient is the one of central differences through the framework."""
    own, lens = row
    if isinstance(own, Box):
        return occluded(own, lens)
    found, vectors = lens.attribute(own.texts, "input_x_gradient", target=TARGET), next(iter(own.states.values()))
    for i, item in enumerate(found):
        expected = (vectors[i] * differences(own, i, vectors[i])).sum(-1)[own.mask[i]]
        assert np.abs(expected).max() > 1e-2
        close_to(item.scores, expected, own.tolerance, own.tolerance * np.abs(expected).max())
    assert not found.scores[~found.mask].any()
    return Cell()


def differences(own: Framework, i: int, vectors: np.ndarray) -> np.ndarray:
    """Central finite differences of the logit of one text with respect to every unit at every token."""
    places = [(t, u) for t in np.flatnonzero(own.mask[i]) for u in range(vectors.shape[1])]
    moved = np.repeat(vectors[None].astype(np.float64), 2 * len(places), 0)
    for k, place in enumerate(places):
        moved[(k, *place)] += own.step
        moved[(len(places) + k, *place)] -= own.step
    up, down = own.behind(i, moved)[:, TARGET].reshape(2, -1)
    gradient = np.zeros(vectors.shape)
    for place, slope in zip(places, (up - down) / (2 * own.step), strict=True):
        gradient[place] = slope
    return gradient


def occluded(own: Box, lens: Any) -> Cell:
    """Words taken out by hand; what needs gradients says so."""
    for text, item in zip(own.texts, lens.attribute(own.texts, "occlusion", target=TARGET, score="probability"), strict=True):
        names = text.split()
        without = [" ".join(names[:k] + names[k + 1 :]) for k in range(len(names))]
        expected = own.own([text])[0, TARGET] - own.own(without)[:, TARGET]
        assert [word.text for word in item.words()] == names and np.abs(expected).max() > 1e-2
        close([word.score for word in item.words()], expected)
    methods = [method for method in ki.methods() if method != "occlusion"]
    refused(*(lambda method=method: lens.attribute(own.texts, method) for method in methods))
    return Cell(note=OUTSIDE)


def refused(*asks: Callable[[], Any]) -> Cell:
    for ask in asks:
        with pytest.raises(ki.UnsupportedError, match="(no layers and no gradients|gradients need a site).*method='occlusion'"):
            ask()
    return Cell("no", INSIDE)


def neighbors(row: Row) -> Cell:
    """The nearest texts by brute force on the framework's hidden states, of the words and of a block, pooled over the mask by
    hand."""
    own, lens = row
    if isinstance(own, Box):
        refused(lambda: lens.neighbors(own.texts, site="words"))
        nearest(row, None, own.own(own.texts))
        return Cell(note=OUTPUTS)
    for site in dict.fromkeys((next(iter(own.states)), own.site)):
        state = own.states[site]
        weight = keep(own, state).astype(float)[..., None]
        nearest(row, site, (state * weight).sum(1) / weight.sum(1))
    return Cell()


def nearest(row: Row, site: str | None, pooled: np.ndarray) -> None:
    unit = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    for metric, distances in (("cosine", 1 - unit @ unit.T), ("euclidean", np.linalg.norm(pooled[:, None] - pooled, axis=-1))):
        found = row.lens.neighbors(row.own.texts, site=site, metric=metric).query(row.own.texts, k=3)
        close(found.distances, np.sort(distances, 1)[:, :3])
        close(np.take_along_axis(distances, found.indices, 1), np.sort(distances, 1)[:, :3])
        assert np.sort(distances, 1)[:, 1].max() > 1e-3


COLUMNS = {check.__name__: check for check in (sites, truncate, tail, activations, attribute, neighbors)}
FOUND: dict[tuple[str, str], Cell] = {}  # only cells that hold


@pytest.fixture(scope="module", params=FRAMEWORKS)
def row(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Row]:
    return request.param, wrapped(make(request.param, tmp_path_factory.mktemp("framework")))


def wrapped(own: Framework | Box) -> Row:
    lens = ki.wrap(own.model, **own.options)
    if isinstance(own, Box):
        lens.sites(own.texts)  # a function does not know what it takes
    return Row(own, lens)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_cell(row, column):
    FOUND[row[0], column] = COLUMNS[column](row[1])


def render(found: dict[tuple[str, str], Cell]) -> str:
    """The section of the page."""
    rows = {name: [[found[name, column]] for column in COLUMNS] for name in FRAMEWORKS}
    return table(INTRODUCTION, "framework", rows, COLUMNS)


INTRODUCTION = """## Frameworks

`tests/test_frameworks.py` finds each cell anew, on the models of `tests/frameworks.py`, which are tiny and made by the
framework itself. Every number is compared with the framework's own."""


def test_the_section_is_what_the_tests_found():
    if len(FOUND) < len(FRAMEWORKS) * len(COLUMNS):
        pytest.skip("only some cells were run")
    assert "## " + PAGE.read_text().partition("\n## ")[2] == render(FOUND)
