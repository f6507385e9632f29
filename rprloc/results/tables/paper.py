"""The numbers of the paper's tables 1, 2 and 3, as printed there."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from rprloc.results.statistics import MEAN

PAPER_ORGANS = frozenset({"brainstem", "mandible", "parotid_left", "parotid_right"})
"""The organs that the paper's column `Mean` is over."""


@cache
def _lines() -> list[dict[Hashable, Any]]:
    """Return the lines of paper_tables.csv."""
    with resources.files("rprloc.results.tables").joinpath("paper_tables.csv").open(encoding="utf-8") as stream:
        return pd.read_csv(stream).to_dict("records")


@cache
def paper_numbers() -> dict[tuple[int, str, str], tuple[float, float]]:
    """Return the paper's IoU (a fraction) and AWD (mm) by table, row and structure."""
    return {
        (int(line["table"]), str(line["row"]), str(line["structure"])): (line["iou_percent"] / 100, line["awd_mm"])
        for line in _lines()
    }


def paper_seconds() -> dict[str, float]:
    """Return the paper's seconds for a structure in a scan by the method's name (its table 3)."""
    return {str(line["row"]): float(line["seconds"]) for line in _lines() if not pd.isna(line["seconds"])}


def paper_entry(number: int, key: str, structure: str, structures: Collection[str]) -> dict[str, float]:
    """Return the paper's numbers for one entry, NaN where it has none; its mean is comparable over its organs only."""
    comparable = structure != MEAN or set(structures) == PAPER_ORGANS
    nothing = (float("nan"), float("nan"))
    iou, awd = paper_numbers().get((number, key, structure), nothing) if comparable else nothing
    return {"paper_iou": iou, "paper_awd_mm": awd}
