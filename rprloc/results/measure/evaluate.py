"""The EVALUATE step: one cohort's predictions, complete, and how good they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from rprloc.cohort.tasks import Measure
from rprloc.errors import InputError
from rprloc.files import write_json_lines
from rprloc.methods.answer import NO_SUPPORT, Prediction
from rprloc.results.frame import DIGITS, Main, main_of, read_predictions, shown_predictions, write_frame
from rprloc.results.measure.by_support import by_support
from rprloc.results.measure.calibration import with_intervals
from rprloc.results.measure.combined import combined_predictions
from rprloc.results.measure.expected import (
    Name,
    Scans,
    expected_predictions,
    missed,
    name_of,
    of_kind,
    points_of,
    scans_table,
    set_aside_table,
    usable,
)
from rprloc.results.measure.landmarks import tidy_landmarks
from rprloc.results.measure.metrics import metrics_of
from rprloc.results.measure.outlines import NOTHING, KnownOutlines, facts_of, true_outlines, with_outlines
from rprloc.results.measure.points import tidy_points
from rprloc.results.measure.sources import tidy_sources
from rprloc.results.measure.supports import tidy_supports
from rprloc.results.measure.voxels import on_voxels
from rprloc.results.words import calibrated_methods
from rprloc.scans.copies import copies
from rprloc.scans.crops import odd_fields
from rprloc.scans.record import ScanRecord, records_of

_ALIKE = 2
"""Queries that have to lie alike for their supports to be doubted."""


@dataclass(frozen=True)
class Evaluated:
    """One cohort's complete predictions, their lines of metrics.csv in the same order, and its scans."""

    predictions: list[Prediction]
    metrics: pd.DataFrame
    set_aside: pd.DataFrame
    scans: pd.DataFrame
    found: list[Prediction]
    """The predictions in the same order, as they were found between voxels."""


@dataclass(frozen=True)
class Came:
    """What came of a cohort's searches."""

    batches: Sequence[Path]
    """The prediction files of all batches."""
    outlines: Sequence[Path] = ()
    """The files of the queries' outlines."""


def evaluate_cohort(folder: Path, measure: Measure, scans: Sequence[Path], came: Came) -> None:
    """Write a cohort's complete predictions, metrics, lines of its tables and set-aside scans to `folder`, and what the
    comparison of its scans found, which is among their findings from then on.

    `scans` are the folders of preprocessed scans. Raises InputError where a file is none of its kind, and as
    `evaluate`.
    """
    predictions = list(read_predictions(*came.batches))
    records, said = compared(measure, records_of(scans), predictions)
    outlines = KnownOutlines(facts_of(came.outlines), true_outlines(scans))
    found = evaluate(measure, records, predictions, outlines)
    arrays = list(by_support(found.found, found.metrics, records))
    write_json_lines(folder / "predictions.jsonl", (one.to_json() for one in found.predictions))
    write_frame(folder / "metrics.csv", found.metrics)
    main = main_of(found.metrics, measure.cohort)
    for subject, answers in shown_predictions(found.predictions, measure.cohort, main).items():
        write_json_lines(folder / "answers" / f"{subject}.jsonl", (one.to_json() for one in answers))
    write_frame(folder / "table4.csv", tidy_supports(arrays, measure.seed), digits=DIGITS)
    write_frame(folder / "table5.csv", tidy_landmarks(found.predictions, found.metrics, records), digits=DIGITS)
    write_frame(folder / "landmarks.csv", tidy_points(found.predictions, found.metrics, records), digits=DIGITS)
    write_frame(folder / "error_sources.csv", tidy_sources(arrays), digits=DIGITS)
    write_frame(folder / "set_aside.csv", found.set_aside)
    write_frame(folder / "scans.csv", found.scans)
    queries = {member.subject for member in measure.members if member.query}
    write_frame(folder / "weights.csv", chosen_weights(one for one in predictions if one.subject in queries))
    lines = [(measure.cohort, subject, finding) for subject, finding in said]
    write_frame(folder / "findings.csv", pd.DataFrame(lines, columns=["cohort", "subject", "finding"]))


def compared(
    measure: Measure, scans: Scans, predictions: Sequence[Prediction]
) -> tuple[dict[str, ScanRecord], list[tuple[str, str]]]:
    """Return a cohort's records with what only all its scans together show among their findings, and those findings:
    (subject, finding) each.
    """
    records = dict(scans)
    found = (
        odd_fields(records), _copied_queries(measure, records), _doubted_queries(predictions),
        _again(predictions), _doubted_supports(measure, predictions),
    )  # fmt: skip
    said = [one for findings in found for one in findings.items() if one[1] not in records[one[0]].findings]
    for name, finding in said:
        records[name] = replace(records[name], findings=(*records[name].findings, finding))
    return records, said


def _copied_queries(measure: Measure, records: Scans) -> dict[str, str]:
    """Return what is to be said of queries that are copies of a support, which only all scans together show."""
    said = copies(records, [member.subject for member in measure.members if member.support])
    queries = [member.subject for member in measure.members if member.query]
    return {query: said[query] for query in queries if query in said}


def _doubted_queries(predictions: Iterable[Prediction]) -> dict[str, str]:
    """Return what is to be said of queries whose headers are doubted."""
    return {one.subject: said for one in predictions if (said := one.doubt_of_header) is not None}


def _doubted_supports(measure: Measure, predictions: Sequence[Prediction]) -> dict[str, str]:
    """Return what is to be said of the supports where all queries lie otherwise than they say, and all alike."""
    queries = {member.subject for member in measure.members if member.query}
    ways = {one.subject: one.turned for one in predictions if one.subject in queries}
    if len(ways) < _ALIKE or len(set(ways.values())) > 1 or None in ways.values():
        return {}
    supports = sorted({row.support for row in predictions if row.n_supports == 1} - {NO_SUPPORT})
    said = f"all {len(ways)} scans that were searched from it lie otherwise than they say, all alike"
    return dict.fromkeys(supports, f"{said}, as where it is this one that does")


def _again(predictions: Iterable[Prediction]) -> dict[str, str]:
    """Return what is to be said of queries in which nothing was found with the weights that were chosen."""
    found = {one.subject: one.chosen.finding for one in predictions if one.chosen is not None}
    return {subject: finding for subject, finding in found.items() if finding is not None}


def chosen_weights(predictions: Iterable[Prediction]) -> pd.DataFrame:
    """Return with what weights each method's queries were searched where the program chose them, and why: a line each
    of cohort, method, weights, why and queries.
    """
    chosen = {(one.cohort, one.method, one.subject): one.chosen for one in predictions if one.chosen is not None}
    counts = Counter((cohort, method, one.weights, one.why) for (cohort, method, _), one in chosen.items())
    lines = [(*line, count) for line, count in counts.most_common()]
    return pd.DataFrame(lines, columns=["cohort", "method", "weights", "why", "queries"])


def evaluate(
    measure: Measure, scans: Scans, predictions: Iterable[Prediction], outlines: KnownOutlines = NOTHING
) -> Evaluated:
    """Return one cohort's complete predictions, their metrics and the scans that were set aside.

    `predictions` are those that came. One that was expected and did not come becomes a failed one with the reason;
    nothing is dropped. Behind them stand the predictions of several supports together (`combined_predictions`). Boxes
    end at edges between the query's voxels (`on_voxels`). Those
    of a calibrated method for supports that are no queries say how sure the others are (`with_intervals`), and take no
    place themselves. Raises InputError for a prediction that is there twice or belongs to no query of the cohort.
    """
    came = _by_name(measure, predictions)
    queries = {member.subject for member in measure.members if member.query}
    calibration = [came.pop(name) for name in list(came) if name.subject not in queries]
    rows = []
    for expected in expected_predictions(measure, scans, came):
        one = came.pop(name_of(expected), None)
        rows.append(missed(expected, scans) if one is None else one)
    rows.extend(came.values())
    points = points_of(measure, scans)
    rows, calibration = ([of_kind(one, points) for one in some] for some in (rows, calibration))
    supports = {member.subject for member in measure.members if member.support and usable(scans, member.subject)}
    rows.extend(combined_predictions(rows, supports, measure.methods))
    calibration.extend(combined_predictions(calibration, supports, measure.methods))
    found = rows
    rows, calibration = on_voxels(found, scans), on_voxels(calibration, scans)
    rows = with_outlines(with_intervals(rows, [*rows, *calibration], supports, scans), outlines)
    labelled = {member.subject for member in measure.members if member.labelled}
    main = {Main(asked.name, asked.settings[-1]) for asked in measure.methods}
    metrics = metrics_of(rows, scans, labelled=labelled, drawn=outlines.true, main=main)
    return Evaluated(rows, metrics, set_aside_table(measure, scans), scans_table(measure, scans), found)


def _by_name(measure: Measure, predictions: Iterable[Prediction]) -> dict[Name, Prediction]:
    """Return the cohort's predictions by name, those for supports among them where the method is calibrated; raises
    InputError for repeated ones and unknown queries.
    """
    queries = {member.subject for member in measure.members if member.query}
    either = queries | {member.subject for member in measure.members if member.support}
    calibrated = set(calibrated_methods())
    found: dict[Name, Prediction] = {}
    errors = []
    about = f"predictions of cohort {measure.cohort}"
    for one in predictions:
        if one.cohort != measure.cohort:
            continue
        name = name_of(one)
        if name in found:
            errors.append(f"{about}: two predictions for {' x '.join(name)}, expected one.")
        if one.subject not in (either if one.method in calibrated else queries):
            errors.append(f"{about}: a prediction for {one.subject}, expected a query of it.")
        found[name] = one
    if errors:
        raise InputError(errors)
    return found
