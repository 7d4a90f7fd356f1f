"""Figures of the records, by matplotlib."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_sites"]

_PANELS = (
    ("nearest neighbors: labels", (
        ("share the label", "label_agreement", "#1f6fb4", "-"),
        ("... untrained", "label_agreement_control", "#1f6fb4", ":"),
        ("predicted alike", "predicted_alike", "#7a7a7a", "-"),
        ("true label where the model is wrong", "truth_where_wrong", "#c8600a", "-"),
    )),
    ("nearest neighbors: words", (
        ("overlap of words", "word_overlap", "#2b8a3e", "-"),
        ("... untrained", "word_overlap_control", "#2b8a3e", ":"),
        ("random pairs, same labels", "word_overlap_matched", "#7a7a7a", "--"),
    )),
    ("distance and length: rank correlation", (
        ("pooled over tokens", "length_bias", "#6a3d9a", "-"),
        ("padding counted", "length_bias_unpooled", "#c2185b", "-"),
    )),
)  # fmt: skip


def plot_sites(rows: Sequence[dict[str, Any]], facts: dict[str, Any], recommended: str | None) -> "Figure":
    """Labels, words and length by site, in the order of the forward pass.

    Args:
        rows: `SiteComparison.rows`.
        facts: `SiteComparison.facts`.
        recommended: The site that is marked.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3 + 0.06 * max(len(row["site"]) for row in rows)), layout="constrained")
    names = [row["site"] for row in rows]
    for axis, (title, lines) in zip(figure.subplots(1, len(_PANELS)), _PANELS, strict=True):
        for label, key, color, style in lines:
            axis.plot(range(len(rows)), [row[key] for row in rows], style, marker="o", ms=4, color=color, label=label)
        _dress(axis, title, names, recommended)
    labels = figure.axes[0]
    labels.axhline(facts["chance"], color="black", lw=0.8, ls="--", label="chance")
    figure.axes[2].axhline(0, color="black", lw=0.8)
    for axis in figure.axes:
        axis.legend(fontsize=7, frameon=False)
    return figure


def _dress(axis: "Axes", title: str, names: list[str], recommended: str | None) -> None:
    axis.set_title(title, fontsize=10)
    axis.set_xticks(range(len(names)), [name.replace("$", r"\$") for name in names], rotation=90, fontsize=7)
    axis.tick_params(axis="y", labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    if recommended in names:
        axis.axvspan(names.index(recommended) - 0.4, names.index(recommended) + 0.4, color="#ffe8a3", zorder=0)
