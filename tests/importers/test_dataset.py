"""What every importer does: files, the sheet, splits, going on after a stop and past broken patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

from rprloc.cli import command
from rprloc.cohort.settings import load_settings
from rprloc.cohort.sheet import Row, parse_sheet
from rprloc.errors import InputError
from rprloc.importers import openkbp, pancreas_ct, pddca, structseg
from rprloc.importers.dataset import Dataset, Imported, ImportedScan, Patient, import_dataset, splits_of
from tests.scans.images import image_of, write

ROOT = Path(__file__).parents[2]
DATASETS = {"openkbp": openkbp, "pddca": pddca, "structseg": structseg, "pancreas-ct": pancreas_ct}
ORGANS = {"ear_left": 1, "ear_right": 2, "nose": 3}


def scan(values: Iterable[int] = (1, 2, 3)) -> ImportedScan:
    """Return a scan with each organ at its own place: the left ear at larger x than the right one."""
    image = np.full((3, 4, 9), 40, dtype=np.int16)
    image[0, 0] = -1000
    label = np.zeros(image.shape, dtype=np.uint8)
    for value in values:
        label[1, 1, 8 - 3 * (value - 1)] = value
    made = image_of(image), image_of(label)
    return ImportedScan(made[0], made[1] if label.any() else None)


def broken() -> ImportedScan:
    raise InputError("b.nii: found nothing, expected a scan.")


def dataset(*patients: Patient) -> Dataset:
    return Dataset(
        cohort="c", structures=ORGANS, wanted=("nose",), find=lambda _: list(patients), proportions=(2, 1, 1)
    )


def run(folder: Path, *patients: Patient, split: bool = True) -> tuple[Imported, list[str]]:
    said: list[str] = []
    return import_dataset(dataset(*patients), folder, folder, split=split, seed=1, say=said.append), said


def rows_of(sheet: Path) -> tuple[Row, ...]:
    """Return the rows of a sheet that a run takes."""
    read = parse_sheet(sheet.read_bytes())
    assert not read.faults
    return read.rows


def test_a_broken_patient_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    patients = [
        Patient("a", scan),
        Patient("b", broken),
        Patient("c", lambda: scan([1])),
        Patient("d", lambda: scan([])),
    ]
    done, said = run(tmp_path, *patients, split=False)
    assert said == [
        "[1/4] a: written; ear_left, ear_right, nose",
        "[2/4] b: left out. b.nii: found nothing, expected a scan.",
        "[3/4] c: written; ear_left",
        "[4/4] d: written; no structure",
    ]
    assert done.sheet.read_text() == (
        "subject,image,label\n"
        "a,images/a.nii.gz,labels/a.nii.gz\n"
        "c,images/c.nii.gz,labels/c.nii.gz\n"
        "d,images/d.nii.gz,\n"
    )
    np.testing.assert_array_equal(
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "labels" / "a.nii.gz"))),
        sitk.GetArrayFromImage(scan().label),
    )
    uses = [(row.train, row.support, row.query) for row in rows_of(done.sheet)]
    assert uses == [(True, True, True)] * 2 + [(True, False, True)]
    assert all((tmp_path / row.image).is_file() for row in rows_of(done.sheet))
    summary = done.summary(dataset()).splitlines()
    assert summary[0] == f"{done.sheet}: 3 scans, without splits: every scan is for everything"
    assert summary[1] == "Left out: b: b.nii: found nothing, expected a scan."
    assert summary[-1].endswith(f"--input '{done.sheet}' --cohort c")


def test_a_stopped_import_goes_on(tmp_path: Path) -> None:
    def stopped() -> ImportedScan:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Patient("a", scan), Patient("b", stopped))
    assert not (tmp_path / "samples.csv").exists()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nii.gz")}
    done, said = run(tmp_path, Patient("a", broken), Patient("b", scan), split=False)
    assert said == ["[1/2] a: kept; ear_left, ear_right, nose", "[2/2] b: written; ear_left, ear_right, nose"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert [row.subject for row in rows_of(done.sheet)] == ["a", "b"]
    assert not list(tmp_path.rglob(".part-*"))


def test_two_data_sets_of_a_cohort_are_put_together_in_one_folder(tmp_path: Path) -> None:
    run(tmp_path, Patient("b", scan), Patient("c", scan), Patient("d", scan))
    # What a killed import leaves behind.
    (tmp_path / "images" / ".part-x.nii.gz").touch()
    done, _ = run(tmp_path, Patient("a", lambda: scan([])))
    assert {row.subject: row.split for row in rows_of(done.sheet)} == done.splits
    assert list(done.splits) == ["a", "b", "c", "d"]
    assert done.splits["a"] == "train"


def test_nothing_to_import_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no patient that can be used, expected at least one of 1"):
        run(tmp_path, Patient("b", broken))


def test_a_label_of_a_mirrored_scan_is_remarked_on(tmp_path: Path) -> None:
    mirrored = scan()
    assert mirrored.label is not None
    for image in (mirrored.image, mirrored.label):
        image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    _, said = run(tmp_path, Patient("a", lambda: mirrored))
    assert said == [
        "[1/1] a: written; ear_left, ear_right, nose Look at it: ear_left lies to the patient's right of ear_right, "
        "as in a mirrored scan or with exchanged names."
    ]


def test_splits_have_the_papers_proportions_among_scans_that_can_be_measured() -> None:
    drawn = {f"s{i:03d}": frozenset(ORGANS if i % 3 else ["ear_left"]) for i in range(160)}
    splits = splits_of(drawn, dataset(), seed=1)
    assert Counter(splits.values()) == {"train": 80, "validation": 40, "test": 40}
    assert all("nose" in drawn[subject] for subject, split in splits.items() if split != "train")
    assert splits_of(drawn, dataset(), seed=1) == splits != splits_of(drawn, dataset(), seed=2)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(2, {}), (3, {"train": 1, "validation": 1, "test": 1}), (4, {"train": 2, "validation": 1, "test": 1})],
)
def test_few_scans_have_a_split_that_a_run_accepts_or_none(count: int, expected: dict[str, int]) -> None:
    drawn = {f"s{i}": frozenset(ORGANS) for i in range(count)}
    assert Counter(splits_of(drawn, dataset(), seed=1).values()) == expected


def test_many_wanted_scans_without_any_complete_one_are_not_split() -> None:
    assert splits_of({f"s{i}": frozenset() for i in range(9)}, dataset(), seed=1) == {}


def test_the_published_split_is_taken_where_it_is_whole() -> None:
    drawn = {f"pancreas_{i:04d}": frozenset({"pancreas"}) for i in (1, 50, 51, 61, 62, 82)}
    splits = splits_of(drawn, pancreas_ct.DATASET, seed=1)
    assert list(splits.values()) == ["train", "train", "validation", "validation", "test", "test"]
    assert splits_of({"pancreas_0001": frozenset({"pancreas"})}, pancreas_ct.DATASET, seed=1) == {}
    more = drawn | {"mine": frozenset({"pancreas"})}
    assert Counter(splits_of(more, pancreas_ct.DATASET, seed=1).values()) == {"train": 4, "validation": 1, "test": 2}


@pytest.mark.parametrize("name", DATASETS)
def test_the_settings_named_at_the_end_fit_the_labels(name: str) -> None:
    found = DATASETS[name].DATASET
    settings, _ = load_settings(ROOT / "assets" / "cohorts" / f"{found.cohort}.yml", name=found.cohort)
    assert settings is not None and settings.structures is not None
    assert settings.structures == {structure: found.structures[structure] for structure in found.wanted}


def test_the_command_line_imports_by_the_data_sets_name(tmp_path: Path) -> None:
    made = scan()
    assert made.label is not None
    for number in ("1", "2"):
        write(made.image, tmp_path / "HaN_OAR" / number / "data.nii.gz")
        write(made.label, tmp_path / "HaN_OAR" / number / "label.nii.gz")
    arguments = ["import", "structseg", str(tmp_path / "HaN_OAR"), str(tmp_path / "my cohort"), "--no-split"]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0] == "[1/2] structseg_01: written; brainstem, eye_left, eye_right"
    assert [row.subject for row in rows_of(tmp_path / "my cohort" / "samples.csv")] == [
        "structseg_01",
        "structseg_02",
    ]
    assert set(DATASETS) <= set(CliRunner().invoke(command, ["import", "--help"]).output.split())
