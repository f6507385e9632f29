"""Single landmarks: every method that carries a support's own landmarks over carries a point as well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rprloc.catalogue import Family, families_of, methods
from rprloc.cohort.tasks import Folders
from rprloc.methods.answer import LOST, OUTSIDE
from rprloc.methods.matched import Matched
from rprloc.scans.record import ScanRecord, Structure
from tests.methods.cohort import located, search_of, write_cohort, write_networks
from tests.methods.fakes import altered, answered
from tests.methods.heads import ORGANS, WINDOW, head
from tests.methods.test_matched import Told

FAMILIES = [family for family in families_of([method.name for method in methods()]) if family.supports]
SHIFT = np.array([7.0, -3.0, 5.0])


def landmark(at_mm: np.ndarray) -> Structure:
    at = np.asarray(at_mm, dtype=float)[None]
    return Structure(value=0, box_mm=np.repeat(at, 2, axis=0), extreme_mm=at, half_voxel_mm=(0, 0, 0), voxels=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests' cohort, whose support `a` also has a landmark in its organ."""
    folder = tmp_path_factory.mktemp("points")
    scans = write_cohort(folder / "scans").scans
    record = ScanRecord.read(scans["c@a"])
    replace(record, structures={**record.structures, "apex": landmark([30.0, 30.0, 30.0])}).write(folder / "scans")
    return folder


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_point_beside_boxes_is_a_place_without_a_box_or_a_reason(folder: Path, family: Family) -> None:
    scans = {path.name: path for path in (folder / "scans").iterdir()}
    folders = Folders(scans=scans, models=write_networks(folder / family.name, family.networks))
    rows = located(folders, search_of(family, "d", "a", structures=None))
    points = [row for row in rows if row.structure == "apex"]
    assert {row.method for row in points} == set(search_of(family, "d").methods)
    assert not any(row.point for row in rows if row.structure != "apex")
    for row in points:
        assert row.box_mm is None and row.half_voxel_mm is None
        assert row.failed or (row.point and list(row.points_mm or {}) == ["point"] and row.lost is not None)
        assert row.failed == (row.reason is not None) and (
            not row.failed or row.reason in (LOST, OUTSIDE) or row.reason
        )
    # Boxes do not depend on the point beside them but by what is compared for all together.
    assert any(row.box_mm is not None or row.reason for row in rows if row.structure == "organ")


def test_matched_finds_a_point_and_one_alone() -> None:
    at = ORGANS["left"].extreme_mm[0] + [3.0, 1.0, -2.0]
    structures = {"apex": landmark(at), **ORGANS}
    query = head("q", lambda p: p - SHIFT)
    for shown in (structures, {"apex": structures["apex"]}):
        method = Matched(_Anywhere(), window=WINDOW, device=torch.device("cpu"))
        method.prepare([altered(head("s"), structures=shown)])
        row = next(row for row in answered(method, query) if row.structure == "apex")
        np.testing.assert_allclose((row.points_mm or {})["point"], at + SHIFT, atol=1.0)
    method = Matched(_Anywhere(), window=WINDOW, device=torch.device("cpu"))
    method.prepare([altered(head("s"), structures={"apex": landmark(at + 900.0)})])
    (row,) = answered(method, query)
    assert row.reason == "the structures lie outside the support s"


class _Anywhere(Told):
    """Starts where the support has its landmarks, however many."""

    def support(self, scan, points_mm):  # type: ignore[no-untyped-def]
        return str(self.query(scan))
