"""What structures are called."""

import pytest

from rprloc.errors import InputError
from rprloc.marks.names import asked_names, check_asked, structure_names


def test_names_become_letters_digits_and_dots_and_it_is_said() -> None:
    names, said = structure_names(["Left Parotid", "Gehörgang (re.)", "liver", "../x"], "a.json")
    assert list(names.values()) == [
        "Left_Parotid", "Gehorgang_re.", "liver", "x",
    ]  # fmt: skip
    (sentence,) = said
    assert sentence.startswith(
        "a.json: names are written in letters, digits and . _ -: 'Left Parotid' is Left_Parotid, "
    )
    assert "liver" not in sentence
    assert structure_names(["liver"], "a.json") == ({"liver": "liver"}, ())


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["  "], "a: found a structure called '  ', expected letters or digits in its name."),
        (["肝"], "a: found a structure called '肝', expected letters or digits in its name."),
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
