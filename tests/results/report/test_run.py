"""The step: everything is said, nothing is fetched, and no name or reason becomes part of the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rprloc.cohort.provenance import versions
from rprloc.cohort.tasks import Launch
from rprloc.errors import InputError
from rprloc.files import read_json, write_json_lines
from rprloc.pictures.manifest import write_manifest
from rprloc.results.report import run as module
from rprloc.results.report.run import ReportFiles, report_run
from tests.results.report.html import Html
from tests.results.report.made import LAUNCH, Made, made, report_of, write_results
from tests.scans.written import write_scan

HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=y>{{ 1237*89 }}"
LOG = [{"step": 10 * i, "loss": 5.0 / i, "validation_error_mm": 50.0 / i} for i in range(1, 4)]


def written(
    tmp_path: Path,
    *cohorts: Made,
    launch: Launch = LAUNCH,
    logs: tuple[str, ...] = (),
    **parameters: Any,
) -> Html:
    """Write the report of cohorts, and return the page."""
    for name in logs:
        write_json_lines(tmp_path / "logs" / f"{name}.jsonl", LOG)
    write_manifest(tmp_path / "made.json", [one for cohort in cohorts for one in cohort.pictured().values()])
    shown = {name for cohort in cohorts for name in cohort.figure()}
    scans = [write_scan(tmp_path / "scans", record) for one in cohorts for record in one.records.values()]
    given = ReportFiles(
        results=write_results(tmp_path / "results", *cohorts),
        scans=[path for path in scans if path.name in shown],
        manifests=[tmp_path / "made.json"],
        logs=[tmp_path / "logs" / f"{name}.jsonl" for name in logs],
    )
    report_run(tmp_path / "page", report_of(*cohorts, **parameters), launch, given)
    return Html((tmp_path / "page" / "report.html").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("blank")
def test_the_page_says_what_was_run_and_shows_every_query(tmp_path: Path) -> None:
    page = written(
        tmp_path, made(), logs=("demo.coarse", "demo.fine", "other.coarse"), input="samples.csv", weights=None
    )
    for words in (
        "nextflow run main.nf",
        f"rprloc {versions()['rprloc']}, python",
        "nextflow 25",
        "2 structures in 2 queries",
        "2 structures looked for in 2 scans: 4 answers with nothing against them",
        "as expected, 0 with findings, 0 set aside.",
        "50.0, 4.00",
        "affine took the weights ours for 2 queries: s0 in its field.",
    ):
        assert words in page.text
    assert len(page.values("src")) == 2 + 2 + 1  # the risk, the curves, the support, and what Nextflow adds
    assert [(one["subject"], one["picture"]) for one in page.data["answers"]][::2] == [
        (name, f"pictures/demo/{name}/0.webp") for name in ("q0", "q1")
    ]
    assert sorted(path.name for path in (tmp_path / "page" / "figures" / "demo").iterdir()) == [
        "_risk.png", "_training.png",
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "page" / "viewer").iterdir()) == ["viewer.css", "viewer.js"]
    assert set(read_json(tmp_path / "page" / "rprloc_mqc.json")["data"]) == {"q0", "q1"}


def test_what_is_known_of_the_run_is_kept(tmp_path: Path) -> None:
    written(tmp_path, made(("affine", "retina_unet"), queries=1, supports=1, structures=["mandible"]), seed=1)
    kept = read_json(tmp_path / "page" / "pipeline_info" / "run.json")
    assert list(kept) == ["run", "parameters", "sheet", "weights", "scans", "chosen"]
    assert list(kept["run"]) == [
        "command", "profile", "pipeline", "finished", "machine", "versions", "commit", "code", "executor",
        "training_threads", "devices", "image", "digest", "config",
    ]  # fmt: skip
    assert kept["run"]["versions"] == versions() | {"nextflow": "25"}
    assert kept["parameters"] == {"seed": 1} and list(kept["weights"].items()) == [("a", "1"), ("b", "2")]
    assert kept["sheet"] == {"file": "samples.csv", "sha256": "0" * 64}
    assert kept["chosen"] == [
        {"cohort": "demo", "method": "affine", "weights": "ours", "why": "s0 in its field", "queries": 1}
    ]


@pytest.mark.usefixtures("blank")
def test_the_page_fetches_nothing_and_hostile_words_stay_words(tmp_path: Path) -> None:
    cohort = made(("affine", HOSTILE), structures=[HOSTILE.replace("/", "")], supports=1)
    cohort.aside("q1", HOSTILE, file=HOSTILE)
    cohort.predictions[0] = msgspec.structs.replace(cohort.predictions[0], failed=True, reason=HOSTILE)
    cohort.settings["structures"] = {HOSTILE: 1}
    page = written(tmp_path, cohort, launch=msgspec.structs.replace(LAUNCH, command=HOSTILE), input=HOSTILE)
    text = (tmp_path / "page" / "report.html").read_text(encoding="utf-8")
    # The data, the page's own, and what the run adds at its end.
    assert page.tags.count("script") == 3 and not {"link", "iframe"} & set(page.tags)
    assert not {"onerror", "onload"} & {name for name, _ in page.attributes}
    beside = re.compile(r"data:image/webp;base64,|pictures/demo/|pipeline_info/processes\.js$")
    assert page.values("src") and all(beside.match(value) for value in page.values("src"))
    assert page.values("href") == []
    assert not re.search(r"https?://|url\(|@import", text)
    assert page.text.count(HOSTILE) >= 6 and HOSTILE not in text
    assert page.data["answers"][0]["structure"] == HOSTILE.replace("/", "")
    assert "110093" not in page.text


def test_a_single_page_holds_the_pictures_of_the_first_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = made(queries=2, structures=["mandible"])
    uri = "data:image/webp;base64,AAAA"
    pictured = {key: msgspec.structs.replace(one, embedded={"mandible": uri}) for key, one in cohort.pictured().items()}
    monkeypatch.setattr(Made, "pictured", lambda _: pictured)
    monkeypatch.setattr(module, "EMBEDDED", 1)
    page = written(tmp_path, cohort)
    assert page.data["embedded"] == {f"pictures/demo/{name}/0.webp": uri for name in ("q0", "s0", "s1")}
    assert all(value.startswith("data:image/webp;base64,") for value in page.values("src"))
    assert page.tags.count("script") == 2


@pytest.mark.usefixtures("blank")
def test_failures_and_scans_that_were_set_aside_have_their_reasons(tmp_path: Path) -> None:
    cohort = made(supports=1)
    cohort.aside("q1", "q1.nii.gz: found nothing but air, expected a body.")
    page = written(tmp_path, cohort)
    assert "2 of 4 answers" in page.text and "1 set aside. Look at these before you believe anything" in page.text
    assert "scan set aside: q1.nii.gz: found nothing but air, expected a body." in page.text
    assert [query["status"] for query in page.data["cohorts"][0]["queries"]] == ["PASS", "FAIL"]


@pytest.mark.usefixtures("blank")
def test_a_cohort_without_truth_stands_beside_one_with(tmp_path: Path) -> None:
    second = made(("affine", "retina_unet"), queries=1, name="two")
    second.without_truth("q0")
    page = written(tmp_path, second, made(queries=1, name="one"))
    assert page.text.count("No query of this cohort has a label") == 1
    one, two = page.text.split("Cohort two")[0].split("Cohort one")[1], page.text.split("Cohort two")[1]
    assert "Table 1" in one and "Table 1" not in two and "Seconds" in two
    assert "Does lost tell" not in two
    assert {one["cohort"]: "error" in one for one in page.data["answers"]} == {"one": True, "two": False}


@pytest.mark.usefixtures("blank")
def test_a_cohort_without_any_prediction_still_has_a_page(tmp_path: Path) -> None:
    cohort = made()
    cohort.predictions.clear()
    page = written(tmp_path, cohort)
    assert "There is nothing to report" in page.text and "No answer was expected." in page.text
    assert "as there is no other scan with an annotation: q0, q1." in page.text
    assert page.data["answers"] == []


@pytest.mark.usefixtures("blank")
def test_another_file_is_named(tmp_path: Path) -> None:
    results = write_results(tmp_path / "results", made(queries=1))
    (results / "tables" / "shown.json").write_text("[{}]")
    with pytest.raises(InputError, match=r"shown\.json"):
        report_run(tmp_path / "page", report_of(made(queries=1)), LAUNCH, ReportFiles(results=results))
