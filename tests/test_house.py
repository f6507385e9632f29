"""The house keeps its rules: imports go one way, functions are read without scrolling, every module has its test."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rprloc"

ORDER = (
    "errors", "files", "seeds", "geometry", "catalogue", "scans", "marks", "cohort", "networks", "methods", "training",
    "exports", "pictures", "results", "importers", "locator", "steps", "locate", "cli",
)  # fmt: skip
"""Each part of the package imports from those before it alone."""
RESULTS = ("words", "statistics", "frame", "shown", "measure", "tables", "report")
"""The same within results; what is measured, tabulated and shown hand each other files."""
APART = {
    "catalogue": {"errors"},
    "scans": {"errors", "files", "seeds", "geometry"},
    "marks": {"errors", "files", "geometry", "scans"},
    "results.tables": {"words", "statistics", "frame", "shown", "measure"},
    "results.report": {"words", "statistics", "frame", "shown"},
}
"""Parts that know less than the order lets them, and what they may know."""

LINES, PARAMETERS, DEPTH = 60, 6, 3
MAIN_LINES, FIELDS = 45, 5
"""Of main.nf, and of a tuple that a process takes."""
MODULE_LINES = 400
ANYTHING = {"dict[str, Any]", "Mapping[str, Any]"}
RAW = {
    "rprloc.cohort.parameters": "Schema",
    "rprloc.cohort.settings_file": "Values",
    "rprloc.networks.checkpoint": "Header",
}
"""What a file holds before a record is made of it has one name in the package."""
OTHERS = {"rprloc.training.optimiser": ("Group", "State")}
"""What torch.optim hands over."""
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def name_of(path: Path) -> str:
    """Return the name of a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree(path: Path) -> ast.Module:
    """Return a file's syntax."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> Iterator[str]:
    """Yield the modules of the package that a file imports anywhere, also within functions."""
    for node in ast.walk(tree(path)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [one if one in MODULES else str(node.module) for one in whole]
        yield from (one for one in names if one in MODULES and one != "rprloc")


def part_of(module: str, within: str = "rprloc") -> str:
    """Return the part of a package that a module belongs to."""
    return module.removeprefix(f"{within}.").split(".")[0]


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function of the package with where it stands."""
    for path in MODULES.values():
        for node in ast.walk(tree(path)):
            if isinstance(node, FUNCTIONS):
                yield f"{path.relative_to(PACKAGE)} {node.name}", node


def depth(node: ast.AST, here: int = 0) -> int:
    """Return how deep blocks stand in each other; `elif` is as deep as its `if`, functions within are others."""
    deepest = here
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            continue
        elif_ = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        deepest = max(deepest, depth(child, here + (isinstance(child, BLOCKS) and not elif_)))
    return deepest


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many parameters a function has, beside `self` or `cls`."""
    given = node.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"])) + sum(one is not None for one in (given.vararg, given.kwarg))


def test_imports_go_down_the_list_only() -> None:
    for module, path in MODULES.items():
        if module == "rprloc":
            continue
        for other in imported(path):
            own, its = part_of(module), part_of(other)
            assert ORDER.index(its) <= ORDER.index(own), f"{module} imports {other}"
            if own == its == "results":
                own, its = (part_of(one, "rprloc.results") for one in (module, other))
                assert RESULTS.index(its) <= RESULTS.index(own), f"{module} imports {other}"


@pytest.mark.parametrize("place", APART)
def test_parts_that_know_little(place: str) -> None:
    package = f"rprloc.{place}"
    above = package.rpartition(".")[0]
    for module, path in MODULES.items():
        if module == package or module.startswith(f"{package}."):
            known = {part_of(other, above) for other in imported(path) if other.startswith(f"{above}.")}
            assert known - {part_of(package, above)} <= APART[place], module


def test_no_module_imports_itself_by_others() -> None:
    TopologicalSorter({module: set(imported(path)) - {module} for module, path in MODULES.items()}).prepare()


def test_functions_are_read_without_scrolling() -> None:
    for where, node in functions():
        assert (node.end_lineno or 0) - node.lineno < LINES, f"{where}: lines"
        assert parameters(node) <= PARAMETERS, f"{where}: parameters"


def test_functions_are_three_levels_deep_at_most() -> None:
    assert [where for where, node in functions() if depth(node) > DEPTH] == []


def test_the_pipeline_is_a_paragraph_and_its_tuples_are_short() -> None:
    assert len((ROOT / "main.nf").read_text(encoding="utf-8").splitlines()) <= MAIN_LINES
    taken = [
        line
        for path in sorted((ROOT / "modules").glob("*/main.nf"))
        for line in re.findall(r"^ *tuple (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert len(taken) > FIELDS
    assert [line for line in taken if len(re.findall(r"\b(?:val|path)\(", line)) > FIELDS] == []


def anything(node: ast.AST, within: str = "") -> Iterator[tuple[str, str]]:
    """Yield the annotations of a module that say nothing of a value but that it has names, and where each stands: the
    functions, or the name of an assignment.
    """
    for child in ast.iter_child_nodes(node):
        place = within
        if isinstance(child, FUNCTIONS):
            place = f"{within}.{child.name}"
        elif isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name):
            place = f"{within}.{child.targets[0].id}"
        if isinstance(child, ast.Subscript) and (said := ast.unparse(child)) in ANYTHING:
            yield said, place
        yield from anything(child, place)


def test_dictionaries_of_anything_are_read_and_written_and_nothing_else() -> None:
    for module, path in MODULES.items():
        named = {f".{name}" for name in (RAW.get(module), *OTHERS.get(module, ())) if name}
        for said, place in anything(tree(path)):
            read_or_written = place.endswith(("to_json", "from_json"))
            assert read_or_written or place in named, f"{module}{place}: {said}, expected a record"


def test_modules_are_not_long() -> None:
    for folder in ("rprloc", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES, path


def test_what_is_found_of_dictionaries() -> None:
    code = """
Raw = dict[str, Any]
def to_json(self) -> dict[str, Any]:
    pass
def other(one: Mapping[str, Any] | None) -> None:
    two: list[dict[str, Any]] = []
"""
    assert list(anything(ast.parse(code))) == [
        ("dict[str, Any]", ".Raw"), ("dict[str, Any]", ".to_json"), ("Mapping[str, Any]", ".other"),
        ("dict[str, Any]", ".other"),
    ]  # fmt: skip


def test_every_module_has_its_test() -> None:
    mirrored = {
        path: ROOT / "tests" / path.relative_to(PACKAGE).parent / f"test_{path.name}"
        for path in MODULES.values()
        if path.name != "__init__.py"
    }
    assert [path for path, test in mirrored.items() if not test.is_file()] == []


def test_a_class_has_a_name_of_its_own() -> None:
    named = sorted(
        (node.name, module)
        for module, path in MODULES.items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [(*one, other[1]) for one, other in pairwise(named) if one[0] == other[0]] == []


def test_the_depth_of_a_function() -> None:
    code = """
def f(self, a, *, b, **c):
    if a:
        pass
    elif b:
        for d in c:
            with d:
                pass
"""
    (node,) = ast.parse(code).body
    assert isinstance(node, ast.FunctionDef)
    assert (depth(node), parameters(node)) == (3, 3)
