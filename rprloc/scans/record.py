"""What is known of a preprocessed scan: its own grid, its structures, its findings, in the JSON of its folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

import rprloc
from rprloc.errors import InputError
from rprloc.files import read_json, write_json
from rprloc.geometry import LANDMARKS, FloatArray, Grid
from rprloc.scans.frame import Frame
from rprloc.scans.target import scan_folder, subject_of

NO_HOUNSFIELD = "expected Hounsfield units"
"""What is said of a CT's values that are none."""


@dataclass(frozen=True, kw_only=True)
class Structure:
    """A structure of a scan's label or marks: where its walls and extreme points lie, LPS mm. It may be a point."""

    value: int
    """In the label; 0 where marks say it, and no voxels."""
    box_mm: FloatArray
    """(2, 3), on voxel edges; of a point twice the point."""
    extreme_mm: FloatArray
    """(6, 3), in the order of WALLS; of a point (1, 3)."""
    half_voxel_mm: tuple[float, float, float]
    """Half a native voxel along x, y, z; 0 of a point."""
    voxels: int
    open_walls: tuple[str, ...] = ()
    """Those at which it touches the border of the scan's field, and may go on beyond, in the order of WALLS."""

    @property
    def is_drawn(self) -> bool:
        """Whether voxels of a label show it."""
        return self.value > 0

    @property
    def is_point(self) -> bool:
        """Whether it is a single landmark, without extent."""
        return len(self.extreme_mm) == 1

    @property
    def points_mm(self) -> dict[str, list[float]]:
        """Its extreme points by their names."""
        return dict(zip(LANDMARKS[len(self.extreme_mm)], self.extreme_mm.tolist(), strict=True))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Structure:
        """Read what `to_json` returns."""
        x, y, z = (float(mm) for mm in values["half_voxel_mm"])
        extreme = values["extreme_mm"]
        return cls(
            value=int(values["value"]),
            box_mm=np.array(values["box_mm"], dtype=np.float64),
            extreme_mm=np.array([extreme[name] for name in LANDMARKS[len(extreme)]], dtype=np.float64),
            half_voxel_mm=(x, y, z),
            voxels=int(values["voxels"]),
            open_walls=tuple(values.get("open_walls", ())),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "value": self.value,
            "box_mm": self.box_mm.tolist(),
            "half_voxel_mm": list(self.half_voxel_mm),
            "extreme_mm": self.points_mm,
            "voxels": self.voxels,
            "open_walls": list(self.open_walls),
        }


@dataclass(frozen=True, kw_only=True)
class Native:
    """The grid of a scan's file: x, y, z and mm, with the direction cosines of its axes."""

    size: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    direction: tuple[float, ...]
    """Nine numbers, row by row: columns are the world directions of i, j, k."""
    origin_mm: tuple[float, ...]

    @classmethod
    def of(cls, image: sitk.Image) -> Native:
        """Return the grid of an image."""
        return cls(
            size=image.GetSize(),
            spacing_mm=image.GetSpacing(),
            direction=image.GetDirection(),
            origin_mm=image.GetOrigin(),
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Native:
        """Read what `to_json` returns."""
        return cls(**{name: tuple(values[name]) for name in ("size", "spacing_mm", "direction", "origin_mm")})

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "size": list(self.size),
            "spacing_mm": list(self.spacing_mm),
            "direction": list(self.direction),
            "origin_mm": list(self.origin_mm),
        }

    @property
    def axes(self) -> FloatArray:
        """The direction cosines (3, 3)."""
        return np.reshape(self.direction, (3, 3)).astype(np.float64)

    @property
    def frame(self) -> Frame:
        """Where the voxels lie."""
        return Frame(self.axes * np.asarray(self.spacing_mm), np.asarray(self.origin_mm))

    @property
    def field_mm(self) -> FloatArray:
        """The box (2, 3) along the LPS axes around all voxels."""
        return self.frame.field_mm(self.size)

    def image(self, values: NDArray[Any]) -> sitk.Image:
        """Return an array (z, y, x) on these voxels as an image."""
        image = sitk.GetImageFromArray(values)
        image.SetSpacing(self.spacing_mm)
        image.SetOrigin(self.origin_mm)
        image.SetDirection(self.direction)
        return image


@dataclass(frozen=True, kw_only=True)
class ScanRecord:
    """What is known of a preprocessed scan without opening a volume; `reason` says why one was set aside."""

    cohort: str
    subject: str
    file: str
    """The scan's file as the user knows it."""
    reason: str | None = None
    native: Native | None = None
    model: Grid | None = None
    """The grid of model space; None where the scan was set aside, as everything below."""
    matching: Grid | None = None
    """The finer grid of image matching, where a method asks for it."""
    source_sha256: str | None = None
    values_sha256: str | None = None
    """Of the voxels as they were read: the same for every file that holds them."""
    label_sha256: str | None = None
    """Of the files of its annotation, one after the other."""
    label: bool = False
    """Whether it has a label's volume; marks make none."""
    structures: Mapping[str, Structure] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    """What was guessed, repaired or doubted, each in a sentence without a full stop."""
    oriented: bool = True
    """Whether the file says how the patient lies."""
    version: str = rprloc.__version__

    @property
    def usable(self) -> bool:
        """Whether the scan came through preprocessing."""
        return self.reason is None

    @property
    def field_mm(self) -> FloatArray | None:
        """The box (2, 3) along the LPS axes around all that its file shows, where that is known."""
        return None if self.native is None else self.native.field_mm

    @property
    def hounsfield(self) -> bool:
        """Whether nothing was found that makes a CT's values no Hounsfield units."""
        return not any(NO_HOUNSFIELD in finding for finding in self.findings)

    @property
    def status(self) -> str:
        """PASS where nothing odd was found, WARN where something was, FAIL where the scan was set aside."""
        if not self.usable:
            return "FAIL"
        return "WARN" if self.findings else "PASS"

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ScanRecord:
        """Read what `to_json` returns."""
        return cls(
            cohort=values["cohort"],
            subject=values["subject"],
            file=values["file"],
            reason=values["reason"],
            native=Native.from_json(values["native"]) if values.get("native") else None,
            model=Grid.from_json(values["model"]) if values.get("model") else None,
            matching=Grid.from_json(values["matching"]) if values.get("matching") else None,
            source_sha256=values.get("source_sha256"),
            values_sha256=values.get("values_sha256"),
            label_sha256=values.get("label_sha256"),
            label=bool(values.get("label")),
            structures={name: Structure.from_json(one) for name, one in values.get("structures", {}).items()},
            findings=tuple(values.get("findings", ())),
            oriented=bool(values.get("oriented", True)),
            version=values["version"],
        )

    def to_json(self) -> dict[str, Any]:
        """Return the content of the scan's JSON."""
        about = {
            "cohort": self.cohort,
            "subject": self.subject,
            "version": self.version,
            "status": "ok" if self.usable else "set_aside",
            "reason": self.reason,
            "file": self.file,
            "findings": list(self.findings),
            "oriented": self.oriented,
        }
        if not self.usable or self.model is None:
            return about
        return about | {
            "native": self.native.to_json() if self.native else None,
            "model": self.model.to_json(),
            "matching": self.matching.to_json() if self.matching else None,
            "body_box_mm": self.model.box_mm.tolist(),
            "source_sha256": self.source_sha256,
            "values_sha256": self.values_sha256,
            "label_sha256": self.label_sha256,
            "label": self.label,
            "structures": {name: structure.to_json() for name, structure in self.structures.items()},
        }

    @classmethod
    def read(cls, folder: Path) -> ScanRecord:
        """Read the record in a scan's folder; raises InputError where there is none or it is damaged."""
        path = folder / f"{subject_of(folder)}.json"
        content = read_json(path)
        try:
            return cls.from_json(content)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path.name}: expected the record of a preprocessed scan, found {error!r}.") from error

    def write(self, parent: Path) -> Path:
        """Write the record into the scan's folder in `parent`, and return that folder."""
        folder = parent / scan_folder(self.cohort, self.subject)
        write_json(folder / f"{self.subject}.json", self.to_json())
        return folder


def records_of(folders: Iterable[Path]) -> dict[str, ScanRecord]:
    """Return the records of one cohort's scans by subject."""
    return {record.subject: record for record in (ScanRecord.read(folder) for folder in folders)}
