"""The lessons of a task: which scans and models are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rprloc.cohort.tasks import Folders
from rprloc.errors import InputError
from rprloc.networks.checkpoint import Model, new_network, write_model
from rprloc.networks.settings import MapSettings
from rprloc.training.task import folders_of, read_models
from tests.training.labelled import COHORT
from tests.training.lessons import lessons_for, task_for

CPU = torch.device("cpu")


def test_scans_are_sorted_by_name_each_once_without_those_that_never_came() -> None:
    folders = Folders({"c@b": Path("z/c@b"), "c@a": Path("y/c@a"), "c@other": Path("x/c@other")})
    assert folders_of(["c@b", "c@a", "c@b", "c@dead"], folders) == (Path("y/c@a"), Path("z/c@b"))
    assert folders_of([], folders) == ()


def test_models_are_read_by_network_and_have_to_fit_the_task(tmp_path: Path) -> None:
    settings = MapSettings.of_cohort("position_map", COHORT)
    path = tmp_path / "any.safetensors"
    write_model(path, Model(new_network(settings, seed=1), settings))
    task = task_for("student")
    found = read_models(task, Folders({}, [path]), CPU)
    assert list(found) == ["position_map"] and found["position_map"].settings == settings
    with pytest.raises(InputError, match="position_map: was trained with spacing"):
        read_models(task_for("coarse"), Folders({}, [path]), CPU)


@pytest.mark.parametrize("network", ["student", "ceiling"])
def test_a_missing_model_is_told_in_one_sentence(tmp_path: Path, network: str) -> None:
    lessons = lessons_for(network, tmp_path, [])
    assert lessons.model("position_map").settings.network == "position_map"
    with pytest.raises(InputError) as caught:
        lessons.model("coarse")
    assert caught.value.errors == [f"{network}: found no coarse network, expected one."]
