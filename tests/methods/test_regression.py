"""The paper's method with networks whose answers are known: the walk itself must be exact."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rprloc.catalogue import method_named, settings_of
from rprloc.errors import InputError
from rprloc.geometry import CORNERS, WALLS, Grid
from rprloc.methods.answer import Setting, spread_of
from rprloc.methods.regression import Regression
from tests.methods.fakes import GRID, ORGAN, FakeModel, facts, located, points_of, scan, structure

TABLES = settings_of(method_named("regression"), {"starts": 15}, tables=True)
MAIN = TABLES[-1]


def shrunk(factor: float) -> Any:
    """Return a network's mistake: every distance is taken for `factor` times as far."""
    return lambda _subject, world: factor * world


def test_with_exact_latents_every_setting_finds_the_organ_exactly() -> None:
    rows = located(scan("q"), [scan("s", {"organ": ORGAN})], TABLES)
    assert sorted(row.setting for row in rows) == sorted(TABLES)
    for row in rows:
        assert (row.subject, row.structure, row.support, row.method) == ("q", "organ", "s", "regression")
        np.testing.assert_allclose(row.box_mm, ORGAN.box_mm, atol=1e-5)
        extreme = row.setting.startswith("extreme")
        assert list(row.points_mm or {}) == list(WALLS if extreme else CORNERS)
        np.testing.assert_allclose(points_of(row), ORGAN.extreme_mm if extreme else ORGAN.box_mm, atol=1e-5)
        assert row.half_voxel_mm == list(ORGAN.half_voxel_mm)
        assert not row.failed and row.reason is None and row.n_supports == 1


@settings(max_examples=20)
@given(
    shift=st.tuples(*[st.floats(-15, 15)] * 3),
    spacing=st.tuples(*[st.floats(1.0, 5.0)] * 3),
    origin=st.tuples(*[st.floats(-30, 30)] * 3),
)
def test_a_shifted_anatomy_is_found_as_far_away_on_any_grid(shift: Any, spacing: Any, origin: Any) -> None:
    grid = Grid((14, 13, 12), spacing, tuple(np.add(GRID.origin_mm, origin).tolist()))
    query, support = scan("q", grid=grid), scan("s", {"organ": ORGAN})
    exact = FakeModel([query, support], place=lambda name, world: world - np.array(shift) * (name == "q"))
    (row,) = located(query, [support], coarse=exact, fine=exact)
    np.testing.assert_allclose(points_of(row) - ORGAN.extreme_mm, np.broadcast_to(shift, (6, 3)), atol=1e-5)


def test_every_step_starts_where_the_last_one_ended() -> None:
    # A coarse network that walks 80 % of the way leaves 20, 4 and 0.8 %, but for the rounding to voxels.
    query, support = scan("q"), scan("s", {"organ": ORGAN})
    errors = []
    for steps in (1, 2, 3):
        coarse = FakeModel([query, support], place=shrunk(0.8))
        (row,) = located(query, [support], [f"extreme.k20.c{steps}f0"], coarse=coarse)
        errors.append(np.abs(points_of(row) - ORGAN.extreme_mm).max())
    assert errors[0] > 3 * errors[1] > 3 * errors[2]
    assert errors[2] < 0.2 * np.max(GRID.spacing_mm)


def test_the_fine_network_walks_the_last_step() -> None:
    query, support = scan("q"), scan("s", {"organ": ORGAN})
    coarse, fine = FakeModel([query, support], place=shrunk(0.7)), FakeModel([query, support])
    rows = located(query, [support], ["extreme.k5.c1f0", "extreme.k5.c1f1"], coarse=coarse, fine=fine)
    assert np.abs(points_of(rows[0]) - ORGAN.extreme_mm).max() > 1
    np.testing.assert_allclose(points_of(rows[1]), ORGAN.extreme_mm, atol=1e-5)


def test_fewer_starts_are_the_first_of_more() -> None:
    query, support = scan("q"), scan("s", {"organ": ORGAN})
    starts = Regression({}, [], seed=1)._starts(query, 20)
    np.testing.assert_array_equal(Regression({}, [], seed=1)._starts(query, 5), starts[:5])
    target = query.grid.world(query.grid.nearest_voxel(ORGAN.extreme_mm))
    rest = ORGAN.extreme_mm - target
    for count in (1, 5, 10, 15, 20):
        coarse = FakeModel([query, support], place=shrunk(0.5))
        (row,) = located(query, [support], [f"extreme.k{count}.c1f0"], coarse=coarse)
        # Half of the way from each start; the mean over the first `count` of the twenty.
        half = (query.grid.world(starts[:count]).mean(axis=0) + target) / 2 + rest
        np.testing.assert_allclose(points_of(row), half, atol=1e-5)


def test_the_main_rows_are_the_same_with_and_without_the_tables() -> None:
    query, support = scan("q"), scan("s", {"organ": ORGAN, "other": structure([0, 100, -320], [3, 140, -300])})
    wobbly: Any = {"r_mm": 60.0, "place": lambda _name, world: world + 4 * np.sin(world / 7)}
    rows = []
    for asked in ([MAIN], TABLES, TABLES[::-1]):
        coarse, fine = FakeModel([query, support], **wobbly), FakeModel([query, support], **wobbly)
        found = located(query, [support], asked, coarse=coarse, fine=fine)
        assert Counter(row.setting for row in found) == dict.fromkeys(asked, 2)
        rows.append([facts(row) for row in found if row.setting == MAIN])
    assert rows[0] == rows[1] == rows[2]


def test_no_answer_depends_on_the_other_supports() -> None:
    query = scan("q")
    supports = [
        scan(name, {"organ": structure(np.add([-20, 110, -310], n).tolist(), np.add([2, 130, -290], n).tolist())})
        for n, name in enumerate("abc")
    ]
    wobbly: Any = {"r_mm": 60.0, "place": lambda name, world: world + 4 * np.sin(world / 7 + ord(name))}

    def answers(some: Any) -> dict[str, Any]:
        models = {stage: FakeModel([query, *some], **wobbly) for stage in ("coarse", "fine")}
        rows = located(query, some, TABLES, **models)  # type: ignore[arg-type]
        return {f"{row.support} {row.setting}": facts(row) for row in rows}

    together = answers(supports)
    assert answers(supports[::-1]) == together
    for support in supports:
        alone = answers([support])
        assert alone == {key: row for key, row in together.items() if key.startswith(support.subject)}


def test_starts_lie_in_the_body_and_depend_on_seed_cohort_and_subject_alone() -> None:
    def starts(query: Any, seed: int = 1) -> Any:
        return Regression({}, [], seed=seed)._starts(query, 200)

    query = scan("q")
    found = starts(query)
    assert query.body[tuple(found.T)].all()
    np.testing.assert_array_equal(found, starts(scan("q", {"organ": ORGAN})))
    for other in (starts(query, seed=2), starts(scan("p")), starts(scan("q", cohort="d"))):
        assert (found != other).any()
    # All over the body: each axis' middle is that of the body.
    np.testing.assert_allclose(found.mean(axis=0), np.argwhere(query.body).mean(axis=0), rtol=0.15)


def test_one_start_has_no_spread() -> None:
    query, support = scan("q"), scan("s", {"organ": ORGAN})
    one, many = located(query, [support], ["extreme.k1.c1f1", "extreme.k5.c1f1"])
    assert one.spread_mm is None and not one.failed
    assert many.spread_mm == pytest.approx(0, abs=1e-5)


def test_the_spread_is_that_of_the_starts_answers() -> None:
    query, support = scan("q"), scan("s", {"organ": ORGAN})
    (row,) = located(query, [support], ["extreme.k15.c1f0"], coarse=FakeModel([query, support], place=shrunk(0.5)))
    starts = Regression({}, [], seed=1)._starts(query, 15)
    assert row.spread_mm == pytest.approx(0.5 * float(spread_of(query.grid.world(starts))), abs=1e-4)


def test_no_latent_is_computed_twice() -> None:
    query = scan("q")
    supports = [scan(name, {"organ": ORGAN, "other": structure([0, 100, -320], [3, 140, -300])}) for name in "ab"]
    models = {stage: FakeModel([query, *supports], place=shrunk(0.6)) for stage in ("coarse", "fine")}
    located(query, supports, TABLES, **models)  # type: ignore[arg-type]
    for model in models.values():
        counts = Counter(voxel for subject, voxel in model.asked if subject == "q")
        assert len(counts) > 20 and set(counts.values()) == {1}


@pytest.mark.parametrize("setting", ["extreme.k5.c1f0", "extreme.k5.c1f1", "extreme.k5.c3f0"])
def test_answers_that_are_no_numbers_fail_their_rows_alone(setting: str) -> None:
    query, supports = scan("q"), [scan("a", {"organ": ORGAN}), scan("b", {"organ": ORGAN})]
    broken = FakeModel([query, *supports], place=lambda name, world: world * (np.nan if name == "a" else 1.0))
    rows = {row.support: row for row in located(query, supports, [setting], coarse=broken)}
    assert rows["a"].failed and rows["a"].reason == "the network's answer is not a number"
    assert rows["a"].points_mm is None and rows["a"].box_mm is None and rows["a"].spread_mm is None
    np.testing.assert_allclose(points_of(rows["b"]), ORGAN.extreme_mm, atol=1e-5)


def test_a_missing_network_is_told_at_once() -> None:
    settings = [Setting.of("extreme.k5.c1f1")]
    with pytest.raises(InputError, match="no fine network"):
        Regression({"coarse": None}, settings, seed=1)  # type: ignore[dict-item]
    with pytest.raises(InputError, match="no coarse and no fine network"):
        Regression({}, settings, seed=1)


def test_the_rows_share_the_time_of_the_query() -> None:
    rows = located(scan("q"), [scan("s", {"organ": ORGAN})], TABLES)
    assert all(seconds >= 0 for row in rows for seconds in row.seconds.values())
    for row in rows:
        # The fine network's time is that of the setting with a fine step alone.
        assert set(row.seconds) == {"prepare", "coarse", *(["fine"] if row.setting.endswith("f1") else [])}
    assert len({row.seconds["prepare"] for row in rows}) == 1
    # Settings of the same steps share a walk.
    of_way: dict[tuple[str, str], set[float]] = {}
    for row in rows:
        points, _, steps = row.setting.split(".")
        of_way.setdefault((points, steps), set()).add(row.seconds["coarse"])
    assert len(of_way) == 5 and all(len(shares) == 1 for shares in of_way.values())
