"""The wiring alone, under both parsers of Nextflow: stubs in place of the commands, two cohorts in one sheet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs import Run, run_well

SHEET = """subject,image,label,split,cohort
a,one.nii,,train,phantom
b,two.nii,,train,phantom
c,two.nii,two.nii.gz,validation,phantom
d,two.nii,,test,phantom
a,one.nii,,,free
b,masks/two.nii,masks,,free
c,one.nii,,,free
a,one.nii,,,named
b,two.nii,more masks/it's (b) {structure}.nii.gz,,named
"""


@pytest.fixture(scope="module")
def folder(place: Path) -> Path:
    """Cohort `phantom` with splits; `free` and `named` without, with settings and masks of their own."""
    folder = place / "it's wired"
    folder.mkdir()
    for name in ("one.nii", "two.nii", "two.nii.gz"):
        (folder / name).touch()
    (folder / "samples.csv").write_text(SHEET)
    (folder / "my [own] settings").mkdir()
    (folder / "my [own] settings" / "free.yml").write_text("r: {coarse: 77}\n")
    (folder / "my [own] settings" / "named.yml").write_text("structures: {heart: 1, liver: 2, lung: 3}\n")
    # The scan itself, a folder, a hidden file and one that is no image are no masks.
    for name in ("two.nii", "spleen.nii.gz", "heart.NRRD", "a.folder.nii/x", "._heart.nii.gz", "notes.txt"):
        (folder / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "masks" / name).touch()
    (folder / "more masks").mkdir()
    for name in ("it's (b) heart", "it's (b) lung", "it's (b) kidney", "it's (c) liver", "heart"):
        (folder / "more masks" / f"{name}.nii.gz").touch()
    return folder


def arguments(folder: Path) -> list[object]:
    return ["-profile", "test", "--input", folder / "samples.csv", "--cohort_folder", folder / "my [own] settings"]


def staged(done: Run, task: str, folder: str) -> set[str]:
    """Names of what a task was given in a folder."""
    return {path.name for path in (done.work(task) / folder).glob("*")}


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_stub_run(folder: Path, parser: str) -> None:
    done = run_well(folder / parser, *arguments(folder), "-stub", parser=parser)
    assert done.tasks() == {
        "CHECK": 1, "PREPROCESS": 9, "TRAIN": 6, "LOCALIZE": 4, "EVALUATE": 3, "TABULATE": 1, "REPORT": 1,
    }  # fmt: skip
    assert (done.results / "report.html").exists()
    # With splits: train trains, validation measures it and is the support, test is searched.
    assert staged(done, "TRAIN (phantom coarse)", "scans") == {"phantom@a", "phantom@b"}
    assert staged(done, "TRAIN (phantom coarse)", "validation") == {"phantom@c"}
    assert staged(done, "LOCALIZE (phantom regression batch 0)", "supports") == {"phantom@c"}
    assert staged(done, "LOCALIZE (phantom regression batch 0)", "queries") == {"phantom@d"}
    assert staged(done, "LOCALIZE (phantom regression batch 0)", "models") == {"coarse.safetensors", "fine.safetensors"}
    # Without: every scan trains and is searched, the one with a label is the support.
    assert staged(done, "TRAIN (free fine)", "scans") == {"free@a", "free@b", "free@c"}
    assert staged(done, "LOCALIZE (free regression batch 0)", "supports") == {"free@b"}
    queries = [staged(done, f"LOCALIZE (free regression batch {number})", "queries") for number in (0, 1)]
    assert queries == [{"free@a", "free@b"}, {"free@c"}]
    # A label of one mask a structure: all of the folder, or those that the pattern and the settings name.
    assert staged(done, "PREPROCESS (phantom c)", "label") == {"two.nii.gz"}
    assert staged(done, "PREPROCESS (free a)", "label") == set()
    assert staged(done, "PREPROCESS (free b)", "label") == {"spleen.nii.gz", "heart.NRRD"}
    assert staged(done, "PREPROCESS (named b)", "label") == {"it's (b) heart.nii.gz", "it's (b) lung.nii.gz"}


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_what_is_taught_waits_for_the_position_map_and_is_given_the_supports(folder: Path, parser: str) -> None:
    asked = (*arguments(folder), "--methods", "student,ceiling")
    done = run_well(folder / f"taught {parser}", *asked, "-stub", parser=parser)
    # No training scan of `phantom` has a label.
    assert done.tasks() == {
        "CHECK": 1, "PREPROCESS": 9, "TRAIN": 3, "TEACH": 5, "LOCALIZE": 7, "EVALUATE": 3, "TABULATE": 1, "REPORT": 1,
    }  # fmt: skip
    task = "TEACH (phantom student)"
    assert staged(done, task, "models") == {"position_map.safetensors"}
    assert staged(done, task, "scans") == {"phantom@a", "phantom@b"}
    assert staged(done, task, "validation") == staged(done, task, "supports") == {"phantom@c"}
    assert staged(done, "TRAIN (phantom position_map)", "models") == set()
    assert staged(done, "TRAIN (phantom position_map)", "supports") == set()
    assert staged(done, "TEACH (free ceiling)", "scans") == {"free@a", "free@b", "free@c"}
    assert staged(done, "TEACH (free ceiling)", "supports") == {"free@b"}
    # They answer from no support.
    task = "LOCALIZE (free ceiling batch 1)"
    assert staged(done, task, "models") == {"ceiling.safetensors", "position_map.safetensors"}
    assert staged(done, task, "supports") == set() and staged(done, task, "queries") == {"free@c"}
    models = {path.name for path in (done.results / "models" / "phantom").iterdir()}
    assert models == {"position_map.safetensors", "student.safetensors"}


def test_supports_are_searched_from_each_other_by_a_task_of_their_own(folder: Path) -> None:
    supports = "".join(f"s{i},two.nii,two.nii.gz,validation,phantom\n" for i in range(4))
    sheet = f"subject,image,label,split,cohort\n{supports}d,one.nii,,test,phantom\n"
    (folder / "four.csv").write_text(sheet + "a,one.nii,two.nii.gz,validation,default\nb,one.nii,,test,default\n")
    named = ("-profile", "test", "--input", folder / "four.csv", "--methods", "matched,affine", "--weights", "none")
    done = run_well(folder / "calibrated", *named, "-stub", parser="v2")
    # Of the method that says how sure it is, and of the cohort that has enough supports, alone.
    assert done.tasks() == {
        "CHECK": 1, "PREPROCESS": 7, "LOCALIZE": 3, "REGISTER": 2, "EVALUATE": 2, "TABULATE": 1, "REPORT": 1,
    }  # fmt: skip
    names = {f"phantom@s{i}" for i in range(4)}
    task = "LOCALIZE (phantom matched batch supports)"
    assert staged(done, task, "supports") == staged(done, task, "queries") == names
    assert staged(done, "EVALUATE (phantom)", "predictions") == {
        "matched.batch0.jsonl", "matched.batchsupports.jsonl", "registration.batch0.jsonl",
    }  # fmt: skip


def test_preview(folder: Path) -> None:
    done = run_well(folder / "preview", *arguments(folder), "-preview", parser="v2")
    assert len(done.messages) == 1
    assert "PREVIEW" in done.messages[0]
    assert "Submitted" not in done.output
