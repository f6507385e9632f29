"""Results as files and as plain values."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pandas as pd
import pytest

from rprloc.files import read_json_lines
from rprloc.locator.results import Located, Results
from rprloc.methods.answer import Prediction
from rprloc.results.tables.boxes import COLUMNS
from rprloc.scans.record import ScanRecord
from tests.faults.disk import names, small_disk

BOX = [[0.1, 0.2, 1 / 3], [1.0, 2.0, 3.0]]


def prediction(structure: str, **values: object) -> Prediction:
    about = {"cohort": "c", "subject": "q", "method": "matched", "setting": "extreme", "support": "s", "drawn": True}
    return Prediction.from_json(about | {"structure": structure} | values)


ANSWERS = (
    prediction("liver", box_mm=BOX, lost=0.05),
    prediction("spleen", box_mm=BOX, lost=0.3),
    prediction("heart", failed=True, reason="lost", lost=0.9),
)
RECORD = ScanRecord(cohort="c", subject="q", file="q.nii")
POINT = prediction("tip", point=True, points_mm={"point": [1.0, 2.0, 3.5]})
RESULTS = Results(
    (*ANSWERS, POINT),
    Located(Path("q.nii"), RECORD, ANSWERS, ()).table(),
    Located(Path("q.nii"), RECORD, (POINT,), ()).landmarks(),
    pd.DataFrame({"subject": ["007"], "file": ["a, b.nii"]}),
    [],
)


def test_answers_are_found_by_name_and_sorted_by_doubt() -> None:
    found = Located(Path("q.nii"), RECORD, ANSWERS, ())
    assert found.subject == "q" and found["liver"].box_mm == BOX
    assert ([one.structure for one in found.missing], [one.structure for one in found.doubtful]) == (
        ["heart"],
        ["spleen"],
    )
    table = found.table()
    assert list(table.columns) == list(COLUMNS) and list(table["structure"]) == ["heart", "spleen", "liver"]
    with pytest.raises(KeyError):
        found["kidney"]


def test_values_keep_their_digits_and_empty_cells_are_null(tmp_path: Path) -> None:
    found = json.loads(json.dumps(RESULTS.to_json(), allow_nan=False))
    assert [(row["structure"], row["z_mm"]) for row in found["landmarks"]] == [("tip", 3.5)]
    assert found["scans"] == [{"subject": "007", "file": "a, b.nii"}]
    heart, _, liver = found["boxes"]
    assert (heart["x_min_mm"], heart["failed"], liver["z_min_mm"], liver["reason"]) == (None, True, 1 / 3, None)
    RESULTS.write(tmp_path / "new")
    assert names(tmp_path / "new") == ["boxes.csv", "landmarks.csv", "predictions.jsonl", "scans.csv"]
    assert [row["box_mm"] for row in read_json_lines(tmp_path / "new" / "predictions.jsonl")] == [BOX, BOX, None, None]
    lines = (tmp_path / "new" / "boxes.csv").read_text().splitlines()
    assert lines[0].split(",") == list(COLUMNS) and lines[3].startswith("c,q,liver,s,1,0.1,0.2,0.3333333333333333,1.0")


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size=1 << 16) as disk:
        RESULTS.write(disk.path)
        before = {name: (disk.path / name).read_bytes() for name in names(disk.path)}
        filler = disk.fill()
        many = Results(ANSWERS * 100, pd.concat([RESULTS.boxes] * 100), RESULTS.landmarks, RESULTS.scans, [])
        with pytest.raises(OSError) as caught:
            many.write(disk.path)
        assert caught.value.errno == errno.ENOSPC
        filler.unlink()
        assert {name: (disk.path / name).read_bytes() for name in names(disk.path)} == before
