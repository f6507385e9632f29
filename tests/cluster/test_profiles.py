"""Every two profiles in both orders, as Nextflow reads them with either parser: they say the same, or are refused."""

from __future__ import annotations

import json
import subprocess
from itertools import combinations

import pytest

from tests.pipeline.test_profiles import PROFILES
from tests.runs import NEXTFLOW, ROOT, environment

Found = dict[str, dict[str, dict[str, str | None]]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """What profiles.nf writes of each two, by parser and `one,other`."""
    folder = tmp_path_factory.mktemp("profiles")
    script = ROOT / "tests" / "cluster" / "profiles.nf"
    command = [NEXTFLOW, "run", script, "--checkout", ROOT, "--profiles", ",".join(PROFILES)]
    subprocess.run(command, cwd=folder, env=environment(), check=True)
    read: Found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    return read


@pytest.mark.parametrize("parser", ["v1", "v2"])
@pytest.mark.parametrize(("one", "other"), list(combinations(PROFILES, 2)))
def test_two_profiles_in_any_order_configure_the_same_or_are_refused(
    found: Found, parser: str, one: str, other: str
) -> None:
    before, after = found[parser][f"{one},{other}"], found[parser][f"{other},{one}"]
    assert bool(before["refused"]) == bool(after["refused"])
    if before["refused"]:
        assert f"found {one} and {other}, expected one" in before["refused"]
        assert f"found {other} and {one}, expected one" in str(after["refused"])
    else:
        assert str(before["configured"]).splitlines() == str(after["configured"]).splitlines()
