"""Material: one cohort's part of everything, and scans as they are on disk."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rprloc.errors import InputError
from rprloc.results.report.material import Material
from rprloc.scans.scan import volume_path
from tests.results.report.made import made


def test_a_cohort_has_its_own_part_of_all() -> None:
    one, two = made(name="one"), made(("regression", "affine"), queries=1, name="two")
    metrics = pd.concat([one.metrics(), two.metrics()], ignore_index=True)
    material = Material.of([*one.predictions, *two.predictions], metrics, two.shown())
    assert list(material.predictions) == two.predictions and len(material.metrics) == len(two.predictions)
    assert set(material.main["method"]) == {"regression"} and material.several
    assert not one.material().several


def test_the_predictions_to_use_are_of_all_supports_together_or_of_the_drawn_one() -> None:
    assert {one.support for own in made().material().to_use().values() for one in own} == {"*"}
    assert {one.support for own in made(supports=1).material().to_use().values() for one in own} == {"s0"}
    assert list(made(queries=3).material().to_use()) == ["q0", "q1", "q2"]


def test_scans_are_read_where_they_can_be(tmp_path: Path) -> None:
    cohort = made(queries=2, supports=1)
    cohort.aside("q1", "cut short")
    gallery = cohort.gallery(tmp_path)
    assert [gallery.usable(name) for name in ("q0", "q1", "s0", "-")] == [True, False, True, False]
    assert gallery.picture("q0", fine=True).voxels.shape == (10, 13, 12)
    volume_path(gallery.scans["q0"].folder).unlink()
    with pytest.raises(InputError, match=r"q0\.nii\.gz: found no such file"):
        gallery.picture("q0")
