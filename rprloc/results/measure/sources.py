"""Where the walls' errors come from: shared by all, the query, the support, or how well the two were matched."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from rprloc.geometry import FloatArray
from rprloc.results.measure.by_support import BySupport
from rprloc.results.statistics import CONFIDENCE, MEAN

FEWEST = 3
"""Supports, and queries, that a method must have found something from for its errors to be taken apart."""

COLUMNS = (
    "cohort", "row", "method", "setting", "supports", "structure", "n", "answers",
    "shared_mm", "query_mm", "support_mm", "pair_mm", "one_support_mm", "many_supports_mm",
    "pair_share", "pair_share_low", "pair_share_high",
)  # fmt: skip
"""The columns of error_sources.csv, in this order."""

_GROUPS = 20
"""Most groups of queries that are left out in turn for the interval."""


@dataclass(frozen=True)
class Sources:
    """Mean squares in square mm, the mean over the six walls; together that of one support's answer."""

    shared: float
    """Of what all predictions have in common."""
    query: float
    """Of what the predictions for one query have in common, whichever support they come from: how its contour was
    drawn, and how the method reads its scan.
    """
    support: float
    """Of what the predictions from one support have in common, whichever query they are for."""
    pair: float
    """Of the rest: how well this support was met in this query."""

    @property
    def total(self) -> float:
        """Mean square of the errors of one support's predictions."""
        return self.shared + self.query + self.support + self.pair


def sources_of(errors_mm: FloatArray) -> Sources:
    """Return what errors (Q, S, W) in mm of W walls in Q queries from S supports are made of; NaN where they are
    unknown, all walls of a prediction alike. All are NaN where the predictions do not suffice.

    The model is error = shared + query + support + pair, the last three random and independent. The mean square of the
    pairs is that of the residuals of an additive fit, the others follow from the sums of squares within queries and
    within supports (the method of moments for crossed effects: Searle, Casella and McCulloch, Variance Components,
    chapter 5), so that missing predictions do no harm. Estimates below 0 are 0.
    """
    known = np.asarray(np.isfinite(errors_mm).all(axis=2))
    there = np.ix_(known.any(axis=1), known.any(axis=0))
    known, errors_mm = known[there], errors_mm[there]
    values, weights = np.where(known[..., None], errors_mm, 0.0), known.astype(np.float64)
    count, of_query, of_support = weights.sum(), weights.sum(axis=1), weights.sum(axis=0)
    # Queries are eliminated from the normal equations: what is left is as large as the number of supports.
    normal = np.diag(of_support) - weights.T @ (weights / of_query[:, None])
    freedom = count - len(of_query) - np.linalg.matrix_rank(normal)
    if min(known.shape, default=0) < FEWEST or freedom < 1:
        return Sources(math.nan, math.nan, math.nan, math.nan)
    within_query = (values - (values.sum(axis=1) / of_query[:, None])[:, None]) * weights[..., None]
    within_support = (values - values.sum(axis=0) / of_support[:, None]) * weights[..., None]
    effects = np.linalg.lstsq(normal, within_query.sum(axis=0), rcond=1e-9)[0]
    fitted = effects - ((weights @ effects) / of_query[:, None])[:, None]
    residuals = within_query - fitted * weights[..., None]
    pair = (residuals**2).sum(axis=(0, 1)) / freedom
    support = (within_query**2).sum(axis=(0, 1)) / (count - len(of_query)) - pair
    query = (within_support**2).sum(axis=(0, 1)) / (count - len(of_support)) - pair
    of_mean = (of_query @ of_query * query + of_support @ of_support * support) / count**2 + pair / count
    shared = (values.sum(axis=(0, 1)) / count) ** 2 - of_mean
    return Sources(*(max(0.0, float(part.mean())) for part in (shared, query, support, pair)))


def tidy_sources(found: Iterable[BySupport]) -> pd.DataFrame:
    """Return a line per method x structure (and their mean) of one cohort, in COLUMNS.

    Only predictions of one support take part that found a structure whose truth is known. `shared_mm` to `pair_mm` are
    root mean squares of `sources_of`, `one_support_mm` that of all together; `many_supports_mm` is what would be left
    of it with the mean of endlessly many such supports. The mean is over the structures' mean squares. `pair_share` is
    the pairs' part of the mean square with its 95 % interval (jackknife over the n queries or, of many, over 20 groups
    of them; NaN where too few are left without one). Methods with fewer than FEWEST supports or queries have no line.
    """
    lines: list[dict[str, str | float]] = []
    for own in found:
        errors = (own.boxes_mm - own.true_mm[:, :, None]).reshape(*own.asked.shape, 6)
        names: dict[str, str | float] = {**own.group.names, "supports": len(own.supports)}
        lines += [{**names, **line} for line in lines_of(errors, own.structures)]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def lines_of(errors_mm: FloatArray, structures: Sequence[str]) -> list[dict[str, str | float]]:
    """Return the numbers of one method's errors (Q, T, S, 6): a line for each structure that has any, and a mean."""
    parts = [sources_of(errors_mm[:, t]) for t in range(len(structures))]
    told = [t for t, part in enumerate(parts) if not math.isnan(part.total)]
    if not told:
        return []
    groups = min(_GROUPS, len(errors_mm))
    number = np.arange(len(errors_mm)) % groups
    without = [[sources_of(errors_mm[number != group, t]) for t in told] for group in range(groups)]
    lines: list[dict[str, str | float]] = []
    for name, chosen in [*((structures[t], [i]) for i, t in enumerate(told)), (MEAN, list(range(len(told))))]:
        found = np.asarray(np.isfinite(errors_mm[:, [told[i] for i in chosen]]).all(axis=3))
        mean = _mean([parts[told[i]] for i in chosen])
        others = [_mean([left[i] for i in chosen]) for left in without]
        counts = {"n": int(found.any(axis=(1, 2)).sum()), "answers": int(found.sum())}
        lines.append({"structure": name, **counts, **_numbers(mean, others)})
    return lines


def _numbers(mean: Sources, without: Sequence[Sources]) -> dict[str, float]:
    """Return the numbers of one line; `without` are the sources without each group of queries in turn."""
    share, others = _share(mean), np.array([_share(one) for one in without])
    groups = len(others)
    half = stdtrit(groups - 1, (1 + CONFIDENCE) / 2) * math.sqrt((groups - 1) * others.var())
    # NaN, which stays, where too few are left without one of the queries.
    low, high = np.clip([share - half, share + half], 0, 1)
    return {
        **{f"{source}_mm": math.sqrt(square) for source, square in asdict(mean).items()},
        "one_support_mm": math.sqrt(mean.total),
        "many_supports_mm": math.sqrt(mean.shared + mean.query),
        "pair_share": share,
        "pair_share_low": low,
        "pair_share_high": high,
    }


def _mean(parts: Sequence[Sources]) -> Sources:
    """Return the means of what several structures' errors are made of."""
    return Sources(*np.mean([astuple(part) for part in parts], axis=0).tolist())


def _share(part: Sources) -> float:
    """Return the pairs' part of the mean square."""
    return part.pair / part.total if part.total else 0.0
