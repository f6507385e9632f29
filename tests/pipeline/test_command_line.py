"""What a user reads: the help, and a sentence for each fault before anything is computed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.runs import ROOT, run, run_well


def refused(folder: Path, *arguments: object) -> list[str]:
    """The messages of a run that ends before it has computed anything."""
    done = run(folder, *arguments)
    assert done.status == 1, done.output
    assert not set(done.tasks()) - {"CHECK"}, done.output
    for noise in ("Error executing process", "Caused by", "Exception", "Traceback", "WARN", "ERROR", " -- "):
        assert noise not in done.output
    assert len(set(done.messages)) == len(done.messages)
    return done.messages


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_help_prints_every_parameter_with_its_default_and_runs_nothing(place: Path, parser: str) -> None:
    done = run_well(place / f"help {parser}", "--help", parser=parser)
    groups = json.loads((ROOT / "nextflow_schema.json").read_text())["$defs"].values()
    for name, entry in [item for group in groups for item in group["properties"].items()]:
        (line,) = [line for line in done.messages if re.match(rf"  --{name} ", line)]
        assert entry["description"] in line
        default = entry.get("default")
        shown = str(default).lower() if isinstance(default, bool) else default
        assert line.endswith(f" [{shown}]") == (default is not None)
    assert "Submitted" not in done.output
    # Nextflow's strict parser hides the command line from the configuration before 25.10 (its issue 6363), and so
    # writes its reports all the same.
    assert parser == "v2" or not done.results.exists()


def test_faulty_parameters_are_all_named_with_the_nearest_known_name(place: Path) -> None:
    messages = refused(place / "wrong words", "--inputt", "x", "--seed", "abc", "--training", "dmo", "--tables", "ja")
    expected = [
        "'inputt': found '--inputt', expected a parameter of this pipeline (did you mean 'input'?).",
        "'tables': found 'ja', expected true or false.",
        "'training': found 'dmo', expected demo, quick, standard or paper (did you mean 'demo'?).",
        "'seed': found 'abc', expected a whole number from 0 to 4294967295.",
        "'input': found nothing, expected --input FILE, the sample sheet (CSV): "
        "columns subject, image and, each optional, label, split, cohort.",
    ]
    assert messages == [f"command line, parameter {sentence}" for sentence in expected]


def test_a_sheet_and_a_folder_that_do_not_exist(place: Path) -> None:
    messages = refused(
        place / "wrong places", "--input", "no where.csv", "--cohort_folder", "none", "--weights", "no models"
    )
    assert messages == [
        "command line, parameter 'cohort_folder': found 'none', expected a folder that exists.",
        "command line, parameter 'weights': found 'no models', expected a folder that exists, head-neck-ct, "
        "head-neck-ct-paper or none.",
        "no where.csv: found 'No such file or directory', expected a sample sheet that can be read.",
    ]


def test_all_faults_of_a_sheet_are_printed_with_line_and_column(place: Path) -> None:
    folder = place / "wrong sheet"
    folder.mkdir()
    (folder / "it's $(there).nii").touch()
    (folder / "masks").mkdir()
    (folder / "$HOME").mkdir()
    for name in ("masks/heart.nii.gz", "masks/Heart.nrrd", "masks/left lung.nii", "$HOME/a.nii", "a.nii", "[ab].nii"):
        (folder / name).touch()
    (folder / "my sheet.csv").write_text(
        "subject,image,labl,split\n"
        "one,it's $(there).nii,,train\n"
        "two,it's $(there).nii,,tset\n"
        "two,missing scan.nii,,validation\n"
    )
    (folder / "masks.csv").write_text(
        "subject,image,label,cohort\n"
        "one,it's $(there).nii,masks,default\n"
        "two,it's $(there).nii,masks/{structure}.mha,default\n"
        "three,it's $(there).nii,masks/{structure}.nii,openkbp\n"
        "four,it's $(there).nii,{structure}/mask.nii,openkbp\n"
        "five,it's $(there).nii,none/{structure}.nii,openkbp\n"
        "six,$HOME/a.nii,,openkbp\n"
        "seven,[ab].nii,a.nii,openkbp\n"
        "eight,a.nii,it's $(there).nii,mine\n"
        "nine,a.nii,,mine\n"
        "ten,masks,,mine\n"
    )
    messages = refused(folder, "--input", "my sheet.csv")
    expected = [
        "1, column 'labl': found 'labl', expected one of the columns subject, image, label, split or cohort "
        "(did you mean 'label'?).",
        "3, column 'split': found 'tset', expected train, validation or test (did you mean 'test'?).",
        "4, column 'subject': found 'two', expected a subject that line 3 does not have (case does not count).",
        "4, column 'image': found 'missing scan.nii', expected a file that exists.",
    ]
    assert messages == [f"my sheet.csv, line {sentence}" for sentence in expected]
    named = "a file that exists, or a folder or pattern with a mask of"
    organs = "brainstem or mandible or parotid_left or parotid_right, named after it"
    expected = [
        "2, column 'label': found 'Heart.nrrd and heart.nii.gz', expected one mask a structure (case does not count).",
        "2, column 'label': found 'left lung.nii', expected a mask whose structure has 1 to 64 of the characters "
        "A-Z a-z 0-9 . _ - as its name.",
        f"3, column 'label': found 'masks/{{structure}}.mha', expected {named} any structure, named after it.",
        f"4, column 'label': found 'masks/{{structure}}.nii', expected {named} {organs}.",
        "5, column 'label': found '{structure}/mask.nii', expected {structure} once, in the file's name and not in a "
        "folder's.",
        "5, column 'label': found '{structure}/mask.nii', expected a file that exists.",
        f"6, column 'label': found 'none/{{structure}}.nii', expected {named} {organs}.",
        *(
            f"{line}, column 'image': found '{path}', expected a path without what the shell would expand: tab, $NAME, "
            "{a,b}, or * ? [ ] that fit other files."
            for line, path in ((7, "$HOME/a.nii"), (8, "[ab].nii"))
        ),
        "11, column 'image': found 'masks', expected a file and not a folder (DICOM has to be converted first).",
    ]
    (folder / "mine.yml").write_text("starts: 5\nspacing: three\n")
    messages = refused(folder, "--input", "masks.csv", "--cohort", "./mine.yml")
    # The faults of each file stand together, by line.
    assert messages == [
        *(f"masks.csv, line {sentence}" for sentence in expected),
        "./mine.yml, line 2, key 'spacing': found 'three', expected three numbers z, y, x in mm, each from 0.1 to 50.",
    ]


def test_defaults_in_the_configuration_are_those_of_the_schema() -> None:
    text = (ROOT / "nextflow.config").read_text()
    (block,) = re.findall(r"^params \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    found = dict(re.findall(r"^\s+(\w+) = (.+)$", block, re.MULTILINE))
    groups = json.loads((ROOT / "nextflow_schema.json").read_text())["$defs"].values()
    schema = {name: entry.get("default") for group in groups for name, entry in group["properties"].items()}
    assert {name: json.loads(value.replace("'", '"')) for name, value in found.items()} == schema
