"""A small made-up cohort as the report is given it: scans, predictions, their metrics, and what is shown of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from rprloc.cohort.tasks import Cohort, Launch, Member, Report, SheetFile
from rprloc.files import write_json_lines
from rprloc.methods.answer import ALL_SUPPORTS, NO_SUPPORT, Key, Prediction
from rprloc.pictures.manifest import Pictured
from rprloc.results.frame import COLUMNS, write_frame
from rprloc.results.report.material import Gallery, Material, StoredScan
from rprloc.results.shown import CohortShown, CohortTable, Line, WeightsShown, write_shown
from rprloc.scans.record import ScanRecord, Structure
from rprloc.scans.target import scan_folder
from tests.scans.written import grid_of, record_of, structure_of, write_scan

WITHOUT_TRUTH = "No query of this cohort has a label."
STRUCTURES = ("mandible", "parotid")
LOW, HIGH = [-12.0, -10.0, -9.0], [12.0, 14.0, 15.0]
GRID = grid_of((10, 13, 12), (8.0, 8.0, 9.0), (-44.0, -48.0, -40.0))
SETTINGS = {"regression": "extreme.k4.c1f1", "retina_unet": "box"}
"""The settings of methods that are not called `extreme`."""
NUMBERS = {
    "iou": 0.5, "iou_low": 0.4, "iou_high": 0.6, "awd_mm": 4.0, "awd_low_mm": 3.0, "awd_high_mm": 5.0, "n": 2,
    "iou_sd_supports": None, "failures": 0, "answers": 4,
}  # fmt: skip


def predicted(key: Key, subject: str = "q0", *, cohort: str = "demo", **changes: Any) -> Prediction:
    """Return a prediction near the box of LOW and HIGH."""
    box = structure_of(LOW, HIGH)
    found: dict[str, Any] = {
        "box_mm": box.box_mm.tolist(), "drawn": key.support in ("s0", NO_SUPPORT), "spread_mm": 2.5, "lost": 0.1,
        "points_mm": dict(zip(("right", "left", "anterior", "posterior", "inferior", "superior"),
                              (box.extreme_mm + 1).tolist(), strict=True)),
    }  # fmt: skip
    return Prediction(cohort=cohort, subject=subject, **key._asdict(), **(found | changes))


def failed(prediction: Prediction, reason: str | None) -> Prediction:
    """Return a prediction as one that failed."""
    return msgspec.structs.replace(prediction, failed=True, reason=reason, box_mm=None, points_mm=None, spread_mm=None)


@dataclass
class Made:
    """A cohort whose parts a test may change before it looks at the report."""

    name: str
    members: list[Member]
    records: dict[str, ScanRecord]
    predictions: list[Prediction]
    method: str
    """The one whose predictions are the ones to use."""
    settings: dict[str, Any] = field(default_factory=lambda: {"modality": "ct", "starts": 4})

    @property
    def setting(self) -> str:
        """Its setting."""
        return SETTINGS.get(self.method, "extreme")

    def aside(self, subject: str, reason: str, file: str = "") -> None:
        """Set a scan aside, whose predictions fail."""
        self.records[subject] = aside_record(self.name, subject, reason, file or f"{subject}.nii.gz")
        self.predictions = [
            failed(one, f"scan set aside: {reason}") if one.subject == subject else one for one in self.predictions
        ]

    def without_truth(self, *subjects: str) -> None:
        """Take the labels of scans away."""
        for subject in subjects:
            self.records[subject] = record(self.name, subject, {})

    def metrics(self) -> pd.DataFrame:
        """Return the metrics of the predictions: IoU grow from 0.5 by 0.01 a row."""
        rows = [self._entry(number, one) for number, one in enumerate(self.predictions)]
        flags = dict.fromkeys(("drawn", "failed", "main"), "bool")
        numbers = dict.fromkeys(("iou", "awd_mm", "mre_mm", "spread_mm", "lost", "within_90_mm", "seconds"), "float64")
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype(flags | numbers)

    def _entry(self, number: int, one: Prediction) -> dict[str, Any]:
        known = one.structure in self.records[one.subject].structures or not self.records[one.subject].usable
        found = known and not one.failed
        return {
            **{name: getattr(one, name) for name in ("cohort", "subject", "structure", "n_supports")},
            "spread_mm": one.spread_mm, "lost": one.lost,
            **one.key._asdict(), "drawn": one.drawn, "failed": one.failed, "reason": one.reason, "main": True,
            "iou": (0.5 + 0.01 * number) * found if known else None, "awd_mm": 2.0 + number if found else None,
        }  # fmt: skip

    def shown(self) -> CohortShown:
        """Return what is shown of the cohort: one table that needs truth and one that does not."""
        known = bool(self.metrics()["iou"].notna().any())
        lines = (Line("Mc + Mf", "drawn", "s0", ("50.0, 4.00",)),)
        first = CohortTable(1, self.name, "Table 1", ("mean",), lines, ("A note.",))
        if not known:
            first = CohortTable(0, self.name, "", (), (), (WITHOUT_TRUTH,))
        return CohortShown(
            cohort=self.name,
            weights=(WeightsShown(self.method, "ours", "s0 in its field", self._queries),),
            method=self.method,
            setting=self.setting,
            numbers=dict.fromkeys(("drawn", "alone", "together"), NUMBERS) if known else {},
            tables=(
                first,
                CohortTable(3, self.name, "Seconds", ("search",), lines, ()),
            ),
            figure=self.figure(),
            risks={"each alone": [[0.2, 0.3]]} if known else {},
        )

    @property
    def _queries(self) -> int:
        return sum(member.query for member in self.members)

    def figure(self) -> tuple[str, ...]:
        """Return the scans of figure 4: the middle one of the queries that can be used, and the drawn support."""
        usable = [one.subject for one in self.members if one.query and self.records[one.subject].usable]
        several = self.metrics()["method"].nunique() > 1
        names = [*usable[(len(usable) - 1) // 2 :][:1], *(["s0"] if "s0" in self.records else [])]
        return tuple(scan_folder(self.name, one) for one in names) if usable and several else ()

    def pictured(self) -> dict[tuple[str, str], Pictured]:
        """Return what VIEW says that it made of the cohort's scans."""
        return {
            (self.name, name): Pictured(
                cohort=self.name,
                subject=name,
                viewer=f"viewer/{self.name}/{name}.html" if one.usable else "",
                pictures={organ: f"pictures/{self.name}/{name}/{n}.webp" for n, organ in enumerate(one.structures)},
                true_mm={organ: structure.box_mm.tolist() for organ, structure in one.structures.items()},
                support="s0" if name.startswith("q") else "",
                note="" if one.usable else "The scan was set aside.",
            )
            for name, one in self.records.items()
        }

    def scans(self) -> pd.DataFrame:
        """Return the cohort's lines of scans.csv."""
        lines = [
            (one.cohort, one.subject, one.file, one.status, one.reason or "; ".join(one.findings), "")
            for one in self.records.values()
        ]
        return pd.DataFrame(lines, columns=["cohort", "subject", "file", "status", "findings", "done"])

    def material(self) -> Material:
        """Return the cohort's material."""
        return Material.of(self.predictions, self.metrics(), self.shown())

    def gallery(self, folder: Path) -> Gallery:
        """Write the scans below `folder` and return the gallery."""
        stored = {
            name: StoredScan(write_scan(folder / "scans", record), record) for name, record in self.records.items()
        }
        return Gallery(stored, "ct", folder / "figures" / self.name)

    def cohort(self) -> Cohort:
        """Return what the plan says of the cohort."""
        return Cohort(name=self.name, modality="ct", members=tuple(self.members), settings=self.settings)


def aside_record(cohort: str, subject: str, reason: str, file: str) -> ScanRecord:
    """Return the record of a scan that was set aside."""
    return ScanRecord(cohort=cohort, subject=subject, file=file, reason=reason)


def record(cohort: str, subject: str, structures: dict[str, Structure]) -> ScanRecord:
    """Return the record of a usable scan."""
    return record_of(subject, GRID, structures, cohort=cohort)


def made(
    methods: Sequence[str] = ("affine",),
    *,
    queries: int = 2,
    supports: int = 2,
    structures: Sequence[str] = STRUCTURES,
    name: str = "demo",
) -> Made:
    """Return a cohort of queries q0, q1, ... and supports s0 (drawn), s1, ...; the first method is the one to use."""
    subjects = [f"q{i}" for i in range(queries)] + [f"s{i}" for i in range(supports)]
    truth = {organ: structure_of(LOW, HIGH) for organ in structures}
    members = [
        Member(subject=one, image=f"{one}.nii.gz", labelled=True, query=one[0] == "q", support=one[0] == "s")
        for one in subjects
    ]
    predictions = [
        predicted(Key(method, SETTINGS.get(method, "extreme"), support, organ), query, cohort=name, n_supports=n)
        for query in subjects[:queries]
        for method in methods
        for support, n in _given(method, supports)
        for organ in structures
    ]
    return Made(name, members, {one: record(name, one, dict(truth)) for one in subjects}, predictions, methods[0])


def _given(method: str, supports: int) -> list[tuple[str, int]]:
    """Return from what a method answers, and from how many supports."""
    if method == "retina_unet":
        return [(NO_SUPPORT, 0)]
    alone = [(f"s{i}", 1) for i in range(supports)]
    return [*alone, (ALL_SUPPORTS, supports)] if supports > 1 else alone


def write_results(folder: Path, *cohorts: Made) -> Path:
    """Write what TABULATE leaves for the report."""
    write_json_lines(folder / "predictions.jsonl", [one.to_json() for made in cohorts for one in made.predictions])
    write_frame(folder / "metrics.csv", pd.concat([made.metrics() for made in cohorts], ignore_index=True))
    write_frame(folder / "scans.csv", pd.concat([made.scans() for made in cohorts], ignore_index=True))
    write_shown(folder / "tables" / "shown.json", [made.shown() for made in cohorts])
    return folder


def report_of(*cohorts: Made, **parameters: Any) -> Report:
    """Return what the plan tells the report."""
    sheet = SheetFile(file="samples.csv", sha256="0" * 64)
    return Report(cohorts=tuple(made.cohort() for made in cohorts), parameters=parameters, sheet=sheet)


LAUNCH = Launch(
    command="nextflow run main.nf", profile="test", pipeline="1", nextflow="25", weights={"b": "2", "a": "1"}
)
