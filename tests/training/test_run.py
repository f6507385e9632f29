"""The TRAIN step: from a task and the folders of preprocessed scans to a model file and its curve."""

from __future__ import annotations

from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rprloc.catalogue import networks
from rprloc.cohort.tasks import Folders, Train
from rprloc.errors import InputError, NothingToLearnError
from rprloc.files import read_json_lines
from rprloc.networks.checkpoint import Model, new_network, read_model, write_model
from rprloc.networks.position_map import PositionMap
from rprloc.networks.settings import MapSettings, PatchSettings, VotesSettings
from rprloc.scans.record import ScanRecord
from rprloc.training import data, teaching
from rprloc.training.run import _key, train_network
from rprloc.training.teaching import read_points, true_points
from tests.training.labelled import COHORT as LABELLED
from tests.training.labelled import change_label, from_the_corner, write_labelled
from tests.training.lessons import CPU, equal, record_of, task_for, write_scan_for
from tests.training.scans import COHORT, write_scan, write_set_aside

BY_LABELS_OR_SUPPORTS = ("student", "ceiling")


def folders(tmp_path: Path, models: list[Path] | None = None) -> Folders:
    """Return all folders of scans that there are, and models."""
    return Folders({path.name: path for path in tmp_path.glob("c@*")}, models or [])


def run(tmp_path: Path, task: Train, models: list[Path] | None = None, *, out: str = "out") -> list[str]:
    """Train; return what was logged."""
    logged: list[str] = []
    task = msgspec.structs.replace(task, checkpoints=str(tmp_path / out / "states"))
    train_network(task, folders(tmp_path, models), tmp_path / out, device=CPU, log=logged.append)
    return logged


def states(tmp_path: Path) -> list[Path]:
    """Return the state files."""
    return list((tmp_path / "out" / "states").glob("*.safetensors"))


def test_a_training_leaves_a_model_a_curve_and_a_log_to_follow(tmp_path: Path) -> None:
    scans, validation = [write_scan(tmp_path, n) for n in (1, 2)], [write_scan(tmp_path, 9)]
    task = task_for("coarse", training=[*scans, "c@dead"], validation=validation)
    logged = run(tmp_path, task)
    model = read_model(tmp_path / "out" / "c" / "coarse.safetensors")
    assert model.settings == PatchSettings.of_cohort("coarse", COHORT)
    curve = read_json_lines(tmp_path / "out" / "c.coarse.jsonl")
    assert [point["step"] for point in curve] == [1, 2, 3]
    assert curve == [point.to_json() for point in record_of(model).history]
    assert record_of(model).validation == ("s9",) and record_of(model).scans == 2
    (state,) = states(tmp_path)
    assert state.name.startswith("c.coarse.")
    lines = state.with_suffix(".log").read_text(encoding="utf-8").splitlines()
    assert logged == [f"c coarse: {line}" for line in lines]
    assert (tmp_path / "out" / "c.coarse.log").read_text(encoding="utf-8").splitlines() == lines
    assert lines[0].startswith("training on 2 scans, 3 steps of 2 x 4 patches, on cpu, ")
    assert "goes on from step 3 of 3" in run(tmp_path, task)[1] and states(tmp_path) == [state]


def test_scans_that_do_not_fit_into_memory_train_the_same_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_for("coarse", training=[write_scan(tmp_path, n) for n in (1, 2, 3)], validation=["c@s1"])
    for place, memory_bytes in (("in memory", data.MEMORY_BYTES), ("mapped", 0)):
        monkeypatch.setattr(data, "MEMORY_BYTES", memory_bytes)
        run(tmp_path, task, out=place)
        assert not list((tmp_path / place).glob(".scans-*"))
    assert equal(*(read_model(tmp_path / place / "c" / "coarse.safetensors") for place in ("in memory", "mapped")))


def keys(tmp_path: Path, tasks: list[Train], models: list[Path]) -> list[str]:
    """Return the names that tasks give their states."""
    return [_key(task, folders(tmp_path, models)) for task in tasks]


@pytest.mark.parametrize("network", [row.name for row in networks()])
def test_the_same_inputs_find_their_state_and_every_other_input_begins_anew(tmp_path: Path, network: str) -> None:
    scans = [write_scan_for(network, tmp_path, seed) for seed in (1, 2, 8, 9)]
    models = [write_map(tmp_path / "models")]
    supports = scans[2:3] if network == "student" else []
    first = task_for(network, training=scans[:2], validation=scans[3:], supports=supports)

    def other(**changes: Any) -> Train:
        return msgspec.structs.replace(first, **changes)

    alike = [first, other(id="x", checkpoints="elsewhere"), other(training=first.training[::-1])]
    assert len(set(keys(tmp_path, alike, models))) == 1
    others = [
        first, other(seed=2), other(code="abd"), other(training=first.training[:1]), other(validation=()),
        other(network=f"{network}2"), other(settings=msgspec.structs.replace(first.settings, width=8)),
        other(length=replaced(first.length, steps=4)),
    ]  # fmt: skip
    if supports:
        others.append(other(supports=(*first.supports, "c@s1")))
    assert len(set(keys(tmp_path, others, models))) == len(others)
    (before,) = keys(tmp_path, [first], models)
    assert keys(tmp_path, [first], [write_map(tmp_path / "others", seed=2)]) != [before]
    image = ScanRecord.read(scans[0])
    replaced(image, source_sha256="f" * 64).write(tmp_path)
    assert keys(tmp_path, [first], models) != [before]
    image.write(tmp_path)
    # Labels count where they are told: of the supports alone, or of the training scans; of validation scans for both.
    told = {"": [], "supports": [scans[2], scans[3]], "labels": [scans[0], scans[1], scans[3]]}[first.learns]
    for folder in scans if first.learns else ():
        change_label(folder, 4.0)
        assert (keys(tmp_path, [first], models) != [before]) == (folder in told), folder
        change_label(folder, -4.0)
    if supports:
        (scans[2] / "s8_surface.safetensors").write_bytes(b"other points")
        assert keys(tmp_path, [first], models) != [before]


def test_all_scans_set_aside_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No scan to train on"):
        run(tmp_path, task_for("coarse", training=[write_set_aside(tmp_path, "broken")]))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A position map's file, whose network knows patients who lie alike whatever its weights are."""
    monkeypatch.setattr(PositionMap, "forward", from_the_corner)
    return [write_map(tmp_path / "models")]


def write_map(folder: Path, seed: int = 1, **changes: Any) -> Path:
    """Write the file of a position map of random weights."""
    settings = MapSettings.of_cohort("position_map", msgspec.structs.replace(LABELLED, **changes))
    path = folder / "position_map.safetensors"
    write_model(path, Model(new_network(settings, seed=seed), settings))
    return path


def taught(network: str, tmp_path: Path, **changes: Any) -> Train:
    """Return the task of a network that is taught from two scans, one support and a validation scan."""
    made = [tmp_path / f"c@s{n}" for n in (1, 2, 8, 9)]
    scans = [
        folder if folder.exists() else write_labelled(tmp_path, int(folder.name[3:]), matching=True) for folder in made
    ]
    supports = scans[2:3] if network == "student" else []
    asked: dict[str, Any] = {"training": scans[:2], "validation": scans[3:], "supports": supports} | changes
    return task_for(network, **asked)


@pytest.mark.parametrize("network", BY_LABELS_OR_SUPPORTS)
def test_a_network_that_is_taught_leaves_a_model_and_what_it_was_told(
    tmp_path: Path, models: list[Path], network: str
) -> None:
    logged = run(tmp_path, taught(network, tmp_path), models)
    model = read_model(tmp_path / "out" / "c" / f"{network}.safetensors")
    assert isinstance(model.settings, VotesSettings) and model.settings.network == network
    assert model.settings.structures == ("bright", "dark")
    assert model.settings.matching_spacing == LABELLED.matching_spacing
    assert model.settings.position_map == read_model(models[0]).fingerprint
    assert record_of(model).validation == ("s9",) and record_of(model).scans == 2
    assert record_of(model).history[0].error == "error_mm"
    (state,) = states(tmp_path)
    kept = state.with_suffix(".landmarks.json")
    # The labels are read again: nothing is to be kept.
    assert kept.exists() == (network == "student")
    told = read_points(kept) if network == "student" else {}
    assert told.keys() == ({"s1", "s2"} if network == "student" else set())
    for subject, points in told.items():
        true = true_points(tmp_path / f"c@{subject}", None)
        # The blocks of the support, not of the scan, but found there to a voxel or two.
        assert all(0 < abs(points[name] - true[name]).max() < 20 for name in points)
    assert any(line.startswith(f"c {network}: training on 2 scans, 3 steps of 1 scans") for line in logged)
    assert any("landmarks of 1 supports carried to 2 of 2" in line for line in logged) == (network == "student")


def test_what_was_told_is_kept_beside_the_state_and_no_label_of_a_training_scan_makes_another_student(
    tmp_path: Path, models: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, task = tmp_path / "out" / "c" / "student.safetensors", taught("student", tmp_path)
    run(tmp_path, task, models)
    before = read_model(path)
    (state,) = states(tmp_path)
    state.unlink()
    for name in task.training:
        change_label(tmp_path / name, 30.0)

    def twice(*_about: Any, **_more: Any) -> Any:
        raise AssertionError("asked for what was told already")

    with monkeypatch.context() as patch:
        patch.setattr(teaching, "Matched", twice)
        logged = run(tmp_path, task, models)
        assert not any("goes on" in line or "carried" in line for line in logged)
        assert equal(before, read_model(path))
        assert any("goes on from step 3 of 3" in line for line in run(tmp_path, task, models))
    assert states(tmp_path) == [state]
    for kept in (tmp_path / "out" / "states").iterdir():
        kept.unlink()
    run(tmp_path, task, models)
    assert equal(before, read_model(path)) and read_model(path).settings == before.settings


@pytest.mark.parametrize("network", BY_LABELS_OR_SUPPORTS)
def test_a_missing_or_unfit_position_map_is_told_in_one_sentence(tmp_path: Path, network: str) -> None:
    task = taught(network, tmp_path)
    with pytest.raises(InputError) as caught:
        run(tmp_path, task, [])
    assert caught.value.errors == [f"{network}: found no position_map network, expected one."]
    with pytest.raises(InputError, match=r"position_map: was trained with spacing \[6.0, 5.0, 5.0\]"):
        run(tmp_path, task, [write_map(tmp_path / "unfit", spacing=(6.0, 5.0, 5.0))])


@pytest.mark.parametrize("network", BY_LABELS_OR_SUPPORTS)
def test_nothing_to_learn_leaves_no_model(tmp_path: Path, models: list[Path], network: str) -> None:
    bare = [write_labelled(tmp_path, n, labelled=(), matching=True) for n in (5, 6)]
    changes = {"student": {"supports": bare}, "ceiling": {"training": bare}}[network]
    with pytest.raises(NothingToLearnError, match=f"{network}: found nothing to learn from"):
        run(tmp_path, taught(network, tmp_path, **changes), models)
    assert not (tmp_path / "out" / "c").exists() and states(tmp_path) == []


def test_another_number_of_threads_is_another_training(tmp_path: Path) -> None:
    write_scan(tmp_path, 1)
    task = task_for("coarse", training=("c@1",))
    keys = {_key(msgspec.structs.replace(task, threads=threads), folders(tmp_path)) for threads in (1, 2, 2)}
    assert len(keys) == 2


def test_a_closed_pipe_stops_no_training(tmp_path: Path) -> None:
    def closed(_line: str) -> None:
        raise BrokenPipeError

    scan = write_scan(tmp_path, 1)
    task = task_for("coarse", training=(scan,), checkpoints=str(tmp_path / "states"))
    train_network(task, folders(tmp_path), tmp_path / "out", device=CPU, log=closed)
    assert (tmp_path / "out" / "c" / "coarse.safetensors").exists()
    assert not (tmp_path / "out" / ".training").exists()
