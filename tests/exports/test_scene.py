"""Scenes of 3D Slicer: well-formed, whole, and where the answers are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest
import SimpleITK as sitk

from rprloc.exports.query import Query
from rprloc.exports.scene import write_scene
from rprloc.exports.slicer import write_slicer
from rprloc.exports.write import write_exports
from rprloc.marks.segments import read_segments
from rprloc.scans.record import Native
from tests.exports.queries import GLAND, GRIDS, LOST, ORGAN, box_of, query, values_of

SHEAR = np.array([[1.0, 0, 0], [0, 1, 0.3], [0, 0, np.sqrt(1 - 0.09)]])


def tilted(folder: Path) -> Query:
    """Return a query on the sheared grid of a tilted gantry, which NRRD can hold."""
    one = query(folder, "along the axes")
    grid = replace(one.native, direction=tuple(SHEAR.ravel().tolist()))
    sitk.WriteImage(grid.image(values_of(grid)), str(folder / "scan.nrrd"))
    return replace(one, record=replace(one.record, native=grid), image=folder / "scan.nrrd")


def written(tmp_path: Path, one: Query) -> tuple[Path, ElementTree.Element]:
    """Write a query's markups and scene; return their folder and the scene."""
    write_slicer(tmp_path, one)
    write_scene(tmp_path, one)
    folder = tmp_path / "slicer" / "c" / one.name
    return folder, ElementTree.parse(folder / f"{one.name}.mrml").getroot()


def files_of(scene: ElementTree.Element) -> dict[str, list[str]]:
    """Return by the tag of a node the names of its files, decoded as Slicer does, found by its references."""
    by_id = {node.attrib["id"]: node for node in scene}
    assert len(by_id) == len(scene)
    found: dict[str, list[str]] = {}
    for node in scene:
        pairs = [one.split(":") for one in node.attrib.get("references", "").split(";") if one]
        nodes = {role: by_id[name] for role, name in pairs}
        if "storage" in nodes:
            assert nodes["storage"].tag.endswith("Storage") and nodes["display"].tag.endswith("Display")
            found.setdefault(node.tag, []).append(nodes["storage"].attrib["fileName"].replace("%25", "%"))
    return found


def test_every_file_of_the_folder_is_in_the_scene_and_the_other_way_round(tmp_path: Path) -> None:
    folder, scene = written(tmp_path, query(tmp_path))
    files = files_of(scene)
    assert {tag: len(names) for tag, names in files.items()} == {
        "Volume": 1, "Segmentation": 1, "MarkupsROI": 2, "MarkupsFiducial": 2,
    }  # fmt: skip
    named = {name for names in files.values() for name in names}
    assert named == {path.name for path in folder.iterdir()} - {"q1.mrml"}
    assert any("%" in name for name in named) and not any("/" in name for name in named)
    assert [node.attrib["name"] for node in scene if node.tag == "MarkupsROI"] == [ORGAN, GLAND]


@pytest.mark.parametrize("kind", [*GRIDS, "tilted"])
def test_scan_outlines_and_boxes_lie_where_the_answers_do(tmp_path: Path, kind: str) -> None:
    one = tilted(tmp_path) if kind == "tilted" else query(tmp_path, kind)
    folder, scene = written(tmp_path, one)
    image = sitk.ReadImage(folder / "scan.nrrd")
    for index in ((0, 0, 0), (39, 35, 23), (7, 30, 11)):
        place = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(place, one.native.frame.world(np.array(index, dtype=float)), atol=1e-4)
        assert image[index] == values_of(one.native)[index[::-1]]
    grid = Native.of(image)
    label = read_segments(folder / "outlines.seg.nrrd", grid, image_name="scan.nrrd", structures=None)
    values = sitk.GetArrayFromImage(sitk.ReadImage(folder / "outlines.seg.nrrd"))
    assert len(label.structures) == 2
    for name, value in one.labels.items():
        if name != LOST:
            whole = one.outlines[name].within((0, 0, 0), one.native.size)
            assert ((values == value) == whole).all()
            roi = json.loads((folder / f"{one.files[name]}.roi.mrk.json").read_text(encoding="utf-8"))["markups"][0]
            low = np.array(roi["center"]) - np.array(roi["size"]) / 2
            if kind != "tilted":
                np.testing.assert_allclose(low, box_of(one.outlines[name], grid)[0], atol=1e-4)
    # RAS, around the middle of both boxes.
    boxes = [np.array(answer.box_mm) for answer in one.found]
    middle = (np.min(boxes, axis=(0, 1)) + np.max(boxes, axis=(0, 1))) / 2 * [-1, -1, 1]
    slices = [np.reshape([float(v) for v in node.attrib["sliceToRAS"].split()], (4, 4)) for node in scene.iter("Slice")]
    assert len(slices) == 3
    for matrix in slices:
        np.testing.assert_allclose(matrix[:3, 3], middle, atol=1e-4)
        assert np.abs(np.linalg.det(matrix[:3, :3])) == pytest.approx(1)


def test_each_segment_has_its_name_value_and_extent(tmp_path: Path) -> None:
    one = query(tmp_path)
    folder, _ = written(tmp_path, one)
    image = sitk.ReadImage(folder / "outlines.seg.nrrd")
    said = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    assert (said["Segment0_Name"], said["Segment1_Name"]) == (ORGAN, GLAND)
    assert (said["Segment0_LabelValue"], said["Segment1_LabelValue"]) == ("1", "2")
    assert said["Segment0_Extent"] == "8 19 9 15 5 13"


def test_a_hostile_name_stays_a_name_and_the_text_well_formed(tmp_path: Path) -> None:
    one = query(tmp_path)
    hostile = '"/><Module x="\x01\n'
    answers = [
        msgspec.structs.replace(answer, structure=hostile) if answer.structure == ORGAN else answer
        for answer in one.answers
    ]
    outlines = {hostile if name == ORGAN else name: outline for name, outline in one.outlines.items()}
    _, scene = written(tmp_path, replace(one, answers=tuple(answers), outlines=outlines))
    assert scene.find("Module") is None
    assert next(node.attrib["name"] for node in scene.iter("MarkupsROI")) == '"/><Module x="__'


def test_a_scan_without_outlines_or_without_answers(tmp_path: Path) -> None:
    one = replace(query(tmp_path), outlines={})
    folder, scene = written(tmp_path, one)
    assert "Segmentation" not in files_of(scene) and not (folder / "outlines.seg.nrrd").exists()
    nothing = replace(one, answers=one.answers[2:])
    write_scene(tmp_path / "none", nothing)
    assert not (tmp_path / "none").exists()


def test_a_scan_that_is_gone_is_said_and_leaves_the_markups(tmp_path: Path) -> None:
    one = replace(query(tmp_path), image=tmp_path / "gone.nii.gz")
    (said,) = write_exports(tmp_path / "exports", ("slicer",), one)
    assert said.startswith("gone.nii.gz: found no such file")
    names = [path.name for path in (tmp_path / "exports" / "slicer" / "c" / "q1").iterdir()]
    assert len(names) == 4 and all(name.endswith(".mrk.json") for name in names)


def test_a_ct_opens_in_its_window(tmp_path: Path) -> None:
    _, scene = written(tmp_path, query(tmp_path))
    shown = next(scene.iter("VolumeDisplay"))
    assert (shown.attrib["window"], shown.attrib["level"]) == ("400", "40")
    _, other = written(tmp_path, replace(query(tmp_path), modality="mr"))
    assert "window" not in next(other.iter("VolumeDisplay")).attrib
