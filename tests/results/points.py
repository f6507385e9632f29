"""A made-up cohort whose structures are single landmarks, one of them beside an organ."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rprloc.methods.answer import Prediction
from rprloc.scans.record import Structure
from tests.results import cohorts
from tests.results.cohorts import CUBE, Cohort, member, prediction, replace, scan, structure

AT = (5.0, -3.0, 9.0)


def landmark(at_mm: tuple[float, float, float] = AT) -> Structure:
    """Return a marked point."""
    at = np.array([at_mm], dtype=float)
    return Structure(value=0, box_mm=np.repeat(at, 2, axis=0), extreme_mm=at, half_voxel_mm=(0, 0, 0), voxels=0)


def point_of(query: str, support: str, shift_mm: float, *, structure: str = "apex", **more: object) -> Prediction:
    """Return a prediction of a landmark that is off by so much along x."""
    one = prediction(query, structure, support, CUBE, **more)
    at = [AT[0] + shift_mm, *AT[1:]]
    return replace(one, point=True, points_mm={"point": at}, box_mm=None, half_voxel_mm=None)


def of_points(shifts: Mapping[str, Mapping[str, float]], *, method: str = "regression") -> Cohort:
    """Return a cohort with an `organ`, found exactly, and an `apex` that is off by so many mm by query and support."""
    supports = sorted({name for own in shifts.values() for name in own})
    members = [*(member(name, "test") for name in shifts), *(member(name, "validation") for name in supports)]
    shown = {"organ": structure(*CUBE), "apex": landmark()}
    made = cohorts.cohort(queries=1, supports=1, tables=False)
    asked = made.measure.methods if method == "regression" else (cohorts.Asked(name=method, settings=("extreme",)),)
    setting = asked[0].settings[-1]
    made.measure = replace(made.measure, members=tuple(members), order=tuple(supports), structures=None, methods=asked)
    made.scans = {one.subject: scan("demo", one.subject, shown) for one in members}
    about = {"method": method, "setting": setting}
    made.predictions = [
        one
        for query, own in shifts.items()
        for support, mm in own.items()
        for one in (point_of(query, support, mm, **about), prediction(query, "organ", support, CUBE, **about))
    ]
    return made
