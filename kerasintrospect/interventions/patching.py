"""Activation patching: units become what they are in another text (Vig et al. 2020, Geiger et al. 2021)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from .base import Change, registry
from .place import Place


@registry.register("patch")
def patch(place: Place, source: Any, source_words: Any = None) -> Change:
    """x = x of the source, position by position in the order of the text."""
    values, columns = place.aligned(source, source_words)

    def change(rows: np.ndarray, where: np.ndarray) -> tuple[Any, Any]:
        own = rows if len(values) > 1 else np.zeros(len(rows), int)
        if not place.has_positions:
            return 0.0, values[own][:, place.chosen]
        shift = np.zeros((*where.shape, len(place.chosen)), np.float32)
        for i, row in enumerate(own.tolist()):
            count = int(where[i].sum())
            if count and count != len(columns[row]):  # a text without the words stays as it is
                raise InputError(
                    f"Patching needs as many positions on both sides. Received: {count} in example {rows[i]}, "
                    f"{len(columns[row])} in its source. Choose words=, tokens= or positions= that have as many."
                )
            shift[i][where[i]] = values[row][columns[row]][:, place.chosen] if count else 0
        return 0.0, shift

    return change
