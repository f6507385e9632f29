"""Queries with answers, on grids of every kind, for the tests of what is exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from rprloc.exports.query import Query
from rprloc.geometry import WALLS
from rprloc.methods.answer import Key, OfAnswer, OutlineFacts, Prediction
from rprloc.scans.outlines import Outline
from rprloc.scans.record import Native, ScanRecord

ANGLE = np.radians(25)
TURN = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1.0]])
TILT = np.array([[1.0, 0, 0], [0, 0.9, -0.435889894], [0, 0.435889894, 0.9]])
GRIDS = {
    "along the axes": ((1.0, 1.0, 2.5), np.eye(3)),
    "flipped": ((0.8, 1.2, 3.0), np.diag([-1.0, -1.0, 1.0])),
    "exchanged": ((0.8, 1.2, 3.0), np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]])),
    "oblique": ((0.7, 0.9, 4.0), TURN @ TILT),
}
"""Spacing and directions."""
ORGAN, GLAND, LOST = "organ", 'Drüse/../"x"; rm', "gone"
SIZE = (40, 36, 24)
IN_VALUES = np.array([1.0, 20.0, 3.0])
"""What a mm along x, y and z adds to a value."""


def native(kind: str) -> Native:
    spacing, direction = GRIDS[kind]
    return Native(
        size=SIZE, spacing_mm=spacing, direction=tuple(direction.ravel().tolist()), origin_mm=(-13.7, 21.4, -300.2)
    )


def values_of(grid: Native) -> np.ndarray:
    """Return values (z, y, x) that say where each voxel lies."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.size], indexing="ij"), axis=-1).astype(float)
    return (grid.frame.world(index) @ IN_VALUES).transpose(2, 1, 0).round().astype(np.int16)


def outline_of(first: tuple[int, int, int], size: tuple[int, int, int]) -> Outline:
    """Return a block without one corner, so that no axis is like another."""
    inside = np.ones(size[::-1], dtype=bool)
    inside[0, 0, : size[0] // 2] = False
    found = Outline.of(inside, first)
    assert found is not None
    return found


def box_of(outline: Outline, grid: Native) -> np.ndarray:
    """Return the box (2, 3) in mm around the voxels of an outline."""
    index = np.argwhere(outline.inside)[:, ::-1] + np.array(outline.first)
    corners = np.array(np.meshgrid(*[(-0.5, 0.5)] * 3, indexing="ij")).reshape(3, -1).T
    places = grid.frame.world((index[:, None] + corners).reshape(-1, 3))
    return np.array([places.min(axis=0), places.max(axis=0)])


def answer(structure: str, box: np.ndarray | None, subject: str = "q1") -> Prediction:
    about = {"cohort": "c", "subject": subject, "structure": structure, "method": "matched", "setting": "extreme"}
    if box is None:
        return Prediction(**about, support="s", drawn=True, failed=True, reason="lost")
    middle = box.mean(axis=0)
    points = {wall: middle.tolist() for wall in WALLS}
    for number, wall in enumerate(WALLS):
        points[wall] = middle.tolist()
        points[wall][number // 2] = float(box[number % 2, number // 2])
    return Prediction(
        **about, support="s", drawn=True, points_mm=points, box_mm=box.tolist(), confidence=0.93, lost=0.07,
        within_90_mm=dict(zip(WALLS, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0), strict=True)),
    )  # fmt: skip


def of_answer(key: Key) -> OfAnswer:
    """Return what a file of outlines says of an answer for the query."""
    return OfAnswer(cohort="c", subject="q1", **key._asdict(), facts=OutlineFacts(voxels=1, volume_ml=0.1))


def query(folder: Path, kind: str = "oblique", subject: str = "q1") -> Query:
    """Return a query of two structures that were found and one that was not, and write its scan."""
    grid = native(kind)
    path = folder / "scan.nii.gz"
    sitk.WriteImage(grid.image(values_of(grid)), str(path))
    outlines = {ORGAN: outline_of((8, 9, 5), (12, 7, 9)), GLAND: outline_of((24, 20, 12), (6, 8, 4))}
    answers = [answer(name, box_of(one, grid), subject) for name, one in outlines.items()]
    return Query(
        record=ScanRecord(cohort="c", subject=subject, file="scan.nii.gz", native=grid),
        answers=(*answers, answer(LOST, None, subject)),
        outlines=outlines,
        image=path,
        modality="ct",
    )
