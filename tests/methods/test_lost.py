"""What an answer is judged by, and that it tells right answers from wrong ones without any label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rprloc.methods.answer import DOUBTFUL, NO_SUPPORT, Answers, Found, Key
from rprloc.methods.lost import SIGNS, Judge, agreed, apart_mm, lost_of
from rprloc.scans.scan import Scan
from tests.methods.patients import SHIFT_MM, WINDOW, patient

SUPPORT, QUERY = patient("s"), patient("q", shift_mm=SHIFT_MM)


def answers(off_mm: Any = 0.0, support: str = "s", names: tuple[str, ...] = ("organ", "gland")) -> Answers:
    """Return answers that are off by so much."""
    return {
        Key("m", "extreme", support, name): Found(
            points_mm=SUPPORT.structures[name].extreme_mm + SHIFT_MM + off_mm, half_voxel_mm=(1, 1, 1)
        )
        for name in names
    }


def lost(query: Scan, given: Answers, supports: tuple[Scan, ...] = (SUPPORT,)) -> dict[Key, float]:
    signs = Judge(supports, WINDOW, seed=1).signs(query, given)
    assert all(one.shape == (len(SIGNS),) and np.isfinite(one[:-1]).all() for one in signs.values())
    return {key: float(lost_of(one)) for key, one in signs.items()}


@pytest.mark.parametrize("names", [("organ", "gland"), ("organ",)])
def test_right_answers_are_likely_and_wrong_ones_are_lost_by_one_support_alone(names: tuple[str, ...]) -> None:
    assert max(lost(QUERY, answers(names=names)).values()) < 0.2
    for off in ([60.0, 0, 0], [0, 45, 0], [0, 0, -50], [30, 30, 30]):
        assert min(lost(QUERY, answers(np.array(off), names=names)).values()) > 0.5


def test_what_is_found_in_another_body_is_doubtful_wherever_it_is() -> None:
    other = patient("o", seed=7)
    for off in ([0.0, 0, 0], [20, 10, 0], [0, 0, 40]):
        assert min(lost(other, answers(np.array(off))).values()) > 2 * DOUBTFUL


@pytest.mark.parametrize("off", [[10.0, 0, 0], [6, -10, 8], [0, 12, -12]])
def test_an_answer_that_is_a_little_off_is_not_lost(off: list[float]) -> None:
    """As those of coarse methods are, and right by them: walls that are 20 mm off are lost."""
    assert max(lost(QUERY, answers(np.array(off))).values()) < DOUBTFUL


def test_one_of_two_that_lies_elsewhere_is_the_likelier_lost() -> None:
    given = answers()
    key = Key("m", "extreme", "s", "gland")
    given[key] = Found(points_mm=given[key].points_mm + np.array([0, 40, -30]), half_voxel_mm=None)  # type: ignore[union-attr]
    found = lost(QUERY, given)
    assert found[key] > found[Key("m", "extreme", "s", "organ")] + 0.2


def test_two_corners_are_judged_as_six_points_are() -> None:
    key = Key("m", "box", "s", "organ")
    box = SUPPORT.structures["organ"].box_mm + SHIFT_MM
    assert lost(QUERY, {key: Found(points_mm=box, half_voxel_mm=None)})[key] < 0.2
    assert lost(QUERY, {key: Found(points_mm=box + np.array([0, 50, 0]), half_voxel_mm=None)})[key] > 0.5


def test_an_answer_without_a_support_is_judged_by_the_first_that_has_the_structure() -> None:
    bare = patient("b")
    bare = Scan(bare.record.__class__(cohort="c", subject="b", file="b", model=bare.grid), bare.values, bare.body)
    found = lost(QUERY, answers(support=NO_SUPPORT), (bare, SUPPORT))
    assert list(found.values()) == list(lost(QUERY, answers()).values())
    assert lost(QUERY, answers(support=NO_SUPPORT), (bare,)) == {}


def test_what_was_not_found_or_none_can_judge_has_no_signs() -> None:
    failed: Answers = {Key("m", "extreme", "s", "organ"): "outside_field_of_view"}
    assert lost(QUERY, failed) == lost(QUERY, {}) == lost(QUERY, answers(support="unknown")) == {}
    assert lost(SUPPORT, answers()) == {}


def test_it_does_not_depend_on_what_else_is_judged() -> None:
    more = answers() | {key._replace(method="n"): one for key, one in answers([50.0, 0, 0]).items()}
    assert {key: one for key, one in lost(QUERY, more).items() if key.method == "m"} == lost(QUERY, answers())


def test_an_answer_is_apart_from_what_two_others_say_together() -> None:
    given = answers() | answers([0.0, 0, 12], support="t") | answers([0.0, 0, 30], support="u", names=("organ",))
    found = apart_mm(given)
    assert set(found) == {Key("m", "extreme", support, "organ") for support in "stu"}
    # A third of the walls' mean distance lies along z.
    for support, far in (("s", 21), ("t", 3), ("u", 24)):
        assert found[Key("m", "extreme", support, "organ")] == pytest.approx(far / 3)


def test_answers_of_other_settings_of_none_and_those_that_failed_do_not_count_as_others() -> None:
    given = answers() | answers(support="t") | answers(support=NO_SUPPORT)
    given |= {key._replace(setting="other", support="u"): one for key, one in answers().items()}
    given |= dict.fromkeys(answers(support="v"), "outside_field_of_view")
    assert apart_mm(given) == {}


@pytest.mark.parametrize("likeness", [0.1, 0.4, 0.7])
def test_the_farther_from_the_others_the_likelier_lost(likeness: float) -> None:
    signs = np.array([likeness, 0.05, 2.5, 0.6])
    found = agreed(np.tile(signs, (5, 1)), np.array([0.0, 5, 12, 40, 60]))
    assert (np.diff(found[:4]) > 0).all() and found[4] == found[3]
    assert ((found > 0) & (found < 1)).all()


def test_what_others_have_at_their_labels_is_usual_and_an_answer_that_is_as_like_is_right() -> None:
    supports = tuple(patient(name, shift_mm=shift) for name, shift in (("s", None), ("t", SHIFT_MM), ("u", None)))
    key = Key("m", "extreme", "s", "organ")
    signs = Judge(supports, WINDOW, seed=1).signs(QUERY, answers())[key]
    assert signs[-1] == pytest.approx(signs[0], abs=0.05) and signs[-1] > 0.8
    assert np.isnan(Judge(supports[:2], WINDOW, seed=1).signs(QUERY, answers())[key][-1])
    as_query = patient("u", shift_mm=SHIFT_MM)
    assert np.isnan(Judge(supports, WINDOW, seed=1).signs(as_query, answers())[key][-1]), "it is no other"


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_each_sign_alone_makes_an_answer_likelier_lost(changed: int) -> None:
    right = np.array([0.7, 0.05, 2.8, 0.7])
    wrong = right.copy()
    wrong[changed] = (0.1, 1.0, 0.5)[changed]
    assert lost_of(wrong) > 2 * lost_of(right)
    assert agreed(wrong, np.array(3.0)) > 2 * agreed(right, np.array(3.0))
