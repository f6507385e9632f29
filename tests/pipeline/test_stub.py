"""The wiring alone: stubs in place of the commands, four cohorts in one sheet, and what each task is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs import Run, run_well

SHEET = """subject,image,label,split,cohort,series
a,one.nii,,train,phantom
b,two.nii,,train,phantom
c,two.nii,two.nii.gz,validation,phantom
d,it's a (series),,test,phantom,Thorax $(1)
a,one.nii,,,free
b,masks/two.nii,masks,,free
c,a b.mhd,a.hdr,,free
a,one.nii,,,named
b,two.nii,more masks/it's (b) {structure}.nii.gz,,named
z,one.nii,,train,default
s0,two.nii,two.nii.gz,validation,default
s1,two.nii,two.nii.gz,validation,default
s2,two.nii,two.nii.gz,validation,default
s3,two.nii,two.nii.gz,validation,default
d,one.nii,,test,default
"""
METHODS = "regression,matched,student,ceiling,affine"


@pytest.fixture(scope="module")
def folder(place: Path) -> Path:
    """Cohorts `phantom` and `default` with splits; `free` and `named` without, with settings and masks of their own."""
    folder = place / "it's wired"
    folder.mkdir()
    for name in ("one.nii", "two.nii", "two.nii.gz"):
        (folder / name).touch()
    (folder / "a b.mhd").write_text("NDims = 3\nElementDataFile = ./it's (1).raw\n")
    for name in ("it's (1).raw", "a.hdr", "a.img.gz", "ab.img", "it's a (series)/1", "it's a (series)/deep/2"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "it's a (series)" / "round").symlink_to(folder)
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
    named = ["--input", folder / "samples.csv", "--cohort_folder", folder / "my [own] settings", "--cohort", "default"]
    return ["-profile", "test", *named, "--methods", METHODS, "--scans_per_task", "5"]


@pytest.fixture(scope="module")
def wired(folder: Path) -> Run:
    return run_well(folder / "run", *arguments(folder), "-stub", parser="v2")


def staged(done: Run, task: str, folder: str) -> set[str]:
    """Names of what a task was given in a folder."""
    return {path.name for path in (done.work(task) / folder).glob("*")}


def test_every_task_of_the_plan_is_run_and_no_other(wired: Run) -> None:
    plan = wired.plan()
    assert wired.tasks() == plan["tasks"] | {"NAMES": 1, "CHECK": 1}
    kinds = ("preprocess", "train", "teach", "localize", "register", "evaluate", "view")
    assert all(plan[kind] for kind in kinds)
    (shared,) = plan["together"]
    planned = {f"{kind.upper()} ({task['id']})" for kind in kinds for task in plan[kind]}
    planned -= {f"PREPROCESS ({scan})" for scan in shared["scans"]}
    planned |= {"PREPROCESS_TOGETHER (default.scans0)"}
    others = {"NAMES (sample sheet)", "CHECK (sample sheet)", "TABULATE", "REPORT (1)"}
    assert wired.names() == planned | others
    assert (wired.results / "report.html").exists()
    versions = (wired.results / "pipeline_info" / "rprloc_mqc_versions.yml").read_text()
    assert "CHECK:\n  rprloc: " in versions and versions.endswith("Workflow:\n  Nextflow: 25.04.3\n")


def test_every_task_is_given_the_scans_and_the_models_that_its_plan_names(wired: Run) -> None:
    plan = wired.plan()
    for kind in ("train", "teach", "localize", "register"):
        for task in plan[kind]:
            name = f"{kind.upper()} ({task['id']})"
            assert staged(wired, name, "scans") == set(task["scans"]) != set(), name
            models = {Path(model).name + ".safetensors" for model in task["models"]}
            assert staged(wired, name, "models") == models, name
    for task in plan["evaluate"]:
        name = f"EVALUATE ({task['id']})"
        assert staged(wired, name, "scans") == set(task["scans"]), name
        assert staged(wired, name, "predictions") == {Path(search).name + ".jsonl" for search in task["searches"]}, name
    for task in plan["view"]:
        name = f"VIEW ({task['id']})"
        assert staged(wired, name, "scans") == set(task["scans"]), name
        images = [file for scan in task["viewed"] for file in (scan["image"], *scan["voxels"])]
        given = {path.parent.name: path.name for path in (wired.work(name) / "images").glob("*/*")}
        assert given == {str(n): Path(file).name for n, file in enumerate(images, start=1)}, name
    assert staged(wired, "REPORT (1)", "scans") == set()
    assert staged(wired, "REPORT (1)", "manifests") == {f"{task['id']}.json" for task in plan["view"]}
    assert staged(wired, "TABULATE", "evaluated") == {task["id"] for task in plan["evaluate"]}
    curves = {f"{task['id'].replace('/', '.')}.jsonl" for kind in ("train", "teach") for task in plan[kind]}
    assert staged(wired, "TABULATE", "logs") == staged(wired, "REPORT (1)", "logs") == curves


def test_several_scans_share_a_task_which_is_given_all_their_files_in_order(wired: Run) -> None:
    (shared,) = wired.plan()["together"]
    assert shared["scans"] == [f"default@{name}" for name in ("z", "s0", "s1", "s2", "s3")]
    work = wired.work("PREPROCESS_TOGETHER (default.scans0)")
    images, labels = (
        {path.parent.name: path.name for path in (work / name).glob("*/*")} for name in ("images", "labels")
    )
    assert images == {"1": "one.nii"} | {str(number): "two.nii" for number in (2, 3, 4, 5)}
    assert labels == {str(number): "two.nii.gz" for number in (1, 2, 3, 4)}
    assert "PREPROCESS (default@d)" in wired.names()


def test_what_is_taught_waits_for_the_position_map_and_is_given_the_supports(wired: Run) -> None:
    assert staged(wired, "TEACH (phantom/student)", "models") == {"position_map.safetensors"}
    assert staged(wired, "TEACH (phantom/student)", "scans") == {"phantom@a", "phantom@b", "phantom@c"}
    assert staged(wired, "TRAIN (phantom/position_map)", "models") == set()
    # No training scan of `phantom` has a label, which is one of the plan's warnings.
    assert "TEACH (free/ceiling)" in wired.names()
    assert "TEACH (phantom/ceiling)" not in wired.names()
    models = {path.stem for path in (wired.results / "models" / "phantom").iterdir()}
    assert models == {"coarse", "fine", "position_map", "student"}


def test_supports_are_searched_from_each_other_by_a_task_of_their_own(wired: Run) -> None:
    """Of the method that says how sure it is, and of the cohort that has enough supports, alone."""
    found = {name for name in wired.names() if "batchsupports" in name and not name.startswith("VIEW")}
    assert found == {"LOCALIZE (default/matched.batchsupports)"}
    assert staged(wired, found.pop(), "scans") == {f"default@s{i}" for i in range(4)}


def test_a_label_of_one_mask_a_structure_is_all_of_a_folder_or_what_pattern_and_settings_name(wired: Run) -> None:
    assert staged(wired, "PREPROCESS (phantom@c)", "label") == {"two.nii.gz"}
    assert staged(wired, "PREPROCESS (free@a)", "label") == set()
    assert staged(wired, "PREPROCESS (free@b)", "label") == {"spleen.nii.gz", "heart.NRRD"}
    assert staged(wired, "PREPROCESS (named@b)", "label") == {"it's (b) heart.nii.gz", "it's (b) lung.nii.gz"}


def test_a_series_is_one_folder_and_a_header_goes_with_its_voxels(wired: Run) -> None:
    assert staged(wired, "PREPROCESS (phantom@a)", "image") == {"one.nii"}
    assert staged(wired, "PREPROCESS (phantom@d)", "image") == {"it's a (series)"}
    assert staged(wired, "PREPROCESS (free@c)", "image") == {"a b.mhd", "it's (1).raw"}
    assert staged(wired, "PREPROCESS (free@c)", "label") == {"a.hdr", "a.img.gz"}
    given = {task["id"]: task for task in wired.plan()["preprocess"]}
    assert given["phantom@d"]["series"] == "Thorax $(1)" and given["free@c"]["voxels"] == ["it's (1).raw"]


@pytest.mark.parametrize("parser", ["v1", "v2"])
def test_preview(folder: Path, parser: str) -> None:
    done = run_well(folder / f"preview {parser}", *arguments(folder), "-preview", parser=parser)
    assert len(done.messages) == 1
    assert "PREVIEW" in done.messages[0]
    assert "Submitted" not in done.output
