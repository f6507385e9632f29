"""A scan's annotation of whatever files, from them to its record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.marks.annotation import Annotated, read_marks
from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.record import ScanRecord
from rprloc.scans.scan import Scan, volume_path
from tests.marks.written import NATIVE, fiducials, markups, outline, roi, rtstruct, seg_dicom, seg_nrrd
from tests.scans.images import LABELS, TARGET, patient, write

IMAGE, LABEL = patient()
MASK = sitk.GetArrayFromImage(LABEL) == LABELS["organ"]
BLOCK = np.zeros_like(MASK)
BLOCK[4:9, 5:12, 5:14] = True
WHOLE = ((-22.0, 28.75, -193.5), (-4.0, 46.25, -178.5))
"""The box of `patient`'s organ."""


def annotated(folder: Path, **given: Any) -> ScanRecord:
    """Preprocess `patient` with an annotation, whatever it is called."""
    image = write(IMAGE, folder / "s.nii.gz")
    structures = given.pop("structures", None)
    target = msgspec.structs.replace(TARGET, structures=structures)
    return preprocess(folder, Source("c", "s", image, Annotated(image=image, **given)), target)


def forms(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the same organ in every form."""
    write(LABEL, folder / "l.nii.gz")
    (folder / "l.ctbl").write_text("0 Background 0 0 0 0\n1 organ 1 1 1 255\n")
    low, high = (np.array(end) for end in WHOLE)
    ras = [[-low[0], -low[1], low[2]], [-high[0], -high[1], high[2]]]
    rows = [["organ", *map(str, corner), "RAS"] for corner in ras]
    (folder / "m.csv").write_text("structure,x_mm,y_mm,z_mm,space\n" + "\n".join(",".join(row) for row in rows))
    objects = [dict(zip(("structure", "x_mm", "y_mm", "z_mm", "space"), row, strict=True)) for row in rows]
    (folder / "m.json").write_text(json.dumps(objects))
    masks = {"organ": MASK}
    return {
        "label": {"label": folder / "l.nii.gz", "colours": folder / "l.ctbl"},
        "seg.nrrd": {"label": seg_nrrd(folder / "a.seg.nrrd", MASK.astype(np.uint8), [("organ", 0, 1)])},
        "SEG": {"label": seg_dicom(folder / "seg.dcm", masks)},
        "RTSTRUCT": {"label": rtstruct(folder / "rs.dcm", {"organ": outline(BLOCK)})},
        "ROI": {"marks": (markups(folder / "organ.mrk.json", roi((low + high) / 2, high - low)),)},
        "CSV": {"marks": (folder / "m.csv",)},
        "JSON": {"marks": (folder / "m.json",)},
    }


@pytest.mark.parametrize("form", ["label", "seg.nrrd", "SEG", "RTSTRUCT", "ROI", "CSV", "JSON"])
def test_one_organ_in_any_form_is_the_same_box(tmp_path: Path, form: str) -> None:
    record = annotated(tmp_path, **forms(tmp_path)[form])
    assert (record.reason, record.findings) == (None, ())
    assert list(record.structures) == ["organ"]
    np.testing.assert_allclose(record.structures["organ"].box_mm, WHOLE, atol=0.01)
    drawn = form not in ("ROI", "CSV", "JSON")
    assert record.label == drawn == volume_path(tmp_path / "c@s", "label").exists()
    scan = Scan.read(tmp_path / "c@s")
    assert scan is not None and scan.record == scan.record and len(scan.surfaces_mm()["organ"]) > 6


def test_a_label_and_marks_together_and_a_point_keeps_its_place(tmp_path: Path) -> None:
    at = (-11.123, 33.456, -186.789)
    write(LABEL, tmp_path / "l.nii.gz")
    points = markups(tmp_path / "F.mrk.json", fiducials({"apex": (-at[0], -at[1], at[2])}, "RAS"))
    record = annotated(tmp_path, label=tmp_path / "l.nii.gz", marks=(points,))
    assert list(record.structures) == ["label_1", "label_2", "apex"] and record.label
    apex = ScanRecord.read(tmp_path / "c@s").structures["apex"]
    np.testing.assert_allclose(apex.extreme_mm, [at], atol=1e-9)
    scan = Scan.read(tmp_path / "c@s")
    assert scan is not None and scan.surfaces_mm()["apex"].shape == (1, 3)


def test_a_point_beside_the_body_keeps_the_whole_field(tmp_path: Path) -> None:
    points = markups(tmp_path / "F.mrk.json", fiducials({"nose": (-30.5, 18.0, -204.0)}))
    record = annotated(tmp_path, marks=(points,))
    assert record.findings == ("the box of the body cuts nose away: the whole field is kept",)


@pytest.mark.parametrize(
    ("point", "expected"), [((500.0, 0.0, 0.0), "outside s.nii.gz"), ((np.nan, 0.0, 0.0), "expected JSON")]
)
def test_marks_that_cannot_be_used_set_the_scan_aside_with_a_sentence(
    tmp_path: Path, point: tuple[float, float, float], expected: str
) -> None:
    path = markups(tmp_path / "F.mrk.json", fiducials({"apex": point}))
    if not np.isfinite(point[0]):
        path.write_text(path.read_text()[:-5])
    record = annotated(tmp_path, marks=(path,))
    assert record.status == "FAIL" and expected in (record.reason or "") and "F.mrk.json" in (record.reason or "")


def test_an_empty_segmentation_is_said(tmp_path: Path) -> None:
    empty = seg_nrrd(tmp_path / "a.seg.nrrd", np.zeros(MASK.shape, dtype=np.uint8), [("organ", 0, 1)])
    record = annotated(tmp_path, label=empty)
    assert record.findings == ("a.seg.nrrd: organ is empty: left out",) and not record.structures


def test_a_colour_table_names_what_settings_do_not(tmp_path: Path) -> None:
    given = forms(tmp_path)["label"]
    assert list(annotated(tmp_path, **given, structures={"ORGAN": 9}).structures) == ["ORGAN"]
    record = annotated(tmp_path, **given, structures={"spot": 2})
    assert list(record.structures) == ["spot"]
    assert record.findings == (
        "l.ctbl: none of its names is one of the settings' structures: the settings' values are taken",
    )


def test_dicom_of_another_kind_and_files_of_another_kind(tmp_path: Path) -> None:
    path = rtstruct(tmp_path / "x.dcm", {"a": outline(BLOCK)})
    path.write_bytes(path.read_bytes().replace(b"RTSTRUCT", b"RTPLAN  "))
    with pytest.raises(InputError, match=r"x\.dcm: found DICOM of the modality RTPLAN, expected a segmentation"):
        Annotated(image=tmp_path / "s.nii", label=path).read(NATIVE, structures=None, known=())
    path.write_bytes(path.read_bytes().replace(b"RTPLAN  ", b"RT\tPLAN\x00"))
    with pytest.raises(InputError, match=r"x\.dcm: found DICOM of the modality RT\?PLAN, expected a segmentation"):
        Annotated(image=tmp_path / "s.nii", label=path).read(NATIVE, structures=None, known=())
    with pytest.raises(InputError, match=r"a\.fcsv: found another kind of file, expected markups"):
        read_marks(tmp_path / "a.fcsv")
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"^a\.json: expected JSON, found: "):
        read_marks(tmp_path / "a.json")
