"""The folder around a Lance dataset: one step makes a version count, and damage is found."""

import json

import numpy as np
import pytest

from kerasintrospect import datasets
from kerasintrospect.errors import InputError, InputTypeError


def test_the_pointer_is_replaced_in_one_step(tmp_path):
    datasets.point(tmp_path, "a.json", {"x": "\ud800"})
    datasets.point(tmp_path, "a.json", {"x": 2})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 2} and len(list(tmp_path.iterdir())) == 1


def test_damage_of_files_is_found(tmp_path):
    (tmp_path / "small").write_bytes(b"abc")
    (tmp_path / "large").write_bytes(bytes(2**20 + 1))
    files = datasets.facts_of_files(tmp_path, {})
    datasets.check_files(tmp_path, files, every_byte=True)
    (tmp_path / "large").write_bytes(bytes(2**20) + b"x")
    datasets.check_files(tmp_path, files, every_byte=False)
    with pytest.raises(ValueError, match="other bytes in large"):
        datasets.check_files(tmp_path, files, every_byte=True)
    (tmp_path / "small").write_bytes(b"abd")
    with pytest.raises(ValueError, match="other bytes in small"):
        datasets.check_files(tmp_path, files, every_byte=False)


def test_another_byte_of_a_vector_is_another_check_and_of_a_column_another_crc():
    rng = np.random.default_rng(0)
    for units, dtype in ((3, "float16"), (4, "float16"), (5, "float32")):
        rows = rng.standard_normal((40, units)).astype(dtype)
        checks, raw = datasets.checks_of(rows), rows.view(np.uint8)
        for row, byte in np.ndindex(raw.shape):
            raw[row, byte] ^= 1 << row % 8
            assert np.flatnonzero(datasets.checks_of(rows) != checks).tolist() == [row]
            raw[row, byte] ^= 1 << row % 8
    values = [b"a\0", None, b"", b"b"]
    assert datasets.crc_of(values[2:], datasets.crc_of(values[:2])) == datasets.crc_of(values)
    assert datasets.crc_of(values) != datasets.crc_of([b"a", *values[1:]])
    assert datasets.crc_of(rows[20:], datasets.crc_of(rows[:20])) == datasets.crc_of(rows)


def test_one_process_writes_at_a_time(tmp_path):
    with datasets.locked(tmp_path, "store"), pytest.raises(InputError, match="Another process is writing this store"):
        with datasets.locked(tmp_path, "store"):
            pass
    with datasets.locked(tmp_path, "store"):
        pass


def test_texts_survive_as_bytes():
    given = ["a\x00", "é😂", "\ud83d", ""]
    assert datasets.decoded(datasets.encoded(given)) == given and datasets.decoded(datasets.encoded([None])) == [""]


def test_row_numbers_are_checked():
    assert datasets.row_numbers([2, 0, 2], 3).tolist() == [2, 0, 2] and datasets.row_numbers([], 3).tolist() == []
    assert datasets.row_numbers(np.array([True, False, True]), 3).tolist() == [0, 2]
    assert datasets.row_numbers(slice(-2, None), 3).tolist() == [1, 2]
    for rows in ([3], [-1], [0.5], [True], 1):
        with pytest.raises(InputError if rows in ([3], [-1]) else InputTypeError):
            datasets.row_numbers(rows, 3)
