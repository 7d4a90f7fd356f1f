"""The search against loops that make every mask: the same best formulas by IoU, ties and all."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from kerasintrospect.beams import Search, iou
from kerasintrospect.concepts import find_concepts
from kerasintrospect.formulas import Concept


def planted(seed, rows=300, words=12, dense=False):
    draws = np.random.default_rng(seed)
    share = draws.uniform(0.2, 0.6, words) if dense else draws.uniform(0.005, 0.05, words)
    found = find_concepts(masks={f"c{i}": draws.random(rows) < one for i, one in enumerate(share)}, min_count=1)
    names = [Concept(name) for name in draws.choice(found.names, 3, replace=False)]
    units = [found.mask((names[0] | names[1]) & ~names[2]), found.mask(names[0]), draws.random(rows) < 0.3]
    noise = draws.random((rows, 3)) < 0.02
    return found, np.stack(units, 1) ^ noise


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_best_of_all_pairs(seed, dense):
    found, fires = planted(seed, dense=dense)
    leaves = [Concept(name) for name in found.names]
    pairs = [f for a, b in itertools.permutations(leaves, 2) for f in (a & b, a | b, a & ~b)]
    beams = Search(found, 1000, 2, 1.0).run(fires)
    for k, beam in enumerate(beams):
        best = max(iou(found.mask(formula), fires[:, k]) for formula in [*leaves, *pairs])
        assert beam.best[0].iou == pytest.approx(best)
        assert beam.single.iou == pytest.approx(max(iou(found.mask(leaf), fires[:, k]) for leaf in leaves))


def loop(found, fires, beam, length, penalty):
    """The same search with a mask for every candidate, formulas that hold in the same rows taken once."""
    leaves = [Concept(name) for name in found.names]
    scored = {}
    for leaf in leaves:
        scored.setdefault(found.mask(leaf).tobytes(), (iou(found.mask(leaf), fires), leaf))
    kept = sorted((one for one in scored.values() if one[0] > 0), key=lambda one: -one[0])[:beam]
    for _ in range(length - 1):
        held = {found.mask(formula).tobytes(): (score, formula) for score, formula in kept}
        candidates = []
        for (_, formula), leaf in itertools.product(kept, leaves):
            for new in (formula | leaf, formula & leaf, formula & ~leaf):
                mask = found.mask(new)
                if any(np.array_equal(mask, found.mask(one)) for one in (formula, leaf)) or not mask.any():
                    continue
                candidates.append((iou(mask, fires) * penalty ** len(formula), new))
        for score, new in sorted(candidates, key=lambda one: -one[0]):
            held.setdefault(found.mask(new).tobytes(), (score, new))
        kept = sorted(held.values(), key=lambda one: -one[0])[:beam]
    return kept


@pytest.mark.parametrize("penalty", [1.0, 0.97])
@pytest.mark.parametrize("seed", range(3))
def test_a_narrow_beam_keeps_what_the_loop_keeps(seed, penalty):
    found, fires = planted(seed, rows=200, words=8, dense=seed % 2 == 0)
    for k, beam in enumerate(Search(found, 4, 3, penalty).run(fires)):
        expected = loop(found, fires[:, k], 4, 3, penalty)
        assert [held.score for held in beam.best] == pytest.approx([score for score, _ in expected])
        for held in beam.best:
            np.testing.assert_array_equal(held.mask, found.mask(held.formula))
            assert held.iou == pytest.approx(iou(held.mask, fires[:, k]))
            assert held.score == pytest.approx(held.iou * penalty ** (len(held.formula) - 1))
        assert len({held.mask.tobytes() for held in beam.best}) == len(beam.best)


CASES = json.loads((Path(__file__).parent / "reference/neurox.json").read_text())["cases"]


def test_the_real_iou_of_the_tutorial():
    case = next(one for one in CASES if one["id"] == "real_iou_tutorial")
    for neuron, values in case["inputs"]["neurons"].items():
        for concept, mask in case["inputs"]["concepts"].items():
            assert iou(np.array(values) > 0, np.array(mask, bool)) == pytest.approx(case["expected"][neuron][concept])
    assert iou(np.zeros(3, bool), np.zeros(3, bool)) == 0


def test_a_unit_that_shares_no_row_with_any_concept_has_no_beam():
    found = find_concepts(masks={"a": np.arange(10) < 4}, min_count=1)
    (beam,) = Search(found, 3, 3, 1.0).run((np.arange(10) > 6)[:, None])
    assert beam.best == [] and beam.single is None
