"""What every way of finding shares: scans, settings, answers and the draw of the support."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.files import read_json
from rprloc.geometry import WALLS, FloatArray, Grid, box_of_points
from rprloc.scans.preprocess import subject_of
from rprloc.scans.surfaces import read_surfaces
from rprloc.scans.volume import read_model_volume
from rprloc.seeds import generator_of

TABLE_STARTS = (1, 5, 10, 15, 20)
"""The starts of table 1."""
POINTS = ("extreme", "diagonal")
OUTSIDE = "outside_field_of_view"
"""The reason of a structure that the query does not show, or less than half of it."""
_SHOWN = 0.5


@dataclass(frozen=True)
class Setting:
    """How a box is found: which points, from how many starts, by how many coarse and fine steps."""

    points: str
    starts: int
    coarse: int
    fine: int

    def __str__(self) -> str:
        """Return the setting's name, such as `extreme.k15.c1f1`."""
        return f"{self.points}.k{self.starts}.c{self.coarse}f{self.fine}"

    @classmethod
    def of(cls, name: str) -> Setting:
        """Return the setting of a name; raises ValueError for a name that is none."""
        match = re.fullmatch(r"(extreme|diagonal)\.k(\d+)\.c(\d+)f(\d+)", name)
        if not match:
            raise ValueError(f"{name!r} is no setting, expected one like extreme.k15.c1f1")
        return cls(match[1], int(match[2]), int(match[3]), int(match[4]))


def main_setting(starts: int) -> Setting:
    """Return the paper's method: extreme points, one coarse and one fine step (last row of table 2)."""
    return Setting("extreme", starts, 1, 1)


def table_settings(starts: int) -> list[Setting]:
    """Return the settings of tables 1 and 2 for a cohort whose main setting has `starts` starts, the main one last."""
    table1 = [Setting(points, k, 1, 0) for points in reversed(POINTS) for k in TABLE_STARTS]
    table2 = [Setting("extreme", starts, steps, 0) for steps in (1, 2, 3)]
    return list(dict.fromkeys([*table1, *table2, main_setting(starts)]))


@dataclass(frozen=True)
class MatchingVolume:
    """The volume of a scan that image matching compares, on a grid of its own over the same field."""

    values: NDArray[np.int16]
    """(z, y, x)."""
    grid: Grid


@dataclass(frozen=True)
class Scan:
    """A preprocessed scan with its landmarks."""

    cohort: str
    subject: str
    grid: Grid
    structures: dict[str, Any]
    """What the scan's JSON says of each labelled structure."""
    values: NDArray[np.int16]
    """(z, y, x)."""
    body: NDArray[np.bool_]
    """(z, y, x)."""
    folder: Path | None = None
    """Where the scan's other volumes are."""

    @classmethod
    def read(cls, folder: Path) -> Scan | None:
        """Read a preprocessed scan from its folder; None for one that was set aside."""
        subject = subject_of(folder)
        about = read_json(folder / f"{subject}.json")
        if about["status"] != "ok":
            return None
        return cls(
            cohort=about["cohort"],
            subject=subject,
            grid=Grid.from_json(about["model"]),
            structures=about["structures"],
            values=read_model_volume(folder / f"{subject}.nii.gz"),
            body=read_model_volume(folder / f"{subject}_body.nii.gz") > 0,
            folder=folder,
        )

    def extreme_points_mm(self, structure: str) -> FloatArray:
        """Return the extreme points (6, 3) of a labelled structure in the order of the walls."""
        found = self.structures[structure]["extreme_mm"]
        return np.array([found[wall] for wall in WALLS], dtype=np.float64)

    def field_mm(self) -> FloatArray:
        """Return the box (2, 3) in mm that the scan shows, from the first to the last voxel's outer edges."""
        last = np.array(self.grid.size[::-1])
        return self.grid.world(np.stack([np.zeros(3), last]) - 0.5)

    def matching(self) -> MatchingVolume:
        """Read the scan's finer volume for image matching; raises InputError where it was preprocessed without one."""
        folder = self.folder
        about = {} if folder is None else read_json(folder / f"{self.subject}.json")
        if folder is None or not about.get("matching"):
            raise InputError(f"{self.subject}: found no volume for image matching, expected one from PREPROCESS.")
        values = read_model_volume(folder / f"{self.subject}_matching.nii.gz")
        return MatchingVolume(values, Grid.from_json(about["matching"]))

    def surfaces_mm(self) -> dict[str, FloatArray]:
        """Return points (n, 3) of the surface of each labelled structure, its extreme points before all others."""
        path = None if self.folder is None else self.folder / f"{self.subject}_surface.safetensors"
        found = read_surfaces(path) if path is not None and path.exists() else {}
        return {
            name: np.asarray(found.get(name, self.extreme_points_mm(name)), dtype=np.float64)
            for name in self.structures
        }

    def label(self) -> NDArray[np.uint16] | None:
        """Read the scan's label (z, y, x) in model space; None where it has none."""
        path = None if self.folder is None else self.folder / f"{self.subject}_label.nii.gz"
        return read_model_volume(path).view(np.uint16) if path is not None and path.exists() else None


@dataclass(frozen=True)
class Prediction:
    """One answer: where a structure of a query lies, from one support by one method and setting."""

    cohort: str
    subject: str
    structure: str
    method: str
    setting: str
    support: str
    drawn: bool
    n_supports: int = 1
    points_mm: dict[str, list[float]] | None = None
    """Each wall's (or corner's) point in LPS mm."""
    box_mm: list[list[float]] | None = None
    half_voxel_mm: list[float] | None = None
    """Half a native voxel of the support, whose label's voxel edges the box inherits."""
    spread_mm: float | None = None
    """Root mean square distance of the starts' answers to their mean, averaged over the points."""
    confidence: float | None = None
    """10 mm / (10 mm + spread): orders answers, is no probability."""
    seconds: dict[str, float] = field(default_factory=dict)
    """The row's share of each stage's time."""
    failed: bool = False
    reason: str | None = None
    first: bool = False
    """Whether the query was the first of its task, whose time holds what a program does once."""
    device: str | None = None
    """What computed the answer."""

    def to_json(self) -> dict[str, Any]:
        """Return the row of predictions.jsonl."""
        return asdict(self)


def wanted_structures(asked: Sequence[str] | None, supports: Sequence[Scan]) -> list[str]:
    """Return the names of the structures to find: those asked for or, for None, all that the supports have."""
    return list(asked or sorted({name for scan in supports for name in scan.structures}))


def row_key(
    query: Scan, structure: str, *, method: str, setting: str, support: str, drawn: str | None
) -> dict[str, Any]:
    """Return the columns that name a row; `drawn` is the name of the drawn support."""
    return {
        "cohort": query.cohort,
        "subject": query.subject,
        "structure": structure,
        "method": method,
        "setting": setting,
        "support": support,
        "drawn": support == drawn,
    }


def absent_row(key: dict[str, Any]) -> Prediction:
    """Return the failed row of a structure that its support does not have."""
    return Prediction(**key, failed=True, reason=f"{key['structure']} is absent in the support {key['support']}")


def found_row(
    key: dict[str, Any], points_mm: FloatArray, half_voxel_mm: list[float], *, spread_mm: float | None = None
) -> Prediction:
    """Return the row of a structure from its six extreme points (6, 3) and, where it is known, their spread."""
    return Prediction(
        **key,
        points_mm=dict(zip(WALLS, points_mm.tolist(), strict=True)),
        box_mm=box_of_points(points_mm).tolist(),
        half_voxel_mm=half_voxel_mm,
        spread_mm=spread_mm,
        confidence=None if spread_mm is None else confidence_of(spread_mm),
    )


def placed_row(
    key: dict[str, Any], points_mm: FloatArray, half_voxel_mm: list[float], field_mm: FloatArray, *, spread_mm: float
) -> Prediction:
    """Return the row of a structure whose six extreme points (6, 3) may lie beyond the query's field (2, 3) in mm.

    What sticks out is cut off; where less than half of the box lies inside, the row fails with OUTSIDE.
    """
    if not np.isfinite(points_mm).all():
        return Prediction(**key, failed=True, reason="the answer is not a number")
    if not _shown(points_mm, field_mm):
        return Prediction(**key, failed=True, reason=OUTSIDE)
    return found_row(key, np.clip(points_mm, *field_mm), half_voxel_mm, spread_mm=spread_mm)


def _shown(points_mm: FloatArray, field_mm: FloatArray) -> bool:
    """Tell whether a field (2, 3) holds at least half of the box of extreme points (6, 3)."""
    box = box_of_points(points_mm)
    inside = np.minimum(box[1], field_mm[1]) - np.maximum(box[0], field_mm[0])
    # A hundredth of a millimetre: a flat box has parts as well.
    parts = np.maximum(inside + 0.01, 0) / (box[1] - box[0] + 0.01)
    return bool(np.prod(parts) >= _SHOWN)


def timed(rows: list[Prediction], seconds: Mapping[str, float]) -> list[Prediction]:
    """Return rows with their equal shares of the seconds of each stage beside what they have already."""
    share = {stage: round(whole / len(rows), 6) for stage, whole in seconds.items()} if rows else {}
    return [replace(row, seconds=share | row.seconds) for row in rows]


class Method(Protocol):
    """A way of finding structures of support scans in query scans."""

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Take the support scans, once."""

    def locate(self, query: Scan) -> list[Prediction]:
        """Return an answer for each structure, setting and support, other than the query itself."""


def draw_order(seed: int, cohort: str, names: Sequence[str]) -> list[str]:
    """Return a cohort's support candidates in the order of the draw: the first that can be used is the drawn one.

    The order depends on the seed, the cohort's name and the set of names only.
    """
    return [sorted(names)[i] for i in generator_of(seed, cohort, "supports").permutation(len(names))]


def confidence_of(spread_mm: float) -> float:
    """Return a number from 1 (all starts agree) towards 0; 10 mm of spread are one half."""
    return float(10.0 / (10.0 + spread_mm))


def spread_of(positions_mm: FloatArray) -> FloatArray:
    """Return the root mean square distance in mm (...) of positions (..., k, 3) to their mean."""
    moved = positions_mm - positions_mm.mean(axis=-2, keepdims=True)
    return np.asarray(np.sqrt((moved**2).sum(axis=-1).mean(axis=-1)))
