"""What a way of finding is asked and returns, and the prediction that is made of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from rprloc.errors import InputError
from rprloc.geometry import LANDMARKS, POINT, WALLS, FloatArray, box_of_points
from rprloc.methods.clock import Clock
from rprloc.scans.scan import Scan

NO_SUPPORT = "-"
"""What stands for the support in the predictions of a method that has none; no subject is called so."""
ALL_SUPPORTS = "*"
"""What stands for the support in the predictions of all supports together; no subject is called so."""
OUTSIDE = "outside_field_of_view"
"""The reason of a structure that the query does not show, or less than half of it."""
_SHOWN = 0.5
UNSURE = 0.5
"""Most confidence in an answer of a scan of which it is not known how the patient lies."""
DOUBTFUL = 0.2
"""An answer that is lost with this probability or a larger one is doubtful: no distance is promised of it, and a query
half of whose answers are so may lie otherwise than it says.
"""
LOST = "lost"
"""The reason of an answer that is more likely wrong than 99 in 100 good ones."""


class Key(NamedTuple):
    """What a prediction of a query is about."""

    method: str
    setting: str
    support: str
    structure: str


class Carry(Protocol):
    """How a support's space became a query's."""

    def sources(self, points_mm: FloatArray) -> FloatArray:
        """Return the places (n, 3) of the support that came to points (n, 3) of the query."""


class Beyond(Protocol):
    """How far a structure's surface lies beyond where it was carried."""

    def added(self, distances: NDArray[np.float32], places_mm: FloatArray) -> NDArray[np.float32]:
        """Return the signed distances (m,) from the surface of places (m, 3) of the support with what they lie off."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where a structure lies, LPS mm."""

    points_mm: FloatArray
    """(6, 3) extreme points in the order of WALLS, (2, 3) diagonal corners, or (1, 3) a single landmark."""
    half_voxel_mm: Sequence[float] | None
    """Half a native voxel of the label whose voxel edges the box inherits."""
    spread_mm: float | None = None
    """Root mean square distance of several answers to their mean, averaged over the points."""
    confidence: float | None = None
    """A network's own score, for an answer that cannot be judged otherwise."""
    carry: Carry | None = field(default=None, repr=False, compare=False)
    """What brings the support's mask into the query as well, where the method has it."""
    beyond: Beyond | None = field(default=None, repr=False, compare=False)
    """What moves its surface there."""


Answers = dict[Key, Found | str]
"""For each key what was found, or why nothing was."""


class Finder(Protocol):
    """The methods of one family at work: supports are taken once, then queries one by one."""

    def prepare(self, supports: Sequence[Scan]) -> None:
        """Take the support scans, once, the drawn one first."""

    def locate(self, query: Scan, clock: Clock) -> Answers:
        """Return the answers for a query from each support but the query itself, for each structure that the support
        has, in each setting of each method; from the support NO_SUPPORT for methods that have learned before. `clock`
        counts what takes time.
        """


class _HasSubject(Protocol):
    @property
    def subject(self) -> str: ...


S = TypeVar("S", bound=_HasSubject)


def present(support: Scan, structures: Sequence[str] | None) -> list[str]:
    """Return the names of a support's structures, in alphabetical order, or of those of `structures` that it has."""
    return [
        name
        for name in (sorted(support.structures) if structures is None else structures)
        if name in support.structures
    ]


def others(supports: Sequence[S], query: Scan) -> list[S]:
    """Return the supports of a query, which is never searched from itself."""
    return [support for support in supports if support.subject != query.subject]


def placed(points_mm: FloatArray, half_voxel_mm: Sequence[float], query: Scan, *, spread_mm: float) -> Found | str:
    """Return what six extreme points (6, 3), or a point (1, 3), say of a structure; they may lie beyond the field.

    What sticks out is cut off; where less than half of the box, or no point, lies inside, the reason is OUTSIDE.
    """
    if not np.isfinite(points_mm).all():
        return "the answer is not a number"
    field_mm = query.grid.box_mm
    if not _shown(points_mm, field_mm):
        return OUTSIDE
    return Found(points_mm=np.clip(points_mm, *field_mm), half_voxel_mm=half_voxel_mm, spread_mm=spread_mm)


def _shown(points_mm: FloatArray, field_mm: FloatArray) -> bool:
    """Tell whether a field (2, 3) holds at least half of the box of extreme points (6, 3)."""
    box = box_of_points(points_mm)
    inside = np.minimum(box[1], field_mm[1]) - np.maximum(box[0], field_mm[0])
    # A hundredth of a millimetre: a flat box has parts as well.
    parts = np.maximum(inside + 0.01, 0) / (box[1] - box[0] + 0.01)
    return bool(np.prod(parts) >= _SHOWN)


def say(lost: float | None) -> float:
    """Return the weight of an answer in what several say together, by the probability that it is lost; one that was not
    judged counts wholly.
    """
    return 1 - (lost or 0.0)


def spread_of(positions_mm: FloatArray) -> FloatArray:
    """Return the root mean square distance in mm (...) of positions (..., k, 3) to their mean."""
    moved = positions_mm - positions_mm.mean(axis=-2, keepdims=True)
    return np.asarray(np.sqrt((moved**2).sum(axis=-1).mean(axis=-1)))


class OutlineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an outline; how like it is to the true one where that is known."""

    voxels: int
    """Of the query's own grid."""
    volume_ml: float
    dice: float | None = None
    surface_95_mm: float | None = None
    surface_dice_2mm: float | None = None


class OfAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the outline of an answer: whose it is, in the words of a prediction, and what it is like."""

    cohort: str
    subject: str
    method: str
    setting: str
    support: str
    structure: str
    facts: OutlineFacts

    @property
    def key(self) -> Key:
        """What the answer is about, beside its query."""
        return Key(self.method, self.setting, self.support, self.structure)


class Chosen(msgspec.Struct, frozen=True):
    """Which weights were taken where nobody said which."""

    weights: str
    """As `--weights` takes them."""
    why: str
    """Without a full stop."""
    again: bool = False
    """Whether the query was searched a second time, without weights."""

    @property
    def finding(self) -> str | None:
        """What is to be said of the query, None where nothing is."""
        return f"{self.why}: searched without" if self.again else None


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """Where a structure of a query lies, from one support (or all, or none) by one method and setting: one row."""

    cohort: str
    subject: str
    structure: str
    method: str
    setting: str
    support: str
    drawn: bool
    n_supports: int = 1
    point: bool = False
    """Whether the structure is a single landmark: it has a place and no box."""
    points_mm: dict[str, list[float]] | None = None
    """Each wall's (or corner's) point, or the `point`, in LPS mm."""
    box_mm: list[list[float]] | None = None
    open_walls: tuple[str, ...] = ()
    """Walls that may lie further out: where the support's structure, or the box itself, touches its scan's border."""
    half_voxel_mm: list[float] | None = None
    spread_mm: float | None = None
    lost: float | None = None
    """The probability that the walls are more than 20 mm off in the mean, by how the query looks there; None where
    there was no support to judge it by."""
    confidence: float | None = None
    """1 - lost, at most one half where it is not known how the patient lies; a network's score where nothing else is
    known."""
    turned: str | None = None
    """What its header says wrong of how the query lies, and what was done."""
    stretched: str | None = None
    """How much longer along an axis the query is than the supports, where its spacing is doubted for it."""
    chosen: Chosen | None = None
    """With what weights it was found, where the program chose them."""
    seconds: dict[str, float] = {}
    """The row's share of the time of each part of the work."""
    failed: bool = False
    reason: str | None = None
    first: bool = False
    """Whether the query was the first of its task, whose time holds what a program does once."""
    device: str | None = None
    """What computed it."""
    within_90_mm: dict[str, float] | None = None
    """By wall, or of the `point`, the mm within which the true one lies nine times in ten; EVALUATE says it."""
    calibrated_on: int = 0
    """How many images that rests on."""
    outline: OutlineFacts | None = None
    """Of its outline, where it has one; EVALUATE says it."""

    @property
    def key(self) -> Key:
        """What it is about, beside its query."""
        return Key(self.method, self.setting, self.support, self.structure)

    @property
    def doubt_of_header(self) -> str | None:
        """What is to be said of the query's header, where how it lies or how long it is speaks against that."""
        return self.turned or self.stretched

    def to_json(self) -> dict[str, Any]:
        """Return the row of predictions.jsonl."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Prediction:
        """Read a row of predictions.jsonl; raises InputError where it is none."""
        try:
            return msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            raise InputError(f"predictions: expected rows as LOCALIZE writes them, found: {error}.") from error


def prediction_of(query: Scan, key: Key, answer: Found | str, *, drawn: str | None) -> Prediction:
    """Return the row of an answer; `drawn` is the drawn support, and what needs no support counts as drawn."""
    row = Prediction(
        cohort=query.cohort,
        subject=query.subject,
        structure=key.structure,
        method=key.method,
        setting=key.setting,
        support=key.support,
        drawn=key.support in (drawn, NO_SUPPORT),
        n_supports=int(key.support != NO_SUPPORT),
    )
    if isinstance(answer, str):
        return msgspec.structs.replace(row, failed=True, reason=answer)
    names = LANDMARKS[len(answer.points_mm)]
    found = msgspec.structs.replace(
        row,
        point=names == POINT,
        points_mm=dict(zip(names, answer.points_mm.tolist(), strict=True)),
        spread_mm=answer.spread_mm,
        confidence=answer.confidence,
    )
    if found.point:
        return found
    return msgspec.structs.replace(
        found,
        box_mm=box_of_points(answer.points_mm).tolist(),
        half_voxel_mm=None if answer.half_voxel_mm is None else list(answer.half_voxel_mm),
    )


def judged_prediction(row: Prediction, lost: float | None, *, at: float, sure: bool) -> Prediction:
    """Return the row of an answer that was found with how likely it is lost: failed from the probability `at` on.

    `sure` says whether it is known how the patient lies.
    """
    if lost is not None and lost >= at:
        nothing = msgspec.structs.replace(row, points_mm=None, box_mm=None, half_voxel_mm=None, spread_mm=None)
        return msgspec.structs.replace(nothing, failed=True, reason=LOST, lost=lost, confidence=None)
    confidence = row.confidence if lost is None else 1 - lost
    if confidence is not None and not sure:
        confidence = min(confidence, UNSURE)
    return msgspec.structs.replace(row, lost=lost, confidence=confidence)


def with_open_walls(row: Prediction, query: Scan, of_support: Sequence[str]) -> Prediction:
    """Return a row with its open walls: those of the support's structure, and of the box at the query's border."""
    if row.box_mm is None:
        return row
    field, box = query.record.field_mm, np.array(row.box_mm)
    at = (
        np.zeros((2, 3), dtype=bool)
        if field is None
        else np.abs(box - field) <= np.array(row.half_voxel_mm or 0) + 0.01
    )
    own = [wall for number, wall in enumerate(WALLS) if at[number % 2, number // 2] or wall in of_support]
    return msgspec.structs.replace(row, open_walls=tuple(own))


class Setting(NamedTuple):
    """How regression finds a box: which points, from how many starts, by how many coarse and fine steps."""

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
