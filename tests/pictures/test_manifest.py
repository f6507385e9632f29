"""The manifest: written, read, and another file refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rprloc.errors import InputError
from rprloc.pictures.manifest import Pictured, read_manifests, write_manifest


def test_what_was_made_of_several_batches_comes_back_by_scan(tmp_path: Path) -> None:
    one = Pictured(cohort="c", subject="a", pictures={'"<b>': "pictures/c/a/x.webp"}, true_mm={"b": [[0.5], [1.0]]})
    other = Pictured(cohort="c", subject="b", note="No picture.")
    write_manifest(tmp_path / "1.json", [one])
    write_manifest(tmp_path / "2.json", [other])
    found = read_manifests(sorted(tmp_path.iterdir()))
    assert found == {("c", "a"): one, ("c", "b"): other}
    (tmp_path / "1.json").write_text('[{"cohort": 3}]')
    with pytest.raises(InputError, match=r"1\.json: expected a list of pictures"):
        read_manifests([tmp_path / "1.json"])
