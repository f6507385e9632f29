"""Model files: what they carry, what they refuse, and latents that do not depend on how many are asked for."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rprloc.cohort import weights
from rprloc.cohort.settings import Settings
from rprloc.errors import InputError
from rprloc.networks.checkpoint import (
    FORMAT,
    Model,
    ModelSettings,
    check_conflicts,
    new_network,
    read_model,
    read_tensors,
    write_model,
    write_tensors,
)

SETTINGS = ModelSettings(
    stage="coarse",
    modality="ct",
    spacing=(3.0, 4.0, 4.0),
    patch_voxels=(8, 8, 8),
    window=((-500.0, 0.0), (-100.0, 0.2), (100.0, 0.8), (1500.0, 1.0)),
    r_mm=300.0,
    convolution="in_plane",
    width=4,
)
COHORT: dict[str, Any] = {
    "modality": "ct",
    "spacing": [3, 4, 4],
    "window": [[-500, 0], [-100, 0.2], [100, 0.8], [1500, 1]],
    "patch": [48, 64, 64],
    "network": {"convolution": "isotropic", "width": 16},
    "r": 30,
}
VALUES = np.random.default_rng(0).normal(0, 400, (20, 21, 22)).astype(np.int16)


def model(**changes: Any) -> Model:
    """Return an untrained model."""
    settings = replace(SETTINGS, **changes)
    return Model(new_network(settings, seed=3).eval(), settings, {"steps": 7, "history": [{"step": 1}]})


def refusal(path: Path) -> str:
    """Return the one sentence that refuses a model file."""
    with pytest.raises(InputError) as caught:
        read_model(path)
    (sentence,) = caught.value.errors
    assert sentence.startswith(f"{path.name}: ") and sentence.endswith(".") and "\n" not in sentence
    return sentence


def test_a_model_is_read_as_it_was_written_bit_by_bit(tmp_path: Path) -> None:
    written = model()
    write_model(tmp_path / "new" / "coarse.safetensors", written)
    found = read_model(tmp_path / "new" / "coarse.safetensors")
    assert found.settings == written.settings and found.record == written.record
    before, after = written.network.state_dict(), found.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not found.network.training and not any(p.requires_grad for p in found.network.parameters())
    centres = torch.tensor([[0, 0, 0], [10, 11, 12]])
    assert torch.equal(found.latents(found.pad(VALUES), centres), written.latents(written.pad(VALUES), centres))


def test_a_model_says_what_it_is_to_anyone_who_opens_it(tmp_path: Path) -> None:
    write_model(tmp_path / "a.safetensors", model())
    content = (tmp_path / "a.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    about = json.loads(header["__metadata__"]["rprloc"])
    assert about["settings"]["r_mm"] == 300 and about["settings"]["spacing"] == [3, 4, 4]
    assert about["settings"]["method"] == "regression" and about["record"]["steps"] == 7


@pytest.mark.parametrize(
    "change",
    [
        {"r_mm": 30.0, "stage": "fine"},
        {"patch_voxels": (5, 6, 7)},
        {"spacing": (1.0, 2.0, 2.5)},
        {"window": ((-1000.0, 0.0), (-200.0, 0.2), (200.0, 0.8), (1500.0, 1.0))},
        {"convolution": "isotropic", "width": 8},
        {"modality": "mr"},
    ],
)
def test_mistake_1_what_a_network_was_trained_with_comes_from_its_file(tmp_path: Path, change: dict[str, Any]) -> None:
    write_model(tmp_path / "a.safetensors", model(**change))
    found = read_model(tmp_path / "a.safetensors")
    assert found.settings == replace(SETTINGS, **change)
    assert found.network.patch_voxels == found.settings.patch_voxels
    # The patch that is cropped and the window are the model's: there is no way of giving others.
    assert found.pad(VALUES).crop(torch.tensor([[0, 0, 0]])).shape[1:] == found.settings.patch_voxels


def test_mistake_1_another_spacing_window_or_modality_than_the_models_is_a_conflict() -> None:
    check_conflicts("coarse.safetensors", SETTINGS, COHORT)
    for change, said in [
        ({"spacing": [3, 1, 1]}, "trained with spacing [3.0, 4.0, 4.0], the cohort's settings say [3.0, 1.0, 1.0]"),
        ({"modality": "mr"}, "trained with modality ct, the cohort's settings say mr"),
        ({"window": [[-1000, 0], [1000, 1]]}, "trained with window [[-500.0, 0.0]"),
    ]:
        with pytest.raises(InputError) as caught:
            check_conflicts("coarse.safetensors", SETTINGS, COHORT | change)
        (sentence,) = caught.value.errors
        assert sentence.startswith("coarse.safetensors: ") and said in sentence and sentence.endswith(".")
    with pytest.raises(InputError) as caught:
        check_conflicts("a", SETTINGS, COHORT | {"spacing": [1, 1, 1], "modality": "mr"})
    assert len(caught.value.errors) == 2


def test_other_r_patch_or_network_in_the_settings_change_nothing() -> None:
    other = {"r": 5, "patch": [1, 1, 1], "network": {"convolution": "isotropic", "width": 99}}
    check_conflicts("a", SETTINGS, COHORT | other)


def test_a_cohorts_patch_in_millimetres_becomes_voxels() -> None:
    found = ModelSettings.of_cohort(COHORT, "fine")
    assert found.patch_voxels == (16, 16, 16) and found.spacing == (3.0, 4.0, 4.0)
    assert found.r_mm == 30 and found.stage == "fine" and found.width == 16
    assert ModelSettings.of_cohort(COHORT | {"spacing": [3, 1, 1]}, "fine").patch_voxels == (16, 64, 64)
    assert ModelSettings.of_cohort(COHORT | {"patch": [1, 1, 1]}, "fine").patch_voxels == (1, 1, 1)


def test_mistake_11_a_pickle_is_refused_and_never_loaded(tmp_path: Path) -> None:
    marker = tmp_path / "was_run"

    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (marker,)

    for name in ("a.safetensors", "a.pth"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
        assert "expected a model file of rprloc (safetensors)" in refusal(tmp_path / name)
    torch.save({"weights": torch.zeros(3)}, tmp_path / "b.safetensors")
    assert "expected a model file of rprloc (safetensors)" in refusal(tmp_path / "b.safetensors")
    assert not marker.exists()


@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.999])
def test_mistake_11_a_model_that_is_cut_short_is_refused(tmp_path: Path, part: float) -> None:
    write_model(tmp_path / "whole", model())
    whole = (tmp_path / "whole").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: int(part * len(whole))])
    assert "expected a model file" in refusal(tmp_path / "cut.safetensors")


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("weights\n" * 99, encoding="utf-8")
    assert "expected a model file" in refusal(tmp_path / "text.safetensors")
    assert "expected a model file" in refusal(tmp_path / "missing.safetensors")
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    assert "expected a model file" in refusal(tmp_path / "other.safetensors")
    save_file({"a": torch.zeros(2)}, tmp_path / "list.safetensors", metadata={"rprloc": "[1, 2]"})
    refusal(tmp_path / "list.safetensors")
    write_tensors(tmp_path / "state.safetensors", {"a": torch.zeros(2)}, {"step": 5})
    assert "found a file of format None, expected 'rprloc-model-1'" in refusal(tmp_path / "state.safetensors")


@pytest.mark.parametrize("change", [{"width": 8}, {"patch_voxels": [32, 32, 32]}, {"width": 5}, {"window": 3}])
def test_weights_that_do_not_fit_the_settings_in_their_file_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    write_model(tmp_path / "a.safetensors", model())
    tensors, header = read_tensors(tmp_path / "a.safetensors")
    header["settings"] |= change
    write_tensors(tmp_path / "b.safetensors", tensors, header)
    assert "do not fit its own settings" in refusal(tmp_path / "b.safetensors")
    del header["settings"]
    write_tensors(tmp_path / "c.safetensors", tensors, header)
    refusal(tmp_path / "c.safetensors")


@pytest.mark.parametrize("number", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["r_mm", "spacing"])
def test_sizes_that_are_no_positive_numbers_are_refused(tmp_path: Path, key: str, number: float) -> None:
    whole = tmp_path / "whole"
    write_model(whole, model())
    about = json.dumps(json.dumps(read_tensors(whole)[1], sort_keys=True)).encode()
    changed = read_tensors(whole)[1]
    changed["settings"][key] = [number] * 3 if key == "spacing" else number
    content = whole.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + size].replace(about, json.dumps(json.dumps(changed, sort_keys=True)).encode())
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + content[8 + size :])
    assert "do not fit its own settings (a size that is not a positive number)" in refusal(tmp_path / "a.safetensors")


def checked(folder: Path) -> list[str]:
    """Return what CHECK says of the models in a folder of weights."""
    return [fault.message for fault in weights.adopt_weights(Settings(), folder, cohort="mine")[2]]


def test_the_check_before_a_run_accepts_what_is_written_here_and_refuses_what_is_not_read_here(tmp_path: Path) -> None:
    assert weights.FORMAT == FORMAT
    for stage in ("coarse", "fine"):
        write_model(tmp_path / f"{stage}.safetensors", model(stage=stage))
    assert checked(tmp_path) == []
    whole = (tmp_path / "fine.safetensors").read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    expected = f", expected a trained model of rprloc ({FORMAT}, safetensors) for cohort 'mine'."
    for content, found in [
        (whole.replace(FORMAT.encode(), b"rprloc-model-0"), "a file of format 'rprloc-model-0'"),
        (whole[:header], f"a file of {header:,} bytes whose header promises {len(whole):,}"),
        (whole[:-1], f"a file of {len(whole) - 1:,} bytes whose header promises {len(whole):,}"),
        (whole[: header - 1], "no safetensors file, or one cut short"),
    ]:
        (tmp_path / "fine.safetensors").write_bytes(content)
        (message,) = checked(tmp_path)
        assert message.startswith("fine.safetensors: found ") and found in message and message.endswith(expected)
        refusal(tmp_path / "fine.safetensors")


def test_tensors_of_any_type_survive(tmp_path: Path) -> None:
    tensors = {
        "a": torch.arange(6).reshape(2, 3).t(),
        "b": torch.tensor(3.5),
        "c": torch.tensor([1.0, float("nan")]).bfloat16(),
    }
    write_tensors(tmp_path / "a", tensors, {"text": "ü", "none": None})
    found, header = read_tensors(tmp_path / "a")
    assert header == {"text": "ü", "none": None}
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name].float().nan_to_num(9), tensor.float().nan_to_num(9))


def test_a_latent_does_not_depend_on_how_many_are_asked_for() -> None:
    network = model()
    padded = network.pad(VALUES)
    centres = torch.from_numpy(np.random.default_rng(1).integers(0, 20, (70, 3)))
    together = network.latents(padded, centres)
    assert together.shape == (70, 3) and together.dtype == torch.float32
    for count in (1, 2, 5, 31, 32, 33, 64, 65):
        assert torch.equal(network.latents(padded, centres[:count]), together[:count]), count
    order = torch.from_numpy(np.random.default_rng(2).permutation(70))
    turned = torch.empty_like(together)
    turned[order] = network.latents(padded, centres[order])
    for other in (turned, *(network.latents(padded, centres, patches_at_once=size) for size in (7, 70, 100))):
        # 300 mm times this difference is far below the hundredth of a millimetre that predictions may differ by.
        assert (other - together).abs().max() * 300 < 1e-3


def test_networks_of_a_seed_are_equal_and_leave_the_global_stream_alone() -> None:
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    one, two, other = (new_network(SETTINGS, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(next(one.parameters()), next(other.parameters()))
