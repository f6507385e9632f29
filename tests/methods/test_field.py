"""Which scans the shipped position map knows, and what is taken for the others."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rprloc.cohort.weights import shipped_folder
from rprloc.methods.answer import Chosen
from rprloc.methods.field import chosen_by, nothing_found, out_of_field
from rprloc.networks.checkpoint import Model, read_model
from rprloc.scans.preprocess import Source, preprocess
from rprloc.scans.scan import Scan
from rprloc.scans.target import Target
from tests.cohort.planned import DEMO

NAME = "head-neck-ct"


@pytest.fixture(scope="module")
def model() -> Model:
    return read_model(shipped_folder(NAME) / "position_map.safetensors", device=torch.device("cpu"))


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    folder = tmp_path_factory.mktemp("head")
    preprocess(
        folder, Source("c", "s", DEMO.parent / "images" / "kbp_031.nii.gz"), Target(modality="ct", spacing=(6, 6, 6))
    )
    found = Scan.read(folder / "c@s")
    assert found is not None
    return found


def test_a_ct_of_head_and_neck_is_in_the_field_as_long_as_the_map_knows_it(
    head: Scan, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert out_of_field([head], model) is None
    odd = replace(head, record=replace(head.record, findings=("values of 0 to 9, expected Hounsfield units: a guess",)))
    assert out_of_field([head, odd], model) == "s has no Hounsfield units"
    upside_down = replace(head, values=head.values[::-1].copy(), body=head.body[::-1].copy())
    assert "does not know the scan: its slopes are" in (out_of_field([upside_down], model) or "")

    monkeypatch.setattr("rprloc.methods.field.BENT_MM", 1.0)
    assert out_of_field([head], model) == "the position map of s is bent by 3.5 mm, expected at most 1"


def test_weights_are_taken_where_all_supports_lie_in_their_field(head: Scan, model: Model) -> None:
    assert chosen_by([head], NAME, model) == Chosen(NAME, "s in its field")
    assert chosen_by([head] * 3, NAME, model).why == "s, s and s in its field"
    assert chosen_by([head] * 4, NAME, model).why == "all 4 supports in its field"
    odd = replace(head, record=replace(head.record, findings=("values of 0 to 9, expected Hounsfield units: a guess",)))
    assert chosen_by([head, odd], NAME, model) == Chosen(
        "none", "head-neck-ct is not for these scans: s has no Hounsfield units"
    )


def test_a_query_that_is_searched_again_has_a_finding() -> None:
    assert nothing_found(NAME).finding == "nothing is found with the weights head-neck-ct: searched without"
    assert Chosen("none", "x").finding is None
