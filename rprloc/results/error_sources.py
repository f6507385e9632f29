"""Where the walls' errors come from: all answers alike, the query, the support, or how well the two were matched."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rprloc.geometry import FloatArray
from rprloc.results.layout import WIDEST, CohortTable, Line, number_text, structures_of, tables_by_cohort
from rprloc.results.paper import MEAN
from rprloc.results.statistics import CONFIDENCE
from rprloc.results.table4 import answers_by_method

TITLE = "Where the errors come from"

FEWEST = 3
"""Supports, and queries, that a method must have answered from for its errors to be taken apart."""

COLUMNS = (
    "cohort", "row", "method", "setting", "supports", "structure", "n", "answers",
    "shared_mm", "query_mm", "support_mm", "pair_mm", "one_support_mm", "many_supports_mm",
    "pair_share", "pair_share_low", "pair_share_high",
)  # fmt: skip
"""The columns of error_sources.csv, in this order."""

_GROUPS = 20
"""Most groups of queries that are left out in turn for the interval."""

_NOTHING = f"No method of this cohort found a structure with truth in {FEWEST} queries or more, from as many supports."

Row = dict[str, Any]


@dataclass(frozen=True)
class Sources:
    """Mean squares in square mm, the mean over the six walls; together that of one support's answer."""

    shared: float
    """Of what all answers have in common."""
    query: float
    """Of what the answers for one query have in common, whichever support they come from: how its contour was drawn,
    and how the method reads its scan.
    """
    support: float
    """Of what the answers from one support have in common, whichever query they are for."""
    pair: float
    """Of the rest: how well this support was met in this query."""

    @property
    def total(self) -> float:
        """Mean square of the errors of one support's answers."""
        return self.shared + self.query + self.support + self.pair


def sources_of(errors_mm: FloatArray) -> Sources:
    """Return what errors (Q, S, W) in mm of W walls in Q queries from S supports are made of; NaN where they are
    unknown, all walls of an answer alike. All are NaN where the answers do not suffice.

    The model is error = shared + query + support + pair, the last three random and independent. The mean square of the
    pairs is that of the residuals of an additive fit, the others follow from the sums of squares within queries and
    within supports (the method of moments for crossed effects: Searle, Casella and McCulloch, Variance Components,
    chapter 5), so that missing answers do no harm. Estimates below 0 are 0.
    """
    known = np.asarray(np.isfinite(errors_mm).all(axis=2))
    answered = np.ix_(known.any(axis=1), known.any(axis=0))
    known, errors_mm = known[answered], errors_mm[answered]
    values, weights = np.where(known[..., None], errors_mm, 0.0), known.astype(np.float64)
    answers, of_query, of_support = weights.sum(), weights.sum(axis=1), weights.sum(axis=0)
    # Queries are eliminated from the normal equations: what is left is as large as the number of supports.
    normal = np.diag(of_support) - weights.T @ (weights / of_query[:, None])
    freedom = answers - len(of_query) - np.linalg.matrix_rank(normal)
    if min(known.shape, default=0) < FEWEST or freedom < 1:
        return Sources(math.nan, math.nan, math.nan, math.nan)
    within_query = (values - (values.sum(axis=1) / of_query[:, None])[:, None]) * weights[..., None]
    within_support = (values - values.sum(axis=0) / of_support[:, None]) * weights[..., None]
    effects = np.linalg.lstsq(normal, within_query.sum(axis=0), rcond=1e-9)[0]
    fitted = effects - ((weights @ effects) / of_query[:, None])[:, None]
    residuals = within_query - fitted * weights[..., None]
    pair = (residuals**2).sum(axis=(0, 1)) / freedom
    support = (within_query**2).sum(axis=(0, 1)) / (answers - len(of_query)) - pair
    query = (within_support**2).sum(axis=(0, 1)) / (answers - len(of_support)) - pair
    of_mean = (of_query @ of_query * query + of_support @ of_support * support) / answers**2 + pair / answers
    shared = (values.sum(axis=(0, 1)) / answers) ** 2 - of_mean
    return Sources(*(max(0.0, float(part.mean())) for part in (shared, query, support, pair)))


def tidy_error_sources(
    rows: Sequence[Row], metrics: pd.DataFrame, scans: Mapping[str, Row], *, starts: int
) -> pd.DataFrame:
    """Return a line per method x structure (and their mean) of one cohort, in COLUMNS.

    `rows` are the cohort's complete answers and `metrics` their lines of metrics.csv, `scans` the preprocessed scans'
    JSON by subject, `starts` the cohort's K. Only answers of one support take part that found a structure whose truth
    is known. `shared_mm` to `pair_mm` are root mean squares of `sources_of`, `one_support_mm` that of all together;
    `many_supports_mm` is what would be left of it with the mean of endlessly many such supports. The mean is over the
    structures' mean squares. `pair_share` is the pairs' part of the mean square with its 95 % interval (jackknife over
    the n queries or, of many, over 20 groups of them; NaN where too few are left without one). Methods with fewer than
    FEWEST supports or queries have no line.
    """
    lines: list[Row] = []
    for answers in answers_by_method(rows, metrics, scans, starts=starts):
        errors = (answers.boxes_mm - answers.true_mm[:, :, None]).reshape(*answers.asked.shape, 6)
        names = answers.names | {"supports": len(answers.supports)}
        lines += [names | line for line in _lines(errors, answers.structures)]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _lines(errors_mm: FloatArray, structures: Sequence[str]) -> list[Row]:
    """Return the numbers of one method's errors (Q, T, S, 6): a line for each structure that has any, and a mean."""
    parts = [sources_of(errors_mm[:, t]) for t in range(len(structures))]
    told = [t for t, part in enumerate(parts) if not math.isnan(part.total)]
    if not told:
        return []
    groups = min(_GROUPS, len(errors_mm))
    number = np.arange(len(errors_mm)) % groups
    without = [[sources_of(errors_mm[number != group, t]) for t in told] for group in range(groups)]
    lines = []
    for name, chosen in [*((structures[t], [i]) for i, t in enumerate(told)), (MEAN, list(range(len(told))))]:
        found = np.asarray(np.isfinite(errors_mm[:, [told[i] for i in chosen]]).all(axis=3))
        mean = _mean([parts[told[i]] for i in chosen])
        share, others = _share(mean), np.array([_share(_mean([left[i] for i in chosen])) for left in without])
        half = stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1) * math.sqrt((groups - 1) * others.var())
        # NaN, which stays, where too few are left without one of the queries.
        low, high = np.clip([share - half, share + half], 0, 1)
        lines.append({
            "structure": name, "n": int(found.any(axis=(1, 2)).sum()), "answers": int(found.sum()),
            **{f"{source}_mm": math.sqrt(square) for source, square in asdict(mean).items()},
            "one_support_mm": math.sqrt(mean.total), "many_supports_mm": math.sqrt(mean.shared + mean.query),
            "pair_share": share, "pair_share_low": low, "pair_share_high": high,
        })  # fmt: skip
    return lines


def _mean(parts: Sequence[Sources]) -> Sources:
    """Return the means of what several structures' errors are made of."""
    return Sources(*np.mean([astuple(part) for part in parts], axis=0).tolist())


def _share(part: Sources) -> float:
    """Return the pairs' part of the mean square."""
    return part.pair / part.total if part.total else 0.0


def error_source_tables(tidy: pd.DataFrame, cohorts: Iterable[str]) -> list[CohortTable]:
    """Return the table laid out for people, one for each cohort; `tidy` is error_sources.csv of all cohorts."""
    return tables_by_cohort(7, TITLE, tidy, cohorts, _cohort_table, nothing=_NOTHING)


def _cohort_table(cohort: str, tidy: pd.DataFrame) -> CohortTable:
    """Return one cohort's table from its tidy lines."""
    names = [name for name in structures_of(tidy) if name != MEAN]
    shown = names if len(names) <= WIDEST else []
    lines = []
    for label, rows in tidy.groupby("row", sort=False):
        entries = {str(entry["structure"]): entry for entry in rows.to_dict("records")}
        mean = entries[MEAN]
        cells = (
            *(_entry_text(entries[name]) if name in entries else "–" for name in [*shown, MEAN]),
            number_text(mean["shared_mm"], 2),
            number_text(mean["one_support_mm"], 2),
            number_text(mean["many_supports_mm"], 2),
            _share_text(mean),
            str(mean["n"]),
        )
        lines.append(Line(str(label), "all", f"{mean['supports']}, each alone", cells))
    columns = (*shown, MEAN, "all alike", "one support", "endless supports", "pair's share", "n")
    return CohortTable(7, cohort, TITLE, columns, tuple(lines), _notes(names))


def _entry_text(entry: Mapping[Any, Any]) -> str:
    """Return `4.23, 4.14, 1.55`: of the query, of the support, of the pair, in mm."""
    return ", ".join(number_text(entry[name], 2) for name in ("query_mm", "support_mm", "pair_mm"))


def _share_text(entry: Mapping[Any, Any]) -> str:
    """Return the pairs' share with its interval in words."""
    share, low, high = (100 * entry[name] for name in ("pair_share", "pair_share_low", "pair_share_high"))
    interval = "" if math.isnan(low) else f" ({number_text(low, 0)} to {number_text(high, 0)})"
    return f"{number_text(share, 0)} %{interval}"


def _notes(names: Sequence[str]) -> tuple[str, ...]:
    """Return what a reader has to know."""
    notes = [
        "Each entry: how far walls are off, root mean square in mm, of the query, of the support, of the pair. Of the "
        "query is what its answers have in common, whichever support they come from; of the support what its answers "
        "have in common in whichever query; of the pair what is left. all alike: what all answers have in common. "
        "Squared they add up to one support's answers.",
        "A scan's own part is how its contour was drawn and how the method reads it, in a support as in a query; the "
        "pair's is how well the two were brought together. More supports, the mean of their answers, take away what is "
        "of the support and of the pair, down to “endless supports”; a better method can make each of them less.",
        "pair's share: of the mean square, with its 95 % interval over the n queries (jackknife). Answers of one "
        "support; misses take no part.",
    ]
    if len(names) > WIDEST:
        notes.append(f"Mean over {len(names)} structures; the CSV has a line for each.")
    return tuple(notes)
