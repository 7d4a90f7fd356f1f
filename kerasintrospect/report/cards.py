"""From the facts on misclassified texts to their cards on the page.

Texts and class names come from strangers. Here each of their characters is made to be seen: `visible`
replaces those that would hide, reorder or end something. Escaping is left to `html`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .parts import Bar, Colouring, ErrorPart, NeighborPart, Piece

__all__ = ["Scored", "build_errors", "coloured", "visible"]

Facts = Mapping[str, Any]

LEVELS = 4  # strengths of a colour
FAINT = 0.06  # of the strongest word; below, a word stays without colour
BARS = 5  # classes in the scores of one error
NAME = 60  # characters of a class name
STRONGEST = 4  # words listed for and against

# Characters that steer the terminal, the direction of the line or the parser, and half characters.
_STAND_INS = {code: 0x2400 + code for code in range(0x20) if code not in (0x09, 0x0A)}
_STAND_INS |= {0x7F: 0x2421, 0xFFFE: 0xFFFD, 0xFFFF: 0xFFFD}
_STAND_INS |= dict.fromkeys([*range(0x80, 0xA0), *range(0xD800, 0xE000)], 0xFFFD)
_STAND_INS |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0x2426)


def visible(text: str, limit: int | None = None) -> str:
    """The text with a sign in place of each character that cannot be seen, cut after `limit` characters."""
    shown = text if limit is None else text[:limit]
    return shown.translate(_STAND_INS) + ("…" if len(shown) < len(text) else "")


def build_errors(facts: Facts, limit: int) -> Iterable[ErrorPart]:
    """One part per error, texts cut after `limit` characters."""
    names = [visible(name, NAME) for name in facts["class_names"]]
    for error in facts["errors"]:
        yield _error(error, names, limit)


def _error(error: Facts, names: Sequence[str], limit: int) -> ErrorPart:
    label, predicted = error["label"], error["predicted"]
    roles = {label: "label", predicted: "model"}
    neighbors = error["neighbors"]
    ranked = sorted(range(len(names)), key=lambda i: (i not in roles, -error["scores"][i]))[:BARS]
    return ErrorPart(
        rank=error["rank"],
        where=f"loss {error['loss']:.2f} · text {error['index']}",
        label=names[label],
        predicted=names[predicted],
        verdict={key: visible(text, 2000) for key, text in error["verdict"].items()},
        colourings=tuple(_colouring(error, role, names, limit) for role in ("predicted", "true")),
        scores=tuple(
            Bar(names[i], 100 * error["scores"][i], _probability(error["scores"][i]), roles.get(i, ""))
            for i in sorted(ranked, key=lambda i: -error["scores"][i])
        ),
        votes=tuple(
            Bar(names[i], 100 * count / len(neighbors), str(count), roles.get(i, ""))
            for i, count in sorted(enumerate(error["neighbor_labels"]), key=lambda pair: -pair[1])
            if count
        ),
        neighbors=tuple(_neighbor(near, names, roles, limit, f"{near['distance']:#.3g}") for near in neighbors),
        teachers=tuple(_neighbor(one, names, roles, limit, _signed(one["influence"])) for one in error["teachers"]),
        remarks=tuple(_remarks(error, limit)),
        keys=_keys(error),
    )


def _probability(score: float) -> str:
    return "<0.01" if 0 < score < 0.005 else ">0.99" if 0.995 <= score < 1 else f"{score:.2f}"


def _keys(error: Facts) -> dict[str, str]:
    distance = error["neighbors"][0]["distance"] if error["neighbors"] else math.inf
    numbers = {
        "loss": error["loss"],
        "confidence": error["scores"][error["predicted"]],
        "distance": min(distance, 1e9),
        "length": len(error["text"]),
        "index": error["index"],
        "label": error["label"],
        "predicted": error["predicted"],
    }
    return {
        name: f"{number:.6g}" if isinstance(number, float) else str(number)
        for name, number in numbers.items()
    }


def _remarks(error: Facts, limit: int) -> Iterable[str]:
    if error["truncated"]:
        yield "Longer than the model reads: it did not see all of it."
    if len(error["text"]) > limit:
        yield f"{len(error['text'])} characters; {limit} are shown here, all of them in the JSON report."
    if not error["text"].strip():
        yield "The text is empty."


def _colouring(error: Facts, role: str, names: Sequence[str], limit: int) -> Colouring:
    text = error["text"]
    # One scale for both classes, so that the two colourings of a text can be compared.
    top = max((abs(word[side]) for word in error["words"] for side in ("predicted", "true")), default=0.0)
    words = [Scored(word["start"], word["end"], word[role], word["unknown"]) for word in error["words"]]
    return Colouring(
        toward=names[error["label" if role == "true" else "predicted"]],
        role=role,
        pieces=coloured(text, words, top, limit),
        pro=_strongest(text, [word for word in words if word.score > FAINT * top]),
        contra=_strongest(text, [word for word in words if word.score < -FAINT * top]),
    )


def _strongest(text: str, words: list["Scored"]) -> tuple[str, ...]:
    first = sorted(words, key=lambda word: -abs(word.score))[:STRONGEST]
    return tuple(f"{visible(text[word.start : word.end], 30)} {abs(word.score):.2f}" for word in first)


class Scored(NamedTuple):
    """A word of a text, the characters from `start` to `end`, with its attribution."""

    start: int
    end: int
    score: float
    unknown: bool = False


def coloured(text: str, words: Iterable[Scored], top: float, limit: int) -> tuple[Piece, ...]:
    """A text as pieces coloured by the scores of its words; `top` is the score of the deepest colour."""
    pieces, end = [], 0
    for word in words:
        if end <= word.start < limit:
            pieces.append(Piece(visible(text[end : word.start])))
            end = min(word.end, limit)
            tone = _tone(word.score, top)
            marks = " ".join(filter(None, [tone, "u" if word.unknown else ""]))
            pieces.append(Piece(visible(text[word.start : end]), marks, _signed(word.score) if tone else ""))
    pieces.append(Piece(visible(text[end:], limit - end)))
    return _merged(pieces)


def _signed(score: float) -> str:
    return f"{score:+.3f}".replace("-", "−")


def _tone(score: float, top: float) -> str:
    share = abs(score) / top if top else 0.0
    return "" if share < FAINT else ("p" if score > 0 else "n") + str(min(max(1, math.ceil(share * LEVELS)), LEVELS))


def _merged(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Adjoining pieces without a mark become one, empty ones nothing."""
    merged: list[Piece] = []
    for piece in pieces:
        if not piece.marks and merged and not merged[-1].marks:
            merged[-1] = Piece(merged[-1].text + piece.text)
        elif piece.text:
            merged.append(piece)
    return tuple(merged)


def _neighbor(
    neighbor: Facts, names: Sequence[str], roles: Mapping[int, str], limit: int, figure: str
) -> NeighborPart:
    text, end, limit = neighbor["text"], 0, max(limit // 2, 140)
    pieces = []
    for start, stop in neighbor["shared"]:
        if start < limit:
            pieces.append(Piece(visible(text[end:start])))
            end = min(stop, limit)
            pieces.append(Piece(visible(text[start:end]), "s"))
    pieces.append(Piece(visible(text[end:], limit - end)))
    label = neighbor["label"]
    suspect = bool(neighbor.get("suspect"))
    return NeighborPart(neighbor["index"], names[label], roles.get(label, ""), figure, _merged(pieces), suspect)
