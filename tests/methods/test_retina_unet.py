"""The supervised row: boxes in mm, one row a structure, and a reason where there is no box."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rprloc.errors import InputError
from rprloc.methods.prediction import Scan
from rprloc.methods.retina_unet import RetinaUnet
from rprloc.networks.checkpoint import Model
from rprloc.networks.detector import Detector, Found
from rprloc.training import detection
from rprloc.training.augmentation import plain_view
from rprloc.training.detection import Detection
from rprloc.training.loop import train
from rprloc.training.plan import TrainingPlan
from rprloc.training.state import TrainingState
from tests.methods.fakes import facts, scan
from tests.training.labelled import BY_HEART, SETTINGS, SPACING, STRUCTURES, write_labelled

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, list[Path]]:
    """Return a network that knows two scans by heart, and their folders."""
    parent = tmp_path_factory.mktemp("learnt")
    folders = [write_labelled(parent, n) for n in (1, 2)]
    objective = Detection(folders, [], SETTINGS, BY_HEART, structures=STRUCTURES, seed=1, device=CPU)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detection, "random_view", lambda scan, _generator: plain_view(scan))
        return train(objective, BY_HEART, seed=1, state=TrainingState(None), log=lambda _line: None), folders


@pytest.fixture
def untrained(tmp_path: Path) -> Model:
    """Return an untrained network."""
    plan = TrainingPlan(steps=1, groups=1, patches=1)
    folders = [write_labelled(tmp_path, 1)]
    found = Detection(folders, [], SETTINGS, plan, structures=STRUCTURES, seed=1, device=CPU)
    found.network.requires_grad_(False)
    return Model(found.network, found.settings)


def read(folder: Path) -> Scan:
    """Read a scan."""
    found = Scan.read(folder)
    assert found is not None
    return found


def method(model: Model | None, structures: list[str] | None = None) -> RetinaUnet:
    """Return the method."""
    return RetinaUnet(model=model, structures=structures, device=CPU, drawn=None)


def test_learnt_boxes_are_found_to_a_voxel_on_voxel_edges(learnt: tuple[Model, list[Path]]) -> None:
    model, folders = learnt
    found = method(model)
    found.prepare([])
    for folder in folders:
        query = read(folder)
        rows = found.locate(query)
        assert [row.structure for row in rows] == ["bright", "dark"]
        for row in rows:
            assert not row.failed and row.box_mm is not None and row.points_mm is not None
            away = np.abs(np.array(row.box_mm) - query.structures[row.structure]["box_mm"])
            assert np.all(away < SPACING[::-1])
            assert list(row.points_mm.values()) == row.box_mm and list(row.points_mm) == ["minimum", "maximum"]
            assert (row.support, row.setting, row.n_supports, row.drawn) == ("-", "box", 0, True)
            assert row.confidence is not None and 0.1 < row.confidence <= 1
            assert set(row.seconds) == {"prepare", "network", "search"} and row.half_voxel_mm == [0.5, 0.75, 1.5]


def test_answers_do_not_depend_on_what_was_asked_before(learnt: tuple[Model, list[Path]]) -> None:
    model, folders = learnt
    first, second = (read(folder) for folder in folders)
    # Fields of another size change what the detector remembers of anchors.
    other = replace(second, values=np.pad(second.values, [(0, 0), (0, 9), (0, 0)]))
    alone, after = method(model), method(model)
    after.locate(second)
    after.locate(other)
    assert [facts(row) for row in alone.locate(first)] == [facts(row) for row in after.locate(first)]


def test_a_structure_that_the_network_does_not_know_fails_with_its_name(untrained: Model) -> None:
    rows = method(untrained, ["bright", "pancreas"]).locate(scan("q"))
    assert [row.structure for row in rows] == ["bright", "pancreas"]
    assert rows[1].failed and rows[1].reason == "no training scan has a label of pancreas"
    assert rows[1].box_mm is None and rows[1].support == "-" and rows[1].drawn


def test_without_settings_the_supports_say_what_to_find(untrained: Model) -> None:
    support = scan("a", {"dark": {}, "liver": {}})
    asked = method(untrained)
    asked.prepare([support])
    assert [row.structure for row in asked.locate(scan("q"))] == ["dark", "liver"]
    asked = method(untrained, ["bright"])
    asked.prepare([support])
    assert [row.structure for row in asked.locate(scan("q"))] == ["bright"]


def test_a_detector_that_finds_nothing_fails_with_a_reason(untrained: Model) -> None:
    for row in method(untrained).locate(scan("q")):
        assert row.failed and row.box_mm is None and row.confidence is None
        assert row.reason == "found no box with a score of at least 0.05"


@pytest.mark.parametrize(
    ("best", "reason"),
    [
        (None, "the network's answer is not a number"),
        (Found(np.array([[1.0, 1, 31], [5, 5, 39]]), 0.9), "the best box lies outside the scan"),
        (Found(np.array([[1.0, 1, -5], [5, 5, 0]]), 0.9), "the best box lies outside the scan"),
    ],
)
def test_other_failures_have_their_reason(
    untrained: Model, monkeypatch: pytest.MonkeyPatch, best: Found | None, reason: str
) -> None:
    monkeypatch.setattr(Detector, "best", lambda *_: [best, best])
    rows = method(untrained).locate(scan("q"))
    assert [(row.failed, row.reason) for row in rows] == [(True, reason)] * 2


def test_boxes_are_clipped_to_the_scan_and_in_its_millimetres(
    untrained: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Detector, "best", lambda *_: [Found(np.array([[-3.0, 1.5, 20.25], [5, 6.5, 77]]), 0.9)] * 2)
    query = scan("q")
    row: Any = method(untrained).locate(query)[0]
    low, high = query.grid.world([-0.5, 1.0, 19.75]), query.grid.world([4.5, 6.0, query.grid.size[0] - 0.5])
    assert np.allclose(row.box_mm, [low, high])


def test_a_scan_smaller_than_the_networks_stride_is_answered(untrained: Model) -> None:
    query = replace(scan("q"), values=np.zeros((3, 5, 1), dtype=np.int16))
    assert all(row.failed for row in method(untrained).locate(query))


def test_a_missing_network_is_said() -> None:
    with pytest.raises(InputError, match="no retina_unet network"):
        method(None)
