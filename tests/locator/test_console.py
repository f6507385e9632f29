"""What is said on the terminal: lines on the error stream, answers on the output, nothing that a file's name can do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rprloc.cohort.chosen import Weights
from rprloc.cohort.settings import Settings
from rprloc.locator.console import Teller, plain, print_json, print_table
from rprloc.locator.results import Located
from rprloc.scans.record import Structure
from rprloc.scans.sides import said_of_sides
from tests.locator.test_results import ANSWERS, RECORD, RESULTS

WEIGHTS = Weights("none", "as asked", Settings())
FOUND = Located(Path("q.nii"), replace(RECORD, findings=("no air: read as it is",)), ANSWERS, (), seconds=2.34)
BROKEN = Located(
    Path("bad.nii"),
    replace(RECORD, subject="bad", reason="[red]\x1b[2Jb.nii: found nothing, expected an image."),
    tuple(one for one in ANSWERS if one.failed),
    (),
)


def test_a_line_a_scan_and_one_for_what_is_odd(capsys: pytest.CaptureFixture[str]) -> None:
    with Teller(2, quiet=False) as teller:
        teller.begun(WEIGHTS, {"s": replace(RECORD, subject="s", findings=("odd",))})
        teller.found(FOUND)
        teller.found(BROKEN)
        teller.note("That is all.")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "weights: none (as asked)",
        "  s: odd",
        "[1/2] q: WARN, 2 of 3 found, 1 doubtful, 2.3 s",
        "  q: no air: read as it is",
        "  q: heart not found: lost",
        "  q: spleen is doubtful, lost with 30%",
        "[2/2] bad: FAIL",
        "  bad: [red]?[2Jb.nii: found nothing, expected an image.",
        "That is all.",
    ]


def test_that_headers_tell_sides_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    kidney = Structure(value=1, box_mm=np.eye(2, 3), extreme_mm=np.zeros((6, 3)), half_voxel_mm=(1, 1, 1), voxels=8)
    paired = replace(RECORD, structures={"kidney_left": kidney, "kidney_right": kidney})
    with Teller(1, quiet=False) as teller:
        teller.begun(WEIGHTS, {"s": paired, "t": paired})
    assert [line for line in capsys.readouterr().err.splitlines() if "header" in line] == [
        said_of_sides({"kidney_left", "kidney_right"})
    ]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Teller(1, quiet=True) as teller:
        teller.begun(WEIGHTS, {})
        teller.found(FOUND)
    assert capsys.readouterr() == ("", "")


def test_the_table_has_a_line_an_answer_and_one_for_a_scan_set_aside(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([FOUND, BROKEN])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["q", "liver", *["0.1", "to", "1.0", "0.2", "to", "2.0", "0.3", "to", "3.0", "0.05"]]
    assert lines[3] == ["q", "heart", "0.90", "lost"]
    assert lines[4] == ["bad", "[red]?[2Jb.nii:", "found", "nothing,", "expected", "an", "image."]
    assert len(lines) == 5


def test_json_has_the_tables_and_the_weights(capsys: pytest.CaptureFixture[str]) -> None:
    print_json(RESULTS, WEIGHTS)
    found = json.loads(capsys.readouterr().out)
    assert found["weights"] == {"name": "none", "why": "as asked"}
    assert [row["structure"] for row in found["boxes"]] == ["heart", "spleen", "liver"] and len(found["scans"]) == 1


def test_what_cannot_be_printed_is_a_question_mark() -> None:
    assert plain("Müller лёгкое\n\x1b]0;x\x07") == "Müller лёгкое??]0;x?"
