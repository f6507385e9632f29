"""Crops that are much smaller than those of supports, and fields of another size."""

from __future__ import annotations

from dataclasses import replace

from rprloc.geometry import Grid
from rprloc.scans.crops import is_small_crop, odd_fields, usual_crop_mm
from rprloc.scans.record import Native, ScanRecord


def record(subject: str, *kept_mm: float, reason: str | None = None) -> ScanRecord:
    """Return a scan of 100 mm along each axis of which so many mm are kept."""
    native = Native(size=(50, 50, 50), spacing_mm=(2.0,) * 3, direction=(0, 1, 0, 1, 0, 0, 0, 0, 1), origin_mm=(0,) * 3)
    x, y, z = (round(mm / 5) for mm in kept_mm)
    model = None if reason else Grid((x, y, z), (5.0, 5.0, 5.0), (0.0, 0.0, 0.0))
    return ScanRecord(cohort="c", subject=subject, file=subject, native=native, model=model, reason=reason)


def test_a_crop_that_holds_less_than_half_of_what_those_of_supports_do_is_small() -> None:
    usual = usual_crop_mm([record("a", 80, 80, 60), record("b", 80, 90, 50), record("c", 70, 80, 90)])
    assert usual == (80.0, 80.0, 60.0)
    assert is_small_crop(record("d", 80, 35, 60), usual) and is_small_crop(record("d", 80, 80, 25), usual)
    assert not is_small_crop(record("d", 45, 45, 35), usual)


def test_a_small_field_is_no_small_crop_and_supports_set_aside_say_nothing() -> None:
    larger, long = usual_crop_mm([record("a", 150, 150, 150)]), usual_crop_mm([record("a", 150, 150, 900)])
    assert not is_small_crop(record("d", 80, 80, 60), larger) and is_small_crop(record("d", 80, 40, 60), larger)
    assert not is_small_crop(record("d", 80, 40, 60), long), "another part of the body"
    assert usual_crop_mm([record("a", 80, 80, 80, reason="cut")]) is None
    assert not is_small_crop(record("d", 10, 10, 10), None)


def of_field(*size: int) -> ScanRecord:
    """Return a scan of so many voxels of 2 mm."""
    one = record("a", 80, 80, 80)
    assert one.native is not None
    return replace(one, native=replace(one.native, size=size))


def test_a_field_of_another_size_than_the_others_is_named() -> None:
    cohort = {"a": of_field(250, 250, 100), "b": of_field(200, 240, 60), "c": of_field(50, 50, 50)}
    assert odd_fields(cohort) == {
        "c": "its field measures 100 x 100 x 100 mm and that of the cohort's other scans usually 490 x 450 x 160 mm, "
        "as where a spacing was lost or is in another unit"
    }
    assert list(odd_fields(cohort | {"d": of_field(2500, 2500, 1000)})) == ["c", "d"]


def test_a_slab_a_half_and_a_scan_alone_are_of_an_ordinary_field() -> None:
    assert odd_fields({"a": of_field(50, 50, 50)}) == {}
    assert odd_fields({"a": of_field(250, 250, 100), "b": of_field(250, 250, 10), "c": of_field(125, 250, 100)}) == {}
