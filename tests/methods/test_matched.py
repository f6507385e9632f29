"""The default method's rows: keys, points, failures, and what of a query is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from rprloc.geometry import WALLS, Affine, Grid, box_of_points
from rprloc.methods.answer import OUTSIDE, Prediction
from rprloc.methods.coupled import Features, Rooms
from rprloc.methods.images import RegistrationError
from rprloc.methods.looks import Looks
from rprloc.methods.matched import Matched
from rprloc.methods.refined import Nearby, Spread
from rprloc.scans.scan import Scan
from tests.methods.fakes import altered, answered, facts, points_of, scan, structure
from tests.methods.heads import GRID, ORGANS, WINDOW, head, unmoved

CPU = torch.device("cpu")
SHIFT = np.array([7.0, -3.0, 5.0])
HERE = Affine(np.eye(3), np.zeros(3))
ONE = {"left": ORGANS["left"]}
SUPPORT = head("s", structures=ORGANS)
QUERY = head("q", lambda p: p - SHIFT)


class Told:
    """Starts where it is told for each support, else where the support has its landmarks."""

    def __init__(self, **outcomes: Affine | RegistrationError) -> None:
        self._outcomes = outcomes
        self.asked: list[str] = []
        """The scans that were prepared, in order."""

    def support(self, looks: Looks, points_mm: Any) -> str:
        assert points_mm.shape == (6 * len(looks.scan.structures), 3)
        return str(self.query(looks))

    def query(self, looks: Looks) -> str:
        subject = looks.scan.subject
        self.asked.append(subject)
        if f"no_{subject}" in self._outcomes:
            raise self._outcomes[f"no_{subject}"]  # type: ignore[misc]
        return subject

    def affines(self, supports: Sequence[str], query: str) -> list[Affine | RegistrationError]:
        return [self._outcomes.get(subject, HERE) for subject in supports]


def located(query: Scan, supports: Sequence[Scan], start: Told | None = None, **changes: Any) -> list[Prediction]:
    """Return a query's answers."""
    method = Matched(start or Told(), window=WINDOW, device=CPU, **changes)
    method.prepare(supports)
    return answered(method, query, drawn="s")


LEFT_MM = ORGANS["left"].extreme_mm


def test_a_patient_who_lies_seven_millimetres_further_is_found_there() -> None:
    rows = located(QUERY, [SUPPORT])
    assert [(row.structure, row.method, row.setting, row.support, row.drawn) for row in rows] == [
        ("left", "matched", "extreme", "s", True), ("right", "matched", "extreme", "s", True),
    ]  # fmt: skip
    for row in rows:
        about = ORGANS[row.structure]
        np.testing.assert_allclose(points_of(row), about.extreme_mm + SHIFT, atol=0.6)
        np.testing.assert_allclose(row.box_mm, about.box_mm + SHIFT, atol=0.6)
        assert list(row.points_mm or {}) == list(WALLS) and row.half_voxel_mm == list(about.half_voxel_mm)
        assert row.seconds.keys() == {"network", "start", "transform", "search"}
        # All move alike.
        assert not row.failed and row.spread_mm == pytest.approx(0, abs=1)


def test_a_start_that_turns_and_shifts_is_undone_and_done_again() -> None:
    angle = np.deg2rad(12)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    far = np.array([60.0, -35.0, 20.0])
    grid = replace(GRID, origin_mm=(*(np.array(GRID.origin_mm) + far).tolist(),))
    query = head("q", lambda p: (p - far) @ turn, grid=grid)
    off = np.array([4.0, -5.0, 3.0])
    (row,) = located(query, [altered(SUPPORT, structures=ONE)], Told(s=Affine(turn, far + off)))
    np.testing.assert_allclose(points_of(row), LEFT_MM @ turn.T + far, atol=0.85)


def test_scans_that_show_more_are_matched_more_finely(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall moves by itself, over less than what agrees in the fine matching."""

    def bump(points: Any) -> Any:
        far = np.linalg.norm((points - LEFT_MM[1]) / [9.0, 14.0, 14.0], axis=-1, keepdims=True)
        return points - np.exp(-(far**2) / 2) * np.array([5.0, 0.0, 0.0])

    grid = Grid((60, 60, 60), (2.0, 2.0, 2.0), (-52.0, -72.0, -68.0))
    support, query = head("s", grid=grid, structures=ONE), head("q", bump, grid=grid)
    true = unmoved(bump, LEFT_MM)[1, 0]
    (row,) = located(query, [support])
    more = abs(points_of(row)[1, 0] - true)
    monkeypatch.setattr("rprloc.methods.matched.finer", lambda spacing_mm: None)
    (row,) = located(query, [support])
    assert more < 0.6 * abs(points_of(row)[1, 0] - true)


def test_scans_of_other_spacings_are_compared_at_the_coarser_one() -> None:
    """A query of a finer volume than its support's, and of a coarser one; each support by itself."""
    fine = Grid((60, 60, 60), (2.0, 2.0, 2.0), (-52.0, -72.0, -68.0))
    of_both = {"fine": {"grid": fine}, "coarse": {}}
    supports = [head(name, structures=ONE, **of_both[name]) for name in of_both]
    for name, kept in of_both.items():
        query = head("q", lambda p: p - SHIFT, **kept)
        rows = located(query, supports)
        assert [row.support for row in rows] == list(of_both)
        for row, support in zip(rows, supports, strict=True):
            np.testing.assert_allclose(points_of(row), LEFT_MM + SHIFT, atol=1.5)
            (alone,) = located(query, [support])
            np.testing.assert_allclose(points_of(alone), points_of(row), atol=1e-4)
        # At a spacing that the other does not have there is nothing more to be seen.
        by_fine = points_of(rows[0])
        other = located(head("q", lambda p: p - SHIFT), [supports[0]])
        assert name == "fine" or np.allclose(points_of(other[0]), by_fine, atol=1e-4)


def test_rows_go_by_support_then_structure_and_no_scan_answers_itself() -> None:
    start = Told()
    supports = [altered(SUPPORT, subject=name) for name in ("s", "q", "t")]
    rows = located(supports[1], supports, start, structures=["right", "left"])
    assert [(row.support, row.structure, row.drawn) for row in rows] == [
        ("s", "right", True), ("s", "left", True), ("t", "right", False), ("t", "left", False),
    ]  # fmt: skip
    assert start.asked == ["s", "q", "t", "q"]
    assert located(SUPPORT, [SUPPORT]) == []


def test_structures_that_are_not_asked_are_not_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    many: list[set[str]] = []

    def spy(features: Features, spread: Mapping[str, Spread], rooms: Rooms) -> None:
        many.append(set(spread))

    monkeypatch.setattr(Nearby, "of", spy)
    monkeypatch.setattr(Told, "support", lambda _, looks, __: looks.scan.subject)
    assert {name for name, one in SUPPORT.structures.items() if one.is_drawn} == {"left", "right"}
    located(QUERY, [SUPPORT], structures=["left"])
    assert many == [{"left"}]


def test_a_support_without_any_of_the_structures_is_not_read() -> None:
    start = Told()
    rows = located(QUERY, [altered(SUPPORT, structures=ONE), scan("t")], start, structures=["left", "liver"])
    assert [(row.support, row.structure, row.reason) for row in rows] == [("s", "left", None)]
    assert start.asked == ["s", "q"]


def test_a_start_that_fails_gives_its_reason_and_the_others_go_on() -> None:
    supports = [altered(SUPPORT, subject=name, structures=ONE) for name in ("s", "t", "u")]
    start = Told(s=RegistrationError("the scans hardly overlap"), no_t=RegistrationError("the map is of no use"))
    first, second, third = located(QUERY, supports, start)
    assert (first.failed, first.reason) == (True, "the scans hardly overlap")
    assert (second.failed, second.reason) == (True, "the map is of no use")
    assert not third.failed
    np.testing.assert_allclose(points_of(third), LEFT_MM + SHIFT, atol=0.6)


def test_a_query_that_cannot_start_fails_with_its_own_reason_or_the_support_s() -> None:
    supports = [altered(SUPPORT, subject=name, structures=ONE) for name in ("s", "t")]
    start = Told(no_q=RegistrationError("the query is upside down"), no_t=RegistrationError("the map is of no use"))
    rows = located(QUERY, supports, start, structures=["left", "liver"])
    assert [row.reason for row in rows] == ["the query is upside down", "the map is of no use"]
    assert all(row.failed and row.box_mm is None for row in rows)


def test_a_scan_without_a_volume_for_matching_gives_failed_rows() -> None:
    without = "found no volume for image matching, expected one from PREPROCESS"
    for query, support, name in ((scan("q"), altered(SUPPORT, structures=ONE), "q"), (QUERY, scan("s", ONE), "s")):
        (row,) = located(query, [support])
        assert (row.failed, row.reason) == (True, f"{name}: {without}")


@pytest.mark.parametrize("which", ["query", "support"])
def test_a_scan_of_one_value_gives_failed_rows(which: str) -> None:
    pair = {"query": QUERY, "support": altered(SUPPORT, structures=ONE)}
    pair[which] = replace(pair[which], values=np.full_like(pair[which].values, -1000))
    (row,) = located(pair["query"], [pair["support"]])
    said = f"the scan {pair[which].subject} shows one grey value only where the structures should be"
    said += ": all values are below the cohort's window, -500 to 1500"
    assert (row.failed, row.reason) == (True, said)


def test_a_structure_that_the_query_does_not_show_says_so() -> None:
    # The organs begin at -28 and -20 mm and end at 12 and 22 mm; the field ends at 16 or at -48.
    for planes, shown in ((31, True), (15, False)):
        cut = head("q", grid=Grid((*GRID.size[:2], planes), GRID.spacing_mm, GRID.origin_mm))
        rows = located(cut, [SUPPORT])
        assert [row.reason for row in rows] == [None if shown else OUTSIDE] * 2
        # A box ends where the field does.
        assert all(row.box_mm[1][2] <= cut.grid.box_mm[1, 2] for row in rows if row.box_mm)


@pytest.mark.parametrize("gap", [14.0, 20.0])
def test_a_flat_structure_beyond_the_edge_is_not_drawn_into_the_query(gap: float) -> None:
    cut = head("q", grid=Grid((*GRID.size[:2], 15), GRID.spacing_mm, GRID.origin_mm))
    low = float(cut.grid.box_mm[1, 2]) + gap
    support = altered(SUPPORT, structures={"flat": structure([5.0, -30.0, low], [30.0, 10.0, low + 14])})
    assert [row.reason for row in located(cut, [support])] == [OUTSIDE]


def test_a_structure_far_outside_the_query_is_a_failed_row() -> None:
    (row,) = located(QUERY, [altered(SUPPORT, structures=ONE)], Told(s=Affine(np.eye(3), np.array([900.0, 0.0, 0.0]))))
    assert (row.failed, row.reason) == (True, OUTSIDE)


def test_a_structure_at_the_corner_of_the_support_is_a_row() -> None:
    corner = structure((GRID.world([0, 0, 0])).tolist(), GRID.world([4, 4, 4]).tolist())
    (row,) = located(SUPPORT, [altered(SUPPORT, subject="t", structures={"corner": corner})])
    assert row.failed == (row.box_mm is None)
    (row,) = located(
        SUPPORT, [altered(SUPPORT, subject="t", structures={"corner": structure([900.0] * 3, [910.0] * 3)})]
    )
    assert (row.failed, row.reason) == (True, "the structures lie outside the support t")


def test_answers_do_not_depend_on_the_other_supports() -> None:
    supports = [altered(SUPPORT, structures=ONE), head("t", lambda p: p * 1.03, structures=ONE)]
    together = [points_of(row) for row in located(QUERY, supports)]
    for support, expected in zip(supports, together, strict=True):
        (row,) = located(QUERY, [support])
        # What is read of the query ends elsewhere, beyond all that is compared.
        np.testing.assert_allclose(points_of(row), expected, atol=1e-3)
    again = located(QUERY, supports)
    assert [facts(row) for row in again] == [facts(row) for row in located(QUERY, supports)]


def test_a_turned_structures_box_is_that_of_its_whole_surface(monkeypatch: pytest.MonkeyPatch) -> None:
    """The six points of a long structure are no longer the outermost ones once it is turned."""
    angle = np.deg2rad(25)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    low, high = ORGANS["left"].box_mm
    sphere = np.random.default_rng(1).normal(size=(600, 3))
    ball = sphere / np.linalg.norm(sphere, axis=1, keepdims=True)
    surface = np.concatenate([LEFT_MM, (low + high) / 2 + ball * (high - low) / 2])
    monkeypatch.setattr(Scan, "surfaces_mm", lambda _self: {"left": surface})
    query = head("q", lambda p: p @ turn)
    (row,) = located(query, [altered(SUPPORT, structures=ONE)], Points(s=Affine(turn, np.zeros(3))))
    # Of 606 points three may lie beyond each wall.
    np.testing.assert_allclose(row.box_mm, np.sort(surface @ turn.T, axis=0)[[3, -4]], atol=1.5)
    points = points_of(row)
    np.testing.assert_allclose(box_of_points(points), row.box_mm)


class Points(Told):
    """Takes any landmarks, and knows how many."""

    def support(self, looks: Looks, points_mm: Any) -> str:
        assert points_mm.shape == ((6 + 8) * len(looks.scan.structures), 3)
        return str(self.query(looks))


def test_matched_points_are_the_extreme_ones_and_others_far_from_them_and_from_each_other() -> None:
    random = np.random.default_rng(2)
    surface = np.concatenate([LEFT_MM, LEFT_MM.mean(axis=0) + random.normal(0, 8, (300, 3))])
    chosen = Spread.over(surface, 14).points_mm
    np.testing.assert_array_equal(chosen[:6], LEFT_MM)
    apart = np.linalg.norm(chosen[:, None] - chosen[None], axis=2)
    assert apart[6:][apart[6:] > 0].min() > 8
    # Where there are fewer points than asked for, each counts once.
    few = np.concatenate([LEFT_MM, LEFT_MM[:2], LEFT_MM[:1] + 1])
    assert len(Spread.over(few, 14).points_mm) == 7
