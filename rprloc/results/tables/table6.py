"""Table 6: how like the outlines are to the true ones, for the methods that carry the support's mask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd

from rprloc.results.frame import alone, groups_of, together
from rprloc.results.shown import CohortTable, Line
from rprloc.results.statistics import MEAN, organ_means
from rprloc.results.tables.layout import (
    CohortFacts,
    Columns,
    Entry,
    Kind,
    by_cohort,
    cells_of,
    entries_by,
    failed,
    number_text,
    supports_text,
)

KIND = Kind(
    6,
    "Table 6: outlines",
    nothing="No method that ran gives outlines (matched, affine, bspline and convex do), or no mask was drawn.",
)

MEASURES = ("dice", "surface_95_mm", "surface_dice_2mm")
"""The columns of metrics.csv that are about outlines."""

COLUMNS = (
    "cohort", "row", "method", "setting", "supports", "of_supports", "structure", "n", "answers", "failures",
    "dice", "dice_low", "dice_high", "surface_95_mm", "surface_95_low_mm", "surface_95_high_mm",
    "surface_dice_2mm", "surface_dice_2mm_low", "surface_dice_2mm_high",
)  # fmt: skip
"""The columns of table6.csv, in this order."""


def tidy_outlines(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return table 6 as a line per method x supports x structure (and their mean), in COLUMNS.

    `supports` is 1, each alone, or all that the method was given, together. A failed prediction has Dice and surface
    Dice 0 and no distance. An image's value is its mean over the supports, the mean is then `organ_means`.
    """
    known = metrics[metrics["dice"].notna()]
    lines: list[dict[str, str | float]] = []
    for group in groups_of(known):
        single = alone(group.rows)
        count = int(single["support"].nunique())
        for size, rows in {1: single, count: together(group.rows) if count > 1 else single}.items():
            names: dict[str, str | float] = {**group.names, "supports": size, "of_supports": count}
            lines += [{**names, **line} for line in _lines(rows, group.structures)]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _lines(rows: pd.DataFrame, structures: Sequence[str]) -> Iterator[dict[str, str | float]]:
    """Yield the numbers of one method and kind of support: the structures with truth, and a mean."""
    for structure in [*structures, MEAN]:
        chosen = rows if structure == MEAN else rows[rows["structure"] == structure]
        if len(chosen):
            yield {"structure": structure, **_numbers(chosen)}


def _numbers(rows: pd.DataFrame) -> dict[str, float]:
    """Return the numbers of one line."""
    dice, far, near = organ_means(rows, MEASURES).values()
    return {
        "n": int(rows["subject"].nunique()),
        "answers": len(rows),
        "failures": int(rows["failed"].sum()),
        "dice": dice.mean,
        "dice_low": dice.low,
        "dice_high": dice.high,
        "surface_95_mm": far.mean,
        "surface_95_low_mm": far.low,
        "surface_95_high_mm": far.high,
        "surface_dice_2mm": near.mean,
        "surface_dice_2mm_low": near.low,
        "surface_dice_2mm_high": near.high,
    }


def outline_tables(tidy: pd.DataFrame, cohorts: Iterable[CohortFacts]) -> list[CohortTable]:
    """Return table 6 laid out for people, one for each cohort; `tidy` is table6.csv of all cohorts."""
    return by_cohort(KIND, tidy, cohorts, _cohort_table)


def _cohort_table(cohort: CohortFacts, tidy: pd.DataFrame) -> CohortTable:
    """Return one cohort's table from its tidy lines."""
    columns = Columns.of(tidy)
    lines = []
    for (label, _), entries in entries_by(tidy, "row", "supports"):
        mean = entries[MEAN]
        half = (mean["dice_high"] - mean["dice_low"]) / 2
        cells = (*cells_of(entries, columns.shown, _entry_text), number_text(100 * half, 1), str(mean["n"]))
        lines.append(Line(label, "all", supports_text(mean), (*cells, failed(mean))))
    return KIND.of(cohort.name, (*columns.shown, "± 95 %", "n", "failed"), lines, _notes(columns))


def _entry_text(entry: Entry) -> str:
    """Return `71.3; 5.90; 64.2`: Dice in %, 95 % surface distance in mm, surface Dice at 2 mm in %."""
    values = (100 * entry["dice"], 1), (entry["surface_95_mm"], 2), (100 * entry["surface_dice_2mm"], 1)
    return "; ".join(number_text(value, digits) for value, digits in values)


def _notes(columns: Columns) -> tuple[str, ...]:
    """Return what a reader has to know."""
    notes = [
        "Each entry: Dice in %; the 95th percentile of the distance between the surfaces in mm; normalised surface "
        "Dice, the part of both surfaces that lies within 2 mm of the other, in %; by its authors' package, on "
        "the scan's own voxels. "
        "±: half the 95 % t interval of the mean Dice over the n query scans. A failed answer counts as Dice 0 and has "
        "no distance.",
        "The outline is the support's mask, carried by what the method found. One support: the mean over the supports, "
        "each alone. All: the mean of their signed distances.",
        "The paper has no such table.",
    ]
    return (*notes, *columns.notes)
