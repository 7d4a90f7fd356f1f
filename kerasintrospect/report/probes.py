"""Figures of probes: what is known, beside the controls."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_probe", "plot_site_probes"]

_BLUE, _ORANGE, _GRAY, _GREEN, _PURPLE = "#1f6fb4", "#c8600a", "#7a7a7a", "#2b8a3e", "#6a3d9a"
_CONTROLS = (("majority", "always the same", _GRAY, "--"), ("untrained", "random weights", _BLUE, ":"),
             ("control", "random labels per word", _PURPLE, ":"), ("word_list", "word list", _GREEN, "-."))  # fmt: skip
_MOST = 40  # concepts shown


def plot_probe(probe: Any) -> "Figure":
    """Score against number of neurons with the controls, and recall per concept.

    Args:
        probe: `Probe`.
    """
    from matplotlib.figure import Figure

    shown = sorted((row for row in probe.concepts if row["support"]), key=lambda row: -row["support"])[:_MOST]
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    axes = figure.subplots(1, 2, width_ratios=(1.3, 1)) if shown else [figure.subplots()]
    _draw_curve(axes[0], probe)
    if shown:
        places = range(len(shown))
        axes[1].barh(places, [row["recall"] for row in shown], color=_BLUE, height=0.7)
        names = [f"{row['concept']} ({row['support']})".replace("$", r"\$") for row in shown]
        axes[1].set_yticks(places, names, fontsize=8 if len(shown) < 25 else 6)
        axes[1].set(xlim=(0, 1), xlabel="recall", ylim=(len(shown) - 0.5, -0.5))
        _dress(axes[1], "per concept (test rows)")
    return figure


def _draw_curve(axis: "Axes", probe: Any) -> None:
    facts = probe.facts
    counts = [row["neurons"] for row in probe.curve]
    for name, color, style in (("top", _BLUE, "-"), ("random", _GRAY, "-"), ("bottom", _ORANGE, "-")):
        values = [row[name] for row in probe.curve] + [facts["score"]]
        axis.plot([*counts, facts["units"]], values, style, marker="o", ms=3, color=color, label=f"{name} neurons")
    for name, label, color, style in _CONTROLS:
        if facts[name] is not None:
            axis.axhline(facts[name], color=color, ls=style, lw=1, label=label)
    axis.axvline(facts["minimal"], color=_BLUE, lw=0.8, ls="--")
    axis.annotate(f"{facts['minimal']} suffice", (facts["minimal"], 0.02), xycoords=("data", "axes fraction"), fontsize=8,
                  color=_BLUE, xytext=(-4, 0), textcoords="offset points", ha="right")  # fmt: skip
    axis.set_xscale("log", base=2)
    axis.set_xticks([*counts, facts["units"]], [str(k) for k in [*counts, facts["units"]]], fontsize=8)
    axis.minorticks_off()
    axis.set(xlabel="neurons", ylabel=facts["metric"])
    least = min([facts["majority"], *(row[name] for row in probe.curve for name in ("top", "random", "bottom"))])
    axis.set_ylim(max(least - 0.05, -0.2), 1.02)
    axis.legend(fontsize=7, frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.13))
    _dress(axis, "score by number of neurons")


def plot_site_probes(found: Any) -> "Figure":
    """Score and controls by site, and the fewest neurons: on validation rows they do as well, on test rows see the left.

    Args:
        found: `SiteProbes`.
    """
    from matplotlib.figure import Figure

    names = list(found)
    facts = [found[site].facts for site in names]
    figure = Figure(figsize=(11, 3.4 + 0.06 * max(map(len, names))), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(range(len(names)), [row["score"] for row in facts], marker="o", ms=4, color=_BLUE, label="probe")
    for name, label, color, style in _CONTROLS:
        if any(row[name] is not None for row in facts):
            values = [float("nan") if row[name] is None else row[name] for row in facts]
            left.plot(range(len(names)), values, style, marker="o", ms=3, color=color, label=label)
    few = [row["minimal_score"] for row in facts]
    left.plot(range(len(names)), few, "-", marker="v", ms=4, color=_ORANGE, label="the fewest neurons alone")
    left.set_ylabel(facts[0]["metric"])
    left.legend(fontsize=7, frameon=False, ncols=2)
    bars = right.bar(range(len(names)), [100 * row["minimal_share"] for row in facts], color=_ORANGE, width=0.6)
    right.bar_label(bars, [f"{row['minimal']} of {row['units']}" for row in facts], fontsize=7, padding=2)
    right.set_ylabel("neurons, %")
    fewest = f"the fewest within {facts[0]['tolerance']:.0%} of all, chosen on validation rows"
    for axis, title in ((left, "what a probe reads, on test rows"), (right, fewest)):
        axis.set_xticks(range(len(names)), [name.replace("$", r"\$") for name in names], rotation=90, fontsize=7)
        _dress(axis, title)
    return figure


def _dress(axis: "Axes", title: str) -> None:
    axis.set_title(title, fontsize=10)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
