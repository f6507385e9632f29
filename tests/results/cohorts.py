"""Small made-up cohorts for the tests of the results: what is asked, preprocessed scans and predictions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from rprloc.catalogue import method_named, settings_of
from rprloc.cohort.tasks import Asked, Measure, Member
from rprloc.geometry import CORNERS, WALLS, Grid
from rprloc.methods.answer import NO_SUPPORT, Prediction
from rprloc.results.measure.evaluate import Evaluated, evaluate
from rprloc.scans.record import ScanRecord, Structure

ORGANS = ("brainstem", "mandible", "parotid_left", "parotid_right")
HALF = (1.0, 1.0, 1.5)
MAIN = "extreme.k15.c1f1"
CUBE = ((0, 0, 0), (10, 10, 10))

OTHERS = (
    Asked(name="grey_ncc", settings=("extreme.s1",)),
    Asked(name="affine", settings=("extreme",), supports=2),
    Asked(name="retina_unet", settings=("box",), supports=0),
)
"""Methods beside the paper's: from all supports, from the first two of the draw, from none."""

replace = msgspec.structs.replace


@dataclass
class Cohort:
    """A cohort that tests change as they like."""

    measure: Measure
    scans: dict[str, ScanRecord]
    predictions: list[Prediction]

    def evaluate(self) -> Evaluated:
        """Return the complete predictions, their metrics and the scans set aside."""
        return evaluate(self.measure, self.scans, self.predictions)

    def ask(self, *methods: Asked) -> None:
        """Ask these methods."""
        self.measure = replace(self.measure, methods=methods)

    def use(self, **uses: dict[str, Any]) -> None:
        """Change what subjects are used for."""
        members = tuple(replace(one, **uses.get(one.subject, {})) for one in self.measure.members)
        self.measure = replace(self.measure, members=members)

    def keep(self, condition: Any) -> None:
        """Keep the predictions for which a condition holds."""
        self.predictions = [one for one in self.predictions if condition(one)]

    def set_aside(self, subject: str, reason: str, file: str = "broken.nii.gz") -> None:
        """Set a scan aside."""
        self.scans[subject] = aside(self.measure.cohort, subject, reason, file)

    def show(self, subject: str, structures: dict[str, Structure]) -> None:
        """Change what a scan's label shows."""
        self.scans[subject] = scan(self.measure.cohort, subject, structures)

    def hide(self, subject: str, *structures: str) -> None:
        """Take structures out of a scan's label."""
        left = {name: one for name, one in self.scans[subject].structures.items() if name not in structures}
        self.show(subject, left)


def structure(low: Any, high: Any) -> Structure:
    """Return a label's entry for a box whose extreme points lie in the middle of its walls."""
    box = np.array([low, high], dtype=float)
    points = np.tile(box.mean(axis=0), (len(WALLS), 1))
    for i in range(len(WALLS)):
        points[i, i // 2] = box[i % 2, i // 2]
    return Structure(value=1, box_mm=box, extreme_mm=points, half_voxel_mm=HALF, voxels=100)


def scan(cohort: str, subject: str, structures: dict[str, Structure]) -> ScanRecord:
    """Return the record of a preprocessed scan of 40 x 50 x 30 voxels (x, y, z)."""
    model = Grid((40, 50, 30), (2.0, 2.0, 3.0), (-40.0, -50.0, -45.0))
    return ScanRecord(
        cohort=cohort, subject=subject, file=f"{subject}.nii.gz", model=model, label=bool(structures),
        structures=structures,
    )  # fmt: skip


def aside(cohort: str, subject: str, reason: str, file: str = "broken.nii.gz") -> ScanRecord:
    """Return the record of a scan that was set aside."""
    return ScanRecord(cohort=cohort, subject=subject, file=file, reason=reason)


def member(subject: str, role: str, *, labelled: bool = True) -> Member:
    """Return a scan of the sheet with one role: train, validation (support) or test (query)."""
    return Member(
        subject=subject, image=f"images/{subject}.nii.gz", labelled=labelled, train=role == "train",
        validation=role == "validation", support=role == "validation", query=role == "test",
    )  # fmt: skip


def prediction(subject: str, organ: str, support: str, box: Any, **more: Any) -> Prediction:
    """Return a prediction with the given box by the paper's method, or as `more` says; s0 is drawn."""
    entry = structure(*box)
    corners = more.get("setting", MAIN).startswith(("diagonal", "box"))
    points = zip(CORNERS, entry.box_mm, strict=True) if corners else zip(WALLS, entry.extreme_mm, strict=True)
    given: dict[str, Any] = {
        "cohort": "demo", "method": "regression", "setting": MAIN, "drawn": support in ("s0", NO_SUPPORT),
        "n_supports": int(support != NO_SUPPORT), "half_voxel_mm": list(HALF), "spread_mm": 2.5,
        "lost": 0.1, "confidence": 0.9,
        "seconds": {"read": 0.25, "coarse": 0.5}, "device": "cpu",
        "points_mm": {name: point.tolist() for name, point in points}, "box_mm": entry.box_mm.tolist(),
    }  # fmt: skip
    return Prediction(subject=subject, structure=organ, support=support, **(given | more))


def lost(one: Prediction, reason: str = "lost", **more: Any) -> Prediction:
    """Return a prediction as one that failed."""
    nothing = {"points_mm": None, "box_mm": None, "half_voxel_mm": None, "spread_mm": None, "confidence": None}
    return replace(one, failed=True, reason=reason, **nothing, **more)


def paper(starts: int = 15, *, tables: bool = True) -> Asked:
    """Return what is asked of the paper's method."""
    settings = settings_of(method_named("regression"), {"starts": starts}, tables=tables)
    return Asked(name="regression", settings=tuple(settings))


def cohort(name: str = "demo", *, queries: int = 4, supports: int = 2, starts: int = 15, tables: bool = True) -> Cohort:
    """Return a cohort of the paper's method alone: random boxes round the truth, the supports drawn in their order."""
    rng = np.random.default_rng(len(name))
    names = {"test": [f"q{i}" for i in range(queries)], "validation": [f"s{i}" for i in range(supports)]}
    members = [member("t0", "train", labelled=False), *(member(n, role) for role in names for n in names[role])]
    scans = {"t0": scan(name, "t0", {})}
    for subject in names["test"] + names["validation"]:
        entries = {}
        for i, organ in enumerate(ORGANS):
            low = np.array([-30.0 + 10 * i, -20, -20]) + rng.uniform(-3, 3, 3)
            entries[organ] = structure(low, low + rng.uniform(10, 30, 3))
        scans[subject] = scan(name, subject, entries)
    asked = paper(starts, tables=tables)
    predictions = [
        prediction(query, organ, support, np.sort(box + rng.normal(0, 4, (2, 3)), axis=0), cohort=name, setting=setting)
        for query in names["test"]
        for organ in ORGANS
        for setting in asked.settings
        for support in names["validation"]
        for box in [scans[query].structures[organ].box_mm]
    ]
    order = tuple(names["validation"])
    measure = Measure(
        id=name, cohort=name, members=tuple(members), methods=(asked,), structures=ORGANS, order=order, tables=tables
    )
    return Cohort(measure, scans, predictions)


def renamed(made: Cohort, names: dict[str, str]) -> Cohort:
    """Return a cohort whose subjects and structures, those in `names`, are called otherwise."""

    def new(name: str) -> str:
        return names.get(name, name)

    members = tuple(replace(one, subject=new(one.subject)) for one in made.measure.members)
    order = tuple(map(new, made.measure.order))
    structures = None if made.measure.structures is None else tuple(map(new, made.measure.structures))
    scans = {
        new(subject): scan(one.cohort, new(subject), {new(name): what for name, what in one.structures.items()})
        for subject, one in made.scans.items()
    }
    predictions = [
        replace(one, subject=new(one.subject), structure=new(one.structure), support=new(one.support))
        for one in made.predictions
    ]
    return Cohort(replace(made.measure, members=members, order=order, structures=structures), scans, predictions)


ODD_NAMES = {
    "q0": "001", "q1": "NA", "q2": "null", "q3": "1e5", "s0": "007", "s1": "nan", "brainstem": "None", "mandible": "12",
}  # fmt: skip
"""Names that programs take for numbers or for nothing."""


def many_methods(name: str = "demo", **changes: Any) -> Cohort:
    """Return a cohort with predictions of the paper's method in its main setting and of OTHERS.

    Each prediction of a method other than the paper's is the true box moved by 3 (grey_ncc), 2 (affine) or 1 mm
    (retina_unet) along x, and took 0.5 s.
    """
    made = cohort(name, tables=False, **changes)
    made.ask(*made.measure.methods, *OTHERS)
    seconds = {"read": 0.1, "prepare": 0.05, "transform": 0.25, "search": 0.1}
    for asked, shift in zip(OTHERS, (3.0, 2.0, 1.0), strict=True):
        for member in made.measure.members:
            for organ in ORGANS if member.query else ():
                box = made.scans[member.subject].structures[organ].box_mm + np.array([shift, 0, 0])
                made.predictions += [
                    prediction(
                        member.subject, organ, support, box, cohort=name, method=asked.name, setting=asked.settings[0],
                        spread_mm=None, seconds=seconds, half_voxel_mm=None if support == NO_SUPPORT else list(HALF),
                    )
                    for support in (made.measure.order[: asked.supports] if asked.supports != 0 else (NO_SUPPORT,))
                ]  # fmt: skip
    return made


def of_shifts(shifts: dict[str, dict[str, float | None]], **more: Any) -> Cohort:
    """Return a cohort of one structure, a cube of 10 mm, from each query's found shifts along x by support.

    None is a failed prediction. `more` changes every prediction. Supports that are keys are queries too.
    """
    supports = sorted({name for found in shifts.values() for name in found})
    names = list(dict.fromkeys((*shifts, *supports)))
    members = tuple(
        Member(subject=name, image=name, labelled=True, query=name in shifts, support=name in supports)
        for name in names
    )
    predictions = []
    for query, found in shifts.items():
        for support, shift in found.items():
            one = prediction(query, "heart", support, np.add(CUBE, (shift or 0, 0, 0)), **more)
            predictions.append(one if shift is not None else lost(one))
    measure = Measure(
        id="demo", cohort="demo", members=members, methods=(paper(tables=False),), structures=("heart",),
        order=tuple(supports),
    )  # fmt: skip
    return Cohort(measure, {name: scan("demo", name, {"heart": structure(*CUBE)}) for name in names}, predictions)


def metrics_rows(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Return lines of metrics.csv with what is not given as it is for most predictions."""
    common = {
        "cohort": "demo", "subject": "q0", "structure": "heart", "support": "s0", "n_supports": 1, "failed": False,
        "main": True, "drawn": True, "spread_mm": np.nan, "iou": np.nan,
    }  # fmt: skip
    return pd.DataFrame([common | row for row in rows])
