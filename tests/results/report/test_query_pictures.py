"""A query's pictures: of which supports, in how many files, and a sentence for what is missing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pandas as pd
import pytest

from rprloc.methods.answer import Key
from rprloc.results.report.query_pictures import QueryPictures, query_pictures, support_beside, supports_in_words
from rprloc.scans.scan import volume_path
from tests.results.report.made import Made, failed, made, predicted

pytestmark = pytest.mark.usefixtures("blank")


def pictures_of(cohort: Made, tmp_path: Path, subject: str = "q0") -> QueryPictures:
    """Return a query's pictures."""
    material = cohort.material()
    return query_pictures(subject, material.to_use().get(subject, []), material.main, cohort.gallery(tmp_path))


def test_a_support_stands_beside_the_predictions_of_several(tmp_path: Path) -> None:
    own = pd.DataFrame([("s0", False), ("s1", True), ("s2", False), ("*", False)], columns=["support", "drawn"])
    cohort = made(supports=3)
    gallery = cohort.gallery(tmp_path)
    assert support_beside("*", own, gallery) == "s1"
    assert support_beside("s2", own, gallery) == "s2"
    cohort.aside("s1", "cut short")
    gallery = cohort.gallery(tmp_path)
    assert support_beside("*", own, gallery) == "s0"
    assert support_beside("s1", own, gallery) is None
    assert support_beside("-", own, gallery) is None


def test_supports_in_words() -> None:
    one = predicted(Key("affine", "extreme", "*", "mandible"), n_supports=2)
    several = [one, msgspec.structs.replace(one, n_supports=3)]
    assert supports_in_words(several, "s1") == ", 3 supports together, of which s1 is shown"
    assert supports_in_words(several, None) == ", 3 supports together"
    assert supports_in_words([msgspec.structs.replace(one, support="s2")], "s2") == ", support s2"
    assert supports_in_words([msgspec.structs.replace(one, support="-")], None) == ""


def test_many_structures_have_several_pictures(tmp_path: Path) -> None:
    shown = pictures_of(made(queries=1, supports=1, structures=[f"label_{i}" for i in range(10)]), tmp_path)
    assert [path.name for path in shown.pictures] == ["q0.png", "q0~2.png"]
    assert all(path.exists() for path in shown.pictures) and not shown.said and not shown.note


def test_what_failed_is_said_beside_the_picture(tmp_path: Path) -> None:
    cohort = made(supports=1)
    cohort.predictions[0] = failed(cohort.predictions[0], "outside the scan")
    shown = pictures_of(cohort, tmp_path)
    assert shown.said == ("mandible: outside the scan",) and len(shown.pictures) == 1


def test_a_query_that_was_set_aside_or_not_searched_leaves_a_sentence(tmp_path: Path) -> None:
    cohort = made(supports=1)
    cohort.aside("q0", "nothing but air")
    assert pictures_of(cohort, tmp_path) == QueryPictures("q0", said=("scan set aside: nothing but air",))
    # A support that is the only one is no fault.
    assert pictures_of(cohort, tmp_path, "s0").note == "Not searched: there is no other scan with an annotation."


def test_a_scan_that_cannot_be_read_leaves_a_sentence(tmp_path: Path) -> None:
    cohort = made(supports=1)
    material, gallery = cohort.material(), cohort.gallery(tmp_path)
    volume_path(gallery.scans["q0"].folder).unlink()
    shown = query_pictures("q0", material.to_use()["q0"], material.main, gallery)
    assert shown.said == ("No picture: q0.nii.gz: found no such file, expected an image.",) and not shown.pictures
