"""The hash of the code that a task runs: its own module and all that it imports, however deep.

A task is run again when its code has changed, and no other is. Of rprloc/steps.py, which holds the commands of all
tasks, the task's own command counts. The catalogue's two tables are no code: of their rows a task's hash holds its own,
so that a new row changes no other task.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
TABLES = ("rprloc.catalogue.methods", "rprloc.catalogue.networks")
STEPS = "rprloc.steps"


def code_hash(references: Iterable[str], rows: Iterable[object] = (), *, package: Path = PACKAGE) -> str:
    """Return the hash of what modules (`rprloc.scans.preprocess`, or `module:name`) run, and of catalogue rows.

    Of `rprloc.steps:NAME` it is the command NAME alone.
    """
    digest = hashlib.sha256()
    references = list(references)
    for name in _commands(references):
        digest.update(_command(package / "steps.py", name).encode())
    for path in files_of(references, package=package):
        digest.update(f"{path.name}\n".encode())
        digest.update(path.read_bytes())
    for row in rows:
        digest.update(repr(row).encode())
    return digest.hexdigest()[:16]


def files_of(references: Iterable[str], *, package: Path = PACKAGE) -> list[Path]:
    """Return the files that modules consist of: their own, those of the package that they import, and data beside these
    where they read any. Raises ValueError for a module that is none.
    """
    references = list(references)
    waiting = [reference.partition(":")[0] for reference in references]
    for name in _commands(references):
        waiting += _imported(_command(package / "steps.py", name).encode())
    roots = frozenset(reference.partition(":")[0] for reference in references)
    seen: set[str] = {STEPS}
    found: set[Path] = set()
    while waiting:
        module = waiting.pop()
        if module in seen or module in TABLES:
            continue
        seen.add(module)
        path = _file(module, package) or (_elsewhere(module) if module in roots else None)
        if path is None:
            continue
        found.add(path)
        names = _imported(path.read_bytes())
        if any(name.startswith("importlib.resources") for name in names):
            found |= {data for data in path.parent.iterdir() if data.is_file() and data.suffix not in (".py", ".pyc")}
        waiting += [name for name in names if name.split(".")[0] == "rprloc"]
        # A package's own module runs before any module in it.
        waiting.append(module.rpartition(".")[0])
    return sorted(found)


def _commands(references: Iterable[str]) -> list[str]:
    """Return the names of the commands of rprloc/steps.py among references."""
    return [reference.partition(":")[2] for reference in references if reference.startswith(f"{STEPS}:")]


def _command(path: Path, name: str) -> str:
    """Return the source of a command; raises ValueError for a name that is none."""
    found = _functions(path.read_text(encoding="utf-8"))
    if name not in found:
        raise ValueError(f"found no command {name} in {path.name}, expected one that a task runs")
    return found[name]


@cache
def _functions(text: str) -> dict[str, str]:
    """Return the source of each function of a module, by its name."""
    found, lines = {}, text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found[node.name] = "\n".join(lines[first - 1 : node.end_lineno])
    return found


def _file(module: str, package: Path) -> Path | None:
    """Return the file of a module of the package, None for what is none."""
    place = package.joinpath(*module.split(".")[1:])
    if module.split(".")[0] != "rprloc":
        return None
    candidates = (place / "__init__.py", place.with_suffix(".py") if place != package else place / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)


def _elsewhere(module: str) -> Path:
    """Return the file of a module of another package, such as a method that somebody registered."""
    found = None if module.split(".")[0] == "rprloc" else find_spec(module)
    if found is None or found.origin is None:
        raise ValueError(f"found no module {module}, expected one that a task runs")
    return Path(found.origin)


@cache
def _imported(content: bytes) -> tuple[str, ...]:
    """Return the names that a source imports anywhere: modules, and what may be modules in them."""
    names: list[str] = []
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)
