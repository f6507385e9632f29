"""The seconds of table 3, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rprloc.results import seconds
from tests.results import cohorts

STARTS = {"demo": 15}


def answer(subject: str, structure: str, support: str, parts: dict[str, float], **more: Any) -> dict[str, Any]:
    """Return an answer of `grey_ncc` that took the given seconds."""
    box = [[-8, -8, -9], [12, 12, 15]]
    row = cohorts.answer("demo", subject, structure, "extreme.s1", support, support == "s0", box)
    return row | {"method": "grey_ncc", "seconds": parts} | more


def scan(subject: str, scale: float = 1.0, **more: Any) -> list[dict[str, Any]]:
    """Return a query's answers: two structures from three supports; the scan took 12 s times `scale`."""
    parts = {"read": 0.1, "support": 0.1, "prepare": 0.2, "transform": 1.0, "search": 0.6}
    parts = {stage: value * scale for stage, value in parts.items()}
    return [answer(subject, organ, f"s{i}", parts, **more) for organ in ("heart", "liver") for i in range(3)]


def only(rows: list[dict[str, Any]], logs: Any = None) -> dict[Any, Any]:
    """Return the one line of the seconds of some answers."""
    (line,) = seconds.tidy_seconds(rows, STARTS, logs).to_dict("records")
    return line


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


def test_stages_of_networks_and_registrations_are_the_method_s_own() -> None:
    rows = [answer("q0", "heart", "s0", {"coarse": 1.0, "fine": 2.0, "affine": 4.0})]
    assert only(rows)["network_seconds"] == 7


def test_answers_that_were_never_given_take_no_time() -> None:
    rows = scan("q1")
    rows[0] |= {"seconds": {}, "failed": True}
    assert only(rows)["seconds"] == pytest.approx(5)
    # A support without any structure is not among those that share the scan.
    for row in rows:
        if row["support"] == "s2":
            row |= {"seconds": {}, "failed": True}
    line = only(rows)
    assert (
        line["supports"] == 2
        and line["seconds"] == pytest.approx(3)
        and line["per_support_seconds"] == pytest.approx(1.5)
    )
    assert seconds.tidy_seconds([row | {"seconds": {}} for row in rows], STARTS).empty


def test_absent_structures_have_reading_alone() -> None:
    rows = [*scan("q0"), answer("q0", "spleen", "s0", {"read": 6.0, "support": 0.0}, failed=True)]
    line = only(rows)
    # The scan took 12 s, and 6 s more of its reading; two structures were searched for.
    assert (line["structures"], line["seconds"]) == (2, pytest.approx(9))


def test_a_task_of_one_scan_has_a_first_scan_only() -> None:
    line = only(scan("q0", first=True))
    assert line["scans"] == 0 and math.isnan(line["seconds"]) and line["first_scan_seconds"] == pytest.approx(6)
    (table,) = seconds.seconds_tables(scan("q0", first=True), STARTS)
    assert table.lines[0].cells[0] == "–"


def test_rows_of_before_that_do_not_say_which_scan_was_first() -> None:
    rows = scan("q0")
    for row in rows:
        del row["first"], row["device"]
    line = only(rows)
    assert line["scans"] == 1 and line["device"] == ""
    (table,) = seconds.seconds_tables(rows, STARTS)
    assert "not stated" in table.lines[0].cells


def test_only_the_main_setting_of_the_paper_s_method_counts() -> None:
    _, _, answers = cohorts.cohort(queries=2, supports=1)
    line = only(answers)
    assert (line["method"], line["setting"]) == ("regression", "extreme.k15.c1f1")
    assert line["seconds"] == pytest.approx(0.75)
    (table,) = seconds.seconds_tables(answers, STARTS)
    assert any("13 settings in one pass" in note for note in table.notes)


def test_training_is_apart() -> None:
    _, _, answers = cohorts.many_methods()
    log = [{"step": 1, "seconds": 1.0}, {"step": 2, "seconds": 60.5}]
    logs: Any = {"demo.coarse": log, "demo.fine": log, "other.retina_unet": log}
    tidy = seconds.tidy_seconds(answers, STARTS, logs).set_index("method")
    assert tidy.loc["regression", "training_seconds"] == 121
    assert math.isnan(tidy.loc["retina_unet", "training_seconds"])
    assert tidy.loc["affine", "training_seconds"] == 0
    (table,) = seconds.seconds_tables(answers, STARTS, logs)
    cells = {line.label.split()[0]: line.cells[table.columns.index("training")] for line in table.lines}
    assert cells == {"regression": "121", "grey_ncc": "none", "retina_unet": "–", "affine": "none"}
    # Curves without the seconds, or without any entry, are not known.
    assert math.isnan(seconds.tidy_seconds(answers, STARTS, {"demo.coarse": [{"step": 1}]}).iloc[0]["training_seconds"])


def test_a_method_without_a_support() -> None:
    _, _, answers = cohorts.many_methods(queries=2)
    tidy = seconds.tidy_seconds(answers, STARTS).set_index("method")
    line = tidy.loc["retina_unet"]
    assert line["supports"] == 0 and line["seconds"] == line["per_support_seconds"] == pytest.approx(0.5)


def test_methods_that_share_a_pass_are_named() -> None:
    rows = [*scan("q0"), *scan("q0", method="grey_mse")]
    (table,) = seconds.seconds_tables(rows, STARTS)
    assert any(note.startswith("grey_mse, grey_ncc share") for note in table.notes)
    (table,) = seconds.seconds_tables(scan("q0"), STARTS)
    assert not any("share what" in note for note in table.notes)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.000123, "0.0001"), (0.1234, "0.123"), (1.234, "1.23"), (45.67, "45.7"), (999.4, "999"),
     (26586, "26,586"), (math.nan, "–")],
)  # fmt: skip
def test_seconds_in_words(value: float, text: str) -> None:
    assert seconds.seconds_text(value) == text


def test_only_methods_of_one_task_share_their_pass() -> None:
    """Retina U-Net and the ceiling share a column of figure 4, not a pass over a scan."""
    names = ["retina_unet", "ceiling", "affine", "convex", "a_new_one"]
    assert seconds._shared(names) == [["affine", "convex"]]
