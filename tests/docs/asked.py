"""Commands of the package, as a page's reader gives them."""

from __future__ import annotations

import contextlib
from pathlib import Path

from click.testing import CliRunner

from rprloc.cli import command


def rprloc(*words: str, folder: Path) -> str:
    """Run a command of the package in a folder; return what it printed for programs."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout
