"""Doubtful answers asked again by way of other queries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rprloc.geometry import Affine, FloatArray, box_of_points
from rprloc.methods.answer import Answers, Found, Key
from rprloc.methods.bridges import Bridges, Queried
from rprloc.methods.carry import Chained, Matching
from rprloc.methods.clock import Clock
from rprloc.methods.judged import Judged
from rprloc.methods.orientation import Turned
from rprloc.scans.scan import Scan
from rprloc.scans.turned import Turn
from tests.methods.patients import ORGANS, SHIFT_MM, patient

SUPPORT = patient("s")
QUERIES = {f"q{i}": patient(f"q{i}", shift_mm=SHIFT_MM * i) for i in range(5)}
SURE, DOUBTFUL = np.array([0.8, 0.0, 2.5, np.nan]), np.array([0.3, 0.3, 2.2, np.nan])
FAR = np.array([0.0, 0.0, 40.0])


def key(name: str, support: str = "s") -> Key:
    return Key("m", "extreme", support, name)


def true(query: Scan, name: str) -> FloatArray:
    return query.structures[name].extreme_mm


def signs(query: Scan, answers: Answers) -> dict[Key, FloatArray]:
    """Doubt what is 20 mm off."""
    return {
        one: DOUBTFUL if np.abs(answer.points_mm - true(query, one.structure)).max() > 20 else SURE
        for one, answer in answers.items()
        if isinstance(answer, Found)
    }


def carry(by_mm: FloatArray) -> Matching:
    """Return a translation."""
    points = np.random.default_rng(1).uniform(0, 50, (20, 3))
    return Matching(Affine(np.eye(3), by_mm), points, np.zeros_like(points))


def answers(query: Scan, off: FloatArray) -> Answers:
    """Return the support's answers, of which the organ's is off."""
    moves = {name: off if name == "organ" else np.zeros(3) for name in ORGANS}
    shift = query.grid.box_mm[0] - SUPPORT.grid.box_mm[0]
    return {
        key(name): Found(points_mm=true(query, name) + move, half_voxel_mm=(1, 1, 1), carry=carry(shift + move))
        for name, move in moves.items()
    }


class ByWay:
    """Finds what its supports have where a query has it, a little off each in its own way."""

    def __init__(self, supports: Sequence[Scan]) -> None:
        self.supports, self.asked = supports, list[str]()

    def prepare(self, supports: Sequence[Scan]) -> None:
        raise AssertionError

    def locate(self, query: Scan, clock: Clock) -> Answers:
        self.asked.append(query.subject)
        found: Answers = {}
        for support in self.supports:
            if support.subject != query.subject:
                shift = query.grid.box_mm[0] - support.grid.box_mm[0]
                for name, about in support.structures.items():
                    # A bridge that was wrong itself is wrong here.
                    points = about.extreme_mm + shift + int(support.subject[1:]) - 1
                    found[key(name, support.subject)] = Found(points_mm=points, half_voxel_mm=None, carry=carry(shift))
        return found


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[ByWay]:
    """What was taken as supports, in turn."""
    monkeypatch.setattr(Scan, "read", staticmethod(lambda folder: QUERIES.get(folder.name)))
    return []


def crossed(
    taken: list[ByWay], off: dict[str, FloatArray], turned: Sequence[str] = ()
) -> dict[str, tuple[Judged, Judged]]:
    """Return what was answered of queries some of whose answers are others afterwards, before and after."""

    def take(supports: Sequence[Scan]) -> ByWay:
        taken.append(ByWay(supports))
        return taken[-1]

    bridges, before = Bridges(take, signs), {}
    for name, query in QUERIES.items():
        own = answers(query, off.get(name, np.zeros(3)))
        way = Turned(Turn((0, 1, 2), (1, 1, -1)), sided=True) if name in turned else None
        before[name] = Judged(own, signs(query, own), way)
        bridges.note(Queried(Path(name), before[name], Clock(), first=False))
    found = {one.folder.name: (before[one.folder.name], one.judged) for one in bridges.crossed([SUPPORT])}
    assert not list(bridges.crossed([SUPPORT]))
    return found


def test_a_doubtful_answer_gives_way_to_what_others_agree_on(taken: list[ByWay]) -> None:
    found = crossed(taken, {"q4": FAR})
    assert list(found) == ["q4"] and [one.asked for one in taken] == [["q4"]]
    before, after = found["q4"]
    organ, gland = key("organ"), key("gland")
    assert after.answers[gland] is before.answers[gland]
    answer, query = after.answers[organ], QUERIES["q4"]
    assert isinstance(answer, Found)
    # By way of q0, q1 and q2 it is -1, 0 and 1 mm off.
    np.testing.assert_allclose(box_of_points(answer.points_mm), query.structures["organ"].box_mm)
    assert after.alone[organ] < 0.2 < before.alone[organ]
    # An outline comes the same way: from the query to the bridge, from there to the support.
    assert isinstance(answer.carry, Chained)
    places = true(query, "organ")
    np.testing.assert_allclose(answer.carry.sources(places), true(SUPPORT, "organ"), atol=1e-6)


def test_a_bridge_has_what_was_carried_there(taken: list[ByWay]) -> None:
    crossed(taken, {"q4": FAR})
    (finder,) = taken
    assert [scan.subject for scan in finder.supports] == ["q0", "q1", "q2"]
    for scan in finder.supports:
        for name in ORGANS:
            np.testing.assert_allclose(scan.structures[name].box_mm, QUERIES[scan.subject].structures[name].box_mm)
            np.testing.assert_allclose(scan.surfaces_mm()[name], true(scan, name), atol=1e-6)
        assert scan.outlines() == {}


def test_what_most_say_too_stays_to_the_last_digit(taken: list[ByWay]) -> None:
    wide = dict.fromkeys(QUERIES, FAR)
    assert crossed(taken, wide) == {}
    assert taken and set(taken[0].asked) == set(QUERIES)


def test_nothing_is_asked_where_nothing_is_doubtful(taken: list[ByWay]) -> None:
    assert crossed(taken, {}) == {} and not taken


def test_a_query_that_lies_otherwise_neither_asks_nor_is_asked(taken: list[ByWay]) -> None:
    assert crossed(taken, {"q4": FAR}, turned=["q4"]) == {} and not taken
    assert list(crossed(taken, {"q4": FAR}, turned=["q0"])) == ["q4"]
    assert [scan.subject for scan in taken[0].supports] == ["q1", "q2", "q3"]


def test_one_query_has_nobody_to_ask(taken: list[ByWay], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.methods.test_bridges.QUERIES", {"q4": QUERIES["q4"]})
    assert crossed(taken, {"q4": FAR}) == {}


def test_a_query_that_cannot_be_read_any_more_is_passed_over(
    taken: list[ByWay], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scan, "read", staticmethod(lambda folder: QUERIES[folder.name] if folder.name > "q1" else None))
    assert list(crossed(taken, {"q4": FAR})) == ["q4"]
    assert [scan.subject for scan in taken[0].supports] == ["q2"]
