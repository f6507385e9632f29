"""What structures are called."""

import pytest

from rprloc.errors import InputError
from rprloc.marks.names import asked_names, check_asked, structure_names


def test_names_become_letters_digits_and_dots_and_it_is_said() -> None:
    names, said = structure_names(["Left Parotid", "Gehörgang (re.)", "liver", "../x"], "a.json")
    assert names == [
        "Left_Parotid", "Gehorgang_re.", "liver", "x",
    ]  # fmt: skip
    (sentence,) = said
    assert sentence.startswith(
        "a.json: names are written in letters, digits and . _ -: 'Left Parotid' is Left_Parotid, "
    )
    assert "liver" not in sentence
    assert structure_names(["liver"], "a.json") == (["liver"], ())


def test_names_that_are_there_twice_and_those_without_a_letter_are_told_apart_by_their_number() -> None:
    assert structure_names(["liver", "spleen", "liver", "肝", "  "], "a") == (
        ["liver_1", "spleen", "liver_3", "structure_4", "structure_5"],
        (
            "a: several structures have the same name: 'liver' is liver_1, 'liver' is liver_3",
            "a: names are written in letters, digits and . _ -: '肝' is structure_4, '  ' is structure_5",
        ),
    )
    names, _ = structure_names(["x" * 80, "x" * 80], "a")
    assert [len(name) for name in names] == [64, 64] and names[0] != names[1]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (
            ["liver", "liver", "LIVER_2"],
            "a: found the names 'liver' and 'LIVER_2', expected names that differ in more than case.",
        ),
        (["a b", "A_B"], "a: found the names 'a b' and 'A_B', expected names that differ in more than case."),
    ],
)
def test_names_that_cannot_be_used(texts: list[str], expected: str) -> None:
    with pytest.raises(InputError) as error:
        structure_names(texts, "a")
    assert error.value.errors == [expected]


def test_what_is_asked_for_counts_in_its_own_spelling() -> None:
    assert asked_names(["Liver", "x"], None) == {"Liver": "Liver", "x": "x"}
    assert asked_names(["Liver", "x"], {"liver": 1, "y": 2}) == {"Liver": "liver"}
    check_asked({"Liver": "liver"}, ["Liver"], ["liver"], "a")
    with pytest.raises(InputError) as error:
        check_asked({}, ["x", "y"], ["liver"], "a")
    assert error.value.errors == ["a: found x, y, expected one of the settings' structures: liver."]
