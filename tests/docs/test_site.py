"""The site of the documents is built without a warning and asks nothing from outside."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from a copy."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, folder / "docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_every_page_is_in_the_site_and_in_its_contents(site: Path) -> None:
    contents = (ROOT / "zensical.toml").read_text("utf-8")
    for page in sorted(DOCS.rglob("*.md")):
        name = page.relative_to(DOCS)
        place = name.parent if name.stem == "index" else name.with_suffix("")
        assert (site / place / "index.html").is_file()
        assert f'"{name.as_posix()}"' in contents


def test_nothing_is_fetched_from_outside(site: Path) -> None:
    for page in site.rglob("*.html"):
        fetched = re.findall(
            r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"?(https?://[^\"\s>]+)", page.read_text("utf-8")
        )
        assert not fetched, page
