"""What a run is made of."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file, save_file

from rprloc.cohort.image import package_hash
from rprloc.cohort.plan import read_plan
from rprloc.cohort.provenance import commit_of, provenance, tensors_sha256, versions, versions_text
from rprloc.cohort.weights import shipped_folder
from rprloc.errors import InputError
from rprloc.networks.checkpoint import read_model
from tests.cohort.planned import DEMO, ROOT

MODEL = shipped_folder("head-neck-ct") / "position_map.safetensors"


def test_equal_weights_have_equal_hashes_whatever_their_header_says(tmp_path: Path) -> None:
    other = tmp_path / "a.safetensors"
    save_file(load_file(MODEL), other, metadata={"rprloc": "{}"})
    assert other.read_bytes() != MODEL.read_bytes()
    assert tensors_sha256(other) == tensors_sha256(MODEL) == read_model(MODEL).fingerprint
    tensors = load_file(MODEL)
    first = next(iter(tensors))
    tensors[first] = tensors[first] + 1
    save_file(tensors, other)
    assert tensors_sha256(other) != tensors_sha256(MODEL)


@pytest.mark.parametrize("content", [b"", b"\x80pickle of something", b"\x02\0\0\0\0\0\0\0[]"])
def test_what_is_no_model_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.safetensors: found no header of tensors"):
        tensors_sha256(tmp_path / "x.safetensors")


def test_a_checkout_has_a_commit_that_says_whether_files_were_changed(tmp_path: Path) -> None:
    assert commit_of(tmp_path / "nothing") == ""

    def git(*words: str) -> None:
        named = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *named, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-m", "one")
    commit = commit_of(tmp_path)
    assert len(commit) == 40
    (tmp_path / "file").write_text("two")
    assert commit_of(tmp_path) == f"{commit}, changed"


def test_the_plan_holds_it() -> None:
    plan = read_plan(DEMO, {"methods": "matched", "weights": "head-neck-ct"}, ROOT)
    assert plan.faults == ()
    assert plan.provenance.weights == {"openkbp/position_map": tensors_sha256(MODEL)}
    assert plan.provenance.code == package_hash() and plan.provenance.versions == versions()
    assert plan.provenance.commit == commit_of(ROOT)
    assert provenance(commit="", models={}).weights == {}


def test_versions_are_written_as_multiqc_reads_them() -> None:
    assert yaml.safe_load(versions_text("CHECK")) == {"CHECK": versions()}
