"""All cohorts together, and what odd runs leave: tables, boxes and what is shown all the same, and nothing dropped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import pandas as pd
import pytest

from rprloc.cohort.tasks import Asked
from rprloc.files import write_json_lines
from rprloc.methods.answer import Chosen, Prediction
from rprloc.results.frame import read_metrics, read_predictions, read_tables
from rprloc.results.measure.evaluate import Came, evaluate_cohort
from rprloc.results.shown import CohortShown, WeightsShown, read_shown
from rprloc.results.tables.tabulate import tabulate_cohorts
from tests.results import cohorts
from tests.results.cohorts import Cohort

TABLES = (
    "table1", "table2", "table3", "comparison", "table4", "table5", "table6", "landmarks", "error_sources",
    "calibration",
)  # fmt: skip


@dataclass(frozen=True)
class Written:
    """The results folder of a run, read."""

    metrics: pd.DataFrame
    predictions: list[Prediction]
    boxes: pd.DataFrame
    shown: dict[str, CohortShown]
    folder: Path

    def titles(self, cohort: str = "demo") -> list[str]:
        """Return the titles of the tables that the report shows, up to a colon."""
        return [table.title.split(":")[0] for table in self.shown[cohort].tables]

    def text(self, name: str) -> str:
        """Return a table as Markdown."""
        return (self.folder / "tables" / f"{name}.md").read_text(encoding="utf-8")


def run(folder: Path, *made: Cohort) -> Written:
    """Go the way from predictions to the tables."""
    for one in made:
        name = one.measure.cohort
        scans = [record.write(folder / "scans") for record in one.scans.values()]
        write_json_lines(folder / f"{name}.jsonl", [prediction.to_json() for prediction in one.predictions])
        evaluate_cohort(folder / "evaluated" / name, one.measure, scans, Came([folder / f"{name}.jsonl"]))
    results = folder / "results"
    small = tabulate_cohorts(results, sorted((folder / "evaluated").iterdir()), [])
    assert (results / "tables" / "summary.md").read_text(encoding="utf-8") == small
    assert {path.name for path in (results / "tables").iterdir()} == {
        *(f"{name}.{kind}" for name in TABLES for kind in ("csv", "md")),
        "table3_seconds.csv", "summary.md", "shown.json",
    }  # fmt: skip
    metrics, predictions = read_metrics(results / "metrics.csv"), read_predictions(results / "predictions.jsonl")
    names = ["subject", "structure", "method", "setting", "support"]
    assert metrics[names].to_numpy().tolist() == [[getattr(one, name) for name in names] for one in predictions]
    shown = {one.cohort: one for one in read_shown(results / "tables" / "shown.json")}
    assert set(shown) == {one.measure.cohort for one in made}
    return Written(metrics, predictions, pd.read_csv(results / "boxes.csv"), shown, results)


def test_weights_that_were_chosen_are_shown(tmp_path: Path) -> None:
    made = cohorts.cohort(queries=2, supports=1, tables=False)
    chosen = Chosen("none", "ours is not for these scans: of s0, x")
    made.predictions[:] = [msgspec.structs.replace(one, chosen=chosen) for one in made.predictions]
    (line,) = run(tmp_path, made).shown["demo"].weights
    assert str(line) == f"{line.method} took no weights for 2 queries: ours is not for these scans: of s0, x"
    assert str(WeightsShown("matched", "ours", "s0 in its field", 1)) == (
        "matched took the weights ours for 1 query: s0 in its field"
    )


def test_names_that_look_like_numbers_or_like_nothing_stay_names(tmp_path: Path) -> None:
    made = cohorts.renamed(cohorts.cohort("020"), cohorts.ODD_NAMES)
    made.set_aside("null", "no scan", "1e5")
    written = run(tmp_path, made)
    assert set(written.metrics["cohort"]) == {"020"}
    assert set(written.metrics["subject"]) == {"001", "NA", "null", "1e5"}
    assert set(written.metrics["support"]) == {"007", "nan", "*"}
    assert set(written.metrics["structure"]) == {"None", "12", "parotid_left", "parotid_right"}
    boxes = (written.folder / "boxes.csv").read_text(encoding="utf-8").splitlines()
    assert {tuple(line.split(",")[:3]) for line in boxes[1:]} >= {("020", "001", "None"), ("020", "NA", "12")}
    assert read_tables(written.folder / "set_aside.csv").to_dict("records") == [
        {"subject": "null", "file": "1e5", "reason": "no scan"}
    ]
    for name in ("table4", "table5"):
        assert {"None", "12"} <= set(read_tables(written.folder / "tables" / f"{name}.csv")["structure"])


def only(made: Cohort, *methods: str) -> Cohort:
    """Return a cohort of some of its methods."""
    made.ask(*(asked for asked in made.measure.methods if asked.name in methods))
    made.keep(lambda one: one.method in methods)
    return made


def test_what_the_report_shows_of_one_method(tmp_path: Path) -> None:
    written = run(tmp_path, cohorts.cohort(queries=3, supports=3))
    assert written.titles() == ["Table 1", "Table 2", "Table 4", "Table 5", "Where the errors come from"]
    shown = written.shown["demo"]
    assert (shown.method, shown.setting, shown.risks) == ("regression", cohorts.MAIN, {})
    assert set(shown.numbers) == {"drawn", "alone", "together"}
    assert shown.numbers["alone"]["n_supports"] == 3 and shown.numbers["together"]["iou_sd_supports"] is None
    assert shown.numbers["drawn"]["answers"] == 12


def test_what_the_report_shows_of_several(tmp_path: Path) -> None:
    made = cohorts.many_methods(queries=2, supports=2)
    made.ask(*made.measure.methods, Asked(name="matched", settings=("extreme",)))
    twins = [one for one in made.predictions if one.method == "affine"]
    made.predictions += [msgspec.structs.replace(one, method="matched", spread_mm=2.0) for one in twins]
    written = run(tmp_path, made)
    assert written.titles() == [
        "Table 1", "Table 2", "Table 3", "Paired comparison with the paper's method", "Table 3, seconds", "Table 4",
        "Table 5", "How sure the answers are",
    ]  # fmt: skip
    assert written.shown["demo"].tables[0].notes == ("The settings of this table were not run.",)
    assert written.shown["demo"].method == "matched"
    assert {kind: len(curves) for kind, curves in written.shown["demo"].risks.items()} == {
        "each alone": 4, "all together": 4,
    }  # fmt: skip
    text = written.text("table3")
    assert "# Table 3: every method\n\n## demo" in text and "seconds: one structure in one scan\n\n## demo" in text


@pytest.mark.parametrize("truth", [True, False])
def test_a_supervised_method_may_find_what_no_support_shows(tmp_path: Path, truth: bool) -> None:
    made = cohorts.many_methods(queries=2)
    made.measure = msgspec.structs.replace(made.measure, structures=None)
    detected = [one for one in made.predictions if (one.method, one.structure) == ("retina_unet", "mandible")]
    made.predictions += [msgspec.structs.replace(one, structure="larynx") for one in detected]
    for query in ("q0", "q1") if truth else ():
        found = dict(made.scans[query].structures)
        made.show(query, {**found, "larynx": found["mandible"]})
    written = run(tmp_path, made)
    larynx = written.metrics[written.metrics["structure"] == "larynx"]
    assert set(larynx["method"]) == {"retina_unet"} and len(larynx) == 2 and larynx["iou"].notna().all() == truth
    assert ("larynx" in written.text("table3")) == truth


def test_a_method_that_never_answers_has_its_rows_in_every_table(tmp_path: Path) -> None:
    made = cohorts.many_methods(queries=2)
    made.keep(lambda one: one.method in ("regression", "affine"))
    written = run(tmp_path, made)
    lost = written.metrics[~written.metrics["method"].isin(["regression", "affine"])]
    assert lost["failed"].all() and (lost["iou"] == 0).all() and set(lost["method"]) == {"grey_ncc", "retina_unet"}
    assert "grey_ncc" in written.text("table3") and "retina_unet" in written.text("table3")


@pytest.mark.parametrize("methods", [("affine",), ("retina_unet",), ("affine", "retina_unet")])
def test_methods_without_the_paper_s_have_boxes_and_tables(tmp_path: Path, methods: tuple[str, ...]) -> None:
    written = run(tmp_path, only(cohorts.many_methods(queries=2), *methods))
    assert set(written.metrics["method"]) == set(methods) and not written.metrics["failed"].any()
    assert set(written.boxes["support"]) == ({"*"} if "affine" in methods and len(methods) == 1 else {"-"})
    assert len(written.boxes) == 2 * len(cohorts.ORGANS) and written.boxes["x_min_mm"].notna().all()
    assert all(method in written.text("table3") for method in methods)


def test_one_scan_is_one_query_with_one_structure(tmp_path: Path) -> None:
    made = cohorts.many_methods(queries=1, supports=1)
    made.measure = msgspec.structs.replace(made.measure, structures=("mandible",))
    made.keep(lambda one: one.structure == "mandible")
    written = run(tmp_path, made)
    assert len(written.metrics) == 4 and not written.metrics["failed"].any()


def test_a_cohort_without_labels_stands_beside_one_with(tmp_path: Path) -> None:
    first, second = cohorts.many_methods("one", queries=2), cohorts.many_methods("two", queries=2)
    for name in ("q0", "q1"):
        second.show(name, {})
    second.use(q0={"labelled": False}, q1={"labelled": False})
    *others, detector = second.measure.methods
    second.ask(*others, msgspec.structs.replace(detector, reason="no training scan of two has a label"))
    second.keep(lambda one: one.method != "retina_unet")
    written = run(tmp_path, first, second)
    known = written.metrics.groupby("cohort")["iou"].count()
    assert known["two"] == 0 and known["one"] == (written.metrics["cohort"] == "one").sum()
    lost = written.metrics[written.metrics["failed"]]
    assert set(lost["reason"]) == {"no training scan of two has a label"} and len(lost) == 2 * len(cohorts.ORGANS)
    # Most tables would say the same sentence, which is said once; how long it took is known all the same.
    assert written.titles("two") == ["", "Table 3, seconds"]
    assert "No query of this cohort has a label" in written.shown["two"].tables[0].notes[0]
    assert set(written.boxes["cohort"]) == {"one", "two"}


def test_every_scan_is_support_and_query(tmp_path: Path) -> None:
    made = cohorts.many_methods(queries=2, supports=2)
    made.use(s0={"query": True}, s1={"query": True})
    written = run(tmp_path, made)
    # Of its own predictions alone a query that is a support has those from the other one; none were given here.
    own = written.metrics[written.metrics["subject"].isin(["s0", "s1"])]
    assert own["failed"].all() and own.groupby("method").size().to_dict() == {
        "affine": 8, "grey_ncc": 8, "regression": 8, "retina_unet": 8,
    }  # fmt: skip


def test_nothing_can_be_used(tmp_path: Path) -> None:
    made = cohorts.many_methods(queries=2, supports=2)
    for name in made.scans:
        made.set_aside(name, "nothing but air")
    made.predictions = []
    written = run(tmp_path, made)
    assert written.metrics["failed"].all() and len(written.metrics) == 2 * 4 * (2 + 2 + 2 + 1)
    assert set(written.metrics["reason"]) == {"scan set aside: nothing but air"}


def test_a_cohort_without_a_query(tmp_path: Path) -> None:
    bare = cohorts.cohort("bare", queries=0)
    written = run(tmp_path, bare, cohorts.cohort(queries=1, supports=1, tables=False))
    assert set(written.metrics["cohort"]) == {"demo"}
    assert written.shown["bare"].numbers == {} and written.titles("bare") == [""]
    assert "## bare\n\nNo query of this cohort has a label" in written.text("table1")


def test_figure_4_is_of_the_query_in_the_middle_and_the_support_drawn_for_it(tmp_path: Path) -> None:
    several, one = cohorts.many_methods("several", queries=3), cohorts.cohort("one", queries=1)
    several.set_aside("q1", "cut short")
    shown = run(tmp_path, several, one).shown
    query, support = shown["several"].figure
    assert query in {"several@q0", "several@q2"} and support.startswith("several@s")
    assert shown["one"].figure == ()
