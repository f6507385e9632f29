"""What a scan is called, and that no two are called alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from rprloc.cohort.faults import NAME
from rprloc.errors import InputError
from rprloc.locator.names import Named, apart, named, subject_for

NAMES = [
    ("a/query1.nii.gz", "query1"), ("query2.nrrd", "query2"), ("p1.v2.mha", "p1.v2"), ("A.NII", "A"),
    ("dicom/", "dicom"), ("s.seg.nrrd", "s"), ("study.zip", "study"), ("Müller 1.nii.gz", "Muller_1"),
    ("._x.nii", "x"), ("лёгкое.nii", "scan"),
    ("a" * 90 + ".nii", "a" * 64), ("../x/..", None), ("-.nii", "scan"),
    ("[bold]\x1b[31m.nii", "bold_31m"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "expected"), NAMES)
def test_a_scan_is_called_as_its_file_or_folder(path: str, expected: str | None) -> None:
    found = subject_for(Path(path))
    assert NAME.fullmatch(found)
    assert expected in (found, None)


def test_a_folder_that_is_named_from_within_has_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p7").mkdir()
    monkeypatch.chdir(tmp_path / "p7")
    assert subject_for(Path()) == "p7"


def test_two_scans_of_one_name_are_a_sentence() -> None:
    with pytest.raises(InputError) as caught:
        named([Path("a/s.nii"), Path("b/S.nrrd"), Path("c/t.nii")], [Named("T", Path("t.nii"))])
    assert caught.value.errors == [
        "'b/S.nrrd': found a scan called S as 'a/s.nii' is, expected a file or folder whose name no other scan has "
        "(case does not count).",
        "'c/t.nii': found a scan called t as 't.nii' is, expected a file or folder whose name no other scan has "
        "(case does not count).",
    ]
    assert named([Path("a.nii"), Path("b.nii")]) == [Named("a", Path("a.nii")), Named("b", Path("b.nii"))]


def test_supports_among_the_queries_are_told_by_their_file(tmp_path: Path) -> None:
    (tmp_path / "s.nii").touch()
    (tmp_path / "link.nii").symlink_to(tmp_path / "s.nii")
    supports = [Named("s", tmp_path / "x" / ".." / "s.nii")]
    (tmp_path / "x").mkdir()
    queries = [tmp_path / "s.nii", tmp_path / "q.nii", tmp_path / "link.nii"]
    assert apart(queries, supports) == ([tmp_path / "q.nii"], [tmp_path / "s.nii", tmp_path / "link.nii"])
