"""What an attribution method is given: the examples, the explained number, and gradients along a path at the sites."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InputError, UnsupportedError
from ..inputs import Arranged
from ..outputs import Output, Target
from ..runs import Runner
from ..sites import Site
from ..text import TokenRow
from .base import unnamed
from .blocks import Blocks, check_positions, is_other, mask_of, start_of
from .points import Points
from .questions import Question

__all__ = ["Job", "Path"]


@dataclass(frozen=True)
class Path:
    """What the path of one chunk gave at one site; all arrays are (examples, positions, units) or (examples, units).

    Attributes:
        x: The activation.
        baseline: Where the path starts.
        gradient: Weighted sum of the gradients at the points of the path.
        square: Weighted sum of their squares; None unless asked for.
        mask: (examples, positions) or (examples, units) bool, False at padding.
    """

    x: np.ndarray
    baseline: np.ndarray
    gradient: np.ndarray
    square: np.ndarray | None
    mask: np.ndarray


class Job:
    """One call of `attribute`."""

    def __init__(
        self, runner: Runner, output: Output, arranged: Arranged, target: Target, sites: Sequence[Site] | None, score: str,
        baseline: Any, seed: int,
    ) -> None:
        self.runner, self.output, self.arranged = runner, output, arranged
        self.score, self.seed, self._sites, self._baseline = score, seed, sites, baseline
        self._target: Any = target if callable(target) else output.targets(target, len(arranged), self.predicted)
        check_positions(self._target, arranged, output.shape)
        self._blocks = Blocks(len(arranged), arranged.width)
        self.by_text = False  # whether scores stand on what texts are described by: tokens, or words where nobody knows them
        self._trim = True

    # The explained number

    @cached_property
    def _probabilities(self) -> np.ndarray:
        return self.runner.outputs(self.arranged, self.output.predict)

    def predicted(self) -> np.ndarray:
        """(n,) the predicted class."""
        return np.asarray(self._probabilities.argmax(-1))

    def predicted_or_none(self) -> np.ndarray | None:
        """(n,) the predicted class; None where there is no such thing."""
        single = len(self.output.shape) == 2 and not (self.output.kind == "raw" and self.output.shape[-1] == 1)
        return self.predicted() if single else None

    def target_of(self, i: int) -> tuple[Any, str]:
        """The target of one example and its name."""
        if callable(self._target):
            return None, getattr(self._target, "__name__", "target function")
        *position, label = (int(k) for k in self._target[i])
        name = self.output.class_names[label]
        return ((*position, label), f"{name} at {position[0]}") if position else (label, name)

    def explain(self, inputs: Any, owners: Sequence[int]) -> np.ndarray:
        """(rows,) the explained number of other inputs, each with the target of the example that it was made from."""
        return self._explain(self.runner.arrange(inputs), np.asarray(owners))

    def explain_leaves(self, leaves: list[np.ndarray]) -> np.ndarray:
        """(n,) the explained number with other arrays in place of the examples' own."""
        changed = replace(self.arranged, leaves=leaves)
        return self._explain(changed, np.arange(len(changed)), trim=False)

    def _explain(self, arranged: Arranged, owners: np.ndarray, trim: bool = True) -> np.ndarray:
        found = np.zeros(len(arranged), np.float32)
        for rows, leaves, _ in self.runner.progress(self.runner.chunks(arranged, None, trim), len(arranged)):
            found[rows] = self._ask("explain", [leaves, self._targets(owners[rows])], sites=False)
        return found

    def _targets(self, rows: np.ndarray) -> np.ndarray:
        return np.zeros((len(rows), 1), np.int32) if callable(self._target) else self._target[rows]

    def replacement(self) -> str:
        """What takes the place of an occluded word."""
        if self._baseline is None or isinstance(self._baseline, str):
            return self._baseline or ""
        raise InputError(f"Words are taken out, or replaced by a baseline string. Received: baseline={self._baseline!r}")

    # The sites

    @cached_property
    def sites(self) -> list[Site]:
        """Where the scores are taken: as asked, or all embeddings of inputs, or the float inputs themselves."""
        scan = self.runner.scan()
        if self._sites is not None:
            return list(self._sites)
        found = scan.embeddings()
        if not found:
            found = [scan.table.resolve(Site("", None, "in", s.key if len(scan.table[""].inputs[0]) > 1 else None))
                     for s in scan.table[""].inputs[0] if s.dtype.startswith(("float", "bfloat"))]  # fmt: skip
        if not found:
            raise UnsupportedError(
                "The model has no Embedding layer that looks up its input, and no float input: gradients need a site. Name "
                "one with site= (lens.sites() lists them), or use method='occlusion', which needs none."
            )
        return found

    def site_names(self) -> list[str]:
        """The sites in words."""
        return [str(site) for site in self._blocks if isinstance(site, Site)] or ["inputs"]

    def baselines(self, values: Sequence[np.ndarray], rows: np.ndarray, mask: np.ndarray | None = None) -> list[np.ndarray]:
        """What the user gave as baseline for these rows, in the shape of the values; zeros for None."""
        several = isinstance(self._baseline, (list, tuple)) and len(values) > 1
        given = self._baseline if several else [self._baseline] * len(values)
        if len(given) != len(values):
            raise InputError(f"There are {len(values)} sites, so a list of baselines holds as many. Received: {len(given)}")
        columns = slice(None) if mask is None else self._columns(rows, mask)
        return [start_of(one, value, rows, columns, self.arranged) for value, one in zip(values, given, strict=True)]

    # Gradients

    def path(
        self,
        finish: Callable[[Path], np.ndarray],
        alphas: Sequence[float] = (1.0,),
        weights: Sequence[float] = (1.0,),
        noise: Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray] | None = None,
        square: bool = False,
    ) -> None:
        """Takes gradients at baseline + alpha (x - baseline) + noise and writes what `finish` makes of them.

        Args:
            finish: From a `Path` to scores of the shape of `x`, or (examples, positions).
            alphas: The points of the path.
            weights: The weight of each point in the sums.
            noise: (x, mask, generator) -> (points, positions, units) noise of one example.
            square: Whether the sum of squares is needed.
        """
        step = min(len(alphas), self.runner.batch_size)
        for rows, leaves, mask, values, starts in self._prepared(step, None, self._blocks):
            sums = [np.zeros((2, *value.shape), np.float32) for value in values]
            for k in range(0, len(alphas), step):
                points = Points.of(len(rows), alphas[k : k + step], weights[k : k + step])
                extra = self._noise(noise, values, mask, rows, slice(k, k + step))
                asked = self._at("squares" if square else "sums", points, leaves, values, starts, rows, extra)
                for total, part in zip(sums, asked, strict=True):
                    total += part[:, : len(rows)]
            for site, value, start, (gradient, squares) in zip(self.sites, values, starts, sums, strict=True):
                kept = mask_of(value, mask)
                found = finish(Path(value, start, gradient, squares if square else None, kept))
                self.write(site, rows, found, kept, None if kept is not mask else self._columns(rows, mask))

    def along(self, alphas: Sequence[float], only: np.ndarray) -> tuple[np.ndarray, Blocks]:
        """F at each point of the path of some examples, and (x - b) dF/dx there, summed over units.

        Args:
            alphas: The points.
            only: Row numbers.

        Returns:
            (rows, points), and site to ((rows, positions, points), mask).
        """
        step, values_at = min(len(alphas), self.runner.batch_size), np.zeros((len(only), len(alphas)), np.float32)
        found = Blocks(len(only), self.arranged.width)
        for rows, leaves, mask, values, starts in self._prepared(step, only, found):
            parts: list[list[np.ndarray]] = [[] for _ in values]
            for k in range(0, len(alphas), step):
                points = Points.of(len(rows), alphas[k : k + step])
                scores, asked = self._at("products", points, leaves, values, starts, only[rows])
                values_at[rows, k : k + step] = scores[: len(points)].reshape(len(rows), -1)
                for collected, products in zip(parts, asked, strict=True):
                    collected.append(products[: len(points)].reshape(len(rows), -1, products.shape[1]))
            for site, value, collected in zip(self.sites, values, parts, strict=True):
                kept = mask_of(value, mask)
                columns = None if kept is not mask else self._columns(only[rows], mask)
                found.put(site, rows, np.concatenate(collected, 1).swapaxes(1, 2), kept, columns)
        return values_at, found

    def _prepared(self, points: int, only: np.ndarray | None, blocks: Blocks) -> Iterator[Any]:
        """Chunks of (row numbers within `only`, leaves, mask, values, starts) that leave room for the points of each."""
        for rows, leaves, mask in self._chunks(max(1, self.runner.batch_size // points), only):
            values = self._read(leaves)
            if self._trim and any(is_other(value, mask) for value in values):
                self._trim = False  # the site has positions of its own, whose number hangs on the padding
                blocks.clear()
                yield from self._prepared(points, only, blocks)
                return
            yield rows, leaves, mask, values, self.baselines(values, rows if only is None else only[rows], mask)

    def ends(self) -> np.ndarray:
        """(n,) F(x) - F(baseline), without gradients."""
        found = np.zeros(len(self.arranged), np.float32)
        for rows, leaves, _, values, starts in self._prepared(2, None, self._blocks):
            points = Points.of(len(rows), (1.0, 0.0))
            scores = self._at("ends", points, leaves, values, starts, rows)[: len(points)]
            found[rows] = scores[0::2] - scores[1::2]
        return found

    def _chunks(self, rows: int, only: np.ndarray | None) -> Iterator[Any]:
        part = self.arranged if only is None else self.arranged.subset(only)
        yield from self.runner.progress(self.runner.chunks(part, rows, self._trim), len(part))

    def _read(self, leaves: Any) -> list[np.ndarray]:
        values = self._ask("read", [leaves])
        for site, value in zip(self.sites, values, strict=True):
            self.runner.scan().check_order(site)
            if value.dtype.kind != "f" and value.dtype.name != "bfloat16":
                raise InputError(f"Gradients need a float activation. Received: site='{site}' of dtype {value.dtype}")
        return [value.astype(np.float32) for value in values]

    def _noise(self, noise: Any, values: Any, mask: Any, rows: np.ndarray, part: slice) -> list[np.ndarray]:
        if noise is None:
            return []
        made = []
        for value in values:
            kept = mask_of(value, mask)
            drawn = [noise(v, m, self._generator(i))[part] for v, m, i in zip(value, kept, rows, strict=True)]
            made.append(np.concatenate(drawn).astype(np.float32))
        return made

    def _generator(self, row: int) -> np.random.Generator:
        """Noise hangs on the seed and on the example itself, never on its place in a batch."""
        texts = self.arranged.encoded.texts
        if texts is not None:
            data = texts[row].encode("utf-8", "replace")
        else:
            data = b"".join(leaf[row].tobytes() for leaf in self.arranged.leaves)
        return np.random.default_rng([self.seed, zlib.crc32(data)])

    def _at(self, what: str, points: Points, leaves: Any, values: Any, starts: Any, rows: np.ndarray, noise: Any = ()) -> Any:
        """One question at points; an answer may hold more rows or examples behind those that were asked for."""
        arrays: Any = [leaves, values, starts, self._targets(rows), list(noise)]
        if self.runner.fuses:
            points, arrays = points.level(arrays)
        return self._ask(what, [*arrays[:3], [points.owner, points.alpha, points.weight], *arrays[3:]])

    def _ask(self, what: str, args: list[Any], sites: bool = True) -> Any:
        import tensorflow as tf

        function = self._target if callable(self._target) else None
        question = Question(self.output, self.score, function, tuple(self.sites) if sites else ())
        result = self.runner.tracer.ask((what, *question.key), getattr(question, what), self.arranged, args)
        return tf.nest.map_structure(lambda tensor: tensor.numpy(), result)

    # The scores

    def _columns(self, rows: np.ndarray, mask: np.ndarray) -> slice:
        return slice(None) if mask.shape[1] == self.arranged.width else self.arranged.columns(rows)

    def write(self, key: Site | int, rows: np.ndarray, scores: np.ndarray, mask: np.ndarray, columns: Any = None) -> None:
        """Writes scores, (rows, positions, ...), of some examples: summed over units, 0 at padding; see `Blocks.put`."""
        tokens = np.where(mask, scores.reshape(*scores.shape[:2], -1).sum(-1), 0.0)
        broken = rows[~np.isfinite(tokens).all(1)]
        if len(broken):
            raise InputError(f"The scores of examples {broken[:3].tolist()} are not finite: do the weights hold NaN?")
        self._blocks.put(key, rows, tokens, mask, columns)

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """(scores, mask), the blocks side by side; of a text whose tokens are looked up in several tables, their sum."""
        blocks = list(self._blocks.values())
        described = self.arranged.encoded.describe is not None and (self.runner.knows_tokens or self.by_text)
        if described and all(np.array_equal(mask, blocks[0][1]) for _, mask in blocks):
            return np.sum([scores for scores, _ in blocks], 0), blocks[0][1]
        return np.concatenate([b[0] for b in blocks], 1), np.concatenate([b[1] for b in blocks], 1)

    def rows(self, mask: np.ndarray) -> list[TokenRow]:
        """The tokens of every example, one per kept column."""
        described = self.arranged.encoded.rows() if self.runner.knows_tokens or self.by_text else None
        if described is not None and all(len(r.tokens) == m.sum() for r, m in zip(described, mask, strict=True)):
            return described
        return unnamed(mask, [f"{i}" for i in range(mask.shape[1])])
