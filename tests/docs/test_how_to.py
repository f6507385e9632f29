"""The commands of the documents: those that start Nextflow or take long are resolved, cheap ones are run."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import msgspec
import numpy as np
import pandas as pd
import pytest
import torch

from rprloc import cli
from rprloc.catalogue import Family, Method, method_named, trainings
from rprloc.cli import command
from rprloc.cohort.settings import load_settings
from rprloc.cohort.tasks import Search, Seen
from rprloc.files import write_json_lines
from rprloc.locate import EXIT_TERMINATED
from rprloc.methods.answer import Found, Key
from rprloc.methods.clock import Clock
from rprloc.methods.localize import Work
from rprloc.results.measure.evaluate import Came, evaluate_cohort
from rprloc.results.tables.tabulate import tabulate_cohorts
from rprloc.scans.scan import Scan
from tests.docs.asked import rprloc
from tests.docs.pages import DOCS, HOW_TO, PAGES, ROOT, commands, fenced, indented, name_of, text_of
from tests.results.cohorts import ODD_NAMES, renamed
from tests.results.cohorts import cohort as cohort_of_scans
from tests.scans.written import grid_of, record_of, structure_of

COMMANDS = [(page, words) for page in PAGES for words in commands(page)]
NEXTFLOW_OPTIONS = {"-profile", "-resume", "-c", "-qs", "-work-dir", "-params-file"}
SEEN = Seen(modality="ct", window=((-1000, 0), (1000, 1)), spacing=(2, 2, 2), patch=(6, 6, 6))
METHOD_PAGE = DOCS / "how-to" / "add_a_method.md"


def parameters() -> dict[str, dict[str, Any]]:
    """Return the pipeline's parameters."""
    groups = json.loads((ROOT / "nextflow_schema.json").read_text("utf-8"))["$defs"].values()
    return {name: about for group in groups for name, about in group["properties"].items()}


def options(words: list[str]) -> dict[str, str]:
    """Return options with their values."""
    found: dict[str, str] = {}
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("-"):
            name, equals, value = word.partition("=")
            found[name] = value if equals else "" if after.startswith("-") else after
    return found


def check_nextflow(words: list[str]) -> None:
    """A run: its script, options, profiles and parameters are there."""
    if words[0] == "lint":
        return
    assert words[0] == "run"
    assert (ROOT / Path(words[1]).name).is_file()
    check_parameters({name: value for name, value in options(words).items() if name.startswith("--")})
    own = {name: value for name, value in options(words).items() if not name.startswith("--")}
    assert set(own) <= NEXTFLOW_OPTIONS
    profiles = re.findall(r"^    (\w+) \{", (ROOT / "nextflow.config").read_text("utf-8"), re.MULTILINE)
    assert set(own.get("-profile", "standard").split(",")) <= set(profiles)


def check_parameters(given: dict[str, str]) -> None:
    """Parameters of the pipeline, with values that it takes."""
    known = parameters()
    for name, value in given.items():
        assert name[2:] in known, name
        assert value in known[name[2:]].get("enum", [value])
    cohort = given.get("--cohort", "default")
    if not cohort.endswith(".yml"):
        assert (ROOT / "assets" / "cohorts" / f"{cohort}.yml").is_file()
    elif "/" in cohort:
        assert not load_settings(ROOT / cohort, name=cohort)[1]
    weights = given.get("--weights", "none")
    assert weights in ("none", "models", "results/models", "THAT") or (ROOT / "rprloc" / "weights" / weights).is_dir()
    for method in given.get("--methods", "all").split(","):
        assert method == "all" or method_named(method)
    assert given.get("--training", "quick") in trainings()


def check_rprloc(words: list[str]) -> None:
    """A command of the package with its options."""
    found: click.Command = command
    while isinstance(found, click.Group):
        found, words = found.commands[words[0]], words[1:]
    given = options([word.strip("[]") for word in words])
    if found.name == "plan":
        check_parameters(given)
        return
    known = {name for each in found.params for name in (*each.opts, *each.secondary_opts)}
    assert set(given) <= known


def check_make(words: list[str]) -> None:
    """Targets of the Makefile."""
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(words) <= set(targets)


def check_python(words: list[str]) -> None:
    """A script or a module of the benchmarks."""
    path = words[1].replace(".", "/") if words[0] == "-m" else words[0].removesuffix(".py")
    assert (ROOT / f"{path}.py").is_file() or (ROOT / path / "__main__.py").is_file()


def check_image(words: list[str]) -> None:
    """The recipe of an image is there."""
    assert any((ROOT / word).is_file() for word in words if word.startswith("containers/"))


CHECKS = {
    "nextflow": check_nextflow,
    "rprloc": check_rprloc,
    "make": check_make,
    "python": check_python,
    "docker": check_image,
    "apptainer": check_image,
}


@pytest.mark.parametrize("page, words", COMMANDS, ids=[f"{name_of(page)}: {' '.join(w)[:60]}" for page, w in COMMANDS])
def test_a_command_is_one_that_there_is(page: Path, words: list[str]) -> None:
    CHECKS[words[0]](words[1:])


def test_every_how_to_has_commands() -> None:
    assert all(commands(page) for page in HOW_TO)


@pytest.mark.parametrize("words", [["run", "main.nf", "--traning", "quick"], ["run", "main.nf", "-profile", "moon"]])
def test_a_command_that_there_is_not_is_found(words: list[str]) -> None:
    with pytest.raises(AssertionError):
        check_nextflow(words)


# What is run


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the page's own command wrote the phantom cohort."""
    folder = tmp_path_factory.mktemp("how to")
    (words,) = (words[1:] for words in commands(METHOD_PAGE) if words[:2] == ["rprloc", "phantom"])
    assert rprloc(*words, folder=folder).split() == ["cohort/samples.csv"]
    return folder


def test_the_plan_of_the_page_is_printed(cohort: Path) -> None:
    (words,) = (words[1:] for words in commands(METHOD_PAGE) if words[:2] == ["rprloc", "plan"])
    assert json.loads(rprloc(*words, folder=cohort))["tasks"]["PREPROCESS"] == 4


def test_the_shells_sheet_and_the_settings_have_a_plan(cohort: Path, tmp_path: Path) -> None:
    """own_scans.md writes a sheet from a folder, settings.md a file of settings."""
    for name in ("scans", "labels"):
        (tmp_path / name).mkdir()
    (image, *_), (label, *_) = (sorted((cohort / "cohort" / name).glob("*.nii.gz")) for name in ("images", "labels"))
    for subject in ("p001", "p002", "p003"):
        shutil.copy(image, tmp_path / "scans" / f"{subject}.nii.gz")
    shutil.copy(label, tmp_path / "labels" / "p001.nii.gz")
    (loop,) = (block for block in indented(DOCS / "how-to" / "own_scans.md") if "for scan in" in block)
    subprocess.run(["bash", "-euc", loop], cwd=tmp_path, check=True)
    (settings,) = fenced(DOCS / "how-to" / "settings.md", "yaml")
    (tmp_path / "my_liver.yml").write_text(settings)

    (sheet,) = (block for block in indented(DOCS / "how-to" / "own_scans.md") if block.startswith("subject,"))
    assert (tmp_path / "samples.csv").read_text() == sheet
    for page in ("own_scans", "settings"):
        (words,) = (words[1:] for words in commands(DOCS / "how-to" / f"{page}.md") if words[:2] == ["rprloc", "plan"])
        (search,) = json.loads(rprloc(*words, folder=tmp_path))["localize"]
        assert len(search["supports"]) == 1
        assert len(search["queries"]) == 3


def test_the_notebook_of_the_page_finds(cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = sorted((cohort / "cohort" / "images").glob("test_*"))
    support = "validation_01.nii.gz"
    shutil.copy(cohort / "cohort" / "images" / support, tmp_path / "s001.nii.gz")
    shutil.copy(cohort / "cohort" / "labels" / support, tmp_path / "s001_organs.nii.gz")
    shutil.copy(images[0], tmp_path / "query1.nii.gz")
    (tmp_path / "query2.nrrd").write_text("no scan")
    (code,) = fenced(DOCS / "how-to" / "locate.md", "python")
    found: dict[str, Any] = {}
    with contextlib.chdir(tmp_path):
        exec(compile(code, "locate.md", "exec"), found)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("none: head-neck-ct is not for these scans: ")
    assert said[2].startswith("query1 PASS ") and said[3].startswith(
        "query2 FAIL ['heart: scan set aside: query2.nrrd:"
    )
    table = pd.read_csv(tmp_path / "boxes.csv")
    assert sorted(table["structure"]) == ["heart", "heart", "kidney_left", "kidney_left"]
    found["locator"].close()


def test_every_option_of_locate_is_in_its_reference() -> None:
    table = text_of(DOCS / "reference" / "locate.md")
    names = {name for each in command.commands["locate"].params if isinstance(each, click.Option) for name in each.opts}
    assert names == set(re.findall(r"^\| `(--[\w-]+)` \|", table, re.MULTILINE))
    for status in (cli.EXIT_INPUT, cli.EXIT_FILE_SYSTEM, cli.EXIT_UNSTEADY, cli.EXIT_OUT_OF_MEMORY, EXIT_TERMINATED):
        assert re.search(rf"^\| (\d+, )?{status}\b", table, re.MULTILINE), status


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_sheets_have_the_columns_that_there_are(page: Path) -> None:
    for block in indented(page):
        if block.startswith("subject,"):
            head, *lines = (line.split(",") for line in block.splitlines())
            assert set(head) <= {"subject", "image", "label", "marks", "series", "split", "cohort"}
            assert all(len(line) == len(head) for line in lines)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_is_python(page: Path) -> None:
    for code in fenced(page, "python"):
        compile(code, str(page), "exec")


PANDAS = [(page, code) for page in PAGES for code in fenced(page, "python") if "pd.read_" in code]


@pytest.fixture(scope="module")
def odd_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results of a cohort whose names look like numbers or like nothing."""
    folder = tmp_path_factory.mktemp("names")
    made = renamed(cohort_of_scans("020"), ODD_NAMES)
    made.ask(*(msgspec.structs.replace(asked, name="matched") for asked in made.measure.methods))
    predictions = [msgspec.structs.replace(one, method="matched").to_json() for one in made.predictions]
    write_json_lines(folder / "all.jsonl", predictions)
    scans = [record.write(folder / "scans") for record in made.scans.values()]
    evaluate_cohort(folder / "evaluated" / "020", made.measure, scans, Came([folder / "all.jsonl"]))
    tabulate_cohorts(folder / "results", [folder / "evaluated" / "020"], [])
    return folder


def test_every_line_that_reads_results_is_in_python() -> None:
    lines = {line for page in PAGES for line in text_of(page).splitlines() if "pd.read_" in line or "read_csv" in line}
    assert lines <= {line for _, code in PANDAS for line in code.splitlines()}
    assert len(PANDAS) >= 2


@pytest.mark.parametrize(("page", "code"), PANDAS, ids=[name_of(page) for page, _ in PANDAS])
def test_names_stay_names_where_the_page_reads_results(page: Path, code: str, odd_results: Path) -> None:
    found: dict[str, Any] = {}
    with contextlib.chdir(odd_results), contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(code, str(page), "exec"), found)
    (table,) = (value for name, value in found.items() if name in ("answers", "metrics", "boxes"))
    assert set(table["cohort"]) == {"020"}
    assert set(table["subject"]) == {"001", "NA", "null", "1e5"}
    assert set(table["support"]) == {"007", "nan", "*"}
    assert set(table["structure"]) == {"None", "12", "parotid_left", "parotid_right"}
    assert "020" in said.getvalue() or "001" in said.getvalue()


def test_the_method_of_the_page_finds() -> None:
    file, row = fenced(METHOD_PAGE, "python")
    module: dict[str, Any] = {"__name__": "rprloc.methods.fraction"}
    exec(compile(file, "fraction.py", "exec"), module)
    method = eval(row, {"Method": Method, "Family": Family})
    assert (method.name, method.setting) == (module["METHOD"], module["SETTING"])

    # The support's field is 12 x 10 x 8 mm, the query's twice as large and elsewhere.
    support = scan_of("a", 2.0, structures={"heart": structure_of([2, 2, 2], [6, 4, 6])})
    query = scan_of("b", 4.0)
    search = Search(
        id="c@fraction@1", cohort="c", family=method.family.name, make=method.family.make, batch="1", queries=("c@b",),
        supports=("c@a",), methods={method.name: (method.setting,)}, seen=SEEN,
    )  # fmt: skip
    finder = module["make"](Work(search=search, structures=None, models={}, device=torch.device("cpu")))
    finder.prepare([support])
    answers = finder.locate(query, Clock())
    (found,) = answers.values()
    assert list(answers) == [Key("fraction", "extreme", "a", "heart")]
    assert isinstance(found, Found)
    low = support.grid.box_mm[0]
    truth = query.grid.box_mm[0] + (support.structures["heart"].extreme_mm - low) * 2
    np.testing.assert_allclose(found.points_mm, truth)
    assert finder.locate(support, Clock()) == {}


def scan_of(subject: str, spacing_mm: float, **more: Any) -> Scan:
    """Return a scan of air."""
    record = record_of(subject, grid_of((4, 5, 6), (spacing_mm,) * 3), **more)
    return Scan(record, np.full((4, 5, 6), -1000, dtype=np.int16), np.ones((4, 5, 6), dtype=bool))
