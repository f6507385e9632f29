"""What TABULATE writes for REPORT is read back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from rprloc.errors import InputError
from rprloc.results.shown import CohortShown, CohortTable, Line, read_shown, write_shown


def test_what_is_shown_is_read_back(tmp_path: Path) -> None:
    table = CohortTable(
        4, "demo", "Table 4", ("heart", "n"), (Line("affine", "all", "s0", ("1.0", "–")),), ("A note.",)
    )
    shown = CohortShown(
        cohort="demo", method="affine", setting="extreme", numbers={"drawn": {"n": 4, "iou": 0.5, "iou_low": None}},
        tables=(table,), risks={"each alone": [[0.1, 0.25], [0.5]]},
    )  # fmt: skip
    write_shown(tmp_path / "shown.json", [shown])
    (read,) = read_shown(tmp_path / "shown.json")
    assert read == shown


@pytest.mark.parametrize("content", ["{}", '[{"cohort": "demo"}]', "no JSON"])
def test_another_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "shown.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"shown\.json"):
        read_shown(tmp_path / "shown.json")
