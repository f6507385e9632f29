"""Segmentations of 3D Slicer (`.seg.nrrd`): named segments in one or several layers of voxels."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import SimpleITK as sitk

from rprloc.errors import InputError
from rprloc.marks.drawn import Drawn, drawn_on
from rprloc.marks.names import asked_names, printable, structure_names
from rprloc.scans.labels import Label, read_label
from rprloc.scans.record import Native
from rprloc.scans.volume import Opened, open_layers

ENDING = ".seg.nrrd"
_FIELD = re.compile(r"Segment(\d+)_(Name|LabelValue|Layer)")
"""What a header says of each segment; in files of Slicer before 4.11 each has a layer of its own and the value 1."""


@dataclass(frozen=True)
class _Segment:
    """One segment: the voxels of a layer that have a value."""

    name: str
    layer: int
    value: int


def read_segments(
    path: Path, native: Native, *, image_name: str, structures: Mapping[str, int] | None, known: Collection[str] = ()
) -> Label:
    """Return the label of a `.seg.nrrd` file, whose segments may overlap; for the rest as `read_label`.

    Structures are called as their segments. Where the settings name others and the file has one layer, the settings'
    values count. Raises InputError for a file without segments, a segment in a layer that is not there, and segments
    none of which is asked for.
    """
    layers, fields = open_layers(path)
    segments = _segments(fields, path.name)
    for segment in segments:
        if not 0 <= segment.layer < len(layers):
            found = f"the segment {segment.name[:40]!r} in layer {segment.layer}"
            raise InputError(f"{path.name}: found {found}, expected one of its layers, 0 to {len(layers) - 1}.")
    names, findings = structure_names([segment.name for segment in segments], path.name)
    if len(layers) == 1 and not asked_names(names, structures):
        label = read_label(path, native, image_name=image_name, structures=structures, known=known)
        said = (
            f"{path.name}: none of its segments is called as the settings' structures: the settings' values are taken"
        )
        return replace(label, findings=(*label.findings, *findings, said))
    frame = [f"{path.name}: {one}" for one in layers[0].findings if one not in known]
    drawn = [Drawn(name, _mask(segment, layers)) for name, segment in zip(names, segments, strict=True)]
    label = drawn_on(drawn, native, structures=structures, file=path.name, image_name=image_name)
    return replace(label, findings=(*frame, *findings, *label.findings))


def has_segments(path: Path) -> bool:
    """Tell whether an NRRD file is a segmentation, by what its header begins with."""
    with path.open("rb") as stream:
        return b"\nSegment0_" in stream.read(1 << 16).partition(b"\n\n")[0].replace(b"\r", b"")


def _segments(fields: Mapping[str, str], file: str) -> list[_Segment]:
    """Return the segments of a header; raises InputError where it has none or one is not told in numbers."""
    told: dict[int, dict[str, str]] = {}
    for key, value in fields.items():
        if match := _FIELD.fullmatch(key):
            told.setdefault(int(match[1]), {})[match[2]] = value.strip()
    if not told:
        raise InputError(f"{file}: found no segment in its header, expected a segmentation of 3D Slicer.")
    found = []
    for number, about in sorted(told.items()):
        name = printable(about.get("Name", f"segment_{number + 1}"))
        layer, value = about.get("Layer", str(number)), about.get("LabelValue", "1")
        if not (layer.isdecimal() and value.isdecimal() and len(layer + value) < 12):
            said = f"the layer {layer[:20]!r} and the value {value[:20]!r} of {name[:40]!r}"
            raise InputError(f"{file}: found {said}, expected two numbers.")
        found.append(_Segment(name, int(layer), int(value)))
    return found


def _mask(segment: _Segment, layers: Sequence[Opened]) -> sitk.Image:
    """Return the voxels of a segment as a mask on the file's own."""
    return sitk.Cast(sitk.Equal(layers[segment.layer].image, float(segment.value)), sitk.sitkUInt8)
