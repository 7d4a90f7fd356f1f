"""A probe with its controls, on activations of which it is known what they know."""

import json

import numpy as np
import pytest

from kerasintrospect.errors import InputError, UnsupportedError
from kerasintrospect.fitting import fit
from kerasintrospect.holdout import held_out
from kerasintrospect.probes import rank_neurons
from kerasintrospect.probing import probe

N, UNITS, TYPES = 1500, 40, 150
TAGS = np.array(["ADJ", "NOUN", "VERB"])
KNOWING = {0, 5, 10}  # one neuron per tag


def language(seed=0, knows=2.5, memory=0.0):
    """Words in documents, whose tag hangs on the word in half of the cases, and a layer's vectors."""
    random = np.random.default_rng(seed)
    words = random.integers(0, TYPES, N)
    own = random.integers(0, 3, TYPES)
    tags = np.where(random.random(N) < 0.5, own[words], random.integers(0, 3, N))
    X = random.normal(size=(N, UNITS)) + memory * random.normal(size=(TYPES, UNITS))[words]
    for tag in range(3):
        X[tags == tag, 5 * tag] += knows
    return X.astype(np.float32), TAGS[tags], [f"w{word}" for word in words], np.arange(N) // 15


@pytest.fixture(scope="module")
def known():
    X, y, words, documents = language()
    untrained = language(1, knows=0.0)[0]
    copies = X.copy(), y.copy()
    found = probe(X, y, words, documents, untrained)
    assert (X == copies[0]).all() and (y == copies[1]).all()
    return found


def test_a_layer_that_knows_is_trusted(known):
    facts = known.facts
    assert known.trusted and known.warning == "" and known.notes == ()
    assert facts["control_majority"] < facts["control"] + 0.02 and 0 < facts["control_spread"] < 0.1
    assert facts["control_error"] == pytest.approx(np.sqrt(facts["control"] * (1 - facts["control"]) / facts["test"]), rel=0.05)
    assert 0.85 < known.score == facts["score"] < 1
    assert facts["majority"] < 0.45 and facts["untrained"] < 0.45 and facts["control"] < 0.45
    assert facts["selectivity"] == facts["score"] - facts["control"]
    assert 0.55 < facts["word_list"] < 0.75 and facts["seen"] > 0.95


def test_the_fewest_neurons_are_those_that_know(known):
    assert set(known.minimal.tolist()) == KNOWING and known.facts["minimal"] == 3
    assert known.facts["minimal_share"] == 3 / UNITS and known.facts["minimal_score"] > known.score - 0.03


def test_the_ranking_is_made_on_training_rows_and_the_fewest_are_chosen_on_validation_rows():
    random = np.random.default_rng(2)
    y = random.integers(0, 2, N)
    X = random.normal(size=(N, UNITS)) + 0.5 * y[:, None] * (np.arange(UNITS) < 25)  # many that know little
    found = probe(X, y)
    train, validation, test = found.rows.values()
    np.testing.assert_array_equal(found.ranking.order, rank_neurons(X[train], y[train], l2=1e-2).order)

    def right(k, rows):
        units = found.ranking.order[:k]
        return (fit(X[np.ix_(train, units)], y[train], True, l2=1e-2).predict(X[np.ix_(rows, units)]) == y[rows]).mean()

    sizes = [row["neurons"] for row in found.curve]
    k, floor = found.facts["minimal"], 0.99 * max(right(size, validation) for size in [*sizes, UNITS])
    assert 8 < k < UNITS and right(k, validation) >= floor and found.minimal.tolist() == found.ranking.order[:k].tolist()
    assert right(k, test) == pytest.approx(found.facts["minimal_score"])
    below = [row["neurons"] for row in found.curve if row["neurons"] < k]
    assert all(right(size, validation) < floor for size in below)


def test_the_curve_has_top_above_random_above_bottom(known):
    first = known.to_frame().set_index("neurons")
    assert first.index.tolist() == [1, 2, 4, 8, 16, 32]
    assert first.loc[4, "top"] > 0.85 > 0.6 > first.loc[4, "random"] and first.loc[4, "bottom"] < 0.45
    assert (first.loc[4, "top"] - first.loc[16, "top"]) < 0.03


def test_parts_share_no_document_and_the_score_is_of_rows_unseen(known):
    X, y, _, documents = language()
    parts = [set(documents[rows]) for rows in known.rows.values()]
    assert not parts[0] & parts[1] and not parts[1] & parts[2] and not parts[0] & parts[2]
    assert sorted(np.concatenate(list(known.rows.values())).tolist()) == list(range(N))
    ids = np.searchsorted(TAGS, y)
    train, test = known.rows["train"], known.rows["test"]
    said = fit(X[train], ids[train], True).predict(X[test])
    assert known.score == pytest.approx((said == ids[test]).mean())
    for at, row in enumerate(known.concepts):
        mine = ids[test] == at
        assert row["recall"] == pytest.approx((said[mine] == at).mean()) and row["support"] == mine.sum()
        assert row["precision"] == pytest.approx((ids[test][said == at] == at).mean())
        assert row["train"] == (ids[train] == at).sum() and row["concept"] == TAGS[at]


def test_a_layer_that_knows_nothing_is_not_trusted():
    X, y, words, documents = language(knows=0.0)
    found = probe(X, y, words, documents, X + 1)
    assert not found.trusted
    for part in ("no better than always saying", "random weights does as well", "A list of the training words",
                 "no more than random ones", "no more than bottom ones"):  # fmt: skip
        assert part in found.warning


def test_a_layer_that_knows_words_by_heart_is_found_out():
    """Each word has a vector of its own: a probe learns any labels of words."""
    random = np.random.default_rng(0)
    words, own = random.integers(0, 60, N), random.integers(0, 3, 60)
    X = random.normal(size=(60, 80))[words] + 0.1 * random.normal(size=(N, 80))
    found = probe(X, own[words], words.tolist(), np.arange(N) // 15)
    assert found.score > 0.99 and found.facts["control"] > 0.95 and found.facts["selectivity"] < 0.05
    assert "Labels drawn at random per word are learned almost as well" in found.warning


def test_values_have_their_own_scores():
    X, _, words, documents = language()
    y = 2 * X[:, 7] + 0.3 * np.random.default_rng(5).normal(size=N)
    found = probe(X, y, words, documents)
    assert found.facts["metric"] == "R^2" and found.score > 0.95 and found.facts["pearson"] > 0.97
    assert abs(found.facts["majority"]) < 0.05 and found.minimal.tolist() == [7] and found.concepts == []
    assert found.facts["control"] < 0.2 and "Not compared with the model with random weights" in found.notes[0]
    with pytest.raises(UnsupportedError, match="values have no classes"):
        probe(X, y, method="iou")


def test_what_was_not_asked_is_noted_and_not_guessed():
    X, y, _, _ = language()
    found = probe(X[:300], y[:300], sizes=[2])
    assert [found.facts[name] for name in ("untrained", "control", "selectivity", "word_list")] == [None] * 4
    assert [note.split(";")[0] for note in found.notes] == [
        "Rows of one document may be in training and test", "Not compared with the model with random weights",
        "No control task, so that nothing is known of the probe's own memory"]  # fmt: skip


def test_rare_concepts_are_named_and_balance_trains_on_as_many():
    X, y, _, documents = language()
    y[:12], y[12:] = "SYM", np.where(y[12:] == "ADJ", "NOUN", y[12:])
    rare = probe(X, y, sizes=[3])
    assert "'SYM' (" in rare.warning
    even = probe(X[12:], y[12:], sizes=[3], balance=True)
    assert even.concepts[0]["train"] == even.concepts[1]["train"] and even.rows["train"].size > 2 * even.concepts[0]["train"]


def test_balance_makes_every_score_one_in_which_classes_count_alike():
    """Nine in ten are of one class: a probe that cannot tell them has half of the recalls, and so have all the controls."""
    X, _, words, documents = language(knows=0.0)
    random = np.random.default_rng(3)
    y = random.random(N) < 0.1
    X[:, 7] += 2 * y
    found = probe(X, y, words, documents, random.normal(size=X.shape), balance=True, sizes=[1, 4], seed=2)
    facts = found.facts
    assert facts["metric"] == "balanced accuracy" and facts["majority"] == 0.5 and facts["balance"] is True
    assert found.score == pytest.approx(np.mean([row["recall"] for row in found.concepts])) and found.score > 0.7
    assert all(0.3 < facts[name] < 0.65 for name in ("untrained", "control", "word_list", "control_majority"))
    assert all(row["train"] == found.concepts[0]["train"] for row in found.concepts)
    assert probe(X, y, sizes=[1], seed=2).facts["majority"] > 0.85


def test_the_control_task_does_not_hang_on_one_draw_nor_on_the_order_of_rows():
    """Few words make up most of the text: a single draw scores the share of the labels that these happen to get."""
    random = np.random.default_rng(0)
    shares = 1 / np.arange(1, 201)
    words, y = random.choice(200, 2400, p=shares / shares.sum()), random.integers(0, 4, 2400)
    X, documents = random.normal(size=(2400, 8)), np.repeat(np.arange(300), 8)
    X[np.arange(2400), y] += 0.9
    tried = [probe(X, y, words, documents, seed=seed, sizes=[1]) for seed in range(8)]
    scores = np.array([found.facts["control"] for found in tried])
    assert scores.max() - scores.min() < 0.12 and not any("by heart" in found.warning for found in tried)
    assert all(abs(found.facts["control"] - found.facts["control_majority"]) < 0.03 for found in tried)
    order = random.permutation(2400)
    other = probe(X[order], y[order], words[order], documents[order], sizes=[1])
    assert other.facts["control"] == pytest.approx(scores[0], abs=5e-3)


def test_the_fewest_are_measured_by_the_best_probe_and_not_by_one_that_overfits():
    random = np.random.default_rng(0)
    y = random.integers(0, 9, 1500)
    X = random.normal(size=(1500, 400)).astype(np.float32)
    X[np.arange(1500), y] += 2.5
    found = probe(X, y)
    assert found.score < 0.65 < 0.7 < found.facts["minimal_score"] and 7 <= found.facts["minimal"] <= 20
    assert not found.trusted and "all 400 neurons overfits" in found.warning
    sparse = probe(X[:, :60], y, l1=0.01, sizes=[16]).facts["validation_score"]  # as it says
    assert sparse > probe(X[:, :60], y, sizes=[16]).facts["validation_score"]


def test_each_concept_has_a_curve(known):
    X, y, _, _ = language()
    frame = known.to_frame("concept_curve")
    assert len(frame) == 7 * 3 and frame["neurons"].unique().tolist() == [1, 2, 4, 8, 16, 32, 40]
    ids = np.searchsorted(TAGS, y)
    train, test, units = known.rows["train"], known.rows["test"], known.ranking.order[:4]
    said = fit(X[np.ix_(train, units)], ids[train], True).predict(X[np.ix_(test, units)])
    for _, row in frame[frame["neurons"] == 4].iterrows():
        of = TAGS.tolist().index(row["concept"])
        assert row["recall"] == pytest.approx((said[ids[test] == of] == of).mean())
        assert row["precision"] == pytest.approx((ids[test][said == of] == of).mean())
    last = frame[frame["neurons"] == 40]
    assert last["recall"].tolist() == [row["recall"] for row in known.concepts]


def test_options_of_the_ranking_are_facts():
    X, y, _, _ = language()
    facts = probe(X, y, method="iou", sizes=[1], quantile=[0.5, 0.9], signed=True).facts
    assert facts["options"] == {"quantile": "[0.5, 0.9]", "signed": True} and facts["balance"] is False


@pytest.mark.parametrize("method", ["probeless", "average_precision"])
def test_other_rankings_and_their_options(method):
    X, y, _, _ = language()
    options = {"standardize": True} if method == "probeless" else {"signed": True}
    found = probe(X, y, method=method, sizes=[3], **options)
    assert set(found.minimal[:3].tolist()) == KNOWING and found.ranking.method == method
    assert found.facts["method"] == method


def test_the_same_seed_gives_the_same():
    X, y, words, _ = language()
    one, two, other = (probe(X[:600], y[:600], words[:600], sizes=[2], seed=seed) for seed in (0, 0, 1))
    assert one.to_dict() == two.to_dict() != other.to_dict()


def test_the_record(known):
    shown = json.loads(json.dumps(known.to_dict()))
    assert shown["facts"]["minimal"] == 3 and shown["ranking"]["order"] == known.ranking.order.tolist()
    assert len(known.to_frame("concepts")) == 3 and len(known.to_frame("facts")) == 1
    assert "3 of 40 neurons (7.5%)" in str(known) and "majority" in str(known)
    with pytest.raises(InputError, match="Received: of='curves'"):
        known.to_frame("curves")
    left, right = known.plot().axes
    assert {line.get_label() for line in left.get_lines()} >= {"top neurons", "bottom neurons", "random weights", "word list"}
    shown = sorted(known.concepts, key=lambda row: -row["support"])
    assert [bar.get_width() for bar in right.patches] == [row["recall"] for row in shown]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"untrained": np.zeros((3, 2))}, "Received: 3 rows for 1500"),
        ({"untrained": np.full((N, 2), np.nan)}, "`untrained` holds finite numbers only"),
        ({"words": ["a"]}, "Received: 1 words for 1500 rows"),
        ({"documents": [1, 2]}, r"shape=\(2,\) for 1500 rows"),
        ({"documents": np.arange(N) % 3}, "takes at least 5 of them. Received: 3"),
        ({"sizes": [0]}, r"from 1 to the number of neurons, 40. Received: sizes=\[0\]"),
        ({"tolerance": 1.0}, "Received: tolerance=1.0"),
        ({"depth": 3}, "'linear' has other options: .*'depth'"),
        ({"tolerance": "a"}, "Received: tolerance='a'"),
        ({"sizes": 3}, "Received: sizes=3"),
        ({"sizes": [2.5]}, r"Received: sizes=\[2.5\]"),
        ({"l1": "x"}, "Received: l1='x'"),
        ({"method": "lineer"}, "no ranking method 'lineer'"),
        ({"words": [None] * N}, r"Received: words\[0\]=None"),
        ({"documents": [None, *range(N - 1)]}, r"Received: documents\[0\]=None"),
    ],
)
def test_what_cannot_be_done(options, message):
    X, y, _, _ = language()
    with pytest.raises(InputError, match=message):
        probe(X, y, **options)


def test_parts_are_those_of_the_shared_rule():
    X, y, _, _ = language()
    found = probe(X, y, sizes=[1], seed=3)
    assert found.rows["test"].tolist() == held_out(np.searchsorted(TAGS, y), 0.2, 3)[1].tolist()
    assert [round(len(rows) / N, 2) for rows in found.rows.values()] == [0.6, 0.2, 0.2]
