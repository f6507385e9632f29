"""Files below a folder and in archives, and what no archive may hold."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from rprloc.errors import InputError
from rprloc.scans.dicom import files as module
from rprloc.scans.dicom.files import may_be_dicom, opened_files

DICOM = bytes(128) + b"DICM" + bytes(40)


def zipped(path: Path, **contents: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught, opened_files(path) as found:
        for name in found.names:
            found.open(name)
    assert str(caught.value).startswith(f"{path.name}: found ") and ", expected " in str(caught.value)
    return str(caught.value)


def test_files_are_those_below_a_folder(tmp_path: Path) -> None:
    for name in ("b/2", "b/c/1", "a"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "nowhere").symlink_to("gone")
    (tmp_path / "b" / "round").symlink_to(tmp_path)
    with opened_files(tmp_path) as found:
        assert list(found.names) == ["a", "b/2", "b/c/1"]
        with found.open("b/2") as stream:
            assert stream.read() == b"b/2"
        assert found.place("b/2") == "file 2 of 3 by name"
    with opened_files(tmp_path / "a") as found:
        assert list(found.names) == ["a"] and found.paths == [tmp_path / "a"]


def test_an_archive_is_read_without_being_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", **{"s/1": DICOM + b"end", "s/2": bytes(5000)})
    with opened_files(path) as found:
        assert list(found.names) == ["s/1", "s/2"] and found.paths == [path]
        assert found.open("s/1").read() == DICOM + b"end"
        # No more of what is no DICOM.
        assert len(found.open("s/2").read()) == 132
    assert [one.name for one in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "..\\x", "C:x"])
def test_a_path_that_leads_out_of_an_archive_is_refused(tmp_path: Path, name: str) -> None:
    assert "a path that leads out of the archive" in refusal(zipped(tmp_path / "a.zip", **{name: DICOM}))


def test_a_million_files_are_refused_at_once(tmp_path: Path) -> None:
    # The list of a million files as it stands at the end of an archive.
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0) + b"IM0000"
    body = entry * 1_000_000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(body), 0, 0)
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04" + body + end)
    assert "an archive of more than 50,000 files" in refusal(tmp_path / "a.zip")


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 2)
    assert "an archive of 3 files, expected at most 2." in refusal(zipped(tmp_path / "a.zip", a=b"", b=b"", c=b""))
    for name in "abc":
        (tmp_path / name).touch()
    assert "found more than 2 files" in refusal(tmp_path)


def test_a_damaged_archive_and_a_huge_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "a.zip", one=DICOM + bytes(range(256)) * 20)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert "a damaged zip archive" in refusal(path)
    path.write_bytes(content[:60] + bytes(8) + content[68:])
    assert "damaged or locked" in refusal(path)
    path.write_bytes(content)
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    assert "found a file of more than 1,000 bytes in it" in refusal(path)


def test_what_may_be_dicom_by_its_beginning() -> None:
    assert may_be_dicom(DICOM) and may_be_dicom(b"\x08\x00\x05\x00")
    assert not any(may_be_dicom(start) for start in (b"", bytes(200), b"\x08\x00\xff\xff", b"DICM"))


def test_what_a_mac_puts_beside_files_is_passed_over(tmp_path: Path) -> None:
    names = ("a/1.dcm", "a/._1.dcm", "__MACOSX/a/._1.dcm", "__MACOSX/2.dcm")
    for name in names:
        (tmp_path / "f" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "f" / name).write_bytes(DICOM)
    for path in (tmp_path / "f", zipped(tmp_path / "f.zip", **dict.fromkeys(names, DICOM))):
        with opened_files(path) as found:
            assert list(found.names) == ["a/1.dcm"]
