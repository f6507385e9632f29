"""What a user reads."""

from __future__ import annotations

import pytest

from rprloc.errors import InputError, nearest


def test_one_sentence_is_the_whole_text() -> None:
    error = InputError("a.nii: no such file.")
    assert isinstance(error, ValueError)
    assert str(error) == "a.nii: no such file."
    assert error.errors == ["a.nii: no such file."]


def test_several_sentences_are_a_line_each() -> None:
    error = InputError(f"line {n}: empty." for n in (1, 2))
    assert error.errors == ["line 1: empty.", "line 2: empty."]
    assert str(error) == "line 1: empty.\nline 2: empty."


def test_the_nearest_known_name_is_hinted_at() -> None:
    assert nearest("trainig", ["seed", "training"]) == " (did you mean 'training'?)"
    assert nearest("TRAINING", ["training"]) == " (did you mean 'training'?)"
    assert nearest("xyz", ["seed", "training"]) == ""
    assert nearest("xyz", []) == ""


@pytest.mark.parametrize("wrong", ["imge", "imagge", "imabe", "Image", "images", "iamge", "gamie"])
def test_a_typing_mistake_is_near(wrong: str) -> None:
    assert nearest(wrong, ["image", "label"]) == " (did you mean 'image'?)"


@pytest.mark.parametrize("other", ["age", "sex", "site", "stage", "lab", "im", "date", ""])
def test_another_word_is_not_near(other: str) -> None:
    assert nearest(other, ["subject", "image", "label", "split", "cohort"]) == ""
