"""The files of a preprocessed scan: what is written comes back, and another is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rprloc.errors import InputError
from rprloc.scans.outlines import Outline
from rprloc.scans.scan import (
    CarriedStructure,
    Scan,
    read_scan_surfaces,
    remove_scan_files,
    surface_path,
    volume_path,
    write_scan_surfaces,
)
from rprloc.scans.target import scan_folder, subject_of
from tests.scans.written import grid_of, record_of, structure_of, write_scan

VOXELS = (np.zeros((2, 3, 4)), np.ones((2, 3, 4), dtype=bool))
POINTS = np.random.default_rng(0).normal(0, 50, (9, 3)).astype(np.float32)


def scan_of(folder: Path) -> Scan:
    scan = Scan.read(folder)
    assert scan is not None
    return scan


def test_a_folders_name_tells_cohort_and_subject() -> None:
    assert scan_folder("head", "p_1.a-b") == "head@p_1.a-b"
    assert subject_of(Path("somewhere") / "head@p_1.a-b") == "p_1.a-b"


def test_volumes_come_back_with_their_grids(tmp_path: Path) -> None:
    model, finer = grid_of((2, 3, 4)), grid_of((4, 6, 8), (1.0, 1.0, 1.0))
    values = np.arange(24).reshape(2, 3, 4)
    fine = np.arange(192).reshape(4, 6, 8)
    record = record_of("x", model, matching=finer)
    scan = scan_of(write_scan(tmp_path, record, values, values > 5, matching=fine))
    assert (scan.cohort, scan.subject, scan.grid) == ("c", "x", model)
    assert scan.values.dtype == np.int16 and scan.body.dtype == np.bool_
    np.testing.assert_array_equal(scan.values, values)
    np.testing.assert_array_equal(scan.body, values > 5)
    assert scan.matching().grid == finer
    np.testing.assert_array_equal(scan.matching().values, fine)


@pytest.mark.parametrize("asked", [(2.0, 2.0, 2.0), (1.0, 1.0, 3.0), (0.5, 1.0, 1.0)])
def test_the_finer_volume_is_resampled_where_another_spacing_is_asked_for(tmp_path: Path, asked: Any) -> None:
    finer = grid_of((16, 18, 20), (1.0, 1.0, 1.0))
    # A linear function of the place stays one, but where the edge is near.
    places = finer.world(np.moveaxis(np.indices((16, 18, 20)), 0, -1))
    values = np.rint(20 * (places @ [1.0, -2.0, 0.5]))
    scan = scan_of(write_scan(tmp_path, record_of("x", grid_of((2, 3, 4)), matching=finer), *VOXELS, matching=values))
    found = scan.matching(asked)
    assert found.grid.spacing_mm == asked and found.values.dtype == np.int16
    np.testing.assert_allclose(found.grid.box_mm[0], finer.box_mm[0])
    there = found.grid.world(np.moveaxis(np.indices(found.values.shape), 0, -1)) @ [1.0, -2.0, 0.5]
    inner = (slice(3, -3),) * 3
    np.testing.assert_allclose(found.values[inner], 20 * there[inner], atol=1.6)
    assert scan.matching((1.0, 1.0, 1.0)).grid == finer


def test_a_finer_volume_that_was_not_asked_for_is_missed_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^x: found no volume for image matching, expected one from PREPROCESS\.$"):
        scan_of(write_scan(tmp_path, record_of("x"))).matching()


def test_surfaces_come_back_and_extreme_points_stand_in_for_them(tmp_path: Path) -> None:
    structures = {name: structure_of((0, 0, 0), (4, 4, 4)) for name in ("with", "without")}
    folder = write_scan(tmp_path, record_of("x", structures=structures))
    assert read_scan_surfaces(folder) == {}
    write_scan_surfaces(folder, {"with": POINTS})
    found = scan_of(folder).surfaces_mm()
    np.testing.assert_array_equal(found["with"], POINTS)
    np.testing.assert_array_equal(found["without"], structures["without"].extreme_mm)
    write_scan_surfaces(folder, {})
    assert read_scan_surfaces(folder) == {}


def test_a_damaged_file_of_surfaces_is_refused(tmp_path: Path) -> None:
    folder = write_scan(tmp_path, record_of("x"))
    write_scan_surfaces(folder, {"organ": POINTS})
    path = surface_path(folder)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"^x_surface.safetensors: expected the surfaces that PREPROCESS writes"):
        read_scan_surfaces(folder)


def test_of_a_scan_that_is_set_aside_only_the_record_stays(tmp_path: Path) -> None:
    record = record_of("x", matching=grid_of((4, 5, 6)))
    folder = write_scan(tmp_path, record, matching=np.zeros((4, 5, 6)), label=np.zeros((4, 5, 6)))
    write_scan_surfaces(folder, {"organ": POINTS})
    assert volume_path(folder, "label").exists() and len(list(folder.iterdir())) == 6
    remove_scan_files(folder)
    assert [path.name for path in folder.iterdir()] == ["x.json"]
    remove_scan_files(tmp_path / "c@nowhere")


def test_structures_that_were_carried_there_are_not_the_label_s(tmp_path: Path) -> None:
    scan = scan_of(write_scan(tmp_path, record_of("x", grid_of((2, 3, 4))), *VOXELS))
    surface = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    outline = Outline.of(np.ones((2, 2, 2), dtype=bool), (0, 0, 0))
    own = replace(scan, carried={"organ": CarriedStructure(surface, outline), "point": CarriedStructure(surface, None)})
    assert set(own.surfaces_mm()) == {"organ", "point"} and own.surfaces_mm()["organ"] is surface
    assert own.outlines() == {"organ": outline} and own.shape("point") is None
