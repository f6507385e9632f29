"""What kind of DICOM an annotation is, and whether it is its scan's."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from rprloc.errors import InputError
from rprloc.marks.dicom import check_frame, faults_of, frames_of_reference, is_dicom, modality_of
from rprloc.marks.rtstruct import read_rtstruct
from tests.marks.written import FRAME, NATIVE, ct_series, outline, rtstruct


def test_kinds_and_frames(tmp_path: Path) -> None:
    path = rtstruct(tmp_path / "rs", {"a": outline(np.ones((3, 3, 3), dtype=bool))})
    assert is_dicom(path) and modality_of(path) == "RTSTRUCT"
    (tmp_path / "ct" / "deep").mkdir(parents=True)
    (tmp_path / "ct" / "a.txt").write_text("no DICOM")
    ct_series()[0].save_as(tmp_path / "ct" / "deep" / "1", enforce_file_format=True)
    assert frames_of_reference(tmp_path / "ct") == {FRAME}
    assert frames_of_reference(tmp_path / "ct" / "a.txt") == frames_of_reference(tmp_path / "gone.nii") == set()
    for number in range(120):
        other = FRAME if number < 90 else "1.2.3"
        ct_series(frame=other)[0].save_as(tmp_path / "ct" / "deep" / f"{number:03d}", enforce_file_format=True)
    assert frames_of_reference(tmp_path / "ct") == {FRAME, "1.2.3"}
    archive = Path(shutil.make_archive(str(tmp_path / "ct"), "zip", tmp_path / "ct"))
    assert frames_of_reference(archive) == {FRAME, "1.2.3"}
    archive.write_bytes(archive.read_bytes()[:500])
    assert frames_of_reference(archive) == set()
    check_frame([FRAME, "1.2"], tmp_path / "ct", "rs")
    check_frame([], tmp_path / "ct", "rs")
    check_frame(["1.2"], tmp_path / "ct" / "a.txt", "rs")
    with pytest.raises(InputError, match="rs: its frame of reference is not that of ct, expected"):
        check_frame(["1.2"], tmp_path / "ct", "rs")


def test_a_file_of_old_without_a_beginning_is_dicom(tmp_path: Path) -> None:
    path = rtstruct(tmp_path / "rs", {"a": outline(np.ones((3, 3, 3), dtype=bool))})
    content = pydicom.dcmread(path)
    with (tmp_path / "old").open("wb") as stream:
        pydicom.dcmwrite(stream, Dataset(content), implicit_vr=True, little_endian=True)
    assert (tmp_path / "old").read_bytes()[:2] == b"\x08\x00"
    assert is_dicom(tmp_path / "old") and modality_of(tmp_path / "old") == "RTSTRUCT"
    assert read_rtstruct(tmp_path / "old", NATIVE, image=tmp_path / "s.nii", structures=None).structures


def test_faults_of_libraries_are_sentences_without_a_patient(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = r"^x\.dcm: found a DICOM file that is damaged or lacks .*\(KeyError\)"
    with pytest.raises(InputError, match=said), faults_of(tmp_path / "x.dcm"):
        logging.getLogger("pydicom").warning("Nobody^Here")
        raise KeyError("Nobody^Here")
    assert not caplog.records
    with pytest.raises(InputError, match=r"^x\.dcm: found 'No such file or directory', expected a DICOM file\."):
        modality_of(tmp_path / "x.dcm")
