"""The line of scans.csv that a scan has."""

from __future__ import annotations

import pytest

from rprloc.scans.record import Native
from rprloc.scans.told import SCAN_COLUMNS, csv_line, page_lines, told
from tests.scans.written import record_of, set_aside_record

NATIVE = Native(
    size=(10, 20, 30), spacing_mm=(0.5, 1.0, 2.0), direction=(1, 0, 0, 0, 1, 0, 0, 0, 1), origin_mm=(0, 0, 0)
)


def test_a_scan_that_can_be_used() -> None:
    assert told(record_of(native=NATIVE)) == {
        "status": "PASS", "findings": "", "done": "", "voxels": "10 x 20 x 30", "spacing_mm": "0.5 x 1 x 2",
        "field_mm": "5 x 20 x 60", "body_box_mm": "12 x 10 x 8", "oriented": "yes", "structures": "0",
    }  # fmt: skip


def test_findings_and_what_was_done() -> None:
    found = told(record_of(native=NATIVE, findings=("a tilt: resampled", "odd values"), oriented=False))
    assert (found["status"], found["oriented"]) == ("WARN", "no")
    assert (found["findings"], found["done"]) == ("a tilt; odd values", "resampled")


@pytest.mark.parametrize(
    ("finding", "what", "done"),
    [
        ("a label.nii.gz: its values (1, 2) are none of the structures'", None, ""),
        ("l.seg.nrrd: another grid: resampled", "l.seg.nrrd: another grid", "resampled"),
        ("its forms lie 3.5 mm apart: the sform is taken", "its forms lie 3.5 mm apart", "the sform is taken"),
        ("rs.dcm: liver: 3 open contours: passed over", "rs.dcm: liver: 3 open contours", "passed over"),
    ],
)
def test_the_name_of_a_file_is_not_what_was_found(finding: str, what: str | None, done: str) -> None:
    found = told(record_of(native=NATIVE, findings=(finding,)))
    assert (found["findings"], found["done"]) == (what or finding, done)


def test_a_scan_that_was_set_aside() -> None:
    assert told(set_aside_record()) == {
        "status": "FAIL", "findings": "s.nii.gz: found nothing, expected a scan", "done": "set aside",
    }  # fmt: skip


def test_the_line_of_a_csv() -> None:
    assert csv_line(None) == ",".join(SCAN_COLUMNS)
    odd = record_of(native=NATIVE, findings=('a "b", c: d',))
    assert csv_line(odd).startswith('c,s,s.nii.gz,WARN,"a ""b"", c",d,10 x 20 x 30,0.5 x 1 x 2,')
    assert csv_line(set_aside_record()).endswith("set aside,,,,,,")


def test_lines_for_a_person() -> None:
    assert page_lines(record_of(native=NATIVE, findings=("a: b", "c"), oriented=False)) == [
        "WARN  s: 10 x 20 x 30 voxels of 0.5 x 1 x 2 mm, body 12 x 10 x 8 mm, orientation unknown",
        "      a: b",
        "      c",
    ]
    assert page_lines(set_aside_record()) == ["FAIL  s", "      s.nii.gz: found nothing, expected a scan."]
