"""Plots: dots along a round axis, with words, of what has truth."""

from __future__ import annotations

import math

import pytest

from rprloc.results.report.plots import HEIGHT, MOST_DOTS, WORDS, costs_of, plots_of, to_use
from tests.results.report.made import failed, made


def test_errors_by_structure_and_wall() -> None:
    cohort = made(supports=1)
    structures, walls = plots_of(cohort.material(), cohort.pictured())
    assert [strip.label for strip in structures.strips] == ["mandible", "parotid"]
    assert [dot.words for dot in structures.strips[0].dots] == ["mandible in q0: 2.0 mm", "mandible in q1: 4.0 mm"]
    assert [tick.words for tick in structures.ticks] == ["0", "1", "2", "3", "4", "5"]
    assert [dot.place for dot in structures.strips[0].dots] == [0.4, 0.8]
    middle = structures.strips[0].middle
    assert middle is not None and middle.words == "mandible: median 3, n = 2"
    # The answers' boxes are the true ones.
    assert {dot.place for strip in walls.strips for dot in strip.dots} == {0.0} and len(walls.strips) == 6


def test_several_methods_are_compared() -> None:
    cohort = made(("affine", "retina_unet"), queries=1)
    material = cohort.material()
    _, _, methods = plots_of(material, cohort.pictured())
    assert len(methods.strips) == 2
    material.metrics["seconds"] = [0.5 if name == "affine" else 0.02 for name in material.metrics["method"]]
    costs = costs_of(material)
    assert costs is not None and [dot.words for dot in costs.seconds] == ["0.01", "0.1", "1"]
    slow, quick = sorted(costs.spots, key=lambda spot: -spot.across)
    assert slow.words.startswith(f"{slow.label}: 0.5 s a structure, mean IoU 5")
    assert slow.across == pytest.approx((2 + math.log10(0.5)) / 2)
    assert quick.across == pytest.approx((2 + math.log10(0.02)) / 2)
    # Their IoU are alike, their names do not lie upon each other.
    low, high = sorted(spot.label_up for spot in costs.spots)
    assert high - low >= WORDS / HEIGHT - 1e-9


def test_costs_of_one_method_are_not_drawn() -> None:
    material = made().material()
    material.metrics["seconds"] = 0.5
    assert costs_of(material) is None


def test_nothing_is_drawn_without_truth_and_many_dots_are_thinned() -> None:
    cohort = made()
    cohort.without_truth("q0", "q1")
    assert plots_of(cohort.material(), {}) == ()
    many = made(queries=MOST_DOTS + 10, supports=1, structures=["mandible"])
    (structures,) = plots_of(many.material(), {})
    assert len(structures.strips[0].dots) == (MOST_DOTS + 10) // 2


def test_the_answers_to_use_are_those_of_all_supports_or_of_the_drawn_one() -> None:
    cohort = made(queries=1)
    cohort.predictions[4] = failed(cohort.predictions[4], "too far")
    assert set(to_use(cohort.material().main)["support"]) == {"*"}
    assert set(to_use(made(supports=1).material().main)["support"]) == {"s0"}
