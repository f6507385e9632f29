"""Which file beside a header holds its voxels."""

from __future__ import annotations

from pathlib import Path

import pytest

from rprloc.errors import InputError
from rprloc.scans.detached import is_detached, partner, partner_of

BESIDE = ["a.mhd", "a.raw", "a b.zraw", "s.HDR", "s.img", "t.img", "t.img.gz", "t.hdr"]


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("a.mhd", "NDims = 3\nElementDataFile = a.raw\n", "a.raw"),
        ("a.MHD", "NDims = 3\r\n ElementDataFile=a b.zraw \r\n", "a b.zraw"),
        ("a.nhdr", "NRRD0004\ndata file: ./a.raw", "a.raw"),
        ("a.nhdr", "NRRD0004\ndatafile: a.raw\n", "a.raw"),
        ("s.HDR", "", "s.img"),
        ("s.img", "", "s.HDR"),
        ("t.img", "", "t.hdr"),
    ],
)
def test_the_file_of_the_voxels(name: str, head: str, expected: str) -> None:
    assert is_detached(name)
    assert partner(name, head, BESIDE) == expected


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("a.mhd", "", "found no line that names the file of its voxels"),
        ("a.mhd", "ElementDataFile = LOCAL", "in no or in several files"),
        ("a.mhd", "ElementDataFile = LIST", "in no or in several files"),
        ("a.nhdr", "data file: a%03d.raw 1 9 1", "in no or in several files"),
        ("a.mhd", "ElementDataFile = /etc/hostname", "in another folder"),
        ("a.mhd", "ElementDataFile = ../a.raw", "in another folder"),
        ("a.nhdr", "data file: b.raw", "found no file of its voxels beside it"),
        ("x.hdr", "", "found no .img or .img.gz of its name beside it, expected one."),
        ("t.hdr", "", "found more than one .img or .img.gz of its name beside it, expected one."),
    ],
)
def test_a_file_that_is_not_there_or_may_be_any_is_refused(name: str, head: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        partner(name, head, BESIDE)
    assert str(caught.value).startswith(f"{name}: ") and expected in str(caught.value)


def test_what_lies_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "a.mhd").write_bytes(b"Comment = \xff\nElementDataFile = a.raw\n")
    (tmp_path / "a.raw").touch()
    assert partner_of(tmp_path / "a.mhd") == "a.raw"
    assert not is_detached("a.nii") and not is_detached("a.raw")
