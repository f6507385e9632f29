"""What the page about a cohort is made of: its predictions with their scores, and its scans to be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from rprloc.methods.answer import Prediction
from rprloc.results.frame import Main, shown_predictions
from rprloc.results.report.planes import Picture
from rprloc.results.shown import CohortShown
from rprloc.scans.record import ScanRecord


@dataclass(frozen=True)
class Material:
    """One cohort's predictions, their metrics, and what TABULATE says of them."""

    predictions: Sequence[Prediction]
    metrics: pd.DataFrame
    """The cohort's rows of metrics.csv, those of the predictions in their order."""
    shown: CohortShown

    @classmethod
    def of(cls, predictions: Sequence[Prediction], metrics: pd.DataFrame, shown: CohortShown) -> Material:
        """Return one cohort's part of the predictions and metrics of all."""
        own = [one for one in predictions if one.cohort == shown.cohort]
        return cls(own, metrics[metrics["cohort"] == shown.cohort], shown)

    @property
    def main(self) -> pd.DataFrame:
        """The metrics rows of the method whose predictions are the ones to use, in its main setting."""
        rows = self.metrics
        return rows[(rows["method"] == self.shown.method) & (rows["setting"] == self.shown.setting)]

    @property
    def several(self) -> bool:
        """Whether more than one method was asked for."""
        return self.metrics["method"].nunique() > 1

    def to_use(self) -> dict[str, list[Prediction]]:
        """Return the predictions to use of each query that has any."""
        return shown_predictions(self.predictions, self.shown.cohort, Main(self.shown.method, self.shown.setting))


@dataclass(frozen=True)
class StoredScan:
    """A preprocessed scan: its folder and what is known of it."""

    folder: Path
    record: ScanRecord


@dataclass(frozen=True)
class Gallery:
    """One cohort's scans to draw from, by subject, and the folder of its pictures."""

    scans: Mapping[str, StoredScan]
    modality: str
    folder: Path

    def usable(self, subject: str) -> bool:
        """Tell whether there is a scan that came through preprocessing."""
        return subject in self.scans and self.scans[subject].record.usable

    def picture(self, subject: str, *, fine: bool = False) -> Picture:
        """Read a usable scan, its finer volume where asked and there; raises InputError where it cannot be read."""
        stored = self.scans[subject]
        return Picture.read(stored.folder, stored.record, self.modality, fine=fine)
