"""One cohort's predictions, complete: nothing is dropped, and what did not come has a reason."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from rprloc.cohort.tasks import Asked, Measure
from rprloc.errors import InputError
from rprloc.files import write_json_lines
from rprloc.methods.answer import Chosen
from rprloc.results.frame import COLUMNS, read_metrics, read_predictions
from rprloc.results.measure.evaluate import Came, compared, evaluate, evaluate_cohort
from tests.results import cohorts
from tests.results.cohorts import replace


def test_every_expected_prediction_has_its_row() -> None:
    made = cohorts.cohort(queries=3, supports=2)
    found = made.evaluate()
    assert list(found.metrics.columns) == list(COLUMNS)
    # Of the main setting there are the predictions of both supports together as well.
    assert len(found.predictions) == len(found.metrics) == 3 * 4 * (13 * 2 + 1)
    assert not found.metrics["failed"].any()
    assert found.metrics.groupby("setting")["main"].any().sum() == 1
    assert set(found.metrics[found.metrics["main"]]["setting"]) == {cohorts.MAIN}
    assert found.set_aside.empty and list(found.set_aside.columns) == ["subject", "file", "reason"]
    assert set(found.metrics["setting"]) == set(made.measure.methods[0].settings)


def test_a_lost_prediction_is_a_miss_with_a_reason() -> None:
    made = cohorts.cohort(tables=False)
    lost = made.predictions.pop(3)
    found = made.evaluate()
    assert len(found.predictions) == len(made.predictions) + 1 + 4 * 4
    (line,) = found.metrics[found.metrics["failed"]].to_dict("records")
    assert (line["subject"], line["structure"], line["support"]) == (lost.subject, lost.structure, lost.support)
    assert line["reason"] == "no answer: its task died" and (line["iou"], line["iou_reference"]) == (0, 0)
    assert all(pd.isna(line[name]) for name in ("awd_mm", "mre_mm", "spread_mm", "confidence", "seconds"))
    (row,) = [one for one in found.predictions if one.failed]
    assert row.box_mm is None and row.points_mm is None and row.seconds == {} and row.device is None and not row.first
    assert row.drawn == lost.drawn and row.n_supports == 1


def test_a_query_that_was_set_aside_misses_everything() -> None:
    made = cohorts.cohort(tables=False)
    made.set_aside("q1", "q1.nii.gz: found nothing but air, expected a body.", "q1.nii.gz")
    made.keep(lambda one: one.subject != "q1")
    found = made.evaluate()
    lines = found.metrics[found.metrics["subject"] == "q1"]
    assert len(lines) == 4 * (2 + 1)
    assert lines["failed"].all() and (lines["iou"] == 0).all()
    assert lines["reason"].unique().tolist() == ["scan set aside: q1.nii.gz: found nothing but air, expected a body."]
    (line,) = found.scans[found.scans["status"] != "PASS"].to_dict("records")
    assert (line["subject"], line["status"], line["done"]) == ("q1", "FAIL", "set aside")
    assert line["findings"] == "q1.nii.gz: found nothing but air, expected a body"
    assert len(found.scans) == len(made.measure.members)
    assert found.set_aside.to_dict("records") == [
        {"subject": "q1", "file": "q1.nii.gz", "reason": "q1.nii.gz: found nothing but air, expected a body."}
    ]
    made.use(q1={"labelled": False})
    assert made.evaluate().metrics.loc[lines.index, "iou"].isna().all()


def test_two_predictions_of_one_name_and_one_for_no_query_are_errors() -> None:
    made = cohorts.cohort(queries=1, tables=False)
    first = made.predictions[0]
    with pytest.raises(InputError, match="two predictions for q0 x brainstem x regression x extreme"):
        evaluate(made.measure, made.scans, [*made.predictions, first])
    with pytest.raises(InputError, match="a prediction for t0, expected a query"):
        evaluate(made.measure, made.scans, [*made.predictions, replace(first, subject="t0")])


def test_predictions_of_other_settings_and_cohorts() -> None:
    made = cohorts.cohort(queries=1, tables=False)
    count = len(made.predictions)
    first = made.predictions[0]
    made.predictions += [replace(first, setting="extreme.k2.c1f1"), replace(first, cohort="another")]
    found = made.evaluate()
    # What was not asked for stays, and is not the one to use.
    assert len(found.predictions) == count + 1 + 4
    assert found.predictions[count].setting == "extreme.k2.c1f1" and not found.metrics["main"].iloc[count]


def test_of_several_settings_the_last_is_the_main_one() -> None:
    made = cohorts.cohort(queries=1, supports=1, tables=False)
    made.ask(*made.measure.methods, Asked(name="convex", settings=("extreme", "extreme.fine")))
    main = made.evaluate().metrics.groupby(["method", "setting"])["main"].unique().map(list).to_dict()
    assert main == {
        ("regression", cohorts.MAIN): [True], ("convex", "extreme"): [False], ("convex", "extreme.fine"): [True],
    }  # fmt: skip


def test_nothing_at_all_gives_empty_tables() -> None:
    found = evaluate(Measure(id="c", cohort="c", members=(), methods=(cohorts.paper(),)), {}, [])
    assert found.predictions == [] and found.metrics.empty and found.set_aside.empty
    assert list(found.metrics.columns) == list(COLUMNS)


def test_the_files_of_a_cohort(tmp_path: Path) -> None:
    made = cohorts.many_methods(queries=2, supports=3)
    made.set_aside("s2", "cut short")
    folders = [record.write(tmp_path / "scans") for record in made.scans.values()]
    batches = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    half = len(made.predictions) // 2
    for path, own in zip(batches, (made.predictions[:half], made.predictions[half:]), strict=True):
        write_json_lines(path, [one.to_json() for one in own])
    evaluate_cohort(tmp_path / "demo", made.measure, folders, Came(batches))
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [
        "answers", "error_sources.csv", "findings.csv", "landmarks.csv", "metrics.csv", "predictions.jsonl",
        "scans.csv", "set_aside.csv", "table4.csv", "table5.csv", "weights.csv",
    ]  # fmt: skip
    answers = read_predictions(tmp_path / "demo" / "answers" / "q0.jsonl")
    assert {(one.subject, one.support, one.method) for one in answers} == {("q0", "*", "regression")}
    found = made.evaluate()
    assert read_predictions(tmp_path / "demo" / "predictions.jsonl") == found.predictions
    read = read_metrics(tmp_path / "demo" / "metrics.csv")
    pd.testing.assert_frame_equal(read, found.metrics, check_exact=False, rtol=1e-12)
    batches[0].write_text('{"cohort": 3}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.jsonl: expected predictions"):
        evaluate_cohort(tmp_path / "demo", made.measure, folders, Came(batches))


def test_what_was_found_and_what_was_done_stand_apart_and_a_scan_with_findings_is_a_warning() -> None:
    made = cohorts.cohort(queries=2, supports=1, tables=False)
    said = ("its sform and its qform differ: the sform is taken", "orientation unknown", "a.nii: 3 are NaN: read as 0")
    made.scans["q1"] = dataclasses.replace(made.scans["q1"], findings=said)
    line = made.evaluate().scans.set_index("subject").loc["q1"]
    assert line["status"] == "WARN"
    assert line["findings"] == "its sform and its qform differ; orientation unknown; a.nii: 3 are NaN"
    assert line["done"] == "the sform is taken; read as 0"


def test_a_copy_of_a_support_among_the_queries_is_told_and_measured_all_the_same(tmp_path: Path) -> None:
    made = cohorts.cohort(queries=3, supports=2, tables=False)
    for subject, values in (("q1", "same"), ("s0", "same"), ("s1", "other"), ("t0", "same"), ("q2", "q2")):
        made.scans[subject] = dataclasses.replace(made.scans[subject], values_sha256=values, findings=("first",))
    scans = [record.write(tmp_path / "scans") for record in made.scans.values()]
    write_json_lines(tmp_path / "all.jsonl", [one.to_json() for one in made.predictions])
    evaluate_cohort(tmp_path / "out", made.measure, scans, Came([tmp_path / "all.jsonl"]))
    assert (tmp_path / "out" / "findings.csv").read_text() == (
        "cohort,subject,finding\n"
        "demo,q1,its voxels are those of the support s0: its answer from s0 is no measure of anything\n"
    )
    metrics = read_metrics(tmp_path / "out" / "metrics.csv")
    assert not metrics["failed"].any() and set(metrics["subject"]) == {"q0", "q1", "q2"}


def test_a_query_that_lies_otherwise_is_told_among_the_findings_of_its_scan(tmp_path: Path) -> None:
    made = cohorts.cohort(queries=2, supports=1, tables=False)
    said = "head and feet are exchanged, by its looks: answered as if it were turned back"
    scans = [record.write(tmp_path / "scans") for record in made.scans.values()]
    longer = "by its looks it is 2.0 times as long"
    about = {"q1": {"turned": said}, "q0": {"stretched": longer}}
    rows = [replace(one, **about.get(one.subject, {})) for one in made.predictions]
    write_json_lines(tmp_path / "all.jsonl", [one.to_json() for one in rows])
    evaluate_cohort(tmp_path / "out", made.measure, scans, Came([tmp_path / "all.jsonl"]))
    assert (
        tmp_path / "out" / "findings.csv"
    ).read_text() == f'cohort,subject,finding\ndemo,q0,{longer}\ndemo,q1,"{said}"\n'
    table = pd.read_csv(tmp_path / "out" / "scans.csv").set_index("subject")
    assert set(table.loc[["q0", "q1"], "status"]) == {"WARN"}
    assert table.loc["q1", "findings"] == "head and feet are exchanged, by its looks"


def test_where_all_queries_lie_otherwise_alike_their_support_is_doubted() -> None:
    made = cohorts.cohort(queries=3, supports=1, tables=False)
    up = "feet up: answered so"
    for ways, doubted in (([up, up, up], True), ([up, up, None], False), ([up, up, "mirrored: answered so"], False)):
        turned = dict(zip(("q0", "q1", "q2"), ways, strict=True))
        rows = [replace(one, turned=turned.get(one.subject)) for one in made.predictions]
        said = compared(made.measure, made.scans, rows)[0]["s0"].findings
        sentence = "all 3 scans that were searched from it lie otherwise than they say, all alike, as where it is this "
        assert any(one.startswith(sentence) for one in said) is doubted


def test_weights_that_the_program_chose_are_told_and_a_query_that_was_searched_again_has_a_finding(
    tmp_path: Path,
) -> None:
    made = cohorts.cohort(queries=3, supports=1, tables=False)
    taken = {"q1": Chosen("none", "nothing is found with the weights ours", again=True)}
    scans = [record.write(tmp_path / "scans") for record in made.scans.values()]
    rows = [replace(one, chosen=taken.get(one.subject, Chosen("ours", "s0 in its field"))) for one in made.predictions]
    write_json_lines(tmp_path / "all.jsonl", [one.to_json() for one in rows])
    evaluate_cohort(tmp_path / "out", made.measure, scans, Came([tmp_path / "all.jsonl"]))
    method = rows[0].method
    assert (tmp_path / "out" / "weights.csv").read_text() == (
        "cohort,method,weights,why,queries\n"
        f"demo,{method},ours,s0 in its field,2\n"
        f"demo,{method},none,nothing is found with the weights ours,1\n"
    )
    said = "nothing is found with the weights ours: searched without"
    assert (tmp_path / "out" / "findings.csv").read_text() == f"cohort,subject,finding\ndemo,q1,{said}\n"
    # What a scan's record has is not said twice.
    made.scans["q1"] = dataclasses.replace(made.scans["q1"], findings=(said,))
    records, found = compared(made.measure, made.scans, rows)
    assert found == [] and records["q1"].findings == (said,)
    assert {one.chosen for one in made.evaluate().predictions} == {None}


def test_without_a_copy_there_is_nothing_to_tell(tmp_path: Path) -> None:
    made = cohorts.cohort(queries=1, tables=False)
    scans = [record.write(tmp_path / "scans") for record in made.scans.values()]
    write_json_lines(tmp_path / "all.jsonl", [one.to_json() for one in made.predictions])
    evaluate_cohort(tmp_path / "out", made.measure, scans, Came([tmp_path / "all.jsonl"]))
    assert (tmp_path / "out" / "findings.csv").read_text() == "cohort,subject,finding\n"
