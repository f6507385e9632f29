"""The report: everything is said, nothing is fetched, and no name or reason becomes part of the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rprloc.geometry import Grid
from rprloc.results import metrics, pictures, report
from rprloc.results.combined import alone, together
from rprloc.results.error_sources import tidy_error_sources
from rprloc.results.table4 import tidy_table4
from rprloc.results.table5 import tidy_table5
from rprloc.scans.volume import write_volume
from tests.results import cohorts

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=y>{{ 7*7 }}"
LOG = [{"step": 10 * i, "loss": 5.0 / i, "validation_error_mm": 50.0 / i} for i in range(1, 4)]


class Page(HTMLParser):
    """Collects a page's tags, the values of its attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        """Return the values of all attributes of one name."""
        return [value or "" for key, value in self.attributes if key == name]


def tables_of(rows: Any, table: pd.DataFrame, scans: Any, starts: int) -> dict[str, pd.DataFrame]:
    """Return the tables that the page takes from files."""
    tidy = (
        tidy_table4(rows, table, scans, starts=starts, seed=0),
        tidy_table5(rows, table, scans, starts=starts),
        tidy_error_sources(rows, table, scans, starts=starts),
    )
    return dict(zip(report.REPORTED, tidy, strict=True))


def written(tmp_path: Path, *, change: Any = None, cohort: Any = None, **options: Any) -> Page:
    """Write a report for a made-up cohort, after `change(check, scans, answers)`, and return the page."""
    check, scans, answers = cohort or cohorts.cohort(queries=2, supports=2, tables=False)
    if change is not None:
        changed = change(check, scans, answers)
        answers = answers if changed is None else changed
    (name,) = check["cohorts"]
    rows, table, aside = metrics.evaluate(check, name, scans, answers, seed=0, tables=False)
    starts = check["cohorts"][name]["starts"]
    for subject, scan in scans.items():
        if scan["status"] == "ok":
            grid = Grid.from_json(scan["model"])
            write_volume(tmp_path / f"{subject}.nii.gz", np.zeros(grid.size[::-1], dtype=np.int16), grid)
    report.write_report(
        tmp_path / "report.html",
        run={"command": "nextflow run main.nf", "versions": {"python": "3.11", "torch": "2"}} | options.pop("run", {}),
        check=check,
        metrics=table,
        predictions=rows,
        tables=tables_of(rows, table, scans, starts),
        set_aside=aside,
        scans={(name, subject): {"json": scan, "folder": tmp_path} for subject, scan in scans.items()},
        logs=options.pop("logs", {f"{name}.coarse": LOG, f"{name}.fine": LOG, "other.coarse": LOG}),
        figures_folder=tmp_path / "figures",
        **options,
    )
    return Page((tmp_path / "report.html").read_text(encoding="utf-8"))


def test_the_page_says_what_was_run_and_shows_every_query(tmp_path: Path) -> None:
    page = written(tmp_path)
    for words in (
        "nextflow run main.nf",
        "python 3.11, torch 2",
        "4 structures in 2 queries",
        "Every scan could be used",
    ):
        assert words in page.text
    assert "Mc + Mf" in page.text and "55.1, 6.12" in page.text
    assert len(page.values("src")) == 3  # the curves and two queries
    pictures = sorted(path.name for path in (tmp_path / "figures" / "demo").iterdir())
    assert pictures == ["_training.png", "q0.png", "q1.png"]


def test_the_headline_has_the_numbers_of_the_main_setting() -> None:
    check, scans, answers = cohorts.cohort(supports=3)
    table = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=True)[1]
    main = table[table["setting"] == "extreme.k15.c1f1"]
    text = report.headline(main)
    drawn = main[main["drawn"]]
    assert f"mean IoU {100 * drawn['iou'].mean():.1f} %" in text
    assert f"mean IoU {100 * alone(main)['iou'].mean():.1f} %" in text
    every = f"all 3 supports together, coarse + fine, K = 15: mean IoU {100 * together(main)['iou'].mean():.1f} %"
    assert text.startswith(f"4 structures in 4 queries, {every}")
    assert "all 3" not in report.headline(alone(main))
    assert "n = 4" in text and "K = 15" in text and "Each of 3 supports alone" in text
    assert "missing" not in text


def test_the_page_fetches_and_runs_nothing(tmp_path: Path) -> None:
    page = written(tmp_path)
    assert "script" not in page.tags and "link" not in page.tags and "iframe" not in page.tags
    assert all(value.startswith("data:image/webp;base64,") for value in page.values("src"))
    assert all(value.startswith("#") for value in page.values("href"))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|url\(|@import", text)
    assert {value.removeprefix("#") for value in page.values("href")} <= set(page.values("id"))


def test_hostile_words_stay_words(tmp_path: Path) -> None:
    def change(check: Any, scans: Any, answers: Any) -> None:
        check["parameters"] = {"input": HOSTILE}
        check["cohorts"]["demo"]["structures"] = {HOSTILE: 1}
        scans["q1"] = cohorts.aside("demo", "q1", HOSTILE, file=f"{HOSTILE}.nii.gz")
        entry = scans["q0"]["structures"]["mandible"]
        for scan in scans.values():
            if scan["status"] == "ok":
                scan["structures"] = {HOSTILE: entry}
        answers[:] = [row | {"structure": HOSTILE} for row in answers if row["structure"] == "mandible"]
        answers[:] = [row | {"setting": "extreme.k15.c1f1"} for row in answers if row["subject"] == "q0"]
        answers[0] |= {"failed": True, "reason": HOSTILE, "box_mm": None, "points_mm": None}

    page = written(tmp_path, change=change, run={HOSTILE: HOSTILE, "versions": {HOSTILE: HOSTILE}})
    assert "script" not in page.tags
    assert not {"onerror", "onload"} & {name for name, _ in page.attributes}
    assert all(value.startswith("data:") for value in page.values("src"))
    assert page.text.count(HOSTILE) >= 8
    assert "49" not in re.sub(r"\d+\.\d+", "", page.text)


def test_failures_are_listed_with_their_reasons(tmp_path: Path) -> None:
    def change(check: Any, scans: Any, answers: Any) -> list[Any]:
        scans["q1"] = cohorts.aside("demo", "q1", "q1.nii.gz: found nothing but air, expected a body.", "q1.nii.gz")
        kept = [answer for answer in answers if answer["subject"] != "q1"]
        return kept[1:]

    page = written(tmp_path, change=change)
    assert "9 of 16 answers" in page.text
    assert "scan set aside: q1.nii.gz: found nothing but air, expected a body." in page.text
    assert "no answer: its task died" in page.text
    assert len(page.values("src")) == 2


def test_a_cohort_without_truth_says_so(tmp_path: Path) -> None:
    def change(check: Any, scans: Any, answers: Any) -> None:
        for name in ("q0", "q1"):
            scans[name]["structures"] = {}

    page = written(tmp_path, change=change, cohort=cohorts.cohort(queries=2, supports=1, tables=False))
    assert "With s0 as the one annotated scan, 8 of 8 answers were found" in page.text
    assert "No query has a label, so nothing says how good they are" in page.text
    assert page.text.count("No query of this cohort has a label") == 1
    assert "Table 1" not in page.text and "Mc + Mf" not in page.text
    assert (
        "found, spread 2.5 mm" in page.text
        and "mean" not in page.text.split("What is missing")[0].split("Every query")[1]
    )
    assert len(page.values("src")) == 3


def test_answers_without_truth_are_named_by_their_spread(tmp_path: Path) -> None:
    def change(check: Any, scans: Any, answers: Any) -> None:
        for number, answer in enumerate(answers):
            answer["spread_mm"] = float(number)
        del scans["q1"]["structures"]["mandible"], scans["q1"]["structures"]["parotid_left"]

    page = written(tmp_path, change=change, cohort=cohorts.cohort(queries=2, supports=1, tables=False))
    # q0 has truth; of q1 only these two have none.
    (sentence,) = re.findall(r"Look first at [^.]*: (.*)\.\n", page.text)
    assert [answer.split(" (")[0] for answer in sentence.split(", ")] == ["parotid_left in q1", "mandible in q1"]


def test_several_supports_give_one_answer(tmp_path: Path) -> None:
    page = written(tmp_path)
    assert "Every query, with all supports together" in page.text and "all 2 supports together" in page.text
    assert "Table 4: every method with several supports" in page.text and "1 of 2, each alone" in page.text
    assert "Table 5: single landmarks" in page.text.split("Table 4: ")[1] and "extreme points" in page.text
    page = written(tmp_path, cohort=cohorts.cohort(queries=2, supports=1, tables=False))
    assert "Every query, with the drawn support" in page.text and "1 supports together" not in page.text


def test_where_errors_come_from_is_told_where_there_is_enough_to_tell(tmp_path: Path) -> None:
    page = written(tmp_path, cohort=cohorts.cohort(queries=3, supports=3, tables=False))
    assert "Where the errors come from" in page.text and "3, each alone" in page.text
    assert "Where the errors come from" not in written(tmp_path).text


def test_several_supports_without_truth(tmp_path: Path) -> None:
    def change(check: Any, scans: Any, answers: Any) -> None:
        for name in ("q0", "q1"):
            scans[name]["structures"] = {}
        for answer in answers:
            far = 30.0 if (answer["subject"], answer["structure"], answer["support"]) == ("q1", "mandible", "s1") else 0
            answer["points_mm"] = {wall: [far, 0, 0] for wall in answer["points_mm"]}

    page = written(tmp_path, change=change)
    assert "With 2 annotated scans together, 8 of 8 answers were found" in page.text
    # Two supports 30 mm apart lie 15 mm from their mean.
    assert re.search(r"whose spread is largest: mandible in q1 \(15\.0 mm\)", page.text)
    assert "Table 4" not in page.text and "Table 5" not in page.text


def test_a_support_stands_beside_the_answers_of_several() -> None:
    own = pd.DataFrame([("s0", False), ("s1", True), ("s2", False), ("*", False)], columns=["support", "drawn"])
    scans: Any = {("demo", name): {"json": cohorts.scan("demo", name, {})} for name in ("s0", "s1", "s2")}
    assert pictures._support_beside("*", own, scans, "demo") == "s1"
    assert pictures._support_beside("s2", own, scans, "demo") == "s2"
    scans["demo", "s1"] = {"json": cohorts.aside("demo", "s1", "cut short")}
    assert pictures._support_beside("*", own, scans, "demo") == "s0"
    assert pictures._support_beside("s1", own, scans, "demo") is None
    assert pictures._support_beside("-", own, scans, "demo") is None
    answers = [{"support": "*", "n_supports": 2}, {"support": "*", "n_supports": 3}]
    assert pictures._supports_in_words(answers, "s1") == ", 3 supports together, of which s1 is shown"
    assert pictures._supports_in_words(answers, None) == ", 3 supports together"
    assert pictures._supports_in_words([{"support": "s2"}], "s2") == ", support s2"
    assert pictures._supports_in_words([{"support": "-"}], None) == ""


def test_the_only_annotated_scan_is_not_searched_and_that_is_no_fault(tmp_path: Path) -> None:
    def change(check: Any, scans: Any, answers: Any) -> list[Any]:
        for row in check["rows"]:
            row["support"], row["query"] = row["subject"] == "s0", True
        return [answer for answer in answers if answer["support"] == "s0"]

    page = written(tmp_path, change=change)
    assert page.text.count("Not searched: there is no other scan with an annotation.") == 1


def test_a_cohort_without_any_answer_still_has_a_page(tmp_path: Path) -> None:
    def change(check: Any, scans: Any, answers: Any) -> list[Any]:
        for row in check["rows"]:
            row["support"] = False
        return []

    page = written(tmp_path, change=change, logs={})
    assert "There is nothing to report" in page.text
    assert page.values("src") == []


def test_a_scan_that_cannot_be_read_leaves_a_sentence(tmp_path: Path) -> None:
    check, scans, answers = cohorts.cohort(queries=1, supports=1, tables=False)
    rows, table, _ = metrics.evaluate(check, "demo", scans, answers, seed=0, tables=False)
    report.write_report(
        tmp_path / "report.html", run={}, check=check, metrics=table, predictions=rows,
        tables=tables_of(rows, table, scans, 15),
        set_aside=pd.DataFrame(columns=["subject", "file", "reason"]),
        scans={("demo", subject): {"json": scan, "folder": tmp_path} for subject, scan in scans.items()},
        logs={}, figures_folder=tmp_path / "figures",
    )  # fmt: skip
    assert "No picture: q0.nii.gz: found no such file, expected an image." in (tmp_path / "report.html").read_text(
        encoding="utf-8"
    )


def test_many_structures_and_queries_keep_the_page_usable(tmp_path: Path) -> None:
    def change(check: Any, scans: Any, answers: Any) -> list[Any]:
        names = [f"label_{i}" for i in range(10)]
        check["cohorts"]["demo"]["structures"] = dict.fromkeys(names, 1)
        for scan in scans.values():
            scan["structures"] = {name: cohorts.structure([-9, -9, -9], [9, 9, 9]) for name in names}
        return [row | {"structure": name} for row in answers if row["structure"] == "mandible" for name in names]

    page = written(tmp_path, change=change, embedded=3, logs={})
    names = sorted(path.name for path in (tmp_path / "figures" / "demo").iterdir())
    assert names == ["q0.png", "q0~2.png", "q1.png", "q1~2.png"]
    assert len(page.values("src")) == 3
    assert "This page holds 3 pictures" in page.text


@pytest.mark.parametrize("length", [1, 40, 64])
def test_long_names_are_cut_in_pictures_only(length: int) -> None:
    shown = pictures._short("x" * length)
    assert len(shown) <= 40 and (shown == "x" * length) == (length <= 40)


def test_one_method_alone_has_no_comparison(tmp_path: Path) -> None:
    page = written(tmp_path)
    assert "Table 3" not in page.text and "Paired comparison" not in page.text and "Every method" not in page.text


def test_several_methods_are_compared_and_drawn(tmp_path: Path) -> None:
    page = written(tmp_path, cohort=cohorts.many_methods(queries=3))
    for words in ("Table 3: every method", "Table 3, seconds", "Paired comparison with the paper's method"):
        assert words in page.text
    assert "Every method in one query: q" in page.text and "neither the best nor the worst" in page.text
    folder = tmp_path / "figures" / "demo"
    assert sorted(path.name for path in folder.glob("_methods*")) == [
        f"_methods~{organ}.png" for organ in cohorts.ORGANS
    ]
    assert len(page.values("src")) == 1 + 4 + 3
    assert {value.removeprefix("#") for value in page.values("href")} <= set(page.values("id"))
    # The queries' own pictures and scores are the paper's method's.
    assert "coarse + fine, K = 15" in page.text
    assert "regression, grey_ncc, retina_unet, affine" in page.text


def test_a_query_can_be_asked_for(tmp_path: Path) -> None:
    def change(check: Any, scans: Any, answers: Any) -> None:
        check["parameters"] = {"figure_query": "q2"}

    page = written(tmp_path, change=change, cohort=cohorts.many_methods(queries=3))
    assert "Every method in one query: q2" in page.text and "The query that was asked for." in page.text


def test_pictures_of_all_methods_count_like_the_others(tmp_path: Path) -> None:
    page = written(tmp_path, cohort=cohorts.many_methods(queries=2), embedded=3, logs={})
    assert len(page.values("src")) == 3
    assert "the others of this query are in the folder figures" in page.text
    assert len(list((tmp_path / "figures" / "demo").glob("*.png"))) == 4 + 2


def test_methods_without_any_truth_are_drawn(tmp_path: Path) -> None:
    def change(check: Any, scans: Any, answers: Any) -> None:
        for name in ("q0", "q1"):
            scans[name]["structures"] = {}

    page = written(tmp_path, change=change, cohort=cohorts.many_methods(queries=2))
    assert "Every method in one query: q0" in page.text and "Table 3, seconds" in page.text
    assert page.text.count("No query of this cohort has a label") == 1


def test_a_run_where_every_query_was_set_aside(tmp_path: Path) -> None:
    def change(check: Any, scans: Any, answers: Any) -> list[Any]:
        for name in ("q0", "q1"):
            scans[name] = cohorts.aside("demo", name, "nothing but air")
        return []

    page = written(tmp_path, change=change, cohort=cohorts.many_methods(queries=2))
    assert "There is no query to draw." in page.text


@pytest.mark.parametrize(("method", "words"), [("affine", "(drawn) as the one annotated scan, affine:"),
                                               ("retina_unet", "without a support, retina_unet:")])  # fmt: skip
def test_a_run_without_the_paper_s_method_shows_its_first(method: str, words: str, tmp_path: Path) -> None:
    check, scans, answers = cohorts.many_methods(queries=2)
    settings = check["cohorts"]["demo"]
    settings["methods"] = [entry for entry in settings["methods"] if entry["name"] == method]
    answers = [row for row in answers if row["method"] == method]
    page = written(tmp_path, cohort=(check, scans, answers), logs={})
    assert words in page.text and f"IoU and AWD, {method}." in page.text
    assert len(page.values("src")) == 2
