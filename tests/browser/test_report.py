"""The report and the viewer in a headless Chromium: what a person clicks and types does what it says."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pytest
import SimpleITK as sitk
from playwright.sync_api import Browser, Page, expect, sync_playwright

from rprloc.cohort.tasks import View, Viewed
from rprloc.geometry import WALLS
from rprloc.pictures.view import ViewFiles, view_scans
from rprloc.results.report.run import ReportFiles, report_run
from rprloc.scans.scan import write_scan_outlines
from tests.exports.queries import box_of, native, outline_of
from tests.results.report.made import LAUNCH, Made, failed, made, report_of, write_results
from tests.scans.written import structure_of, write_scan

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="found no Chromium, which this test of the report needs")

HOSTILE = "<img src=x onerror=hit()>\"'</script>"
KINDS = {"q0": "flipped", "q1": "oblique", "s0": "exchanged"}
OUTLINE = outline_of((12, 11, 7), (12, 9, 8))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # As root, as in a container, Chromium has no sandbox.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def cohort() -> Made:
    """Return two queries of which one answer failed, and a support, each on a grid of its own."""
    one = made(("matched",), queries=2, supports=1, structures=["organ", HOSTILE])
    for subject, kind in KINDS.items():
        box = box_of(OUTLINE, native(kind))
        shown = dict.fromkeys(["organ", HOSTILE], structure_of(*box))
        one.records[subject] = replace(one.records[subject], native=native(kind), structures=shown)
        points = dict(zip(WALLS, structure_of(*box).extreme_mm.tolist(), strict=True))
        one.predictions = [
            msgspec.structs.replace(row, box_mm=box.tolist(), points_mm=points) if row.subject == subject else row
            for row in one.predictions
        ]
    one.predictions[-1] = failed(one.predictions[-1], HOSTILE)
    return one


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of a run on odd grids, whose path has a space and a percent sign."""
    folder, one = tmp_path_factory.mktemp("all runs") / "a 100% run", cohort()
    images, scans = {}, {}
    for subject, kind in KINDS.items():
        grid = native(kind)
        values = np.random.default_rng(len(images)).integers(-150, 200, grid.size[::-1]).astype(np.int16)
        images[f"demo@{subject}"] = folder / "images" / f"{subject}.nii.gz"
        images[f"demo@{subject}"].parent.mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(grid.image(values), str(images[f"demo@{subject}"]))
        scans[f"demo@{subject}"] = write_scan(folder / "scans", one.records[subject])
        write_scan_outlines(scans[f"demo@{subject}"], dict.fromkeys(["organ", HOSTILE], OUTLINE))
    viewed = tuple(Viewed(id=name, subject=name.removeprefix("demo@"), image="x") for name in images)
    answers = {
        name: "".join(f"{json.dumps(row.to_json())}\n" for row in one.predictions if row.subject == name)
        for name in ("q0", "q1")
    }
    task = View(id="demo.batch0", cohort="demo", modality="ct", viewed=viewed, beside=("demo@s0",), answers=answers)
    view_scans(folder, task, ViewFiles(scans=scans, images=images))
    given = ReportFiles(results=write_results(folder / "tabulated", one), manifests=[folder / "demo.batch0.json"])
    report_run(folder, report_of(one), LAUNCH, given)
    return folder


@pytest.fixture
def page(browser: Browser, results: Path) -> Iterator[Page]:
    """A page of which errors, and requests that leave the folder, fail the test."""
    opened = browser.new_page(viewport={"width": 1300, "height": 900})
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    inside = (results.as_uri(), "data:")
    opened.context.on("request", lambda one: None if one.url.startswith(inside) else wrong.append(one.url))
    yield opened
    opened.close()
    assert wrong == []


def shown(page: Page) -> list[str]:
    """Return the headings of the answers in their order."""
    return [text.split(maxsplit=2)[2] for text in page.locator(".row h3").all_inner_texts()]


def test_the_list_is_worst_first_and_can_be_sorted_filtered_and_searched(page: Page, results: Path) -> None:
    page.goto((results / "report.html").as_uri())
    assert shown(page)[0] == f"{HOSTILE} in q1" and len(shown(page)) == 4
    page.select_option("#sort", "name")
    assert [name.split()[-1] for name in shown(page)] == ["q0", "q0", "q1", "q1"]
    page.select_option("#structure", "organ")
    assert shown(page) == ["organ in q0", "organ in q1"]
    page.fill("#search", "Q1")
    assert shown(page) == ["organ in q1"] and page.inner_text("#count") == "1 of 4 answers"
    page.select_option("#status", "FAIL")
    assert shown(page) == []


def test_no_word_becomes_markup(page: Page, results: Path) -> None:
    page.goto((results / "report.html").as_uri())
    assert page.locator("img[onerror]").count() == 0 and page.locator("img").count() > 4
    assert page.evaluate("typeof hit") == "undefined" and HOSTILE in page.inner_text("#list")
    assert page.evaluate("[...document.images].every((one) => one.complete ? one.naturalWidth > 0 : true)")


def test_a_cell_leads_to_its_answer_and_keys_open_the_viewer(page: Page, results: Path) -> None:
    page.goto((results / "report.html").as_uri())
    page.locator(".strip button").first.click()
    assert page.evaluate("document.activeElement.querySelector('h3').textContent").endswith("organ in q0")
    page.keyboard.press("k")
    page.keyboard.press("j")
    with page.expect_popup() as popup:
        page.keyboard.press("Enter")
    assert popup.value.url.startswith((results / "viewer" / "demo").as_uri())


def test_tables_are_sorted_and_tabs_hide_each_other(page: Page, results: Path) -> None:
    page.goto((results / "report.html").as_uri())
    page.click("#tab-tables")
    assert page.is_hidden("#list") and page.is_visible("text=Table 1")
    page.locator("#tables thead button").last.click()
    assert page.locator("#tables th[aria-sort=descending]").count() == 1


def toward(moved_mm: np.ndarray) -> str:
    """Return the letter of the side that a way (3,), LPS mm, leads to above all."""
    axis = int(np.abs(moved_mm).argmax())
    return (("R", "L"), ("A", "P"), ("I", "S"))[axis][int(moved_mm[axis] > 0)]


def pressed(page: Page, key: str) -> np.ndarray:
    """Press a key and return where the query's cursor has gone (3,), LPS mm."""
    told = page.locator("[data-role=query] .told")
    before = str(told.get_attribute("data-mm"))
    page.keyboard.press(key)
    expect(told).not_to_have_attribute("data-mm", before)
    return np.array(str(told.get_attribute("data-mm")).split(), dtype=float)


@pytest.mark.parametrize("subject", ["q0", "q1"])
def test_the_viewer_shows_the_scans_own_value_under_the_cursor(page: Page, results: Path, subject: str) -> None:
    page.goto((results / "viewer" / "demo" / f"{subject}.html").as_uri() + "#organ")
    page.wait_for_selector("body[data-ready]")
    image = sitk.ReadImage(str(results / "images" / f"{subject}.nii.gz"))
    told = page.locator("[data-role=query] .told")
    expect(told).to_have_attribute("data-mm", re.compile("."))
    place = np.array(str(told.get_attribute("data-mm")).split(), dtype=float)
    seen = set()
    for plane, name in enumerate(("axial", "coronal", "sagittal")):
        page.locator("[data-role=query] canvas").nth(plane).focus()
        _, right, above, _ = page.evaluate(f"scans[0].sides.{name}")
        for key, letters in (("ArrowRight", right), ("ArrowUp", above), ("PageDown", "")):
            before, place = place, pressed(page, key)
            # An arrow goes to the side whose letter stands there.
            assert not letters or toward(place - before) == letters[0]
            index = image.TransformPhysicalPointToIndex(place.tolist())
            assert abs(image[index] - float(str(told.get_attribute("data-value")))) <= 1.6
            seen.add(index)
    assert len(seen) >= 8
    # The support's cursor has gone along, to the same part of its own box.
    grid = native(KINDS["s0"])
    own, other = box_of(OUTLINE, native(KINDS[subject])), box_of(OUTLINE, grid)
    there = page.locator("[data-role=support] .told").get_attribute("data-mm")
    part = (place - own[0]) / (own[1] - own[0])
    wanted = other[0] + part * (other[1] - other[0])
    assert np.abs(grid.frame.voxel(np.array(str(there).split(), dtype=float)) - grid.frame.voxel(wanted)).max() <= 1.01


def test_the_body_is_turned_by_dragging_and_follows_the_switches(page: Page, results: Path) -> None:
    page.goto((results / "viewer" / "demo" / "q1.html").as_uri() + "#organ")
    page.wait_for_selector("body[data-ready]")
    body = page.locator("[data-role=query] canvas.solid")
    seen = [body.evaluate("(one) => one.toDataURL()")]

    def looked() -> None:
        # Two frames: what was asked for is drawn in the next one.
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        seen.append(body.evaluate("(one) => one.toDataURL()"))

    edge = body.bounding_box()
    assert edge is not None
    page.mouse.move(edge["x"] + 40, edge["y"] + 40)
    page.mouse.down()
    page.mouse.move(edge["x"] + 120, edge["y"] + 70)
    page.mouse.up()
    looked()
    body.focus()
    page.keyboard.press("ArrowLeft")
    looked()
    for switch in ("outline", "box"):
        page.get_by_label(switch, exact=True).uncheck()
        looked()
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_thousand_pixels_and_prints(
    page: Page, results: Path, scheme: Literal["light", "dark"]
) -> None:
    page.set_viewport_size({"width": 1000, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.goto((results / "report.html").as_uri())
    for tab in ("answers", "tables", "run"):
        page.click(f"#tab-{tab}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1000
    assert page.evaluate("[...document.images].every((one) => one.alt.length > 20)")
    page.emulate_media(media="print")
    assert len(page.pdf()) > 10_000
    page.emulate_media(media="screen")
    assert page.is_visible("#run") and page.is_hidden("#tables")


def test_a_table_is_saved_as_csv(page: Page, results: Path) -> None:
    page.goto((results / "report.html").as_uri())
    page.click("#tab-tables")
    with page.expect_download() as saved:
        page.locator("#tables button", has_text="save as CSV").first.click()
    text = Path(saved.value.path()).read_text(encoding="utf-8")
    assert saved.value.suggested_filename.endswith(".csv") and text.count("\n") == 2 and '"50.0, 4.00"' in text
