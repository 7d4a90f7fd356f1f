"""What stands at the tiny model's embedding after an edit."""

from __future__ import annotations

from typing import Any

import numpy as np

from kerasintrospect.interventions.base import edits_of


def read(lens: Any, texts: list[str], edit: Any) -> tuple[np.ndarray, np.ndarray]:
    """(activations after the edit, mask) at the embedding."""
    arranged, site = lens._runner.arrange(texts), lens._runner.site("embedding")
    found = np.zeros((len(texts), arranged.width, 4), np.float32)
    edits = edits_of(lens._runner, arranged, {} if edit is None else {site: edit})
    for rows, _, values in lens._runner.forward(arranged, [site], edits=edits):
        value = values[str(site)][0].numpy()
        found[rows, : value.shape[1]] = value
    return found, arranged.mask
