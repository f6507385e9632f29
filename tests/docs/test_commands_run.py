"""Every command of the how-to pages, run in a folder with what the pages have their reader make.

Those of the package run in `make test`, and what they say is looked at in test_how_to.py. Those that start Nextflow run
in `make test-docs`: with `--training quick` as stubs, all tasks without computing, as trainings would take an hour;
with a scheduler or a container engine also as stubs, with stand-ins for the programs (real ones: `make test-cluster`).
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pandas as pd
import pytest

import rprloc
from rprloc.cohort.settings import load_settings
from rprloc.cohort.weights import shipped_folder
from rprloc.importers.phantom import write_phantom
from rprloc.networks.checkpoint import read_model, write_model
from tests.docs.asked import rprloc as ask
from tests.docs.pages import DOCS, HOW_TO, ROOT, commands, fenced
from tests.marks.written import markups, roi
from tests.pipeline.stand_ins import write_stand_ins
from tests.runs import run

ENGINES = {"docker", "apptainer"}
IN_RESULTS = ["rprloc", "again", "results/"]
"""The one command of the package that needs a run's results."""
OTHERS = {
    ("make", "install", "nextflow"): "`make test` begins with it",
    ("make", "generate"): "tests/docs/test_generated.py writes what it would write",
    ("docker", "build"): "by no test: it downloads; by hand, as cluster.md says",
    ("apptainer", "build"): "by no test: it downloads; never, as cluster.md says",
}
"""What is not run here, by its first words, and where it is."""


def of_pages(*first: str) -> list[list[str]]:
    """Return the commands of the how-to pages and the README that begin with some words, each once, in their order."""
    pages = [*HOW_TO, ROOT / "README.md"]
    found = {tuple(words): None for page in pages for words in commands(page) if words[: len(first)] == list(first)}
    return [list(words) for words in found]


def profiles_of(words: list[str]) -> set[str]:
    """Return the profiles that a command names."""
    return set(words[words.index("-profile") + 1].split(",")) if "-profile" in words else set()


PHANTOMS = of_pages("rprloc", "phantom")
"""Commands that write what others need."""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the pages have the reader make."""
    folder = tmp_path_factory.mktemp("reader")
    sheet = write_phantom(folder, n_train=0, n_validation=2, n_test=1)
    lines = sheet.read_text(encoding="utf-8").splitlines()
    # Nobody is told to name splits or cohorts.
    sheet.write_text("".join(",".join(line.split(",")[:3]) + "\n" for line in lines), encoding="utf-8")
    shutil.copy(sheet, folder / "more_scans.csv")
    (settings,) = fenced(DOCS / "how-to" / "settings.md", "yaml")
    (folder / "my_settings").mkdir()
    for path in (folder / "my_liver.yml", folder / "my_settings" / "my_liver.yml"):
        path.write_text(settings, encoding="utf-8")
    scans = {"s001.nii.gz": "images/validation_01.nii.gz", "s001_organs.nii.gz": "labels/validation_01.nii.gz"}
    scans |= {"query1.nii.gz": "images/test_01.nii.gz", "query2.nrrd": "images/validation_02.nrrd"}
    for name, made in scans.items():
        shutil.copy(folder / made, folder / name)
    markups(folder / "liver.mrk.json", roi([0, 0, 0], [80, 60, 60]))
    for words in PHANTOMS:
        ask(*words[1:], folder=folder)
    return folder


def test_no_command_of_the_how_to_pages_is_left_out() -> None:
    here = [*of_pages("rprloc"), *of_pages("nextflow", "run", "main.nf")]
    left = [words for page in HOW_TO for words in commands(page) if words not in here]
    first = {next((known for known in OTHERS if tuple(words[: len(known)]) == known), tuple(words)) for words in left}
    assert first == OTHERS.keys()


@pytest.mark.parametrize("words", [w for w in of_pages("rprloc") if w not in (*PHANTOMS, IN_RESULTS)], ids=" ".join)
def test_a_command_of_the_package_runs(reader: Path, words: list[str]) -> None:
    assert ask(*words[1:], folder=reader).strip() or (reader / "boxes" / "boxes.csv").exists()


# Runs


@pytest.fixture(scope="module")
def trained(reader: Path) -> Path:
    """The folder, with a model as a run with the default settings has trained it."""
    model = read_model(shipped_folder("head-neck-ct") / "position_map.safetensors")
    default, _ = load_settings(ROOT / "assets" / "cohorts" / "default.yml", name="default")
    assert default is not None
    (reader / "results" / "models").mkdir(parents=True)
    learned = replace(model, settings=msgspec.structs.replace(model.settings, window=default.window))
    write_model(reader / "results" / "models" / "position_map.safetensors", learned)
    return reader


RUNS = of_pages("nextflow", "run", "main.nf")
HERE = sorted(words[3:] for words in RUNS if not profiles_of(words) & {"slurm", *ENGINES})
ELSEWHERE = [words[3:] for words in RUNS if profiles_of(words) & {"slurm", *ENGINES}]


@pytest.mark.long
@pytest.mark.parametrize("words", HERE, ids=" ".join)
def test_a_run_ends_with_a_report(trained: Path, words: list[str]) -> None:
    stub = ["-stub"] if "quick" in words else []
    done = run(trained, *words, *stub)
    assert done.status == 0 and "ERROR" not in done.output, done.output
    results = trained / (words[words.index("--outdir") + 1] if "--outdir" in words else "results")
    assert f"Open {results}/report.html" in done.output
    if not stub:
        assert pd.read_csv(results / "boxes.csv")["x_min_mm"].notna().any()
        if results.name == "results":
            again = ask(*IN_RESULTS[1:], folder=trained).splitlines()[0]
            assert again.endswith(" ".join(["main.nf", *words]).removesuffix(" -resume"))


@pytest.mark.long
@pytest.mark.parametrize("words", ELSEWHERE, ids=" ".join)
def test_a_run_of_a_scheduler_or_an_engine_is_submitted_to_it(trained: Path, tmp_path: Path, words: list[str]) -> None:
    asked = profiles_of(words)
    programs = ["sbatch", "squeue"] * ("slurm" in asked) + sorted(asked & ENGINES)
    made = write_stand_ins(tmp_path, programs, left=tmp_path / "nowhere")
    quick = ["executor.pollInterval = '200 ms'"]
    if "apptainer" in asked:
        (tmp_path / f"rprloc-{rprloc.__version__}.sif").touch()
        quick.append(f"process.container = '{tmp_path}/rprloc-{rprloc.__version__}.sif'")
    (tmp_path / "quick.config").write_text("\n".join(quick) + "\n", encoding="utf-8")
    before = ["env", "CUDA_VISIBLE_DEVICES=0", f"PATH={made.path}"]
    done = run(trained, *words, "-c", tmp_path / "quick.config", "-stub", before=before)
    assert done.status == 0 and "ERROR" not in done.output, done.output
    assert bool(list(made.record.glob("job.*"))) == ("slurm" in asked)
    assert bool(list(made.record.glob("container.*"))) == bool(asked & ENGINES)
