"""Sites x tokens: how strong each token is at each layer, and what a patch there does to the answer (Meng et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InputError, InputTypeError, UnsupportedError
from .inputs import Arranged
from .outputs import Output, Target
from .pairs import Pair, as_pair
from .runs import Runner
from .sites import Site
from .stations import of_tokens, stations
from .weights import check_finite

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

__all__ = ["HeatMap", "PatchGrid", "heat_map", "patch_grid"]


@dataclass(frozen=True, eq=False)
class PatchGrid:
    """The score of a target when one token at one site is that of another text.

    Attributes:
        sites: s addresses.
        tokens: t tokens of the text, each with that of the source: (own, source).
        scores: (s, t) float32, the score of the target in the text with this patch.
        text_score: The score without any patch.
        source_score: The score in the source.
        target_name: The class.
        text: The text.
        source: The source.
        score: `"logit"` or `"probability"`.
    """

    sites: list[str]
    tokens: list[tuple[str, str]]
    scores: np.ndarray
    text_score: float
    source_score: float
    target_name: str
    text: str
    source: str
    score: str = "logit"

    @property
    def recovered(self) -> np.ndarray:
        """(s, t): (score - text_score) / (source_score - text_score): 1 where one patch makes the whole difference."""
        gap = self.source_score - self.text_score
        return np.full(self.scores.shape, np.nan) if abs(gap) < 1e-6 else (self.scores - self.text_score) / gap

    def to_frame(self) -> pandas.DataFrame:
        """One row per site and token: site, position, token, source_token, score, recovered."""
        import pandas

        site, position = np.indices(self.scores.shape)
        own, other = zip(*self.tokens, strict=True)
        return pandas.DataFrame({
            "site": np.array(self.sites, object)[site.ravel()], "position": position.ravel(),
            "token": np.array(own, object)[position.ravel()], "source_token": np.array(other, object)[position.ravel()],
            "score": self.scores.ravel(), "recovered": self.recovered.ravel(),
        })  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """A heat map of sites and tokens."""
        from .report.effects import draw_grid

        return draw_grid(self, ax)


@dataclass(frozen=True, eq=False)
class HeatMap:
    """One number per site and token of a text.

    Attributes:
        sites: s addresses.
        tokens: t tokens.
        values: (s, t) float32: the norm of the token's vector over the mean norm at the site, or the activation of one unit.
        unit: The unit; None for norms.
        text: The text.
    """

    sites: list[str]
    tokens: list[str]
    values: np.ndarray
    unit: int | None
    text: str

    def to_frame(self) -> pandas.DataFrame:
        """One row per site and token: site, position, token, value."""
        import pandas

        site, position = (index.ravel() for index in np.indices(self.values.shape))
        return pandas.DataFrame({
            "site": np.array(self.sites, object)[site], "position": position,
            "token": np.array(self.tokens, object)[position], "value": self.values.ravel(),
        })  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """Colours by site and token."""
        from .report.effects import draw_map

        return draw_map(self, ax)


def heat_map(runner: Runner, text: Any, sites: Sequence[Site] | None = None, unit: int | None = None) -> HeatMap:
    """How strong each token of a text is at each site, from one forward pass.

    Args:
        runner: The model.
        text: The text.
        sites: Where; None takes the sites of a forward pass that have one vector per token.
        unit: Whose activation is shown; None shows the norm of the vector, over the mean norm of the text's tokens.

    Raises:
        InputError: If a site has no vector per token, or no such unit, or the model gives NaN.
        UnsupportedError: If positions of a site that was named are no tokens, or stand in reverse order.
    """
    arranged = runner.arrange([_one("text", text)])
    if arranged.mask is None or not arranged.mask.any():
        raise InputError(f"A heat map needs a text with tokens that the model sees. Received: text={text!r}")
    if unit is not None and (isinstance(unit, bool) or not isinstance(unit, (int, np.integer))):
        raise InputTypeError(f"`unit` is the number of one unit, or None for norms. Received: unit={unit!r}")
    places, sources, _, mask = _read(runner, arranged, sites, "A heat map")
    rows = []
    for site, source in zip(places, sources, strict=True):
        vectors = source.numpy()[0][mask[0]].astype(np.float32)
        if unit is not None and not 0 <= unit < vectors.shape[1]:
            raise InputError(f"'{site}' has the units 0 to {vectors.shape[1] - 1}. Received: unit={unit!r}")
        norms = np.linalg.norm(vectors, axis=1)
        rows.append(norms / (norms.mean() or 1) if unit is None else vectors[:, unit])
    values, tokens = np.stack(rows), _names(arranged.encoded.rows(), 1, int(arranged.mask.sum()))[0]
    _check_finite(runner, values)
    return HeatMap(list(map(str, places)), list(tokens), values, None if unit is None else int(unit), str(text))


def patch_grid(
    runner: Runner, output: Output, text: Any, source: Any, sites: Sequence[Site] | None = None, target: Target = None,
    score: str = "logit",
) -> PatchGrid:
    """Patches every token at every site, one at a time, all side by side in passes of `batch_size` rows.

    Args:
        runner: The model.
        output: Which of its outputs.
        text: The text whose answer should change.
        source: The text that the activations come from; it must have as many tokens.
        sites: Where; None takes the sites of a forward pass that have one vector per token.
        target: The class whose score counts; None takes the class that the model predicts for the source.
        score: `"logit"` or `"probability"`.

    Raises:
        InputError: If the texts have different numbers of tokens, a site has no vector per token, or the model gives NaN.
        UnsupportedError: If positions of a site that was named are no tokens, or stand in reverse order.
    """
    if score not in ("logit", "probability"):
        raise InputError(f'score is "logit" or "probability". Received: score={score!r}')
    arranged = runner.arrange([_one("text", text), _one("source", source)])
    mask = arranged.mask
    if mask is None:
        raise InputError("A patch grid needs inputs with tokens. Received: inputs without positions")
    if not mask[0].any() or not np.array_equal(mask[0], mask[1]):
        raise InputError(f"Text and source need as many tokens. Received: {mask[0].sum()} and {mask[1].sum()}. "
                         "Choose texts that differ in words of as many tokens.")  # fmt: skip
    places, sources, leaves, mask = _read(runner, arranged, sites, "A patch grid")
    chosen = output.targets(target, 1, lambda: runner.outputs(arranged, output.predict)[1:].argmax(-1))
    scores = _scores(runner, output, arranged, leaves, mask, places, sources, chosen, score)
    _check_finite(runner, scores)
    names = _names(arranged.encoded.rows(), 2, int(mask[0].sum()))
    cells, said = scores[2:].reshape(len(places), -1), output.class_names[int(chosen[0, -1])]
    return PatchGrid([str(site) for site in places], list(zip(*names, strict=True)), cells, float(scores[0]), float(scores[1]),
                     said, str(text), str(source), score)  # fmt: skip


def _one(name: str, text: Any) -> Any:
    """One text, or one row of what the model takes."""
    several = isinstance(text, (list, tuple, np.ndarray)) and any(isinstance(part, (str, bytes)) for part in text)
    if several and not isinstance(as_pair(text), Pair):
        raise InputTypeError(f"`{name}` is one text, a str, and no list of texts. Received: {name}={text!r}")
    return text


def _check_finite(runner: Runner, values: np.ndarray) -> None:
    """Raises InputError, if there is NaN or infinity; it names the weights that are the cause."""
    if np.isfinite(values).all():
        return
    check_finite(runner.adapter)
    raise InputError(f"The model gives NaN or infinity for {(~np.isfinite(values)).sum()} of {values.size} cells, though its "
                     "weights are finite. Name other sites=, or another text.")  # fmt: skip


def _read(
    runner: Runner, arranged: Arranged, sites: Sequence[Site] | None, what: str
) -> tuple[list[Site], list[Any], list[np.ndarray], np.ndarray]:
    """The sites with a vector per token and their tensors (examples, positions, units), with the inputs and their mask."""

    def body(call: Any, leaves: Any) -> Any:
        taps = call(leaves, places)[1]
        return [taps.values[site] for site in places]

    places = _places(runner, sites, arranged.width, what)
    leaves, mask = arranged.take(np.arange(len(arranged)), runner.trims(arranged))
    count = np.asarray(mask).shape[1]
    values = runner.tracer.ask(("grid", tuple(places)), body, arranged, [leaves])
    fits = [value.shape[1] == count for value in values]
    if sites is not None and not all(fits):
        wrong, found = next((site, value) for site, value, fit in zip(places, values, fits, strict=True) if not fit)
        raise UnsupportedError(f"The positions of '{wrong}' are no tokens: there are {found.shape[1]} for {count}. {what} "
                               "needs sites with one vector per token; sites=None takes them all.")  # fmt: skip
    if not any(fits):
        raise InputError("No layer of the model gives one vector per token.")
    return list(compress(places, fits)), list(compress(values, fits)), leaves, np.asarray(mask)


def _places(runner: Runner, sites: Sequence[Site] | None, width: int | None, what: str) -> list[Site]:
    table = runner.scan().table
    shapes = {site: table.spec(site).shape or () for site in (stations(runner, []) if sites is None else sites)}
    fits = [site for site, shape in shapes.items() if len(shape) == 3 and shape[1] in (None, width)]
    if sites is None:
        fits = of_tokens(runner, fits)
    for site in sites or ():
        if site not in fits:
            raise InputError(f"{what} needs one vector per token. Received: '{site}' of shape {shapes[site]}")
        runner.scan().check_order(site)
    if not fits:
        raise InputError(f"No layer of the model gives one vector per token. Received: sites={sites}")
    return fits


def _names(rows: Any, texts: int, tokens: int) -> list[Sequence[str]]:
    """The tokens of each text; their numbers where the inputs were arrays."""
    return [list(map(str, range(tokens)))] * texts if rows is None else [row.tokens for row in rows]


def _scores(
    runner: Runner, output: Output, arranged: Any, leaves: list[np.ndarray], mask: np.ndarray, sites: list[Site],
    sources: list[Any], target: np.ndarray, score: str,
) -> np.ndarray:
    """(2 + sites * tokens,): text, source, then every patch."""
    import tensorflow as tf

    def body(call: Any, leaves: Any, sources: Any, at: Any, columns: Any, target: Any) -> Any:
        def edit(number: int) -> Any:
            chosen = tf.one_hot(columns, tf.shape(sources[number])[1], True, False, dtype=tf.bool)
            here = tf.logical_and(tf.equal(at, number)[:, None], chosen)[..., None]
            return lambda value: tf.where(here, tf.cast(sources[number][1:], value.dtype), value)

        outputs, _ = call(leaves, (), {site: edit(i) for i, site in enumerate(sites)})
        return output.score(outputs, target, score)

    tokens = np.flatnonzero(mask[0])
    at = np.concatenate([[-1, -1], np.repeat(np.arange(len(sites)), len(tokens))])
    columns, owner = np.concatenate([[0, 0], np.tile(tokens, len(sites))]), np.zeros(len(at), int)
    owner[1] = 1
    parts = []
    for start in range(0, len(at), runner.batch_size):
        part = slice(start, start + runner.batch_size)
        asked = [[leaf[owner[part]] for leaf in leaves], sources, at[part], columns[part], np.repeat(target, len(at[part]), 0)]
        parts.append(runner.tracer.ask(("patches", tuple(sites), score, output.place), body, arranged, asked).numpy())
    return np.concatenate(parts)
