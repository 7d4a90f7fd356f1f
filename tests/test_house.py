"""The rules of the house: who imports whom, what the door shows, how large files are, what the docs say."""

import ast
import configparser
import importlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import kerasintrospect

REPO = Path(__file__).resolve().parents[1]
PACKAGE = Path(kerasintrospect.__file__).parent  # the wheel's, when the wheel is what is tested
# A folder of interchangeable siblings -> the files that are its contract; all others are members.
FAMILIES = {
    "adapters": {"base", "boxes", "loading", "walking"},
    "fronts": {"base", "positions"},
    "attribution": {"base", "blocks", "job", "points", "questions"},
    "contrast": {"base", "examples", "kernel"},
    "probes": {"base", "data", "densities", "estimators", "mass"},
    "interventions": {"base", "place"},
}

# Imports run from a later line to an earlier one.
ORDER = [
    {"errors"},
    {"files"},
    {"registry"},
    {"text", "formulas", "pairs", "sites", "vectors", "jit", "factors", "rankings", "representer", "duplicates", "matrices",
     "holdout"},
    {"search", "concepts", "datasets", "pieces", "readings", "statistics", "tagging"},
    {"activations", "annotations", "beams", "closeness", "correlations", "fitting", "projector", "storing"},
    {"taps", "adapters"},
    {"scan", "fronts"},
    {"inputs", "outputs"},
    {"tracing", "pooling", "weights"},
    {"runs"},
    {"submodels", "stations", "store", "neighbors", "weighted", "checkpoints", "neurons", "probes", "attribution",
     "contexts", "compositional", "mixtures", "interventions"},
    {"contrast", "gradients", "neurox", "voting", "controls", "trials", "redundancy", "similarity", "health", "factorizing",
     "generating"},
    {"metrics", "synthetic", "labelled", "verdicts", "suspicion", "mapping", "probing"},
    {"findings", "layered"},
    {"variants", "selecting"},
    {"indexing", "influence", "comparison", "effects", "grids", "wrapped"},
    {"exporting"},
    {"examining", "highlights"},
    {"introspector"},
    {"wrapping", "teachers", "sampling"},
    {"mistakes", "audit", "portraits"},
    {"performance"},
    {"debug"},
    {"report"},
    {"cli"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}

# The only imports that run upwards, each inside the function that needs it.
UPWARDS = {
    ("introspector", "debug"): "the lens is a facade, and lens.debug() is one call of a function over lenses",
    ("introspector", "portraits"): "lens.neuron_report() is one call of a function over lenses",
    ("introspector", "audit"): "lens.audit() is one call of a function over lenses",
    ("debug", "report"): "DebugReport.save writes the page, and the report without a page needs no page",
    ("neighbors", "contrast"): "index.contrast() and index.prototypes() are calls of a family that stands on the index",
    ("portraits", "report"): "NeuronReport.save writes the page, and the report without a page needs no page",
    ("highlights", "report"): "NeuronTexts show as coloured text, and only the report writes HTML",
    ("comparison", "report"): "SiteComparison.plot() draws by the report's plots",
    ("effects", "report"): "AblationCurve.plot() draws by the report's plots",
    ("grids", "report"): "PatchGrid.plot() draws by the report's plots",
    ("factorizing", "report"): "NeuronFactors.plot() draws by the report's plots",
    ("probing", "report"): "Probe.plot() draws by the report's plots",
    ("layered", "report"): "SiteProbes.plot() draws by the report's plots",
    ("mapping", "report"): "NeuronMap.plot() draws by the report's plots",
    ("selecting", "report"): "NeuronSelection.plot() draws by the report's plots",
    ("redundancy", "report"): "NeuronClusters.plot() draws by the report's plots",
    ("attribution", "report"): "Attributions show as coloured text, and only the report writes HTML",
}
FRONT_OF_HOUSE = {"report", "cli", "__main__"}  # they use the door, as any user could


def modules() -> dict[str, Path]:
    """Every module by its name inside the package; the door is the empty name, a family its folder's name."""
    paths = {path.relative_to(PACKAGE).with_suffix(""): path for path in sorted(PACKAGE.rglob("*.py"))}
    return {".".join(p.parts[:-1] if p.name == "__init__" else p.parts): path for p, path in paths.items()}


MODULES = modules()


def room(module: str) -> str:
    return module.split(".")[0]


class Import(NamedTuple):
    importer: str
    target: str
    line: int
    is_deferred: bool  # inside a function, or for type checkers only


def read_imports(module: str, source: str, is_package: bool = False) -> Iterator[Import]:
    """The imports of our own modules, wherever in the file they stand."""
    tree = ast.parse(source)
    deferred = {id(node) for part in ast.walk(tree) if defers(part) for node in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            targets = from_targets(module, node, is_package)
        else:
            continue
        for target in targets:
            if target == "kerasintrospect" or target.startswith("kerasintrospect."):
                yield Import(module, target.partition(".")[2], node.lineno, id(node) in deferred)


def defers(node: ast.AST) -> bool:
    is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    return is_for_types or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def from_targets(module: str, node: ast.ImportFrom, is_package: bool) -> list[str]:
    base = node.module or ""
    if node.level:
        here = f"kerasintrospect.{module}".rstrip(".").split(".")
        up = node.level - is_package
        base = ".".join([*(here[:-up] if up else here), *filter(None, [node.module])])
    names = [alias.name for alias in node.names if alias.name != "__version__"]  # a constant, not a room
    return [f"{base}.{n}" if f"{base}.{n}".partition(".")[2] in MODULES else base for n in names]


def is_member(module: str) -> bool:
    family, _, file = module.partition(".")
    return family in FAMILIES and file not in FAMILIES[family] | {""}


def fault(imported: Import) -> str | None:
    """What is wrong with an import, in words; None when it is allowed."""
    importer, target = imported.importer, imported.target
    mine, other = room(importer), room(target)
    if importer == "" or (mine == other and mine in ("report", "cli")):
        return None
    if mine in FRONT_OF_HOUSE:
        allowed = target == "" or (mine, other) == ("__main__", "cli")
        return None if allowed else "uses what is behind the door"
    if target == "":
        return "uses the door from inside"
    if mine == other:
        return "imports a sibling" if is_member(target) else None
    if (mine, other) in UPWARDS:
        return None if imported.is_deferred else "imports upwards outside a function"
    if LEVEL[other] >= LEVEL[mine]:
        return "imports upwards"
    if is_member(target):
        return "imports a member; ask its family for it by name"
    return None


def faults(module: str, source: str, is_package: bool = False) -> list[str]:
    found = [(imported, fault(imported)) for imported in read_imports(module, source, is_package)]
    return [f"{module}:{i.line} {why} ({i.target or 'the door'})" for i, why in found if why]


def test_every_room_has_its_place_in_the_order():
    assert {room(module) for module in MODULES} - {""} <= set(LEVEL)


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_downwards(module):
    path = MODULES[module]
    assert faults(module, path.read_text(), path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "source", "why"),
    [
        ("taps", "from .runs import Runner", "imports upwards"),
        ("text", "def f():\n    from kerasintrospect import runs", "imports upwards"),
        ("text", "from .sites import Site", "imports upwards"),
        ("sites", "if TYPE_CHECKING:\n    import kerasintrospect.taps", "imports upwards"),
        ("adapters.ktrain", "from .keras_model import KerasModel", "imports a sibling"),
        ("adapters.base", "from . import keras_model", "imports a sibling"),
        ("runs", "from .adapters.keras_model import KerasModel", "imports a member"),
        ("introspector", "from .debug import debug", "outside a function"),
        ("debug", "import kerasintrospect as ki", "uses the door from inside"),
        ("cli", "from .introspector import wrap", "behind the door"),
        ("report.html", "from ..debug import DebugReport", "behind the door"),
    ],
)
def test_the_import_check_can_fail(module, source, why, monkeypatch):
    planted = dict.fromkeys(["runs", "taps", "sites", "debug", "introspector", "adapters.keras_model"])
    monkeypatch.setitem(globals(), "MODULES", MODULES | planted)
    assert [why in line for line in faults(module, source)] == [True]


def test_the_import_check_can_pass():
    assert faults("adapters.ktrain", "from ..errors import InputError\nfrom .base import Adapter") == []
    assert faults("introspector", "def debug():\n    from .debug import debug") == []
    assert faults("attribution", "from .base import methods", is_package=True) == []


def limit(module: str) -> int:
    return 100 if is_member(module) else 300


@pytest.mark.parametrize("module", MODULES)
def test_files_stay_small(module):
    assert len(MODULES[module].read_text().splitlines()) < limit(module)


def function_lengths() -> dict[str, int]:
    """Lines of every function and method, docstring not counted."""
    lengths = {}
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                has_docstring = ast.get_docstring(node) is not None
                docstring = node.body[0].end_lineno - node.body[0].lineno + 1 if has_docstring else 0
                lengths[f"{module}:{node.lineno} {node.name}"] = node.end_lineno - node.lineno + 1 - docstring
    return lengths


def test_functions_stay_small():
    lengths = function_lengths()
    assert {name: length for name, length in lengths.items() if length > 50} == {}
    assert sum(lengths.values()) / len(lengths) <= 12


def test_tests_mirror_the_sources():
    rooms = {room(module) for module in MODULES} - {"", "__main__", "errors"}  # these are tested in this file
    expected = {f"tests/{r}/test_contract.py" if r in FAMILIES else f"tests/test_{r}.py" for r in rooms}
    assert sorted(path for path in expected if not (REPO / path).exists()) == []


# The door


def test_the_door_is_sorted_and_exact():
    assert kerasintrospect.__all__ == sorted(kerasintrospect.__all__)
    assert set(kerasintrospect.__all__) == {*kerasintrospect._HOMES, "__version__"}


def test_type_checkers_see_the_same_door():
    tree = ast.parse(Path(kerasintrospect.__file__).read_text())
    seen = {
        alias.name: node.module.removeprefix("kerasintrospect.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("kerasintrospect.")
        for alias in node.names
    }
    assert seen == kerasintrospect._HOMES


@pytest.mark.parametrize("name", kerasintrospect.__all__)
def test_every_name_of_the_door_opens(name):
    assert getattr(kerasintrospect, name) is not None
    assert name in dir(kerasintrospect)


def test_no_name_of_the_door_is_that_of_a_room():
    """Python puts an imported module in the package by its name, and it would stand in place of the function."""
    assert set(kerasintrospect.__all__) & {room(module) for module in MODULES} == set()


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'warp'"):
        kerasintrospect.warp  # noqa: B018


def test_the_tree_of_errors_is_drawn_as_it_is():
    errors = importlib.import_module("kerasintrospect.errors")
    drawn, above = {}, {}
    for line in errors.__doc__.splitlines():
        if match := re.match(r"    ([│├└─ ]*)(\w+(?:Error|Warning))(?:\((\w+)\))?( |$)", line):
            depth = len(match[1]) // 4
            above[depth] = match[2]
            drawn[match[2]] = {*filter(None, [above[depth - 1] if depth else None, match[3]])}
    real = {name: {base.__name__ for base in getattr(errors, name).__bases__} for name in errors.__all__}
    assert drawn == real | {"KerasIntrospectError": set()}


# Nothing heavy is imported before it is needed

HEAVY = "autokeras keras keras_hub ktrain lance matplotlib pandas scipy sklearn tensorflow tf_keras torch transformers".split()


def heavy_after(code: str, path: Path | None = None, legacy: bool = False) -> list[str]:
    """The heavy modules that a fresh interpreter has loaded once it has run the code."""
    ask = f"import sys\nprint('LOADED', *[name for name in {HEAVY} if name in sys.modules])"
    start = f"import sys; sys.path.insert(0, {str(path)!r})\n" if path else ""
    run = [sys.executable, "-c", f"{start}try:\n    {code}\nfinally:\n    {ask.replace(chr(10), '; ')}"]
    done = subprocess.run(run, capture_output=True, text=True, env={**os.environ, "TF_USE_LEGACY_KERAS": str(int(legacy))})
    assert "LOADED" in done.stdout and "Traceback" not in done.stderr, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


HELP = "import runpy, sys; sys.argv[1:] = ['--help']; runpy.run_module('kerasintrospect', None, '__main__')"


@pytest.mark.parametrize("code", ["import kerasintrospect", HELP], ids=["import", "help"])
def test_nothing_heavy_is_imported(code):
    assert heavy_after(code) == []


def test_the_check_for_heavy_imports_can_fail(tmp_path):
    for name in HEAVY:
        (tmp_path / f"{name}.py").touch()
    assert heavy_after(f"import {', '.join(HEAVY)}", tmp_path) == HEAVY


USE = """import {family} as keras
    model = keras.Sequential([keras.layers.Embedding(9, 4), keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(2)])
    import kerasintrospect as ki, numpy as np
    lens, ids = ki.wrap(model, class_names=['no', 'yes']), np.ones((2, 3), 'int32')
    lens.predict(ids), lens.attribute(ids), lens.neighbors(ids).query(ids, k=1), lens.truncate('embedding')"""


@pytest.mark.parametrize("family", ["keras", "tf_keras"])
def test_using_a_model_imports_its_own_framework_only(family):
    others = {"keras", "tf_keras", "keras_hub", "ktrain", "transformers", "torch", "autokeras"}
    legacy = family == "tf_keras"  # tensorflow itself imports the Keras that this variable names
    assert others & set(heavy_after(USE.format(family=family), legacy=legacy)) == {family}


# Metadata and docs


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(REPO / "setup.cfg")
    return parser


def members(family: str) -> dict[str, str]:
    """name -> module, as setup.cfg says."""
    text = setup_cfg()["options.entry_points"].get(f"kerasintrospect.{family}", "")
    return dict(re.split(r"\s*=\s*", line) for line in text.split("\n") if line)


@pytest.mark.parametrize("family", ["adapters", "fronts", "attribution", "contrast", "probes"])
def test_setup_cfg_names_every_member_of_a_family(family):
    files = {module for module in MODULES if room(module) == family and is_member(module)}
    assert set(members(family).values()) == {f"kerasintrospect.{module}" for module in files}


def test_versions_agree():
    changes = (REPO / "docs/changelog.md").read_text()
    assert re.search(r"^## (\S+)", changes, re.M)[1] == kerasintrospect.__version__


def test_constraints_hold_names_and_versions_only():
    lines = [line for line in (REPO / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.+!]+", line)] == []


def documented(section: str) -> list[str]:
    """The names that start the rows of a table of docs/reference.md."""
    page = (REPO / "docs/reference.md").read_text()
    text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", page, re.M | re.S)[1]
    return re.findall(r"^\| `(?:ki\.|lens\.|kerasintrospect )?(\w+)", text, re.M)


def lens_methods() -> list[str]:
    sources = [ast.parse(MODULES[module].read_text()) for module in ("wrapped", "introspector")]
    lens = [part for tree in sources for node in tree.body if isinstance(node, ast.ClassDef) for part in node.body]
    return [part.name for part in lens if isinstance(part, ast.FunctionDef) and not part.name.startswith("_")]


def commands() -> list[str]:
    typer = importlib.import_module("typer.main")
    return list(typer.get_command(importlib.import_module("kerasintrospect.cli").app).commands)


@pytest.mark.parametrize(
    ("section", "names"),
    [
        ("Names", lambda: kerasintrospect.__all__),
        ("The lens", lens_methods),
        ("Commands", commands),
        ("Attribution methods", lambda: members("attribution")),
        ("Contrast", lambda: members("contrast")),
        ("Ranking methods", lambda: members("probes")),
        ("Interventions", lambda: members("interventions")),
        ("Text fronts", lambda: members("fronts")),
        ("Adapters", lambda: members("adapters")),
    ],
    ids=["names", "lens", "commands", "attribution", "contrast", "probes", "interventions", "fronts", "adapters"],
)
def test_the_reference_has_a_line_for_everything(section, names):
    assert sorted(documented(section)) == sorted(names())


def test_the_architecture_page_shows_every_room():
    page = (REPO / "docs/architecture.md").read_text()
    shown = {name.removesuffix(".py").strip("/") for name in re.findall(r"`([\w/]+(?:\.py|/))`", page)}
    assert {room(module) or "__init__" for module in MODULES} <= shown


PAGES = sorted([REPO / "README.md", *(REPO / "docs").glob("*.md"), REPO / "examples/README.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPO)))
def test_links_inside_the_repository_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_example_has_its_line():
    page = (REPO / "examples/README.md").read_text()
    assert [e.name for e in (REPO / "examples").glob("*.py") if f"`{e.name}`" not in page] == []
