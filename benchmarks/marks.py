"""What a box or a point in place of a mask costs: `matched`, without weights or with those that ship.

`python -m benchmarks.marks SHEET [SUPPORTS [WEIGHTS]]` searches each labelled validation scan of a sample sheet from
the next SUPPORTS (2) ones: by their masks, by the boxes of these as if somebody had marked them alone, by the faces of
these boxes as if they were drawn, and by the middles of the boxes as single landmarks, whose truth is the middle of the
query's box.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.bundled import openkbp_settings
from benchmarks.matched import matched_from
from benchmarks.registration import figures, labelled_scans, rows_of
from rprloc.cohort.weights import shipped_folder
from rprloc.geometry import FloatArray, wall_centres
from rprloc.marks.on_scan import box_surface
from rprloc.methods.answer import Prediction
from rprloc.methods.start import LaidStart, MapStart, Start
from rprloc.networks.checkpoint import read_model
from rprloc.networks.device import set_up_cpu
from rprloc.results.measure.points import DISTANCES_MM
from rprloc.scans.record import Structure
from rprloc.scans.scan import Scan

_STEPS = 12
"""Points along the edges of a face."""


@dataclass(frozen=True, eq=False)
class _Marked(Scan):
    """A scan whose structures are marked and not drawn."""

    surface: Callable[[FloatArray], FloatArray] = box_surface
    """Of a box (2, 3); by default what PREPROCESS makes of one."""

    def surfaces_mm(self) -> dict[str, FloatArray]:
        """Return the surfaces of the marks."""
        return {
            name: one.extreme_mm if one.is_point else np.concatenate([one.extreme_mm, self.surface(one.box_mm)])
            for name, one in self.structures.items()
        }


def boxed(scan: Scan) -> Scan:
    """Return a scan of which only the boxes are marked."""
    return _marked(scan, lambda one: replace(one, value=0, extreme_mm=wall_centres(one.box_mm)))


def faced(scan: Scan) -> Scan:
    """Return a scan whose boxes are taken for what is drawn: their faces are surfaces, and matched as such."""
    marked = _marked(scan, lambda one: replace(one, extreme_mm=wall_centres(one.box_mm)))
    return replace(marked, surface=_faces)


def _faces(box_mm: FloatArray) -> FloatArray:
    """Return points (n, 3) all over the faces of a box."""
    steps = np.linspace(0, 1, _STEPS)
    parts = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    outer = parts[((parts == 0) | (parts == 1)).any(axis=1)]
    return np.asarray(box_mm[0] + outer * (box_mm[1] - box_mm[0]))


def pointed(scan: Scan) -> Scan:
    """Return a scan of which only the middles of the boxes are marked."""

    def point(one: Structure) -> Structure:
        middle = one.box_mm.mean(axis=0, keepdims=True)
        return replace(one, value=0, extreme_mm=middle, box_mm=np.repeat(middle, 2, axis=0), half_voxel_mm=(0, 0, 0))

    return _marked(scan, point)


def _marked(scan: Scan, mark: Callable[[Structure], Structure]) -> _Marked:
    """Return a scan with other structures."""
    structures = {name: mark(one) for name, one in scan.structures.items()}
    return _Marked(replace(scan.record, structures=structures), scan.values, scan.body, scan.folder)


def main(sheet: Path, count: int, weights: str | None) -> None:
    """Print IoU and wall distance by masks and by boxes, and how far points are off."""
    start: Start = LaidStart(openkbp_settings().window, seed=1)
    if weights is not None:
        start = MapStart(read_model(shipped_folder(weights) / "position_map.safetensors"), seed=1)
    with tempfile.TemporaryDirectory() as folder:
        scans = labelled_scans(sheet, Path(folder), "validation")
        truth = {scan.subject: scan for scan in scans}
        kinds = {"masks": lambda scan: scan, "boxes": boxed, "boxes by their faces": faced}
        for words, mark in kinds.items():
            marked = [mark(scan) for scan in scans]
            print(f"{words}: {figures(_rows(scans, marked, count, start), truth, 'matched')}", flush=True)
        _print_points(_rows(scans, [pointed(scan) for scan in scans], count, start), truth)


def _rows(queries: Sequence[Scan], supports: Sequence[Scan], count: int, start: Start) -> list[Prediction]:
    """Return what each query is answered from the next supports."""
    rows = []
    for place, query in enumerate(queries):
        method = matched_from(start)
        method.prepare([supports[(place + step) % len(supports)] for step in range(1, count + 1)])
        rows += rows_of(method, [query])
    return rows


def _print_points(rows: Sequence[Prediction], truth: dict[str, Scan]) -> None:
    """Print how far single landmarks are off."""
    known = [row for row in rows if row.structure in truth[row.subject].structures]
    middles = [truth[row.subject].structures[row.structure].box_mm.mean(axis=0) for row in known]
    errors = np.array([
        np.inf if row.points_mm is None else np.linalg.norm(np.array(row.points_mm["point"]) - middle)
        for row, middle in zip(known, middles, strict=True)
    ])  # fmt: skip
    rates = ", ".join(f"{100 * (errors <= mm).mean():.0f} % at {mm:g} mm" for mm in DISTANCES_MM.values())
    found = errors[np.isfinite(errors)]
    print(f"points: {len(known)}, {len(known) - len(found)} failed: {found.mean():.2f} mm off; {rates}", flush=True)


if __name__ == "__main__":
    set_up_cpu(None)
    main(Path(sys.argv[1]), int([*sys.argv, "2"][2]), next(iter(sys.argv[3:]), None))
