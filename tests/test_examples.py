"""Every example runs, and so does every block of the docs: Python in one process per page, then commands."""

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import kerasintrospect

REPO = Path(__file__).resolve().parents[1]
PAGES = sorted([REPO / "README.md", *(REPO / "docs").glob("*.md"), *(REPO / "examples").glob("*.md")])
RUN_ELSEWHERE = {"demo_tweets.py", "tweets.py"}  # by test_examples_tweets.py, in both families
EXAMPLES = sorted(path for path in (REPO / "examples").glob("*.py") if path.name not in RUN_ELSEWHERE)
COMMAND = "kerasintrospect"


def blocks(page: Path, language: str) -> list[str]:
    """The lines of the page that are code in a language, all others empty: errors name the page's lines."""
    lines, fence = [], None
    for line in page.read_text().splitlines():
        is_fence = line.startswith("```")
        lines.append(line if fence == language and not is_fence else "")
        if is_fence:
            fence = None if fence is not None else line[3:].strip()
    return lines


def shell(page: Path) -> list[str]:
    """The commands of a page, continued lines joined."""
    return re.sub(r"\\\n\s*", "", "\n".join(blocks(page, "sh"))).split("\n")


def run(arguments: list[str], folder: Path) -> str:
    """The output of an interpreter that works in that folder and imports the package that is tested here."""
    source = str(Path(kerasintrospect.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": source, "MPLBACKEND": "Agg", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, f"{shlex.join(arguments)}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def run_here(monkeypatch, folder: Path, *arguments: str) -> None:
    """A script as a user would run it, in the process of the tests, which has imported TensorFlow already."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setattr(sys, "argv", list(arguments))
    monkeypatch.setattr(sys, "path", [str(Path(arguments[0]).parent), *sys.path])
    runpy.run_path(arguments[0], run_name="__main__")


def is_ours(line: str) -> bool:
    return line.startswith(f"{COMMAND} ")


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(blocks(page, "python")) or any(map(is_ours, shell(page)))],
    ids=lambda page: str(page.relative_to(REPO)),
)
def test_the_blocks_of_a_page_run(page, tmp_path):
    source = tmp_path / f"{page.stem}.py"
    source.write_text("\n".join(blocks(page, "python")))
    run([str(source)], tmp_path)  # a reader's first model: Keras numbers the names of layers by process
    for line in filter(is_ours, shell(page)):
        run(["-m", *shlex.split(line, comments=True)], tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_the_chores_of_a_page_are_targets_of_the_makefile(page):
    targets = re.findall(r"^([\w-]+):", (REPO / "Makefile").read_text(), re.M)
    named = [match[1] for line in shell(page) if (match := re.match(r"make ([\w-]+)", line))]
    assert set(named) <= set(targets)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_runs(example, tmp_path, monkeypatch):
    quick = ["--quick"] if "--quick" in example.read_text() else []
    run_here(monkeypatch, tmp_path, str(example), *quick)


def test_the_block_reader_finds_a_block_that_fails(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```python\nx = 1\n```\n\n```sh\nls\n```\n\n```python\nassert x == 2\n```\n")
    source = tmp_path / "page.py"
    source.write_text("\n".join(blocks(page, "python")))
    with pytest.raises(AssertionError, match="line 12"):
        run([str(source)], tmp_path)
