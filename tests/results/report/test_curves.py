"""Training curves: what can be drawn is drawn, and a log that is none is named."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from rprloc.errors import InputError
from rprloc.files import write_json_lines
from rprloc.results.report import curves
from rprloc.results.report.curves import Entry


def test_the_points_of_a_curve_are_positive_numbers(tmp_path: Path) -> None:
    log = [Entry(step=step, loss=900 / step, train_error_mm=90 / step) for step in range(1, 60)]
    log[9] = Entry(step=10, loss=90.0, validation_error_mm=12.0)
    log[19] = Entry(step=20, loss=float("nan"), train_error_mm=0.0)
    assert curves.points(log, "validation_error_mm") == [(10.0, 12.0)]
    assert len(curves.points(log, "loss")) == 58 and len(curves.points(log, "train_error_mm")) == 57
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curves.draw_training(tmp_path / "a.png", {"coarse": log, "fine": log[:1]})
        curves.draw_training(tmp_path / "b.png", {"coarse": []})
    assert (tmp_path / "b.png").stat().st_size > 500


def test_a_log_is_read_as_a_training_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "demo.coarse.jsonl"
    write_json_lines(path, [{"step": 10, "steps": 20, "loss": 2.5, "train_error": 0.5, "validation_error_mm": None}])
    assert curves.read_log(path) == [Entry(step=10, loss=2.5)]
    path.write_text('{"loss": 1}\n')
    with pytest.raises(InputError, match=r"demo\.coarse\.jsonl: expected the curve of a training"):
        curves.read_log(path)
