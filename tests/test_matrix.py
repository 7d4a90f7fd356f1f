"""The matrix {kinds of models} x {what the library does} x {Keras 3, tf_keras}: every cell against the chain by hand."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import FAMILIES, Case
from zoo import CLASSES, EXAMPLES, KINDS, TEXTS, Kind, softmax

import kerasintrospect as ki

PAGE = Path(__file__).parent.parent / "docs/matrix.md"
TARGET = 1
NO_H5 = "saved and loaded as .keras only: Keras 3 cannot load a .h5 of an operation in the graph, the whole model's neither"


def close(found: Any, expected: Any, kind: Kind) -> None:
    """Equal within the kind's tolerance, where nothing is padding."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    keep = kind.mask if kind.mask is not None and kind.mask.shape == found.shape[:2] else ...
    close_to(found[keep], expected[keep], kind.tolerance * 5, kind.tolerance)


def close_to(found: Any, expected: Any, rtol: float, atol: float) -> None:
    """Equal, and of one shape."""
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def raw(kind: Kind) -> Any:
    """The inputs as the model itself takes them."""
    import tensorflow as tf

    if kind.inputs is TEXTS:
        return tf.constant(TEXTS)[:, None] if kind.saved else tf.constant(TEXTS)
    return tf.nest.map_structure(tf.constant, kind.given)


def sites(case: Case, folder: Path) -> None:
    """Every layer that is called is listed with the shape of its output, and nothing else."""
    kind, table = case
    listed = {row.path: row.outputs[0][0].shape for row in table.sites() if not row.reason and row.path}
    assert listed == kind.shapes


def truncate(case: Case, folder: Path) -> str:
    """The model up to the site gives the activation; a graph also after saving and loading, anything else also exported."""
    kind, lens = case
    expected, head = kind.at(kind.site), lens.truncate(kind.site)
    assert isinstance(head, importlib.import_module(lens.family).Model)
    close(head(raw(kind)), expected, kind)
    close(head.predict(raw(kind), verbose=0), expected, kind)
    for again in _reloaded(head, lens.family, folder, kind) if kind.saved else [_exported(head, folder)]:
        close(again(raw(kind)), expected, kind)
    return "" if kind.h5 else NO_H5


def _reloaded(head: Any, family: str, folder: Path, kind: Kind) -> Iterator[Any]:
    keras = importlib.import_module(family)
    for name in ("head.keras", "head.h5"):
        if kind.h5 or name.endswith(".keras"):
            head.save(folder / name)
            yield keras.models.load_model(folder / name, compile=False, custom_objects=kind.custom)
    if not kind.h5:
        kind.model.save(folder / "whole.h5")
        with pytest.raises((TypeError, ValueError)):
            keras.models.load_model(folder / "whole.h5", compile=False)


def _exported(head: Any, folder: Path) -> Callable[[Any], Any]:
    import tensorflow as tf

    head.export(str(folder))
    loaded = tf.saved_model.load(str(folder))
    return lambda inputs: loaded.serve(inputs)  # its variables live as long as `loaded`


def tail(case: Case, folder: Path) -> None:
    """The model behind a cut gives the outputs; where something leads round the site, the error names it."""
    kind, lens = case
    cut = kind.cut or kind.site
    outputs = lens.tail(cut)(kind.at(cut).astype("float32"))
    explained = outputs[kind.options["output"]] if "output" in kind.options else outputs
    close(explained, softmax(kind.at("logits")), kind)
    for site, way in kind.detours.items():
        with pytest.raises(ki.CutError, match=f"cut at '.*{site}'.*{way}"):
            lens.tail(site)


def activations(case: Case, folder: Path) -> None:
    """The record holds the activation at the site, and the mask of what is no padding."""
    kind, lens = case
    found = lens.activations(kind.inputs, kind.site)
    close(found[kind.site], kind.at(kind.site), kind)
    assert found.mask is None if kind.mask is None else np.array_equal(found.mask, kind.mask)
    close(lens.predict(kind.inputs).scores, softmax(kind.at("logits")), kind)


def attribute(case: Case, folder: Path) -> None:
    """Input x gradient of a logit: the gradient is the one of central differences of the chain."""
    kind, lens = case
    found = lens.attribute(kind.inputs, "input_x_gradient", target=TARGET)
    xs = kind.at(next(iter(kind.chain)))
    gradients = differences(lambda values: kind.after(next(iter(kind.chain)), values)[:, TARGET], xs)
    expected = [(x * g).reshape(*x.shape[:2], -1).sum(-1) for x, g in zip(xs, gradients, strict=True)]
    order = [kind.sources.index(site) for site in found.sites]
    close(found.scores, np.concatenate([expected[i] for i in order], 1), kind)
    if kind.mask is not None:
        assert np.array_equal(found.mask, kind.mask) and not found.scores[~kind.mask].any()


def differences(function: Callable[[Any], np.ndarray], xs: tuple[np.ndarray, ...], step: float = 1e-5) -> list[np.ndarray]:
    """Central finite differences of one number per example with respect to every unit of every array."""
    found = []
    for k, x in enumerate(xs):
        gradient = np.zeros_like(x)
        for place in np.ndindex(x.shape[1:]):
            moved = [x.copy(), x.copy()]
            moved[0][(slice(None), *place)] += step
            moved[1][(slice(None), *place)] -= step
            up, down = (function((*xs[:k], m, *xs[k + 1 :])) for m in moved)
            gradient[(slice(None), *place)] = (up - down) / (2 * step)
        found.append(gradient)
    return found


def neighbors(case: Case, folder: Path) -> None:
    """The nearest examples by brute force on activations pooled by hand."""
    kind, lens = case
    value = kind.at(kind.site)
    keep = np.ones(value.shape[:2]) if kind.mask is None else kind.mask.astype(float)
    pooled = value if value.ndim == 2 else (value * keep[..., None]).sum(1) / keep.sum(1, keepdims=True)
    unit = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    for metric, distances in (("cosine", 1 - unit @ unit.T), ("euclidean", np.linalg.norm(pooled[:, None] - pooled, axis=-1))):
        index = lens.neighbors(kind.inputs, labels=np.arange(EXAMPLES) % CLASSES, site=kind.site, metric=metric)
        found = index.query(kind.inputs, k=3)
        close(found.distances, np.sort(distances, 1)[:, :3], kind)
        close(np.take_along_axis(distances, found.indices, 1), np.sort(distances, 1)[:, :3], kind)
        assert np.array_equal(found.labels, found.indices % CLASSES)


COLUMNS = {check.__name__: check for check in (sites, truncate, tail, activations, attribute, neighbors)}
FOUND: dict[tuple[str, str, str], str | None] = {}  # (kind, family, column) -> what should be known; None: it failed


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_cell(kind, family, column, case, tmp_path):
    FOUND[kind, family, column] = None
    FOUND[kind, family, column] = COLUMNS[column](case(kind, family), tmp_path) or ""


def render(found: dict[tuple[str, str, str], str | None]) -> str:
    """The page down to the frameworks."""
    rows = {}
    for kind in KINDS:
        pairs = [[found[kind, family, column] for family in FAMILIES] for column in COLUMNS]
        rows[kind.replace("_", " ")] = [[("no" if note is None else "yes", note or "") for note in pair] for pair in pairs]
    return table(INTRODUCTION, "model", rows, COLUMNS)


def table(introduction: str, corner: str, rows: dict[str, list[list[tuple[str, str]]]], columns: dict[str, Any]) -> str:
    """A section of the page: per row and column what is marked, one (mark, note) for each family or for all."""
    cells = [cell for row in rows.values() for pair in row for cell in pair]
    notes = list(dict.fromkeys(note for _, note in cells if note))
    marks = {cell: f"{cell[0]} ({notes.index(cell[1]) + 1})" if cell[1] else cell[0] for cell in cells}
    lines = [introduction, "", f"| {corner} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | {' | '.join(' / '.join(dict.fromkeys(marks[cell] for cell in pair)) for pair in row)} |")
    lines += ["", *(f"({i}) {note}.\n" for i, note in enumerate(notes, 1))]
    lines += ["What each column compares:", "", *(f"- **{name}**: {_line(check)}" for name, check in columns.items())]
    return "\n".join(lines) + "\n"


def _line(check: Any) -> str:
    return " ".join(check.__doc__.split())


INTRODUCTION = """# What works on which model

Written by `tests/write_matrix.py` (`make docs`); `tests/test_matrix.py` finds each cell anew and holds this page to it.
The models are those of `tests/zoo.py`, built in Keras 3 and in tf_keras in one process. Every number is compared with
the same network computed by hand, layer by layer, in float64 numpy on the model's own weights. "yes" holds for both
families; where they differ, Keras 3 comes first. What comes from other [frameworks](#frameworks) follows."""


def test_the_page_is_what_the_tests_found():
    if len(FOUND) < len(KINDS) * len(FAMILIES) * len(COLUMNS):
        pytest.skip("only some cells were run")
    assert PAGE.read_text().partition("\n## ")[0] == render(FOUND)
