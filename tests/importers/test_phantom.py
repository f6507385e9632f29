"""The phantom cohort: known landmarks, many geometries, one scan by seed and name."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.cohort.settings import load_settings
from rprloc.geometry import WALLS
from rprloc.importers.phantom import STRUCTURES, draw_patient, landmarks_of, subject_random, write_phantom

SETTINGS = Path(__file__).parents[2] / "assets" / "cohorts" / "phantom.yml"


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("phantom"), seed=5, n_train=3, n_validation=2, n_test=1)


def rows_of(sheet: Path) -> list[dict[str, str]]:
    with sheet.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_landmarks_are_those_of_the_label(sheet: Path) -> None:
    """The box of the mask's voxels, edges included, is the exact box but for the size of a voxel."""
    landmarks = json.loads((sheet.parent / "landmarks.json").read_text())
    labelled = [row for row in rows_of(sheet) if row["label"]]
    assert len(labelled) == 3
    for row in labelled:
        label = sitk.ReadImage(str(sheet.parent / row["label"]))
        voxels = sitk.GetArrayFromImage(label)
        turn = np.array(label.GetDirection()).reshape(3, 3)
        half = np.abs(turn) @ np.array(label.GetSpacing()) / 2
        for value, name in enumerate(STRUCTURES, start=1):
            index = np.argwhere(voxels == value)[:, ::-1]
            world = np.array(label.GetOrigin()) + index * np.array(label.GetSpacing()) @ turn.T
            box = np.array([world.min(axis=0) - half, world.max(axis=0) + half])
            known = landmarks[row["subject"]][name]
            np.testing.assert_allclose(box, known["box_mm"], atol=2.5)
            for number, wall in enumerate(WALLS):
                point = np.array(known["extreme_mm"][wall])
                assert point[number // 2] == pytest.approx(known["box_mm"][number % 2][number // 2])
                # The exact extreme point is a point of the organ: some voxel of it is near.
                assert np.linalg.norm(world - point, axis=1).min() < 1.5 * np.linalg.norm(half)


def test_image_and_label_share_a_grid_of_hounsfield_units(sheet: Path) -> None:
    for row in rows_of(sheet):
        image = sitk.ReadImage(str(sheet.parent / row["image"]))
        values = sitk.GetArrayFromImage(image)
        assert image.GetPixelID() == sitk.sitkInt16
        assert values.min() == -1000
        assert values[tuple(n // 2 for n in values.shape)] > -200
        assert bool(row["label"]) == (row["split"] != "train")
        if row["label"]:
            label = sitk.ReadImage(str(sheet.parent / row["label"]))
            assert label.GetSize() == image.GetSize()
            np.testing.assert_allclose(label.GetOrigin(), image.GetOrigin(), atol=1e-4)
            np.testing.assert_allclose(label.GetDirection(), image.GetDirection(), atol=1e-6)


def test_cohort_has_many_formats_and_orientations(sheet: Path) -> None:
    assert {"".join(Path(row["image"]).suffixes) for row in rows_of(sheet)} == {".nii.gz", ".mha", ".nrrd"}
    directions = {tuple(draw_patient(subject_random(1, f"train_{n:02d}")).direction.ravel()) for n in range(12)}
    assert len(directions) >= 4
    for direction in directions:
        assert abs(np.linalg.det(np.array(direction).reshape(3, 3))) == pytest.approx(1)


def test_structures_lie_within_the_scan_for_any_seed() -> None:
    for seed in range(60):
        patient = draw_patient(subject_random(seed, "x"), oblique=seed % 2 == 0)
        for found in landmarks_of(patient).values():
            for point in found.extreme_mm.values():
                offset = patient.direction.T @ (np.array(point) - patient.centre_mm) / patient.spacing_mm
                assert (np.abs(offset) < np.array(patient.size) / 2 - 1).all()


def test_copying_a_position_is_far_off() -> None:
    """Another patient's landmark lies tens of millimetres away: what a training has to beat."""
    boxes = [landmarks_of(draw_patient(subject_random(1, f"test_{n:02d}")))["heart"].box_mm for n in range(40)]
    walls = np.array(boxes).reshape(40, 6)
    assert np.abs(walls[1:] - walls[:-1]).mean() > 20


def test_scan_depends_on_seed_and_name_alone(sheet: Path, tmp_path: Path) -> None:
    again = write_phantom(tmp_path / "again", seed=5, n_train=0, n_validation=0, n_test=2)
    name = "images/test_01.nii.gz"
    assert (again.parent / name).read_bytes() == (sheet.parent / name).read_bytes()
    assert rows_of(again)[0] == rows_of(sheet)[-1]
    other = write_phantom(tmp_path / "other", seed=6, n_train=0, n_validation=0, n_test=1)
    assert (other.parent / name).read_bytes() != (sheet.parent / name).read_bytes()


def test_settings_name_the_structures() -> None:
    settings, faults = load_settings(SETTINGS, name="phantom.yml")
    assert settings is not None and not faults
    assert settings.structures == {name: value for value, name in enumerate(STRUCTURES, start=1)}
