"""One scan from its file to model space: the PREPROCESS step."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.files import sha256
from rprloc.geometry import FloatArray, Grid
from rprloc.scans.belongs import in_air
from rprloc.scans.body import Mask, body_mask
from rprloc.scans.boxes import Box, box_of
from rprloc.scans.copies import values_sha256
from rprloc.scans.edges import flips_of, off_edges
from rprloc.scans.labels import Annotation, Label, read_label
from rprloc.scans.modality import MODALITIES, Int16
from rprloc.scans.nifti import listed
from rprloc.scans.opening import open_scan
from rprloc.scans.plausible import body_findings, mended, tissue_findings
from rprloc.scans.record import NO_HOUNSFIELD, Native, ScanRecord, Structure
from rprloc.scans.resampling import (
    covering_grid,
    field_of_view_mm,
    grid_within,
    own_spacing_mm,
    resample,
    resample_label,
)
from rprloc.scans.scan import remove_scan_files, write_scan_outlines, write_scan_surfaces, write_scan_volume
from rprloc.scans.sides import exchanged
from rprloc.scans.slices import slice_findings
from rprloc.scans.target import OWN, MatchingSpacing, Target, Triple, scan_folder
from rprloc.scans.volume import value_range

MOST_VOXELS = 2**30
"""Most voxels of a scan in model space: a patient of two metres in millimetres has fewer."""
_LEAST_MM = 1e-4
"""Of a voxel along an axis: a hundredth of what a microscope's CT has."""


@dataclass(frozen=True)
class Source:
    """A scan as the user gave it."""

    cohort: str
    subject: str
    image: Path
    label: Path | Mapping[str, Path] | Annotation | None = None
    """One file, a mask for each structure by its name, or what reads an annotation of another form."""
    series: str | None = None
    """Which one of DICOM, by its description, number or UID."""
    usual_mm: Triple | None = None
    """What the supports' crops hold (x, y, z), of a scan whose own is much smaller: its whole field is kept."""


@dataclass(frozen=True)
class _Read:
    """A scan on its own voxels."""

    image: sitk.Image
    air: float
    """The value outside."""
    findings: tuple[str, ...]
    """What is odd about it and what was done, "what: done"."""
    oriented: bool
    values_sha256: str
    """Of its voxels, what is wrong with their values mended."""
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _Body:
    """A scan in model space, cropped to the body."""

    native: Native
    findings: tuple[str, ...]
    oriented: bool
    grid: Grid
    values: NDArray[np.int16]
    """(z, y, x), as the mask."""
    mask: Mask
    to_int16: Int16
    """How other values of the scan become such as these."""
    values_sha256: str
    files: tuple[Path, ...]


def preprocess(parent: Path, source: Source, target: Target) -> ScanRecord:
    """Write a scan in model space, its body mask, label, surfaces, outlines and its record to a folder in `parent`.

    A scan that cannot be used leaves only a record with the reason: the cohort goes on. The model's grid lies along
    the LPS axes whatever the file's orientation; landmarks come from the native label. Returns the record.
    """
    folder = parent / scan_folder(source.cohort, source.subject)
    try:
        record = _preprocessed(folder, source, target)
    except InputError as error:
        remove_scan_files(folder)
        record = ScanRecord(cohort=source.cohort, subject=source.subject, file=source.image.name, reason=str(error))
    record.write(parent)
    return record


def inspected(source: Source, target: Target) -> ScanRecord:
    """Return the record that `preprocess` would write, and leave nothing behind."""
    with tempfile.TemporaryDirectory() as folder:
        return preprocess(Path(folder), source, target)


def _preprocessed(folder: Path, source: Source, target: Target) -> ScanRecord:
    """Write the volumes of a scan that can be used and return its record; raises InputError for one that cannot."""
    if source.usual_mm is None:
        return _written(folder, source, target)
    usual = f"those of the supports, which hold {listed(source.usual_mm)} mm (x, y, z)"
    return _whole_field(folder, source, target, f"the crop to the body keeps much less than {usual}")


def _whole_field(folder: Path, source: Source, target: Target, why: str) -> ScanRecord:
    """Write the volumes of a scan with its whole field and return its record, which says why."""
    record = _written(folder, source, target, whole=True)
    return replace(record, findings=(*record.findings, f"{why}: the whole field is kept"))


def _written(folder: Path, source: Source, target: Target, *, whole: bool = False) -> ScanRecord:
    """Write the volumes of a scan that can be used and return its record; raises InputError for one that cannot.

    `whole` keeps the whole field; so does a label of which the body's box would cut something away.
    """
    scan, body = _find_body(source, target, whole=whole)
    matching = None
    if scan is not None and target.matching_spacing is not None:
        matching = _write_matching(folder, scan, body, target.matching_spacing)
    del scan
    structures: Mapping[str, Structure] = {}
    findings, drawn = body.findings, False
    if source.label is not None:
        label = _annotation(source, body, target.structures)
        structures, drawn = label.structures, label.image is not None
        findings += (*label.findings, *_write_label(folder, label, body))
        del label
        cut = _cut_away(structures, body.grid)
        if cut and not whole:
            return _whole_field(folder, source, target, f"the box of the body cuts {', '.join(cut)} away")
    write_scan_volume(folder, body.values, body.grid)
    write_scan_volume(folder, body.mask.astype(np.uint8), body.grid, "body")
    return ScanRecord(
        cohort=source.cohort,
        subject=source.subject,
        file=source.image.name,
        native=body.native,
        model=body.grid,
        matching=matching,
        source_sha256=sha256(*body.files),
        values_sha256=body.values_sha256,
        label_sha256=_files_sha256(source.label),
        label=drawn,
        structures=structures,
        findings=findings,
        oriented=body.oriented,
    )


def _files_sha256(label: Path | Mapping[str, Path] | Annotation | None) -> str | None:
    """Return the hash of an annotation's files, masks in the order of their structures' names; None without any."""
    if label is None:
        return None
    if isinstance(label, Path):
        return sha256(label) if label.is_file() else None
    return sha256(*(label[name] for name in sorted(label)) if isinstance(label, Mapping) else label.files)


def _annotation(source: Source, body: _Body, structures: Mapping[str, int] | None) -> Label:
    """Return what a scan's annotation says; raises InputError where it cannot be used."""
    label, native, known = source.label, body.native, body.findings
    assert label is not None
    if isinstance(label, Path | Mapping):
        return read_label(label, native, image_name=source.image.name, structures=structures, known=known)
    return label.read(native, structures=structures, known=known)


def _read(source: Source, target: Target) -> _Read:
    """Read a scan without its padding; raises InputError for one that cannot be used."""
    path, modality = source.image, MODALITIES[target.modality]
    opened = open_scan(path, series=source.series, modality=target.modality)
    image, said = mended(opened.image, target.modality)
    hashed = values_sha256(image)
    lowest = _check_values(image, path.name)
    _check_extent(image, target, path.name)
    findings = (*opened.findings, *said, *slice_findings(image))
    return _Read(
        modality.without_padding(image, lowest), modality.air(lowest), findings, opened.oriented, hashed, opened.files
    )


def _cut_away(structures: Mapping[str, Structure], grid: Grid) -> list[str]:
    """Return the structures of which a part lies outside a grid, more than a voxel of it."""
    low, high = grid.box_mm + np.array([[-1], [1]]) * grid.spacing_mm
    return [name for name, one in structures.items() if (one.box_mm[0] < low).any() or (one.box_mm[1] > high).any()]


def _find_body(source: Source, target: Target, *, whole: bool) -> tuple[_Read | None, _Body]:
    """Return a scan's body in model space, and the scan itself where a finer volume is to be made of it; cropped to the
    body, or `whole`.

    Raises InputError for a scan that cannot be used. A scan's arrays may be a good part of a task's memory: each goes
    as soon as it can.
    """
    scan, modality = _read(source, target), MODALITIES[target.modality]
    findings, oriented, hashed, files = scan.findings, scan.oriented, scan.values_sha256, scan.files
    native, grid = Native.of(scan.image), covering_grid(scan.image, _xyz(target.spacing))
    resampled = resample(scan.image, grid, outside=scan.air)
    kept = None if target.matching_spacing is None else scan
    del scan
    tissue = modality.tissue(resampled)
    values = modality.compact(resampled)
    del resampled
    mask = body_mask(tissue)
    del tissue
    if not mask.any():
        extent = np.multiply(native.size, native.spacing_mm)
        field = f" in a field of {listed(extent)} mm" if (extent < _xyz(target.spacing)).any() else ""
        raise InputError(f"{source.image.name}: found nothing but air{field}, expected a body.")
    findings += body_findings(float(mask.mean()), float(mask.sum() * np.prod(target.spacing) / 1e6))
    if target.modality == "ct" and not any(NO_HOUNSFIELD in one for one in findings):
        findings += tissue_findings(values[mask])
    box = box_of(np.ones_like(mask) if whole else modality.kept(values, mask))
    assert box is not None
    values, mask = values[box], mask[box]
    to_int16 = modality.to_int16(values, mask)
    body = _Body(native, findings, oriented, _cropped(grid, box), to_int16(values), mask, to_int16, hashed, files)
    return kept, body


def _write_matching(folder: Path, scan: _Read, body: _Body, spacing: MatchingSpacing) -> Grid:
    """Write the finer volume (z, y, x mm) of a scan's body and return its grid."""
    grid = grid_within(body.grid, own_spacing_mm(scan.image, body.grid) if spacing == OWN else _xyz(spacing))
    write_scan_volume(folder, body.to_int16(resample(scan.image, grid, outside=scan.air)), grid, "matching")
    return grid


def _write_label(folder: Path, label: Label, body: _Body) -> tuple[str, ...]:
    """Write a scan's label in model space, if it has voxels, its surfaces and outlines; return what is odd beside the
    scan.
    """
    write_scan_surfaces(folder, label.surfaces)
    write_scan_outlines(folder, label.outlines)
    said = exchanged(label.structures)
    if label.image is not None:
        values = resample_label(label.image, body.grid).astype(np.uint16)
        write_scan_volume(folder, values, body.grid, "label")
        said += in_air(label.structures, values, body.mask) or off_edges(
            values, body.values, body.mask, body.grid.spacing_mm, flips_of(body.native, body.grid)
        )
    return said


def _check_values(image: sitk.Image, name: str) -> float:
    """Refuse voxels that are not numbers and images of one value, raising InputError; return the lowest value."""
    low, high = value_range(image, name)
    most = np.finfo(np.float32).max
    if low < -most or high > most:
        raise InputError(f"{name}: found values from {low:.4g} to {high:.4g}, expected at most {most:.4g} in size.")
    if low == high:
        raise InputError(f"{name}: found {low} in every voxel, expected an image.")
    return float(low)


def _check_extent(image: sitk.Image, target: Target, name: str) -> None:
    """Refuse a scan of kilometres or of voxels that are none; raises InputError. A thin one is for the methods."""
    if min(image.GetSpacing()) < _LEAST_MM:
        spacing = listed(image.GetSpacing()[::-1])
        raise InputError(f"{name}: found voxels of {spacing} mm (z, y, x), expected the size of a patient's.")
    low, high = field_of_view_mm(image)
    extent = (high - low)[::-1]
    if np.prod(extent / target.spacing) > MOST_VOXELS:
        raise InputError(f"{name}: found a scan of {listed(extent)} mm (z, y, x), expected the size of a patient.")


def _cropped(grid: Grid, box: Box) -> Grid:
    """Return the grid of the voxels in `box` (z, y, x)."""
    start = [axis.start for axis in box]
    size = tuple(axis.stop - axis.start for axis in box[::-1])
    return Grid(size, grid.spacing_mm, tuple(grid.world(start).tolist()))


def _xyz(spacing: Triple) -> FloatArray:
    """Return a spacing (z, y, x) as (3,) along x, y, z."""
    return np.array(spacing[::-1], dtype=np.float64)
