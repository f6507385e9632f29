"""The table about single landmarks for people."""

from rprloc.results.measure.points import tidy_points
from rprloc.results.tables.boxes import LANDMARK_COLUMNS, box_table, landmark_table
from rprloc.results.tables.layout import CohortFacts
from rprloc.results.tables.points import NOTHING, point_tables
from tests.results.points import of_points

DEMO = (CohortFacts("demo", True, "s0"),)


def test_laid_out_for_people() -> None:
    made = of_points({"q0": {"s0": 1.0}, "q1": {"s0": 3.0}})
    found = made.evaluate()
    tidy = tidy_points(found.predictions, found.metrics, made.scans)
    (table,) = point_tables(tidy, DEMO)
    (line,) = table.lines
    cells = dict(zip(table.columns, line.cells, strict=True))
    assert cells["apex"] == "2.00; 50.0, 50.0, 100.0, 100.0" == cells["mean"]
    assert (cells["n"], cells["failed"], cells["90 % radius"], cells["within it"]) == ("2", "0 of 2", "–", "–")
    (empty,) = point_tables(tidy[:0], DEMO)
    assert empty.lines == () and empty.notes == (NOTHING,)


def test_points_have_a_file_of_their_own_beside_the_boxes() -> None:
    made = of_points({"q0": {"s0": 1.0}})
    found = made.evaluate()
    boxes = box_table(found.predictions, found.metrics, ["demo"])
    points = landmark_table(found.predictions, found.metrics, ["demo"])
    assert list(boxes["structure"]) == ["organ"] and list(points["structure"]) == ["apex"]
    assert list(points.columns) == list(LANDMARK_COLUMNS)
    assert points.iloc[0][["x_mm", "y_mm", "z_mm"]].tolist() == [6.0, -3.0, 9.0]
