"""Methods beside the paper's, in one run: what is trained, what answers, and what the results folder tells of it.

A method for each way through the pipeline; tests/methods has them all. The query is a series of DICOM, obliquely taken,
and one of the supports an archive of one, so that the same run has every kind of export.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk
from matplotlib.path import Path as Polygon
from scipy.spatial import cKDTree

from rprloc.importers.phantom import write_phantom
from tests.exports.markups import faults_of
from tests.pipeline.conftest import write_settings
from tests.runs import PROFILE, Run, run_well
from tests.scans.dicom.made import SECRETS, write_series

OTHERS = ["position_map", "matched", "student", "grey_ncc", "affine"]
SHEET = """subject,image,label,split
a,images/test_01.nii.gz,labels/test_01.nii.gz,train
b,images/test_02.nii.gz,labels/test_02.nii.gz,train
d,images/validation_01.nii.gz,labels/validation_01.nii.gz,validation
e,e series.zip,labels/test_04.nii.gz,validation
f,f series,labels/validation_02.nrrd,test
"""
EXPORTS = "slicer,masks,csv,crops,rtstruct,dicomseg"


@pytest.fixture(scope="module")
def phantom_folder(place: Path) -> Path:
    """The scans, which have a label to train from."""
    return write_phantom(place / "labelled cohort", n_train=0, n_test=4).parent


@pytest.fixture(scope="module")
def others(place: Path, phantom_folder: Path) -> Run:
    """The run."""
    sheet = phantom_folder / "samples.csv"
    sheet.write_text(SHEET)
    images = sheet.parent / "images"
    write_series(sheet.parent / "f series", sitk.ReadImage(images / "validation_02.nrrd"))
    write_series(sheet.parent / "packed" / "Zweistein", sitk.ReadImage(images / "test_04.nii.gz"), series="e")
    shutil.make_archive(str(sheet.parent / "e series"), "zip", sheet.parent / "packed")
    named = ("--input", sheet, "--cohort_folder", write_settings(sheet.parent), "--methods", ",".join(OTHERS))
    asked = ("--registration_supports", "1", "--exports", EXPORTS)
    return run_well(place / "other methods", *PROFILE, *named, *asked, parser="v2")


def test_only_what_the_methods_need_is_trained_and_each_family_is_a_task(others: Run) -> None:
    assert others.tasks() == {
        "NAMES": 1, "CHECK": 1, "PREPROCESS": 5, "TRAIN": 1, "TEACH": 1, "LOCALIZE": 4, "REGISTER": 1,
        "EVALUATE": 1, "VIEW": 2, "EXPORT": 1, "TABULATE": 1, "REPORT": 1,
    }  # fmt: skip
    models = {path.stem for path in (others.results / "models" / "phantom").iterdir()}
    assert models == {"position_map", "student"}


def test_every_method_answers_for_every_structure_and_support(others: Run) -> None:
    metrics = pd.read_csv(others.results / "metrics.csv")
    assert not metrics.duplicated(["subject", "structure", "method", "setting", "support"]).any()
    supports = {method: set(found) for method, found in metrics.groupby("method")["support"]}
    assert sorted(supports) == sorted(OTHERS)
    assert supports.pop("affine") == set(metrics.support[metrics.drawn & (metrics.method == "matched")])
    assert supports.pop("student") == {"-"}
    assert all(found == {"d", "e", "*"} for found in supports.values())
    assert (metrics.groupby(["method", "support"])["structure"].nunique() == 3).all()


def test_what_only_copies_its_support_finds_the_structures(others: Run) -> None:
    metrics = pd.read_csv(others.results / "metrics.csv")
    found = metrics[metrics["method"].isin(["grey_ncc", "affine"])]
    assert not found[found["method"] == "affine"]["failed"].any()
    assert set(found["reason"].dropna()) <= {"lost"}
    assert found.groupby("method")["iou"].mean().min() > 0.4
    assert found[found["method"] == "affine"]["iou"].min() > 0.6


def test_what_supports_teach_learns_after_the_position_map_and_finds_something(others: Run) -> None:
    metrics = pd.read_csv(others.results / "metrics.csv")
    found = metrics[metrics["method"] == "student"]
    assert len(found) == 3 and set(found["reason"].dropna()) <= {"lost"}
    assert set(found["n_supports"]) == {0}
    # What the student was told comes from both supports; a scan that is none has no say.
    log = (others.results / "logs" / "phantom.student.log").read_text(encoding="utf-8")
    assert "landmarks of 2 supports carried to 2 of 2 training scans" in log


def test_the_tables_name_every_method_and_the_report_shows_figure_4(others: Run) -> None:
    tables = others.results / "tables"
    for name in ("table3.md", "table3.csv", "table3_seconds.csv", "summary.md"):
        text = (tables / name).read_text(encoding="utf-8")
        assert all(method in text for method in OTHERS), name
    figures = {path.name for path in (others.results / "figures" / "phantom").glob("_methods~*.png")}
    assert figures == {f"_methods~{name}.png" for name in ("heart", "kidney_left", "kidney_right")}


def exported(others: Run, kind: str, ending: str) -> Path:
    """The query's file of a kind of export."""
    return others.results / "exports" / kind / "phantom" / f"f{ending}"


@pytest.fixture(scope="module")
def drawn(others: Run) -> dict[str, np.ndarray]:
    """Where the voxels of each outline lie, LPS mm, by the label image that nibabel reads."""
    image = nibabel.load(exported(others, "masks", ".nii.gz"))
    lines = exported(others, "masks", ".ctbl").read_text(encoding="utf-8").splitlines()
    values = {name: int(value) for value, name, *_ in (line.split() for line in lines[2:])}
    found = {}
    for name, value in values.items():
        places = nibabel.affines.apply_affine(image.affine, np.argwhere(np.asarray(image.dataobj) == value))
        found[name] = places * [-1, -1, 1]
    assert all(len(places) > 20 for places in found.values())
    return found


def test_the_segmentation_of_a_dicom_query_lies_where_the_label_image_does(
    others: Run, drawn: dict[str, np.ndarray]
) -> None:
    seg = highdicom.seg.segread(exported(others, "dicomseg", ".dcm"))
    names = {seg.get_segment_description(number).segment_label: number for number in seg.segment_numbers}
    assert names.keys() == drawn.keys()
    for name, places in drawn.items():
        volume = seg.get_volume(segment_numbers=[names[name]])
        found = volume.map_indices_to_reference(np.argwhere(np.asarray(volume.array)[..., 0]))
        assert len(found) == len(places) and cKDTree(places).query(found)[0].max() < 0.02


def test_the_structure_set_of_a_dicom_query_surrounds_the_same_voxels_and_refers_to_its_slices(
    others: Run, phantom_folder: Path, drawn: dict[str, np.ndarray]
) -> None:
    slices = {str(one.SOPInstanceUID): one for one in map(pydicom.dcmread, (phantom_folder / "f series").iterdir())}
    content = pydicom.dcmread(exported(others, "rtstruct", ".dcm"))
    assert content.FrameOfReferenceUID == next(iter(slices.values())).FrameOfReferenceUID
    names = [str(about.ROIName) for about in content.StructureSetROISequence]
    assert sorted(names) == sorted(drawn)
    for name, roi in zip(names, content.ROIContourSequence, strict=True):
        count = 0
        for contour in roi.ContourSequence:
            one = slices[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            along = np.reshape(np.array(one.ImageOrientationPatient, dtype=float), (2, 3))
            corner = np.array(one.ImagePositionPatient, dtype=float)
            points = np.reshape(np.array(contour.ContourData, dtype=float), (-1, 3)) - corner
            assert np.abs(points @ np.cross(*along)).max() < 0.01
            places = drawn[name] - corner
            own = places[np.abs(places @ np.cross(*along)) < 0.05] @ along.T
            count += Polygon(points @ along.T).contains_points(own).sum()
        assert count == len(drawn[name])


def test_crops_boxes_and_markups_of_a_dicom_query_fit_its_outlines(others: Run, drawn: dict[str, np.ndarray]) -> None:
    table = pd.read_csv(exported(others, "csv", ".csv")).set_index("structure")
    for name, places in drawn.items():
        row = table.loc[name]
        low, high = (row[[f"{axis}_{end}_lps_mm" for axis in "xyz"]].to_numpy(float) for end in ("min", "max"))
        # Extreme points and outline are carried each by themselves.
        assert (np.abs(places.min(axis=0) - low) < 8).all() and (np.abs(places.max(axis=0) - high) < 8).all()
        files = [exported(others, "slicer", f"/{name}.{kind}.mrk.json") for kind in ("roi", "points")]
        roi, points = (json.loads(path.read_text(encoding="utf-8")) for path in files)
        assert faults_of(roi) == faults_of(points) == []
        np.testing.assert_allclose(roi["markups"][0]["center"], (low + high) / 2, atol=1e-4)
        assert len(points["markups"][0]["controlPoints"]) == 6
        crop = nibabel.load(exported(others, "crops", f"/{name}.nii.gz"))
        inside = nibabel.affines.apply_affine(np.linalg.inv(crop.affine), places * [-1, -1, 1])
        assert (inside > -0.5).all() and (inside < np.array(crop.shape) - 0.5).all()


def test_nothing_of_the_patient_is_left_by_a_run(others: Run) -> None:
    """Neither in what it leaves nor in the work folders of its tasks, which link to what they were given."""
    words = [value.encode() for value in SECRETS.values()] + [b"Zweistein"]
    files = [path for path in others.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 100
    assert [path for path in files if any(word in path.read_bytes() for word in words)] == []
