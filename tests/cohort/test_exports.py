"""What `--exports` asks for, and what a run plans for it."""

import csv
from pathlib import Path

from rprloc.cohort.exports import EXPORTS, parse_exports
from tests.cohort.planned import DEMO, faults, planned


def test_kinds_come_in_their_order_and_once() -> None:
    assert parse_exports("csv, slicer csv") == (("slicer", "csv"), [])
    assert parse_exports(None) == ((), []) == parse_exports("")
    assert parse_exports(",".join(EXPORTS))[0] == EXPORTS


def test_an_unknown_kind_is_a_fault_of_the_run() -> None:
    (said,) = faults(DEMO, exports="mask,csv")
    assert said.startswith("command line, parameter 'exports': found 'mask', expected slicer, masks, csv,")
    assert "did you mean 'masks'?" in said


def test_a_task_a_query_and_none_without_exports() -> None:
    assert planned(DEMO).export == ()
    plan = planned(DEMO, exports="masks,crops", margin=5, methods="matched,affine")
    with DEMO.open(encoding="utf-8", newline="") as stream:
        rows = {row["subject"]: row for row in csv.DictReader(stream) if row["split"] == "test"}
    assert {task.subject for task in plan.export} == set(rows)
    for task in plan.export:
        assert (task.id, task.kinds, task.margin_mm) == (f"openkbp@{task.subject}", ("masks", "crops"), 5)
        assert task.outlines in {(search.id,) for search in plan.localize if task.id in search.queries}
        assert Path(task.image).name == Path(rows[task.subject]["image"]).name
        assert task.values == {"brainstem": 1, "mandible": 2, "parotid_left": 3, "parotid_right": 4}
    assert plan.tasks["EXPORT"] == len(rows)


def test_a_method_without_outlines_waits_for_none() -> None:
    assert {task.outlines for task in planned(DEMO, exports="csv", methods="grey_ncc").export} == {()}
