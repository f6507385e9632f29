"""From the maps of a Retina U-Net: anchors, boxes, and losses that know what is not labelled."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from rprloc.networks.detector import ANCHORS, Detector, FieldTruth, anchor_shapes, detector_of
from rprloc.networks.settings import DetectorSettings
from tests.networks.test_retina_unet import network, noise

SHAPES = [[6.0, 5.0, 4.0], [3.0, 8.0, 8.0]]


def test_torchvision_and_monai_have_what_the_detector_needs() -> None:
    from monai.data.box_utils import non_max_suppression
    from torchvision.ops import nms

    flat = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 5], [8, 8, 9, 9]])
    scores = torch.tensor([0.5, 0.9, 0.1])
    assert nms(flat, scores, 0.5).tolist() == [1, 2]
    boxes = torch.tensor([[0.0, 0, 0, 4, 4, 4], [0, 0, 0, 4, 4, 5], [8, 8, 8, 9, 9, 9]])
    assert non_max_suppression(boxes, scores, 0.5).tolist() == [1, 2]


def test_anchors_are_the_typical_sizes() -> None:
    random = np.random.default_rng(0)
    typical = np.array([[4.0, 4, 4], [8, 4, 4], [6, 12, 12], [20, 30, 30]])
    sizes = np.concatenate([size * np.exp(random.normal(0, 0.02, (30, 3))) for size in typical])
    found = np.array(anchor_shapes(sizes))
    assert found.shape == (ANCHORS, 3)
    assert all(np.abs(np.log(found / size)).max(axis=1).min() < 0.02 for size in typical)
    assert np.array_equal(anchor_shapes(sizes[::-1]), found)


def test_few_sizes_give_few_anchors() -> None:
    assert anchor_shapes(np.full((7, 3), 5.25)) == ((5.25,) * 3,)
    assert len(anchor_shapes(np.array([[4.0, 4, 4], [9, 9, 9]] * 3))) == 2


def test_anchors_keep_fractions_of_voxels_and_lie_round_their_voxels() -> None:
    detector = Detector(network(anchors=1), [[2.5, 5.0, 3.25]])
    field = noise(24, 24, 24)
    anchors = detector._anchors(field, detector.network(field))
    assert len(anchors) == 12**3 + 6**3
    assert torch.allclose(anchors[:, 3:] - anchors[:, :3], torch.tensor([2.5, 5.0, 3.25]))
    centres = (anchors[:, 3:] + anchors[:, :3]) / 2
    assert centres[0].tolist() == [1, 1, 1] and centres[-1].tolist() == [22, 22, 22]


def test_rows_stand_in_the_order_of_the_anchors() -> None:
    detector = Detector(network(), SHAPES)
    level = torch.arange(2 * 6 * 3 * 4 * 5.0).view(1, 12, 3, 4, 5)
    rows = detector._flat([level])
    # Position (1, 2, 3), second anchor, its six numbers.
    assert torch.equal(rows[2 * (1 * 20 + 2 * 5 + 3) + 1], level[0, 6:, 1, 2, 3])
    assert torch.equal(rows, detector._reshape_maps([level])[0])


@pytest.mark.parametrize("known", [0, 1])
def test_a_structure_that_is_not_known_learns_exactly_nothing(known: int) -> None:
    net = network()
    detector = Detector(net, SHAPES)
    voxels = torch.zeros(24, 24, 24, dtype=torch.int64)
    voxels[8:14, 8:13, 8:12] = known + 1
    target = FieldTruth(torch.tensor([[8.0, 8, 8, 14, 13, 12]]), torch.tensor([known]), voxels)
    detector.losses(noise(24, 24, 24), target).total.backward()
    absent = 1 - known
    scores, voxel = net.scores[-1].bias.grad, net.segmentation.bias.grad
    # A score's channel is anchor * structures + structure.
    assert torch.equal(scores.view(2, 2)[:, absent], torch.zeros(2)) and (scores.view(2, 2)[:, known] != 0).all()
    assert voxel[absent] == 0 and voxel[known] != 0
    weights = net.scores[-1].weight.grad.view(2, 2, -1)
    assert not weights[:, absent].any() and weights[:, known].any()
    assert not net.segmentation.weight.grad[absent].any()


def test_the_best_box_is_the_weighted_mean_of_those_that_overlap_it(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = Detector(network(anchors=1), [[4.0, 4.0, 4.0]])
    field = noise(24, 24, 24)
    scores = [torch.full((1, 2, n, n, n), -20.0) for n in (12, 6)]
    offsets = [torch.zeros(1, 6, n, n, n) for n in (12, 6)]
    # Centres at 11 and 13 in x; moved by a part of the anchor's four voxels they overlap; a third is far away.
    for place, logit, moved in (((5, 5, 5), 2.0, 0.25), ((5, 5, 6), 1.0, 0.0), ((1, 1, 1), 1.9, 0.0)):
        scores[0][(0, 0, *place)] = logit
        offsets[0][(0, 2, *place)] = moved
    maps = {"classification": scores, "box_regression": offsets}
    monkeypatch.setattr(detector.network, "forward", lambda _field: maps)
    found, nothing = detector.best(field)
    assert found is not None and nothing is not None
    assert found.score == pytest.approx(1 / (1 + math.exp(-2.0)))
    assert nothing.score < 1e-6
    weights = np.array([1 / (1 + math.exp(-logit)) for logit in (2.0, 1.0)])
    x = (weights * [12.0, 13.0]).sum() / weights.sum()
    assert found.box == pytest.approx(np.array([[9, 9, x - 2], [13, 13, x + 2]]), abs=1e-4)


@pytest.mark.parametrize("offset", [math.nan, math.inf, 3e38])
def test_numbers_that_are_not_finite_are_no_box(monkeypatch: pytest.MonkeyPatch, offset: float) -> None:
    detector = Detector(network(), SHAPES)
    field = noise(24, 24, 24)
    maps = detector.network(field)
    maps["box_regression"][0][...] = offset
    maps["box_regression"][1][...] = offset
    monkeypatch.setattr(detector.network, "forward", lambda _field: maps)
    assert detector.best(field) == [None, None]


def test_a_detector_is_made_of_a_retina_u_net_alone() -> None:
    settings = DetectorSettings(
        network="retina_unet", modality="ct", spacing=(4.0, 4.0, 4.0), window=((0.0, 0.0), (1.0, 1.0)), width=4,
        structures=("a", "b"), anchors=((6.0, 5.0, 4.0), (3.0, 8.0, 8.0)),
        half_voxel_mm={"a": (0.5, 0.5, 0.5), "b": (0.5, 0.5, 0.5)},
    )  # fmt: skip
    assert detector_of(network(), settings).num_anchors_per_loc == 2
    with pytest.raises(TypeError, match="found Linear, expected a RetinaNetwork"):
        detector_of(nn.Linear(1, 1), settings)
