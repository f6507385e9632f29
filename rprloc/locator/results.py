"""What was found, for people and as the files of the pipeline, made by the pipeline's own EVALUATE and TABULATE."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from rprloc.cohort.tasks import Measure
from rprloc.files import write_json_lines
from rprloc.methods.answer import DOUBTFUL, OutlineFacts, Prediction
from rprloc.methods.outlined import Outlines
from rprloc.results.frame import main_of, shown_predictions, write_frame
from rprloc.results.measure.evaluate import compared, evaluate
from rprloc.results.measure.expected import Name, Scans
from rprloc.results.measure.outlines import KnownOutlines
from rprloc.results.tables.boxes import box_table, boxes_of, by_doubt, landmark_table, landmarks_of
from rprloc.scans.outlines import Outline
from rprloc.scans.record import ScanRecord

TABLES = ("boxes", "landmarks", "scans")


@dataclass(frozen=True)
class Results:
    """The answers for some queries; a file for each field but `said`, with the columns of the pipeline's."""

    predictions: Sequence[Prediction]
    """predictions.jsonl: of each support, and of all together."""
    boxes: pd.DataFrame
    """boxes.csv: the answers to use."""
    landmarks: pd.DataFrame
    """landmarks.csv: those that are single landmarks."""
    scans: pd.DataFrame
    """scans.csv: supports and queries, with what was found odd."""
    said: Sequence[tuple[str, str]]
    """(subject, finding): what only the scans together show."""

    def write(self, folder: Path) -> None:
        """Write the files, each whole; raises OSError, as for a full disk."""
        write_json_lines(folder / "predictions.jsonl", (one.to_json() for one in self.predictions))
        for name in TABLES:
            write_frame(folder / f"{name}.csv", getattr(self, name))

    def to_json(self) -> dict[str, Any]:
        """Return the tables as plain values: a list of lines each, null where a cell is empty."""
        return {name: json.loads(_as_json(getattr(self, name))) for name in TABLES}


def _as_json(table: pd.DataFrame) -> str:
    """Return the lines of a table as JSON, numbers with all their digits."""
    lines = table.astype(object).where(table.notna(), None).to_dict("records")
    return json.dumps(lines, ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True)
class Located:
    """What was found in one query; `located["liver"]` is the answer for a structure."""

    path: Path
    """The query as it was given."""
    record: ScanRecord
    answers: tuple[Prediction, ...]
    """The answers to use, one a structure: of all supports together, or of the one there is."""
    rows: tuple[Prediction, ...] = field(repr=False)
    """Each support's own answers, without what EVALUATE adds."""
    drawn: Outlines = field(default_factory=dict, repr=False)
    """The outlines of each support's own answers and of those of all together, where outlines were asked for."""
    seconds: float = 0.0
    """From the scan's file to its answers."""

    @property
    def subject(self) -> str:
        """What the query is called: as its file or folder."""
        return self.record.subject

    @property
    def outlines(self) -> dict[str, Outline]:
        """The outlines of the answers to use that have one, by structure, on the query's own voxels."""
        known = {one.key for one in self.answers if not one.failed}
        return {key.structure: one.outline for key, one in self.drawn.items() if key in known}

    @property
    def facts(self) -> dict[Name, OutlineFacts]:
        """What is known of each outline."""
        return {Name(self.record.subject, **key._asdict()): one.facts for key, one in self.drawn.items()}

    @property
    def missing(self) -> tuple[Prediction, ...]:
        """The answers that failed; their `reason` says why."""
        return tuple(one for one in self.answers if one.failed)

    @property
    def doubtful(self) -> tuple[Prediction, ...]:
        """The answers of which no distance is promised: they may be lost."""
        return tuple(one for one in self.answers if not one.failed and (one.lost or 0.0) >= DOUBTFUL)

    def __getitem__(self, structure: str) -> Prediction:
        """Return the answer for a structure; raises KeyError for one that no support has."""
        for one in self.answers:
            if one.structure == structure:
                return one
        raise KeyError(structure)

    def table(self) -> pd.DataFrame:
        """Return the answers as lines of boxes.csv, the likeliest lost first; LPS millimetres."""
        return boxes_of(by_doubt(self.answers))

    def landmarks(self) -> pd.DataFrame:
        """Return the answers that are single landmarks as lines of landmarks.csv."""
        return landmarks_of(by_doubt(self.answers))

    def _repr_html_(self) -> str:
        """Return the table as a notebook shows it."""
        shown = [table for table in (self.table(), self.landmarks()) if len(table)]
        return "".join(str(table._repr_html_()) for table in shown)  # type: ignore[operator]


Facts = Mapping[Name, OutlineFacts]
"""What is known of outlines."""


def results_of(measure: Measure, scans: Scans, rows: Sequence[Prediction], facts: Facts) -> Results:
    """Return the results of a search: `rows` are its predictions, `facts` what is known of their outlines, and `scans`
    the records of all its scans.
    """
    records, said = compared(measure, scans, rows)
    found = evaluate(measure, records, rows, KnownOutlines(facts, frozenset()))
    boxes, landmarks = (
        make(found.predictions, found.metrics, [measure.cohort]) for make in (box_table, landmark_table)
    )
    return Results(found.predictions, boxes, landmarks, found.scans, said)


def answers_of(
    measure: Measure, scans: Scans, rows: Sequence[Prediction], query: str, facts: Facts
) -> tuple[Prediction, ...]:
    """Return the answers to use for a query, as `results_of` does for all."""
    found = evaluate(measure, scans, rows, KnownOutlines(facts, frozenset()))
    main = main_of(found.metrics, measure.cohort)
    return tuple(shown_predictions(found.predictions, measure.cohort, main).get(query, ()))
