"""The rows of the registrations: keys, points, failures and what supports are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.geometry import WALLS
from rprloc.methods import registration
from rprloc.methods.answer import Prediction
from rprloc.methods.images import RegistrationError
from rprloc.methods.registration import METHODS, Registration
from rprloc.scans.scan import Scan
from tests.methods.fakes import answered, facts, points_of, scan
from tests.methods.heads import ORGANS, WINDOW, Head, head

SHIFT = np.array([7.0, -3.0, 5.0])


def query(subject: str = "q") -> Head:
    return head(subject, lambda p: p - SHIFT)


def located(
    query: Scan, supports: Sequence[Scan], names: tuple[str, ...] = ("affine",), **how: Any
) -> list[Prediction]:
    keywords: dict[str, Any] = {"seed": 1, "threads": 2} | how
    method = Registration(dict.fromkeys(names, "extreme"), window=WINDOW, **keywords)
    method.prepare(supports)
    return answered(method, query, drawn="s")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace the registrations by translations of 1, 2, 3 and 4 mm; return what was called."""
    called: list[str] = []

    def way(name: str, shift: float) -> Any:
        def register(support: Any, query: Any, *rest: Any, **more: Any) -> sitk.Transform:
            called.append(name)
            return sitk.TranslationTransform(3, [shift, 0.0, 0.0])

        return register

    monkeypatch.setattr(registration, "affine", way("affine", 1.0))
    monkeypatch.setattr(registration, "bspline", way("bspline", 2.0))
    monkeypatch.setattr("rprloc.methods.convex.convex", way("convex", 3.0))
    monkeypatch.setattr("rprloc.methods.syn.syn", way("syn", 4.0))
    return called


def test_a_moved_patient_is_found_where_he_went() -> None:
    rows = located(query(), [head("s", structures=ORGANS)])
    assert [(row.structure, row.method, row.setting, row.support, row.drawn) for row in rows] == [
        ("left", "affine", "extreme", "s", True),
        ("right", "affine", "extreme", "s", True),
    ]
    for row in rows:
        about = ORGANS[row.structure]
        true = about.extreme_mm + SHIFT
        np.testing.assert_allclose(points_of(row), true, atol=0.4)
        np.testing.assert_allclose(row.box_mm, about.box_mm + SHIFT, atol=0.4)
        assert list(row.points_mm or {}) == list(WALLS)
        assert row.half_voxel_mm == list(about.half_voxel_mm)
        assert set(row.seconds) == {"prepare", "transform", "search"}
        assert row.spread_mm is None and row.confidence is None and not row.failed


def test_one_affine_a_pair_serves_all_methods(quick: list[str]) -> None:
    supports = [head(name, structures=ORGANS) for name in ("s", "t")]
    rows = located(query(), supports, METHODS)
    assert sorted(quick) == ["affine"] * 2 + ["bspline"] * 2 + ["convex"] * 2 + ["syn"] * 2
    assert [(row.support, row.method) for row in rows[::2]] == [
        (support, name) for support in ("s", "t") for name in METHODS
    ]
    moved = [points_of(row)[0, 0] - ORGANS[row.structure].extreme_mm[0, 0] for row in rows]
    np.testing.assert_allclose(moved, [1, 1, 2, 2, 3, 3, 4, 4] * 2)


def test_a_method_that_is_not_asked_for_is_not_run(quick: list[str]) -> None:
    located(query(), [head("s", structures=ORGANS)], ("convex",))
    assert quick == ["affine", "convex"]
    quick.clear()
    # It starts from nothing.
    located(query(), [head("s", structures=ORGANS)], ("syn",))
    assert quick == ["syn"]


def test_a_support_without_any_structure_is_not_registered(quick: list[str]) -> None:
    assert located(query(), [head("s")], ("affine", "convex"), structures=["left"]) == [] == quick


def test_each_method_s_seconds_are_those_of_its_pair_with_the_affine_that_it_needs(
    quick: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = iter(range(1000))
    monkeypatch.setattr("time.perf_counter", lambda: next(begun))
    # Every look at the clock is a second later: a registration takes one.
    rows = located(query(), [head(name, structures=ORGANS) for name in ("s", "t")], METHODS, threads=1)
    for row in rows:
        assert row.seconds["transform"] == (1 if row.method in ("affine", "syn") else 2) / len(ORGANS)
        assert row.seconds["search"] == 1 / len(ORGANS) and row.seconds["prepare"] == pytest.approx(
            1 / len(rows), abs=1e-6
        )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RegistrationError("the registration diverged"), "the registration diverged"),
        (RuntimeError("Exception\nITK ERROR: all samples outside."), "registration stopped: ITK ERROR: all samples"),
        (ValueError(), "registration stopped: ValueError"),
    ],
)
def test_a_registration_that_fails_is_a_row_and_the_others_go_on(
    quick: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(registration, "bspline", fails)
    rows = located(query(), [head("s", structures=ORGANS)], ("affine", "bspline", "convex"))
    assert [row.failed for row in rows] == [False, False, True, True, False, False]
    assert reason in (rows[2].reason or "")
    monkeypatch.setattr(registration, "affine", fails)
    rows = located(query(), [head("s", structures=ORGANS)], ("affine", "bspline", "convex"))
    assert len(rows) == 6 and all(row.failed and reason in (row.reason or "") for row in rows)


def test_too_little_memory_is_no_answer_of_a_scan(quick: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("Failed to allocate memory for image.")

    monkeypatch.setattr(registration, "affine", fails)
    with pytest.raises(MemoryError):
        located(query(), [head("s", structures=ORGANS)])


def test_memory_that_a_registration_itself_lacks_is_no_answer_of_a_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("Exception\nITK ERROR: Failed to allocate memory for image.")

    monkeypatch.setattr(sitk.ImageRegistrationMethod, "Execute", fails)
    with pytest.raises(MemoryError):
        located(query(), [head("s", structures=ORGANS)])


def test_points_that_are_no_numbers_are_a_failed_row(quick: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = sitk.TranslationTransform(3, [float("nan"), 0.0, 0.0])
    monkeypatch.setattr(registration, "affine", lambda *_, **__: nowhere)
    rows = located(query(), [head("s", structures=ORGANS)])
    assert all(row.failed and row.reason == "the registration's answer is not a number" for row in rows)


def test_a_scan_without_a_volume_for_matching_gives_failed_rows(quick: list[str]) -> None:
    rows = located(scan("q"), [head("s", structures=ORGANS)])
    assert len(rows) == 2 and all("no volume for image matching" in (row.reason or "") for row in rows)
    rows = located(query(), [scan("s", ORGANS)])
    assert len(rows) == 2 and all("no volume for image matching" in (row.reason or "") for row in rows)


def test_a_query_of_one_value_gives_failed_rows() -> None:
    flat = query()
    flat = replace(flat, values=np.full_like(flat.values, -1000), body=np.zeros_like(flat.body))
    rows = located(flat, [head("s", structures=ORGANS)], ("affine", "bspline", "convex"))
    assert len(rows) == 6 and all(row.failed and row.reason for row in rows)


def test_threads_and_companions_change_nothing(quick: list[str]) -> None:
    supports = [head(name, structures=ORGANS) for name in ("s", "t")]
    alone = located(query(), supports, threads=1)
    together = located(query(), supports, threads=4)
    assert [facts(row) for row in alone] == [facts(row) for row in together]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="found demons"):
        Registration({"demons": "extreme"}, window=WINDOW, seed=1)
