"""Files are written whole, or they stay as they were."""

from pathlib import Path

import pytest

import kerasintrospect as ki
from kerasintrospect.files import write_whole


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    there = tmp_path / "page.html"
    there.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(there, "half \ud800")
    assert there.read_text() == "old"
    write_whole(there, "néw")
    assert there.read_text(encoding="utf-8") == "néw"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ki.InputError, match="cannot be written: No such file"):
        write_whole(tmp_path / "nowhere" / "page.html", "text")
