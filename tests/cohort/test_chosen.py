"""Which weights are taken, and why."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rprloc.cohort.chosen import given_weights, shipped_weights, without
from rprloc.cohort.settings import Settings, parse_settings
from rprloc.cohort.weights import shipped_folder
from rprloc.errors import InputError

SHIPPED = shipped_folder("head-neck-ct") / "position_map.safetensors"


def test_weights_bring_their_settings_along() -> None:
    found = given_weights("head-neck-ct", Settings(), "default", "matched")
    assert found.models == (SHIPPED,)
    assert (found.settings.window[0], found.settings.spacing) == ((-500.0, 0.0), (6.0, 6.0, 6.0))
    both = given_weights("head-neck-ct-paper", Settings(), "default", "regression")
    assert [path.name for path in both.models] == ["coarse.safetensors", "fine.safetensors"]


def test_weights_may_lie_in_a_folder_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    shutil.copy(SHIPPED, tmp_path / "mine")
    found = given_weights(str(tmp_path), Settings(), "mine", "matched")
    assert found.models == (tmp_path / "mine" / "position_map.safetensors",)


@pytest.mark.parametrize(
    ("name", "method", "said"),
    [
        ("none", "regression", "parameter 'weights': found 'none', expected weights with coarse and fine"),
        ("head-nek-ct", "matched", "expected a folder that exists, auto, .*did you mean 'head-neck-ct'"),
        ("head-neck-ct", "regression", "expected a coarse and a fine model"),
    ],
)
def test_weights_that_cannot_be_are_a_sentence(name: str, method: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        given_weights(name, Settings(), "default", method)


def test_auto_takes_what_ships_for_the_method() -> None:
    assert shipped_weights(Settings(), "default", "matched").name == "head-neck-ct"
    assert shipped_weights(Settings(), "default", "regression").name == "head-neck-ct-paper"
    assert shipped_weights(Settings(), "default", "affine").why == "affine needs no network"


def test_auto_says_why_none_is_taken() -> None:
    settings, _ = parse_settings("spacing: [8, 8, 8]\n", file="s.yml")
    assert settings is not None
    found = shipped_weights(settings, "default", "matched")
    assert (found.name, found.models) == ("none", ())
    assert found.why.startswith("head-neck-ct does not fit the settings: position_map.safetensors, key 'spacing'")
    assert without(settings, "matched", "of s, x").why == "of s, x"
    for method, said in (("position_map", "as head-neck-ct does"), ("student", "as none that ship hold")):
        with pytest.raises(
            InputError, match=f"parameter 'weights': found 'auto', expected a folder of weights .*{said}"
        ):
            shipped_weights(settings, "default", method)
