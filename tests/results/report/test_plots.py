"""Plots: dots along a round axis, with words, of what has truth."""

from __future__ import annotations

from rprloc.results.report.plots import MOST_DOTS, plots_of, to_use
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
    material.metrics["seconds"] = 0.5
    _, _, methods, seconds = plots_of(material, cohort.pictured())
    assert len(methods.strips) == len(seconds.strips) == 2
    assert next(dot.words for strip in seconds.strips for dot in strip.dots).endswith("0.5 s, mean IoU 56.5 %")


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
