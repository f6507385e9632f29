"""Every method against the paper's, image by image: medians of the differences and Wilcoxon's signed-rank test."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, product

import pandas as pd

from rprloc.catalogue import PAPER
from rprloc.results.frame import Group, alone, groups_of, with_truth
from rprloc.results.shown import CohortTable, Line
from rprloc.results.statistics import holm, median_interval, signed_rank_p
from rprloc.results.tables.layout import CohortFacts, Entry, Kind, by_cohort, entries_by, number_text

KIND = Kind(
    3,
    "Paired comparison with the paper's method",
    nothing="This run has no other method beside the paper's, or not the paper's: there is nothing to compare.",
)

MEASURES = ("iou", "awd_mm")
"""What is compared: a fraction, and millimetres."""

COLUMNS = (
    "cohort", "row", "method", "setting", "support", "measure", "n", "n_supports", "better", "median_difference", "low",
    "high", "p", "p_holm",
)  # fmt: skip
"""The columns of comparison.csv, in this order."""


def tidy_comparison(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return one line per cohort x support mode x measure x method other than the paper's, in the columns COLUMNS.

    `metrics` is metrics.csv of all cohorts. The differences are method minus paper's method in its main setting. An
    image's difference is the mean over its structures of the means over the supports that both answered from, so both
    methods have the same images, structures and supports; a method that needs no support is held against the paper's
    with each. In mode `drawn` it is the one support that the seed drew, in mode `all` every one. A miss counts as IoU
    0; AWD is compared where both found the structure. `median_difference` has its exact 95 % interval, `better` counts
    the images on which the method is better, and `p_holm` is corrected for the number of methods with the same cohort,
    mode and measure.
    """
    lines: list[dict[str, str | float]] = []
    for _, groups in groupby(groups_of(with_truth(alone(metrics))), key=lambda group: group.cohort):
        own = list(groups)
        others = [group for group in own if group.method != PAPER]
        modes = [mode for group in own if group.method == PAPER for mode in group.modes()]
        for (mode, ours), measure in product(modes, MEASURES):
            lines += _compared(ours, others, {"support": mode, "measure": measure})
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _compared(ours: pd.DataFrame, others: Sequence[Group], about: Mapping[str, str]) -> list[dict[str, str | float]]:
    """Return the lines of the methods that can be held against the paper's rows, `about` one mode and measure."""
    lines: list[dict[str, str | float]] = []
    for group in others:
        both = _paired(ours, group.rows, about["measure"])
        if len(both):
            lines.append({**group.names, **about, **_compare(both, about["measure"])})
    corrected = holm([float(line["p"]) for line in lines])
    return [{**line, "p_holm": p} for line, p in zip(lines, corrected, strict=True)]


def _paired(ours: pd.DataFrame, theirs: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return the answers that both methods gave for a structure of an image, from the same support where there is one.

    A row has the subject, the structure, the paper's method's support and the difference of the measure.
    """
    keys = ["subject", "structure"] + ["support"] * bool((theirs["n_supports"] > 0).all())
    both = ours[["subject", "structure", "support", measure]].merge(
        theirs[[*keys, measure]], on=keys, suffixes=("_paper", "")
    )
    both["difference"] = both[measure] - both[f"{measure}_paper"]
    return both[both["difference"].notna()]


def _compare(both: pd.DataFrame, measure: str) -> dict[str, float | int]:
    """Return the numbers of one comparison from its pairs."""
    per_structure = both.groupby(["subject", "structure"])["difference"].mean()
    images = per_structure.groupby("subject").mean()
    middle = median_interval(images)
    gain = images if measure == "iou" else -images
    return {
        "n": middle.n,
        "n_supports": int(both["support"].nunique()),
        "better": int((gain.round(9) > 0).sum()),
        "median_difference": middle.mean,
        "low": middle.low,
        "high": middle.high,
        "p": signed_rank_p(images),
    }


def comparison_tables(tidy: pd.DataFrame, cohorts: Iterable[CohortFacts]) -> list[CohortTable]:
    """Return the comparison laid out for people, one table for each cohort; `tidy` is comparison.csv."""
    return by_cohort(KIND, tidy, cohorts, _cohort_table)


def _cohort_table(cohort: CohortFacts, tidy: pd.DataFrame) -> CohortTable:
    """Return one cohort's table from its tidy lines."""
    lines = []
    for label, rows in tidy.groupby("row", sort=False):
        for (mode,), entries in entries_by(rows, "support", by="measure"):
            support = cohort.drawn if mode == "drawn" else f"all {entries['iou']['n_supports']}, each alone"
            lines.append(Line(str(label), mode, support, _cells(entries)))
    columns = [
        f"{measure}: {words}"
        for measure, unit in (("IoU", "points"), ("AWD", "mm"))
        for words in (unit, "95 %", "better", "p", "p (Holm)")
    ]
    modes = tidy[tidy["measure"] == "iou"].groupby("support")["method"].nunique()
    return KIND.of(cohort.name, columns, lines, _notes(int(modes.max())))


def _cells(entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Return the texts of one line: for IoU in points of % and AWD in mm what is compared."""
    cells: list[str] = []
    for measure, factor, digits in (("iou", 100.0, 1), ("awd_mm", 1.0, 2)):
        entry = entries.get(measure)
        if entry is None:
            cells += ["–"] * 5
            continue
        low, high = (signed(factor * entry[name], digits) for name in ("low", "high"))
        cells += [
            signed(factor * entry["median_difference"], digits),
            "–" if low == "–" else f"{low} to {high}",
            f"{entry['better']} of {entry['n']}",
            p_text(entry["p"]),
            p_text(entry["p_holm"]),
        ]
    return tuple(cells)


def signed(value: float, digits: int) -> str:
    """Return a difference with its sign, or a dash where it is not known."""
    return "–" if math.isnan(value) else f"{value:+.{digits}f}".replace("-", "−")


def p_text(p: float) -> str:
    """Return a p value to three places, `< 0.001` below, or a dash where there is none."""
    return "< 0.001" if p < 0.001 else number_text(p, 3)


def _notes(methods: int) -> tuple[str, ...]:
    """Return what the comparison means."""
    return (
        "Difference: method minus the paper's (regression, coarse + fine), the median over images with its exact 95 % "
        "interval. Each image counts once: the mean over its structures and over the supports from which both methods "
        "answered. Above zero is better in IoU, below zero in AWD.",
        "better: images on which the method is better. p: Wilcoxon's signed-rank test over images, two-sided; Holm: "
        f"corrected for the {methods} method{'s' * (methods != 1)} beside the paper's, for each measure and kind of "
        "support.",
        "A miss counts as IoU 0; AWD is compared where both methods found the structure. Fewer than six images have no "
        "95 % interval of the median.",
    )
