"""The page: several methods, pictures beside it or within, and words for what it is told."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import msgspec
import pytest

from rprloc.results.report.page import (
    CohortPage,
    Count,
    Fact,
    Page,
    Scans,
    Shared,
    cohort_page,
    facts,
    html,
    viewer_files,
)
from tests.results.report.html import Html
from tests.results.report.made import STRUCTURES, Made, made

pytestmark = pytest.mark.usefixtures("blank")


def told(tmp_path: Path, cohort: Made, *, figure_query: str | None = None) -> CohortPage:
    """Return what the page says of a cohort."""
    seen = Shared(cohort.scans(), cohort.pictured(), {})
    return cohort_page(cohort.cohort(), cohort.material(), cohort.gallery(tmp_path), seen, {}, figure_query)


def page_of(tmp_path: Path, cohort: Made, *, figure_query: str | None = None) -> Html:
    """Return the page of a cohort."""
    one = told(tmp_path, cohort, figure_query=figure_query)
    scans = Scans({"PASS": 1, "WARN": 0, "FAIL": 0}, (), 0)
    return Html(html(Page(command="", facts=(), parameters=(), scans=scans, cohorts=(one,), embedded={})))


def test_values_in_words() -> None:
    assert facts({"a": None, "b": {"x": 1, "y": "z"}, "c": 2}) == (
        Fact("a", "–"),
        Fact("b", "x 1, y z"),
        Fact("c", "2"),
    )


def test_scans_are_counted_by_use(tmp_path: Path) -> None:
    cohort = made(queries=1)
    cohort.aside("s1", "s1.nii.gz: cut short")
    one = told(tmp_path, cohort)
    assert one.sizes == (
        Count("training", 0), Count("validation", 0), Count("support", 2), Count("query", 1), Count("set aside", 1),
    )  # fmt: skip
    assert [(query.subject, query.status) for query in one.queries] == [("q0", "PASS")]


def test_what_was_shown_is_on_the_first_screen(tmp_path: Path) -> None:
    page = page_of(tmp_path, made())
    assert "What was shown: s0" in page.text and "pictures/demo/s0/0.webp" in page.values("src")
    assert {len(value) > 40 for value in page.values("alt")} == {True}


def test_one_method_alone_is_not_compared(tmp_path: Path) -> None:
    assert "Every method" not in page_of(tmp_path, made(queries=1)).text


def test_several_methods_are_drawn_in_the_query_in_the_middle(tmp_path: Path) -> None:
    page = page_of(tmp_path, made(("regression", "grey_ncc", "retina_unet", "affine"), queries=3))
    assert "Every method in one query: q1" in page.text and "neither the best nor the worst" in page.text
    # The risk, each structure, and each structure of the support.
    assert len(page.values("src")) == 1 + 2 + 2 + 1
    assert "regression, grey_ncc, retina_unet, affine" in page.text


def test_a_query_can_be_asked_for(tmp_path: Path) -> None:
    page = page_of(tmp_path, made(("affine", "retina_unet")), figure_query="q1")
    assert "Every method in one query: q1" in page.text and "The query that was asked for." in page.text


def test_a_run_where_every_query_was_set_aside(tmp_path: Path) -> None:
    cohort = made(("affine", "retina_unet"))
    for name in ("q0", "q1"):
        cohort.aside(name, "nothing but air")
    page = page_of(tmp_path, cohort)
    assert "There is no query to draw." in page.text and "scan set aside: nothing but air" in page.text
    assert {one["doubt"][0] for one in page.data["answers"]} == {"FAIL"}


def test_that_headers_tell_sides_is_said_where_structures_are_named_by_them(tmp_path: Path) -> None:
    cohort = made()
    said = "Left and right are as each scan's header says."
    assert said not in page_of(tmp_path, cohort).text
    renamed = {name: f"kidney_{side}" for name, side in zip(STRUCTURES, ("left", "right"), strict=True)}
    cohort.predictions = [
        msgspec.structs.replace(one, structure=renamed.get(one.structure, one.structure)) for one in cohort.predictions
    ]
    assert said in page_of(tmp_path, cohort).text


def test_the_script_and_no_other_is_let_run(tmp_path: Path) -> None:
    one = told(tmp_path, made())
    scans = Scans({"PASS": 1, "WARN": 0, "FAIL": 0}, (), 0)
    text = html(Page(command="", facts=(), parameters=(), scans=scans, cohorts=(one,), embedded={}))
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert any(f"script-src 'sha256-{digest}'" in policy for policy in Html(text).values("content"))
    assert "innerHTML" not in script and "eval" not in script


def test_the_viewers_script_makes_text_alone() -> None:
    files = viewer_files()
    assert set(files) == {"viewer.js", "viewer.css"}
    assert not re.search(r"innerHTML|eval\(|https?:|fetch\(|XMLHttp", files["viewer.js"])
