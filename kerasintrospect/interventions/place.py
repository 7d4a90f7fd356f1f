"""What an intervention may ask about its site: the units and positions that were chosen, and activations of other texts."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..activations import Activations
from ..errors import InputError, InputTypeError, KerasIntrospectWarning, UnsupportedError
from ..inputs import Arranged
from ..runs import Runner
from ..sites import Site
from ..text import TokenRow, word_ids, words

__all__ = ["Place", "Selection"]


@dataclass(frozen=True)
class Selection:
    """Which units, at which positions; None is all of them.

    Attributes:
        units: Unit indices.
        words: Words, casefolded.
        tokens: Tokens as the model names them.
        positions: Token positions.
    """

    units: tuple[int, ...] | None = None
    words: tuple[str, ...] | None = None
    tokens: tuple[str, ...] | None = None
    positions: tuple[int, ...] | None = None

    @classmethod
    def of(cls, units: Any, words: Any, tokens: Any, positions: Any) -> Selection:
        """Checks what a user gives.

        Raises:
            InputTypeError: If units or positions are no integers, or words or tokens no str.
            InputError: If two of words, tokens and positions are given, or one of them is empty.
        """
        said = [name for name, x in (("words", words), ("tokens", tokens), ("positions", positions)) if x is not None]
        if len(said) > 1:
            raise InputError(f"Positions are chosen in one way: by words=, tokens= or positions=. Received: {said}")
        folded = None if words is None else tuple(word.casefold() for word in _several("words", words, str))
        chosen = _several("units", units, int)
        return cls(chosen, folded, _several("tokens", tokens, str), _several("positions", positions, int))

    def said(self) -> dict[str, Any]:
        """What was chosen, without what was not."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def where(self) -> dict[str, Any]:
        """How positions were chosen."""
        return {name: value for name, value in self.said().items() if name != "units"}

    @property
    def is_everywhere(self) -> bool:
        """Whether every position is chosen."""
        return self.words is None and self.tokens is None and self.positions is None

    def of_row(self, text: str | None, row: TokenRow | None, count: int) -> np.ndarray:
        """(count,) bool: the chosen ones among the tokens of a text."""
        if self.positions is not None:
            places = [p + count if p < 0 else p for p in self.positions]
            return np.isin(np.arange(count), places)
        if row is None or text is None:
            raise InputError("words= and tokens= need texts, and a text front that knows their tokens. Choose positions=.")
        if self.tokens is not None:
            return np.isin(np.array(row.tokens, object), np.array(self.tokens, object))
        if not row.placed:
            raise InputError("The text front does not know where tokens stand in the text. Choose tokens= or positions=.")
        spans = words(text)
        chosen = [text[a:b].casefold() in (self.words or ()) for a, b in spans]
        return np.array([i >= 0 and chosen[i] for i in word_ids(row.spans, spans)], bool)


class Place:
    """A site under an intervention.

    Args:
        runner: The model.
        arranged: The inputs that it runs on.
        site: Where.
        selection: Which units and positions.
    """

    def __init__(self, runner: Runner, arranged: Arranged, site: Site, selection: Selection) -> None:
        self.runner, self.arranged, self.site, self.selection = runner, arranged, site, selection
        spec = runner.scan().table.spec(site)
        self.dtype = spec.dtype
        self._shape = spec.shape or ()
        if len(self._shape) not in (2, 3) or self._shape[-1] is None or not spec.dtype.startswith(("float", "bfloat")):
            raise UnsupportedError(
                "An intervention changes units: a float activation (examples, units) or (examples, tokens, units). "
                f"Received: '{site}' of shape {spec}. Give a function of the tensor instead."
            )
        self.units = int(self._shape[-1])
        self.has_positions = len(self._shape) == 3
        per_token = self.has_positions and arranged.mask is not None and self._shape[1] in (None, arranged.width)
        self.has_tokens, self._is_mirrored = per_token and runner.scan().in_order(site), runner.scan().mirrored(site)
        if per_token and not selection.is_everywhere:
            runner.scan().check_order(site)
        if not selection.is_everywhere and not self.has_tokens:
            raise InputError(f"'{site}' has no vector per token, so {sorted(selection.where())} cannot be chosen there. "
                             "See lens.sites().")  # fmt: skip
        if not selection.is_everywhere:
            self._check_reach()

    def _check_reach(self) -> None:
        """Says which examples stay as they are, because nothing in them was chosen."""
        missed = np.flatnonzero(~self._all_tokens.any(1))
        said = self.selection.where()
        if len(missed) == len(self.arranged):
            hint = " Tokens are named as lens.activations(...).tokens shows them." if "tokens" in said else ""
            raise InputError(f"None of the texts has a position that fits {said} in what the model sees of it.{hint}")
        several = {name: several for name, several in said.items() if name != "positions" and len(several) > 1}
        lost = [one for name, given in several.items() for one in given
                if not self._tokens_of(self.arranged, replace(self.selection, **{name: (one,)})).any()]  # fmt: skip
        if lost:
            warnings.warn(f"No example has a position that fits {lost} in what the model sees of it.",
                          KerasIntrospectWarning, stacklevel=2)  # fmt: skip
        if len(missed):
            texts = self.arranged.encoded.texts
            shown = "" if texts is None else f", {texts[missed[0]]!r}"
            warnings.warn(f"{len(missed)} of {len(self.arranged)} examples have no position that fits {said} in what the model "
                          f"sees of them, and stay as they are; the first is number {missed[0]}{shown}.",
                          KerasIntrospectWarning, stacklevel=2)  # fmt: skip

    def explain(self) -> None:
        """Looks into the first chunk for why a run failed; see `check_positions`."""
        rows, _, mask = next(self.runner.chunks(self.arranged))
        _, _, read = next(self.runner.forward(self.arranged, [self.site]))
        if self.has_tokens:
            self.check_positions(read[str(self.site)][0].shape[1], self.where(rows, mask))

    def check_positions(self, count: int, where: np.ndarray) -> None:
        """Raises UnsupportedError, if a chunk has other positions here than tokens: shapes of open length do not tell."""
        if self.has_tokens and where.shape[1] != count:
            raise UnsupportedError(
                f"The positions of '{self.site}' are no tokens: there are {count} for {where.shape[1]}, so nothing says which "
                "to change. Give a function of the tensor instead."
            )

    @cached_property
    def asked(self) -> np.ndarray:
        """The chosen unit indices, in the order in which the user gave them."""
        if self.selection.units is None:
            return np.arange(self.units)
        found = np.array(self.selection.units, int)
        if found.size and not -self.units <= found.min() <= found.max() < self.units:
            raise InputError(f"'{self.site}' has the units 0 to {self.units - 1}. Received: units={found.tolist()}")
        return found % self.units

    @cached_property
    def chosen(self) -> np.ndarray:
        """The chosen unit indices, ascending."""
        return np.unique(self.asked)

    @cached_property
    def _all_tokens(self) -> np.ndarray:
        return self._tokens_of(self.arranged, self.selection)

    def where(self, rows: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        """(rows, positions) bool: what is changed in a chunk; (rows, 1) where positions are no tokens, (rows,) without any."""
        if not self.has_positions:
            return np.ones(len(rows), bool)
        if not self.has_tokens or mask is None:
            return np.ones((len(rows), 1), bool)
        if self.selection.is_everywhere:
            return mask if self.runner.trims(self.arranged) else np.ones_like(mask)
        found = np.zeros_like(mask)
        found[mask] = self._all_tokens[rows][self._full_mask[rows]]
        return found

    @property
    def _full_mask(self) -> np.ndarray:
        return np.asarray(self.arranged.mask)

    def _tokens_of(self, arranged: Arranged, selection: Selection) -> np.ndarray:
        """(n, width) bool: the positions that a selection chooses among those that are no padding."""
        mask = np.asarray(arranged.mask)
        if selection.is_everywhere:
            return mask if self.runner.trims(arranged) else np.ones_like(mask)
        rows, texts, found = arranged.encoded.rows(), arranged.encoded.texts, np.zeros_like(mask)
        for i, own in enumerate(mask):
            row = None if rows is None else rows[i]
            if row is not None and len(row.tokens) != own.sum():
                raise InputError(f"The text front names {len(row.tokens)} tokens where the model sees {own.sum()}.")
            found[i, own] = selection.of_row(None if texts is None else texts[i], row, int(own.sum()))
        return found

    def vectors(self, inputs: Any) -> np.ndarray:
        """(n, units) float32: the activations of texts at the site; every token's, where it has one per token.

        Raises:
            InputError: If there is none, or one is not finite.
        """
        found, arranged = self.activations(inputs)
        values = found[str(self.site)]
        if self._is_mirrored:
            values = values[:, ::-1]
        if self.has_positions:
            per_token = self.has_tokens or (self._is_mirrored and arranged.mask is not None)
            values = values[arranged.mask] if per_token else values.reshape(-1, self.units)
        if not len(values):
            raise InputError(f"`reference` holds no token that the model sees at '{self.site}'.")
        if not np.isfinite(values[:, self.chosen]).all():
            raise InputError(f"The activations of the reference at '{self.site}' are not finite: NaN or infinity has no mean.")
        return np.asarray(values, np.float32)

    def activations(self, inputs: Any) -> tuple[Activations, Arranged]:
        """The record of other inputs at the site; None takes those that the intervention runs on."""
        arranged = self.arranged if inputs is None else self.runner.arrange([inputs] if isinstance(inputs, str) else inputs)
        return self.runner.activations(arranged, {str(self.site): self.site}, None), arranged

    def aligned(self, source: Any, source_words: Any) -> tuple[np.ndarray, list[np.ndarray]]:
        """(m, units) or (m, tokens, units) activations of a source, and per source the columns that go into the chosen ones."""
        found, arranged = self.activations(source)
        values = np.asarray(found[str(self.site)], np.float32)
        if len(values) not in (1, len(self.arranged)):
            raise InputError(f"`source` is one text, or one per input. Received: {len(values)} for {len(self.arranged)} inputs")
        if not self.has_positions:
            return values, []
        if not self.has_tokens:
            raise UnsupportedError(f"The positions of '{self.site}' are no tokens: nothing says which go together.")
        chosen = self.selection if source_words is None else Selection.of(None, source_words, None, None)
        return values, [np.flatnonzero(row) for row in self._tokens_of(arranged, chosen)]

    def generator(self, row: int, seed: int) -> np.random.Generator:
        """Hangs on the seed and on the example itself."""
        texts = self.arranged.encoded.texts
        data = b"".join(leaf[row].tobytes() for leaf in self.arranged.leaves) if texts is None else repr(texts[row]).encode()
        return np.random.default_rng([seed, zlib.crc32(data)])


def _several(name: str, given: Any, kind: type) -> Any:
    """A tuple of one kind from one or several; None stays None."""
    if given is None:
        return None
    one = isinstance(given, (str, int, np.integer)) or not isinstance(given, (Sequence, np.ndarray, set, frozenset))
    several = [given] if one else list(given)
    kinds = (int, np.integer) if kind is int else (kind,)
    if not all(isinstance(x, kinds) and not isinstance(x, (bool, np.bool_)) for x in several):
        raise InputTypeError(f"`{name}` has to be of {kind.__name__}, one or several. Received: {name}={given!r}")
    if not several:
        raise InputError(f"`{name}` has to choose something; None chooses all. Received: {name}={given!r}")
    return tuple(kind(x) for x in several)
