"""How far the supports agree: which part of what two supports' own boxes cover together both of them cover."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from rprloc.geometry import FloatArray, box_iou
from rprloc.methods.answer import ALL_SUPPORTS
from rprloc.results.report.material import Material


def shared_boxes(material: Material) -> Mapping[tuple[str, str], float]:
    """Return by query and structure the mean IoU of every two supports' boxes by the method to use, as a fraction;
    nothing where fewer than two supports found a box.
    """
    shown = material.shown
    boxes: dict[tuple[str, str], list[list[list[float]]]] = {}
    for one in material.predictions:
        own = (one.method, one.setting) == (shown.method, shown.setting) and one.support != ALL_SUPPORTS
        if own and not one.failed and one.box_mm is not None:
            boxes.setdefault((one.subject, one.structure), []).append([list(end) for end in one.box_mm])
    return {name: _shared(np.array(own)) for name, own in boxes.items() if len(own) > 1}


def _shared(boxes_mm: FloatArray) -> float:
    """Return the mean IoU of every two of boxes (n, 2, 3)."""
    first, second = np.array(list(itertools.combinations(range(len(boxes_mm)), 2))).T
    return float(np.mean(box_iou(boxes_mm[first], boxes_mm[second])))
