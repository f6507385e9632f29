"""What Retina U-Net learns: from which labels, and what it masks."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from rprloc.networks.settings import DetectorSettings
from rprloc.scans.record import ScanRecord
from rprloc.training import data
from rprloc.training.detection import Detection, LabelledFields
from tests.training.labelled import COHORT, SETTINGS, STRUCTURES, relabel, write_labelled
from tests.training.lessons import lessons_for
from tests.training.scans import write_set_aside

CPU = torch.device("cpu")


def objective(tmp_path: Path, folders: list[Path], **settings: Any) -> Detection:
    """Return the objective of some training scans."""
    lessons = lessons_for("retina_unet", tmp_path, folders, settings=replace(COHORT, **settings))
    return Detection(lessons)


def test_only_labelled_scans_and_structures_that_have_a_label_are_learnt(tmp_path: Path) -> None:
    folders = [
        write_labelled(tmp_path, 1),
        write_labelled(tmp_path, 2, labelled=("bright",)),
        write_labelled(tmp_path, 3, labelled=()),
        write_set_aside(tmp_path, "broken"),
    ]
    found = objective(tmp_path, folders, structures=STRUCTURES | {"nowhere": 9})
    assert found.scans == 2 and found.validation == []
    assert found.settings.structures == ("bright", "dark")
    assert found.settings.half_voxel_mm == dict.fromkeys(("bright", "dark"), (0.5, 0.75, 1.5))
    # Both blocks are 5 or 6 voxels along each axis.
    assert np.all(np.abs(np.array(found.settings.anchors) - 6) <= 1)


@pytest.mark.parametrize("name", ["label_7", "heart"])
def test_names_without_settings_come_from_the_labels_or_the_masks(tmp_path: Path, name: str) -> None:
    folder = write_labelled(tmp_path, 1, labelled=("bright",))
    relabel(folder, lambda _name, structure: (name, structure))
    assert objective(tmp_path, [folder], structures=None).settings.structures == (name,)
    (scan,) = LabelledFields([folder], [name], None, SETTINGS, device=CPU)
    assert np.allclose(scan.boxes[0][1] - scan.boxes[0][0], [6, 5, 7])
    assert (scan.voxels == 1).sum() == 6 * 5 * 7


def test_boxes_and_voxels_of_a_field_agree(tmp_path: Path) -> None:
    for scan in LabelledFields([write_labelled(tmp_path, 4)], ["bright", "dark"], STRUCTURES, SETTINGS, device=CPU):
        for number, box in scan.boxes.items():
            places = np.argwhere(scan.voxels == number + 1)
            assert np.allclose(box, [places.min(axis=0), places.max(axis=0) + 1])


def test_fine_scans_are_averaged_with_their_labels(tmp_path: Path) -> None:
    folder = write_labelled(tmp_path, 1, labelled=("bright",))
    about = ScanRecord.read(folder)
    assert about.model is not None
    dataclasses.replace(about, model=dataclasses.replace(about.model, spacing_mm=(2.0, 5.0, 6.0))).write(tmp_path)
    settings = DetectorSettings.of_cohort("retina_unet", replace(COHORT, spacing=(6.0, 5.0, 2.0)))
    (scan,) = LabelledFields([folder], ["bright"], STRUCTURES, settings, device=CPU)
    assert scan.levels.shape == (22, 24, 12) and scan.voxels.shape == (22, 24, 12)


def test_scans_beyond_the_memory_are_read_at_each_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MEMORY_BYTES", 1)
    fields = LabelledFields([write_labelled(tmp_path, 1)], ["bright"], STRUCTURES, SETTINGS, device=CPU)
    assert fields[0] is not fields[0] and torch.equal(fields[0].levels, fields[0].levels)
    monkeypatch.setattr(data, "MEMORY_BYTES", 1 << 20)
    fields = LabelledFields([write_labelled(tmp_path, 1)], ["bright"], STRUCTURES, SETTINGS, device=CPU)
    assert fields[0] is fields[0]


def test_an_absent_structure_gets_exactly_no_gradient(tmp_path: Path) -> None:
    whole, partly = write_labelled(tmp_path, 1), write_labelled(tmp_path, 2, labelled=("bright",))
    found = objective(tmp_path, [whole, partly])
    found._train = LabelledFields([partly], ["bright", "dark"], STRUCTURES, SETTINGS, device=CPU)
    found.loss(0)[0].backward()
    anchors = len(found.settings.anchors)
    network: Any = found.network
    scores = network.scores[-1].weight.grad.view(anchors, 2, -1)
    assert scores[:, 0].any() and not scores[:, 1].any()
    assert network.segmentation.weight.grad[0].any() and not network.segmentation.weight.grad[1].any()


def test_a_step_whose_structures_all_leave_the_view_learns_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = objective(tmp_path, [write_labelled(tmp_path, 1)])
    monkeypatch.setattr("rprloc.training.augmentation._KEPT", 2.0)
    loss, error = found.loss(0)
    loss.backward()
    assert float(loss.detach()) == 0 and float(error.detach()) == 0
