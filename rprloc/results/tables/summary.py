"""The small tables of a run for the terminal."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from rprloc.results.frame import main_of, main_rows, together, with_truth
from rprloc.results.statistics import MEAN, describe
from rprloc.results.tables.layout import accuracy, entries_by, failed, grid, pair
from rprloc.results.words import label_of

_HEAD = ("drawn support", "all supports", "the paper", "n", "failed")


def summary(third: pd.DataFrame, metrics: pd.DataFrame, cohorts: Iterable[str]) -> str:
    """Return small tables for the terminal: each structure by the main method, and, of several, every method.

    `third` is table3.csv. IoU in % and AWD in mm, with the drawn support and as the mean over all supports, each alone;
    below, for each cohort of several supports, what they reach together by the main method, whose boxes are the ones to
    use.
    """
    known = with_truth(metrics)
    names = sorted(cohorts)
    main = {cohort: main_of(known, cohort) for cohort in names}
    keys = zip(third["cohort"], third["method"], third["setting"], strict=True)
    used = third[[main[cohort] == (method, setting) for cohort, method, setting in keys]]
    blocks: list[str] = []
    if len(used):
        labels = ", ".join(str(label) for label in used["row"].unique())
        head = ["cohort", "structure", *_HEAD]
        blocks += [f"IoU in %, AWD in mm; {labels}", grid([head, *_rows(used, "structure")])]
    if third["method"].nunique() > 1:
        head = ["cohort", "method", *_HEAD]
        means = third[third["structure"] == MEAN]
        blocks += ["IoU in %, AWD in mm; mean over the structures", grid([head, *_rows(means, "row")])]
    if not blocks:
        return "No query has a label, so there is nothing to compare the answers with.\n"
    return "\n\n".join([*blocks, *_together(known, names)]) + "\n"


def _together(known: pd.DataFrame, cohorts: Iterable[str]) -> list[str]:
    """Return a sentence for each cohort about the predictions to use that come from several supports."""
    sentences = []
    for cohort in cohorts:
        rows = together(main_rows(known, cohort))
        if len(rows):
            values = describe(rows)
            label = label_of(main_of(known, cohort).method)
            sentences.append(
                f"{cohort}, {label}: all {rows['n_supports'].max()} supports together "
                f"{pair(values['iou'], values['awd_mm'])}; {values['failures']} of {values['answers']} failed"
            )
    return sentences


def _rows(tidy: pd.DataFrame, column: str) -> list[list[str]]:
    """Return the lines of a small table, one for each cohort and entry of a column of table 3."""
    rows = []
    for names, modes in entries_by(tidy.sort_values("cohort", kind="stable"), "cohort", column, by="support"):
        drawn = modes.get("drawn")
        every = modes.get("all") or modes["none"]
        paper = pair(every["paper_iou"], every["paper_awd_mm"])
        rows.append([*names, accuracy(drawn) if drawn else "–", accuracy(every), paper, str(every["n"]), failed(every)])
    return rows
