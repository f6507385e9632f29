"""A method's predictions as arrays by query, structure and support."""

from __future__ import annotations

import numpy as np

from rprloc.cohort.tasks import Asked
from rprloc.methods.answer import OUTSIDE
from rprloc.results.measure.by_support import by_support, support_count, usable_supports
from tests.results import cohorts
from tests.results.cohorts import replace


def test_each_prediction_has_its_place() -> None:
    made = cohorts.of_shifts({"s0": {"s1": 2}, "q0": {"s0": 1, "s1": None}, "q1": {"s0": 3, "s1": 4}})
    made.predictions = [replace(one, first=one.subject == "q1") for one in made.predictions]
    made.predictions = [replace(one, reason=OUTSIDE) if one.failed else one for one in made.predictions]
    found = made.evaluate()
    (own,) = by_support(found.predictions, found.metrics, made.scans)
    assert (own.group.method, own.structures, own.supports) == ("regression", ("heart",), ["s0", "s1"])
    # Queries s0, q0, q1: the first one is never asked for from itself.
    assert own.asked[:, 0].tolist() == [[False, True], [True, True], [True, True]]
    np.testing.assert_array_equal(own.boxes_mm[:, 0, :, 0, 0], [[np.nan, 2], [1, np.nan], [3, 4]])
    assert own.outside[:, 0].tolist() == [[False, False], [False, True], [False, False]]
    np.testing.assert_array_equal(own.seconds[:, 0], [[0, 0.75], [0.75, 0.75], [np.nan, np.nan]])
    assert own.known.all() and (own.true_mm == np.array(cohorts.CUBE)).all()


def test_only_what_tables_show_is_there() -> None:
    made = cohorts.cohort(queries=2, supports=2)
    made.hide("q0", "mandible")
    made.hide("q1", "mandible")
    made.set_aside("s1", "cut short")
    made.ask(*made.measure.methods, Asked(name="retina_unet", settings=("box",), supports=0))
    found = made.evaluate()
    paper, detector = by_support(found.predictions, found.metrics, made.scans)
    assert paper.group.setting == cohorts.MAIN and "mandible" not in paper.structures and paper.supports == ["s0"]
    assert paper.boxes_mm.shape == (2, 3, 1, 2, 3)
    assert (paper.group.label, detector.group.label) == ("regression (the paper's)", "retina_unet (supervised)")
    assert detector.supports == ["-"] and np.isnan(detector.boxes_mm).all()
    assert support_count(detector.supports) == 0 and support_count(paper.supports) == 1


def test_where_no_support_can_be_used_all_stand_for_them() -> None:
    made = cohorts.cohort(queries=1, supports=2, tables=False)
    assert usable_supports(made.predictions, made.scans) == ["s0", "s1"]
    made.set_aside("s0", "cut short")
    assert usable_supports(made.predictions, made.scans) == ["s1"]
    made.set_aside("s1", "cut short")
    assert usable_supports(made.predictions, made.scans) == ["s0", "s1"]
