"""Three parts of the rows, and probes that are judged by those that they have not seen."""

import numpy as np
import pytest

import kerasintrospect as ki
from kerasintrospect.trials import bench_of


@pytest.fixture(scope="module")
def told():
    X = np.random.default_rng(0).normal(size=(500, 4))
    return X, X[:, 0] > 0.8


def test_every_row_is_in_one_part_and_classes_have_their_share(told):
    X, y = told
    _, bench = bench_of(X, y, None, None, 0)
    assert sorted(np.concatenate(list(bench.rows.values()))) == list(range(500))
    assert [len(bench.rows[part]) for part in ("train", "validation", "test")] == [300, 100, 100]
    assert all(abs(y[rows].mean() - y.mean()) < 0.01 for rows in bench.rows.values())
    assert np.array_equal(bench.learn, bench.rows["train"])


def test_documents_are_in_one_part_each(told):
    X, y = told
    documents = np.arange(500) // 10
    _, bench = bench_of(X, y, documents, None, 0)
    parts = [set(documents[rows]) for rows in bench.rows.values()]
    assert sum(map(len, parts)) == 50 == len(set.union(*parts))


def test_balanced_training_has_as_many_of_each_class(told):
    X, y = told
    _, bench = bench_of(X, y, None, None, 0, balance=True)
    assert y[bench.learn].mean() == 0.5 and set(bench.learn) < set(bench.rows["train"])
    true, said = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0])
    assert bench.score(true, said) == (3 / 4 + 1 / 2) / 2 and bench.metric == "balanced accuracy" and bench.simple() == 0.5
    assert bench.error(true, said) == pytest.approx(np.sqrt(3 / 4 / 4 / 4 + 1 / 2 / 2 / 2) / 2)


def test_what_is_always_said_is_of_the_training_rows(told):
    X, y = told
    _, bench = bench_of(X, y, None, None, 0)
    assert bench.simple() == (~y[bench.rows["test"]]).mean() and bench.metric == "accuracy"
    _, values = bench_of(X, X[:, 1], None, None, 0)
    assert -0.1 < values.simple() <= 0 and values.metric == "R^2"


@pytest.mark.parametrize("seed", ["a", -1, 1.5, None, True])
def test_a_seed_is_a_number(told, seed):
    with pytest.raises(ki.InputError, match="`seed` has to be an integer from 0 to"):
        bench_of(*told, None, None, seed)
    with pytest.raises(ki.InputError, match="`seed` has to be an integer from 0 to"):
        ki.rank_neurons(*told, seed=seed)


def test_scores_are_of_rows_that_the_probe_has_not_seen(told):
    X, y = told
    _, bench = bench_of(X, y, None, None, 0, l2=1e-6)
    found = bench.fit(X)
    assert found.test == (found.predicted == y[bench.rows["test"]]).mean() > 0.95
    wrong = X.copy()
    wrong[bench.rows["test"]] *= -1
    assert bench.fit(wrong).test < 0.7 and bench.fit(wrong).validation == found.validation


def test_values_are_scored_by_r_squared(told):
    X, _ = told
    _, bench = bench_of(X, X @ [1.0, 2, 3, 4], None, None, 0)
    assert bench.fit(X).test > 0.99 and not bench.classify
    true = np.array([1.0, 2, 6])
    assert bench.score(true, true) == 1 and bench.score(true, np.full(3, 3.0)) == 0


def test_labels_of_one_class_only_are_predicted_as_such(told):
    X, y = told
    _, bench = bench_of(X, y, None, None, 0)
    other = np.where(np.isin(np.arange(500), bench.learn), 1, 0)
    found = bench.fit(X, other)
    assert found.test == 0 and (found.predicted == 1).all() and found.fitted is None and found.notes == ()


def test_faults_of_the_labels_are_those_of_rankings():
    with pytest.raises(ki.InputError, match="two classes"):
        bench_of(np.eye(20), np.ones(20, bool), None, None, 0)
