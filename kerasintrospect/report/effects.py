"""Figures of what units and patches do to the answers of a model, by matplotlib."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_curve", "draw_grid", "draw_map"]

_COLORS = ("#1f6fb4", "#c8600a", "#2b8a3e", "#6a3d9a", "#c2185b")


def draw_curve(curve: Any, ax: "Axes | None" = None) -> "Axes":
    """Accuracy by number of units where labels are known, else the share of predictions that changed; see `AblationCurve`."""
    ax = _axes(ax, (6.5, 4))
    lines = curve.flips if curve.accuracy is None else curve.accuracy
    names = [name for name in lines if name != "random" and not name.endswith(" (bottom)")]
    for name, color in zip(names, _COLORS * len(names), strict=False):
        ax.plot(curve.counts, lines[name], "-o", ms=4, color=color, label=_plain(name))
        ax.plot(curve.counts, lines[f"{name} (bottom)"], ":o", ms=3, color=color, label=f"{_plain(name)}, last first")
    ax.plot(curve.counts, lines["random"], "--", color="#555555", label="random units")
    ax.set_xscale("symlog", linthresh=1)
    ticks = [count for i, count in enumerate(curve.counts) if i == 0 or count >= 1.6 * max(curve.counts[i - 1], 0.6)]
    ax.set_xticks(ticks, [str(count) for count in ticks])
    ax.minorticks_off()
    ax.set_xlabel(_plain(f"units at {curve.site} under {curve.edit}"))
    ax.set_ylabel("predictions changed" if curve.accuracy is None else "accuracy")
    ax.set_ylim(-0.02, 1.02)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=8, frameon=False)
    return ax


def draw_grid(grid: Any, ax: "Axes | None" = None) -> "Axes":
    """What each patch recovers of the difference between text and source; see `PatchGrid`."""
    import numpy as np

    rows, columns = grid.scores.shape
    ax = _axes(ax, (2.4 + 0.55 * columns + 0.07 * max(map(len, grid.sites)), 2.2 + 0.3 * rows))
    values = np.nan_to_num(grid.recovered)
    most = max(1.0, float(np.abs(values).max()))
    image = ax.imshow(values, cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
    names = [own if own == other else f"{own}\n< {other}" for own, other in grid.tokens]
    ax.set_xticks(range(columns), [_plain(name) for name in names], rotation=60, ha="right", fontsize=8)
    ax.set_yticks(range(rows), [_plain(name) for name in grid.sites], fontsize=8)
    said = f"{grid.target_name}: {grid.text_score:.2f} in the text, {grid.source_score:.2f} in the source"
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
