"""The TensorFlow side of attribution: what one traced function computes. It holds no data, so functions can be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UnsupportedError
from ..outputs import Output
from ..sites import Site

__all__ = ["Question"]


@dataclass(frozen=True)
class Question:
    """The explained number F, and its gradients at points b + alpha (x - b) + noise of the sites.

    All methods are bodies for `Runner.ask`. `owner` says for each row (a point of a path) to which example it belongs.

    Attributes:
        output: The output of the model.
        score: See `Output.score`.
        function: The target when it is a function; otherwise targets come as indices.
        sites: Where x is.
    """

    output: Output
    score: str
    function: Callable[[Any], Any] | None
    sites: tuple[Site, ...] = ()

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal keys ask the same."""
        return (self.output.place, self.output.kind, self.score, self.function, self.sites)

    def explain(self, call: Any, leaves: Any, target: Any) -> Any:
        """(examples,) F."""
        return self.output.score(call(leaves)[0], self.function or target, self.score)

    def read(self, call: Any, leaves: Any) -> Any:
        """x at each site."""
        taps = call(leaves, self.sites)[1]
        return [taps.values[site] for site in self.sites]

    def ends(self, call: Any, leaves: Any, xs: Any, starts: Any, owner: Any, alpha: Any, target: Any) -> Any:
        """(rows,) F at the points."""
        return self._at(call, leaves, _between(xs, starts, owner, alpha, ()), owner, target)

    def sums(
        self, call: Any, leaves: Any, xs: Any, starts: Any, owner: Any, alpha: Any, weight: Any, target: Any, noise: Any
    ) -> Any:
        """Per site the weighted sum of gradients over the points of each example."""
        return [_sum(weight, g, owner, x) for g, x in self._gradients(call, leaves, xs, starts, owner, alpha, target, noise)]

    def squares(
        self, call: Any, leaves: Any, xs: Any, starts: Any, owner: Any, alpha: Any, weight: Any, target: Any, noise: Any
    ) -> Any:
        """Per site the weighted sums of gradients and of their squares, stacked."""
        import tensorflow as tf

        found = self._gradients(call, leaves, xs, starts, owner, alpha, target, noise)
        return [tf.stack([_sum(weight, g, owner, x), _sum(weight, g * g, owner, x)]) for g, x in found]

    def _gradients(
        self, call: Any, leaves: Any, xs: Any, starts: Any, owner: Any, alpha: Any, target: Any, noise: Any
    ) -> list[Any]:
        import tensorflow as tf

        points = _between(xs, starts, owner, alpha, noise)
        with tf.GradientTape() as tape:
            tape.watch(points)
            total = tf.reduce_sum(self._at(call, leaves, points, owner, target))
        gradients = tape.gradient(total, points)
        missing = [str(site) for site, gradient in zip(self.sites, gradients, strict=True) if gradient is None]
        if missing:
            raise UnsupportedError(f"The explained number does not depend on {', '.join(missing)} by any gradient.")
        return list(zip(gradients, xs, strict=True))

    def _at(self, call: Any, leaves: Any, points: Sequence[Any], owner: Any, target: Any) -> Any:
        import tensorflow as tf

        edits = {site: (lambda _, point=point: point) for site, point in zip(self.sites, points, strict=True)}
        outputs = call([tf.gather(leaf, owner) for leaf in leaves], (), edits)[0]
        return self.output.score(outputs, self.function or tf.gather(target, owner), self.score)


def _between(xs: Any, starts: Any, owner: Any, alpha: Any, noise: Any) -> list[Any]:
    import tensorflow as tf

    points = []
    for k, (x, start) in enumerate(zip(xs, starts, strict=True)):
        near, far = tf.gather(start, owner), tf.gather(x, owner)
        point = near + _spread(alpha, far) * (far - near)
        points.append(point + noise[k] if len(noise) else point)
    return points


def _spread(values: Any, like: Any) -> Any:
    """(rows,) values with as many axes as the other tensor."""
    import tensorflow as tf

    return tf.reshape(values, [-1, *[1] * (like.shape.rank - 1)])


def _sum(weight: Any, gradient: Any, owner: Any, x: Any) -> Any:
    import tensorflow as tf

    return tf.math.unsorted_segment_sum(_spread(weight, gradient) * gradient, owner, tf.shape(x)[0])
