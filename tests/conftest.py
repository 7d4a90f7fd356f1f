"""What the tests share: both families, and each kind of the zoo built and wrapped once."""

from __future__ import annotations

import gc
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

if "PYTEST_XDIST_WORKER" in os.environ:  # which keeps one core busy: threads of its own would only wait for the others'
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import pytest
from zoo import KINDS, Kind

import kerasintrospect as ki

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["TF_USE_LEGACY_KERAS"] = "1"  # ktrain asks for it before tf.keras is first looked at; we never look at it
gc.set_threshold(50_000, 20)  # the rounds of the collector through what TensorFlow holds took a twentieth of the time
FAMILIES = ("keras", "tf_keras")


class Case(NamedTuple):
    kind: Kind
    lens: Any


def wrap(kind: Kind) -> Any:
    """The lens of a kind; what a model takes that does not know it is shown once."""
    lens = ki.wrap(kind.model, **kind.options)
    lens.sites(kind.inputs)
    return lens


@pytest.fixture(params=FAMILIES)
def keras(request: pytest.FixtureRequest) -> ModuleType:
    """Keras 3 or tf_keras."""
    return importlib.import_module(request.param)


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Case]:
    """(kind, family) -> the model and its lens, made once."""
    made: dict[tuple[str, str], Case] = {}

    def get(name: str, family: str) -> Case:
        if (name, family) not in made:
            kind = KINDS[name](importlib.import_module(family), Path(tmp_path_factory.mktemp(name)))
            made[name, family] = Case(kind, wrap(kind))
        return made[name, family]

    return get


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """What is left of a file stays to the end: the collector need not go through it again and again."""
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()


_MATRICES: list[str] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker that ran the whole matrix hands it over."""
    import sys

    module = sys.modules.get("test_matrix")
    if module is not None and len(module.FOUND) == len(module.KINDS) * len(FAMILIES) * len(module.COLUMNS):
        getattr(session.config, "workeroutput", {})["matrix"] = module.render(module.FOUND)


def pytest_testnodedown(node: Any) -> None:
    """What a worker handed over."""
    _MATRICES.extend([text for text in [getattr(node, "workeroutput", {}).get("matrix")] if text])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Shows the matrix when all of it was run."""
    for text in _MATRICES:
        terminalreporter.section("matrix")
        terminalreporter.write_line(text)
