"""A query with its answers to use, ready to be written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rprloc.catalogue import methods
from rprloc.cohort.faults import listed
from rprloc.cohort.tasks import Export
from rprloc.exports.names import file_name, file_names
from rprloc.files import read_json_lines
from rprloc.geometry import FloatArray, box_of_points
from rprloc.methods.answer import OfAnswer, Prediction
from rprloc.scans.outlines import Outline, read_outlines
from rprloc.scans.record import Native, ScanRecord


@dataclass(frozen=True, kw_only=True)
class Query:
    """A query that came through preprocessing, and its answers to use."""

    record: ScanRecord
    answers: tuple[Prediction, ...]
    """One for each structure, failed ones as well, in the order of the cohort's structures."""
    outlines: Mapping[str, Outline] = field(default_factory=dict)
    """By structure, of the answers that have one."""
    image: Path
    """The scan as it was given."""
    series: str | None = None
    """Which one of DICOM."""
    modality: str | None = None
    """ct or mr."""
    values: Mapping[str, int] | None = None
    """Of the structures in a label; None: 1, 2, ... in their order."""

    @property
    def native(self) -> Native:
        """The scan's own grid."""
        assert self.record.native is not None
        return self.record.native

    @property
    def found(self) -> list[Prediction]:
        """The answers that were found, boxes and single landmarks."""
        return [one for one in self.answers if extent_of(one) is not None]

    @property
    def files(self) -> dict[str, str]:
        """A file's name for each structure."""
        return file_names(one.structure for one in self.answers)

    @property
    def labels(self) -> dict[str, int]:
        """The value of each structure in a label."""
        names = [one.structure for one in self.answers]
        given = self.values or {}
        own = {name: given[name] for name in names if name in given}
        # A structure beside the settings' comes after them.
        after = max(given.values(), default=0)
        rest = [name for name in names if name not in own]
        return own | {name: after + number for number, name in enumerate(rest, start=1)}

    def undrawn(self, missing: str) -> str:
        """Return what is said of a query none of whose answers has an outline, and which so has no file of a kind."""
        able = listed([method.name for method in methods() if method.family.outlines], "and")
        drawn = f"no answer has an outline, which {able} carry from a support's mask"
        return f"{self.record.subject}: {drawn if self.found else 'nothing is found'}, so there is no {missing}."

    def folder(self, parent: Path, kind: str) -> Path:
        """Return the folder of its cohort's files of a kind."""
        return parent / kind / file_name(self.record.cohort)

    @property
    def name(self) -> str:
        """A file's name for the subject."""
        return file_name(self.record.subject)


def extent_of(one: Prediction) -> FloatArray | None:
    """Return where an answer lies (2, 3) in mm: its box or, of a single landmark, its point twice; None if nowhere."""
    if one.failed or not one.points_mm:
        return None
    return box_of_points(list(one.points_mm.values())) if one.box_mm is None else np.array(one.box_mm)


def read_query(task: Export, image: Path, scan: Path, answers: Path, outlines: Sequence[Path]) -> Query | None:
    """Return a query of a run from its scan's folder, the file of its answers to use and the files of its batch's
    outlines; None for one that was set aside. Raises InputError where a file is none of its kind.
    """
    record = ScanRecord.read(scan)
    if not record.usable:
        return None
    rows = tuple(Prediction.from_json(row) for row in read_json_lines(answers))
    own = [path for path in outlines if path.name.startswith(f"{task.id}.")]
    return Query(
        record=record,
        answers=rows,
        outlines=outlines_of(rows, own),
        image=image,
        series=task.series,
        modality=task.modality,
        values=task.values,
    )


def outlines_of(answers: Sequence[Prediction], paths: Iterable[Path]) -> dict[str, Outline]:
    """Return by structure the outlines of answers in a query's files of outlines."""
    keys = {one.key for one in answers if not one.failed}
    found = {}
    for path in paths:
        for known, outline in read_outlines(path, OfAnswer):
            if known.key in keys:
                found[known.structure] = outline
    return found


def about(one: Prediction) -> str:
    """Return in words how sure an answer is."""
    parts = [f"{one.method} from {_supports(one)}"]
    if one.confidence is not None:
        parts.append(f"confidence {one.confidence:.2f}")
    if one.within_90_mm:
        mean = sum(one.within_90_mm.values()) / len(one.within_90_mm)
        parts.append(f"{'' if one.point else 'each wall '}within {mean:.1f} mm nine times in ten")
    return "; ".join(parts)


def _supports(one: Prediction) -> str:
    """Return in words what an answer rests on."""
    if one.n_supports == 0:
        return "what it has learned"
    return f"{one.n_supports} support{'s' if one.n_supports > 1 else ''}"
