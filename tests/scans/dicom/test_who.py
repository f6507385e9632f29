"""What a description repeats of a patient is struck out, also short names and dates in any spelling."""

from __future__ import annotations

import pytest

from rprloc.scans.dicom.who import without_who


@pytest.mark.parametrize(
    ("text", "said", "expected"),
    [
        ("Thorax Li Bo 28.02.1943", ["Li^Bo"], "Thorax ... ... ..."),
        ("Li Bo pid 7", ["Li^Bo", "7"], "... ... pid ..."),
        ("7.0 mm, 17 slices, T2 Libido", ["Li^Bo", "7"], "....0 mm, 17 slices, T2 Libido"),
        ("山田 太郎 CT", ["Müller^Jörg=山田^太郎"], "... ... CT"),
        ("Abdomen mueller", ["Mueller^Max"], "Abdomen ..."),
        ("CT of MUELLERs", ["Mueller^Max"], "CT of ...s"),
        ("plain", ["", "^^"], "plain"),
    ],
)
def test_words_of_a_patient(text: str, said: list[str], expected: str) -> None:
    assert without_who(text, said, "19430228") == expected


@pytest.mark.parametrize(
    "written",
    [
        "19430228",
        "1943-02-28",
        "28.02.1943",
        "28.2.43",
        "02/28/1943",
        "280243",
        "28 Feb 1943",
        "February 28, 1943",
        "28_02_1943",
    ],
)
def test_a_birth_date_in_any_spelling(written: str) -> None:
    assert without_who(f"a {written} b", [], "19430228") == "a ... b"


@pytest.mark.parametrize("written", ["128021943", "1.5 mm", "1943", "B28 f2"])
def test_other_numbers_stay(written: str) -> None:
    assert without_who(written, [], "19430228") == written
    assert without_who(written, [], "no date") == written
