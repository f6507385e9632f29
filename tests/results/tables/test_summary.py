"""The small tables for the terminal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rprloc.results.frame import alone
from rprloc.results.tables.summary import summary
from rprloc.results.tables.table3 import tidy_table3
from tests.results import cohorts


def text_of(metrics: pd.DataFrame) -> str:
    """Return the summary of metrics."""
    return summary(tidy_table3(metrics), metrics, ["demo"])


@pytest.fixture(scope="module")
def measured() -> pd.DataFrame:
    """Metrics of two queries, three supports and four methods."""
    return cohorts.many_methods(queries=2, supports=3).evaluate().metrics


def test_each_structure_by_the_main_method(measured: pd.DataFrame) -> None:
    own = measured[measured["method"] == "regression"]
    text = text_of(own)
    assert len([line for line in text.splitlines() if line.startswith("| demo")]) == 5
    assert "55.1, 6.12" in text and "affine" not in text
    every = own[own["support"] == "*"]
    assert f"demo, regression (the paper's): all 3 supports together {100 * every['iou'].mean():.1f}, " in text
    assert "; 0 of 8 failed" in text
    assert "together" not in text_of(alone(own))
    # A mean over the main setting without any drawn prediction still has a line.
    assert "–" in text_of(own[~own["drawn"]])


def test_every_method_of_several(measured: pd.DataFrame) -> None:
    text = text_of(measured)
    assert len([line for line in text.splitlines() if line.startswith("| demo")]) == 5 + 4
    assert "38.5, 14.01" in text and "retina_unet" in text
    affine = text_of(measured[measured["method"] == "affine"])
    assert "affine" in affine and "coarse" not in affine and "0.67" in affine


def test_without_truth_it_is_a_sentence(measured: pd.DataFrame) -> None:
    blank = measured.assign(iou=np.nan, iou_reference=np.nan, awd_mm=np.nan, mre_mm=np.nan)
    assert text_of(blank) == "No query has a label, so there is nothing to compare the answers with.\n"
