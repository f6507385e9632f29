"""The predictions of all cohorts as they are read: metrics.csv as a typed table, its groups, and predictions.jsonl."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import pandas as pd

from rprloc.catalogue import DEFAULT, PAPER, in_order
from rprloc.errors import InputError
from rprloc.files import whole_file
from rprloc.methods.answer import ALL_SUPPORTS, NO_SUPPORT, Prediction
from rprloc.results.words import label_of
from rprloc.scans.told import SCAN_COLUMNS

TEXTS = (*SCAN_COLUMNS, "structure", "method", "setting", "support", "reason")
"""The columns of all tables that are texts, also where they look like numbers."""
FLAGS = ("drawn", "failed", "main")
MEASURES = (
    "iou",
    "iou_reference",
    "awd_mm",
    "mre_mm",
    "spread_mm",
    "lost",
    "confidence",
    "within_90_mm",
    "covered",
    "dice",
    "surface_95_mm",
    "surface_dice_2mm",
    "seconds",
)
"""The columns of metrics.csv that are numbers: IoU, Dice and `covered` are fractions, the others as their names say."""

COLUMNS = (
    "cohort", "subject", "structure", "method", "setting", "support", "drawn", "n_supports",
    *MEASURES[:-1], "failed", "reason", "seconds", "main",
)  # fmt: skip
"""The columns of metrics.csv, in this order; `main` says whether the row's setting is the one to use of its method."""


TYPES = (
    {name: "str" for name in TEXTS if name in COLUMNS}
    | dict.fromkeys(FLAGS, "bool")
    | {"n_supports": "int64"}
    | dict.fromkeys(MEASURES, "float64")
)
"""The type of each column of metrics.csv."""

DIGITS = 6
"""The digits of numbers in the tables for programs."""


class Main(NamedTuple):
    """The method and setting whose predictions are the ones to use."""

    method: str
    setting: str


@dataclass(frozen=True)
class Group:
    """The rows of metrics.csv of one cohort's predictions by one method and setting."""

    cohort: str
    method: str
    setting: str
    label: str
    """The method in tables, with its setting where others stand beside it."""
    structures: tuple[str, ...]
    """Those of the whole cohort, in the order of the settings."""
    rows: pd.DataFrame

    @property
    def names(self) -> dict[str, str]:
        """What the lines of a table about the group begin with."""
        return {"cohort": self.cohort, "row": self.label, "method": self.method, "setting": self.setting}

    def modes(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield the rows by support mode, those that there are: `drawn`, `all` and `none`.

        The drawn support, all supports, each alone, and none for a method that needs no support.
        """
        given = self.rows["n_supports"] > 0
        single = self.rows["support"] != ALL_SUPPORTS
        for mode, chosen in (
            ("drawn", self.rows["drawn"] & given & single),
            ("all", given & single),
            ("none", self.rows["support"] == NO_SUPPORT),
        ):
            if chosen.any():
                yield mode, self.rows[chosen]


def groups_of(frame: pd.DataFrame, *, every: bool = False) -> Iterator[Group]:
    """Yield metrics rows by cohort and method: cohorts by name, methods in the order of the tables.

    Of each method it is the main setting, or every one where none is the main one or all are wanted.
    """
    chosen = frame if every else frame[_shown(frame)]
    groups = {
        (str(cohort), str(method), str(setting)): rows
        for (cohort, method, setting), rows in chosen.groupby(["cohort", "method", "setting"], sort=False)
    }
    settings = Counter((cohort, method) for cohort, method, _ in groups)
    structures = {str(cohort): tuple(structures_of(rows)) for cohort, rows in frame.groupby("cohort", sort=False)}
    rank = {name: i for i, name in enumerate(in_order(frame["method"]))}
    for cohort, method, setting in sorted(groups, key=lambda key: (key[0], rank[key[1]])):
        label = label_of(method) + (f", {setting}" if settings[cohort, method] > 1 else "")
        yield Group(cohort, method, setting, label, structures[cohort], groups[cohort, method, setting])


def _shown(frame: pd.DataFrame) -> pd.Series:
    """Tell of each row whether its setting is its method's main one, or one of a method of which none is."""
    return frame["main"] | ~frame.groupby(["cohort", "method"], sort=False)["main"].transform("any").astype(bool)


def main_of(frame: pd.DataFrame, cohort: str) -> Main:
    """Return the method and setting whose predictions are the ones to use of a cohort.

    They are the default method's or, where it was not asked for, those of the first in the order of the tables that
    was, in its main setting. A cohort without a row has the paper's method, and no setting.
    """
    own = frame[frame["cohort"] == cohort]
    asked = in_order(own["method"])
    method = DEFAULT if DEFAULT in asked else (asked or [PAPER])[0]
    rows = own[own["method"] == method]
    settings = (rows[rows["main"]] if rows["main"].any() else rows)["setting"]
    return Main(method, str(settings.iloc[-1]) if len(settings) else "")


def main_rows(frame: pd.DataFrame, cohort: str) -> pd.DataFrame:
    """Return the rows of a cohort's predictions to use, from each support and from all together."""
    main = main_of(frame, cohort)
    return frame[(frame["cohort"] == cohort) & (frame["method"] == main.method) & (frame["setting"] == main.setting)]


def median_query(main: pd.DataFrame, usable: Sequence[str]) -> str | None:
    """Return the query that lies in the middle of all by the mean IoU of its drawn predictions, None without any.

    `main` are one cohort's metrics rows of the main method, `usable` the queries that can be drawn. Of an even number
    it is the worse one of the two in the middle; without truth it is the first query.
    """
    drawn = main[main["drawn"] & main["subject"].isin(usable)]
    means = drawn.groupby("subject")["iou"].mean().dropna().sort_index().sort_values(kind="stable")
    if len(means):
        return str(means.index[(len(means) - 1) // 2])
    return next(iter(usable), None)


def alone(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the predictions that come from one support or none."""
    return frame[frame["support"] != ALL_SUPPORTS]


def together(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the predictions that come from all supports together."""
    return frame[frame["support"] == ALL_SUPPORTS]


def with_truth(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of which something is known to compare with."""
    return frame[frame["iou"].notna()]


def points_with_truth(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of single landmarks that were found and of which the true place is known: they have no IoU."""
    return frame[frame["iou"].isna() & frame["mre_mm"].notna()]


def structures_of(frame: pd.DataFrame) -> list[str]:
    """Return the structures of rows in the order of the settings, which is the order they come in."""
    return [str(name) for name in frame["structure"].unique()]


def shown_predictions(predictions: Iterable[Prediction], cohort: str, main: Main) -> dict[str, list[Prediction]]:
    """Return for each query of a cohort its predictions to use: of all supports together, else those of one support.

    `main` is the cohort's `main_of`. The one support is the drawn one, which itself, where it is a query as well, is
    predicted from another.
    """
    by_query: dict[str, list[Prediction]] = {}
    for one in predictions:
        if one.cohort == cohort and (one.method, one.setting) == main:
            by_query.setdefault(one.subject, []).append(one)
    return {
        query: [one for one in own if one.support == ALL_SUPPORTS] or one_support(own)
        for query, own in by_query.items()
    }


def one_support(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Return from a query's predictions by one method those from one support: the drawn one, else the first one."""
    support = next((one.support for one in predictions if one.drawn), predictions[0].support)
    return [one for one in predictions if one.support == support]


def read_metrics(*paths: Path) -> pd.DataFrame:
    """Read metrics.csv, or several of them one after the other, in the types of their columns."""
    return read_tables(*paths).astype(TYPES)


def read_tables(*paths: Path) -> pd.DataFrame:
    """Read the rows of CSV files of the same columns, one after the other; names and reasons stay texts."""
    types = dict.fromkeys(TEXTS, "str")
    parts = [pd.read_csv(path, dtype=types, keep_default_na=False, na_values=[""]) for path in paths]
    # Parts without rows have no types, which would spread.
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def write_frame(path: Path, frame: pd.DataFrame, *, digits: int | None = None) -> None:
    """Write a table as CSV, whole; numbers with all or with so many digits."""
    with whole_file(path) as temporary:
        frame.to_csv(temporary, index=False, float_format=None if digits is None else f"%.{digits}g")


def read_predictions(*paths: Path) -> list[Prediction]:
    """Read predictions.jsonl, or several of them one after the other; raises InputError where one is none."""
    found: list[Prediction] = []
    for path in paths:
        try:
            found += msgspec.json.Decoder(Prediction).decode_lines(path.read_bytes())
        except (OSError, msgspec.DecodeError) as error:
            raise InputError(f"{path.name}: expected predictions as LOCALIZE writes them, found: {error}.") from error
    return found
