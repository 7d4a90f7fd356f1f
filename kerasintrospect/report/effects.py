"""Figures of what units and patches do to the answers of a model, by matplotlib."""

from typing import TYPE_CHECKING, Any

from .guides import CHANGED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_curve", "draw_grid", "draw_map"]

_COLORS = ("#1f6fb4", "#c8600a", "#2b8a3e", "#6a3d9a", "#c2185b")


def draw_curve(curve: Any, ax: "Axes | None" = None) -> "Axes":
    """Accuracy by number of units where labels are known, else the predictions that changed; the score of a regression."""
    ax = _axes(ax, (6.5, 4))
    what, lines = _what(curve)
    names = [name for name in lines if name != "random" and not name.endswith(" (bottom)")]
    for name, color in zip(names, _COLORS * len(names), strict=False):
        ax.plot(curve.counts, lines[name], "-o", ms=4, color=color, label=_plain(name))
        ax.plot(curve.counts, lines[f"{name} (bottom)"], ":o", ms=3, color=color, label=f"{_plain(name)}, last first")
    ax.plot(curve.counts, lines["random"], "--", color="#555555", label="random units")
    if lines is curve.score:
        low, high = lines["random"] - curve.spread, lines["random"] + curve.spread
        ax.fill_between(curve.counts, low, high, color="#555555", alpha=0.15, lw=0)
    ax.set_xscale("symlog", linthresh=1)
    ticks = [count for i, count in enumerate(curve.counts) if i == 0 or count >= 1.6 * max(curve.counts[i - 1], 0.6)]
    ax.set_xticks(ticks, [str(count) for count in ticks])
    ax.minorticks_off()
    ax.set_xlabel(_plain(f"units of {curve.site} {_done(curve.edit)}"))
    ax.set_ylabel(what)
    ax.margins(y=0.08)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=8, frameon=False)
    return ax


def _what(curve: Any) -> tuple[str, Any]:
    """What the lines are, and the lines; flips of a regression are not known."""
    import numpy as np

    if curve.accuracy is not None:
        return "accuracy", curve.accuracy
    known = any(np.isfinite(line).any() for line in curve.flips.values())
    return ("share of predictions changed", curve.flips) if known else ("mean score", curve.score)


def _done(edit: str) -> str:
    """What an intervention did, from how it prints."""
    name, _, said = edit.partition("(")
    said = said.removesuffix(")")
    more = f" ({said})" if said and len(said) <= 60 else ""
    return CHANGED[name][1] + more if name in CHANGED else f"under {edit[:60]}"


def draw_grid(grid: Any, ax: "Axes | None" = None) -> "Axes":
    """What each patch recovers of the difference between text and source; see `PatchGrid`."""
    import numpy as np

    rows, columns = grid.scores.shape
    ax = _axes(ax, (2.4 + 0.55 * columns + 0.07 * max(map(len, grid.sites)), 2.2 + 0.3 * rows))
    values = grid.recovered
    most = max(1.0, float(np.abs(np.nan_to_num(values)).max()))
    image = ax.imshow(values, cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
    ax.set_facecolor("#d8d8d8")  # shows where nothing is known
    names = [own if own == other else f"{own}\n< {other}" for own, other in grid.tokens]
    ax.set_xticks(range(columns), [_plain(name) for name in names], rotation=60, ha="right", fontsize=8)
    ax.set_yticks(range(rows), [_plain(name) for name in grid.sites], fontsize=8)
    said = f"{grid.target_name}: score {grid.text_score:.3g} in the text, {grid.source_score:.3g} in the source"
    if np.isnan(values).all():
        said += "\nno difference that a patch could recover"
    ax.set_title(_plain(said), fontsize=9)
    ax.figure.colorbar(image, ax=ax, label="recovered")
    return ax


def draw_map(found: Any, ax: "Axes | None" = None) -> "Axes":
    """Norms from white to blue, activations of a unit around 0; see `HeatMap`."""
    import numpy as np

    rows, columns = found.values.shape
    ax = _axes(ax, (2.4 + 0.5 * columns + 0.07 * max(map(len, found.sites)), 2.2 + 0.3 * rows))
    most = float(np.abs(found.values).max()) or 1.0
    low, colours, label = (0.0, "Blues", "norm over the mean") if found.unit is None else (-most, "RdBu", f"unit {found.unit}")
    image = ax.imshow(found.values, cmap=colours, vmin=low, vmax=most, aspect="auto")
    ax.set_xticks(range(columns), [_plain(token) for token in found.tokens], rotation=60, ha="right", fontsize=8)
    ax.set_yticks(range(rows), [_plain(site) for site in found.sites], fontsize=8)
    ax.figure.colorbar(image, ax=ax, label=label)
    return ax


def _axes(ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained").subplots() if ax is None else ax


def _plain(text: str) -> str:
    """Matplotlib reads formulas between dollars."""
    return text.replace("$", r"\$")
