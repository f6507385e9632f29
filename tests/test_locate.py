"""The command: options, exit codes, files, and what happens when it is stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from rprloc import cli
from rprloc.cli import command
from rprloc.errors import InputError
from rprloc.locate import EXIT_MISSING, EXIT_TERMINATED
from tests.locator.phantoms import QUERIES, SUPPORTS, write_cohort
from tests.scans.dicom.made import SECRETS, write_series

QUICK = ("--settings", "phantom", "--method", "affine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cohort(tmp_path_factory.mktemp("phantom")).parent


@pytest.fixture(autouse=True)
def _signals() -> object:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def words_of(folder: Path, *queries: object) -> list[str]:
    """Return the words of a search from one support."""
    support = ("--support", folder / "images" / SUPPORTS[0], "--label", folder / "labels" / SUPPORTS[0])
    return [str(word) for word in ("locate", *support, *QUICK, *queries)]


def run(*words: object) -> Result:
    done = CliRunner().invoke(command, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_what_is_found_is_written_and_told(folder: Path, tmp_path: Path) -> None:
    query = folder / "images" / QUERIES[0]
    done = run(*words_of(folder, query, folder / "images" / SUPPORTS[0], "--out", tmp_path / "a" / "boxes", "--json"))
    assert done.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "a" / "boxes").iterdir()) == [
        "boxes.csv", "landmarks.csv", "predictions.jsonl", "scans.csv",
    ]  # fmt: skip
    said = done.stderr.splitlines()
    assert said[0].endswith("is a support, and is not searched from itself.")
    assert said[1] == "weights: none (affine needs no network)"
    assert said[2].startswith("Left and right are as each scan's header says.")
    assert said[3].startswith("[1/1] test_01: PASS, 3 of 3 found, ")
    assert len(json.loads(done.stdout)["boxes"]) == 3


def test_a_dicom_series_is_found_in_and_nothing_of_its_patient_is_kept_or_said(folder: Path, tmp_path: Path) -> None:
    write_series(tmp_path / "series", sitk.ReadImage(folder / "images" / QUERIES[0]))
    kinds = "slicer,masks,csv,crops,rtstruct,dicomseg"
    done = run(*words_of(folder, tmp_path / "series", "--out", tmp_path / "out", "--json", "--exports", kinds))
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["boxes"]) == 3
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".csv", ".jsonl", ".json", ".dcm", ".gz"}
    said = [done.output, *map(str, files)]
    for value in map(str, SECRETS.values()):
        assert not any(value in text for text in said)
        assert [path.name for path in files if value.encode() in path.read_bytes()] == []


def test_a_scan_that_cannot_be_used_is_said_and_ends_with_its_code(folder: Path, tmp_path: Path) -> None:
    done = run(*words_of(folder, folder / "images" / QUERIES[1], "--structures", "heart,kidney_left", "--quiet"))
    assert (done.exit_code, done.stderr) == (EXIT_MISSING, "")
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:]] == [["broken", "broken.nii.gz:"]]


def test_a_point_is_found_from_marks(folder: Path, tmp_path: Path) -> None:
    truth = json.loads((folder / "landmarks.json").read_text())
    x, y, z = truth["validation_01"]["heart"]["extreme_mm"]["inferior"]
    (tmp_path / "apex.csv").write_text(f"structure,x_mm,y_mm,z_mm,space\napex,{-x},{-y},{z},RAS\n")
    support = ("--support", folder / "images" / SUPPORTS[0], "--marks", tmp_path / "apex.csv")
    done = run("locate", *support, "--json", folder / "images" / QUERIES[0], "--method", "affine")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    (apex,) = found["landmarks"]
    assert found["boxes"] == [] and apex["structure"] == "apex"
    there = truth["test_01"]["heart"]["extreme_mm"]["inferior"]
    assert max(abs(apex[f"{axis}_mm"] - mm) for axis, mm in zip("xyz", there, strict=True)) < 15


def test_answers_are_exported_for_other_programs(folder: Path, tmp_path: Path) -> None:
    query = folder / "images" / QUERIES[0]
    done = run(
        *words_of(folder, query, "--out", tmp_path, "--exports", "slicer,masks,csv,rtstruct", "--structures", "heart")
    )
    assert done.exit_code == 0
    own = tmp_path / "exports"
    assert sorted(path.name for path in own.iterdir()) == ["csv", "masks", "slicer"]
    mask = sitk.ReadImage(own / "masks" / "phantom" / "test_01.nii.gz")
    assert mask.GetSize() == sitk.ReadImage(query).GetSize() and int(sitk.GetArrayFromImage(mask).max()) == 1
    scene = {path.name for path in (own / "slicer" / "phantom" / "test_01").iterdir()}
    assert scene == {
        "test_01.mrml", "scan.nrrd", "outlines.seg.nrrd", "heart.roi.mrk.json", "heart.points.mrk.json",
    }  # fmt: skip
    # What is no DICOM has no RTSTRUCT, which is said.
    assert "WARN: " in done.stderr and "DICOM" in done.stderr
    assert done.stderr.endswith("exports has files for other programs: slicer, masks, csv.\n")
    with pytest.raises(InputError, match="found 'slcer', expected"):
        run(*words_of(folder, query, "--out", tmp_path, "--exports", "slcer"))
    assert run(*words_of(folder, query, "--exports", "csv")).exit_code == 2


def test_what_is_said_of_several_exports_is_said_once(folder: Path, tmp_path: Path) -> None:
    first = folder / "images" / QUERIES[0]
    other = tmp_path / "other.nii.gz"
    shutil.copy(first, other)
    how = ("--out", tmp_path / "out", "--exports", "rtstruct", "--structures", "heart")
    done = run(*words_of(folder, first, other, *how))
    (said,) = [line for line in done.stderr.splitlines() if "WARN: " in line]
    assert said.startswith("  WARN: test_01, other: its scan is no DICOM, so there is no rtstruct")


def test_what_cannot_be_asked_ends_before_anything_is_read(folder: Path) -> None:
    done = run("locate", "--support", "a.nii", "--support", "b.nii", "--label", "l.nii", "q.nii")
    assert (
        done.exit_code == 2
        and "found 1 --label and 0 --marks for 2 --support, expected a --label or --marks for each." in done.stderr
    )
    assert run("locate", "--support", "a.nii", "--label", "l.nii").exit_code == 2
    with pytest.raises(InputError, match="found the supports alone"):
        run(*words_of(folder, folder / "images" / SUPPORTS[0]))
    with pytest.raises(InputError, match="found a scan called q as"):
        run(*words_of(folder, "a/q.nii", "b/q.nii"))


def test_a_shell_completes_names() -> None:
    def offered(*words: str) -> list[str]:
        complete = ShellComplete(command, {}, "rprloc", "_RPRLOC_COMPLETE")
        return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]

    assert "locate" in offered("loc")
    assert offered("locate", "--weights", "head") == ["head-neck-ct", "head-neck-ct-paper"]
    assert offered("locate", "--weights", "results/") == ["results/"]
    assert "matched" in offered("locate", "--method", "")


def test_ctrl_c_leaves_nothing_behind(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr("rprloc.locator.console.Teller.found", interrupted)
    monkeypatch.setattr(
        "sys.argv", ["rprloc", *words_of(folder, folder / "images" / QUERIES[0], "--out", tmp_path / "o")]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert list((tmp_path / "tmp").iterdir()) == list((tmp_path / "o").iterdir()) == []


def test_a_stop_of_the_process_leaves_what_was_there(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "boxes.csv").write_text("before")
    queries = []
    for name in range(30):
        (tmp_path / f"q{name}.nii.gz").symlink_to(folder / "images" / QUERIES[0])
        queries.append(tmp_path / f"q{name}.nii.gz")
    words = [sys.executable, "-m", "rprloc.cli", *words_of(folder, *queries, "--out", tmp_path / "out")]
    # A crash in a library then says where it was.
    place = os.environ | {"TMPDIR": str(tmp_path / "tmp"), "PYTHONFAULTHANDLER": "1"}
    with subprocess.Popen(words, env=place, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        heard = []
        for line in process.stderr:
            heard.append(line)
            if line.startswith("[1/30] "):
                # The second one is being searched now.
                process.terminate()
                break
        heard.append(process.stderr.read())
        status, said = process.wait(), "".join(heard)
    assert status == EXIT_TERMINATED and "[1/30] " in said and "[30/30] " not in said, (status, said)
    assert "Traceback" not in said
    assert list((tmp_path / "tmp").iterdir()) == []
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["boxes.csv"]
    assert (tmp_path / "out" / "boxes.csv").read_text() == "before"
