"""Lost answers asked again by way of other scans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rprloc.geometry import Affine, FloatArray, box_of_points
from rprloc.methods.answer import NO_SUPPORT, Answers, Found, Key
from rprloc.methods.bridges import Bridges
from rprloc.methods.carry import Chained, Matching
from rprloc.methods.clock import Clock
from rprloc.methods.judged import Judged
from rprloc.methods.orientation import Turned
from rprloc.scans.outlines import Outline
from rprloc.scans.record import Native
from rprloc.scans.scan import CarriedStructure, Scan
from rprloc.scans.turned import UNTURNED, Turn
from tests.methods.patients import ORGANS, SHIFT_MM, moved, patient

SCANS = {name: patient(name, shift_mm=SHIFT_MM * number) for number, name in enumerate(("s", "t", *"abcdq"))}
"""Two supports, four scans that may be asked, and a query."""
LOOKED = {"sure": np.array([0.8, 0.0, 2.5, np.nan]), "lost": np.array([0.1, 0.6, 2.0, np.nan])}
FAR = np.array([0.0, 0.0, 40.0])
OFF = {"a": 0.0, "b": -1.0, "c": 1.0, "d": 7.0}
"""How far answers by way of a scan are off, in mm."""


def key(name: str, support: str = "s") -> Key:
    return Key("m", "extreme", support, name)


def true(query: Scan, name: str) -> FloatArray:
    return query.structures[name].extreme_mm


def signs(query: Scan, answers: Answers) -> dict[Key, FloatArray]:
    """Call lost what is 20 mm off."""
    return {
        one: LOOKED["lost" if np.abs(answer.points_mm - true(query, one.structure)).max() > 20 else "sure"]
        for one, answer in answers.items()
        if isinstance(answer, Found)
    }


def shift(support: Scan, query: Scan) -> FloatArray:
    return query.grid.box_mm[0] - support.grid.box_mm[0]


def carry(by_mm: FloatArray) -> Matching:
    """Return a translation."""
    points = np.random.default_rng(1).uniform(0, 50, (20, 3))
    return Matching(Affine(np.eye(3), by_mm), points, np.zeros_like(points))


class Finder:
    """Finds what supports have where a query has it, but for organs that are off in some queries."""

    def __init__(self, supports: Sequence[Scan], off: Mapping[str, FloatArray]) -> None:
        self.supports, self.off, self.asked = supports, off, list[str]()

    def prepare(self, supports: Sequence[Scan]) -> None:
        raise AssertionError

    def locate(self, query: Scan, clock: Clock) -> Answers:
        self.asked.append(query.subject)
        found: Answers = {}
        for support in self.supports:
            for name, about in support.structures.items():
                by = shift(support, query) + (self.off.get(query.subject, 0) if name == "organ" else 0)
                by = by + OFF.get(support.subject.partition(" in ")[2], 0)
                found[key(name, support.subject)] = Found(
                    points_mm=about.extreme_mm + by, half_voxel_mm=(1, 1, 1), carry=carry(by)
                )
        return found


class Asking:
    """Bridges between some scans, and what was taken as supports."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, names: str = "abcd", supports: str = "s", **off: FloatArray
    ) -> None:
        monkeypatch.setattr(Scan, "read", staticmethod(lambda folder: SCANS.get(folder.name)))
        own = [SCANS[name] for name in supports]
        self.finder, self.taken = Finder(own, off), list[Finder]()
        self.bridges = Bridges([Path(name) for name in names], own, self._take, signs)

    def _take(self, supports: Sequence[Scan]) -> Finder:
        # By way of others it is right.
        self.taken.append(Finder(supports, {}))
        return self.taken[-1]

    def __call__(self, name: str = "q", way: Turned | None = None) -> tuple[Judged, Judged]:
        """Return what is answered for a query, before and after others were asked."""
        query = SCANS[name]
        found = {one: answer for one, answer in self.finder.locate(query, Clock()).items() if one.support != name}
        before = Judged(found, signs(query, found), way)
        return before, self.bridges.answered(self.finder, query, before, Clock())


def test_a_lost_answer_gives_way_to_what_others_agree_on(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(monkeypatch, q=FAR)
    before, after = asking()
    organ, gland = key("organ"), key("gland")
    assert after.answers[gland] is before.answers[gland]
    answer, query = after.answers[organ], SCANS["q"]
    assert isinstance(answer, Found) and isinstance(answer.carry, Chained)
    # By way of a, b and c it is 0, -1 and 1 mm off.
    np.testing.assert_allclose(box_of_points(answer.points_mm), query.structures["organ"].box_mm)
    assert after.alone[organ] < 0.2 < before.alone[organ]
    # An outline comes the same way: from the query to the scan that was asked, from there to the support.
    np.testing.assert_allclose(answer.carry.sources(true(query, "organ")), true(SCANS["s"], "organ"), atol=1e-6)
    # The second query has nothing to wait for.
    asking()
    assert len(asking.taken) == 1 and asking.finder.asked == ["q", *"abcd", "q"] and asking.bridges.seconds > 0


def test_what_is_asked_has_what_was_carried_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(monkeypatch, q=FAR, a=FAR / 4)
    asking()
    (finder,) = asking.taken
    assert [scan.subject for scan in finder.supports] == ["s in a", "s in b", "s in c"]
    for scan in finder.supports:
        plain = SCANS[scan.subject[-1]]
        for name in ORGANS:
            off = FAR / 4 if (name, plain.subject) == ("organ", "a") else 0
            np.testing.assert_allclose(scan.structures[name].box_mm, moved(plain.structures[name], off).box_mm)
            np.testing.assert_allclose(scan.surfaces_mm()[name], true(plain, name) + off, atol=1e-6)
        assert scan.values is plain.values and scan.outlines() == {}


def test_a_mask_is_drawn_where_it_was_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    direction = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    for name in ("s", "a"):
        grid = SCANS[name].grid
        native = Native(size=grid.size, spacing_mm=grid.spacing_mm, origin_mm=grid.origin_mm, direction=direction)
        monkeypatch.setitem(SCANS, name, replace(SCANS[name], record=replace(SCANS[name].record, native=native)))
    support = SCANS["s"]
    low, high = np.rint(support.grid.voxel(support.structures["organ"].box_mm)).astype(int)
    inside = np.zeros(support.values.shape, dtype=bool)
    inside[tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))] = True
    outline = Outline.of(inside, (0, 0, 0))
    drawn = {name: CarriedStructure(true(support, name), outline if name == "organ" else None) for name in ORGANS}
    monkeypatch.setitem(SCANS, "s", replace(support, carried=drawn))
    asking = Asking(monkeypatch, names="a", q=FAR)
    asking()
    carried = asking.taken[0].supports[0].outlines()
    assert list(carried) == ["organ"] and outline is not None
    # The scan lies further by as much as its grid.
    assert carried["organ"].first == outline.first
    np.testing.assert_array_equal(carried["organ"].inside, outline.inside)


def test_the_scans_in_which_it_is_found_best_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.methods.test_bridges.ORGANS", {"organ": ORGANS["organ"]})
    for scan in SCANS.values():
        only = {"organ": scan.structures["organ"]}
        monkeypatch.setitem(SCANS, scan.subject, replace(scan, record=replace(scan.record, structures=only)))
    asking = Asking(monkeypatch, q=FAR, a=FAR)
    asking()
    assert [scan.subject for scan in asking.taken[0].supports] == ["s in b", "s in c", "s in d"]


def test_each_support_asks_for_itself_and_a_query_neither_itself_nor_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, after = Asking(monkeypatch, names="abt", supports="st", a=FAR)("a")
    for support in "st":
        assert before.alone[key("organ", support)] > 0.2 > after.alone[key("organ", support)]
    # A support that is asked and is the query: its own label says nothing of it.
    before, after = Asking(monkeypatch, names="abt", supports="st", t=FAR)("t")
    assert {one.support for one in after.answers} == {"s"}
    assert after.alone[key("organ")] < 0.2 < before.alone[key("organ")]


def test_what_most_say_too_stays_to_the_last_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(monkeypatch, q=np.zeros(3))
    monkeypatch.setitem(LOOKED, "sure", LOOKED["lost"])
    before, after = asking()
    assert asking.taken and all(after.answers[one] is before.answers[one] for one in before.answers)


def test_nothing_is_searched_where_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(monkeypatch)
    before, after = asking()
    assert after is before and asking.finder.asked == ["q"] and not asking.taken and not asking.bridges.seconds


def test_a_query_that_lies_otherwise_does_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(monkeypatch, q=FAR)
    before, after = asking(way=Turned(Turn(UNTURNED.axes, (1, 1, -1)), sided=True))
    assert after is before and not asking.taken


def test_an_answer_without_a_support_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = Asking(monkeypatch)
    found = Found(points_mm=true(SCANS["q"], "organ") + FAR, half_voxel_mm=None)
    before = Judged({key("organ", NO_SUPPORT): found}, {key("organ", NO_SUPPORT): LOOKED["lost"]})
    assert asking.bridges.answered(asking.finder, SCANS["q"], before, Clock()) is before


@pytest.mark.parametrize("names", ["", "xyz"])
def test_without_a_scan_that_can_be_read_answers_stay(monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    before, after = Asking(monkeypatch, names=names, q=FAR)()
    assert after is before
