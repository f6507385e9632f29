"""The VIEW step: pictures and viewer of each query of a batch, where its own file is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import SimpleITK as sitk

from rprloc.cohort.tasks import View, Viewed
from rprloc.errors import InputError
from rprloc.exports.names import file_name, file_names
from rprloc.exports.query import extent_of, outlines_of
from rprloc.files import whole_file
from rprloc.methods.answer import Prediction
from rprloc.pictures.laid import Laid
from rprloc.pictures.manifest import Pictured, write_manifest
from rprloc.pictures.mosaic import webp, webp_uri
from rprloc.pictures.planes import FOUND, TRUE, Overlay, draw_planes, width_of
from rprloc.pictures.viewer import Item, Shown, ShownAnswer, ShownTruth, write_viewer_file, write_viewer_page
from rprloc.pictures.window import window_of
from rprloc.scans.opening import open_scan
from rprloc.scans.outlines import Outline
from rprloc.scans.record import Native, ScanRecord
from rprloc.scans.scan import read_scan_outlines
from rprloc.scans.target import scan_folder

QUALITY = 80
"""Of pictures, as WebP."""


@dataclass(frozen=True, kw_only=True)
class ViewFiles:
    """Where the files of a batch are."""

    scans: Mapping[str, Path]
    """The preprocessed scans' folders by name; one whose task died has none."""
    images: Mapping[str, Path]
    """The scans as they were given, by the name of their folder."""
    outlines: Sequence[Path] = ()
    """The files of the batch's outlines."""


def staged_images(task: View, images: Path) -> dict[str, Path]:
    """Return each scan's file by the name of its folder; `images` holds a folder for each file of all scans, in their
    order, named by its number. What an image needs beside its own file is brought together with it.
    """
    found, number = {}, 1
    for one in task.viewed:
        place = images / str(number)
        found[one.id] = next(place.iterdir())
        for other in range(number + 1, number + 1 + len(one.voxels)):
            for path in (images / str(other)).iterdir():
                (place / path.name).symlink_to(path.resolve())
        number += 1 + len(one.voxels)
    return found


def view_scans(folder: Path, task: View, given: ViewFiles) -> list[Pictured]:
    """Write pictures/<cohort>/<subject>/<structure>.webp and viewer/<cohort>/<subject>.{html,js} of each scan of a
    batch below `folder`, and the manifest <id>.json; return it.

    A scan that cannot be opened has a note that says why. Raises OSError, as for a full disk.
    """
    beside = [record.subject for name in task.beside if (record := _record(given, name)) and record.usable]
    made = [_viewed(folder, task, one, given, beside) for one in task.viewed]
    write_manifest(folder / f"{task.id}.json", made)
    return made


def _record(given: ViewFiles, name: str) -> ScanRecord | None:
    """Return what is known of a preprocessed scan."""
    return ScanRecord.read(given.scans[name]) if name in given.scans else None


def _viewed(folder: Path, task: View, one: Viewed, given: ViewFiles, beside: Sequence[str]) -> Pictured:
    """Write what there is to see of a scan."""
    record = _record(given, one.id)
    nothing = Pictured(cohort=task.cohort, subject=one.subject)
    if record is None or not record.usable:
        return msgspec.structs.replace(nothing, note="The scan was set aside.")
    try:
        shown = _shown(task, one, record, given)
    except InputError as error:
        return msgspec.structs.replace(nothing, note=f"No picture: {error}")
    if not any(item.boxes_mm for item in shown.items):
        return nothing
    support = next((name for name in beside if name != one.subject), "")
    pictures = _pictures(folder, shown)
    kept = {name: webp_uri((folder / path).read_bytes()) for name, path in pictures.items() if task.embedded}
    return msgspec.structs.replace(
        nothing,
        viewer=_viewer(folder, shown, support),
        pictures=pictures,
        embedded=kept,
        true_mm={item.name: item.true.box_mm for item in shown.items if item.true is not None},
        support=support,
    )


def _viewer(folder: Path, shown: Shown, support: str) -> str:
    """Write a scan's file for the viewer and its page; return the page's path below the folder."""
    place, own = f"viewer/{file_name(shown.cohort)}", file_name(shown.subject)
    if not write_viewer_file(folder / place / f"{own}.js", shown):
        return ""
    names = [f"{own}.js", *([f"{file_name(support)}.js"] if support else [])]
    write_viewer_page(folder / place / f"{own}.html", names, title=f"{shown.subject}, {shown.cohort}")
    return f"{place}/{own}.html"


def _shown(task: View, one: Viewed, record: ScanRecord, given: ViewFiles) -> Shown:
    """Open a scan and return it with its structures."""
    native = record.native
    if native is None:
        raise InputError(f"{one.subject}: found no grid of its file, expected the record of a scan that can be used.")
    image = open_scan(given.images[one.id], series=one.series, modality=task.modality).image
    return Shown(
        cohort=task.cohort,
        subject=one.subject,
        modality=task.modality,
        scan=Laid.of(sitk.GetArrayFromImage(image), native.frame),
        items=_items(record, native, given, answers_of(task, one)),
    )


def answers_of(task: View, one: Viewed) -> list[Prediction]:
    """Return the answers to use of a scan, none of a support; raises InputError where they are no predictions."""
    try:
        return msgspec.json.Decoder(Prediction).decode_lines(task.answers.get(one.subject, ""))
    except msgspec.DecodeError as error:
        raise InputError(f"{one.subject}: expected answers as EVALUATE writes them, found: {error}.") from error


def _items(record: ScanRecord, native: Native, given: ViewFiles, answers: Sequence[Prediction]) -> list[Item]:
    """Return a scan's structures: those that were looked for, then others that its annotation shows."""
    name = scan_folder(record.cohort, record.subject)
    found = outlines_of(answers, [file for file in given.outlines if file.name.startswith(f"{name}.")])
    true = read_scan_outlines(given.scans[name])
    by_name = {answer.structure: answer for answer in answers}
    return [
        Item(
            name=name,
            found=_told(by_name[name]) if name in by_name else None,
            true=_true(record, name),
            found_outline=_laid(found.get(name), native),
            true_outline=_laid(true.get(name), native),
        )
        for name in dict.fromkeys([*by_name, *record.structures])
    ]


def _told(one: Prediction) -> ShownAnswer:
    """Return what the viewer says of an answer."""
    extent = extent_of(one)
    return ShownAnswer(
        box_mm=None if extent is None else extent.round(3).tolist(),
        points_mm=one.points_mm,
        lost=one.lost,
        within_90_mm=one.within_90_mm,
        open_walls=tuple(one.open_walls),
        failed=one.failed,
        reason=one.reason,
    )


def _true(record: ScanRecord, name: str) -> ShownTruth | None:
    """Return where a structure truly is, None where the annotation does not show it."""
    if name not in record.structures:
        return None
    structure = record.structures[name]
    return ShownTruth(box_mm=structure.box_mm.round(3).tolist(), points_mm=structure.points_mm)


def _laid(outline: Outline | None, native: Native) -> Laid | None:
    """Return an outline's own voxels, laid as the scan's."""
    return None if outline is None else Laid.of(outline.inside, native.frame, outline.first)


def _pictures(folder: Path, shown: Shown) -> dict[str, str]:
    """Draw a picture of each structure of which a place is known; return their paths below the folder."""
    crop = shown.crop
    names, made = file_names(item.name for item in shown.items), {}
    parent = f"pictures/{file_name(shown.cohort)}/{file_name(shown.subject)}"
    for item in shown.items:
        overlays = overlays_of(item)
        if not overlays or crop is None:
            continue
        window = window_of(crop.values, shown.modality)
        drawn = draw_planes(shown.scan, window, overlays, width_of([overlay.box_mm for overlay in overlays]))
        made[item.name] = f"{parent}/{names[item.name]}.webp"
        with whole_file(folder / made[item.name]) as temporary:
            temporary.write_bytes(webp(drawn, QUALITY))
    return made


def overlays_of(item: Item) -> list[Overlay]:
    """Return what is drawn of a structure, the found one first and dashed."""
    kinds = (
        (item.found, item.found_outline, FOUND, True),
        (item.true, item.true_outline, TRUE, False),
    )
    return [
        Overlay(box_mm=np.array(told.box_mm), colour=colour, dashed=dashed, outline=outline)
        for told, outline, colour, dashed in kinds
        if told is not None and told.box_mm is not None
    ]
