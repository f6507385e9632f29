"""The resolutions of the matching: each is for what the ones before leave."""

from __future__ import annotations

import pytest

from rprloc.methods.levels import AGAIN, BENDING, COARSE, FINE, NEAR, finer, near


def test_a_finer_level_is_for_finer_scans_alone() -> None:
    assert finer(FINE.step_mm) is None and finer(5.0) is None
    level = finer(1.5)
    assert level is not None and level.step_mm == 1.5
    # What it compares lies within what was read for the fine level.
    assert level.step_mm * (level.wide + level.reach) < FINE.step_mm * (FINE.wide + FINE.reach)


@pytest.mark.parametrize("spacing_mm", [1.0, 3.0, 5.0])
def test_many_points_are_matched_at_steps_of_a_voxel_but_not_wider_than_those_before(spacing_mm: float) -> None:
    assert near(spacing_mm).step_mm == min(spacing_mm, NEAR.step_mm)


def test_what_a_level_leaves_is_within_reach_of_the_next() -> None:
    for one, after in ((COARSE, AGAIN), (AGAIN, BENDING), (BENDING, FINE), (FINE, NEAR)):
        assert one.step_mm < after.step_mm * (after.reach + 1)
