"""A preprocessed scan and its volumes. Nothing else reads or writes their files.

A scan's folder is `<cohort>@<subject>`; it holds `<subject>.json`, the record, and, of a scan that can be used:

    <subject>.nii.gz                  values in model space, int16
    <subject>_body.nii.gz             the body
    <subject>_matching.nii.gz         values on the finer grid of image matching, where a method asks for it
    <subject>_label.nii.gz            the label in model space, where there is one
    <subject>_surface.safetensors     the surface of each structure of the label, in mm
    <subject>_outline.safetensors     the mask of each structure of the label, on the file's own voxels
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from rprloc.errors import InputError
from rprloc.files import whole_file
from rprloc.geometry import FloatArray, Grid
from rprloc.scans.outlines import OfStructure, Outline, read_outlines, write_outlines
from rprloc.scans.record import ScanRecord, Structure
from rprloc.scans.resampling import grid_within, resample
from rprloc.scans.shapes import Shape
from rprloc.scans.target import subject_of
from rprloc.scans.volume import image_of, read_model_volume, write_volume

Surfaces = dict[str, NDArray[np.float32]]
"""By structure: points (n, 3), (x, y, z)."""


@dataclass(frozen=True)
class Volume:
    """Values of a scan on a grid."""

    values: NDArray[np.int16]
    """(z, y, x)."""
    grid: Grid


@dataclass(frozen=True)
class CarriedStructure:
    """A structure that was carried into a scan from another."""

    surface_mm: FloatArray
    """(n, 3), its extreme points before all others."""
    outline: Outline | None
    """Its mask on the file's own voxels, where it has one."""


@dataclass(frozen=True, eq=False)
class Scan:
    """A preprocessed scan that can be used, with its volumes; each is itself alone."""

    record: ScanRecord
    values: NDArray[np.int16]
    """(z, y, x)."""
    body: NDArray[np.bool_]
    """(z, y, x)."""
    folder: Path | None = None
    """Where the scan's other volumes are."""
    finer: Volume | None = None
    """The volume for image matching of a scan that was made in memory."""
    carried: Mapping[str, CarriedStructure] | None = None
    """Its structures where they were carried there, and are not what its label shows."""

    @classmethod
    def read(cls, folder: Path) -> Scan | None:
        """Read a preprocessed scan from its folder; None for one that was set aside."""
        record = ScanRecord.read(folder)
        if not record.usable:
            return None
        return cls(
            record=record,
            values=read_model_volume(volume_path(folder)),
            body=read_model_volume(volume_path(folder, "body")) > 0,
            folder=folder,
        )

    @property
    def cohort(self) -> str:
        """The scan's cohort."""
        return self.record.cohort

    @property
    def subject(self) -> str:
        """The scan's subject."""
        return self.record.subject

    @property
    def structures(self) -> Mapping[str, Structure]:
        """What the label shows, or what was carried there."""
        return self.record.structures

    @property
    def grid(self) -> Grid:
        """The grid of model space."""
        assert self.record.model is not None
        return self.record.model

    @property
    def matching_mm(self) -> tuple[float, float, float]:
        """The spacing (x, y, z) of the volume for image matching; raises InputError where there is none."""
        if self.record.matching is None:
            raise self._without_matching()
        return self.record.matching.spacing_mm

    def _without_matching(self) -> InputError:
        return InputError(f"{self.subject}: found no volume for image matching, expected one from PREPROCESS.")

    def matching(self, spacing_mm: Sequence[float] | None = None) -> Volume:
        """Read the scan's finer volume for image matching, resampled where another `spacing_mm` (x, y, z) is asked for;
        raises InputError where it was preprocessed without one.
        """
        volume = self.finer
        if volume is None:
            if self.folder is None or self.record.matching is None:
                raise self._without_matching()
            volume = Volume(read_model_volume(volume_path(self.folder, "matching")), self.record.matching)
        if spacing_mm is None or np.allclose(spacing_mm, volume.grid.spacing_mm):
            return volume
        grid = grid_within(volume.grid, np.asarray(spacing_mm))
        values = resample(image_of(volume.values, volume.grid), grid, outside=float(volume.values.min()))
        return Volume(np.rint(values).astype(np.int16), grid)

    def surfaces_mm(self) -> dict[str, FloatArray]:
        """Return points (n, 3) of the surface of each structure, its extreme points before all others."""
        if self.carried is not None:
            return {name: one.surface_mm for name, one in self.carried.items()}
        found = {} if self.folder is None else read_scan_surfaces(self.folder)
        return {
            name: np.asarray(found.get(name, structure.extreme_mm), dtype=np.float64)
            for name, structure in self.structures.items()
        }

    def outlines(self) -> dict[str, Outline]:
        """Return the mask of each structure that has one, on the file's own voxels; read once."""
        return self._outlines

    @cached_property
    def _outlines(self) -> dict[str, Outline]:
        if self.carried is not None:
            return {name: one.outline for name, one in self.carried.items() if one.outline is not None}
        return {} if self.folder is None else read_scan_outlines(self.folder)

    def shape(self, structure: str) -> Shape | None:
        """Return a structure as distances, computed once; None for one without a mask."""
        outline, native = self._outlines.get(structure), self.record.native
        if outline is None or native is None:
            return None
        if structure not in self._shapes:
            self._shapes[structure] = Shape.of(outline, native)
        return self._shapes[structure]

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        return {}


KINDS = ("", "body", "matching", "label")
"""Of a scan's volumes; the values' is the empty one."""


def volume_path(folder: Path, kind: str = "") -> Path:
    """Return the file of one of a scan's volumes: of the values, or of the kind `body`, `matching` or `label`."""
    subject = subject_of(folder)
    return folder / (f"{subject}_{kind}.nii.gz" if kind else f"{subject}.nii.gz")


def surface_path(folder: Path) -> Path:
    """Return the file of a scan's surfaces."""
    return folder / f"{subject_of(folder)}_surface.safetensors"


def write_scan_volume(folder: Path, values: NDArray[np.generic], grid: Grid, kind: str = "") -> None:
    """Write one of a scan's volumes (z, y, x), whole; raises OSError, as for a full disk."""
    write_volume(volume_path(folder, kind), values, grid)


def write_scan_surfaces(folder: Path, surfaces: Surfaces) -> None:
    """Write a scan's surfaces, whole; raises OSError, as for a full disk."""
    with whole_file(surface_path(folder)) as temporary:
        save_file(surfaces, temporary)


def read_scan_surfaces(folder: Path) -> Surfaces:
    """Return a scan's surfaces by structure, none where it has no label; raises InputError for a damaged file."""
    path = surface_path(folder)
    try:
        return load_file(path) if path.exists() else {}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path.name}: expected the surfaces that PREPROCESS writes, found: {error}.") from error


def outline_path(folder: Path) -> Path:
    """Return the file of a scan's outlines."""
    return folder / f"{subject_of(folder)}_outline.safetensors"


def write_scan_outlines(folder: Path, outlines: Mapping[str, Outline]) -> None:
    """Write the outlines of a scan's structures, whole; raises OSError, as for a full disk."""
    write_outlines(outline_path(folder), list(outlines.values()), list(map(OfStructure, outlines)))


def read_scan_outlines(folder: Path) -> dict[str, Outline]:
    """Return a scan's outlines by structure, none where it has no label; raises InputError for a damaged file."""
    path = outline_path(folder)
    return {about.structure: outline for about, outline in read_outlines(path, OfStructure)} if path.exists() else {}


def remove_scan_files(folder: Path) -> None:
    """Remove what a scan's folder holds beside the record: a scan that is set aside has nothing else."""
    for path in (*(volume_path(folder, kind) for kind in KINDS), surface_path(folder), outline_path(folder)):
        path.unlink(missing_ok=True)
