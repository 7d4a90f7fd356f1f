"""Texts coloured by one unit: at which of their words is it high, and at which low?"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError
from .exporting import export
from .files import write_page
from .inputs import Arranged
from .labelled import strings
from .runs import Runner
from .sites import Site
from .store import ActivationStore

if TYPE_CHECKING:
    import pandas

__all__ = ["Facts", "NeuronTexts", "grain", "neuron_texts", "rows_of"]

Facts = dict[str, Any]
GRAINS = ("word", "token", "example")


@dataclass(frozen=True, eq=False)
class NeuronTexts:
    """Texts with the value of one unit at each of their words; in a notebook they show in colours.

    Attributes:
        site: Where the unit is.
        unit: Its number.
        by: What has a value: `"word"`, `"token"`, or `"example"` at sites with one vector per text.
        rows: One dict per text: `text`; `value` (of the whole text; None by word and token); `words`, each a dict of `word`,
            `start`, `end` (its characters in the text; -1 where nobody knows) and `value`.
        middle: The median of all values: what colours begin at.
        scale: The distance from it that has the deepest colour.
        notes: What should be known about them.
    """

    site: str
    unit: int
    by: str
    rows: tuple[Facts, ...]
    middle: float
    scale: float
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pandas.DataFrame:
        """One row per word: example, text, word, start, end, value; by text: example, text, value."""
        import pandas

        if self.by == "example":
            whole = [(i, row["text"], row["value"]) for i, row in enumerate(self.rows)]
            return pandas.DataFrame(whole, columns=["example", "text", "value"])
        names = ["word", "start", "end", "value"]
        found = [(i, row["text"], *(word[name] for name in names)) for i, row in enumerate(self.rows) for word in row["words"]]
        return pandas.DataFrame(found, columns=["example", "text", *names])

    def to_dict(self) -> Facts:
        """All of it as JSON can hold it."""
        return {**vars(self), "rows": list(self.rows), "notes": list(self.notes)}

    def save(self, path: str | Path) -> Path:
        """Writes a page with the coloured texts (.html), or the facts (.json), whole or not at all.

        Raises:
            InputError: If the suffix is another one, or the file cannot be written.
        """
        from .report import neuron_texts_page

        facts = self.to_dict()
        return write_page(path, lambda: neuron_texts_page(facts), lambda: json.dumps(facts, allow_nan=False, indent=1))

    def _repr_html_(self) -> str:
        from .report import neuron_texts_fragment

        return str(neuron_texts_fragment(self.to_dict()))

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        return "\n".join([*(_said(row) for row in self.rows), *self.notes])

    def __repr__(self) -> str:
        return f"<NeuronTexts: unit {self.unit} of {self.site} in {len(self.rows)} texts, by {self.by}>"


def neuron_texts(
    runner: Runner, arrange: Callable[[Any], Arranged], texts: Sequence[str], site: Site, unit: int, by: str | None = None,
    reference: Sequence[str] | None = None,
) -> NeuronTexts:
    """Your own texts, coloured by a unit: blue where it is higher than its median, orange where it is lower.

    Args:
        runner: The model.
        arrange: Makes of texts what the model takes.
        texts: The texts.
        site: Where the unit is.
        unit: Its number.
        by: `"word"`, `"token"` or `"example"`: what has a value. None takes words where the site has a vector per token
            (tokens, if nobody knows where these stand in the text), and else whole texts.
        reference: Texts whose median and range give the colours; None takes `texts` themselves. One short text says little
            about what is high for a unit: texts of the training set say more.

    Raises:
        InputError: If there is no such unit, or the site has no vector per token and `by` asks for them.
        UnsupportedError: If the model is a black box.
    """
    runner.check_open("neuron_texts")
    if by is not None and by not in GRAINS:
        raise InputError(f"`by` has to be None or one of {', '.join(map(repr, GRAINS))}. Received: by={by!r}.")
    notes: list[str] = []
    own = strings(texts, "texts", notes)
    others = None if reference is None else strings(reference, "reference", [])
    chosen = by or grain(runner, own, site)
    rows, values, told = _read(runner, arrange, own, site, unit, chosen)
    usual = values if others is None else _read(runner, arrange, others, site, unit, chosen)[1]
    usual = usual[np.isfinite(usual)]
    middle = float(np.median(usual)) if len(usual) else 0.0
    scale = float(np.abs(usual - middle).max()) if len(usual) else 0.0
    return NeuronTexts(str(site), int(unit), chosen, tuple(rows), middle, scale, (*notes, *told))


def grain(runner: Runner, texts: Sequence[str], site: Site) -> str:
    """What has a value of its own at a site: a word, a token where nobody knows where tokens stand, or a whole text."""
    arranged = runner.arrange(list(texts[:8]))
    shape, rows = runner.scan().table.spec(site).shape or (), arranged.encoded.rows()
    if len(shape) != 3 or arranged.mask is None or rows is None or shape[1] not in (None, arranged.width):
        return "example"
    known = any(end > start for row in rows for start, end in row.spans)
    return "word" if known and all(row.placed for row in rows) else "token"


def rows_of(store: ActivationStore, values: np.ndarray, documents: Sequence[int], whole: Sequence[str]) -> list[Facts]:
    """Texts with the values of a unit in them.

    Args:
        store: What has a value.
        values: (rows of the store,) the unit.
        documents: Which texts.
        whole: All of them.
    """
    spans, found = store.spans, list[Facts]()
    order = np.argsort(store.documents, kind="stable")
    ends = np.searchsorted(store.documents[order], [[document, document + 1] for document in documents])
    for document, (start, end) in zip(documents, ends.tolist(), strict=True):
        own = order[start:end]
        if spans is None:
            value = float(values[own[0]]) if len(own) and np.isfinite(values[own[0]]) else None
            found.append({"text": whole[document], "value": value, "words": []})
            continue
        names, places = [(store.texts or [])[i] for i in own.tolist()], spans[own].tolist()
        words = [{"word": name, "start": a, "end": b, "value": value}
                 for name, (a, b), value in zip(names, places, values[own].tolist(), strict=True)]  # fmt: skip
        found.append({"text": whole[document], "value": None, "words": words})
    return found


def _read(
    runner: Runner, arrange: Callable[[Any], Arranged], texts: list[str], site: Site, unit: int, by: str
) -> tuple[list[Facts], np.ndarray, tuple[str, ...]]:
    """Texts with the values of the unit in them, all its values, and what should be known."""
    with tempfile.TemporaryDirectory() as folder:
        store = export(runner, arrange, texts, Path(folder) / "store", [str(site)], unit=by, dtype="float32")
        values = store.read(str(site))
        is_number = isinstance(unit, (int, np.integer)) and not isinstance(unit, bool)
        if not is_number or not 0 <= unit < values.shape[1]:
            raise InputError(f"`unit` is the number of one unit of '{site}', from 0 to {values.shape[1] - 1}. "
                             f"Received: unit={unit!r}.")  # fmt: skip
        column = values[:, unit].astype(np.float64)
        notes = tuple(note.replace(" in document ", " in text ") for note in store.notes)
        return rows_of(store, column, range(len(texts)), texts), column, notes


def _said(row: Facts) -> str:
    words = (f"{word['word']}({word['value']:+.3g})" for word in row["words"])
    value = "" if row["value"] is None else f"({row['value']:+.3g}) {row['text']}"
    return " ".join(words) or value or row["text"]
