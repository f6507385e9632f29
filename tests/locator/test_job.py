"""What is asked becomes the planner's tasks; what cannot be is a sentence in the words of what was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rprloc.cohort.parameters import properties_of
from rprloc.cohort.settings import Settings
from rprloc.errors import InputError
from rprloc.locator.job import PARAMETERS, Job, Support, read_settings, source_of, unknown_structures, with_structures
from rprloc.locator.names import Named
from rprloc.marks.annotation import Annotated
from tests.cohort.planned import COHORTS, SCHEMA, planned, sheet_of


def job_of(folder: Path, subjects: Sequence[str] = ("s",), *, label: str = "l.nii", method: str = "matched") -> Job:
    supports = tuple(Support(Named(name, folder / "a.nii"), str(folder / label)) for name in subjects)
    return Job(cohort="phantom", settings=read_settings("phantom")[1], supports=supports, method=method, weights="none")


def test_tasks_are_those_of_a_sheet(tmp_path: Path) -> None:
    sheet = sheet_of(tmp_path, "s,a.nii,l.nii,validation", "q,a.nii,,test")
    plan = planned(sheet, cohort="phantom", weights="none")
    job = job_of(tmp_path)
    assert job.faults() == []
    queries = [Named("q", Path("a.nii"))]
    assert [task.target for task in job.preprocessings(queries)] == [task.target for task in plan.preprocess]
    (wanted,), found = plan.register, job.search()
    for name in ("cohort", "family", "make", "methods", "supports", "structures", "seen", "models", "seed"):
        assert getattr(found, name) == getattr(wanted, name), name
    (measure,) = plan.evaluate
    assert [one.subject for one in job.measure(queries).members] == [one.subject for one in measure.members]
    assert (job.measure(queries).methods, job.measure(queries).order) == (measure.methods, measure.order)


def test_four_supports_are_searched_from_each_other(tmp_path: Path) -> None:
    assert job_of(tmp_path, "abc").calibrating() == ()
    assert job_of(tmp_path, "badc").calibrating() == tuple(f"phantom@{name}" for name in "abcd")
    assert job_of(tmp_path, "badc", method="affine").calibrating() == ()


def test_what_is_missing_is_said_of_its_option(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    found = job_of(tmp_path, label="masks").faults()
    assert len(found) == 2 and found[0].startswith("command line, option 'support': found '")
    assert "option 'label'" in found[1] and "a mask of heart, kidney_left or kidney_right, named after it" in found[1]


def test_a_task_reads_files_where_they_lie(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    for name in ("heart.nii", "liver.nii"):
        (tmp_path / "masks" / name).touch()
    support, query = job_of(tmp_path, label="masks").preprocessings([Named("q", tmp_path / "q.nii")])
    masks = source_of(support).label
    assert isinstance(masks, Annotated) and masks.label == {"heart": tmp_path / "masks" / "heart.nii"}
    assert (source_of(query).image, source_of(query).label) == (tmp_path / "q.nii", None)
    label = source_of(job_of(tmp_path).preprocessings(())[0]).label
    assert isinstance(label, Annotated) and label.label == tmp_path / "l.nii"


def test_marks_and_a_colour_table_stand_behind_the_label(tmp_path: Path) -> None:
    for name in ("a.nii", "l.nii", "l.ctbl", "m.mrk.json"):
        (tmp_path / name).touch()
    support = Support(Named("s", tmp_path / "a.nii"), str(tmp_path / "l.nii"), str(tmp_path / "m.mrk.json"))
    job = Job(cohort="c", settings=Settings(), supports=(support,), method="matched", weights="none")
    found = source_of(job.preprocessings(())[0]).label
    assert isinstance(found, Annotated) and found.label == tmp_path / "l.nii"
    assert (found.colours, found.marks) == (tmp_path / "l.ctbl", (tmp_path / "m.mrk.json",))
    alone = Job(
        cohort="c", settings=Settings(), supports=(Support(support.scan, None, "none.csv"),), method="matched",
        weights="none",
    )  # fmt: skip
    assert alone.faults() == ["command line, option 'marks': found 'none.csv', expected a file that exists."]
    (tmp_path / "a.mrk.json").touch()
    box = Support(support.scan, str(tmp_path / "a.mrk.json"))
    (said,) = replace(alone, supports=(box,)).faults()
    assert "option 'label': found" in said and said.endswith(", which belong in --marks.")


def test_settings_are_named_as_the_pipelines(tmp_path: Path) -> None:
    assert read_settings(None) == ("default", Settings())
    name, settings = read_settings(str(COHORTS / "openkbp.yml"))
    assert (name, settings.structures) == ("openkbp", read_settings("openkbp")[1].structures)
    with pytest.raises(InputError, match=r"'settings': found 'openkbb', expected a cohort with settings: .*'openkbp'"):
        read_settings("openkbb")
    (tmp_path / "bad.yml").write_text("spacing: three\n")
    with pytest.raises(InputError, match="line 1, key 'spacing'"):
        read_settings(str(tmp_path / "bad.yml"))
    with pytest.raises(InputError, match=r"'settings': found 'none\.yml', expected a settings file that exists"):
        read_settings("none.yml")


def test_structures_have_a_value_each_or_none_has() -> None:
    assert with_structures(Settings(), None) == (Settings(), None)
    assert with_structures(Settings(), ["label_2"]) == (Settings(), ("label_2",))
    settings, names = with_structures(Settings(), ["liver=1", "spleen = 7"])
    assert (settings.structures, names) == ({"liver": 1, "spleen": 7}, ("liver", "spleen"))
    for wrong in (["liver=1", "spleen"], ["liver=0"], ["liver=x"], ["liver=70000"], ["a b=1"], ["liver=1", "liver=2"]):
        with pytest.raises(InputError, match="parameter 'structures': found '"):
            with_structures(Settings(), wrong)
    assert unknown_structures(None, ["a"]) == unknown_structures(["a"], ["a", "b"]) == []
    assert unknown_structures(["livre"], ["liver", "heart"]) == [
        "command line, parameter 'structures': found 'livre', expected structures of the supports: heart or liver "
        "(did you mean 'liver'?)."
    ]
    (said,) = unknown_structures(["liver"], ["label_1", "label_2"])
    assert said.endswith("supports: label_1 or label_2, or NAME=VALUE with the value in the label.")


def test_parameters_are_at_the_pipelines_defaults() -> None:
    assert {name: properties_of(SCHEMA)[name]["default"] for name in PARAMETERS} == PARAMETERS
    families = {"template_stride", "registration_supports"}
    assert set(PARAMETERS) == families
