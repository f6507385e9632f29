"""From the maps of a Retina U-Net to its losses and its boxes, by the parts of MONAI's RetinaNet.

MONAI and torchvision take seconds to import: only what trains or asks this network imports this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape
from monai.data.box_utils import box_iou
from monai.losses.focal_loss import FocalLoss
from monai.losses.giou_loss import BoxGIoULoss
from numpy.typing import NDArray
from scipy.cluster.vq import ClusterError, kmeans2
from torch import Tensor, nn

from rprloc.networks.retina_unet import DETECTION_LEVELS, RetinaNetwork
from rprloc.networks.settings import DetectorSettings
from rprloc.scans.target import Triple

ANCHORS = 4
"""Most anchor shapes."""
_CANDIDATES = 8
"""Positions nearest a box, per shape and level, among which the matcher chooses."""
_FUSED, _FUSED_IOU = 50, 0.5
"""How many of a structure's best boxes are averaged, and how well they must overlap the best one."""

_FARTHEST = 1e9
"""Voxels from the field to where edges are no numbers any more: volumes beyond are infinite in single precision."""


@dataclass(frozen=True)
class FieldTruth:
    """What is known of a field."""

    boxes: Tensor
    """(n, 6) float32, lowest and highest (z, y, x) in the field's voxel edges."""
    structures: Tensor
    """(n,) int64, the number of each box's structure."""
    voxels: Tensor
    """(D, H, W) int64, 1 + the number of each voxel's structure, 0 for none."""


@dataclass(frozen=True)
class Losses:
    """The losses of a field, and how far its matched anchors' boxes lie from the truth."""

    total: Tensor
    wall_error: Tensor
    """Mean distance (3,) of the walls along (z, y, x), in the field's voxels, without gradient."""


@dataclass(frozen=True)
class BestBox:
    """The best box of a structure."""

    box: NDArray[np.float64]
    """(2, 3), lowest and highest (z, y, x) in the field's voxel edges."""
    score: float


def anchor_shapes(sizes: NDArray[np.float64]) -> tuple[Triple, ...]:
    """Return up to ANCHORS typical sizes (n, 3), rounded to hundredths, of boxes with sizes (m, 3), the same each time.

    They are the centres of a k-means of the sizes' logarithms: a box coder counts in parts of an anchor.
    """
    logs = np.log(np.unique(sizes, axis=0))
    for count in range(min(ANCHORS, len(logs)), 1, -1):
        try:
            centres, _ = kmeans2(logs, count, minit="++", missing="raise", seed=0)
        except ClusterError:
            continue
        return _rounded(np.exp(centres[np.lexsort(centres.T)]))
    return _rounded(np.exp(logs.mean(axis=0, keepdims=True)))


def _rounded(sizes: NDArray[np.float64]) -> tuple[Triple, ...]:
    """Return sizes (n, 3) rounded to hundredths."""
    return tuple((z, y, x) for z, y, x in np.round(sizes, 2).tolist())


class Detector(RetinaNetDetector):
    """MONAI's detector round a Retina U-Net, for one field at a time.

    Structures that are not known of a field have no part in any loss: neither their scores nor their voxels count as
    background.
    """

    def __init__(self, network: RetinaNetwork, anchors: Sequence[Sequence[float]]) -> None:
        """Take the network and the anchors' sizes (n, 3) in the field's voxels."""
        generator = AnchorGeneratorWithAnchorShape([1.0] * len(DETECTION_LEVELS), anchors)
        # MONAI rounds half of a size to whole voxels, which here are a good part of an organ.
        half = torch.tensor(anchors, dtype=torch.float32) / 2
        generator.cell_anchors = [torch.cat([-half, half], dim=1) for _ in DETECTION_LEVELS]
        super().__init__(network, generator)
        self.set_atss_matcher(num_candidates=_CANDIDATES, center_in_gt=False)
        self.set_cls_loss(FocalLoss(reduction="none", gamma=2.0, alpha=0.25))
        self.set_box_regression_loss(BoxGIoULoss(), encode_gt=False, decode_pred=True)

    def losses(self, field: Tensor, target: FieldTruth) -> Losses:
        """Return the losses of a padded field (1, 1, D, H, W) of which at least one structure is known.

        They are focal loss of the scores, generalised IoU of the matched anchors' boxes, Dice and cross-entropy of the
        voxels.
        """
        maps = self.network(field)
        truth = {self.target_box_key: target.boxes, self.target_label_key: target.structures}
        anchors, places = self._anchors(field, maps), [level.shape[2:].numel() for level in maps[self.cls_key]]
        matched = self.compute_anchor_matched_idxs([anchors], [truth], places)[0]
        scores, offsets = (self._flat(maps[key]) for key in (self.cls_key, self.box_reg_key))
        found, true = self.get_box_train_sample_per_image(offsets, truth, anchors, matched)
        known = target.structures.unique()
        total = (
            self._score_loss(scores, matched, target.structures, known)
            + 2 * self.box_loss_func(found, true)
            + _voxel_loss(maps["segmentation"][0, known], target.voxels == known.view(-1, 1, 1, 1) + 1)
        )
        walls = (found.detach() - true).abs().view(-1, 2, 3)
        return Losses(total, walls.mean(dim=(0, 1)))

    def best(self, field: Tensor) -> list[BestBox | None]:
        """Return the best box of each structure in a padded field (1, 1, D, H, W); None where a number is not finite.

        The boxes that overlap a structure's best one are averaged by their scores: neighbouring anchors see the same
        organ, and err independently enough that their mean is better than the best (weighted boxes fusion,
        arXiv 1910.13302).
        """
        with torch.inference_mode():
            maps = self.network(field)
            anchors = self._anchors(field, maps)
            logits, offsets = (self._flat(maps[key]) for key in (self.cls_key, self.box_reg_key))
            if not (torch.isfinite(logits).all() and torch.isfinite(offsets).all()):
                return [None] * logits.shape[1]
            found: list[BestBox | None] = []
            for of_structure in logits.T:
                top, places = of_structure.sigmoid().topk(min(_FUSED, len(of_structure)))
                boxes = self.box_coder.decode_single(offsets[places], anchors[places])
                if not boxes.abs().max() < _FARTHEST:
                    found.append(None)
                    continue
                weights = top * (box_iou(boxes[:1], boxes)[0] > _FUSED_IOU)
                weights[0] = top[0]
                mean = (boxes * weights[:, None]).sum(dim=0) / weights.sum()
                found.append(BestBox(mean.double().cpu().numpy().reshape(2, 3), float(top[0])))
            return found

    def _anchors(self, field: Tensor, maps: dict[str, list[Tensor]]) -> Tensor:
        """Return the anchors (n, 6) of a field."""
        self.generate_anchors(field, maps)
        assert self.anchors is not None
        return self.anchors[0]

    def _flat(self, levels: list[Tensor]) -> Tensor:
        """Return maps (1, anchors * channels, D, H, W) as one row (n, channels) for each anchor, in their order."""
        rows = [level.view(self.num_anchors_per_loc, -1, level.shape[2:].numel()).permute(2, 0, 1) for level in levels]
        return torch.cat([row.reshape(-1, row.shape[2]) for row in rows])

    def _score_loss(self, logits: Tensor, matched: Tensor, structures: Tensor, known: Tensor) -> Tensor:
        """Return the focal loss of the known structures' scores (n, structures), a sum per matched anchor."""
        positive = matched >= 0
        truth = torch.zeros_like(logits)
        truth[positive, structures[matched[positive]]] = 1
        loss: Tensor = self.cls_loss_func(logits[:, known], truth[:, known])
        return loss.sum() / positive.sum().clamp(min=1)


def _voxel_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return Dice loss and cross-entropy of the known structures' voxels (structures, D, H, W), each by itself.

    The structure's voxels and all others have half of the cross-entropy each: a plain mean over a whole scan, of which
    an organ is a thousandth, and Dice, flat where scores are near 0, would teach it to answer nothing for long.
    """
    scores, true = logits.sigmoid(), truth.float()
    axes = (1, 2, 3)
    dice = 1 - (2 * (scores * true).sum(axes) + 1) / (scores.sum(axes) + true.sum(axes) + 1)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, true, reduction="none")
    inside, outside = ((entropy * part).sum(axes) / part.sum(axes).clamp(min=1) for part in (true, 1 - true))
    return dice.mean() + 0.5 * (inside + outside).mean()


def detector_of(network: nn.Module, settings: DetectorSettings) -> Detector:
    """Return the detector of a Retina U-Net and its settings; raises TypeError for another network."""
    if not isinstance(network, RetinaNetwork):
        raise TypeError(f"found {type(network).__name__}, expected a RetinaNetwork")
    return Detector(network, settings.anchors)
