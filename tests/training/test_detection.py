"""What Retina U-Net learns: from which labels, what it masks, the same after a kill, and that it learns at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rprloc.errors import InputError
from rprloc.networks.checkpoint import Model, ModelSettings, read_model, write_model
from rprloc.training import data, detection
from rprloc.training.augmentation import plain_view
from rprloc.training.detection import Detection, LabelledFields
from rprloc.training.loop import train
from rprloc.training.plan import PLANS_OF, TrainingPlan
from rprloc.training.run import train_stage
from rprloc.training.state import Interrupted, TrainingState
from tests.training.labelled import BY_HEART, COHORT, SETTINGS, SPACING, STRUCTURES, write_labelled
from tests.training.scans import write_set_aside

CPU = torch.device("cpu")
PLAN = TrainingPlan(steps=4, groups=1, patches=1, decay="cosine")


def objective(folders: list[Path], validation: list[Path] | None = None, **changes: Any) -> Detection:
    """Return the objective of some training scans."""
    asked: dict[str, Any] = {"plan": PLAN, "structures": STRUCTURES, "seed": 1, "device": CPU} | changes
    plan = asked.pop("plan")
    return Detection(folders, validation or [], asked.pop("settings", SETTINGS), plan, **asked)


def test_only_labelled_scans_and_structures_that_have_a_label_are_learnt(tmp_path: Path) -> None:
    folders = [
        write_labelled(tmp_path, 1),
        write_labelled(tmp_path, 2, labelled=("bright",)),
        write_labelled(tmp_path, 3, labelled=()),
        write_set_aside(tmp_path, "broken"),
    ]
    found = objective(folders, structures=STRUCTURES | {"nowhere": 9})
    assert found.scans == 2 and found.validation == []
    assert found.settings.details["structures"] == ["bright", "dark"]
    assert found.settings.details["half_voxel_mm"] == {name: [0.5, 0.75, 1.5] for name in ("bright", "dark")}
    # Both blocks are 5 or 6 voxels along each axis.
    assert np.all(np.abs(np.array(found.settings.details["anchors"]) - 6) <= 1)


def test_without_any_label_there_is_nothing_to_learn(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no label of a structure"):
        objective([write_labelled(tmp_path, 1, labelled=())])


@pytest.mark.parametrize("name", ["label_7", "heart"])
def test_names_without_settings_come_from_the_labels_or_the_masks(tmp_path: Path, name: str) -> None:
    folder = write_labelled(tmp_path, 1, labelled=("bright",))
    about = folder / "s1.json"
    about.write_text(about.read_text().replace('"bright"', f'"{name}"'))
    assert objective([folder], structures=None).settings.details["structures"] == [name]
    (scan,) = LabelledFields([folder], [name], None, SETTINGS, device=CPU)
    assert np.allclose(scan.boxes[0][1] - scan.boxes[0][0], [6, 5, 7])
    assert (scan.voxels == 1).sum() == 6 * 5 * 7


def test_boxes_and_voxels_of_a_field_agree(tmp_path: Path) -> None:
    for scan in LabelledFields([write_labelled(tmp_path, 4)], ["bright", "dark"], STRUCTURES, SETTINGS, device=CPU):
        for number, box in scan.boxes.items():
            places = np.argwhere(scan.voxels == number + 1)
            assert np.allclose(box, [places.min(axis=0), places.max(axis=0) + 1])


def test_fine_scans_are_averaged_with_their_labels(tmp_path: Path) -> None:
    settings = ModelSettings.of_cohort(COHORT | {"spacing": [6.0, 5.0, 2.0]}, "retina_unet")
    folder = write_labelled(tmp_path, 1, labelled=("bright",))
    about = folder / "s1.json"
    about.write_text(about.read_text().replace("4.0,\n", "2.0,\n", 1).replace("4.0, 5.0, 6.0", "2.0, 5.0, 6.0"))
    (scan,) = LabelledFields([folder], ["bright"], STRUCTURES, settings, device=CPU)
    assert scan.levels.shape == (22, 24, 13) and scan.voxels.shape == (22, 24, 13)


def test_a_scan_of_another_spacing_is_refused(tmp_path: Path) -> None:
    settings = ModelSettings.of_cohort(COHORT | {"spacing": [6.0, 5.0, 5.0]}, "retina_unet")
    with pytest.raises(InputError, match=r"found a spacing of \[6.0, 5.0, 4.0\]"):
        objective([write_labelled(tmp_path, 1)], settings=settings)


def test_scans_beyond_the_memory_are_read_at_each_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MEMORY_BYTES", 1)
    fields = LabelledFields([write_labelled(tmp_path, 1)], ["bright"], STRUCTURES, SETTINGS, device=CPU)
    assert fields[0] is not fields[0] and torch.equal(fields[0].levels, fields[0].levels)
    monkeypatch.setattr(data, "MEMORY_BYTES", 1 << 20)
    fields = LabelledFields([write_labelled(tmp_path, 1)], ["bright"], STRUCTURES, SETTINGS, device=CPU)
    assert fields[0] is fields[0]


def test_an_absent_structure_gets_exactly_no_gradient(tmp_path: Path) -> None:
    whole, partly = write_labelled(tmp_path, 1), write_labelled(tmp_path, 2, labelled=("bright",))
    found = objective([whole, partly])
    found._train = LabelledFields([partly], ["bright", "dark"], STRUCTURES, SETTINGS, device=CPU)
    found.loss(0)[0].backward()
    anchors = len(found.settings.details["anchors"])
    network: Any = found.network
    scores = network.scores[-1].weight.grad.view(anchors, 2, -1)
    assert scores[:, 0].any() and not scores[:, 1].any()
    assert network.segmentation.weight.grad[0].any() and not network.segmentation.weight.grad[1].any()


def test_a_step_whose_structures_all_leave_the_view_learns_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = objective([write_labelled(tmp_path, 1)])
    monkeypatch.setattr("rprloc.training.augmentation._KEPT", 2.0)
    loss, error = found.loss(0)
    loss.backward()
    assert float(loss.detach()) == 0 and float(error.detach()) == 0


def test_a_loss_depends_on_seed_and_step_only(tmp_path: Path) -> None:
    folders = [write_labelled(tmp_path, n) for n in (1, 2)]
    first, second = objective(folders), objective(folders)
    second.loss(3)
    seventh = float(first.loss(7)[0].detach())
    assert float(second.loss(7)[0].detach()) == seventh != float(first.loss(8)[0].detach())
    assert float(objective(folders, seed=2).loss(7)[0].detach()) != seventh


def test_a_training_that_was_stopped_ends_with_the_same_weights(tmp_path: Path) -> None:
    folders = [write_labelled(tmp_path, n) for n in (1, 2)]
    whole = train(objective(folders), PLAN, seed=1, state=TrainingState(None), log=lambda _line: None)
    state = TrainingState(tmp_path / "state.safetensors")
    state.interrupted = True
    for _ in range(PLAN.steps):
        with pytest.raises(Interrupted):
            train(objective(folders), PLAN, seed=1, state=state, log=lambda _line: None)
        state = TrainingState(tmp_path / "state.safetensors")
        state.interrupted = True
    state.interrupted = False
    again = train(objective(folders), PLAN, seed=1, state=state, log=lambda _line: None)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name
    assert [p["loss"] for p in again.record["history"]] == [p["loss"] for p in whole.record["history"]]


def test_two_scans_are_learnt_in_some_dozens_of_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "random_view", lambda scan, _generator: plain_view(scan))
    found = objective([write_labelled(tmp_path, n) for n in (1, 2)], plan=BY_HEART)
    before = found.validation_error()
    model = train(found, BY_HEART, seed=1, state=TrainingState(None), log=lambda _line: None)
    # A voxel is 4 to 6 mm.
    assert found.validation_error() < min(SPACING) < before
    path = tmp_path / "retina_unet.safetensors"
    write_model(path, model)
    assert read_model(path).settings == model.settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"anchors": [[1.0, 2.0]]}, {"anchors": []}, {"anchors": [[1.0, 2.0, -1.0]]}, {"anchors": "many"},
        {"structures": ["bright", "bright"]}, {"structures": [1, 2]}, {"half_voxel_mm": {}}, {"structures": None},
    ],
)  # fmt: skip
def test_a_model_with_damaged_details_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    found = objective([write_labelled(tmp_path, 1)])
    settings = found.settings
    settings.details.update(wrong)
    write_model(tmp_path / "model.safetensors", Model(found.network, settings))
    with pytest.raises(InputError, match="do not fit"):
        read_model(tmp_path / "model.safetensors")


def test_the_train_step_writes_a_detector_and_follows_its_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PLANS_OF["retina_unet"], "tiny", PLAN)

    def run(*folders: Path) -> Model:
        return train_stage(
            tmp_path / "out", cohort="c", stage="retina_unet", scans=folders, validation=[], settings=COHORT,
            training="tiny", seed=1, checkpoints=tmp_path / "states", code="abc", device=CPU, log=lambda _line: None,
        )  # fmt: skip

    run(write_labelled(tmp_path, 1))
    model = read_model(tmp_path / "out" / "c" / "retina_unet.safetensors")
    assert model.settings.details["structures"] == ["bright", "dark"] and model.settings.method == "retina_unet"
    assert {"train_error_mm", "validation_error_mm"} <= model.record["history"][0].keys()
    # Another label of the same image is another training.
    run(write_labelled(tmp_path, 1, labelled=("dark",)))
    assert len(list((tmp_path / "states").glob("*.safetensors"))) == 2
