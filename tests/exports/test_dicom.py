"""Structure sets and segmentations of DICOM scans, read back by pydicom and highdicom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from matplotlib.path import Path as Polygon

from rprloc.exports.dicom import KINDS, write_dicom
from rprloc.exports.query import Query
from rprloc.scans.opening import open_scan
from rprloc.scans.record import Native
from tests.exports.queries import GLAND, GRIDS, ORGAN, native, query, values_of
from tests.scans.dicom.made import SECRETS, multiframe_of, save, write_series


def dicom_query(folder: Path, kind: str, *, frames: bool = False, fields: dict[str, Any] | None = None) -> Query:
    """Return a query whose scan is DICOM, on the grid as it is read."""
    own = native(kind)
    image = own.image(np.clip(values_of(own), -1000, 2000).astype(np.int16))
    if frames:
        path = save(multiframe_of(image, order=[*range(0, 24, 2), *range(1, 24, 2)]), folder / "scan" / "IM1")
    else:
        write_series(folder / "scan", image, fields=fields)
        path = folder / "scan"
    read = Native.of(open_scan(path, modality="ct").image)
    made = query(folder, kind)
    return replace(made, image=path, record=replace(made.record, native=read))


def world_of(one: Query, structure: str) -> np.ndarray:
    outline = one.outlines[structure]
    return one.native.frame.world(np.argwhere(outline.inside)[:, ::-1] + np.array(outline.first, dtype=float))


@pytest.mark.parametrize("kind", GRIDS)
def test_contours_lie_around_the_voxels_of_their_slice(tmp_path: Path, kind: str) -> None:
    one = dicom_query(tmp_path, kind)
    assert write_dicom(tmp_path, one, ["rtstruct"]) == []
    read = pydicom.dcmread(tmp_path / "rtstruct" / "c" / "q1.dcm")
    assert [str(roi.ROIName) for roi in read.StructureSetROISequence] == [ORGAN, GLAND]
    assert "confidence 0.93" in read.StructureSetROISequence[0].ROIDescription
    headers = {str(header.SOPInstanceUID): header for header in _headers(one)}
    named = {str(image.ReferencedSOPInstanceUID) for image in _images(read)}
    assert named == set(headers)
    for roi, structure in zip(read.ROIContourSequence, (ORGAN, GLAND), strict=True):
        places = one.native.frame.voxel(world_of(one, structure))
        seen = 0
        for contour in roi.ContourSequence:
            points = one.native.frame.voxel(np.array(contour.ContourData, dtype=float).reshape(-1, 3))
            np.testing.assert_allclose(points[:, 2], points[0, 2].round(), atol=1e-3)
            own = places[np.abs(places[:, 2] - points[0, 2]) < 0.1]
            assert Polygon(points[:, :2]).contains_points(own[:, :2]).all()
            i, j = np.meshgrid(np.arange(40), np.arange(36), indexing="ij")
            grid = np.column_stack([i.ravel(), j.ravel()])
            assert Polygon(points[:, :2]).contains_points(grid).sum() == len(own)
            image = next(iter(contour.ContourImageSequence)).ReferencedSOPInstanceUID
            header = headers[str(image)]
            along = np.cross(*np.array(header.ImageOrientationPatient, dtype=float).reshape(2, 3))
            first = np.array(contour.ContourData[:3], dtype=float) - np.array(header.ImagePositionPatient, dtype=float)
            assert abs(first @ along) < 0.01
            seen += len(own)
        assert seen == len(places)


def _images(read: Any) -> Any:
    (frame,) = read.ReferencedFrameOfReferenceSequence
    return frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0].ContourImageSequence


def _headers(one: Query) -> list[Any]:
    files = [one.image] if one.image.is_file() else sorted(one.image.iterdir())
    return [pydicom.dcmread(path, stop_before_pixels=True) for path in files]


@pytest.mark.parametrize("frames", [False, True], ids=["a file a slice", "many frames"])
@pytest.mark.parametrize("kind", ["flipped", "oblique"])
def test_segments_lie_where_the_outlines_do(tmp_path: Path, kind: str, frames: bool) -> None:
    one = dicom_query(tmp_path, kind, frames=frames)
    assert write_dicom(tmp_path, one, KINDS) == []
    read = highdicom.seg.segread(tmp_path / "dicomseg" / "c" / "q1.dcm")
    assert [read.get_segment_description(number).segment_label for number in (1, 2)] == [ORGAN, GLAND]
    for number, structure in ((1, ORGAN), (2, GLAND)):
        volume = read.get_volume(segment_numbers=[number])
        array = np.asarray(volume.array)[..., 0]
        found = volume.map_indices_to_reference(np.argwhere(array))
        true = world_of(one, structure)
        assert len(found) == len(true)
        np.testing.assert_allclose(found[np.lexsort(found.T.round(2))], true[np.lexsort(true.T.round(2))], atol=0.01)


def test_nothing_of_the_patient_leaves_the_scan(tmp_path: Path) -> None:
    one = dicom_query(tmp_path, "flipped")
    write_dicom(tmp_path, one, KINDS)
    for kind in KINDS:
        path = tmp_path / kind / "c" / "q1.dcm"
        content = path.read_bytes()
        assert not [name for name, value in SECRETS.items() if value.encode() in content]
        read = pydicom.dcmread(path)
        assert read.PatientID == "q1" and read.PatientBirthDate == ""
        assert read.StudyInstanceUID == _headers(one)[0].StudyInstanceUID


def test_other_scans_and_no_outlines_have_a_sentence(tmp_path: Path) -> None:
    plain = query(tmp_path)
    assert write_dicom(tmp_path, plain, KINDS) == [
        "q1: its scan is no DICOM, so there is no rtstruct or dicomseg; masks have the same outlines."
    ]
    one = dicom_query(tmp_path, "flipped")
    assert "no answer has an outline" in write_dicom(tmp_path, replace(one, outlines={}), ["rtstruct"])[0]
    assert not (tmp_path / "rtstruct").exists()


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize(
    "name", ["FrameOfReferenceUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]
)  # fmt: skip
def test_files_without_what_one_refers_to_have_a_sentence(tmp_path: Path, name: str, value: str | None) -> None:
    one = dicom_query(tmp_path, "flipped", fields={name: value})
    assert write_dicom(tmp_path, one, KINDS) == [
        f"q1: its files have no {name} to refer to, so there is no rtstruct or dicomseg."
    ]


@pytest.mark.parametrize("value", [None, ""])
def test_slices_that_say_not_how_thick_they_are_reach_to_the_next(tmp_path: Path, value: str | None) -> None:
    one = dicom_query(tmp_path, "flipped", fields={"SliceThickness": value})
    assert write_dicom(tmp_path, one, KINDS) == []
    read = highdicom.seg.segread(tmp_path / "dicomseg" / "c" / "q1.dcm")
    assert read.get_volume(segment_numbers=[1]).spacing[0] == pytest.approx(3.0)
