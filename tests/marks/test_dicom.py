"""What kind of DICOM an annotation is, and whether it is its scan's."""

from pathlib import Path

import numpy as np
import pytest

from rprloc.errors import InputError
from rprloc.marks.dicom import check_frame, faults_of, frame_of_reference, is_dicom, modality_of
from tests.marks.written import FRAME, ct_series, outline, rtstruct


def test_kinds_and_frames(tmp_path: Path) -> None:
    path = rtstruct(tmp_path / "rs", {"a": outline(np.ones((3, 3, 3), dtype=bool))})
    assert is_dicom(path) and modality_of(path) == "RTSTRUCT"
    (tmp_path / "ct" / "deep").mkdir(parents=True)
    (tmp_path / "ct" / "a.txt").write_text("no DICOM")
    ct_series()[0].save_as(tmp_path / "ct" / "deep" / "1", enforce_file_format=True)
    assert frame_of_reference(tmp_path / "ct") == FRAME
    assert frame_of_reference(tmp_path / "ct" / "a.txt") is None and frame_of_reference(tmp_path / "gone.nii") is None
    check_frame([FRAME, "1.2"], tmp_path / "ct", "rs")
    check_frame([], tmp_path / "ct", "rs")
    check_frame(["1.2"], tmp_path / "ct" / "a.txt", "rs")
    with pytest.raises(InputError, match="rs: its frame of reference is not that of ct, expected"):
        check_frame(["1.2"], tmp_path / "ct", "rs")


def test_faults_of_libraries_are_sentences_without_a_patient(tmp_path: Path) -> None:
    said = r"^x\.dcm: found a DICOM file that is damaged or lacks .*\(KeyError\)"
    with pytest.raises(InputError, match=said), faults_of(tmp_path / "x.dcm"):
        raise KeyError("Nobody^Here")
    with pytest.raises(InputError, match=r"^x\.dcm: found 'No such file or directory', expected a DICOM file\."):
        modality_of(tmp_path / "x.dcm")
