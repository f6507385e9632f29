"""Markups of 3D Slicer (`.mrk.json`): point lists and ROI, of version 1 of their schema."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from rprloc.errors import InputError
from rprloc.geometry import FloatArray
from rprloc.marks.mark import SPACES, Marks, NamedPoint, lps, marks_of
from rprloc.marks.names import printable

ENDING = ".mrk.json"
_VERSION = re.compile(r"-v(\d+)\.\d+")
"""In the name of the schema that a file has."""
_MAJOR = 1
_UNITS_MM = {"mm": 1.0, "um": 0.001}
_POINTS, _ROI = "Fiducial", "ROI"
_ROUNDED = 1e-2
"""How far products of a ROI's axes may be from those at right angles."""
_CORNERS = np.array(list(itertools.product((-0.5, 0.5), repeat=3)))


class _Point(msgspec.Struct, frozen=True):
    """A control point."""

    label: str = ""
    position: tuple[float, float, float] | None = None
    status: str = msgspec.field(default="defined", name="positionStatus")


class _Markup(msgspec.Struct, frozen=True):
    """One markup; what is not asked for here is passed over."""

    type: str
    name: str = ""
    space: str = msgspec.field(default="LPS", name="coordinateSystem")
    units: str | tuple[str, ...] = msgspec.field(default="mm", name="coordinateUnits")
    points: tuple[_Point, ...] = msgspec.field(default=(), name="controlPoints")
    center: tuple[float, float, float] | None = None
    size: tuple[float, float, float] | None = None
    orientation: tuple[float, float, float, float, float, float, float, float, float] | None = None
    """Row by row; its columns are the ROI's own axes."""


def read_markups(content: Any, path: Path) -> Marks:
    """Return the marks of a markups file's JSON.

    A ROI's structure is called as the markup or, of one alone, as the file; a point as its label, `structure` or
    `structure:wall`. An oriented ROI counts as the box around it along the patient's axes. Raises InputError for
    another version of the schema, a ROI that was not placed, and a file without points or ROI; as `marks_of` does.
    """
    _check_version(content, path.name)
    try:
        markups = msgspec.convert(content["markups"], tuple[_Markup, ...])
    except msgspec.ValidationError as error:
        raise InputError(f"{path.name}: expected markups as 3D Slicer saves them, found: {error}.") from error
    findings: list[str] = []
    places: list[NamedPoint] = []
    boxes: list[tuple[str, FloatArray]] = []
    rois = sum(markup.type == _ROI for markup in markups)
    for markup in markups:
        factor = _factor(markup, path.name)
        if markup.type == _POINTS:
            places += _places(markup, factor)
            findings += _unplaced(markup, path.name)
        elif markup.type == _ROI:
            boxes.append((_name(markup, path, alone=rois == 1), _corners(markup, factor, path.name)))
        else:
            findings.append(
                f"{path.name}: a markup of the type {printable(markup.type[:20])} is neither point nor ROI: passed over"
            )
    if not places and not boxes:
        types = sorted({printable(markup.type[:20]) for markup in markups if markup.type != _POINTS})
        found = f"markups of the type {', '.join(types)}" if types else "no point that is placed"
        raise InputError(f"{path.name}: found {found}, expected a ROI or a point list.")
    marks = marks_of(places, boxes, path.name)
    return Marks(marks.marks, (*findings, *marks.findings))


def is_markups(content: Any) -> bool:
    """Tell whether a file's JSON is one of markups."""
    return isinstance(content, dict) and "markups" in content


def _check_version(content: Any, name: str) -> None:
    """Refuse markups of another version of the schema than 1; raises InputError."""
    schema = content.get("@schema")
    version = _VERSION.search(schema) if isinstance(schema, str) else None
    if version is None or int(version[1]) != _MAJOR:
        found = f"the schema {schema.rpartition('/')[2][:60]!r}" if isinstance(schema, str) else "no @schema"
        raise InputError(f"{name}: found {found}, expected markups of version {_MAJOR}, as 3D Slicer 5 saves them.")


def _factor(markup: _Markup, name: str) -> float:
    """Return the mm of a markup's unit; raises InputError for another unit or other axes."""
    unit = markup.units if isinstance(markup.units, str) else next(iter(markup.units), "")
    if unit not in _UNITS_MM or markup.space not in SPACES:
        found = f"coordinates in {unit[:20]!r} and {markup.space[:20]!r}"
        raise InputError(f"{name}: found {found}, expected mm or um in LPS or RAS.")
    return _UNITS_MM[unit]


def _places(markup: _Markup, factor: float) -> list[NamedPoint]:
    """Return the points of a list that are placed."""
    return [
        NamedPoint(point.label or markup.name, factor * lps(point.position, markup.space))
        for point in markup.points
        if point.position is not None and point.status == "defined"
    ]


def _unplaced(markup: _Markup, name: str) -> list[str]:
    """Return what is to be said of points that are not placed."""
    labels = [
        printable(point.label[:40]) for point in markup.points if point.position is None or point.status != "defined"
    ]
    return [f"{name}: {', '.join(labels[:5])} not placed: passed over"] if labels else []


def _name(markup: _Markup, path: Path, *, alone: bool) -> str:
    """Return what a ROI's structure is called."""
    if markup.name:
        return markup.name
    if alone:
        return path.name[: -len(ENDING)] if path.name.lower().endswith(ENDING) else path.stem
    return next((re.sub(r"-\d+$", "", point.label) for point in markup.points if point.label), _ROI)


def _corners(markup: _Markup, factor: float, name: str) -> FloatArray:
    """Return the corners (8, 3) of a ROI in LPS mm; raises InputError where it was not placed or has no extent."""
    if markup.center is None or markup.size is None:
        raise InputError(f"{name}: found a ROI without center or size, expected one that is placed.")
    size: Sequence[float] = markup.size
    if not min(size) > 0:
        raise InputError(
            f"{name}: found a ROI of {' x '.join(f'{mm:g}' for mm in size)} mm, expected a box with an extent along "
            "every axis."
        )
    axes = np.eye(3) if markup.orientation is None else np.reshape(markup.orientation, (3, 3))
    if np.abs(axes.T @ axes - np.eye(3)).max() > _ROUNDED:
        raise InputError(f"{name}: found a ROI whose orientation is no rotation, expected three axes at right angles.")
    return factor * lps(np.array(markup.center) + (_CORNERS * size) @ axes.T, markup.space)
