"""Table 4: how good every method is with one support and with several together."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rprloc.cohort.methods import ALL_SUPPORTS, NO_SUPPORT
from rprloc.geometry import FAR_MM, FloatArray, robust_mean
from rprloc.methods.prediction import OUTSIDE
from rprloc.results.combined import not_here
from rprloc.results.expected import usable
from rprloc.results.layout import WIDEST, CohortTable, Line, number_text, pair, structures_of, tables_by_cohort
from rprloc.results.method_words import LEARNED_NOTE, compared
from rprloc.results.metrics import box_iou
from rprloc.results.paper import MEAN
from rprloc.results.seconds import seconds_text
from rprloc.results.statistics import organ_means
from rprloc.seeds import generator_of

TITLE = "Table 4: every method with several supports"

SIZES = (1, 3, 5, 9)
"""How many supports the rows have, as far as there are so many; the last row of a method has all."""

DRAWS = 20

COLUMNS = (
    "cohort", "row", "method", "setting", "supports", "of_supports", "draws", "structure", "n", "answers", "failures",
    "iou", "iou_low", "iou_high", "awd_mm", "awd_low_mm", "awd_high_mm", "wall_median_mm", "wall_p90_mm", "seconds",
)  # fmt: skip
"""The columns of table4.csv, in this order."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """What one method found in Q queries of T structures from each of S supports, and what is true."""

    names: Row
    """What the lines of a table about them begin with: cohort, row, method and setting."""
    structures: list[str]
    supports: list[str]
    boxes_mm: FloatArray
    """(Q, T, S, 2, 3); NaN where nothing was found."""
    asked: NDArray[np.bool_]
    """(Q, T, S); a query is never asked for from itself."""
    outside: NDArray[np.bool_]
    """(Q, T, S); where the answer is that the query does not show it."""
    seconds: FloatArray
    """(Q, T, S); NaN for queries that were the first of their task or took no time."""
    true_mm: FloatArray
    """(Q, T, 2, 3); NaN where there is no truth."""
    known: NDArray[np.bool_]
    """(Q, T); whether an answer counts, were it only as a miss."""


def tidy_table4(
    rows: Sequence[Row], metrics: pd.DataFrame, scans: Mapping[str, Row], *, starts: int, seed: int
) -> pd.DataFrame:
    """Return one cohort's table 4 as a line per method x number of supports x structure (and their mean), in COLUMNS.

    `rows` are the cohort's complete answers and `metrics` their lines of metrics.csv, `scans` the preprocessed scans'
    JSON by subject, `starts` the cohort's K. With one support the numbers are means over the supports, each alone, with
    all there is one answer, and in between they are means over DRAWS draws from the seed, the same for all methods that
    have the same supports. A query's answer is the robust mean of the boxes of the drawn supports, wall by wall; those
    that failed and the query itself are left out, and a miss is where none is left. Supports that were set aside take
    no part. IoU are fractions, distances mm. The walls' median and 90th percentile are over all walls that were found.
    `seconds` are a scan's, for the structures of the line: the shares of the drawn supports in the time that all took,
    for the scans after the first of each task. Without truth there are no lines.
    """
    lines: list[Row] = []
    for answers in answers_by_method(rows, metrics, scans, starts=starts):
        count = support_count(answers.supports)
        for size in _sizes(count):
            draws = draws_of(seed, answers.names["cohort"], count or 1, size or 1)
            sizes = {"supports": size, "of_supports": count, "draws": len(draws)}
            lines += [answers.names | sizes | line for line in _lines(answers, draws)]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def answers_by_method(
    rows: Sequence[Row], metrics: pd.DataFrame, scans: Mapping[str, Row], *, starts: int
) -> Iterator[Answers]:
    """Yield what each method that is compared found from one support or none; the arguments are `tidy_table4`'s."""
    known = metrics[metrics["iou"].notna()]
    structures = structures_of(known)
    counts = {(str(query), str(name)) for query, name in zip(known["subject"], known["structure"], strict=True)}
    by_setting: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["support"] != ALL_SUPPORTS:
            by_setting.setdefault((row["method"], row["setting"]), []).append(row)
    for method, setting, label in compared(known, starts):
        own = by_setting[method, setting]
        names = {"cohort": own[0]["cohort"], "row": label, "method": method, "setting": setting}
        yield _answers(own, names, structures, usable_supports(own, scans), scans, counts)


def usable_supports(rows: Sequence[Row], scans: Mapping[str, Row]) -> list[str]:
    """Return the supports of a method's answers that can be used, sorted; all where none can, so that misses count."""
    names = sorted({row["support"] for row in rows})
    return [name for name in names if name == NO_SUPPORT or usable(scans, name)] or names


def support_count(supports: Sequence[str]) -> int:
    """Return how many supports a method's answers come from, 0 for one that answers without."""
    return 0 if list(supports) == [NO_SUPPORT] else len(supports)


def _sizes(count: int) -> list[int]:
    """Return how many supports the rows of a method have: some of SIZES and all `count` there are."""
    return [*(size for size in SIZES if size < count), count]


def draws_of(seed: int, cohort: str, count: int, size: int) -> list[list[int]]:
    """Return draws of `size` from `count` supports: each alone, all of them, or DRAWS draws of the seed."""
    if size == 1:
        return [[i] for i in range(count)]
    if size == count:
        return [list(range(count))]
    generator = generator_of(seed, cohort, "draws", str(size))
    return [sorted(generator.choice(count, size, replace=False).tolist()) for _ in range(DRAWS)]


_PLACE = ("subject", "structure", "support")


def _answers(
    rows: Sequence[Row],
    names: Row,
    structures: list[str],
    supports: list[str],
    scans: Mapping[str, Row],
    counts: Collection[tuple[str, str]],
) -> Answers:
    """Return one method's answers as arrays; `counts` are the queries' structures that have metrics."""
    queries = list(dict.fromkeys(row["subject"] for row in rows))
    place = [{name: i for i, name in enumerate(those)} for those in (queries, structures, supports)]
    shape = (len(queries), len(structures), len(supports))
    answers = Answers(
        names,
        structures,
        supports,
        boxes_mm=np.full((*shape, 2, 3), np.nan),
        asked=np.zeros(shape, dtype=bool),
        outside=np.zeros(shape, dtype=bool),
        seconds=np.zeros(shape),
        true_mm=np.full((*shape[:2], 2, 3), np.nan),
        known=np.array([[(query, name) in counts for name in structures] for query in queries], dtype=bool),
    )
    for q, query in enumerate(queries):
        for t, name in enumerate(structures):
            truth = scans.get(query, {}).get("structures", {}).get(name)
            if truth:
                answers.true_mm[q, t] = truth["box_mm"]
    for row in rows:
        image, organ, support = (at.get(row[name]) for at, name in zip(place, _PLACE, strict=True))
        if row.get("first"):
            answers.seconds[image] = np.nan
        # A structure without any truth, and a support that was set aside, have no place.
        if organ is None or support is None:
            continue
        answers.asked[image, organ, support] = True
        answers.outside[image, organ, support] = row["failed"] and row["reason"] == OUTSIDE
        answers.seconds[image, organ, support] += sum(row["seconds"].values())
        if not row["failed"]:
            answers.boxes_mm[image, organ, support] = row["box_mm"]
    answers.seconds[~(answers.seconds > 0).any(axis=(1, 2))] = np.nan
    return answers


def _lines(answers: Answers, draws: Sequence[Sequence[int]]) -> list[Row]:
    """Return the numbers of one method and number of supports: a line for each structure with truth, and their mean."""
    found = np.stack([_together(answers, draw) for draw in draws], axis=2)  # (Q, T, D, 2, 3)
    asked = np.stack([answers.asked[:, :, draw].any(axis=2) for draw in draws], axis=2)
    seconds = np.stack([answers.seconds[:, :, draw].sum(axis=2) for draw in draws], axis=2)
    counts = asked & answers.known[:, :, None]
    missed = np.isnan(found).any(axis=(-2, -1))
    true = answers.true_mm[:, :, None]
    walls = np.where((counts & ~missed)[..., None, None], np.abs(found - true), np.nan)
    iou = np.where(counts, np.where(missed, 0.0, box_iou(true, found)), np.nan)
    structures = answers.structures
    image, organ, _ = np.indices(counts.shape)
    table = pd.DataFrame(
        {"subject": image.ravel(), "structure": organ.ravel(), "iou": iou.ravel()}
        | {"awd_mm": walls.mean(axis=(-2, -1)).ravel()}
    )
    lines = []
    for chosen, name in [*(([t], name) for t, name in enumerate(structures)), (list(range(len(structures))), MEAN)]:
        count = int(counts[:, chosen].sum())
        if not count:
            continue
        means = organ_means(table[table["structure"].isin(chosen) & table["iou"].notna()], ["iou", "awd_mm"])
        errors = walls[:, chosen][~np.isnan(walls[:, chosen])]
        middle, far = np.percentile(errors, [50, 90]) if errors.size else (math.nan, math.nan)
        took = seconds[:, chosen].sum(axis=1)[asked[:, chosen].any(axis=1)]
        took = took[~np.isnan(took)]
        lines.append({
            "structure": name, "n": means["iou"].n, "answers": count,
            "failures": int((counts & missed)[:, chosen].sum()),
            "iou": means["iou"].mean, "iou_low": means["iou"].low, "iou_high": means["iou"].high,
            "awd_mm": means["awd_mm"].mean, "awd_low_mm": means["awd_mm"].low, "awd_high_mm": means["awd_mm"].high,
            "wall_median_mm": float(middle), "wall_p90_mm": float(far),
            "seconds": float(took.mean()) if took.size else math.nan,
        })  # fmt: skip
    return lines


def _together(answers: Answers, draw: Sequence[int]) -> FloatArray:
    """Return the boxes (Q, T, 2, 3) of drawn supports together, robust means wall by wall; NaN where it is a miss."""
    boxes = answers.boxes_mm[:, :, draw]
    missed = not_here((~np.isnan(boxes[..., 0, 0])).sum(axis=2), answers.outside[:, :, draw].sum(axis=2))
    return np.where(missed[..., None, None], np.nan, robust_mean(boxes, axis=2))


def supports_tables(tidy: pd.DataFrame, starts: Mapping[str, int]) -> list[CohortTable]:
    """Return table 4 laid out for people, one for each cohort of `starts`; `tidy` is table4.csv of all cohorts."""
    return tables_by_cohort(4, TITLE, tidy, starts, _cohort_table)


def _cohort_table(cohort: str, tidy: pd.DataFrame) -> CohortTable:
    """Return one cohort's table from its tidy lines."""
    names = [name for name in structures_of(tidy) if name != MEAN]
    shown = names if len(names) <= WIDEST else []
    lines = []
    for (label, _), rows in tidy.groupby(["row", "supports"], sort=False):
        entries = {str(entry["structure"]): entry for entry in rows.to_dict("records")}
        lines.append(Line(str(label), "all", supports_text(entries[MEAN]), _cells(entries, shown)))
    columns = (*shown, MEAN, "± 95 %", "wall, median", "wall, 90 %", "n", "failed", "seconds")
    return CohortTable(4, cohort, TITLE, columns, tuple(lines), _notes(tidy, names))


def supports_text(entry: Mapping[Any, Any]) -> str:
    """Return in words which supports the answers of a line of table 4 or 5 come from."""
    size, count = entry["supports"], entry["of_supports"]
    if size < count:
        return f"{size} of {count}, " + ("each alone" if size == 1 else f"{entry['draws']} draws")
    return f"all {size}" if size > 1 else "1" if size else "none"


def _cells(entries: Mapping[str, Mapping[Any, Any]], shown: Sequence[str]) -> tuple[str, ...]:
    """Return the texts of one line: each structure, the mean, its interval, the walls, n, the misses and the time."""
    mean = entries[MEAN]
    half = [(mean["iou_high"] - mean["iou_low"]) / 2, (mean["awd_high_mm"] - mean["awd_low_mm"]) / 2]
    return (
        *(pair(entries[name]["iou"], entries[name]["awd_mm"]) if name in entries else "–" for name in [*shown, MEAN]),
        pair(*half),
        number_text(mean["wall_median_mm"], 2),
        number_text(mean["wall_p90_mm"], 2),
        str(mean["n"]),
        f"{mean['failures']} of {mean['answers']}",
        seconds_text(mean["seconds"]),
    )


def _notes(tidy: pd.DataFrame, names: Sequence[str]) -> tuple[str, ...]:
    """Return what a reader has to know."""
    notes = [
        "Each entry: IoU in %, AWD in mm. ±: half the 95 % t interval of the mean over the n query scans. wall: median "
        "and 90th percentile of how far a found wall is from the true one, in mm, over all walls. A miss counts as IoU "
        "0 and has no distances.",
        "One support: the mean over the supports, each alone. All: one answer from all of them. In between: the mean "
        f"over {DRAWS} draws of the seed, the same for all methods with the same supports. An answer is the robust "
        "mean of the drawn supports' boxes, wall by wall (Huber's: a wall further off than "
        f"{FAR_MM:g} mm counts as if it were so far); a support that failed, or that is the query itself, is left out, "
        "and a miss is where none is left, or where more say that the query does not show it than find it.",
        "seconds: one scan, all its structures, after the first scan of each task. With fewer supports than all it is "
        "their share of one pass that served all: a run with so few takes at least that and at most what all take.",
        "The paper has no such table: its answers come from one support.",
    ]
    if (tidy["supports"] == 0).any():
        notes.append(LEARNED_NOTE)
    if len(names) > WIDEST:
        notes.append(f"Mean over {len(names)} structures; the CSV has a line for each.")
    return tuple(notes)
