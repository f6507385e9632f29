"""Which page `rprloc show` opens."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest
from click.testing import CliRunner

from rprloc.cli import command
from rprloc.errors import InputError
from rprloc.pictures.show import address_of, page_to_open


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for name in ("report.html", "viewer/one/kbp_021.html", "viewer/two/kbp_021.html", "viewer/two/kbp_022.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_querys_viewer_or_the_report(results: Path) -> None:
    assert page_to_open(results, None) == results / "report.html"
    assert page_to_open(results, "kbp_022") == results / "viewer" / "two" / "kbp_022.html"
    assert page_to_open(results, "kbp_021", "one") == results / "viewer" / "one" / "kbp_021.html"
    assert address_of(results / "report.html", 'a "b"').endswith("report.html#a%20%22b%22")


@pytest.mark.parametrize(
    ("subject", "said"),
    [("kbp_021", "found kbp_021 in the cohorts one, two"), ("kbp_02", "found no viewer of kbp_02"),
     ("../report", "found no viewer of")],
)  # fmt: skip
def test_what_cannot_be_shown_is_said(results: Path, subject: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        page_to_open(results, subject)
    with pytest.raises(InputError, match=r"found no report\.html"):
        page_to_open(results / "viewer", None)


def test_the_command_opens_it(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: not opened.append(address))
    done = CliRunner().invoke(command, ["show", str(results), "kbp_022", "--structure", "mandible"])
    assert done.exit_code == 0 and opened == [f"{(results / 'viewer/two/kbp_022.html').as_uri()}#mandible"]
    assert done.output.strip() == opened[0]
