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
from rprloc.training.data import read_training_scans
from rprloc.training.plan import PLANS, TrainingPlan
from rprloc.training.run import train_stage
from tests.training.scans import COHORT, SETTINGS, body, values_of, write_scan, write_set_aside

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


def test_scans_are_read_in_order_and_those_set_aside_left_out(tmp_path: Path) -> None:
    folders = [write_scan(tmp_path, 2), write_set_aside(tmp_path, "broken"), write_scan(tmp_path, 1)]
    scans = read_training_scans(folders, SETTINGS, device=CPU)
    assert [scan.subject for scan in scans] == ["s1", "s2"]
    assert (scans[0].body.mask == body()).all()
    pad = [n // 2 for n in SETTINGS.patch_voxels]
    inside = scans[0].scan.values[pad[0] : pad[0] + 20, pad[1] : pad[1] + 24, pad[2] : pad[2] + 28]
    assert (inside.numpy() == values_of(1)).all()


def test_mistake_1_scans_of_another_spacing_are_refused(tmp_path: Path) -> None:
    folder = write_scan(tmp_path, 1, spacing=(3.0, 2.0, 2.5))
    with pytest.raises(InputError, match=r"s1.json: found a spacing of \[3.0, 2.0, 2.5\] mm"):
        read_training_scans([folder], SETTINGS, device=CPU)


def test_a_training_leaves_a_model_a_curve_and_a_log_to_follow(tmp_path: Path) -> None:
    scans, validation = [write_scan(tmp_path, n) for n in (1, 2)], [write_scan(tmp_path, 9)]
    logged = run(tmp_path, scans, validation)
    model = read_model(tmp_path / "out" / "c" / "coarse.safetensors")
    assert model.settings == ModelSettings.of_cohort(COHORT, "coarse")
    curve = read_json_lines(tmp_path / "out" / "c.coarse.jsonl")
    assert [point["step"] for point in curve] == [1, 2, 3, 4] and curve == model.record["history"]
    assert model.record["validation"] == ["s9"] and model.record["scans"] == 2
    lines = (tmp_path / "states" / "c.coarse.log").read_text(encoding="utf-8").splitlines()
    assert logged == [f"c coarse: {line}" for line in lines]
    assert lines[0].startswith("training on 2 scans, 4 steps of 2 x 4 patches")


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
