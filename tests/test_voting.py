"""The vote of several rankings, and their agreement."""

import numpy as np
import pytest
from probes.planted import PLANTED, cases, planted

from kerasintrospect.errors import InputError, InputTypeError
from kerasintrospect.probes import NeuronRanking, rank_neurons
from kerasintrospect.voting import agreement, vote


def ranking(order, method="given"):
    order = np.array(order)
    return NeuronRanking(order, -np.argsort(order).astype(float), {}, method)


@pytest.mark.parametrize("case", cases("borda"), ids=lambda case: case["id"])
def test_borda_as_in_the_comparative_analysis(case):
    found = vote([ranking(order) for order in case["inputs"]["rankings"]])
    assert found.order.tolist() == case["expected"]["ranking"]
    assert {str(unit): points for unit, points in enumerate(found.scores)} == case["expected"]["points"]


def test_a_vote_outvotes_one_that_knows_nothing():
    X, y = planted("names")
    rankings = [rank_neurons(X, y, method) for method in ("random", "probeless", "iou", "selectivity")]
    found = vote(rankings)
    assert found.method == "vote of random, probeless, iou, selectivity" and set(vote(rankings[1:]).top(3)) == PLANTED["names"]
    assert len(PLANTED["names"] & set(found.top(3).tolist())) == 2 > len(PLANTED["names"] & set(rankings[0].top(3).tolist()))
    assert found.per_class == {}  # random has none
    assert {of: order[0] for of, (order, _) in vote(rankings[1:]).per_class.items()} == {"noun": 7, "other": 20, "verb": 11}
    assert found.scores.sum() == 4 * 30 * 31 / 2


def test_agreement_by_hand():
    some = [ranking([0, 1, 2, 3], "a"), ranking([1, 0, 3, 2], "b"), ranking([3, 2, 1, 0], "c")]
    frame = agreement(some, top=2).set_index("method")
    assert frame["average_overlap"].tolist() == [0.5, 0.5, 0.0]
    # points of the others: b and c 4, 6, 4, 6; a and c 5, 5, 5, 5, and ties go by index; a and b 7, 7, 3, 3
    assert frame["neuron_vote"].tolist() == [pytest.approx(1 / 3), 1, 0]
    assert frame["by_chance"].tolist() == [pytest.approx(1 / 3)] * 3


def test_agreement_tells_a_stranger():
    X, y = planted("names")
    methods = ["probeless", "iou", "selectivity", "linear", "random"]
    frame = agreement([rank_neurons(X, y, method) for method in methods], top=3).set_index("method")
    assert frame["average_overlap"].idxmin() == "random" and frame["neuron_vote"].idxmin() == "random"


def test_what_cannot_be_compared():
    with pytest.raises(InputError, match="two rankings or more. Received: 1"):
        vote([ranking([0, 1])])
    with pytest.raises(InputError, match=r"Received: rankings of \[2, 3\] neurons"):
        agreement([ranking([0, 1]), ranking([0, 1, 2])])
    with pytest.raises(InputError, match="Received: top=3"):
        agreement([ranking([0, 1]), ranking([1, 0])], top=3)
    with pytest.raises(InputError, match="Received: top=1.5"):
        agreement([ranking([0, 1]), ranking([1, 0])], top=1.5)
    for wrong in (ranking([0, 1]), None, ["effect", "probe"], {"effect": [0, 1]}):
        with pytest.raises(InputTypeError, match="Rankings"):
            agreement(wrong)


def test_rankings_by_name():
    some = {"effect": ranking([0, 1, 2, 3]), "probe": ranking([1, 0, 3, 2])}
    assert agreement(some, top=2)["method"].tolist() == ["effect", "probe"]
    assert vote(some).method == "vote of effect, probe"
    assert vote(some).order.tolist() == vote(list(some.values())).order.tolist()


def test_a_vote_is_of_rankings_that_were_asked_the_same():
    X, y = planted("names")
    some = rank_neurons(X, y, "probeless")
    with pytest.raises(InputError, match=r"the same classes. Received: rankings of \['noun', 'other', 'verb'\] and of \[False"):
        vote([some, rank_neurons(X, y == "noun", "probeless")])
    found = vote([some, rank_neurons(X, X[:, 7], "linear")])
    assert found.classes is None and found.notes == ("Some of the rankings are for classes, and some for none.",)
    assert vote([some, some]).notes == () and vote([some, some]).classes == some.classes


def test_by_default_half_of_few_neurons():
    for count, top in ((8, 4), (1, 1), (99, 49), (100, 50), (400, 50)):
        some = [ranking(list(range(count))), ranking(list(range(count))[::-1])]
        assert agreement(some).equals(agreement(some, top=top))
