"""The supervised row: boxes in mm, one row a structure, and a reason where there is no box."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from rprloc.geometry import CORNERS
from rprloc.methods.answer import Prediction
from rprloc.methods.retina_unet import RetinaUnet
from rprloc.networks.checkpoint import Model, new_network
from rprloc.networks.detector import BestBox, Detector
from rprloc.networks.settings import DetectorSettings
from rprloc.scans.scan import Scan
from tests.methods.fakes import answered, facts, scan

SETTINGS = DetectorSettings(
    network="retina_unet", modality="ct", spacing=(3.0, 2.5, 2.0), window=((-1000.0, 0.0), (1000.0, 1.0)), width=4,
    structures=("bright", "dark"), anchors=((6.0, 5.0, 7.0), (5.0, 5.0, 6.0)),
    half_voxel_mm=dict.fromkeys(("bright", "dark"), (0.5, 0.75, 1.5)),
)  # fmt: skip
UNTRAINED = Model(new_network(SETTINGS, seed=1).requires_grad_(False).eval(), SETTINGS)


def located(query: Scan, structures: list[str] | None = None) -> list[Prediction]:
    """Return a query's answers by an untrained network."""
    return answered(RetinaUnet(UNTRAINED, structures=structures), query)


def test_boxes_are_in_millimetres_on_voxel_edges_and_need_no_support(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = [np.array([[2.0, 3.5, 4.25], [7, 9.5, 12]]), np.array([[1.0, 1, 1], [3, 3, 3]])]
    monkeypatch.setattr(Detector, "best", lambda *_: [BestBox(box, 0.7) for box in boxes])
    query = scan("q")
    rows = located(query)
    assert [row.structure for row in rows] == ["bright", "dark"]
    for row, box in zip(rows, boxes, strict=True):
        # A spacing of 2 to 3 mm is no field's: two voxels of x and y are averaged.
        np.testing.assert_allclose(row.box_mm, query.grid.world(box * [1, 2, 2] - 0.5))
        assert row.box_mm and row.points_mm == dict(zip(CORNERS, row.box_mm, strict=True))
        assert (row.support, row.setting, row.n_supports, row.drawn) == ("-", "box", 0, True)
        assert (row.confidence, row.half_voxel_mm, row.spread_mm) == (0.7, [0.5, 0.75, 1.5], None)
        assert set(row.seconds) == {"prepare", "network", "search"}


def test_answers_do_not_depend_on_what_was_asked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[list[BestBox]] = []
    best = Detector.best

    def kept(self: Detector, field: torch.Tensor) -> Any:
        found.append([one for one in best(self, field) if one is not None])
        return found[-1]

    monkeypatch.setattr(Detector, "best", kept)
    values = np.random.default_rng(1).integers(-900, 900, scan("q").values.shape, dtype=np.int16)
    query, other = replace(scan("q"), values=values), replace(scan("r"), values=values[::-1].copy())
    # Fields of another size change what the detector remembers of anchors.
    longer = replace(other, values=np.pad(other.values, [(0, 0), (0, 40), (0, 0)]))
    busy = RetinaUnet(UNTRAINED)
    rows = [[facts(row) for row in answered(busy, each)] for each in (other, longer, query)]
    assert rows[2] == [facts(row) for row in located(query)]
    *_, after, alone = found
    for one, two in zip(after, alone, strict=True):
        np.testing.assert_array_equal(one.box, two.box)
        assert one.score == two.score > 0


def test_a_structure_that_the_network_does_not_know_fails_with_its_name() -> None:
    rows = located(scan("q"), ["bright", "pancreas"])
    assert [row.structure for row in rows] == ["bright", "pancreas"]
    assert rows[1].failed and rows[1].reason == "no training scan has a label of pancreas"
    assert rows[1].box_mm is None and rows[1].support == "-" and rows[1].drawn


def test_a_detector_that_finds_nothing_fails_with_a_reason() -> None:
    for row in located(scan("q")):
        assert row.failed and row.box_mm is None and row.confidence is None
        assert row.reason == "found no box with a score of at least 0.05"


@pytest.mark.parametrize(
    ("best", "reason"),
    [
        (None, "the network's answer is not a number"),
        (BestBox(np.array([[1.0, 1, 31], [5, 5, 39]]), 0.9), "the best box lies outside the scan"),
        (BestBox(np.array([[1.0, 1, -5], [5, 5, 0]]), 0.9), "the best box lies outside the scan"),
    ],
)
def test_other_failures_have_their_reason(monkeypatch: pytest.MonkeyPatch, best: BestBox | None, reason: str) -> None:
    monkeypatch.setattr(Detector, "best", lambda *_: [best, best])
    rows = located(scan("q"))
    assert [(row.failed, row.reason) for row in rows] == [(True, reason)] * 2


def test_boxes_are_clipped_to_the_scan_and_in_its_millimetres(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Detector, "best", lambda *_: [BestBox(np.array([[-3.0, 1.5, 10.25], [5, 6.5, 77]]), 0.9)] * 2)
    query = scan("q")
    row: Any = located(query)[0]
    low, high = query.grid.world([-0.5, 2.5, 20.0]), query.grid.world([4.5, 12.5, query.grid.size[0] - 0.5])
    assert np.allclose(row.box_mm, [low, high])


def test_a_scan_smaller_than_the_networks_stride_is_answered() -> None:
    query = replace(scan("q"), values=np.zeros((3, 5, 1), dtype=np.int16))
    assert all(row.failed for row in located(query))


def test_another_network_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a RetinaNetwork"):
        RetinaUnet(Model(torch.nn.Linear(1, 1), SETTINGS))
