"""Generated inputs: text that drives a unit up or down, by gradient ascent over what the model's embedding makes of tokens.

At each free position stands a mixture of the vectors of many tokens, weighted by a Gumbel-softmax whose temperature falls
(Poerner, Roth and Schuetze 2018). What the mixture does is no proof: in the end each position gets its first token, single
tokens are replaced while that helps (HotFlip: Ebrahimi et al. 2018), and what they are written as goes through the model as any
other text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from .errors import InputError, InputTypeError, UnsupportedError
from .fronts.base import check_texts, is_text
from .inputs import Arranged
from .mixtures import Mixture, edits, mixture
from .pooling import pooled
from .runs import Runner
from .sites import Site

if TYPE_CHECKING:
    import pandas

__all__ = ["Generated", "check_unit", "check_whole", "generate", "measure", "with_options"]

Array = npt.NDArray[Any]
P = ParamSpec("P")
R = TypeVar("R")
POOLS = ("max", "mean", "first", "last")
TRIED = 16  # replacements per text and round


@dataclass(frozen=True)
class Generated:
    """Texts that were made for one unit.

    Attributes:
        rows: One dict per text, the strongest first: `text`, `activation` (of the text, by a normal run), `mixture` (at the
            end of the ascent, before tokens were chosen and replaced), `reencodes`: whether the model's tokens of the text are
            those that were chosen.
        site: The site.
        unit: The unit.
        direction: `"up"` or `"down"`.
        pool: How a text's positions are one number.
        corpus_text: The strongest of the given texts.
        corpus_activation: Its activation.
        notes: What should be known about them.
    """

    rows: tuple[dict[str, Any], ...]
    site: str
    unit: int
    direction: str
    pool: str
    corpus_text: str
    corpus_activation: float
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The strongest text."""
        return str(self.rows[0]["text"])

    @property
    def activation(self) -> float:
        """Its activation."""
        return float(self.rows[0]["activation"])

    def to_frame(self) -> pandas.DataFrame:
        """One row per text, the strongest first; the best of the given texts last."""
        import pandas

        best = {"text": self.corpus_text, "activation": self.corpus_activation, "reencodes": True}
        made = [{"source": "generated", **row} for row in self.rows]
        return pandas.DataFrame([*made, {"source": "corpus", **best}], columns=["source", *self.rows[0]])

    def __str__(self) -> str:
        lines = [f"{row['activation']:9.3f}  {row['text']}" for row in self.rows]
        best = f"{self.corpus_activation:9.3f}  {self.corpus_text}  (the strongest of the given texts)"
        return "\n".join([f"unit {self.unit} of {self.site}, {self.direction}:", *lines, best, *self.notes])


def with_options(function: Callable[P, R]) -> Callable[P, R]:
    """The same function, which says what options it has when it gets another: they come from a call of the lens."""
    known = signature(function).parameters

    @wraps(function)
    def checked(*args: P.args, **options: P.kwargs) -> R:
        unknown = [name for name in options if name not in known]
        if unknown:
            own = ", ".join(name for name, one in known.items() if one.default is not one.empty)
            raise InputTypeError(f"{function.__name__}() has the options {own}. Received: {unknown[0]}={options[unknown[0]]!r}")
        return function(*args, **options)

    return checked


def check_whole(**numbers: Any) -> None:
    """Raises InputTypeError, if a number is no int."""
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise InputTypeError(f"`{name}` is a whole number. Received: {name}={value!r}")


@with_options
def generate(
    runner: Runner, arrange: Callable[[Any], Arranged], texts: Sequence[str], site: Site, unit: int, length: int = 8,
    direction: str = "up", pool: str = "max", steps: int = 150, restarts: int = 8, flips: int = 20, max_tokens: int = 3000,
    temperature: tuple[float, float] = (2.0, 0.1), learning_rate: float = 0.3, seed: int = 0,
) -> Generated:
    """Texts that drive a unit up or down.

    Args:
        runner: The model.
        arrange: What makes its inputs of texts.
        texts: Texts of the kind that the model reads: their tokens are what is mixed, and the strongest of them stands beside
            what is made.
        site: Where the unit is.
        unit: Which one.
        length: Tokens of the text.
        direction: `"up"`, or `"down"`.
        pool: What counts of the positions: `"max"` (the strongest in that direction), `"mean"`, `"first"` or `"last"`.
        steps: Of the ascent (Adam).
        restarts: Texts that are made, each from noise of its own.
        flips: How often, after the ascent, one token of each text is replaced by another while that helps (HotFlip); 0 leaves
            the ascent as it ended.
        max_tokens: Of the tokens of the texts, the most frequent that are mixed.
        temperature: Of the softmax, at the first and at the last step; it falls geometrically.
        learning_rate: Of the ascent.
        seed: Of the noise.

    Returns:
        `Generated`.

    Raises:
        InputError: if there is no such unit, or the texts have no token that can be written alone.
        InputTypeError: if a count is no whole number.
        UnsupportedError: if the model looks up no tokens, or the unit does not depend on them.
    """
    check_whole(length=length, steps=steps, restarts=restarts, max_tokens=max_tokens, flips=flips, seed=seed)
    counts = {"length": length, "steps": steps, "restarts": restarts, "max_tokens": max_tokens, "flips": flips + 1}
    if np.shape(temperature) != (2,) or isinstance(learning_rate, (str, bytes)) or not np.all(np.isreal(temperature)):
        raise InputTypeError("temperature is a pair of numbers, learning_rate a number. Received: "
                             f"temperature={temperature!r}, learning_rate={learning_rate!r}")  # fmt: skip
    if direction not in ("up", "down") or pool not in POOLS or min(counts.values()) < 1 or min(temperature) <= 0:
        raise InputError(f"direction is 'up' or 'down', pool one of {', '.join(POOLS)}, {', '.join(counts)} are at least 1 "
                         f"(flips 0), temperatures above 0. Received: direction={direction!r}, pool={pool!r}, length={length}, "
                         f"steps={steps}, restarts={restarts}, flips={flips}, temperature={temperature}")  # fmt: skip
    check_unit(runner, texts, site, unit)
    given, sign = check_texts(texts), 1.0 if direction == "up" else -1.0
    read = arrange(given)
    if read.mask is not None and not read.mask.any():
        raise InputError(f"The texts hold no token that the model sees, so there is nothing to mix. Received: {given[:3]}")
    corpus = measure(runner, read, site, pool, sign)[:, unit]
    made = mixture(runner, arrange, given, length, max_tokens)
    ascent = _Ascent(runner, made, site, unit, pool, sign)
    chosen, soft = ascent.climb(restarts, steps, temperature, learning_rate, seed)
    chosen = ascent.flip(chosen, flips)
    written = [made.write(row) for row in chosen]
    arranged = arrange(written)
    real, same = measure(runner, arranged, site, pool, sign)[:, unit], made.reads(arranged, chosen)
    rows = {written[k]: {"text": written[k], "activation": float(sign * real[k]) + 0.0, "mixture": float(sign * soft[k]) + 0.0,
                         "reencodes": bool(same[k])} for k in np.argsort(-real)[::-1]}  # fmt: skip
    notes = [*made.notes]
    if not same.all():
        notes.append(f"{(~same).sum()} of {len(same)} texts do not have the tokens that they were made of: the model's text "
                     "front reads them otherwise.")  # fmt: skip
    ordered = tuple(sorted(rows.values(), key=lambda row: -sign * row["activation"]))
    best = int(corpus.argmax())
    return Generated(ordered, str(site), unit, direction, pool, given[best], float(sign * corpus[best]) + 0.0, tuple(notes))


def check_unit(runner: Runner, texts: Any, site: Site, unit: int) -> None:
    """Whether there are texts, and such a unit.

    Raises:
        InputError: if not.
        InputTypeError: if the unit is no whole number.
    """
    check_whole(unit=unit)
    if not is_text(texts):
        raise InputError("What a unit makes of texts is asked of a model with a text front, by a list of str. Received: "
                         f"an object of type {type(texts).__name__}")  # fmt: skip
    spec = runner.scan().table.spec(site)
    shape = spec.shape or ()
    if len(shape) not in (2, 3) or shape[-1] is None or "float" not in spec.dtype:
        raise InputError(f"The site of a unit gives float vectors per text or per position. Received: '{site}' with {spec}")
    if not 0 <= unit < shape[-1]:
        raise InputError(f"'{site}' has units 0 to {shape[-1] - 1}. Received: unit={unit}")


def measure(runner: Runner, arranged: Arranged, site: Site, pool: str, sign: float = 1.0) -> Array:
    """(n, units) activations times the sign, over the positions that are no padding."""
    import tensorflow as tf

    if pool not in POOLS:
        raise InputError(f"pool is one of {', '.join(POOLS)}. Received: pool={pool!r}")

    def body(call: Any, leaves: Any, mask: Any, sign: Any) -> Any:
        _, taps = call(leaves, [site])
        return _pooled(taps, site, mask, pool, sign, arranged.width, mirrored)

    mirrored = runner.scan().mirrored(site)
    found = np.zeros((len(arranged), (runner.scan().table.spec(site).shape or (0,))[-1] or 0), np.float32)
    for rows, leaves, mask in runner.progress(runner.chunks(arranged), len(arranged)):
        args = [leaves, () if mask is None else mask, tf.constant(sign, tf.float32)]
        found[rows] = runner.tracer.ask(("measure", site, pool, arranged.width), body, arranged, args).numpy()
    return found


def _pooled(taps: Any, site: Site, mask: Any, pool: str, sign: Any, width: int | None, mirrored: bool) -> Any:
    import tensorflow as tf

    value = tf.cast(taps.values[site], tf.float32) * sign
    return pooled(value, taps.masks[site], mask, pool, width, mirrored)[0]


class _Ascent:
    """The activation of mixtures and its gradient, and what climbs by them."""

    def __init__(self, runner: Runner, made: Mixture, site: Site, unit: int, pool: str, sign: float) -> None:
        self.runner, self.made, self.site, self.pool = runner, made, site, pool
        self.unit, self.sign, self._fixed = unit, sign, dict[int, list[Any]]()

    def values(self, weights: Array) -> tuple[Array, Array]:
        """(rows,) activations times the sign of mixtures with (rows, positions, tokens) weights, and their gradients."""
        import tensorflow as tf

        site, pool, sites, width = self.site, self.pool, tuple(self.made.sites), self.made.arranged.width
        mirrored = self.runner.scan().mirrored(site)

        def body(call: Any, leaves: Any, mask: Any, weights: Any, tables: Any, places: Any, unit: Any, sign: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(weights)
                _, taps = call(leaves, [site], edits(sites, weights, tables, places))
                found = tf.gather(_pooled(taps, site, mask, pool, sign, width, mirrored), unit, axis=1)
                total = tf.reduce_sum(found)
            gradient = tape.gradient(total, weights)
            if gradient is None:
                raise UnsupportedError(f"'{site}' does not depend on {', '.join(map(str, sites))} by any gradient.")
            return found, gradient

        rows = len(weights)
        if rows not in self._fixed:
            self._fixed[rows] = self.made.fixed(rows)
        leaves, mask, tables, places = self._fixed[rows]
        args = [leaves, mask, tf.constant(weights, tf.float32), tables, places, tf.constant(self.unit), tf.constant(self.sign)]
        found, gradient = self.runner.tracer.ask(("generate", site, pool, sites, width), body, self.made.arranged, args)
        return found.numpy(), gradient.numpy()

    def climb(self, restarts: int, steps: int, temperature: tuple[float, float], rate: float, seed: int) -> tuple[Array, Array]:
        """(restarts, positions) tokens after the ascent, and the activations of the last mixtures."""
        draws, shape = np.random.default_rng(seed), (restarts, self.made.length, len(self.made.tokens))
        logits, first, second = (np.zeros(shape, np.float32) for _ in range(3))
        for step in range(1, steps + 1):
            heat = temperature[0] * (temperature[1] / temperature[0]) ** (step / steps)
            weights = _softmax((logits + draws.gumbel(size=shape).astype(np.float32)) / heat)
            slope = self.values(weights)[1]
            gradient = weights * (slope - (weights * slope).sum(-1, keepdims=True)) / heat
            first, second = 0.9 * first + 0.1 * gradient, 0.99 * second + 0.01 * gradient**2  # Adam
            logits += rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
        return logits.argmax(-1), self.values(_softmax(logits / temperature[1]))[0]

    def flip(self, chosen: Array, rounds: int) -> Array:
        """Replaces single tokens while that helps: those whose gradient promises most are tried (HotFlip)."""
        chosen, rows = chosen.copy(), np.arange(len(chosen))
        for _ in range(rounds):
            now, slope = self.values(self._hard(chosen))
            gain = slope - np.take_along_axis(slope, chosen[..., None], -1)
            tried = np.argsort(-gain.reshape(len(chosen), -1), axis=1, kind="stable")[:, :TRIED]
            others = np.repeat(chosen[:, None], tried.shape[1], 1)
            position, token = np.divmod(tried, gain.shape[-1])
            np.put_along_axis(others, position[..., None], token[..., None], -1)
            values = self.values(self._hard(others.reshape(-1, chosen.shape[1])))[0].reshape(tried.shape)
            best = values.argmax(1)
            better = values[rows, best] > now + 1e-6 * np.abs(now)
            chosen[better] = others[rows, best][better]
            if not better.any():
                break
        return chosen

    def _hard(self, chosen: Array) -> Array:
        weights = np.zeros((*chosen.shape, len(self.made.tokens)), np.float32)
        np.put_along_axis(weights, chosen[..., None], 1.0, -1)
        return weights


def _softmax(logits: Array) -> Array:
    found = np.exp(logits - logits.max(-1, keepdims=True))
    weights: Array = found / found.sum(-1, keepdims=True)
    return weights
