"""What runs in the environment of 3D Slicer's own classes (slicer-core): open a scene, or save marks as Slicer does.

python slicer_side.py open SCENE.mrml OUT.json    writes what lies where, RAS mm
python slicer_side.py save FOLDER OUT.json        saves markups and a segmentation, and writes the same of them
"""

import json
import sys
from pathlib import Path

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

SIZE = (20, 18, 12)
TO_RAS = [[-0.7, 0.2, 0, 13.5], [0.2, 0.7, 0, -21.25], [0, 0, 2.5, -300], [0, 0, 0, 1]]


def new_scene():
    """A scene with the parts of Slicer that read markups and segmentations."""
    scene, about = slicer.vtkMRMLScene(), slicer.vtkMRMLApplicationLogic()
    about.SetMRMLScene(scene)
    logics = [
        slicer.vtkSlicerSegmentationsModuleLogic(),
        slicer.vtkSlicerMarkupsLogic(),
        slicer.vtkSlicerVolumesLogic(),
    ]
    for logic in logics:
        logic.SetMRMLApplicationLogic(about)
        logic.SetMRMLScene(scene)
    return scene, (about, *logics)


def nodes(scene, kind):
    found = scene.GetNodesByClass(kind)
    return [found.GetItemAsObject(number) for number in range(found.GetNumberOfItems())]


def array(matrix):
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def bounds(node):
    found = [0.0] * 6
    node.GetRASBounds(found)
    return np.reshape(found, (3, 2)).T.tolist()


def values(image):
    """Values (z, y, x)."""
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])


def volume(node):
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    found = values(node.GetImageData())
    places = [[0, 0, 0], [39, 35, 23], [7, 30, 11]]
    return {
        "size": list(node.GetImageData().GetDimensions()), "to_ras": array(matrix).tolist(), "places": places,
        "values": [float(found[k, j, i]) for i, j, k in places],
    }  # fmt: skip


def segments(node):
    """Names, with the middles of their voxels, RAS mm."""
    found = {}
    for number in range(node.GetSegmentation().GetNumberOfSegments()):
        part = slicer.vtkOrientedImageData()
        node.GetBinaryLabelmapRepresentation(node.GetSegmentation().GetNthSegmentID(number), part)
        matrix = vtk.vtkMatrix4x4()
        part.GetImageToWorldMatrix(matrix)
        index = np.argwhere(values(part) > 0)[:, ::-1] + np.array(part.GetExtent()[::2])
        places = np.hstack([index, np.ones((len(index), 1))]) @ array(matrix).T
        found[node.GetSegmentation().GetNthSegment(number).GetName()] = places[:, :3].tolist()
    return found


def points(node):
    return {
        node.GetNthControlPointLabel(number): list(node.GetNthControlPointPositionWorld(number))
        for number in range(node.GetNumberOfControlPoints())
    }


def contents(scene):
    return {
        "volumes": {node.GetName(): volume(node) for node in nodes(scene, "vtkMRMLScalarVolumeNode")},
        "segments": {k: v for node in nodes(scene, "vtkMRMLSegmentationNode") for k, v in segments(node).items()},
        "boxes": {node.GetName(): bounds(node) for node in nodes(scene, "vtkMRMLMarkupsROINode")},
        "said": {
            node.GetName(): node.GetNthControlPointDescription(0) for node in nodes(scene, "vtkMRMLMarkupsROINode")
        },
        "points": {node.GetName(): points(node) for node in nodes(scene, "vtkMRMLMarkupsFiducialNode")},
    }


def opened(path):
    scene, _parts = new_scene()
    scene.SetURL(str(path))
    messages = slicer.vtkMRMLMessageCollection()
    assert scene.Import(messages)
    return contents(scene) | {"messages": messages.GetAllMessagesAsString()}


def save(node, path):
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName(str(path))
    assert node.GetStorageNode().WriteData(node), path


def saved(folder):
    scene, _parts = new_scene()
    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "liver")
    roi.SetCenter(10.5, -20.25, -150)
    roi.SetSize(80, 60.5, 44)
    save(roi, folder / "liver.mrk.json")
    turned = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "spleen")
    turned.SetSize(50, 30, 20)
    matrix = vtk.vtkMatrix4x4()
    cosine, sine = np.cos(0.5), np.sin(0.5)
    matrix.DeepCopy([cosine, -sine, 0, -40, sine, cosine, 0, 12, 0, 0, 1, -170, 0, 0, 0, 1])
    turned.SetAndObserveObjectToNodeMatrix(matrix)
    save(turned, folder / "spleen.mrk.json")
    named = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "F")
    for name, place in {"chin": (1.5, 80.25, -33), "nose": (-30, -20, -150)}.items():
        named.SetNthControlPointLabel(named.AddControlPointWorld(vtk.vtkVector3d(*place)), name)
    save(named, folder / "points.mrk.json")
    drawn = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segmentation")
    drawn.CreateDefaultDisplayNodes()
    inside = np.zeros(SIZE[::-1], dtype=np.uint8)
    inside[3:9, 5:12, 4:15] = 1
    inside[3, 5, 4:9] = 0
    for name, shift in {"liver": 0, "tumour": 2}.items():
        image = slicer.vtkOrientedImageData()
        image.SetDimensions(*SIZE)
        grid = vtk.vtkMatrix4x4()
        grid.DeepCopy([value for row in TO_RAS for value in row])
        image.SetImageToWorldMatrix(grid)
        # The second one lies in part over the first: two layers.
        scalars = numpy_to_vtk(np.roll(inside, shift, axis=2).ravel(), deep=True, array_type=vtk.VTK_UNSIGNED_CHAR)
        image.GetPointData().SetScalars(scalars)
        drawn.AddSegmentFromBinaryLabelmapRepresentation(image, name)
    save(drawn, folder / "Segmentation.seg.nrrd")
    return contents(scene) | {"size": SIZE, "to_ras": TO_RAS}


if __name__ == "__main__":
    found = {"open": opened, "save": saved}[sys.argv[1]](Path(sys.argv[2]))
    Path(sys.argv[3]).write_text(json.dumps(found), encoding="utf-8")
