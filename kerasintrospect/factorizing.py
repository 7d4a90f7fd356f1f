"""Activations as a few factors that are never negative (NMF), padding left out. NumPy and scikit-learn."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .matrices import matrix

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["NeuronFactors", "factorize"]

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class NeuronFactors:
    """Activations as sums of factors: row = activations @ loadings, nearly.

    Attributes:
        activations: (n, factors), or (n, tokens, factors) for values per token, float32: how much of each factor. 0 at padding.
        loadings: (factors, units) float32: how much of each unit a factor is; the largest of a factor is 1. With
            `negatives="split"` those of the units' positive parts.
        negative_loadings: (factors, units): those of the units' negative parts; None with `negatives="clip"`.
        mask: (n, tokens) or (n,) bool: what is no padding.
        error: |X - activations @ loadings| / |X|, Frobenius norms, of what was factorized.
        shares: (factors,) each factor's share of the sum of all that the factors make up; the first has the largest.
        notes: What should be known about the factors.
    """

    activations: Array
    loadings: Array
    negative_loadings: Array | None
    mask: Array
    error: float
    shares: Array
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.loadings)

    def units(self, factor: int, k: int = 10) -> Array:
        """The k units that a factor is most made of, strongest first, of either sign."""
        if not 0 <= factor < len(self):
            raise InputError(f"`factor` is one of 0 to {len(self) - 1}. Received: factor={factor}.")
        strength = self.loadings[factor]
        if self.negative_loadings is not None:
            strength = np.maximum(strength, self.negative_loadings[factor])
        return np.argsort(-strength, kind="stable")[:k]

    def to_frame(self) -> pandas.DataFrame:
        """One row per row (example and token) that is no padding, a column per factor."""
        import pandas

        places = np.argwhere(self.mask)
        named = dict(zip(("row", "token") if self.mask.ndim == 2 else ("row",), places.T, strict=True))
        values = self.activations[self.mask]
        return pandas.DataFrame({**named, **{f"factor_{i}": values[:, i] for i in range(len(self))}})

    def plot(self, tokens: Any = None, example: int = 0) -> Figure:
        """The factors of one example, token by token; of rows, those of all.

        Args:
            tokens: The example's tokens, for the labels.
            example: Which one.
        """
        from .report.redundancy import plot_factors

        values = self.activations[example][self.mask[example]] if self.mask.ndim == 2 else self.activations[self.mask]
        return plot_factors(values, tokens)


def factorize(
    X: Any, mask: Any = None, n_components: int = 10, negatives: str = "clip", seed: int = 0, max_iter: int = 500
) -> NeuronFactors:
    """Factors of activations that are never negative: which units fire together, and where (as Ecco does).

    scikit-learn's NMF: |X - W H|^2 least, W and H not negative, from a seeded start (NNDSVDA). Padding takes no part.

    Args:
        X: (n, units), or (n, tokens, units) values per token.
        mask: (n,) or (n, tokens) bool, True for what is no padding; None takes all.
        n_components: Number of factors.
        negatives: Values below 0 have no place here. `"clip"` makes them 0, and a note says how much that was; `"split"` makes
            two parts of each unit, its values above 0 and its values below 0 with the sign turned.
        seed: Of the start.
        max_iter: Steps, at most.

    Returns:
        `NeuronFactors`, the largest factor first.

    Raises:
        InputError: if shapes do not fit, X holds NaN or infinity outside padding, nothing is above 0, or there are more factors
            than rows or units.
    """
    values, kept = _rows(X, mask)
    rows = matrix(values[kept], rows=2)
    if negatives not in ("clip", "split"):
        raise InputError(f"`negatives` is 'clip' or 'split'. Received: negatives={negatives!r}.")
    is_number = isinstance(n_components, (int, np.integer)) and not isinstance(n_components, bool)
    if not is_number or not 1 <= n_components <= min(rows.shape):
        raise InputError(f"`n_components` is an integer from 1 to the smaller of rows and units, {min(rows.shape)}. "
                         f"Received: n_components={n_components!r}.")  # fmt: skip
    units, wide = rows.shape[1], rows.astype(np.float64 if rows.dtype == np.float64 else np.float32)
    positive, notes = _positive(wide, negatives)
    if not positive.any():
        raise InputError("Factors are made of values above 0. Received: X with none. Take negatives='split', or another site.")
    weights, loadings, unfinished = _nmf(positive, n_components, seed, max_iter)
    if unfinished:
        notes.append(f"NMF was not finished after {max_iter} steps: raise `max_iter`.")
    scale = loadings.max(1)
    loadings, weights = loadings / np.where(scale > 0, scale, 1)[:, None], weights * scale
    made = weights.sum(0, dtype=np.float64) * loadings.sum(1, dtype=np.float64)
    order = np.argsort(-made, kind="stable")
    loadings, weights = loadings[order].astype(np.float32), weights[:, order].astype(np.float32)
    placed = np.zeros((*kept.shape, n_components), np.float32)
    placed[kept] = weights
    error = np.linalg.norm(positive - weights @ loadings) / np.linalg.norm(positive)
    return NeuronFactors(placed, loadings[:, :units], loadings[:, units:] if negatives == "split" else None, kept, float(error),
                         made[order] / max(made.sum(), np.finfo(float).tiny), tuple(notes))  # fmt: skip


def _rows(X: Any, mask: Any) -> tuple[Array, Array]:
    values = np.asarray(X)
    if values.ndim not in (2, 3):
        raise InputError(f"`X` is (n, units) or (n, tokens, units). Received: X of shape {values.shape}.")
    kept = np.ones(values.shape[:-1], bool) if mask is None else np.asarray(mask)
    if kept.shape != values.shape[:-1] or kept.dtype != bool:
        raise InputError(f"`mask` is bool of shape {values.shape[:-1]}, True for what is no padding. Received: mask of shape "
                         f"{kept.shape} and dtype {kept.dtype}.")  # fmt: skip
    return values, kept


def _positive(rows: Array, negatives: str) -> tuple[Array, list[str]]:
    above, below = np.maximum(rows, 0), np.maximum(-rows, 0)
    if negatives == "split":
        return np.concatenate([above, below], 1), []
    lost, total = below.sum(dtype=np.float64), np.abs(rows).sum(dtype=np.float64)
    if not lost:
        return above, []
    return above, [f"{(rows < 0).mean():.0%} of the values are below 0 and were taken for 0: {lost / total:.0%} of the sum of "
                   "all sizes. negatives='split' keeps them."]  # fmt: skip


def _nmf(rows: Array, n_components: int, seed: int, max_iter: int) -> tuple[Array, Array, bool]:
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    model = NMF(n_components, init="nndsvda", random_state=seed, max_iter=max_iter)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said in the notes
        weights = model.fit_transform(rows)
    return weights, model.components_, model.n_iter_ >= max_iter
