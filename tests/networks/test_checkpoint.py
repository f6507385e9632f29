"""Model files: what they carry, what they refuse, and latents that do not depend on how many are asked for."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import save_file

from rprloc.catalogue import network_named
from rprloc.cohort import weights
from rprloc.cohort.settings import Settings
from rprloc.cohort.tasks import Seen
from rprloc.errors import InputError
from rprloc.networks.checkpoint import (
    FORMAT,
    Model,
    check_conflicts,
    new_network,
    read_model,
    read_tensors,
    write_model,
    write_tensors,
)
from rprloc.networks.settings import NetworkSettings, PatchSettings
from rprloc.networks.training_record import CurvePoint, TrainingRecord
from tests.networks.every import EVERY, LEARNING

SETTINGS = PatchSettings(
    network="coarse",
    modality="ct",
    spacing=(3.0, 4.0, 4.0),
    window=((-500.0, 0.0), (-100.0, 0.2), (100.0, 0.8), (1500.0, 1.0)),
    width=4,
    patch_voxels=(8, 8, 8),
    r_mm=300.0,
    convolution="in_plane",
)
SEEN = Seen(modality="ct", spacing=SETTINGS.spacing, window=SETTINGS.window, patch=(48.0, 64.0, 64.0))
VALUES = np.random.default_rng(0).normal(0, 400, (20, 21, 22)).astype(np.int16)


RECORD = TrainingRecord(
    steps=7, groups=1, patches=2, learning_rate=1e-3, seed=3, scans=2, validation=("s9",), torch="2", threads=1,
    device="cpu",
    history=(
        CurvePoint(
            step=1, steps=7, loss=0.5, error="error_mm", train=2.5, validation=3.0, learning_rate=1e-3, seconds=0.1
        ),
    ),
)  # fmt: skip


def model(settings: NetworkSettings = SETTINGS, **changes: Any) -> Model:
    """Return an untrained model."""
    settings = replace(settings, **changes)
    return Model(new_network(settings, seed=3).eval(), settings, RECORD)


def refusal(path: Path) -> str:
    """Return the one sentence that refuses a model file."""
    with pytest.raises(InputError) as caught:
        read_model(path)
    (sentence,) = caught.value.errors
    assert sentence.startswith(f"{path.name}: ") and sentence.endswith(".") and "\n" not in sentence
    return sentence


@pytest.mark.parametrize("name", EVERY)
def test_a_model_is_read_as_it_was_written_bit_by_bit(tmp_path: Path, name: str) -> None:
    written, path = model(EVERY[name]), tmp_path / "new" / f"{name}.safetensors"
    write_model(path, written)
    found = read_model(path)
    assert found.settings == written.settings and found.record == written.record
    assert type(found.network) is type(written.network) and found.fingerprint == written.fingerprint
    before, after = written.network.state_dict(), found.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert not found.network.training and not any(p.requires_grad for p in found.network.parameters())


def test_a_model_says_what_it_is_to_anyone_who_opens_it(tmp_path: Path) -> None:
    write_model(tmp_path / "a.safetensors", model())
    content = (tmp_path / "a.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    about = json.loads(header["__metadata__"]["rprloc"])
    assert about["settings"]["r_mm"] == 300 and about["settings"]["spacing"] == [3, 4, 4]
    assert about["settings"]["network"] == "coarse" and about["record"]["steps"] == 7


@pytest.mark.parametrize(
    "change",
    [
        {"r_mm": 30.0, "network": "fine"},
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
    check_conflicts("coarse.safetensors", SETTINGS, SEEN)
    changes: list[tuple[dict[str, Any], str]] = [
        ({"spacing": (3.0, 1.0, 1.0)}, "spacing [3.0, 4.0, 4.0], the cohort's settings say [3.0, 1.0, 1.0]"),
        ({"modality": "mr"}, "modality ct, the cohort's settings say mr"),
        ({"window": ((-1000.0, 0.0), (1000.0, 1.0))}, "window [[-500.0, 0.0]"),
    ]
    for change, said in changes:
        with pytest.raises(InputError) as caught:
            check_conflicts("coarse.safetensors", SETTINGS, replace(SEEN, **change))
        (sentence,) = caught.value.errors
        assert sentence.startswith(f"coarse.safetensors: was trained with {said}") and sentence.endswith(".")
    with pytest.raises(InputError) as caught:
        check_conflicts("a", SETTINGS, replace(SEEN, spacing=(1.0, 1.0, 1.0), modality="mr"))
    assert len(caught.value.errors) == 2


def test_other_r_patch_or_network_in_the_settings_change_nothing() -> None:
    check_conflicts("a", SETTINGS, replace(SEEN, patch=(1.0, 1.0, 1.0)))
    other = replace(LEARNING, r=5.0, patch=(1.0, 1.0, 1.0), convolution="in_plane", width=99)
    check_conflicts("a", EVERY["coarse"], other)


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


ORGANS = {"heart": [0.5, 0.5, 0.5], "liver": [0.5, 0.5, 0.5]}
DAMAGED: dict[str, list[dict[str, Any]]] = {
    "coarse": [
        {"width": 8}, {"patch_voxels": [32, 32, 32]}, {"width": 5}, {"window": 3}, {"convolution": "round"},
        {"network": "nowhere"}, {"network": "position_map"}, {"patch_voxels": [8, 8, 0]}, {"r_mm": 0.0},
        {"r_mm": -1.0}, {"spacing": [6.0, 5.0, -4.0]},
    ],
    "position_map": [{"width": 8}, {"spacing": [6.0, 5.0]}],
    "autoencoder": [{"patch_voxels": [1, -1, 1]}],
    "retina_unet": [
        {"anchors": [[1.0, 2.0]]}, {"anchors": []}, {"anchors": [[1.0, 2.0, -1.0]]}, {"anchors": "many"},
        {"structures": ["heart", "heart"]}, {"structures": [1, 2]}, {"half_voxel_mm": {}}, {"structures": None},
        {"half_voxel_mm": ORGANS | {"liver": [0.0, 1.0, 1.0]}},
    ],
    "student": [
        {"structures": ["heart", "heart"]}, {"structures": [1, 2]}, {"structures": ["heart"]}, {"structures": None},
        {"structures": []}, {"half_voxel_mm": {}}, {"half_voxel_mm": ORGANS | {"liver": [1.0]}}, {"size": [24, 24]},
        {"size": [24, 24, 30]}, {"size": [0, 24, 24]}, {"size": "large"}, {"matching_spacing": [3.0, 3.0, -1.0]},
        {"matching_spacing": None}, {"middle_latent_mm": [1.0, 2.0]}, {"middle_latent_mm": "here"},
        {"position_map": 7},
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_weights_that_do_not_fit_the_settings_in_their_file_are_refused(tmp_path: Path, name: str) -> None:
    write_model(tmp_path / "a.safetensors", model(EVERY[name]))
    tensors, header = read_tensors(tmp_path / "a.safetensors")
    settings = header["settings"]
    damaged = [settings | change for change in DAMAGED[name]]
    damaged += [{key: value for key, value in settings.items() if key != lost} for lost in settings]
    for number, other in enumerate(damaged):
        path = tmp_path / f"{number}.safetensors"
        write_tensors(path, tensors, header | {"settings": other})
        assert "do not fit its own settings" in refusal(path), other
    del header["settings"]
    write_tensors(tmp_path / "none.safetensors", tensors, header)
    refusal(tmp_path / "none.safetensors")


def test_sizes_that_are_no_finite_numbers_are_refused() -> None:
    for number in (math.nan, math.inf):
        for wrong in (
            replace(EVERY["retina_unet"], anchors=((1.0, 2.0, number),)),
            replace(EVERY["student"], middle_latent_mm=(number, 0.0, 0.0)),
            replace(EVERY["student"], half_voxel_mm={"heart": (0.5, 0.5, number), "liver": (1.0, 1.0, 1.0)}),
        ):
            with pytest.raises(ValueError, match="three"):
                new_network(wrong, seed=1)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["r_mm", "spacing"])
def test_numbers_that_json_does_not_know_are_refused(tmp_path: Path, key: str, number: float) -> None:
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


def test_a_network_without_patches_has_no_latents_of_patches() -> None:
    for name in ("position_map", "autoencoder", "retina_unet", "student"):
        with pytest.raises(TypeError, match=f"found the network {name}, expected one that sees patches"):
            model(EVERY[name]).pad(VALUES)


@pytest.mark.parametrize("name", EVERY)
def test_networks_of_a_seed_are_equal_and_leave_the_global_stream_alone(name: str) -> None:
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    one, two, other = (new_network(EVERY[name], seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), before)
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


def checked(folder: Path) -> list[str]:
    """Return what CHECK says of the models in a folder of weights."""
    found = weights.adopt_weights(Settings(), folder, cohort="mine", name="mine", wanted=("coarse", "fine", "student"))
    return [fault.message for fault in found[2]]


def test_the_check_before_a_run_accepts_what_is_written_here_and_refuses_what_is_not_read_here(tmp_path: Path) -> None:
    assert weights.FORMAT == FORMAT
    for name in ("coarse", "fine", "student"):
        write_model(tmp_path / f"{name}.safetensors", model(EVERY[name]))
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


def test_the_catalogue_names_what_builds_each_network() -> None:
    for name, settings in EVERY.items():
        module = network_named(name).build.partition(":")[0]
        assert type(new_network(settings, seed=1)).__module__ == module
