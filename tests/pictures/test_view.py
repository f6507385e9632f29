"""The step: pictures and viewers of queries and supports, from what the steps before have left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from rprloc.cohort.tasks import View, Viewed
from rprloc.files import read_json
from rprloc.pictures.view import ViewFiles, staged_images, view_scans
from rprloc.scans.outlines import write_outlines
from rprloc.scans.scan import write_scan_outlines
from tests.exports.queries import GLAND, LOST, ORGAN, box_of, native, of_answer, query
from tests.methods.fakes import GRID
from tests.scans.written import set_aside_record, structure_of

PICTURE = (728, 240)


@pytest.fixture
def given(tmp_path: Path) -> ViewFiles:
    """A query of an oblique scan with answers and outlines, and a support with its annotation, of the same scan."""
    one = query(tmp_path)
    native_ = one.record.native
    assert native_ is not None
    low, high = box_of(one.outlines[ORGAN], native("oblique"))
    record = replace(one.record, model=GRID)
    folders = {"c@q1": record.write(tmp_path / "scans")}
    support = replace(record, subject="s", structures={ORGAN: structure_of(low, high)})
    folders["c@s"] = support.write(tmp_path / "scans")
    write_scan_outlines(folders["c@s"], {ORGAN: one.outlines[ORGAN]})
    keys = [next(answer for answer in one.answers if answer.structure == name).key for name in one.outlines]
    write_outlines(tmp_path / "c@q1.matched.safetensors", list(one.outlines.values()), [of_answer(key) for key in keys])
    return ViewFiles(
        scans=folders,
        images=dict.fromkeys(folders, one.image),
        outlines=[tmp_path / "c@q1.matched.safetensors"],
    )


def task_of(folder: Path, *subjects: str, beside: tuple[str, ...] = ("c@s",)) -> View:
    viewed = tuple(Viewed(id=f"c@{name}", subject=name, image="scan.nii.gz") for name in subjects)
    answers = {"q1": "".join(f"{json.dumps(one.to_json())}\n" for one in query(folder).answers)}
    return View(id="c.batch0", cohort="c", modality="ct", viewed=viewed, beside=beside, answers=answers)


def test_a_query_and_its_support(tmp_path: Path, given: ViewFiles) -> None:
    own, support = view_scans(tmp_path / "out", task_of(tmp_path, "q1", "s"), given)
    assert set(own.pictures) == {ORGAN, GLAND} and own.viewer == "viewer/c/q1.html" and own.support == "s"
    assert LOST not in own.pictures and own.true_mm == {}
    assert set(support.pictures) == set(support.true_mm) == {ORGAN} and support.support == ""
    for path in (*own.pictures.values(), *support.pictures.values()):
        with Image.open(tmp_path / "out" / path) as image:
            assert image.size == PICTURE
    embedded = msgspec.structs.replace(task_of(tmp_path, "q1"), embedded=True)
    (again,) = view_scans(tmp_path / "again", embedded, given)
    assert set(again.embedded) == set(own.pictures) and own.embedded == {}
    assert all(uri.startswith("data:image/webp;base64,UklGR") for uri in again.embedded.values())
    # The name of a structure stays within its folder.
    assert all(path.startswith("pictures/c/q1/") and path.count("/") == 3 for path in own.pictures.values())
    page = (tmp_path / "out" / own.viewer).read_text()
    assert page.index('src="q1.js"') < page.index('src="s.js"')
    told = (tmp_path / "out" / "viewer" / "c" / "q1.js").read_text()
    assert '"found_outline"' in told and '"reason": "lost"' in told
    assert [one["subject"] for one in read_json(tmp_path / "out" / "c.batch0.json")] == ["q1", "s"]


def test_scans_that_cannot_be_shown_say_why(tmp_path: Path, given: ViewFiles) -> None:
    aside = set_aside_record("aside")
    scans = {**given.scans, "c@aside": aside.write(tmp_path / "scans")}
    gone = replace(given, scans=scans, images={"c@q1": tmp_path / "gone.nii.gz"})
    never, away, lost = view_scans(
        tmp_path / "out", task_of(tmp_path, "never", "aside", "q1", beside=("c@aside",)), gone
    )
    assert {never.note, away.note} == {"The scan was set aside."}
    assert lost.note == "No picture: gone.nii.gz: found no such file, expected an image."
    assert (lost.viewer, lost.pictures, lost.support) == ("", {}, "")


def test_a_query_without_an_answer_has_nothing_to_show(tmp_path: Path, given: ViewFiles) -> None:
    task = task_of(tmp_path, "q1")
    (own,) = view_scans(tmp_path / "out", msgspec.structs.replace(task, answers={}), given)
    assert (own.note, own.viewer, own.pictures) == ("", "", {})
    (own,) = view_scans(tmp_path / "out", msgspec.structs.replace(task, answers={"q1": "{}"}), given)
    assert own.note.startswith("No picture: q1: expected answers as EVALUATE writes them")


def test_what_an_image_needs_beside_its_file_is_brought_to_it(tmp_path: Path) -> None:
    for number, name in enumerate(("a.nii", "b.mhd", "b (1).raw", "c.nii"), start=1):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / name).touch()
    task = task_of(tmp_path, "a", "b", "c")
    viewed = [msgspec.structs.replace(one, voxels=("x/b (1).raw",) * (one.subject == "b")) for one in task.viewed]
    found = staged_images(msgspec.structs.replace(task, viewed=tuple(viewed)), tmp_path)
    assert {key: path.name for key, path in found.items()} == {"c@a": "a.nii", "c@b": "b.mhd", "c@c": "c.nii"}
    assert (found["c@b"].parent / "b (1).raw").exists()
