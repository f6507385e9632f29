"""Retina U-Net: what the network gives, anchors, boxes, and losses that know what is not labelled."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rprloc.networks.detector import ANCHORS, Detector, Target, anchor_shapes
from rprloc.networks.retina_unet import RetinaNetwork

SHAPES = [[6.0, 5.0, 4.0], [3.0, 8.0, 8.0]]


def network(structures: int = 2, anchors: int = 2) -> RetinaNetwork:
    """Return an untrained network, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return RetinaNetwork(structures, anchors, width=4)


def noise(*size: int) -> torch.Tensor:
    """Return a field of noise, always the same."""
    return torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(1))


def test_the_maps_have_the_sizes_that_the_detector_expects() -> None:
    net = network(structures=3)
    found = net(noise(24, 32, 40))
    assert [tuple(level.shape) for level in found[net.cls_key]] == [(1, 6, 12, 16, 20), (1, 6, 6, 8, 10)]
    assert [tuple(level.shape) for level in found[net.box_reg_key]] == [(1, 12, 12, 16, 20), (1, 12, 6, 8, 10)]
    assert found["segmentation"].shape == (1, 3, 24, 32, 40)


def test_a_new_network_finds_nothing_anywhere() -> None:
    net = network()
    scores = torch.cat([level.flatten() for level in net(noise(24, 24, 24))[net.cls_key]]).sigmoid()
    assert scores.min() > 0.001 and scores.max() < 0.05


def test_gradients_are_finite_and_right_under_bfloat16() -> None:
    net, gradients = network(), []
    for bfloat16 in (bool(torch.cpu.get_capabilities().get("avx512_bf16", False)), False):
        net.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            found = net(noise(24, 24, 24))
        assert found["segmentation"].dtype == torch.float32
        sum(level.sigmoid().sum() for key in found for level in found[key]).backward()  # type: ignore[union-attr]
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters() if p.grad is not None]))
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert torch.nn.functional.cosine_similarity(*gradients, dim=0) > 0.9


@pytest.mark.parametrize("wrong", [{"width": 6}, {"structures": 0}, {"anchors": 0}])
def test_a_network_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        RetinaNetwork(**{"structures": 1, "anchors": 1, "width": 4} | wrong)


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
    assert anchor_shapes(sizes[::-1]) == found.tolist()


def test_few_sizes_give_few_anchors() -> None:
    assert anchor_shapes(np.full((7, 3), 5.25)) == [[5.25] * 3]
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
    target = Target(torch.tensor([[8.0, 8, 8, 14, 13, 12]]), torch.tensor([known]), voxels)
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
