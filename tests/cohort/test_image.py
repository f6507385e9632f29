"""Whether an image holds the checkout's package."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

import rprloc
from rprloc.cohort.image import SUFFIXES, check_same_code, package_hash
from rprloc.errors import InputError
from tests.cohort.planned import ROOT


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "inner").mkdir()
    (tmp_path / "b.py").write_text("two\n")
    (tmp_path / "inner" / "a.json").write_text("{}")
    (tmp_path / "a.safetensors").write_bytes(b"\xff")
    return tmp_path


def test_the_hash_is_that_of_names_and_texts(package: Path) -> None:
    assert package_hash(package) == hashlib.md5(b"b.py\ntwo\n\na.json\n{}").hexdigest()
    (package / "a.safetensors").unlink()
    before = package_hash(package)
    (package / "b.py").write_text("three\n")
    assert package_hash(package) != before


def test_the_files_that_count_are_nextflows() -> None:
    script = (ROOT / "modules" / "support" / "main.nf").read_text(encoding="utf-8")
    (listed,) = re.findall(r"/rprloc/\*\*\.\{([a-z0-9,]+)\}", script)
    assert tuple(f".{suffix}" for suffix in listed.split(",")) == SUFFIXES


def test_other_code_than_the_checkouts_is_a_sentence_with_the_command_that_mends_it(package: Path) -> None:
    check_same_code(package_hash(package), "rprloc:0.1.0", package=package)
    found = f"found rprloc {rprloc.__version__} with code {package_hash(package)[:8]}"
    for image, remedy in (
        ("rprloc:0.1.0", "docker build -f containers/Dockerfile -t rprloc:0.1.0 ."),
        ("/x/rprloc-0.1.0.sif", "apptainer build --force /x/rprloc-0.1.0.sif containers/Singularity.def"),
    ):
        with pytest.raises(InputError) as caught:
            check_same_code("abcdefabc", image, package=package)
        assert (
            str(caught.value)
            == f"image {image}: {found}, expected the checkout's code abcdefab; make it anew: {remedy}."
        )
    # Without a container it is the checkout's own.
    check_same_code("abcdefabc", "", package=package)
