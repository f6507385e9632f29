"""No name of a structure leaves its folder, and none takes another's place."""

from pathlib import Path

import pytest

from rprloc.exports.names import file_name, file_names

ODD = [
    "..", ".", "", "../../etc/passwd", "a/b", "a\\b", "a\0b", "-rf", "CON", "nul.nii", "é", "a b", "%41", "A", "a",
    "x" * 300, "y" * 299 + "z", "*?<>|", "\ud800", "label_1;rm -rf ~", "$(x)",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_a_name_is_one_of_a_file_in_its_folder(text: str) -> None:
    name = file_name(text)
    assert name and Path(name).name == name and name not in (".", "..")
    assert name.isascii() and name.isprintable() and not set(name) & set(" /\\:*?\"'<>|;$&()`\n") and len(name) < 130
    assert not name.startswith(".")


def test_plain_names_stay_and_none_clash() -> None:
    assert file_name("parotid_left-1.b") == "parotid_left-1.b"
    names = file_names([*ODD, *ODD])
    assert list(names) == list(dict.fromkeys(ODD))
    assert len({name.lower() for name in names.values()}) == len(names)
    assert names["A"] == "A" and names["a"].lower() != "a"
    assert file_name("%41") != file_name("A")
