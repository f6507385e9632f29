"""Which answers get an outline: those that were found and are not lost, and all supports together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rprloc.geometry import Affine, FloatArray
from rprloc.methods.answer import OUTSIDE, Found, Key, OfAnswer
from rprloc.methods.carry import Matching
from rprloc.methods.clock import Clock
from rprloc.methods.judged import Judged
from rprloc.methods.lost import SIGNS
from rprloc.methods.outlined import Artist, Outlines, write_query_outlines
from rprloc.scans.outlines import Outline, read_outlines
from rprloc.scans.record import Native
from rprloc.scans.scan import Scan, write_scan_outlines
from tests.methods.fakes import ORGAN, scan

NATIVE = Native(size=(40, 40, 40), spacing_mm=(2.0,) * 3, direction=tuple(np.eye(3).ravel()), origin_mm=(-40.0,) * 3)
LOST = np.array([-1.0, 9, 0, 0.5])


def drawn(folder: Path, subject: str, low: int = 10, *, mask: bool = True) -> Scan:
    """Return a scan whose organ is a cube of ten voxels from a voxel on."""
    own = folder / f"c@{subject}"
    own.mkdir()
    cube = Outline.of(np.ones((10, 10, 10), dtype=bool), (low,) * 3)
    assert cube is not None
    write_scan_outlines(own, {"organ": cube} if mask else {})
    made = scan(subject, {"organ": ORGAN})
    return replace(made, record=replace(made.record, native=NATIVE), folder=own)


def found(shift: FloatArray) -> Found:
    points = np.array([[-21.0 + 20 * (i == 1), -21.0 + 20 * (i == 3), -21.0 + 20 * (i == 5)] for i in range(6)]) + shift
    return Found(
        points_mm=points, half_voxel_mm=(1, 1, 1), carry=Matching(Affine(np.eye(3), shift), points, np.zeros((6, 3)))
    )


def key(support: str) -> Key:
    return Key("matched", "extreme", support, "organ")


def test_each_answer_has_an_outline_and_all_together_have_their_mean(tmp_path: Path) -> None:
    supports = [drawn(tmp_path, name) for name in "abc"]
    query = drawn(tmp_path, "q", low=12)
    answers = {key(name): found(np.array([4.0 + 2 * i, 4.0, 4.0])) for i, name in enumerate("abc")}
    clock = Clock()
    outlines: Outlines = Artist(supports).outlines(query, Judged(answers), clock)
    assert [one.support for one in outlines] == ["a", "b", "c", "*"]
    assert [one.outline.first for one in outlines.values()] == [(12, 12, 12), (13, 12, 12), (14, 12, 12), (13, 12, 12)]
    exact = outlines[key("a")].facts
    assert (exact.voxels, exact.volume_ml) == (1000, 8.0)
    assert (exact.dice, exact.surface_95_mm, exact.surface_dice_2mm) == pytest.approx((1, 0, 1))
    assert outlines[key("*")].facts.dice == pytest.approx(0.9)
    assert {part.name for part in clock.seconds} == {"outline"}
    write_query_outlines(tmp_path, "matched", query, outlines)
    (about, first), *_ = read_outlines(tmp_path / "c@q.matched.safetensors", OfAnswer)
    assert (about.subject, about.support, first) == ("q", "a", outlines[key("a")].outline)


def test_one_that_is_far_off_hardly_moves_what_the_others_draw(tmp_path: Path) -> None:
    """By the plain mean of three distances nothing would be left: it lies 18 mm away from both."""
    supports = [drawn(tmp_path, name) for name in "abc"]
    query = drawn(tmp_path, "q", low=12)
    answers = {key(name): found(np.full(3, move)) for name, move in zip("abc", (4.0, 4.0, -30.0), strict=True)}
    outlines = Artist(supports).outlines(query, Judged(answers), Clock())
    assert outlines[key("*")].facts.dice is not None and outlines[key("*")].facts.dice > 0.8


def test_one_that_is_doubtful_has_less_say_in_what_all_draw(tmp_path: Path) -> None:
    supports, query = [drawn(tmp_path, name) for name in "ab"], drawn(tmp_path, "q", low=12)
    answers = {key("a"): found(np.array([4.0, 4.0, 4.0])), key("b"): found(np.array([12.0, 4.0, 4.0]))}
    looks = {"a": np.array([0.8, 0.0, 2.5, np.nan]), "b": np.array([0.2, 0.4, 2.1, np.nan])}
    judged = Judged(answers, {key(name): own for name, own in looks.items()})
    assert judged.lost[key("a")] < 0.1 < 0.4 < judged.lost[key("b")] < 0.6
    alike, weighed = (Artist(supports).outlines(query, one, Clock())[key("*")] for one in (Judged(answers), judged))
    assert alike.outline.first == (14, 12, 12)
    assert weighed.outline.first < (14, 12, 12)


def test_lost_ones_and_failures_have_none(tmp_path: Path) -> None:
    supports = [drawn(tmp_path, name, mask=name != "d") for name in "abcd"]
    answers = {
        key("a"): found(np.zeros(3)),
        key("b"): found(np.zeros(3)),
        key("c"): "a fault",
        key("d"): found(np.ones(3)),
    }
    judged = Judged(answers, {key("b"): LOST})
    assert len(LOST) == len(SIGNS) and judged.lost[key("b")] > 0.99
    outlines = Artist(supports).outlines(drawn(tmp_path, "q"), judged, Clock())
    assert [one.support for one in outlines] == ["a", "*"]


def test_where_more_say_that_it_is_not_there_all_together_have_none(tmp_path: Path) -> None:
    supports = [drawn(tmp_path, name) for name in "abc"]
    answers = {key("a"): found(np.zeros(3)), key("b"): OUTSIDE, key("c"): OUTSIDE}
    outlines = Artist(supports).outlines(drawn(tmp_path, "q"), Judged(answers), Clock())
    assert [one.support for one in outlines] == ["a"]


def test_without_a_true_outline_nothing_is_measured(tmp_path: Path) -> None:
    artist = Artist([drawn(tmp_path, "a")])
    (one,) = artist.outlines(drawn(tmp_path, "q", mask=False), Judged({key("a"): found(np.zeros(3))}), Clock()).values()
    assert one.facts.dice is None and one.facts.voxels == 1000
    elsewhere = replace(found(np.zeros(3)), points_mm=found(np.full(3, 900.0)).points_mm)
    assert artist.outlines(drawn(tmp_path, "r"), Judged({key("a"): elsewhere}), Clock()) == {}
