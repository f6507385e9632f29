"""The pictures of one query with the boxes of every method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rprloc.errors import InputError
from rprloc.methods.answer import ALL_SUPPORTS, NO_SUPPORT, Prediction
from rprloc.results.frame import groups_of, one_support
from rprloc.results.report.figure4 import MethodBox, draw_structure
from rprloc.results.report.material import Gallery, Material
from rprloc.results.report.words import score_in_legend, short
from rprloc.scans.target import subject_of


@dataclass(frozen=True)
class MethodPictures:
    """The query with every method on the page: its pictures, or a note why there are none."""

    subject: str | None
    asked: bool
    """Whether the user asked for this query."""
    pictures: tuple[Path, ...] = ()
    note: str = ""


def method_pictures(asked_for: str | None, material: Material, gallery: Gallery) -> MethodPictures:
    """Draw one query with the boxes of every method, a PNG for each structure.

    The query is the one that was asked for where it can be drawn, else the one that TABULATE chose. Each method's
    prediction is the one from the drawn support in its main setting.
    """
    asked = asked_for is not None and gallery.usable(asked_for)
    chosen = next((subject_of(Path(name)) for name in material.shown.figure[:1]), None)
    subject = asked_for if asked else chosen if chosen and gallery.usable(chosen) else None
    single = [one for one in material.predictions if one.subject == subject and one.support != ALL_SUPPORTS]
    found = _by_method(single, material.metrics)
    if subject is None or not found:
        return MethodPictures(subject, asked, note="There is no query to draw.")
    support = next((one[0].support for one in found.values() if one[0].support != NO_SUPPORT), NO_SUPPORT)
    try:
        query = gallery.picture(subject, fine=True)
        template = gallery.picture(support, fine=True) if gallery.usable(support) else None
    except InputError as error:
        return MethodPictures(subject, asked, note=f"No picture: {error}")
    boxes = _boxes([one for own in found.values() for one in own], material.metrics)
    drawn = []
    for structure, own in boxes.items():
        # No subject begins with an underscore, so the name is free.
        drawn.append(gallery.folder / f"_methods~{structure}.png")
        heading = f"{structure} in {short(subject)}" + (f", support {short(support)}" if template else "")
        draw_structure(drawn[-1], structure, own, query=query, support=template, heading=heading)
    return MethodPictures(subject, asked, tuple(drawn))


def _by_method(predictions: Sequence[Prediction], metrics: pd.DataFrame) -> dict[str, list[Prediction]]:
    """Return one query's predictions by method, in the order of the tables: from the drawn support or the first one."""
    found = {}
    for group in groups_of(metrics):
        if own := [one for one in predictions if (one.method, one.setting) == (group.method, group.setting)]:
            found[group.method] = one_support(own)
    return found


def _boxes(predictions: Sequence[Prediction], metrics: pd.DataFrame) -> dict[str, list[MethodBox]]:
    """Return the boxes of one query's predictions by structure, with their scores."""
    rows = metrics[metrics["subject"] == predictions[0].subject]
    names = ["method", "setting", "support", "structure"]
    scores = {tuple(entry[name] for name in names): score_in_legend(entry) for entry in rows.to_dict("records")}
    boxes: dict[str, list[MethodBox]] = {}
    for one in predictions:
        box_mm = None if one.box_mm is None else np.array(one.box_mm)
        if one.point and one.points_mm:
            box_mm = np.array([*one.points_mm.values()] * 2)
        boxes.setdefault(one.structure, []).append(MethodBox(one.method, box_mm, scores[one.key]))
    return boxes
