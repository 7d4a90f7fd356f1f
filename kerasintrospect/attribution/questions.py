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

    All methods are bodies for `Tracer.ask`; `points` are the (owner, alpha, weight) of `points.Points`.

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

    def ends(self, call: Any, leaves: Any, xs: Any, starts: Any, points: Any, target: Any, noise: Any) -> Any:
        """(rows,) F at the points."""
        return self._at(call, leaves, _between(xs, starts, points, noise), points, target)

    def products(self, call: Any, leaves: Any, xs: Any, starts: Any, points: Any, target: Any, noise: Any) -> Any:
        """(rows,) F at the points, and per site (rows, positions) or (rows, units): (x - b) dF/dx, summed over units."""
        import tensorflow as tf

        products = []
        values, found = self._gradients(call, leaves, xs, starts, points, target, noise)
        for gradient, x, start in zip(found, xs, starts, strict=True):
            product = gradient * tf.gather(x - start, points[0])
            products.append(tf.reduce_sum(product, list(range(2, product.shape.rank))))
        return values, products

    def sums(self, call: Any, leaves: Any, xs: Any, starts: Any, points: Any, target: Any, noise: Any) -> Any:
        """Per site (1, examples, ...): the weighted sum of gradients over the points of each example."""
        _, found = self._gradients(call, leaves, xs, starts, points, target, noise)
        return [_sum(points, g, x)[None] for g, x in zip(found, xs, strict=True)]

    def squares(self, call: Any, leaves: Any, xs: Any, starts: Any, points: Any, target: Any, noise: Any) -> Any:
        """Per site (2, examples, ...): the weighted sums of gradients and of their squares."""
        import tensorflow as tf

        _, found = self._gradients(call, leaves, xs, starts, points, target, noise)
        return [tf.stack([_sum(points, g, x), _sum(points, g * g, x)]) for g, x in zip(found, xs, strict=True)]

    def _gradients(self, call: Any, leaves: Any, xs: Any, starts: Any, points: Any, target: Any, noise: Any) -> Any:
        import tensorflow as tf

        inner = _between(xs, starts, points, noise)
        with tf.GradientTape() as tape:
            tape.watch(inner)
            values = self._at(call, leaves, inner, points, target)
            total = tf.reduce_sum(values)
        gradients = tape.gradient(total, inner)
        missing = [str(site) for site, gradient in zip(self.sites, gradients, strict=True) if gradient is None]
        if missing:
            raise UnsupportedError(f"The explained number does not depend on {', '.join(missing)} by any gradient.")
        return values, gradients

    def _at(self, call: Any, leaves: Any, inner: Sequence[Any], points: Any, target: Any) -> Any:
        import tensorflow as tf

        edits = {site: (lambda _, value=value: value) for site, value in zip(self.sites, inner, strict=True)}
        outputs = call([tf.gather(leaf, points[0]) for leaf in leaves], (), edits)[0]
        return self.output.score(outputs, self.function or tf.gather(target, points[0]), self.score)


def _between(xs: Any, starts: Any, points: Any, noise: Any) -> list[Any]:
    import tensorflow as tf

    found = []
    for k, (x, start) in enumerate(zip(xs, starts, strict=True)):
        near, far = tf.gather(start, points[0]), tf.gather(x, points[0])
        point = near + _spread(points[1], far) * (far - near)
        found.append(point + noise[k] if len(noise) else point)
    return found


def _spread(values: Any, like: Any) -> Any:
    """(rows,) values with as many axes as the other tensor."""
    import tensorflow as tf

    return tf.reshape(values, [-1, *[1] * (like.shape.rank - 1)])


def _sum(points: Any, gradient: Any, x: Any) -> Any:
    import tensorflow as tf

    return tf.math.unsorted_segment_sum(_spread(points[2], gradient) * gradient, points[0], tf.shape(x)[0])
