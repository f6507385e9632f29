"""The scripts that draw the pictures of the documents."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.docs.pages import DOCS


def script(name: str) -> ModuleType:
    """Return a script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_accuracy_reads_what_tabulate_wrote(tmp_path: Path) -> None:
    accuracy = script("accuracy")
    points = accuracy.points_of(accuracy.TABLE.read_text("utf-8"))
    of_default = [point for point in points if point.method == "matched"]
    assert [point.supports for point in of_default] == [1, 3, 5, 9]
    assert [point.iou for point in of_default] == [62.4, 67.7, 69.5, 70.5]
    assert {point.supports for point in points if point.method == "student"} == {0}
    accuracy.draw(points, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 0


def test_the_anatomies_are_read_from_their_page(tmp_path: Path) -> None:
    anatomy = script("anatomy")
    figures = anatomy.figures_of(anatomy.PAGE.read_text("utf-8"))
    assert figures.keys() == anatomy.COLOURS.keys()
    assert all(
        len(pairs) == len(anatomy.COHORTS) and all(one < three for one, three in pairs) for pairs in figures.values()
    )
    assert figures["convex"][0] == (61.5, 65.0)
    anatomy.draw(figures, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 0


def test_the_flow_is_drawn_with_every_process(tmp_path: Path) -> None:
    flow = script("flow")
    processes = {folder.name.upper() for folder in (DOCS.parent / "modules").iterdir()} - {"SUPPORT"}
    assert processes == flow.STEPS.keys() - {"samples.csv", "TEACH"}
    flow.draw(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 0


def test_the_result_shows_the_drawn_supports_answers(tmp_path: Path) -> None:
    result = script("result")
    truth = result.true_boxes(result.DEMO / "labels" / "kbp_020.nii.gz")
    assert set(truth) == set(result.COLOURS)
    assert all((box[1] > box[0]).all() for box in truth.values())
    row = {"method": "matched", "support": "kbp_031", "subject": "kbp_020", "structure": "mandible", "failed": False}
    rows = [row | {"drawn": drawn, "box_mm": (truth["mandible"] + drawn).tolist()} for drawn in (False, True)]
    path = tmp_path / "predictions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    support, found = result.found_boxes(path)
    assert support == "kbp_031"
    np.testing.assert_allclose(found["kbp_020"]["mandible"], truth["mandible"] + 1)
    result.draw(tmp_path, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 0


@pytest.mark.parametrize(
    "name",
    [
        "result.png",
        "matched.png",
        "results/accuracy.png",
        "results/anatomy.png",
        "explanation/flow.png",
        "how-to/annotate.png",
    ],
)
def test_the_pictures_are_there(name: str) -> None:
    assert (DOCS / name).stat().st_size > 0


def test_the_picture_of_the_method_finds_what_it_imports() -> None:
    assert callable(script("picture").main)


def test_the_roi_and_the_point_are_drawn_as_they_are_read(tmp_path: Path) -> None:
    script("annotate").draw(tmp_path, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 0
