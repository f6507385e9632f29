"""What people hand over in the place of an image."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from rprloc.scans.kinds import is_dicom, of_file, of_name

DICOM = bytes(128) + b"DICM" + bytes(100)
FILE = "a DICOM file"
ARCHIVE = "an archive, which has to be unpacked"


def zipped(path: Path, *files: tuple[str, bytes]) -> Path:
    """Return a zip archive with files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["a.dcm", "A.DCM", "a.ima", "1.2.3.IMA", "a.dicom"])
def test_names_of_dicom(name: str, tmp_path: Path) -> None:
    assert of_name(name) == FILE
    (tmp_path / name).write_bytes(b"")
    assert of_file(tmp_path / name) == FILE


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.TGZ", "a.7z"])
def test_names_of_archives(name: str) -> None:
    assert of_name(name) == ARCHIVE


@pytest.mark.parametrize("name", ["a.nii.gz", "a.Nii.Gz", "a.nrrd", "a.mha", "a.png", "dcm", "a"])
def test_other_names_say_nothing(name: str, tmp_path: Path) -> None:
    assert of_name(name) is None
    for content in (b"", b"PK", bytes(500)):
        (tmp_path / name).write_bytes(content)
        assert of_file(tmp_path / name) is None


def test_dicom_is_told_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "IM0001").write_bytes(DICOM)
    assert of_file(tmp_path / "IM0001") == FILE


def test_what_is_read_as_dicom(tmp_path: Path) -> None:
    (tmp_path / "IM0001").write_bytes(DICOM)
    (tmp_path / "a.dcm").write_bytes(b"")
    assert is_dicom(tmp_path) and is_dicom(tmp_path / "IM0001") and is_dicom(tmp_path / "a.dcm")
    assert is_dicom(zipped(tmp_path / "a.zip", ("a", b"")))
    (tmp_path / "a.nii").write_bytes(bytes(500))
    assert not is_dicom(tmp_path / "a.nii") and not is_dicom(tmp_path / "nowhere.dcm")


def test_an_archive_is_told_by_its_content(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "scan", ("s/", b""), ("s/IM1", DICOM))
    assert of_file(whole) == ARCHIVE
    (tmp_path / "cut").write_bytes(whole.read_bytes()[:60])
    assert of_file(tmp_path / "cut") == ARCHIVE
