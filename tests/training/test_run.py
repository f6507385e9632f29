"""The TRAIN step: from folders of preprocessed scans to a model file and its curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from rprloc.cohort.methods import TAUGHT
from rprloc.errors import InputError, NothingToLearnError
from rprloc.files import read_json_lines
from rprloc.networks.checkpoint import Model, ModelSettings, new_network, read_model, write_model
from rprloc.networks.device import device_of
from rprloc.networks.position_map import PositionMap
from rprloc.training import data, teaching
from rprloc.training.plan import PLANS, PLANS_OF, TrainingPlan
from rprloc.training.run import train_stage
from rprloc.training.teaching import read_points, true_points
from tests.training.labelled import TAUGHT_COHORT, change_label, from_the_corner, write_labelled
from tests.training.scans import COHORT, write_scan, write_set_aside
from tests.training.test_loop import equal

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `tiny` be the name of a very short training."""
    monkeypatch.setitem(PLANS, "tiny", TrainingPlan(steps=4, groups=2, patches=4))
    for stage in TAUGHT:
        monkeypatch.setitem(PLANS_OF[stage], "tiny", TrainingPlan(steps=2, groups=1, patches=1, optimiser="muon"))


def run(tmp_path: Path, scans: list[Path], validation: list[Path], **changes: Any) -> list[str]:
    """Train; return what was logged."""
    logged: list[str] = []
    asked: dict[str, Any] = {
        "cohort": "c", "stage": "coarse", "settings": COHORT, "training": "tiny", "seed": 1, "code": "abc",
    } | changes  # fmt: skip
    train_stage(
        tmp_path / "out",
        scans=scans,
        validation=validation,
        checkpoints=tmp_path / "states",
        device=CPU,
        log=logged.append,
        **asked,
    )
    return logged


def states(tmp_path: Path) -> set[str]:
    """Return the names of the state files."""
    return {path.name for path in (tmp_path / "states").glob("*.safetensors")}


def test_a_training_leaves_a_model_a_curve_and_a_log_to_follow(tmp_path: Path) -> None:
    scans, validation = [write_scan(tmp_path, n) for n in (1, 2)], [write_scan(tmp_path, 9)]
    logged = run(tmp_path, scans, validation)
    model = read_model(tmp_path / "out" / "c" / "coarse.safetensors")
    assert model.settings == ModelSettings.of_cohort(COHORT, "coarse")
    curve = read_json_lines(tmp_path / "out" / "c.coarse.jsonl")
    assert [point["step"] for point in curve] == [1, 2, 3, 4] and curve == model.record["history"]
    assert model.record["validation"] == ["s9"] and model.record["scans"] == 2
    (state,) = (tmp_path / "states").glob("*.safetensors")
    lines = state.with_suffix(".log").read_text(encoding="utf-8").splitlines()
    assert logged == [f"c coarse: {line}" for line in lines]
    assert lines[0].startswith("training on 2 scans, 4 steps of 2 x 4 patches")


def test_scans_that_do_not_fit_into_memory_train_the_same_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans, validation = [write_scan(tmp_path, n) for n in (1, 2, 3)], [write_scan(tmp_path, 9)]
    for place, memory_bytes in (("in memory", data.MEMORY_BYTES), ("mapped", 0)):
        monkeypatch.setattr(data, "MEMORY_BYTES", memory_bytes)
        run(tmp_path / place, scans, validation)
        assert not list((tmp_path / place / "out").glob(".scans-*"))
    one, two = (read_model(tmp_path / place / "out" / "c" / "coarse.safetensors") for place in ("in memory", "mapped"))
    for name, weights in one.network.state_dict().items():
        assert torch.equal(weights, two.network.state_dict()[name])


def test_the_same_inputs_find_their_state_and_every_other_input_begins_anew(tmp_path: Path) -> None:
    scans, validation = [write_scan(tmp_path, n) for n in (1, 2)], [write_scan(tmp_path, 9)]
    run(tmp_path, scans, validation)
    (first,) = states(tmp_path)
    assert "goes on from step 4 of 4" in run(tmp_path, scans[::-1], validation)[1]
    assert states(tmp_path) == {first}
    changes: list[dict[str, Any]] = [
        {"seed": 2}, {"code": "abd"}, {"stage": "fine"}, {"settings": COHORT | {"r": 61}}, {"scans": scans[:1]},
        {"validation": []},
    ]  # fmt: skip
    for count, change in enumerate(changes, start=2):
        run(tmp_path, change.pop("scans", scans), change.pop("validation", validation), **change)
        assert len(states(tmp_path)) == count


def test_all_scans_set_aside_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No scan to train on"):
        run(tmp_path, [write_set_aside(tmp_path, "broken")], [])


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A position map's file, whose network knows patients who lie alike whatever its weights are."""
    monkeypatch.setattr(PositionMap, "forward", from_the_corner)
    return [write_map(tmp_path / "models")]


def write_map(folder: Path, seed: int = 1, **changes: Any) -> Path:
    """Write the file of a position map of random weights."""
    settings = ModelSettings.of_cohort(TAUGHT_COHORT | changes, "position_map")
    path = folder / "position_map.safetensors"
    write_model(path, Model(new_network(settings, seed=seed), settings))
    return path


def taught(tmp_path: Path, stage: str, models: list[Path], **changes: Any) -> list[str]:
    """Train a network that is taught from two scans, one support and a validation scan; return what was logged."""
    made = [tmp_path / f"c@s{n}" for n in (1, 2, 8, 9)]
    scans = [
        folder if folder.exists() else write_labelled(tmp_path, int(folder.name[3:]), matching=True) for folder in made
    ]
    asked: dict[str, Any] = {
        "stage": stage, "settings": TAUGHT_COHORT, "models": models, "supports": scans[2:3], "scans": scans[:2],
        "validation": scans[3:],
    } | changes  # fmt: skip
    return run(tmp_path, asked.pop("scans"), asked.pop("validation"), **asked)


@pytest.mark.parametrize("stage", TAUGHT)
def test_a_network_that_is_taught_leaves_a_model_and_what_it_was_told(
    tmp_path: Path, models: list[Path], stage: str
) -> None:
    logged = taught(tmp_path, stage, models)
    model = read_model(tmp_path / "out" / "c" / f"{stage}.safetensors")
    assert (model.settings.stage, model.settings.method) == (stage, stage)
    details = model.settings.details
    assert details["structures"] == ["bright", "dark"] and details["spacing"] == TAUGHT_COHORT["matching_spacing"]
    assert model.record["validation"] == ["s9"] and model.record["scans"] == 2
    curve = read_json_lines(tmp_path / "out" / f"c.{stage}.jsonl")
    assert [point["step"] for point in curve] == [1, 2] and curve == model.record["history"]
    assert {"train_error_mm", "validation_error_mm"} <= curve[0].keys()
    (state,) = states(tmp_path)
    kept = tmp_path / "states" / state.replace(".safetensors", ".landmarks.json")
    # The labels are read again: nothing is to be kept.
    assert kept.exists() == (stage == "student")
    told = read_points(kept) if stage == "student" else {}
    assert told.keys() == ({"s1", "s2"} if stage == "student" else set())
    for subject, points in told.items():
        true = true_points(tmp_path / f"c@{subject}", None)
        # The blocks of the support, not of the scan, but found there to a voxel or two.
        assert all(0 < abs(points[name] - true[name]).max() < 20 for name in points)
    assert any(line.startswith(f"c {stage}: training on 2 scans, 2 steps of 1 scans") for line in logged)
    assert any("landmarks of 1 supports carried to 2 of 2" in line for line in logged) == (stage == "student")


def test_what_was_told_is_kept_beside_the_state_and_used_again(
    tmp_path: Path, models: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = "student"
    taught(tmp_path, stage, models)
    before = read_model(tmp_path / "out" / "c" / f"{stage}.safetensors")
    (state,) = (tmp_path / "states").glob("*.safetensors")
    state.unlink()

    def twice(*_about: Any, **_more: Any) -> Any:
        raise AssertionError("asked for what was told already")

    monkeypatch.setattr(teaching, "Matched", twice)
    logged = taught(tmp_path, stage, models)
    assert not any("goes on" in line or "carried" in line for line in logged)
    assert equal(before, read_model(tmp_path / "out" / "c" / f"{stage}.safetensors"))
    assert any("goes on from step 2 of 2" in line for line in taught(tmp_path, stage, models))
    assert len(states(tmp_path)) == 1


def test_the_student_s_state_follows_its_supports_labels_and_the_position_map(
    tmp_path: Path, models: list[Path]
) -> None:
    taught(tmp_path, "student", models)
    support = tmp_path / "c@s8"
    changes: list[dict[str, Any]] = [
        {"models": [write_map(tmp_path / "others", seed=2)]},
        {"supports": [support, write_labelled(tmp_path, 7, matching=True)]},
        {"scans": [tmp_path / "c@s1"]}, {"validation": []}, {"seed": 2}, {"code": "abd"}, {"stage": "ceiling"},
    ]  # fmt: skip
    for count, change in enumerate(changes, start=2):
        taught(tmp_path, change.pop("stage", "student"), change.pop("models", models), **change)
        assert len(states(tmp_path)) == count
    # The same image, another label.
    change_label(support, 4.0)
    taught(tmp_path, "student", models)
    assert len(states(tmp_path)) == len(changes) + 2
    assert len(list((tmp_path / "states").glob("*.landmarks.json"))) == len(changes) + 1


def test_the_labels_of_training_scans_make_no_other_student(tmp_path: Path, models: list[Path]) -> None:
    path = tmp_path / "out" / "c" / "student.safetensors"
    taught(tmp_path, "student", models)
    before = read_model(path)
    for name in ("c@s1", "c@s2"):
        change_label(tmp_path / name, 30.0)
    for state in (tmp_path / "states").iterdir():
        state.unlink()
    taught(tmp_path, "student", models)
    assert equal(before, read_model(path)) and read_model(path).settings == before.settings


@pytest.mark.parametrize("stage", TAUGHT)
def test_a_missing_or_unfit_position_map_is_told_in_one_sentence(
    tmp_path: Path, models: list[Path], stage: str
) -> None:
    other = tmp_path / "coarse.safetensors"
    settings = ModelSettings.of_cohort(COHORT, "coarse")
    write_model(other, Model(new_network(settings, seed=1), settings))
    for given in ([], [other]):
        with pytest.raises(InputError) as caught:
            taught(tmp_path, stage, given)
        assert caught.value.errors == [f"{stage}: found no position_map network, expected one."]
    unfit = [write_map(tmp_path / "unfit", spacing=[6.0, 5.0, 5.0])]
    with pytest.raises(InputError, match=r"position_map: was trained with spacing \[6.0, 5.0, 5.0\]"):
        taught(tmp_path, stage, unfit)


@pytest.mark.parametrize("stage", TAUGHT)
def test_nothing_to_learn_leaves_no_model(tmp_path: Path, models: list[Path], stage: str) -> None:
    bare = [write_labelled(tmp_path, n, labelled=(), matching=True) for n in (5, 6)]
    changes = {"student": {"supports": bare}, "ceiling": {"scans": bare}}[stage]
    with pytest.raises(NothingToLearnError, match=f"{stage}: found nothing to learn from"):
        taught(tmp_path, stage, models, **changes)
    assert not (tmp_path / "out" / "c").exists() and states(tmp_path) == set()


def test_mistake_11_a_cpu_is_enough() -> None:
    assert device_of("cpu") == CPU
    assert device_of("auto").type in ("cpu", "cuda")
