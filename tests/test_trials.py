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


def test_scores_are_of_rows_that_the_probe_has_not_seen(told):
    X, y = told
    _, bench = bench_of(X, y, None, None, 0, l2=1e-6)
    scores, said, _ = bench.fit(X)
    assert scores["test"] == (said == y[bench.rows["test"]]).mean() > 0.95
    wrong = X.copy()
    wrong[bench.rows["test"]] *= -1
    assert bench.fit(wrong)[0]["test"] < 0.7 and bench.fit(wrong)[0]["validation"] == scores["validation"]


def test_values_are_scored_by_r_squared(told):
    X, _ = told
    _, bench = bench_of(X, X @ [1.0, 2, 3, 4], None, None, 0)
    assert bench.fit(X)[0]["test"] > 0.99 and not bench.classify
    true = np.array([1.0, 2, 6])
    assert bench.score(true, true) == 1 and bench.score(true, np.full(3, 3.0)) == 0


def test_labels_of_one_class_only_are_predicted_as_such(told):
    X, y = told
    _, bench = bench_of(X, y, None, None, 0)
    other = np.where(np.isin(np.arange(500), bench.learn), 1, 0)
    scores, said, _ = bench.fit(X, other)
    assert scores["test"] == 0 and (said == 1).all()


def test_faults_of_the_labels_are_those_of_rankings():
    with pytest.raises(ki.InputError, match="two classes"):
        bench_of(np.eye(20), np.ones(20, bool), None, None, 0)
