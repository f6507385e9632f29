"""What runs again after an edit: what imports the edited module, and nothing else."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rprloc.catalogue import Family, Method, method_named, network_named, register, unregister
from rprloc.cohort.code import PACKAGE, code_hash, files_of
from rprloc.cohort.plan import Plan
from tests.cohort.planned import DEMO, planned

ROOTS = {
    "PREPROCESS": ["rprloc.steps:preprocess", "rprloc.steps:together"],
    "TRAIN coarse": ["rprloc.steps:train", network_named("coarse").objective, network_named("coarse").build],
    "TRAIN retina_unet": [
        "rprloc.steps:train", network_named("retina_unet").objective, network_named("retina_unet").build,
    ],
    "LOCALIZE matched": ["rprloc.steps:localize", method_named("matched").family.make],
    "LOCALIZE registration": ["rprloc.steps:localize", method_named("affine").family.make],
    "EVALUATE": ["rprloc.steps:evaluate"],
    "VIEW": ["rprloc.steps:view"],
    "EXPORT": ["rprloc.steps:export"],
    "TABULATE": ["rprloc.steps:tabulate"],
    "REPORT": ["rprloc.steps:report"],
}  # fmt: skip
"""A task of each kind, by what the plan says that it runs."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, to be edited."""
    ignored = shutil.ignore_patterns("weights", "__pycache__")
    return shutil.copytree(PACKAGE, tmp_path_factory.mktemp("copy") / "rprloc", ignore=ignored)


def run_again(copy: Path, module: str) -> set[str]:
    """Return the tasks that run again after an edit of a file of the package."""
    before = {task: code_hash(roots, package=copy) for task, roots in ROOTS.items()}
    path = copy / module
    content = path.read_bytes()
    path.write_bytes(content + b"\n# edited\n")
    after = {task: code_hash(roots, package=copy) for task, roots in ROOTS.items()}
    path.write_bytes(content)
    return {task for task in ROOTS if before[task] != after[task]}


NOTHING: set[str] = set()
SEARCHES, TRAININGS = {"LOCALIZE matched", "LOCALIZE registration"}, {"TRAIN coarse", "TRAIN retina_unet"}
EDITS = {
    "catalogue/methods.py": NOTHING,
    "catalogue/networks.py": NOTHING,
    "cli.py": NOTHING,
    "steps.py": NOTHING,
    "cohort/plan.py": NOTHING,
    "cohort/planner.py": NOTHING,
    "cohort/tasks.py": set(ROOTS),
    "networks/device.py": {*SEARCHES, *TRAININGS},
    "cohort/sheet.py": NOTHING,
    "importers/phantom.py": NOTHING,
    "geometry.py": set(ROOTS),
    "__init__.py": set(ROOTS),
    "scans/body.py": {"PREPROCESS"},
    "training/loop.py": TRAININGS,
    "training/position.py": {"TRAIN coarse"},
    "networks/retina_unet.py": {"TRAIN retina_unet"},
    "methods/bspline.py": {"LOCALIZE registration"},
    "methods/lost.py": SEARCHES,
    "methods/matched.py": {"LOCALIZE matched"},
    "methods/carry.py": SEARCHES,
    "exports/slicer.py": {"EXPORT"},
    "exports/dicom.py": {"EXPORT"},
    "methods/coupled.py": SEARCHES,
    "methods/localize.py": SEARCHES,
    "methods/grey.py": NOTHING,
    "results/measure/metrics.py": {"EVALUATE", "TABULATE"},
    "results/tables/table3.py": {"TABULATE"},
    "results/tables/paper_tables.csv": {"TABULATE"},
    "pictures/planes.py": {"VIEW", "REPORT"},
    "results/report/run.py": {"REPORT"},
    "results/report/viewer.js": {"REPORT"},
}
"""A module of each kind, and the tasks that run again after it was edited."""


@pytest.mark.parametrize(("module", "expected"), EDITS.items(), ids=EDITS)
def test_an_edit_runs_again_what_imports_the_module(copy: Path, module: str, expected: set[str]) -> None:
    assert run_again(copy, module) == expected


def test_of_the_commands_only_the_tasks_own_counts(copy: Path) -> None:
    path = copy / "steps.py"
    content = path.read_text()
    before = {task: code_hash(roots, package=copy) for task, roots in ROOTS.items()}
    path.write_text(content.replace("search = from_json(", "search = (from_json)("))
    after = {task: code_hash(roots, package=copy) for task, roots in ROOTS.items()}
    path.write_text(content)
    assert {task for task in ROOTS if before[task] != after[task]} == SEARCHES
    with pytest.raises(ValueError, match="found no command nothing"):
        code_hash(["rprloc.steps:nothing"])


def test_data_beside_a_module_that_reads_some_count_as_its_code(copy: Path) -> None:
    names = {path.name for path in files_of(["rprloc.steps:report"], package=copy)}
    assert any(name.endswith(".j2") for name in names)
    assert not any(name.endswith((".j2", ".csv")) for name in {p.name for p in files_of(["rprloc.steps:preprocess"])})


def test_a_module_that_is_none_is_an_error_and_one_of_another_package_counts() -> None:
    with pytest.raises(ValueError, match=r"found no module rprloc\.nothing"):
        code_hash(["rprloc.nothing"])
    with pytest.raises(ValueError, match="found no module nowhere"):
        code_hash(["nowhere:make"])
    assert {path.name for path in files_of(["tests.methods.mean_place:make"])} > {"mean_place.py", "geometry.py"}


@pytest.fixture
def another() -> Iterator[Method]:
    """One more registration, in the family of the others."""
    row = Method(name="another", family=method_named("affine").family)
    register(row)
    yield row
    unregister(row)


def codes(plan: Plan) -> dict[str, str]:
    tasks = (*plan.preprocess, *plan.train, *plan.teach, *plan.localize, *plan.register, *plan.evaluate)
    return {task.id: task.code for task in tasks} | {"tabulate": plan.tabulate, "report": plan.report.code}


def test_a_row_for_a_new_registration_retrains_nothing(another: Method) -> None:
    asked = {"methods": "matched,regression,affine,student"}
    with_row = codes(planned(DEMO, **asked))
    unregister(another)
    without = codes(planned(DEMO, **asked))
    register(another)
    assert {task for task in without if with_row[task] != without[task]} == {"openkbp", "tabulate", "report"}
    # Only where it is asked for, its family's tasks are others.
    asked_for = codes(planned(DEMO, methods="matched,regression,affine,student,another"))
    changed = {task for task in with_row if asked_for[task] != with_row[task]}
    assert changed == {"openkbp/registration.batch0"}


def test_words_of_a_row_are_no_code() -> None:
    def row(sentence: str) -> Method:
        return Method(name="x", family=Family(name="x", make="rprloc.methods.grey:make"), sentence=sentence)

    assert code_hash([], [row("one")]) == code_hash([], [row("two")])
