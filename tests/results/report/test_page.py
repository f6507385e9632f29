"""The page: several methods, the pictures that it has room for, and words for what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from rprloc.results.report.page import Count, Fact, Page, Scans, cohort_page, facts, html
from tests.results.report.html import Html
from tests.results.report.made import Made, made

pytestmark = pytest.mark.usefixtures("blank")


def page_of(tmp_path: Path, cohort: Made, *, figure_query: str | None = None) -> Html:
    """Return the page of a cohort."""
    one = cohort_page(cohort.cohort(), cohort.material(), cohort.gallery(tmp_path), {}, figure_query)
    return Html(html(Page((), (), Scans({"PASS": 1, "WARN": 0, "FAIL": 0}, (), 0), (one,))))


def test_values_in_words() -> None:
    assert facts({"a": None, "b": {"x": 1, "y": "z"}, "c": 2}) == (
        Fact("a", "–"),
        Fact("b", "x 1, y z"),
        Fact("c", "2"),
    )


def test_scans_are_counted_by_use(tmp_path: Path) -> None:
    cohort = made(queries=1)
    cohort.aside("s1", "s1.nii.gz: cut short")
    del cohort.records["s0"]  # its task died
    one = cohort_page(cohort.cohort(), cohort.material(), cohort.gallery(tmp_path), {}, None)
    assert one.sizes == (
        Count("training", 0), Count("validation", 0), Count("support", 2), Count("query", 1), Count("set aside", 2),
    )  # fmt: skip


def test_one_method_alone_is_not_compared(tmp_path: Path) -> None:
    page = page_of(tmp_path, made(queries=1))
    assert "Every method" not in page.text and "Every query, with all supports together" in page.text
    assert "Every query, with the drawn support" in page_of(tmp_path, made(queries=1, supports=1)).text


def test_several_methods_are_drawn_in_the_query_in_the_middle(tmp_path: Path) -> None:
    page = page_of(tmp_path, made(("regression", "grey_ncc", "retina_unet", "affine"), queries=3))
    assert "Every method in one query: q1" in page.text and "neither the best nor the worst" in page.text
    assert len(page.values("src")) == 1 + 2 + 3  # the risk, each structure and each query
    assert {value.removeprefix("#") for value in page.values("href")} <= set(page.values("id"))
    # The queries' own pictures and scores are the first method's.
    assert "IoU and AWD, coarse + fine." in page.text and "regression, grey_ncc, retina_unet, affine" in page.text


def test_a_query_can_be_asked_for(tmp_path: Path) -> None:
    page = page_of(tmp_path, made(("affine", "retina_unet")), figure_query="q1")
    assert "Every method in one query: q1" in page.text and "The query that was asked for." in page.text


def test_pictures_beyond_the_room_are_in_the_folder_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = made(("affine", "retina_unet"))
    monkeypatch.setattr("rprloc.results.report.page.EMBEDDED", 1)
    page = page_of(tmp_path, cohort)
    assert len(page.values("src")) == 1 + 1
    assert "the others of this query are in the folder figures" in page.text
    assert page.text.count("This page holds 1 pictures; this query's other pictures") == 2
    assert len(list((tmp_path / "figures" / "demo").glob("*.png"))) == 1 + 2 + 2
    monkeypatch.setattr("rprloc.results.report.page.EMBEDDED", 2)
    assert "the others of this query" not in page_of(tmp_path, cohort).text


def test_a_run_where_every_query_was_set_aside(tmp_path: Path) -> None:
    cohort = made(("affine", "retina_unet"))
    for name in ("q0", "q1"):
        cohort.aside(name, "nothing but air")
    page = page_of(tmp_path, cohort)
    assert "There is no query to draw." in page.text and "scan set aside: nothing but air" in page.text


@pytest.mark.parametrize("supports", [1, 2])
def test_what_to_look_at_first_is_named(supports: int, tmp_path: Path) -> None:
    cohort = made(queries=2, supports=supports)
    cohort.without_truth("q1")
    assert "likeliest lost: mandible in q1 (10 %), parotid in q1 (10 %)." in page_of(tmp_path, cohort).text
