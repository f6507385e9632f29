"""The command line: failures as sentences and exit statuses that the pipeline knows."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner

import rprloc
from rprloc import cli
from rprloc.errors import InputError
from rprloc.training.state import Interrupted


def test_help_and_version() -> None:
    runner = CliRunner()
    done = runner.invoke(cli.command, ["--help"])
    assert done.exit_code == 0
    assert all(name in done.output for name in ("import", "phantom", "plan", "step"))
    assert rprloc.__version__ in runner.invoke(cli.command, ["--version"]).output
    for name in ("openkbp", "pddca", "structseg", "pancreas-ct"):
        assert runner.invoke(cli.command, ["import", name, "--help"]).exit_code == 0


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
