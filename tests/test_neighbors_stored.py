"""An index on disk answers as in memory, is the old one or the new one after any kill, and damage is one sentence."""

import json
import random
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from kerasintrospect.errors import InputError, KerasIntrospectWarning, StaleIndexError, UnsupportedError
from kerasintrospect.neighbors import NeighborIndex, Rows, Unit, lancing

N = 600
RNG = np.random.default_rng(0)
VECTORS = RNG.standard_normal((N, 8)).astype(np.float32)
VECTORS[7] = 0  # no direction
VECTORS[100:110] = VECTORS[5]  # copies
VECTORS[200] = VECTORS[5] * 3  # the same direction
VECTORS[201] = -VECTORS[5]  # as far as a row without direction
TEXTS = [f"text\x00 {i} 😂 \ud83d \n" for i in range(N)]
LABELS, SAID = RNG.integers(0, 3, N), RNG.integers(-1, 3, N)
COLUMNS = {"a.b": RNG.choice(["x", "é\ud800"], N).tolist(), "n": range(N), "w": np.arange(N) / 4,
           "ok": [i % 3 == 0 for i in range(N)]}  # fmt: skip
QUERIES = np.concatenate([VECTORS[:12], np.zeros((1, 8), np.float32), RNG.standard_normal((7, 8)).astype(np.float32)])


def in_memory(metric="cosine"):
    return NeighborIndex(VECTORS, TEXTS, LABELS, metric, "f", "s#1:in", None, ["a", "b", "é"], predicted=SAID, columns=COLUMNS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("index") / "cosine"
    in_memory().save(place)
    return place


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A vector of zeros", KerasIntrospectWarning)
        yield


FILTERS = [{}, {"label": "a"}, {"correct": False}, {"where": {"a.b": "x"}}, {"where": {"n": [1, 7, 300]}},
           {"where": {"ok": True}}, {"predicted": [0, "b"], "exclude": [1, 2, 3]}, {"exclude": TEXTS[:9]},
           {"exclude": "duplicates"}, {"exclude_self": True}]  # fmt: skip


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("rows", [None, 37])
def test_the_disk_answers_as_the_memory_does(metric, rows, tmp_path, monkeypatch):
    memory = in_memory(metric)
    memory.save(tmp_path / "index")
    if rows is not None:
        monkeypatch.setattr(lancing, "_BLOCK", 8 * rows)
    disk = NeighborIndex.load(tmp_path / "index", in_memory=False)
    for filters in FILTERS:
        a, b = memory.query(QUERIES, k=11, **filters), disk.query(QUERIES, k=11, **filters)
        np.testing.assert_array_equal(a.indices, b.indices, str(filters))
        np.testing.assert_array_equal(a.distances, b.distances, str(filters))
        assert a.texts == b.texts and (a.labels == b.labels).all()


@pytest.mark.parametrize("held", [True, False])
def test_a_saved_index_is_the_same(folder, held):
    index, loaded = in_memory(), NeighborIndex.load(str(folder), in_memory=held)
    assert (loaded.path is None) == held
    for name in ("metric", "fingerprint", "site", "pool", "unit", "class_names", "texts"):
        assert getattr(loaded, name) == getattr(index, name)
    for name in ("vectors", "labels", "predicted"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(index, name))
    assert {name: values.tolist() for name, values in loaded.columns.items()} == {k: list(v) for k, v in COLUMNS.items()}
    assert [values.dtype for values in loaded.columns.values()] == [object, np.int64, np.float64, bool]


def test_the_least_that_an_index_can_hold(tmp_path):
    index = NeighborIndex(VECTORS[:3])
    index.save(tmp_path / "index")
    loaded = NeighborIndex.load(tmp_path / "index", in_memory=False)
    assert (loaded.texts, loaded.labels, loaded.predicted, loaded.columns, loaded.places) == (None, None, None, {}, None)
    assert loaded.query_vectors(VECTORS[:3], 2).indices.tolist() == index.query_vectors(VECTORS[:3], 2).indices.tolist()


def test_places_of_words_are_kept(tmp_path):
    places = [Unit(0, 0, 2, "ab", "ab \ud800"), Unit(1, -1, -1, "[CLS]", "c")]
    index = NeighborIndex(VECTORS[:2], [place.word for place in places], unit="word", places=places)
    index.save(tmp_path / "index")
    for held in (True, False):
        loaded = NeighborIndex.load(tmp_path / "index", in_memory=held)
        assert loaded.places == places and loaded.unit == "word"
        assert loaded.query_vectors(VECTORS[:2], 1).units == [[places[0]], [places[1]]]


def batches(size=50, n=N):
    for start in range(0, n, size):
        part = slice(start, min(start + size, n))
        columns = {name: list(values)[part] for name, values in COLUMNS.items()}
        yield Rows.checked(VECTORS[part], TEXTS[part], LABELS[part], SAID[part], columns)


def test_batches_make_the_same_index_as_arrays(tmp_path):
    names = ["a", "b", "é"]
    index = NeighborIndex.build(tmp_path / "new" / "index", batches(), fingerprint="f", site="s", class_names=names)
    assert len(index) == N and index.path is not None and index.texts == TEXTS
    assert index.query(QUERIES, 9).indices.tolist() == in_memory().query(QUERIES, 9).indices.tolist()


def test_rows_are_added_on_disk_as_in_memory(tmp_path):
    index = NeighborIndex.build(tmp_path / "index", batches(n=300), fingerprint="f", class_names=["a", "b", "é"])
    other = NeighborIndex.load(tmp_path / "index", in_memory=False)
    index.add(list(batches())[6:], "f")
    assert len(index) == N and len(NeighborIndex.load(tmp_path / "index")) == N
    found, expected = index.query(QUERIES, 9, correct=True), in_memory().query(QUERIES, 9, correct=True)
    assert found.indices.tolist() == expected.indices.tolist()
    assert len(other) == 300 and other.query(QUERIES, 1).indices.max() < 300  # an open index stays what it was
    with pytest.raises(InputError, match="changed on disk since it was opened"):
        other.add(batches(n=50))
    with pytest.raises(StaleIndexError):
        index.add(batches(n=50), "g")
    with pytest.raises(InputError, match="have to hold the same"):
        index.add(Rows.checked(VECTORS))
    assert len(NeighborIndex.load(tmp_path / "index")) == N


def test_what_a_broken_iterator_began_is_gone(tmp_path):
    index = NeighborIndex.build(tmp_path / "index", batches(n=100), class_names=["a", "b", "é"])

    def breaks():
        yield from batches(n=200)
        raise OSError("the source went away")

    for change in (lambda: NeighborIndex.build(tmp_path / "index", breaks()), lambda: index.add(breaks())):
        with pytest.raises(OSError, match="the source went away"):
            change()
        assert len(NeighborIndex.load(tmp_path / "index")) == 100
    assert sorted(path.suffix for path in (tmp_path / "index").iterdir()) == ["", ".json", ".lance"]
    index.add(batches(n=50))
    assert len(index) == 150 and index.texts == TEXTS[:100] + TEXTS[:50]


# Approximate search


def clusters(n, units=16, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).standard_normal((40, units))
    return (centres[rng.integers(40, size=n)] + 0.4 * rng.standard_normal((n, units))).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_an_ivf_index_finds_what_it_says_with_the_work_it_says(metric, tmp_path):
    vectors, queries = clusters(6000), clusters(300, seed=1)
    index = NeighborIndex.build(tmp_path / "index", [Rows.checked(vectors)], metric)
    facts = index.build_ivf(cells=60)
    assert facts == index.ivf and facts["recall"] >= 0.95 and facts["work"] < 0.5 and facts["queries"] == 200
    exact, near = index.query(queries, 10, exact=True), index.query(queries, 10)
    recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(exact.indices, near.indices, strict=True)])
    assert recall > 0.9  # queries of the same distribution, which the sample did not hold
    same = exact.indices == near.indices
    np.testing.assert_array_equal(near.distances[same], exact.distances[same])
    assert (np.diff(near.distances) >= 0).all()
    whole = NeighborIndex(vectors, metric=metric)
    assert exact.indices.tolist() == whole.query(queries, 10).indices.tolist()
    loaded = NeighborIndex.load(tmp_path / "index")
    assert loaded.ivf == facts and f"recall at 10 {facts['recall']:.3f}" in repr(loaded)
    loaded.add(Rows.checked(queries))
    assert loaded.query(queries[:50], 1).indices.ravel().tolist() == list(range(6000, 6050))  # what came later is found
    assert "measured on the first 6000 rows" in repr(loaded)


def test_few_and_blind_answers_of_an_ivf_index_are_exact(tmp_path):
    vectors = clusters(500)
    vectors[3] = 0
    index = NeighborIndex.build(tmp_path / "index", [Rows.checked(vectors)])
    index.build_ivf(cells=100, recall=0.01)
    queries = np.concatenate([vectors[:20], np.zeros((1, 16), np.float32)])
    for k in (400, 500):
        assert index.query(queries, k).indices.tolist() == NeighborIndex(vectors).query(queries, k).indices.tolist()


def test_an_ivf_index_that_misses_much_warns(tmp_path):
    index = NeighborIndex.build(tmp_path / "index", [Rows.checked(RNG.standard_normal((300, 8)))])
    with pytest.warns(KerasIntrospectWarning, match="approximate search finds .* fewer than 1.1"):
        index.build_ivf(cells=5, recall=1.1)
    with pytest.raises(UnsupportedError, match="in memory is always exact"):
        NeighborIndex(VECTORS).build_ivf()


# Kills

WORKER = """
import os, signal, sys, time
import numpy as np
import lance, pyarrow
from kerasintrospect.neighbors import NeighborIndex, Rows
folder = sys.argv[1]
def batches(n, mark):
    for start in range(0, n, 100):
        yield Rows.checked(np.full((100, 64), mark) + np.arange(start, start + 100)[:, None], [f"{mark}"] * 100)
print("ready", flush=True)
for line in sys.stdin:  # a process of its own per build; this one never uses Lance's threads
    mark, what, wait = line.split()
    start = time.perf_counter()
    child = os.fork()
    if not child:
        if what == "build":
            NeighborIndex.build(folder, batches(4000, int(mark)), "euclidean")
        elif what == "add":
            NeighborIndex.load(folder, in_memory=False).add(batches(4000, int(mark)))
        else:
            NeighborIndex.load(folder, in_memory=False).build_ivf(cells=4, sample=20)
        os._exit(0)
    if float(wait) >= 0:
        time.sleep(float(wait))
        os.kill(child, signal.SIGKILL)  # its id is its own until it is waited for
    os.waitpid(child, 0)
    print(time.perf_counter() - start, flush=True)
"""


def answers(folder):
    """Count and marks of the index, having asked it in earnest."""
    index = NeighborIndex.load(folder, in_memory=False)
    whole = NeighborIndex.load(folder, in_memory=True)
    assert len(whole.texts) == len(index) and whole.vectors.shape == (len(index), 64)
    found = index.query_vectors(whole.vectors[::997], k=3)
    assert found.indices[:, 0].tolist() == whole.query_vectors(whole.vectors[::997], k=1).indices[:, 0].tolist()
    return len(index), tuple(dict.fromkeys(whole.texts)), index.ivf is not None


@pytest.mark.parametrize("kills", [20])
def test_after_a_kill_the_index_is_the_old_one_or_the_new_one(tmp_path, kills):
    folder, rng = tmp_path / "index", random.Random(0)
    worker = subprocess.Popen([sys.executable, "-c", WORKER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(mark, what, wait=-1.0):
        """Seconds that it took; kills it after `wait`."""
        worker.stdin.write(f"{mark} {what} {wait}\n")
        worker.stdin.flush()
        return float(worker.stdout.readline())

    with worker:
        assert worker.stdout.readline() == "ready\n"
        kinds = ("build", "add", "ivf")
        whole = {what: run(0, what) for what in kinds}
        before, outcomes = answers(folder), []
        for mark in range(1, kills + 1):
            what = kinds[mark % 3]
            run(mark, what, rng.uniform(0, 1.4) * whole[what])
            after = answers(folder)
            new = {"build": (4000, (str(mark),), False), "ivf": (*before[:2], True),
                   "add": (before[0] + 4000, (*before[1], str(mark)), before[2])}[what]  # fmt: skip
            assert after in (before, new), (what, before, after)
            outcomes.append(after == new and after != before)
            before = after
        run(99, "build")
        assert answers(folder) == (4000, ("99",), False)  # and what was left behind is gone
        assert len([path for path in folder.iterdir() if path.suffix == ".lance"]) == 1
        worker.stdin.close()
    assert sum(outcomes) < kills / 2 + 5  # most were killed before the end


# Damage


def broken(kind, path):
    """Makes a folder that is no index."""
    record = json.loads((path / "index.json").read_text())
    data = path / record["data"]

    def write(**changes):
        (path / "index.json").write_text(json.dumps({**record, **changes}))

    def cut(file):
        file.write_bytes(file.read_bytes()[:-100])

    match kind:
        case "missing":
            shutil.rmtree(path)
        case "empty":
            shutil.rmtree(path)
            path.mkdir()
        case "a file":
            shutil.rmtree(path)
            path.write_text("hello")
        case "no data":
            shutil.rmtree(data)
        case "cut rows":
            cut(next((data / "data").iterdir()))
        case "cut manifest":
            cut(next((data / "_versions").glob("*.manifest")))
        case "no manifest":
            shutil.rmtree(data / "_versions")
        case "flipped":
            file = next((data / "data").iterdir())
            whole = bytearray(file.read_bytes())
            whole[100] ^= 255
            file.write_bytes(whole)
        case "no json":
            (path / "index.json").write_text("{]")
        case "a list":
            (path / "index.json").write_text("[1]")
        case "another format":
            write(format="x")
        case "more fields":
            write(x=1)
        case "another count":
            write(count=5)
        case "another version":
            write(version=77)
        case "another metric":
            write(about={**record["about"], "metric": "dot"})
        case "no about":
            write(about={})
        case "a path outside":
            write(data="../" + record["data"])
        case "files outside":
            write(files={"../../etc": [1, 1]})
        case "other columns":
            write(columns={"n": "int"})


KINDS = ("missing", "empty", "a file", "no data", "cut rows", "cut manifest", "no manifest", "flipped", "no json", "a list",
         "another format", "more fields", "another count", "another version", "another metric", "no about", "a path outside",
         "files outside", "other columns")  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_is_no_index_is_named_in_one_sentence(kind, folder, tmp_path):
    path = tmp_path / "index"
    shutil.copytree(folder, path)
    broken(kind, path)
    with pytest.raises(InputError) as caught:
        NeighborIndex.load(path)
    start = f"`path` has to name a folder that NeighborIndex.save() wrote. Received: path={str(path)!r} ("
    assert str(caught.value).startswith(start) and "\n" not in str(caught.value) and len(str(caught.value)) < len(start) + 160


def test_any_damage_is_an_input_error_or_none(folder, tmp_path):
    rng = np.random.default_rng(0)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size]
    caught = 0
    for i in range(60):
        path = tmp_path / str(i)
        shutil.copytree(folder, path)
        file = path / files[i % len(files)].relative_to(folder)
        damaged = bytearray(file.read_bytes())
        for place in rng.integers(0, len(damaged), 3):
            damaged[place] = rng.integers(256)
        file.write_bytes(damaged)
        try:
            index = NeighborIndex.load(path, in_memory=bool(i % 2))
            index.query(QUERIES, 3)
        except InputError:
            caught += 1
    assert caught > 40


def test_an_index_that_is_rebuilt_while_open_says_so(tmp_path):
    NeighborIndex(VECTORS).save(tmp_path / "index")
    old = NeighborIndex.load(tmp_path / "index", in_memory=False)
    NeighborIndex(VECTORS[:9]).save(tmp_path / "index")
    with pytest.raises(InputError, match="has to name a folder"):
        for _ in range(2):
            old.query_vectors(VECTORS, 1)


def test_folders_of_others_are_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("dear diary")
    with pytest.raises(InputError, match="has to name an index, or a new or empty folder. Received: .*, which holds mine.txt"):
        NeighborIndex(VECTORS).save(tmp_path)
    with pytest.raises(InputError, match="has to name a folder. Received: .*mine.txt', a file"):
        NeighborIndex(VECTORS).save(tmp_path / "mine.txt")
    with pytest.raises(InputError, match="`batches` has to give rows"):
        NeighborIndex.build(tmp_path / "index", [])
    assert (tmp_path / "mine.txt").read_text() == "dear diary" and not list(Path(tmp_path).glob("**/*.lance"))
