"""Where errors come from: made-up errors of known sources, with predictions missing."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from rprloc.results.measure import sources
from rprloc.results.measure.by_support import by_support
from rprloc.results.measure.sources import Sources, sources_of
from tests.results import cohorts
from tests.results.cohorts import Cohort, replace


def made(
    queries: int = 60, supports: int = 40, *, seed: int = 0, shared: float = 0, query: float = 0, support: float = 0,
    pair: float = 0,
) -> np.ndarray:  # fmt: skip
    """Return errors (Q, S, 6) of so many mm of each source."""
    generator = np.random.default_rng(seed)
    return np.asarray(
        shared
        + generator.normal(0, query, (queries, 1, 6))
        + generator.normal(0, support, (1, supports, 6))
        + generator.normal(0, pair, (queries, supports, 6))
    )


def mm(found: Sources) -> list[float]:
    """Return the root mean squares: shared, of the query, of the support, of the pair."""
    return [math.sqrt(part) for part in (found.shared, found.query, found.support, found.pair)]


@pytest.mark.parametrize("source", ["query", "support", "pair"])
def test_errors_of_one_source_are_of_that_source(source: str) -> None:
    found = sources_of(made(**{source: 3.0}))
    share = getattr(found, source)
    assert math.sqrt(share) == pytest.approx(3, abs=0.4)
    assert found.total - share < 0.05 * share


def test_errors_of_all_sources_are_taken_apart() -> None:
    assert mm(sources_of(made(shared=2, query=4, support=3, pair=1))) == pytest.approx([2, 4, 3, 1], abs=0.5)


def test_exact_sums_leave_nothing_to_the_pair_and_all_alike_nothing_else() -> None:
    errors = np.add.outer([0.0, 3.0, 6.0], [0.0, 1.0, 5.0])[..., None] * np.ones(6)
    assert sources_of(errors).pair == pytest.approx(0, abs=1e-20)
    assert mm(sources_of(np.full((4, 3, 6), -7.0))) == pytest.approx([7, 0, 0, 0])


@pytest.mark.parametrize("seed", [1, 2])
def test_they_are_the_textbook_mean_squares_where_none_is_missing(seed: int) -> None:
    errors = made(7, 5, seed=seed, query=2, support=2, pair=5)[..., :1]
    plain = errors[..., 0]
    rows, columns = plain.mean(axis=1, keepdims=True), plain.mean(axis=0, keepdims=True)
    pair = ((plain - rows - columns + plain.mean()) ** 2).sum() / 24
    found = sources_of(errors)
    assert found.pair == pytest.approx(pair)
    # The mean square between rows is supports x query + pair, and so for columns.
    assert found.query == pytest.approx(max(0, (5 * ((rows - plain.mean()) ** 2).sum() / 6 - pair) / 5))
    assert found.support == pytest.approx(max(0, (7 * ((columns - plain.mean()) ** 2).sum() / 4 - pair) / 7))


def test_missing_predictions_do_no_harm() -> None:
    errors = made(80, 30, shared=1, query=4, support=3, pair=2)
    lost = np.random.default_rng(1).random((80, 30)) < 0.4
    errors[lost] = np.nan
    assert mm(sources_of(errors)) == pytest.approx([1, 4, 3, 2], abs=0.5)
    # Nor does a query that nobody found, or a support that found nothing.
    more = np.full((81, 31, 6), np.nan)
    more[:80, 1:] = errors
    assert mm(sources_of(more)) == pytest.approx(mm(sources_of(errors)))
    # Supports that are queries too, and never searched from themselves.
    square = made(40, 40, query=4, support=4, pair=2)
    square[np.diag_indices(40)] = np.nan
    assert mm(sources_of(square))[1:] == pytest.approx([4, 4, 2], abs=0.6)


@pytest.mark.parametrize("shape", [(2, 9), (9, 2), (0, 0), (9, 0)])
def test_too_few_say_nothing(shape: tuple[int, int]) -> None:
    assert math.isnan(sources_of(np.ones((*shape, 6))).total)
    assert math.isnan(sources_of(np.full((5, 5, 6), np.nan)).total)
    # Each query from a support of its own: nothing tells one from the other.
    alone = np.full((4, 4, 6), np.nan)
    alone[np.diag_indices(4)] = 1.0
    assert math.isnan(sources_of(alone).total)


def tidy_of(cohort: Cohort) -> pd.DataFrame:
    """Return the table of a cohort."""
    found = cohort.evaluate()
    return sources.tidy_sources(by_support(found.predictions, found.metrics, cohort.scans))


def test_the_table_has_what_the_predictions_differ_by() -> None:
    cohort = cohorts.cohort(supports=3, tables=False)
    # Queries differ by 4 mm from one to the next, supports by nothing.
    cohort.predictions = [
        replace(
            one, box_mm=(cohort.scans[one.subject].structures[one.structure].box_mm + 4 * int(one.subject[1:])).tolist()
        )
        for one in cohort.predictions
    ]
    tidy = tidy_of(cohort)
    assert list(tidy.columns) == list(sources.COLUMNS)
    line = tidy[tidy["structure"] == "mean"].iloc[0]
    assert line["query_mm"] == pytest.approx(np.std([0, 4, 8, 12], ddof=1))
    assert line[["support_mm", "pair_mm", "pair_share"]].to_list() == pytest.approx([0, 0, 0])
    assert (line["n"], line["answers"], line["supports"]) == (4, 48, 3)
    assert line["many_supports_mm"] == pytest.approx(line["one_support_mm"])
    squares = (line[["shared_mm", "query_mm", "support_mm", "pair_mm"]] ** 2).sum()
    assert line["one_support_mm"] == pytest.approx(math.sqrt(squares))


def test_the_interval_of_the_share_holds_the_share() -> None:
    errors = made(20, 9, query=4, support=4, pair=2)[:, None].repeat(2, axis=1)
    lines = sources.lines_of(errors, ["heart", "liver"])
    assert [line["structure"] for line in lines] == ["heart", "liver", "mean"]
    for line in lines:
        low, share, high = (float(line[f"pair_share{end}"]) for end in ("_low", "", "_high"))
        assert 0 <= low < share < high <= 1
        assert low < 4 / 36 < high


def test_queries_that_cannot_be_spared_leave_no_interval() -> None:
    for line in sources.lines_of(made(3, 9, query=4, support=4, pair=2)[:, None], ["heart"]):
        assert float(line["pair_share"]) > 0
        assert math.isnan(float(line["pair_share_low"])) and math.isnan(float(line["pair_share_high"]))


def test_few_supports_have_no_line() -> None:
    assert tidy_of(cohorts.cohort(supports=2, tables=False)).empty
    # A detector has no support, and registration was given two.
    assert tidy_of(cohorts.many_methods(supports=3))["method"].unique().tolist() == ["regression", "grey_ncc"]
