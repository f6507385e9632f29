"""What a user reads: the help, and a sentence for each fault before anything is computed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rprloc.cohort.plan import read_plan
from tests.runs import ROOT, run, run_well

SCHEMA = json.loads((ROOT / "nextflow_schema.json").read_text(encoding="utf-8"))["$defs"].values()
PARAMETERS = {name: entry for group in SCHEMA for name, entry in group["properties"].items()}

SHEET = """subject,image,label,labl,split,cohort
one,it's $(there).nii,masks,,,default
two,it's $(there).nii,masks/{structure}.mha,,tset,default
three,it's $(there).nii,masks/{structure}.nii,,,openkbp
four,it's $(there).nii,{structure}/mask.nii,,,openkbp
five,it's $(there).nii,none/{structure}.nii,,,openkbp
six,$HOME/a.nii,,,,openkbp
seven,[ab].nii,a.nii,,,openkbp
seven,a.nii,it's $(there).nii,,,mine
nine,missing scan.nii,,,,mine
ten,lonely.mhd,{folder}/masks/heart.nii.gz,,,mine
"""


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_help_prints_every_parameter_with_its_default_and_runs_nothing(place: Path, parser: str) -> None:
    done = run_well(place / f"help {parser}", "--help", parser=parser)
    for name, entry in PARAMETERS.items():
        (line,) = [line for line in done.messages if re.match(rf"  --{name} ", line)]
        assert entry["description"] in line
        default = entry.get("default")
        shown = str(default).lower() if isinstance(default, bool) else default
        assert line.endswith(f" [{shown}]") == (default is not None)
    assert "Submitted" not in done.output
    # Nextflow's strict parser hides the command line from the configuration before 25.10 (its issue 6363), and so
    # writes its reports all the same.
    assert parser == "v2" or not done.results.exists()


def test_all_faults_of_parameters_sheet_files_and_settings_are_printed_and_nothing_else(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly the sentences of `rprloc plan`, which looks the files up without Nextflow."""
    folder = place / "wrong sheet"
    (folder / "masks").mkdir(parents=True)
    (folder / "$HOME").mkdir()
    for name in ("masks/heart.nii.gz", "masks/Heart.nrrd", "masks/left lung.nii", "$HOME/a.nii", "a.nii", "[ab].nii"):
        (folder / name).touch()
    (folder / "it's $(there).nii").touch()
    (folder / "lonely.mhd").write_text("ElementDataFile = gone.raw\n")
    (folder / "my sheet.csv").write_text(SHEET.replace("{folder}", str(folder)))
    (folder / "mine.yml").write_text("starts: 5\nspacing: three\n")
    given = {
        "inputt": "x", "seed": "abc", "training": "dmo", "tables": "ja", "cohort_folder": "none",
        "weights": "no models", "cohort": "./mine.yml",
    }  # fmt: skip
    done = run(folder, "--input", "my sheet.csv", *(f"--{name}={value}" for name, value in given.items()), parser="v2")
    assert done.status == 1, done.output
    assert done.tasks() == {"NAMES": 1, "CHECK": 1}
    monkeypatch.chdir(folder)
    expected = list(read_plan(Path("my sheet.csv"), given, ROOT).faults)
    assert done.messages == expected
    assert expected[1].startswith("command line, parameter 'inputt': found '--inputt', expected a parameter of this")
    text = "\n".join(expected)
    assert {int(line) for line in re.findall(r"my sheet\.csv, line (\d+)", text)} == set(range(2, 12)) - {9}
    assert set(re.findall(r"parameter '(\w+)'", text)) == set(given) - {"cohort"}
    for words in ("what the shell would expand", "voxels in one file each", "one mask a structure", "mine.yml, line 2"):
        assert words in text


def test_defaults_in_the_configuration_are_those_of_the_schema() -> None:
    text = (ROOT / "nextflow.config").read_text()
    (block,) = re.findall(r"^params \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    found = dict(re.findall(r"^\s+(\w+) = (.+)$", block, re.MULTILINE))
    defaults = {name: entry.get("default") for name, entry in PARAMETERS.items()}
    assert {name: json.loads(value.replace("'", '"')) for name, value in found.items()} == defaults
