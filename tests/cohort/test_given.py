"""Scans of a sheet or of paths, without a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from rprloc.cohort.given import scans_of_paths, scans_of_sheet, subject_for
from rprloc.errors import InputError
from rprloc.marks.annotation import Annotated
from rprloc.scans.preprocess import Source
from tests.cohort.planned import COHORTS


@pytest.mark.parametrize(
    ("path", "subject"),
    [
        ("x/a.nii.gz", "a"),
        ("p 1.NRRD", "p_1"),
        ("dicom/", "dicom"),
        ("1.2.840.7", "1.2.840.7"),
        ("a.b.mha", "a.b"),
        ("_x.zip", "x"),
        ("ä.dcm", "a"),
        ("中.dcm", "scan"),
        ("x" * 90, "x" * 64),
    ],
)
def test_a_scan_is_called_as_its_file(path: str, subject: str) -> None:
    assert subject_for(Path(path)) == subject


def test_scans_of_paths_have_the_settings_of_a_cohort(tmp_path: Path) -> None:
    (tmp_path / "series").mkdir()
    (tmp_path / "a.nii").touch()
    one, other = scans_of_paths([tmp_path / "series", tmp_path / "a.nii"], "openkbp", [COHORTS], "3")
    assert one.source == Source("openkbp", "series", tmp_path / "series", series="3")
    assert other.source == Source("openkbp", "a", tmp_path / "a.nii")
    assert (one.target.modality, one.target.spacing, one.target.matching_spacing) == ("ct", (6.0, 6.0, 6.0), None)
    (tmp_path / "mine.yml").write_text("modality: mr\nspacing: [2, 2, 2]\n")
    (one,) = scans_of_paths([tmp_path / "a.nii"], str(tmp_path / "mine.yml"), [COHORTS], None)
    assert (one.source.cohort, one.target.modality) == ("mine", "mr")


@pytest.mark.parametrize(
    ("cohort", "said"), [("opnkbp", "did you mean 'openkbp'"), ("gone.yml", "a settings file that exists")]
)
def test_settings_that_are_none_are_a_sentence(cohort: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        scans_of_paths([Path("a.nii")], cohort, [COHORTS], None)


def test_scans_of_a_sheet_have_its_labels_and_cohorts(tmp_path: Path) -> None:
    for name in ("a.nii", "l.nii", "masks/heart.nii", "series/IM1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    sheet = tmp_path / "s.csv"
    sheet.write_text("subject,image,label,series,cohort\na,a.nii,l.nii,,\nb,a.nii,masks,,\nc,series,,3,openkbp\n")
    a, b, c = scans_of_sheet(sheet, "default", [COHORTS])
    image = tmp_path / "a.nii"
    assert a.source == Source("default", "a", image, Annotated(image=image, label=tmp_path / "l.nii"))
    assert b.source.label == Annotated(image=image, label={"heart": tmp_path / "masks" / "heart.nii"})
    assert c.source == Source("openkbp", "c", tmp_path / "series", None, "3")
    assert c.target.spacing == (6.0, 6.0, 6.0)


def test_all_faults_of_a_sheet_are_said(tmp_path: Path) -> None:
    sheet = tmp_path / "s.csv"
    sheet.write_text("subject,image,cohort\na,gone.nii,\n$,x.nii,\nb,gone.dcm,opnkbp\n")
    with pytest.raises(InputError) as caught:
        scans_of_sheet(sheet, "default", [COHORTS])
    assert len(caught.value.errors) >= 2 and all(one.startswith(f"{sheet}, line ") for one in caught.value.errors)
    with pytest.raises(InputError, match="a sample sheet that can be read"):
        scans_of_sheet(tmp_path / "gone.csv", "default", [COHORTS])
