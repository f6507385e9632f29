"""Every answer to use as the page lists it: a line for each query and structure, with its verdict and its picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from urllib.parse import quote

import msgspec
import numpy as np

from rprloc.methods.answer import ALL_SUPPORTS, Prediction
from rprloc.pictures.manifest import Pictured
from rprloc.results.report.agreement import shared_boxes
from rprloc.results.report.material import Material
from rprloc.results.report.verdict import Verdict, of_doubt, of_error, signs
from rprloc.results.report.words import Entry

MOST = 1000.0
"""Nothing speaks more against an answer: what is infinite is no number of JSON."""
Pictures = Mapping[tuple[str, str], Pictured]
"""What was made of each scan, by cohort and subject."""


class AnswerLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer as the page lists it; numbers that are not known are left out."""

    cohort: str
    subject: str
    structure: str
    doubt: Verdict
    error: Verdict | None = None
    """How it did, where there is truth."""
    lost: float | None = None
    within_90_mm: float | None = None
    shared: float | None = None
    """The mean IoU of its supports' own boxes, where there are several."""
    doubtful: float | None = None
    """How much speaks against it, doubtful from 1 on."""
    iou: float | None = None
    off_mm: float | None = None
    """The mean distance of its walls from the true ones, or of a single landmark its own."""
    size_change: float | None = None
    """Its box's volume by that of the supports' boxes, of which it is the median."""
    open_walls: tuple[str, ...] = ()
    support: str = ""
    picture: str = ""
    """The address of its picture beside the page."""
    viewer: str = ""
    """The address of its query's viewer."""
    note: str = ""
    """Why there is no picture."""


def answer_lines(material: Material, pictures: Pictures) -> list[AnswerLine]:
    """Return a cohort's answers to use, query by query."""
    shown = material.shown
    entries = {(row["subject"], row["support"], row["structure"]): row for row in material.main.to_dict("records")}
    supports = Supports.of(one for one in pictures.values() if one.cohort == shown.cohort)
    shared = shared_boxes(material)
    return [
        _line(
            one,
            entries[one.subject, one.support, one.structure],
            pictures.get((one.cohort, one.subject), Pictured(cohort=one.cohort, subject=one.subject)),
            change=supports.change(one),
            shared=shared.get((one.subject, one.structure)) if one.support == ALL_SUPPORTS else None,
        )
        for own in material.to_use().values()
        for one in own
    ]


@dataclass(frozen=True)
class Supports:
    """The volumes in mm3 of the structures' true boxes: of each scan, and the median of the supports that are shown."""

    volumes: Mapping[tuple[str, str], float]
    """By subject and structure."""
    middle: Mapping[str, float]

    @classmethod
    def of(cls, pictured: Iterable[Pictured]) -> Supports:
        """Take what was made of a cohort's scans."""
        scans = list(pictured)
        volumes = {
            (one.subject, structure): _volume(box)
            for one in scans
            for structure, box in one.true_mm.items()
            if _volume(box) > 0
        }
        beside = {one.support for one in scans}
        known: dict[str, list[float]] = {}
        for (subject, structure), volume in volumes.items():
            if subject in beside:
                known.setdefault(structure, []).append(volume)
        return cls(volumes, {structure: median(own) for structure, own in known.items()})

    def change(self, one: Prediction) -> float | None:
        """Return an answer's volume by that of its support, or of the supports that are shown; None where unknown."""
        known = self.volumes.get((one.support, one.structure), self.middle.get(one.structure))
        if one.failed or one.box_mm is None or known is None:
            return None
        return round(_volume(one.box_mm) / known, 3)


def _line(one: Prediction, entry: Entry, seen: Pictured, *, change: float | None, shared: float | None) -> AnswerLine:
    """Return an answer's line."""
    off_mm = entry["mre_mm"] if math.isnan(entry["iou"]) else entry["awd_mm"]
    against = [] if one.failed else [sign.weight for sign in signs(one, entry["within_90_mm"], shared)]
    return AnswerLine(
        cohort=one.cohort,
        subject=one.subject,
        structure=one.structure,
        doubt=of_doubt(one, entry["within_90_mm"], shared),
        error=of_error(entry),
        lost=_known(entry["lost"]),
        within_90_mm=_known(entry["within_90_mm"]),
        shared=None if shared is None or one.failed else _known(shared),
        doubtful=_known(min(max(against), MOST)) if against else None,
        iou=_known(entry["iou"]),
        off_mm=_known(off_mm),
        size_change=change,
        open_walls=one.open_walls,
        support=one.support,
        picture=quote(seen.pictures.get(one.structure, "")),
        viewer=quote(seen.viewer),
        note=seen.note,
    )


def _volume(box_mm: Sequence[Sequence[float]]) -> float:
    """Return the volume in mm3 of a box (2, 3)."""
    return float(np.prod(np.array(box_mm[1]) - np.array(box_mm[0])))


def _known(value: float) -> float | None:
    """Return a number with four digits, None for NaN."""
    return None if math.isnan(value) else float(f"{value:.4g}")
