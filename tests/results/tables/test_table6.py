"""Table 6: outlines, for programs and for people."""

from __future__ import annotations

import msgspec
import pandas as pd
import pytest

from rprloc.methods.answer import OutlineFacts
from rprloc.results.measure.evaluate import evaluate
from rprloc.results.measure.expected import name_of
from rprloc.results.measure.outlines import KnownOutlines
from rprloc.results.tables.layout import CohortFacts
from rprloc.results.tables.table6 import COLUMNS, outline_tables, tidy_outlines
from tests.results import cohorts

DEMO = (CohortFacts("demo", True, "s0"),)


@pytest.fixture(scope="module")
def metrics() -> pd.DataFrame:
    """Four queries, three supports and four methods; of affine's outlines one has failed."""
    made = cohorts.many_methods(supports=3)
    place = next(i for i, one in enumerate(made.predictions) if one.method == "affine")
    made.predictions[place] = cohorts.lost(made.predictions[place], "the registration diverged")
    facts = OutlineFacts(voxels=9, volume_ml=1.5, dice=0.8, surface_95_mm=3.0, surface_dice_2mm=0.5)
    own = [one for one in made.predictions if one.method == "affine"]
    both = [*own, *(msgspec.structs.replace(one, support="*") for one in own)]
    true = {(one.subject, one.structure) for one in made.predictions}
    return evaluate(
        made.measure, made.scans, made.predictions, KnownOutlines({name_of(one): facts for one in both}, true)
    ).metrics


def test_a_line_for_each_structure_and_kind_of_support(metrics: pd.DataFrame) -> None:
    tidy = tidy_outlines(metrics)
    assert list(tidy.columns) == list(COLUMNS)
    assert set(tidy["method"]) == {"affine"} and tidy["supports"].unique().tolist() == [1, 2]
    alone = tidy[tidy["supports"] == 1].set_index("structure")
    # One of 32 answers failed, which is half an image of four.
    assert alone.loc["brainstem", ["n", "answers", "failures"]].tolist() == [4, 8, 1]
    assert alone.loc["brainstem", "dice"] == pytest.approx(0.8 * 7 / 8)
    assert alone.loc["brainstem", "surface_95_mm"] == 3.0
    assert alone.loc["mandible", "dice_low"] == alone.loc["mandible", "dice_high"] == pytest.approx(0.8)
    assert (tidy[tidy["supports"] == 2]["failures"] == 0).all()


def test_laid_out_for_people(metrics: pd.DataFrame) -> None:
    (table,) = outline_tables(tidy_outlines(metrics), DEMO)
    assert [(line.label.split()[0], line.support) for line in table.lines] == [
        ("affine", "1 of 2, each alone"), ("affine", "all 2"),
    ]  # fmt: skip
    cells = dict(zip(table.columns, table.lines[0].cells, strict=True))
    assert cells["brainstem"] == "70.0; 3.00; 43.8" and cells["failed"] == "1 of 32" and cells["n"] == "4"


def test_without_outlines_there_is_a_sentence(metrics: pd.DataFrame) -> None:
    nothing = metrics.assign(dice=float("nan"))
    (table,) = outline_tables(tidy_outlines(nothing), DEMO)
    assert table.lines == () and "No method that ran gives outlines" in table.notes[0]
