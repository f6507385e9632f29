"""The query of all methods: the one in the middle or the one that was asked for, with each method's main answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from rprloc.methods.answer import Key
from rprloc.results.report import method_pictures as module
from rprloc.results.report.figure4 import MethodBox
from rprloc.results.report.method_pictures import MethodPictures, method_pictures
from rprloc.scans.scan import volume_path
from tests.results.report.made import Made, made, predicted


def drawn(
    cohort: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str | None = None
) -> tuple[MethodPictures, dict[str, list[MethodBox]], dict[str, Any]]:
    """Return the pictures, and without drawing them each structure's boxes and the last one's other arguments."""
    kept: dict[str, list[MethodBox]] = {}
    others: dict[str, Any] = {}

    def keep(_path: Path, structure: str, found: Any, **options: Any) -> None:
        kept[structure] = list(found)
        others.update(options)

    monkeypatch.setattr(module, "draw_structure", keep)
    return method_pictures(asked, cohort.material(), cohort.gallery(tmp_path)), kept, others


def test_each_method_shows_its_main_answer_from_one_support(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = made(("affine", "retina_unet"), queries=3)
    shown, boxes, others = drawn(cohort, tmp_path, monkeypatch)
    assert (shown.subject, shown.asked, shown.note) == ("q1", False, "")
    assert [path.name for path in shown.pictures] == ["_methods~mandible.png", "_methods~parotid.png"]
    # In the order of the tables; of q1 these are the rows 8 to 13 to 15 of three a query.
    assert [one.method for one in boxes["mandible"]] == ["retina_unet", "affine"]
    assert [one.score for one in boxes["mandible"]] == ["64 %, 16.0 mm", "58 %, 10.0 mm"]
    assert others["heading"] == "parotid in q1, support s0" and others["support"] is not None


def test_a_query_can_be_asked_for_where_it_can_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = made(("affine", "retina_unet"), queries=3)
    assert drawn(cohort, tmp_path, monkeypatch, "q2")[0].subject == "q2"
    cohort.aside("q2", "cut short")
    shown = drawn(cohort, tmp_path, monkeypatch, "q2")[0]
    assert (shown.subject, shown.asked) == ("q0", False)


def test_methods_without_any_truth_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = made(("retina_unet", "ceiling"), queries=2)
    cohort.without_truth("q0", "q1")
    # What a method finds that no support shows has its picture as well.
    cohort.predictions.append(predicted(Key("retina_unet", "box", "-", "larynx")))
    shown, boxes, _ = drawn(cohort, tmp_path, monkeypatch)
    assert shown.subject == "q0" and list(boxes) == ["mandible", "parotid", "larynx"]
    assert [one.score for one in boxes["larynx"]] == ["found"]


def test_a_method_without_support_alone_has_none_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Made, "figure", lambda _: ("demo@q0", "demo@s0"))
    _, _, others = drawn(made(("retina_unet",), queries=1), tmp_path, monkeypatch)
    assert others["support"] is None and others["heading"] == "parotid in q0"


def test_other_settings_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = made(("regression", "affine"), queries=1, supports=1)
    other = msgspec.structs.replace(cohort.predictions[0], setting="extreme.k1.c1f0", box_mm=None)
    cohort.predictions.append(other)
    material = cohort.material()
    material.metrics.loc[material.metrics["setting"] == other.setting, "main"] = False
    monkeypatch.setattr(Made, "material", lambda _: material)
    _, boxes, _ = drawn(cohort, tmp_path, monkeypatch)
    assert [(one.method, one.box_mm is None) for one in boxes["mandible"]] == [("regression", False), ("affine", False)]


def test_no_query_can_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = made(("affine", "retina_unet"), queries=1)
    material, gallery = cohort.material(), cohort.gallery(tmp_path)
    volume_path(gallery.scans["q0"].folder).unlink()
    shown = method_pictures(None, material, gallery)
    assert shown.note == "No picture: q0.nii.gz: found no such file, expected an image." and not shown.pictures
    cohort.aside("q0", "cut short")
    assert drawn(cohort, tmp_path, monkeypatch)[0] == MethodPictures(None, False, note="There is no query to draw.")
