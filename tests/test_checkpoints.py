"""Checkpoints that a training keeps, in both families."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from kerasintrospect.adapters.base import adapt
from kerasintrospect.checkpoints import CheckpointKeeper, learning_rate, read_checkpoints
from kerasintrospect.errors import InputError, InputTypeError
from kerasintrospect.weights import borrowed

X, Y = np.eye(8, dtype="float32"), np.arange(8) % 2


def model(keras, rate=0.5, inputs=8):
    made = keras.Sequential([keras.layers.Input((inputs,)), keras.layers.Dense(2, activation="softmax")])
    made.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
    return made


def fit(trained, keeper, epochs, *others):
    trained.fit(X, Y, epochs=epochs, batch_size=4, verbose=0, callbacks=[keeper, *others])


def test_a_training_leaves_its_weights_and_rates(keras, tmp_path):
    trained, seen = model(keras), []
    after = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(trained.get_weights()))
    slower = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1))
    keeper = CheckpointKeeper(tmp_path / "kept")
    fit(trained, keeper, 2, after, slower)
    fit(trained, keeper, 1, after)
    found = read_checkpoints(tmp_path / "kept")
    assert [one.learning_rate for one in found] == pytest.approx([0.5, 0.25, 0.25])
    for one, weights in zip(found, seen, strict=True):
        for mine, theirs in zip(one.read(), weights, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {
        "checkpoints.json", "checkpoint-0001.npz", "checkpoint-0002.npz", "checkpoint-0003.npz"}  # fmt: skip


def test_every_nth_epoch_and_a_schedule(keras, tmp_path):
    halving = keras.optimizers.schedules.ExponentialDecay(0.5, 2, 0.5, staircase=True)  # two steps in an epoch
    fit(model(keras, halving), CheckpointKeeper(tmp_path / "kept", every=2), 5)
    found = read_checkpoints(tmp_path / "kept")
    assert [one.name for one in found] == ["checkpoint-0002.npz", "checkpoint-0004.npz"]
    ratio = found[1].learning_rate / found[0].learning_rate
    assert ratio == pytest.approx(0.25) and 0.1 < found[0].learning_rate < 0.3


def test_the_older_optimizers_of_tf_keras_have_schedules_too():
    import tf_keras

    schedule = tf_keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)
    optimizer = tf_keras.optimizers.legacy.SGD(schedule)
    assert learning_rate(optimizer) == pytest.approx(0.5)
    optimizer.iterations.assign(1)
    assert learning_rate(optimizer) == pytest.approx(0.25)


@pytest.mark.parametrize("optimizer", [None, SimpleNamespace(learning_rate=None), SimpleNamespace(learning_rate=np.nan)])
def test_an_optimizer_without_a_rate_is_refused_before_the_training(optimizer, tmp_path):
    keeper = CheckpointKeeper(tmp_path / "kept")
    keeper.set_model(SimpleNamespace(optimizer=optimizer))
    with pytest.raises(InputError, match="compiled with an optimizer that has one. Received: optimizer="):
        keeper.on_train_begin()
    assert not (tmp_path / "kept").exists()


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="a new or an empty folder"):
        CheckpointKeeper(tmp_path)
    with pytest.raises(InputError, match="a new or an empty folder"):
        CheckpointKeeper(tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_file_that_came_meanwhile_is_not_overwritten(keras, tmp_path):
    keeper = CheckpointKeeper(tmp_path / "kept")
    fit(model(keras), keeper, 1)
    (tmp_path / "kept" / "checkpoint-0002.npz").write_text("mine")
    with pytest.raises(InputError, match="never overwrites a file"):
        fit(model(keras), keeper, 1)
    assert (tmp_path / "kept" / "checkpoint-0002.npz").read_text() == "mine"
    assert len(read_checkpoints(tmp_path / "kept")) == 1


def test_what_is_half_written_is_no_checkpoint(keras, tmp_path, monkeypatch):
    keeper = CheckpointKeeper(tmp_path / "kept")
    fit(model(keras), keeper, 1)

    def full(file, **arrays):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space left"):
        fit(model(keras), keeper, 1)
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"checkpoints.json", "checkpoint-0001.npz"}
    assert len(read_checkpoints(tmp_path / "kept")) == 1


def test_checkpoints_of_another_model_are_refused(keras, tmp_path):
    fit(model(keras), CheckpointKeeper(tmp_path / "kept"), 1)
    (found,) = read_checkpoints(tmp_path / "kept")
    other = model(keras, inputs=7)
    with pytest.raises(InputError, match="have to be those of this model"), borrowed(adapt(other), found.read()):
        pass


@pytest.mark.parametrize(
    "index",
    ["{", "[]", '{"format": "other", "checkpoints": []}', '{"format": "kerasintrospect.checkpoints/1", "checkpoints": []}',
     json.dumps({"format": "kerasintrospect.checkpoints/1",
                 "checkpoints": [{"file": "../x.npz", "learning_rate": 1, "names": []}]})],
)  # fmt: skip
def test_a_folder_without_checkpoints_is_refused(tmp_path, index):
    (tmp_path / "checkpoints.json").write_text(index)
    with pytest.raises(InputError, match="Received: checkpoints="):
        read_checkpoints(tmp_path)
    with pytest.raises(InputError, match="Received: checkpoints="):
        read_checkpoints(tmp_path / "nowhere")


def test_a_broken_or_pickled_file_is_refused(tmp_path):
    entry = {"file": "a.npz", "learning_rate": 1, "names": ["w"]}
    (tmp_path / "checkpoints.json").write_text(
        json.dumps({"format": "kerasintrospect.checkpoints/1", "checkpoints": [entry]}))  # fmt: skip
    np.savez(tmp_path / "a.npz", **{"0": np.array([object()])})
    for _ in range(2):
        with pytest.raises(InputError, match="cannot be read"):
            read_checkpoints(tmp_path)[0].read()
        (tmp_path / "a.npz").write_bytes(b"PK")


def test_weights_can_be_given_as_they_are():
    (one,) = read_checkpoints([(0.1, [np.ones(2)])])
    assert one.learning_rate == 0.1
    np.testing.assert_array_equal(one.read()[0], np.ones(2))
    with pytest.raises(InputTypeError, match=r"A checkpoint is \(learning rate, weights\)"):
        read_checkpoints([[np.ones(2)]])
    with pytest.raises(InputTypeError, match="the folder of a CheckpointKeeper"):
        read_checkpoints(3)
    with pytest.raises(InputError, match="A learning rate is finite"):
        read_checkpoints([(np.inf, [])])


@pytest.mark.parametrize("every", [0, True, 1.5])
def test_every_is_a_positive_integer(tmp_path, every):
    with pytest.raises(InputError, match="`every` has to be an integer of at least 1"):
        CheckpointKeeper(tmp_path / "kept", every)
