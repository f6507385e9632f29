"""A prediction for every one that a run is expected to give, and the reason of one that did not come."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec
import pandas as pd

from rprloc.catalogue import BY_LABELS, BY_SUPPORTS
from rprloc.cohort.tasks import Asked, Measure
from rprloc.methods.answer import NO_SUPPORT, Prediction
from rprloc.scans.record import ScanRecord
from rprloc.scans.told import SCAN_COLUMNS, told

Scans = Mapping[str, ScanRecord]
"""One cohort's records by subject; a scan without one died in its task."""


class Name(NamedTuple):
    """What names one prediction of a cohort."""

    subject: str
    structure: str
    method: str
    setting: str
    support: str


def name_of(prediction: Prediction) -> Name:
    """Return what names a prediction."""
    return Name(prediction.subject, prediction.structure, prediction.method, prediction.setting, prediction.support)


def expected_predictions(measure: Measure, scans: Scans, given: Collection[Name]) -> list[Prediction]:
    """Return a failed prediction for each query x method x structure x setting x support, a query never from itself.

    Its reason is the one that is known beforehand, if any. `given` names the predictions that came. A method that needs
    no support has one prediction with the support `-`, which counts as drawn.
    """
    supports = [member.subject for member in measure.members if member.support]
    # Where no support can be used the first ones of the draw stand for it, so that their misses count.
    order = [name for name in measure.order if usable(scans, name)] or list(measure.order)
    structures = _structures(measure, scans, given)
    taught, points = _taught(measure, scans), points_of(measure, scans)
    answered = {(name.subject, name.method) for name in given}
    return [
        Prediction(
            cohort=measure.cohort,
            subject=query,
            structure=structure,
            method=asked.name,
            setting=setting,
            support=support,
            drawn=support in (NO_SUPPORT, *order[:1]),
            n_supports=int(support != NO_SUPPORT),
            point=structure in points,
            failed=True,
            reason=asked.reason
            or (_boxes_alone(asked, structure) if structure in points else None)
            or _unlearned(asked, structure, taught, answered=(query, asked.name) in answered),
        )
        for query in _queries(measure)
        for asked in measure.methods
        for structure in structures
        for setting in asked.settings
        for support in _supports(asked, supports, order)
        if support != query
    ]


def _queries(measure: Measure) -> list[str]:
    """Return the queries in the order of the sheet."""
    return [member.subject for member in measure.members if member.query]


def points_of(measure: Measure, scans: Scans) -> set[str]:
    """Return the structures that are single landmarks, by the first support of the draw that has them; where none has,
    by a query.
    """
    tellers = [*measure.order, *_queries(measure)]
    kinds: dict[str, bool] = {}
    for subject in tellers:
        if usable(scans, subject):
            for name, structure in scans[subject].structures.items():
                kinds.setdefault(name, structure.is_point)
    return {name for name, is_point in kinds.items() if is_point}


def of_kind(one: Prediction, points: Collection[str]) -> Prediction:
    """Return a prediction of a structure that is a single landmark where `points` has it, else a box; one that found
    the other kind, from a support that marks it so, has failed.
    """
    point = one.structure in points
    if one.failed or one.point == point:
        return msgspec.structs.replace(one, point=point)
    kinds = ("a box", "a single landmark")
    reason = f"{one.structure} is {kinds[one.point]} in the support {one.support} and {kinds[point]} in others"
    nothing = msgspec.structs.replace(one, points_mm=None, box_mm=None, half_voxel_mm=None, spread_mm=None)
    return msgspec.structs.replace(nothing, point=point, open_walls=(), confidence=None, failed=True, reason=reason)


def _boxes_alone(asked: Asked, structure: str) -> str | None:
    """Return why a method that has learned boxes does not find a single landmark, None for one that carries it over."""
    return f"{asked.name} finds boxes, and {structure} is a single landmark" if asked.supports == 0 else None


def _taught(measure: Measure, scans: Scans) -> dict[str, set[str]]:
    """Return the structures that those who teach show: the labels of training scans, and the supports."""
    there = [member for member in measure.members if usable(scans, member.subject)]
    tellers = {
        BY_LABELS: [member.subject for member in there if member.train],
        BY_SUPPORTS: [member.subject for member in there if member.support],
    }
    return {who: {name for one in told for name in scans[one].structures} for who, told in tellers.items()}


def _unlearned(asked: Asked, structure: str, taught: Mapping[str, Collection[str]], *, answered: bool) -> str | None:
    """Return why a method that has learned does not know a structure, None where it may or needs none.

    `answered` says whether the method has predicted anything in the query: a network that came trained has so shown
    what it knows.
    """
    if asked.supports != 0:
        return None
    if asked.learns and structure not in taught[asked.learns]:
        return f"no {'support' if asked.learns == BY_SUPPORTS else 'training scan'} has a label of {structure}"
    if answered:
        return f"the network has not learned {structure}"
    return "no answer: its network found nothing to learn from, or a task died" if asked.learns else None


def _supports(asked: Asked, supports: Sequence[str], order: Sequence[str]) -> list[str]:
    """Return the supports that a method answers from, in the order of the sheet."""
    if asked.supports == 0:
        return [NO_SUPPORT]
    return [name for name in supports if asked.supports is None or name in order[: asked.supports]]


def usable(scans: Scans, subject: str) -> bool:
    """Say whether the subject's scan came through preprocessing."""
    return subject in scans and scans[subject].usable


def _structures(measure: Measure, scans: Scans, given: Collection[Name]) -> list[str]:
    """Return the settings' structures, or those found in the supports, else in what came, else in the queries."""
    if measure.structures:
        return list(measure.structures)
    supports = [member.subject for member in measure.members if member.support]
    found = [set(scans[name].structures) for name in supports if usable(scans, name)]
    if not any(found):
        found = [{name.structure for name in given}]
    if not any(found):
        found = [set(scans[name].structures) for name in _queries(measure) if usable(scans, name)]
    return sorted(set().union(*found), key=natural)


def natural(name: str) -> list[tuple[int, str]]:
    """Return a sorting key by which label_2 comes before label_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def missed(expected: Prediction, scans: Scans) -> Prediction:
    """Return an expected prediction that did not come with the reason of its failure."""
    query, support, structure = expected.subject, expected.support, expected.structure
    if not usable(scans, query):
        reason = f"scan set aside: {_aside_reason(scans, query)}"
    elif support != NO_SUPPORT and not usable(scans, support):
        reason = f"support {support} set aside: {_aside_reason(scans, support)}"
    elif support != NO_SUPPORT and structure not in scans[support].structures:
        reason = f"{structure} is absent from the label of support {support}"
    else:
        reason = expected.reason or "no answer: its task died"
    return msgspec.structs.replace(expected, reason=reason)


def _aside_reason(scans: Scans, subject: str) -> str:
    """Return why a subject has no usable scan."""
    scan = scans.get(subject)
    return "its preprocessing task died" if scan is None else scan.reason or "no reason was written"


def _file(scan: ScanRecord | None, image: str) -> str:
    """Return a scan's file as the user knows it, the sheet's `image` where its task did not say."""
    return (scan.file if scan else "") or image


def set_aside_table(measure: Measure, scans: Scans) -> pd.DataFrame:
    """Return one line (subject, file, reason) for each scan of the sheet that cannot be used."""
    rows = [
        (member.subject, _file(scans.get(member.subject), member.image), _aside_reason(scans, member.subject))
        for member in measure.members
        if not usable(scans, member.subject)
    ]
    return pd.DataFrame(rows, columns=["subject", "file", "reason"])


def scans_table(measure: Measure, scans: Scans) -> pd.DataFrame:
    """Return one line for each scan of the sheet: PASS, WARN or FAIL, what was found and what was done about it."""
    rows = []
    for member in measure.members:
        scan = scans.get(member.subject)
        about = {"cohort": measure.cohort, "subject": member.subject, "file": _file(scan, member.image)}
        if scan is None:
            reason = _aside_reason(scans, member.subject).rstrip(".")
            rows.append(about | {"status": "FAIL", "findings": reason, "done": "set aside"})
        else:
            rows.append(about | told(scan))
    return pd.DataFrame(rows, columns=SCAN_COLUMNS)
