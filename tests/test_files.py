"""Files appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from rprloc.errors import InputError
from rprloc.files import (
    only_file,
    read_json,
    read_json_lines,
    sha256,
    whole_file,
    write_json,
    write_json_lines,
    write_text,
)


def test_a_file_has_its_name_only_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with whole_file(path) as temporary:
        temporary.write_text("half", encoding="utf-8")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text(encoding="utf-8") == "half"
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError, match="stop"), whole_file(path) as temporary:
        temporary.write_text("new", encoding="utf-8")
        raise RuntimeError("stop")
    assert path.read_text(encoding="utf-8") == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("name", ["s.nii.gz", "kbp_005.v1.nii.gz", "s.mha", "model.safetensors", "no_suffix"])
def test_the_temporary_name_ends_as_the_file_does(tmp_path: Path, name: str) -> None:
    with whole_file(tmp_path / name) as temporary:
        assert temporary.name.endswith("".join(Path(name).suffixes[-2:]))


def test_a_file_may_be_read_as_the_user_mask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_text_and_json_keep_every_letter(tmp_path: Path) -> None:
    content = {"name": "Müller, «лёгкое» \U0001fac1", "point": [0.1, -1e-17, 3], "none": None}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content
    assert "Müller" in (tmp_path / "a.json").read_text(encoding="utf-8")
    rows = [content, {"text": "a\u2028b\nc"}]
    write_json_lines(tmp_path / "a.jsonl", rows)
    assert read_json_lines(tmp_path / "a.jsonl") == rows


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_never_written(tmp_path: Path, number: float) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"x": number})
    with pytest.raises(ValueError):
        write_json_lines(tmp_path / "a.jsonl", [{"x": number}])
    assert [file.name for file in tmp_path.iterdir()] == []


def test_a_missing_or_broken_file_is_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"a": 1', encoding="utf-8")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for name in ("broken.json", "binary.json", "missing.json"):
        for read in (read_json, read_json_lines):
            with pytest.raises(InputError, match=name) as caught:
                read(tmp_path / name)
            assert len(caught.value.errors) == 1


def test_empty_lines_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n\n{"a": 2}\n', encoding="utf-8")
    assert read_json_lines(tmp_path / "a.jsonl") == [{"a": 1}, {"a": 2}]
    (tmp_path / "b.jsonl").write_text("", encoding="utf-8")
    assert read_json_lines(tmp_path / "b.jsonl") == []


def test_the_hash_is_that_of_the_contents_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    (tmp_path / "b").write_bytes(b"y")
    assert sha256(tmp_path / "a", tmp_path / "b") == hashlib.sha256(b"x" * 3_000_000 + b"y").hexdigest()


def test_an_error_names_the_file_that_was_wanted(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(OSError) as caught:
        write_text(tmp_path / "a" / "b.txt", "x")
    assert caught.value.filename == str(tmp_path / "a" / "b.txt")


def test_an_error_about_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, whole_file(tmp_path / "a"):
        (tmp_path / "other").read_bytes()
    assert caught.value.filename == str(tmp_path / "other")


def test_the_only_file_of_a_folder_is_not_what_lies_beside_it(tmp_path: Path) -> None:
    assert only_file(tmp_path) is None and only_file(tmp_path / "none") is None
    for name in ("a.raw", "b.mhd"):
        (tmp_path / name).touch()
    assert only_file(tmp_path, beside=["elsewhere/a.raw"]) == tmp_path / "b.mhd"
