"""The command line: failures as sentences and exit statuses that the pipeline knows."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import rprloc
from rprloc import cli
from rprloc.errors import InputError
from rprloc.training.state import Interrupted
from tests.scans.dicom import made
from tests.scans.images import patient, write


def test_help_and_version() -> None:
    runner = CliRunner()
    done = runner.invoke(cli.command, ["--help"])
    assert done.exit_code == 0
    assert all(name in done.output for name in ("import", "phantom", "plan", "step"))
    assert rprloc.__version__ in runner.invoke(cli.command, ["--version"]).output
    for name in ("openkbp", "pddca", "structseg", "pancreas-ct"):
        assert runner.invoke(cli.command, ["import", name, "--help"]).exit_code == 0


def inspect(*words: object) -> tuple[int, str]:
    """Return the exit status of `rprloc inspect` and what it printed."""
    done = CliRunner().invoke(cli.command, ["inspect", *map(str, words)])
    status = cli.EXIT_INPUT if isinstance(done.exception, InputError) else done.exit_code
    return status, f"{done.output}{done.exception or ''}"


def test_scans_are_inspected_before_any_run(tmp_path: Path) -> None:
    image, label = patient()
    made.write_series(tmp_path / "a b" / "series", image, fields={"GantryDetectorTilt": "-12"})
    write(image, tmp_path / "p.nii.gz")
    write(label, tmp_path / "l.nii.gz")
    status, printed = inspect(tmp_path / "a b" / "series", tmp_path / "p.nii.gz")
    assert (status, printed.splitlines()) == (
        0,
        [
            "WARN  series: 22 x 18 x 14 voxels of 2 x 2.5 x 3 mm, body 36 x 30 x 30 mm",
            "      its header says that the gantry is tilted by 12.0 degrees, its positions do not: the positions are "
            "taken",
            "PASS  p: 22 x 18 x 14 voxels of 2 x 2.5 x 3 mm, body 36 x 30 x 30 mm",
        ],
    )
    sheet = tmp_path / "s.csv"
    sheet.write_text("subject,image,label,series\nx,p.nii.gz,l.nii.gz,\ny,a b/series,,body one\nz,a b/series,,7\n")
    status, printed = inspect("--csv", sheet)
    head, first, second, third, last = printed.splitlines()
    assert head.startswith("cohort,subject,file,status,findings,done,") and status == cli.EXIT_INPUT
    assert first.startswith("default,x,p.nii.gz,PASS,,,22 x 18 x 14,2 x 2.5 x 3,44 x 45 x 42,") and first.endswith(",2")
    assert second.startswith('default,y,series,WARN,"its header says') and third.startswith("default,z,series,FAIL,")
    assert last == "found 1 of 3 scans that cannot be used, expected none."
    sheet.write_text("subject,image\nx,gone.nii\n")
    status, printed = inspect(sheet)
    assert status == cli.EXIT_INPUT and "column 'image': found 'gone.nii', expected a file that exists." in printed


def raising(error: BaseException) -> Callable[..., None]:
    def command(**_: object) -> None:
        raise error

    return command


FAILURES = [
    (InputError(["one.", "two."]), cli.EXIT_INPUT, "rprloc: one.\nrprloc: two.\n"),
    (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a.nii"), cli.EXIT_FILE_SYSTEM, "a.nii: found 'No space left"),
    (OSError(errno.ESTALE, os.strerror(errno.ESTALE), "a.nii"), cli.EXIT_UNSTEADY, "a file system that answers"),
    (OSError(errno.EACCES, os.strerror(errno.EACCES), "a.nii"), cli.EXIT_FILE_SYSTEM, "a path that can be used"),
    (MemoryError(), cli.EXIT_OUT_OF_MEMORY, "the memory did not suffice"),
    (RuntimeError("CUDA out of memory. Tried"), cli.EXIT_OUT_OF_MEMORY, "CUDA out of memory"),
    (Interrupted("stopped at step 3"), cli.EXIT_INTERRUPTED, "stopped at step 3"),
]


@pytest.mark.parametrize(("error", "status", "said"), FAILURES, ids=[type(error).__name__ for error, _, _ in FAILURES])
def test_a_failure_is_a_sentence_and_a_status(
    error: Exception,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "command", raising(error))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == status
    assert said in capsys.readouterr().err


def test_another_error_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "command", raising(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main()


def test_a_wrong_option_is_clicks_own_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rprloc", "phantom", "--sed", "1"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "--seed" in capsys.readouterr().err
