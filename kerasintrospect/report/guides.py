"""How to read the page of neurons: short sentences on each of its figures, once, on the page itself."""

from collections.abc import Iterable, Mapping
from typing import Any

from .parts import Piece

__all__ = ["CHANGED", "ROWS", "build_guide", "is_removed"]

Facts = Mapping[str, Any]
Term = tuple[str, tuple[Piece, ...]]
ROWS = {"word": "word", "token": "token", "example": "text"}
# What an intervention makes of one neuron, and of several.
CHANGED = {
    "mean": ("set to its mean", "set to their mean"),
    "zero": ("set to 0", "set to 0"),
    "resample": ("given the values that it has elsewhere in the texts", "given the values that they have elsewhere"),
    "patch": ("given the values of another text", "given the values of another text"),
    "steer": ("turned up or down", "turned up or down"),
}


def is_removed(facts: Facts) -> bool:
    """Whether the page tells of neurons that were taken away."""
    return facts["edit"] in ("mean", "zero", "resample")


def build_guide(facts: Facts) -> tuple[Term, ...]:
    """(term, explanation) for whatever the page shows."""
    row, units = ROWS[facts["unit"]], facts["units"]
    found = [_told("Which neurons", _choice(facts)), _effect(facts)]
    if any(one["up"] or one["down"] for one in units):
        found.append(_told("Up, down", f"The {row}s at which the neuron is highest and lowest on average, and how often each "
                                       "occurs. The fewer times, the less it counts."))  # fmt: skip
    if any(one["formula"] for one in units):
        found.append(_told("Fires where", f"A neuron fires at its highest {100 * facts['fires']:.3g} % of the {row}s, which "
                           f"the formula fits best. IoU: the {row}s where it holds and the neuron fires, over those where "
                           "either is so; 1 is a perfect fit."))  # fmt: skip
    if facts["unit"] != "example":
        found.append(("Coloured texts", tuple(_colours(row))))
    found.append(_told("Histogram", f"How many {row}s have which value of the neuron, from its lowest to its highest."))
    if any(one["by_class"] for one in units):
        found.append(_told("Mean by class", "The mean of the neuron over the texts of each class, in standard deviations from "
                                            "its mean over all texts: 0 is usual."))  # fmt: skip
    found.append(_told("In context", f"Opens to {row}s from all parts of the neuron's values, the highest first, each with "
                                     "its value. What the neuron does mostly is in the middle."))  # fmt: skip
    return tuple(found)


def _told(term: str, said: str) -> Term:
    return term, (Piece(said),)


def _colours(row: str) -> Iterable[Piece]:
    yield Piece(f"Those where the neuron is highest, and last the one where it is lowest. At a marked {row} it is ")
    yield from (Piece("higher", "p3"), Piece(" or "), Piece("lower", "n3"), Piece(" than its median."))


def _choice(facts: Facts) -> str:
    has_probe = any("probe" in one["ranks"] for one in facts["units"])
    of = "the numbers" if facts["regression"] else "the classes"
    probe = f" Rank by probe: how much a linear model that tells {of} from all neurons relies on it." if has_probe else ""
    turns = "The first by effect, the first by probe, the second by effect, and so on." if has_probe else "The first by effect."
    chosen = "Those that were asked for." if facts["units_given"] else turns
    return f"{chosen} Rank by effect: how much the answers change when it alone is changed.{probe}"


def _effect(facts: Facts) -> Term:
    how, over = CHANGED.get(facts["edit"], ("changed", ""))[0], " over them" if facts["edit"] == "mean" else ""
    done = f"In {facts['tried']:,} of the texts the neuron is {how}{over}."
    point = " 0.01 is one percentage point." if facts["measure"] == "probability" else ""
    of = f"the {facts['measure']} of the {'label' if facts['labelled'] else 'predicted class'}"
    if facts["regression"]:
        said = (f"{done} The figure is the mean change of the score, which is the number that the model gives. It is a "
                "regression: there are no classes, and no predictions that flip.")  # fmt: skip
    else:
        said = f"{done} The figure is the mean change of {of}.{point} Predictions changed: texts whose class becomes another."
    return _told("Without it" if is_removed(facts) else "With it changed", said)
