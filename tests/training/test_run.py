"""The TRAIN step: from folders of preprocessed scans to a model file and its curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from rprloc.errors import InputError
from rprloc.files import read_json_lines
from rprloc.networks.checkpoint import ModelSettings, read_model
from rprloc.networks.device import device_of
from rprloc.training import data
from rprloc.training.plan import PLANS, TrainingPlan
from rprloc.training.run import train_stage
from tests.training.scans import COHORT, write_scan, write_set_aside

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `tiny` be the name of a very short training."""
    monkeypatch.setitem(PLANS, "tiny", TrainingPlan(steps=4, groups=2, patches=4))


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


def test_mistake_11_a_cpu_is_enough() -> None:
    assert device_of("cpu") == CPU
    assert device_of("auto").type in ("cpu", "cuda")
