"""DICOM structure sets (RTSTRUCT): closed planar contours filled on a scan's voxels, and points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from rprloc.errors import InputError
from rprloc.geometry import FloatArray
from rprloc.marks.contours import filled
from rprloc.marks.dicom import check_frame, faults_of
from rprloc.marks.drawn import Drawn, drawn_on
from rprloc.marks.mark import Mark, Marks
from rprloc.marks.names import asked_names, check_asked, printable, structure_names
from rprloc.marks.on_scan import laid_on, together
from rprloc.scans.labels import Label
from rprloc.scans.record import Native

_CLOSED, _XOR, _POINT = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"), "CLOSEDPLANAR_XOR", "POINT"


@dataclass(frozen=True)
class _Roi:
    """A region of interest of a structure set."""

    text: str
    contours_mm: tuple[FloatArray, ...]
    """(n, 3) each, LPS, closed and in a plane."""
    odd: bool
    """Whether what lies within an even number of contours of a plane is outside, whatever they look like."""
    points_mm: tuple[FloatArray, ...]
    """(3,) each."""
    others: int
    """Contours of another kind."""


def read_rtstruct(path: Path, native: Native, *, image: Path, structures: Mapping[str, int] | None) -> Label:
    """Return the label of a structure set: its regions filled on the voxels of a scan whose grid is `native` and whose
    file is `image`, and its points.

    A voxel whose centre lies within a contour is the structure's; of contours in one plane those within others are
    holes, those that cross count together, and one that is there twice counts once. A slice between two planes takes
    the nearer one. Raises InputError for a damaged file, one of another frame of reference or place, and regions none
    of which is asked for.
    """
    with faults_of(path):
        content = pydicom.dcmread(path, force=True)
        rois = list(_rois(content))
        frames = [
            str(one.get("FrameOfReferenceUID", "")) for one in content.get("ReferencedFrameOfReferenceSequence", [])
        ]
    check_frame(frames, image, path.name)
    names, findings = structure_names([roi.text for roi in rois], path.name)
    wanted = asked_names(names, structures)
    check_asked(wanted, names, structures, path.name)
    shown = [replace(roi, text=name) for roi, name in zip(rois, names, strict=True) if name in wanted]
    _check_place([roi for roi in shown if roi.contours_mm], native, image_name=image.name, name=path.name)
    said = [f"{path.name}: {roi.text}: {roi.others} open contours: passed over" for roi in shown if roi.others]
    said += [f"{path.name}: {roi.text} is empty: left out" for roi in shown if not (roi.contours_mm or roi.points_mm)]
    labels, drawn = [], []
    for roi in (one for one in shown if one.contours_mm):
        found = filled(roi.contours_mm, native, odd=roi.odd)
        drawn.append(Drawn(roi.text, found.image))
        if found.twice:
            said.append(f"{path.name}: {roi.text}: {found.twice} contours are there twice: counted once")
        if found.crossed:
            said.append(f"{path.name}: {roi.text}: contours cross in {found.crossed} planes: taken together")
    if drawn:
        labels.append(drawn_on(drawn, native, structures=structures, file=path.name, image_name=image.name))
    points = [Mark(roi.text, roi.points_mm[0][None]) for roi in shown if roi.points_mm and not roi.contours_mm]
    if several := [roi.text for roi in shown if len(roi.points_mm) > 1 and not roi.contours_mm]:
        raise InputError(f"{path.name}: found several points in {several[0]}, expected one a region.")
    if points:
        labels.append(
            laid_on(Marks(tuple(points)), native, structures=structures, file=path.name, image_name=image.name)
        )
    label = together(labels, image.name)
    return replace(label, findings=(*findings, *said, *label.findings))


def _rois(content: pydicom.Dataset) -> Iterator[_Roi]:
    """Yield the regions of a structure set."""
    contours: dict[int, Sequence[Any]] = {
        int(one.ReferencedROINumber): one.get("ContourSequence") or () for one in content.get("ROIContourSequence", [])
    }
    for about in content.StructureSetROISequence:
        closed, points, kinds, others = [], [], set(), 0
        for contour in contours.get(int(about.ROINumber), ()):
            places = np.reshape(np.asarray(contour.ContourData, dtype=np.float64), (-1, 3))
            kind = str(contour.ContourGeometricType)
            if kind in _CLOSED and len(places) > 2:
                closed.append(places)
                kinds.add(kind)
            elif kind == _POINT or (kind in _CLOSED and len(places) == 1):
                points.append(places[0])
            else:
                others += 1
        name = printable(str(about.get("ROIName", "")))
        yield _Roi(name, tuple(closed), _XOR in kinds, tuple(points), others)


def _check_place(rois: Sequence[_Roi], native: Native, *, image_name: str, name: str) -> None:
    """Refuse contours all of which lie outside a scan; raises InputError."""
    if not rois:
        return
    every = np.concatenate([points for roi in rois for points in roi.contours_mm])
    if not np.isfinite(every).all():
        raise InputError(f"{name}: found contours of no finite numbers, expected places in mm.")
    low, high = native.field_mm
    apart = np.maximum(np.maximum(low - every.max(axis=0), every.min(axis=0) - high), 0)
    if apart.any():
        far = float(np.linalg.norm(apart))
        raise InputError(
            f"{name}: its contours lie {far:.1f} mm outside {image_name}, expected those of the same series."
        )
