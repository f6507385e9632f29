"""Boxes and points as markups of 3D Slicer (.mrk.json, schema 1.0.3), in LPS mm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np

from rprloc.exports.query import Query, about
from rprloc.files import write_json
from rprloc.methods.answer import Prediction

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
_STRAIGHT = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]


class _Control(TypedDict):
    """A control point of a markup."""

    id: str
    label: str
    description: str
    position: list[float]
    orientation: list[float]
    selected: bool
    locked: bool
    visibility: bool
    positionStatus: str


class _Markup(TypedDict):
    """What every markup has."""

    type: str
    name: str
    coordinateSystem: str
    coordinateUnits: str
    locked: bool
    labelFormat: str
    description: str
    controlPoints: list[_Control]


class _Region(_Markup):
    """A region of interest."""

    roiType: str
    center: list[float]
    size: list[float]
    orientation: list[float]
    insideOut: bool


def write_slicer(parent: Path, query: Query) -> None:
    """Write to slicer/<cohort>/<subject>/ for each answer <structure>.roi.mrk.json, its box if it has one, and
    <structure>.points.mrk.json, its points: Slicer opens one markup a file.
    """
    folder, names = query.folder(parent, "slicer") / query.name, query.files
    for one in query.found:
        name = names[one.structure]
        if not one.point:
            write_json(folder / f"{name}.roi.mrk.json", {"@schema": SCHEMA, "markups": [_box(one)]})
        write_json(folder / f"{name}.points.mrk.json", {"@schema": SCHEMA, "markups": [_points(one)]})


def _box(one: Prediction) -> _Region:
    """Return an answer's box as a region of interest, whose one control point is its middle."""
    low, high = np.array(one.box_mm)
    centre, size = ((low + high) / 2).tolist(), (high - low).tolist()
    return {
        **_markup("ROI", one.structure, [(one.structure, centre)], about(one)),
        "roiType": "Box",
        "center": centre,
        "size": size,
        "orientation": _STRAIGHT,
        "insideOut": False,
    }


def _points(one: Prediction) -> _Markup:
    """Return an answer's points, each with the distance within which it is nine times in ten."""
    points = [
        (one.structure if one.point else f"{one.structure}:{name}", place)
        for name, place in (one.points_mm or {}).items()
    ]
    made = _markup("Fiducial", one.structure, points, about(one))
    for name, control in zip(one.points_mm or {}, made["controlPoints"], strict=True):
        if one.within_90_mm and name in one.within_90_mm:
            control["description"] += f"; this one within {one.within_90_mm[name]:.1f} mm"
    return made


def _markup(kind: str, name: str, points: Sequence[tuple[str, list[float]]], said: str) -> _Markup:
    """Return a markup of control points."""
    return {
        "type": kind,
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "labelFormat": "%N-%d",
        "description": said,
        "controlPoints": [
            {
                "id": str(number),
                "label": label,
                "description": said,
                "position": list(place),
                "orientation": _STRAIGHT,
                "selected": True,
                "locked": False,
                "visibility": True,
                "positionStatus": "defined",
            }
            for number, (label, place) in enumerate(points, start=1)
        ],
    }
