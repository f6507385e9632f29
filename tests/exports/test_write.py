"""All kinds together, and what cannot be written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rprloc.exports.write import write_exports
from tests.exports.queries import query


def test_every_kind_has_its_folder(tmp_path: Path) -> None:
    said = write_exports(tmp_path / "exports", ("slicer", "masks", "csv", "crops"), query(tmp_path))
    assert said == []
    assert sorted(path.name for path in (tmp_path / "exports").iterdir()) == ["crops", "csv", "masks", "slicer"]
    assert write_exports(tmp_path / "none", (), query(tmp_path)) == [] and not (tmp_path / "none").exists()


def test_dicom_of_a_scan_that_is_none_is_said(tmp_path: Path) -> None:
    (said,) = write_exports(tmp_path / "exports", ("csv", "rtstruct", "dicomseg"), query(tmp_path))
    assert said.startswith("q1: its scan is no DICOM")
    assert [path.name for path in (tmp_path / "exports").iterdir()] == ["csv"]


def test_a_scan_that_is_gone_is_said_and_the_others_are_written(tmp_path: Path) -> None:
    one = replace(query(tmp_path), image=tmp_path / "gone.nii.gz")
    (said,) = write_exports(tmp_path / "exports", ("csv", "crops"), one)
    assert said.startswith("gone.nii.gz: found no such file")
    assert (tmp_path / "exports" / "csv" / "c" / "q1.csv").is_file()
