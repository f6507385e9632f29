"""Where matching starts: affine transforms from points of which some lie, by the position map and by laying it over."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rprloc.geometry import Affine, Grid
from rprloc.methods.images import RegistrationError
from rprloc.methods.looks import Looks
from rprloc.methods.start import LaidStart, MapStart, robust_affine
from rprloc.scans.scan import Scan
from tests.methods.fakes import Place
from tests.methods.heads import GRID as HEADS
from tests.methods.heads import LANDMARKS, WINDOW, Head, head
from tests.methods.maps import GRID, ORGAN, known, numbered

SHIFT = np.array([7.0, -3.0, 5.0])
SEEDS = st.integers(0, 10_000)
SCANS = numbered("qst", {"organ": ORGAN})
POINTS = ORGAN.extreme_mm


def seen(scan: Scan) -> Looks:
    """Return a scan as starts take it."""
    return Looks.of(scan, WINDOW, 6.0)


def random_points(generator: np.random.Generator, count: int = 300) -> Any:
    """Return points (count, 3) of a part of a patient."""
    return generator.uniform(-80, 80, (count, 3)) + np.array([100.0, -300.0, 20.0])


def random_affine(generator: np.random.Generator) -> Affine:
    """Return a transform of one patient into another."""
    return Affine(np.eye(3) + generator.normal(0, 0.05, (3, 3)), generator.normal(0, 50, 3))


@given(SEEDS)
def test_points_that_all_say_the_same_give_it_exactly(seed: int) -> None:
    generator = np.random.default_rng(seed)
    points, true = random_points(generator, 25), random_affine(generator)
    found = robust_affine(points, true.carried(points))
    np.testing.assert_allclose(found.matrix, true.matrix, atol=1e-9)
    np.testing.assert_allclose(found.shift, true.shift, atol=1e-6)


@given(SEEDS, st.booleans())
def test_three_in_ten_that_lie_change_hardly_anything(seed: int, together: bool) -> None:
    generator = np.random.default_rng(seed)
    points, true = random_points(generator), random_affine(generator)
    told = true.carried(points)
    told[:90] += generator.uniform(-70, 70, (1 if together else 90, 3))
    # Lies of a few millimetres are no lies.
    error = np.linalg.norm(robust_affine(points, told).carried(points) - true.carried(points), axis=1)
    assert error.max() < 4


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda points: points * [-1, 1, 1], "fits no affine transform: volumes would change -1 times"),
        (lambda points: points * 1.4, "volumes would change 2.7 times"),
        (lambda points: points * 0.7, "volumes would change 0.34 times"),
        (lambda points: points * [1, 1, 0], "volumes would change"),
    ],
)
def test_what_takes_no_patient_into_another_is_refused(change: Any, reason: str) -> None:
    points = random_points(np.random.default_rng(1))
    with pytest.raises(RegistrationError, match=reason):
        robust_affine(points, change(points))


@pytest.mark.parametrize("flat", [np.diag([1, 1, 0]), np.diag([1, 0, 0]), np.zeros((3, 3))])
def test_points_of_a_plane_a_line_or_a_point_determine_nothing(flat: Any) -> None:
    points = random_points(np.random.default_rng(1)) @ flat
    with pytest.raises(RegistrationError, match="too little of the support's body is seen"):
        robust_affine(points, points + SHIFT)


@pytest.mark.parametrize("count", [0, 3, 19])
def test_a_few_points_are_too_few(count: int) -> None:
    points = random_points(np.random.default_rng(1), count)
    with pytest.raises(RegistrationError, match="too little of the body"):
        robust_affine(points, points)


def moved(subject: str, world: Any) -> Any:
    """Say that all of `q` lies further than in the others."""
    return world - SHIFT * (subject == "q")


def started(query: Scan, supports: list[Scan], place: Place = moved, *, seed: int = 1) -> Any:
    """Return the outcomes by the position map."""
    start = MapStart(known(SCANS, place), seed=seed)
    return start.affines([start.support(seen(support), POINTS) for support in supports], start.query(seen(query)))


def test_the_map_s_start_is_where_the_query_has_the_support_s_latents() -> None:
    query, *supports = SCANS
    for found in started(query, supports):
        np.testing.assert_allclose(found.carried(POINTS), POINTS + SHIFT, atol=1e-2)


def test_a_stretched_patient_is_met_stretched() -> None:
    stretch, middle = np.array([1.1, 0.95, 1.05]), POINTS.mean(axis=0)

    def place(subject: str, world: Any) -> Any:
        return (world - middle) / stretch + middle if subject == "q" else world

    (found,) = started(SCANS[0], SCANS[1:2], place)
    np.testing.assert_allclose(found.carried(POINTS), (POINTS - middle) * stretch + middle, atol=1.0)


def test_a_query_without_the_region_is_placed_by_the_rest_of_the_body() -> None:
    query, support, _ = SCANS
    # Only planes that lie more than 40 mm below the organ.
    body = query.body & (np.arange(GRID.size[2])[:, None, None] < 4)
    points = POINTS + np.array([0.0, 0.0, 45.0])
    start = MapStart(known(SCANS, moved), seed=1)
    (found,) = start.affines([start.support(seen(support), points)], start.query(seen(replace(query, body=body))))
    assert isinstance(found, Affine)
    np.testing.assert_allclose(found.carried(points), points + SHIFT, atol=0.1)


def test_a_query_of_another_part_of_the_body_is_a_reason_and_no_end() -> None:
    query, *supports = SCANS

    def place(subject: str, world: Any) -> Any:
        return moved(subject, world) + np.array([0.0, 0.0, 900.0]) * (subject == "s")

    first, second = started(query, supports, place)
    assert isinstance(first, RegistrationError) and "too little of the body" in str(first)
    assert isinstance(second, Affine)


@pytest.mark.parametrize("which", ["support", "query"])
def test_a_scan_of_which_the_map_is_of_no_use_has_no_start(which: str) -> None:
    start = MapStart(known(SCANS), seed=1)
    empty = replace(SCANS[0], body=np.zeros_like(SCANS[0].body))
    said = (
        f"support {empty.subject}: the position map finds no body" if which == "support" else "^the position map finds"
    )
    with pytest.raises(RegistrationError, match=said):
        start.support(seen(empty), POINTS) if which == "support" else start.query(seen(empty))


def test_places_are_drawn_by_seed_and_subject() -> None:
    def drawn(seed: int, number: int) -> Any:
        return MapStart(known(SCANS), seed=seed).support(seen(SCANS[number]), POINTS).points_mm

    assert np.array_equal(drawn(1, 1), drawn(1, 1))
    assert not np.array_equal(drawn(1, 1), drawn(2, 1)) and not np.array_equal(drawn(1, 1), drawn(1, 2))


def laid(query: Head, supports: list[Head]) -> Any:
    """Return the outcomes of laying supports over a query."""
    start = LaidStart(WINDOW, seed=1)
    return start.affines([start.support(seen(support), LANDMARKS) for support in supports], start.query(seen(query)))


@pytest.mark.parametrize("shift", [SHIFT, np.array([-40.0, 22.0, 61.0])])
def test_laid_over_the_query_landmarks_go_where_the_patient_went(shift: Any) -> None:
    grid = replace(HEADS, origin_mm=(*(np.array(HEADS.origin_mm) + shift).tolist(),))
    query = head("q", lambda p: p - shift, grid=grid)
    for found in laid(query, [head("s"), head("t")]):
        np.testing.assert_allclose(found.carried(LANDMARKS), LANDMARKS + shift, atol=1.5)


def test_laid_over_a_larger_patient_the_support_is_stretched() -> None:
    (found,) = laid(head("q", lambda p: p / [1.08, 0.94, 1.05]), [head("s")])
    np.testing.assert_allclose(found.carried(LANDMARKS), LANDMARKS * [1.08, 0.94, 1.05], atol=2.0)


def test_a_query_that_hardly_shows_the_region_says_how_little() -> None:
    slab = head("q", grid=Grid((*HEADS.size[:2], 6), HEADS.spacing_mm, HEADS.origin_mm))
    (found,) = laid(slab, [head("s")])
    assert isinstance(found, RegistrationError)
    words = r"the scans hardly overlap: \d+% of the region lies inside the query; the query shows 24 mm along z, and "
    assert re.fullmatch(words + r"the region measures \d+ mm", str(found))


@pytest.mark.parametrize("which", ["support", "query"])
def test_a_scan_of_one_value_is_laid_nowhere(which: str) -> None:
    flat = head("f")
    flat = replace(flat, values=np.full_like(flat.values, -1000))
    with pytest.raises(RegistrationError, match="shows one grey value only"):
        laid(*((head("q"), [flat]) if which == "support" else (flat, [head("s")])))


def test_what_is_laid_does_not_depend_on_the_other_supports() -> None:
    query, supports = head("q", lambda p: p - SHIFT), [head("s"), head("t", lambda p: p * 1.03)]
    together = laid(query, supports)
    for support, expected in zip(supports, together, strict=True):
        (found,) = laid(query, [support])
        np.testing.assert_allclose(found.carried(LANDMARKS), expected.carried(LANDMARKS), atol=0.1)
