"""The seconds of table 3, worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rprloc.files import write_json_lines
from rprloc.methods.answer import Prediction
from rprloc.results.frame import Main
from rprloc.results.measure.metrics import metrics_of
from rprloc.results.shown import CohortTable
from rprloc.results.tables import seconds
from rprloc.results.tables.tabulate import facts_of
from tests.results import cohorts
from tests.results.cohorts import replace

MAIN = {
    Main("regression", cohorts.MAIN), Main("grey_ncc", "extreme.s1"), Main("grey_mse", "extreme.s1"),
    Main("affine", "extreme"), Main("retina_unet", "box"),
}  # fmt: skip


def timed(subject: str, structure: str, support: str, parts: dict[str, float], **more: Any) -> Prediction:
    """Return a prediction of `grey_ncc` that took the given seconds."""
    more = {"method": "grey_ncc", "setting": "extreme.s1"} | more
    return cohorts.prediction(subject, structure, support, cohorts.CUBE, seconds=parts, **more)


def scan(subject: str, scale: float = 1.0, **more: Any) -> list[Prediction]:
    """Return a query's predictions: two structures from three supports; the scan took 12 s times `scale`."""
    parts = {"read": 0.1, "support": 0.1, "prepare": 0.2, "transform": 1.0, "search": 0.6}
    parts = {part: value * scale for part, value in parts.items()}
    return [timed(subject, organ, f"s{i}", parts, **more) for organ in ("heart", "liver") for i in range(3)]


def lines(rows: Sequence[Prediction], trained: seconds.Trained | None = None) -> pd.DataFrame:
    """Return the lines of the seconds of some predictions."""
    return seconds.tidy_seconds(rows, metrics_of(rows, {}, main=MAIN), trained or {})


def only(rows: Sequence[Prediction]) -> dict[Any, Any]:
    """Return the one line of the seconds of some predictions."""
    (line,) = lines(rows).to_dict("records")
    return line


def table_of(rows: Sequence[Prediction], trained: seconds.Trained | None = None) -> CohortTable:
    """Return the seconds laid out."""
    metrics = metrics_of(rows, {}, main=MAIN)
    (table,) = seconds.seconds_tables(lines(rows, trained), metrics, facts_of(metrics, ["demo", "other"]))
    return table


def test_seconds_of_a_structure() -> None:
    line = only([*scan("q0", 5, first=True), *scan("q1"), *scan("q2", 2)])
    # A scan of 12 s, 6 s a structure, and one of twice that.
    assert line["seconds"] == pytest.approx(9)
    assert line["per_support_seconds"] == pytest.approx(3)
    assert line["first_scan_seconds"] == pytest.approx(30)
    assert (line["scans"], line["first_scans"], line["supports"], line["structures"]) == (2, 1, 3, 2)
    parts = {name: line[f"{name}_seconds"] for name in seconds.PARTS}
    assert parts == pytest.approx({"reading": 0.45, "preparing": 1.35, "network": 4.5, "search": 2.7})
    assert sum(parts.values()) == pytest.approx(line["seconds"])
    assert line["paper_seconds"] == 4547 and line["training_seconds"] == 0


def test_parts_of_networks_and_registrations_are_the_method_s_own() -> None:
    assert only([timed("q0", "heart", "s0", {"coarse": 1.0, "fine": 2.0, "affine": 4.0})])["network_seconds"] == 7


def test_predictions_that_were_never_made_take_no_time() -> None:
    rows = scan("q1")
    rows[0] = cohorts.lost(rows[0], seconds={})
    assert only(rows)["seconds"] == pytest.approx(5)
    # A support without any structure is not among those that share the scan.
    rows = [cohorts.lost(one, seconds={}) if one.support == "s2" else one for one in rows]
    line = only(rows)
    assert line["supports"] == 2
    assert (line["seconds"], line["per_support_seconds"]) == pytest.approx((3, 1.5))
    assert lines([replace(one, seconds={}) for one in rows]).empty and lines([]).empty


def test_absent_structures_have_reading_alone() -> None:
    line = only([*scan("q0"), cohorts.lost(timed("q0", "spleen", "s0", {"read": 6.0, "support": 0.0}))])
    # The scan took 12 s, and 6 s more of its reading; two structures were searched for.
    assert (line["structures"], line["seconds"]) == (2, pytest.approx(9))


def test_a_task_of_one_scan_has_a_first_scan_only() -> None:
    line = only(scan("q0", first=True))
    assert line["scans"] == 0 and math.isnan(line["seconds"]) and line["first_scan_seconds"] == pytest.approx(6)
    assert table_of(scan("q0", first=True)).lines[0].cells[0] == "–"


def test_what_computed_is_named() -> None:
    assert only([*scan("q0", device="b"), *scan("q1", device="a")])["device"] == "a, b"
    rows = scan("q0", device=None)
    assert only(rows)["device"] == "" and "not stated" in table_of(rows).lines[0].cells


def test_only_the_main_setting_of_the_paper_s_method_counts() -> None:
    rows = cohorts.cohort(queries=2, supports=1).predictions
    line = only(rows)
    assert (line["method"], line["setting"]) == ("regression", cohorts.MAIN)
    assert line["seconds"] == pytest.approx(0.75)
    assert any("13 settings in one pass" in note for note in table_of(rows).notes)


def test_what_all_supports_gave_together_took_no_time_of_its_own() -> None:
    found = cohorts.many_methods(queries=2, supports=3).evaluate()
    single = [one for one in found.predictions if one.support != "*"]
    pd.testing.assert_frame_equal(lines(found.predictions), lines(single))


def test_training_is_apart(tmp_path: Path) -> None:
    rows = cohorts.many_methods().predictions
    log = [{"step": 1, "seconds": 1.0}, {"step": 2, "seconds": 60.5}]
    curves = {"demo.coarse": log, "demo.fine": log, "other.retina_unet": log, "a.b.coarse": [{"step": 1}], "d.fine": []}
    for name, entries in curves.items():
        write_json_lines(tmp_path / f"{name}.jsonl", entries)
    trained = seconds.read_training_seconds(sorted(tmp_path.iterdir()))
    # Curves without the seconds, or without any entry, are not known.
    assert math.isnan(trained.pop(("a.b", "coarse"))) and math.isnan(trained.pop(("d", "fine")))
    assert trained == {("demo", "coarse"): 60.5, ("demo", "fine"): 60.5, ("other", "retina_unet"): 60.5}
    tidy = lines(rows, trained).set_index("method")
    assert tidy.loc["regression", "training_seconds"] == 121
    assert math.isnan(tidy.loc["retina_unet", "training_seconds"])
    assert tidy.loc["affine", "training_seconds"] == 0
    table = table_of(rows, trained)
    cells = {line.label.split()[0]: line.cells[table.columns.index("training")] for line in table.lines}
    assert cells == {"regression": "121", "grey_ncc": "none", "retina_unet": "–", "affine": "none"}


def test_a_method_without_a_support() -> None:
    line = lines(cohorts.many_methods(queries=2).predictions).set_index("method").loc["retina_unet"]
    assert line["supports"] == 0 and line["seconds"] == line["per_support_seconds"] == pytest.approx(0.5)


def test_methods_that_share_a_pass_are_named() -> None:
    notes = table_of([*scan("q0"), *scan("q0", method="grey_mse")]).notes
    assert any(note.startswith("grey_mse, grey_ncc share") for note in notes)
    assert not any("share what" in note for note in table_of(scan("q0")).notes)
    # Retina U-Net and the ceiling share a column of figure 4, not a pass over a scan.
    names = ["retina_unet", "ceiling", "affine", "convex", "a_new_one"]
    assert seconds.share_a_pass(names) == [["affine", "convex"]]
