"""The table about how sure predictions are: whether their distances hold, and whether `lost` tells failures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rprloc.catalogue.rows import CALIBRATION_IMAGES
from rprloc.geometry import FloatArray
from rprloc.methods.answer import Prediction
from rprloc.results.frame import alone, groups_of, structures_of, together, with_truth
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
)
from rprloc.results.words import calibrated_methods

TITLE = "How sure the answers are"

FAILURE_IOU = 0.3
"""A prediction with a smaller IoU is a failure that `lost` should have told."""

COLUMNS = (
    "cohort", "row", "method", "setting", "supports", "structure", "calibrated_on", "n", "answers",
    "coverage", "coverage_low", "coverage_high", "within_90_mm", "failures", "auroc", "iou_error", "iou_error_area",
)  # fmt: skip
"""The columns of calibration.csv, in this order."""

_KINDS = {"one": "each alone", "all": "all together"}
"""Which supports a line is about, in the CSV and for people."""


def tidy_calibration(metrics: pd.DataFrame, predictions: Sequence[Prediction]) -> pd.DataFrame:
    """Return a line per cohort x calibrated method x kind of supports x structure (and their mean), in COLUMNS.

    `metrics` is metrics.csv of all cohorts and `predictions` their predictions, in the same order. `supports` is `one`,
    each alone, or `all` together. `coverage` is the fraction of the walls that lie as near the true ones as their
    predictions say, with its 95 % interval over the n images (`organ_means`), within 0 and 1; `within_90_mm` the mean
    of what they say; `calibrated_on` the fewest images that one of them rests on, 0 where none says anything.
    `failures` are found predictions with an IoU below FAILURE_IOU, and `auroc` says how often such a one is the
    likelier lost; NaN without both kinds. `iou_error` is the mean of 1 - IoU over the predictions that were judged,
    and `iou_error_area` the mean of the same over the k least likely lost, for all k (the area under the risk-coverage
    curve); both are means over the structures, whose predictions are ordered each by themselves.
    Predictions without truth take no part, and a miss says nothing of how sure it is.
    """
    known = _found(metrics.assign(calibrated_on=[one.calibrated_on for one in predictions]))
    lines: list[dict[str, str | float]] = []
    for group in groups_of(known, every=True):
        for kind, of_kind in _by_kind(group.rows).items():
            structures = structures_of(of_kind)
            names = {**group.names, "supports": kind}
            lines += [
                {**names, "structure": name, **_numbers(of_kind[of_kind["structure"].isin(chosen)])}
                for name, chosen in [*((name, [name]) for name in structures), (MEAN, structures)]
                if chosen
            ]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _found(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return the lines of metrics.csv of calibrated methods' predictions that were found and have truth."""
    known = with_truth(metrics)
    return known[known["method"].isin(calibrated_methods()) & ~known["failed"]]


def _by_kind(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return metrics rows by which supports predicted, the keys of _KINDS."""
    return {"one": alone(rows), "all": together(rows)}


def _numbers(rows: pd.DataFrame) -> dict[str, float]:
    """Return the numbers of one line from its metrics rows."""
    said = rows[rows["covered"].notna()]
    line: dict[str, float] = {"answers": len(rows), "calibrated_on": 0, "n": 0}
    line["failures"] = int((rows["iou"] < FAILURE_IOU).sum())
    if len(said):
        means = organ_means(said, ["covered", "within_90_mm"])
        covered = means["covered"]
        low, high = np.clip([covered.low, covered.high], 0, 1)
        line |= {"calibrated_on": int(said["calibrated_on"].min()), "n": covered.n, "coverage": covered.mean}
        line |= {"coverage_low": low, "coverage_high": high, "within_90_mm": means["within_90_mm"].mean}
    sure = rows[rows["lost"].notna()]
    line["auroc"] = auroc(sure["lost"].to_numpy(dtype=np.float64), sure["iou"] < FAILURE_IOU)
    curves = _structures_risks(sure)
    line["iou_error"] = float(np.mean([curve[-1] for curve in curves])) if curves else math.nan
    return line | {"iou_error_area": float(np.mean([curve.mean() for curve in curves])) if curves else math.nan}


def _structures_risks(rows: pd.DataFrame) -> list[FloatArray]:
    """Return each structure's risk-coverage curve in 1 - IoU, from metrics rows of judged predictions."""
    return [
        risks(own["lost"].to_numpy(dtype=np.float64), 1 - own["iou"].to_numpy(dtype=np.float64))
        for _, own in rows.groupby("structure")
    ]


def risks_by_kind(metrics: pd.DataFrame) -> dict[str, list[FloatArray]]:
    """Return the structures' risk-coverage curves of one cohort's calibrated methods, by which supports predicted."""
    found = _found(metrics)
    kinds = _by_kind(found[found["lost"].notna()])
    return {_KINDS[kind]: _structures_risks(rows) for kind, rows in kinds.items() if len(rows)}


def auroc(doubt: FloatArray, failure: ArrayLike) -> float:
    """Return how often one of the failures (n) has a larger doubt (n) than one of the others, a tie being one half.

    It is the area under the receiver operating characteristic, by the Mann-Whitney U statistic; NaN without both kinds.
    """
    failure = np.asarray(failure, dtype=bool)
    bad, good = doubt[failure], doubt[~failure]
    if not (bad.size and good.size):
        return math.nan
    from scipy import stats

    return float(stats.mannwhitneyu(bad, good).statistic / (bad.size * good.size))


def risks(doubt: FloatArray, error: FloatArray) -> FloatArray:
    """Return the mean error (n) of the k = 1, 2, ... n predictions of least doubt (n): the risk-coverage curve.

    Predictions of the same doubt share their mean error, so that their order does not matter.
    """
    shared = pd.Series(error).groupby(doubt).transform("mean").to_numpy()[np.argsort(doubt, kind="stable")]
    return np.asarray(np.cumsum(shared) / np.arange(1, len(shared) + 1))


def calibration_tables(tidy: pd.DataFrame, cohorts: Iterable[CohortFacts]) -> list[CohortTable]:
    """Return the table laid out for people, one for each cohort; `tidy` is calibration.csv."""
    nothing = f"No query of this cohort has both a label and an answer of {' or '.join(calibrated_methods())}."
    kind = Kind(6, TITLE, nothing=nothing, unknown=nothing)

    def table(cohort: CohortFacts, lines: pd.DataFrame) -> CohortTable:
        columns = Columns.of(lines)
        return kind.of(cohort.name, (*columns.shown, *_HEAD), _lines(lines, columns), _notes(lines, columns))

    return by_cohort(kind, tidy, cohorts, table)


_HEAD = ("95 % interval", "n", "calibrated on", "IoU < 0.3", "AUROC", "1 - IoU", "its area")


def _lines(tidy: pd.DataFrame, columns: Columns) -> list[Line]:
    """Return the lines of one cohort's table."""
    lines = []
    for (label, kind), entries in entries_by(tidy, "row", "supports"):
        mean = entries[MEAN]
        cells = (
            *cells_of(entries, columns.shown, _entry),
            _interval(mean),
            str(mean["n"]),
            str(mean["calibrated_on"]),
            failed(mean),
            number_text(mean["auroc"], 2),
            number_text(mean["iou_error"], 3),
            number_text(mean["iou_error_area"], 3),
        )
        lines.append(Line(label, "all", _KINDS[kind], cells))
    return lines


def _interval(entry: Entry) -> str:
    """Return the interval of the coverage in %."""
    if math.isnan(entry["coverage_low"]):
        return "–"
    low, high = (number_text(100 * entry[name], 0) for name in ("coverage_low", "coverage_high"))
    return f"{low} to {high}"


def _entry(entry: Entry) -> str:
    """Return coverage in % and distance in mm as text; a dash where the answers say nothing."""
    if math.isnan(entry["coverage"]):
        return "–"
    return f"{number_text(100 * entry['coverage'], 1)}, {number_text(entry['within_90_mm'], 1)}"


def _notes(tidy: pd.DataFrame, columns: Columns) -> tuple[str, ...]:
    """Return what a reader has to know."""
    notes = [
        "Each entry: of how many walls in % the true one lies as near as the answer says, which should be 90, and how "
        "near that is in mm, the mean over the walls. The interval is the 95 % t interval of the mean over the n query "
        "scans. The distances come from the supports, each searched from the others (split conformal prediction): "
        "calibrated on so many images.",
        f"IoU < {FAILURE_IOU}: how many of the found answers. AUROC: how often such a one has a larger `lost` than "
        "another; 0.5 is chance. 1 - IoU: the mean error of the answers that were judged; its area: the mean of the "
        "same over the 1, 2, ... all least likely lost of a structure's, averaged over the structures. Less than the "
        "error itself means that `lost` tells.",
    ]
    if (tidy["calibrated_on"] == 0).any():
        notes.append(
            f"A dash: fewer than {CALIBRATION_IMAGES} other supports whose truth is known, which is too few to say."
        )
    return (*notes, *columns.notes)
