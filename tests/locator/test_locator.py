"""Finding without Nextflow: the rows of the pipeline to the last digit, and what is said of what cannot be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import SimpleITK as sitk

import rprloc
from rprloc import Locator
from rprloc.catalogue import Family, Method, register, unregister
from rprloc.errors import InputError
from rprloc.files import read_json_lines
from rprloc.locator import locator as module
from rprloc.locator.locator import DEFAULTS, How
from tests.locator.phantoms import QUERIES, SUPPORTS, run_pipeline, write_cohort
from tests.scans.images import write_thin

OURS = Method(name="mean_place", family=Family(name="mean_place", make="tests.methods.mean_place:make"))
QUICK: How = {"settings": "phantom", "method": "mean_place", "weights": "none"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    register(OURS)
    folder = tmp_path_factory.mktemp("phantom")
    write_cohort(folder)
    yield folder
    unregister(OURS)


@pytest.fixture(scope="module")
def plain(folder: Path) -> Iterator[Locator]:
    """A locator from one support that several tests share."""
    with locator(folder) as ours:
        yield ours


def label_of(scan: str) -> str:
    return f"labels/{scan}"


def locator(folder: Path, count: int = 1, **how: Any) -> Locator:
    """Return a locator by a quick method from one support or two."""
    scans = SUPPORTS[:count]
    return Locator(
        [folder / "images" / scan for scan in scans], label=[folder / label_of(scan) for scan in scans], **(QUICK | how)
    )


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of predictions.jsonl but for what they took."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in read_json_lines(path)]


def test_the_answers_are_the_pipelines_to_the_last_digit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run_pipeline(folder / "samples.csv", tmp_path / "pipeline", weights="none")
    monkeypatch.chdir(folder)
    scans = [f"images/{name}" for name in SUPPORTS]
    with Locator(
        scans, label=[label_of(name) for name in SUPPORTS], settings="phantom", weights="none", outlines=True
    ) as ours:
        located = list(ours.locate_all([f"images/{name}" for name in QUERIES], jobs=2))
        ours.results(located).write(tmp_path / "ours")
    for name in ("boxes.csv", "landmarks.csv", "scans.csv"):
        assert (tmp_path / "ours" / name).read_text() == (expected / name).read_text()
    found, wanted = (rows_of(where / "predictions.jsonl") for where in (tmp_path / "ours", expected))
    assert found == wanted
    assert len(found) == 2 * 3 * 3 and sum(not row["failed"] for row in found) == 9
    # What is at hand of each query are the lines of boxes.csv.
    lines = {name: [one for one in found if one["subject"] == name and one["support"] == "*"] for name in ("test_01",)}
    answers = json.loads(json.dumps([one.to_json() for one in located[0].answers]))
    assert [{key: value for key, value in one.items() if key != "seconds"} for one in answers] == lines["test_01"]
    assert located[0]["heart"].box_mm == answers[0]["box_mm"]


def test_a_crop_much_smaller_than_those_of_the_supports_is_made_again_of_the_whole_field(
    plain: Locator, folder: Path, tmp_path: Path
) -> None:
    write_thin(folder / "images" / QUERIES[0], tmp_path / "thin.nii.gz")
    record = plain.locate(tmp_path / "thin.nii.gz").record
    assert record.native is not None and record.model is not None
    assert "much less than those of the supports" in record.findings[-1]
    assert record.model.size[0] * record.model.spacing_mm[0] >= record.native.size[0] * record.native.spacing_mm[0]


def test_a_scan_that_cannot_be_used_is_a_sentence_and_the_others_go_on(
    folder: Path, plain: Locator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Our method says of all patients the same, and of some of them it is lost.
    monkeypatch.setattr("rprloc.methods.localize.LOST_AT", 2.0)
    scans = [folder / "images" / QUERIES[1], "gone.nii", folder / "images" / QUERIES[0]]
    broken, gone, good = plain.locate_all(scans)
    assert [one.record.status for one in (broken, gone, good)] == ["FAIL", "FAIL", "PASS"]
    assert gone.record.reason == "gone.nii: found no such file, expected an image."
    assert {one.reason for one in gone.missing} == {f"scan set aside: {gone.record.reason}"}
    assert len(gone.answers) == 3 and len(good.missing) == 0
    assert list(plain.results([broken, gone, good]).scans["status"]) == ["PASS", "FAIL", "FAIL", "PASS"]
    with pytest.raises(KeyError):
        good["liver"]
    shown = good._repr_html_()  # in a notebook
    assert shown.startswith("<div>") and "kidney_right" in shown


def test_structures_are_those_that_are_asked_for(folder: Path) -> None:
    query = folder / "images" / QUERIES[0]
    with locator(folder, structures=["kidney_left"]) as ours:
        assert [one.structure for one in ours.locate(query).answers] == ["kidney_left"]
    with locator(folder, settings=None, structures=["right=3", "heart=1"]) as ours:
        assert {one.structure for one in ours.locate(query).answers} == {"right", "heart"}
    with pytest.raises(
        InputError, match="parameter 'structures': found 'liver', expected structures of the supports: he"
    ):
        locator(folder, structures=["liver"])


def test_only_a_support_with_a_structure_is_one(folder: Path, tmp_path: Path) -> None:
    image, label = folder / "images" / SUPPORTS[0], folder / label_of(SUPPORTS[0])
    with pytest.raises(InputError, match=r"broken\.nii\.gz: "):
        Locator(folder / "images" / "broken.nii.gz", label=label, **QUICK)
    with pytest.raises(InputError, match=r"option 'label': found 'none\.nii', expected a file that exists"):
        Locator(image, label="none.nii", **QUICK)
    with pytest.raises(InputError, match=r"option 'support': found 'none\.nii', expected a file that exists"):
        Locator("none.nii", label=label, **QUICK)
    settings = tmp_path / "other.yml"
    settings.write_text("structures: {liver: 9}\nspacing: [8, 8, 8]\n")
    with pytest.raises(InputError, match="found no structure, expected one to look for"):
        Locator(image, label=label, **(QUICK | {"settings": str(settings)}))
    empty = tmp_path / "empty.nii.gz"
    sitk.WriteImage(sitk.ReadImage(str(label)) * 0, str(empty))
    with pytest.raises(
        InputError, match=r"empty\.nii\.gz: found no structure, expected .*: no voxel has a value but 0"
    ):
        Locator(image, label=empty, **QUICK)
    with pytest.raises(InputError, match="found '1 labels and 0 marks beside 2 supports', expected one for"):
        Locator([image, image], label=label, **QUICK)
    with pytest.raises(InputError, match=r"parameter 'method': found 'matchd', expected .*did you mean 'matched'"):
        Locator(image, label=label, method="matchd")


def test_masks_by_structure_are_a_label_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "$HOME {a,b}").mkdir()
    shutil.copy(folder / label_of(SUPPORTS[0]), tmp_path / "$HOME {a,b}" / "organs.nii.gz")
    for label in (tmp_path / "$HOME {a,b}", tmp_path / "$HOME {a,b}" / "{structure}.nii.gz"):
        with Locator(folder / "images" / SUPPORTS[0], label=label, **(QUICK | {"settings": None})) as ours:
            assert list(ours.supports["validation_01"].structures) == ["organs"]


def test_a_support_is_no_query(folder: Path, tmp_path: Path, plain: Locator) -> None:
    with pytest.raises(InputError, match="found a support, expected another scan"):
        plain.locate(folder / "images" / SUPPORTS[0])
    with pytest.raises(InputError, match="a scan called validation_01 as"):
        plain.locate(tmp_path / "validation_01.nii.gz")


def test_the_temporary_folder_goes(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    with locator(folder) as ours:
        ours.locate(folder / "images" / QUERIES[0])
        assert [path.name for (home,) in [tmp_path.iterdir()] for path in home.iterdir()] == ["phantom@validation_01"]
    assert list(tmp_path.iterdir()) == []
    ours = locator(folder)
    del ours
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="no_image"):
        locator(folder, structures=["no_image"])
    assert list(tmp_path.iterdir()) == []


def test_enough_supports_say_how_sure_the_answers_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans, labels = [tmp_path / f"s{n}.nii.gz" for n in range(4)], [tmp_path / f"l{n}.nii.gz" for n in range(4)]
    for scan, label in zip(scans, labels, strict=True):
        shutil.copy(folder / "images" / SUPPORTS[0], scan)
        shutil.copy(folder / label_of(SUPPORTS[0]), label)
    # Our method's answers are doubtful, of which no distance is promised, or lost.
    monkeypatch.setattr("rprloc.results.measure.calibration.DOUBTFUL", 2.0)
    monkeypatch.setattr("rprloc.methods.localize.LOST_AT", 2.0)
    unregister(OURS)
    ours = Method(name="mean_place", family=Family(name="mean_place", make=OURS.family.make, calibrated=True))
    register(ours)
    try:
        with Locator(scans, label=labels, **QUICK) as found:
            answers = found.locate(folder / "images" / QUERIES[0])
            assert {one.calibrated_on for one in answers.answers} == {4} and answers["heart"].within_90_mm is not None
            assert len(found.results([answers]).predictions) == 3 * 5
    finally:
        unregister(ours)
        register(OURS)


def test_what_is_out_of_the_field_is_searched_without_the_weights(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, label = folder / "images" / SUPPORTS[0], folder / label_of(SUPPORTS[0])
    # No phantom is in the field: the map says that its axes are exchanged.
    monkeypatch.setattr("rprloc.methods.field.out_of_field", lambda *_: None)
    with Locator(image, label=label, structures=["heart=1"]) as ours:
        assert (ours.weights.name, ours.weights.why) == ("head-neck-ct", "validation_01 in its field")
        found = ours.locate(folder / "images" / QUERIES[0])
        scans = ours.results([found]).scans
    assert found.record.findings == ("nothing is found with the weights head-neck-ct: searched without",)
    assert {row.chosen.weights for row in found.rows if row.chosen is not None} == {"none"}
    assert "; ".join(scans["findings"].dropna()).count("nothing is found") == 1
    assert not found.missing


def test_the_package_imports_a_locator_by_name_alone() -> None:
    assert rprloc.Locator is Locator
    with pytest.raises(AttributeError, match="no attribute 'Locater'"):
        rprloc.Locater  # type: ignore[attr-defined]  # noqa: B018
    assert How.__annotations__.keys() == DEFAULTS.keys()


def test_a_query_that_lies_otherwise_is_told_beside_its_answers(
    folder: Path, plain: Locator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rprloc.methods import choosing

    own = choosing.searched

    def turned(*args: Any, **more: Any) -> Any:
        rows, again = own(*args, **more)
        return [msgspec.structs.replace(row, turned="head and feet are exchanged: turned back") for row in rows], again

    monkeypatch.setattr(choosing, "searched", turned)
    found = plain.locate(folder / "images" / QUERIES[0])
    assert (found.record.status, found.record.findings) == ("WARN", ("head and feet are exchanged: turned back",))
    results = plain.results([found])
    assert results.said == []
    assert "head and feet are exchanged" in results.scans.set_index("subject").findings[found.subject]
