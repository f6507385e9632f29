"""A crop that keeps much less than those of the other scans is said."""

from __future__ import annotations

from dataclasses import replace

from rprloc.geometry import Grid
from rprloc.scans.crops import odd_fields, small_crops
from rprloc.scans.record import Native, ScanRecord


def record(subject: str, size: int, *, reason: str | None = None) -> ScanRecord:
    """Return a scan of 100 mm along each axis of which so many mm along z are kept."""
    native = Native(size=(50, 50, 50), spacing_mm=(2.0,) * 3, direction=(1, 0, 0, 0, 1, 0, 0, 0, 1), origin_mm=(0,) * 3)
    model = Grid((20, 20, size // 5), (5.0,) * 3, (0.0,) * 3)
    return ScanRecord(cohort="c", subject=subject, file=subject, native=native, model=model, reason=reason)


def test_a_scan_that_keeps_less_than_half_of_what_is_usual_is_named() -> None:
    cohort = {name: record(name, 80) for name in "abcd"} | {"e": record("e", 35), "f": record("f", 45)}
    assert small_crops(cohort) == {
        "e": "the crop to the body keeps 35% of the field, and of the cohort's scans usually 80%"
    }


def test_few_scans_and_those_set_aside_say_nothing_of_what_is_usual() -> None:
    cohort = {name: record(name, 80) for name in "abc"} | {"e": record("e", 10)}
    assert small_crops(cohort) == {}
    assert small_crops(cohort | {"d": record("d", 80, reason="cut")}) == {}


def of_field(*size: int) -> ScanRecord:
    """Return a scan of so many voxels of 2 mm."""
    one = record("a", 80)
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
