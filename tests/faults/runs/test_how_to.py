"""Every command of the how-to pages that starts Nextflow on this machine, run as a stub: all tasks, no computing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from rprloc.cohort.settings import load_settings
from rprloc.cohort.weights import shipped_folder
from rprloc.importers.phantom import write_phantom
from rprloc.networks.checkpoint import read_model, write_model
from tests.docs.pages import HOW_TO, ROOT, commands, fenced
from tests.runs import run

ELSEWHERE = {"slurm", "gpu", "docker", "apptainer"}
"""Profiles that `make test-cluster` and tests/pipeline/test_profiles.py run."""


def ran_here() -> list[list[str]]:
    """Return the arguments of the commands, each once."""
    pages = [*HOW_TO, ROOT / "README.md"]
    found = {
        tuple(words[3:]) for page in pages for words in commands(page) if words[:3] == ["nextflow", "run", "main.nf"]
    }
    profiles = {words: set(words[words.index("-profile") + 1].split(",")) for words in found if "-profile" in words}
    return sorted(list(words) for words in found if not profiles.get(words, set()) & ELSEWHERE)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the pages have the reader make."""
    folder = tmp_path_factory.mktemp("scans")
    sheet = write_phantom(folder, n_train=0, n_validation=2, n_test=1)
    lines = sheet.read_text(encoding="utf-8").splitlines()
    # Nobody is told to name splits or cohorts.
    sheet.write_text("".join(",".join(line.split(",")[:3]) + "\n" for line in lines), encoding="utf-8")
    shutil.copy(sheet, folder / "more_scans.csv")
    (folder / "cohort").mkdir()
    (folder / "cohort" / "samples.csv").write_text(
        sheet.read_text().replace(",images/", ",../images/").replace(",labels/", ",../labels/")
    )
    (settings,) = fenced(ROOT / "docs" / "how-to" / "settings.md", "yaml")
    (folder / "my_settings").mkdir()
    for path in (folder / "my_liver.yml", folder / "my_settings" / "my_liver.yml"):
        path.write_text(settings, encoding="utf-8")
    # As a run with the default settings has trained it.
    model = read_model(shipped_folder("head-neck-ct") / "position_map.safetensors")
    default, _ = load_settings(ROOT / "assets" / "cohorts" / "default.yml", name="default")
    assert default is not None
    (folder / "results" / "models").mkdir(parents=True)
    learned = replace(model, settings=msgspec.structs.replace(model.settings, window=default.window))
    write_model(folder / "results" / "models" / "position_map.safetensors", learned)
    return folder


@pytest.mark.long
@pytest.mark.parametrize("words", ran_here(), ids=" ".join)
def test_a_command_of_the_pages_runs(scans: Path, words: list[str]) -> None:
    done = run(scans, *words, "-stub")
    assert done.status == 0, done.output
    assert "ERROR" not in done.output
    assert f"Open {(scans / 'results' if '--outdir' not in words else scans / 'more')}/report.html" in done.output
